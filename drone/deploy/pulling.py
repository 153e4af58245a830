"""Runs of a companion come home: what is here is left alone, what broke off goes on.

list there ─► here already? ─ same size and hash: skipped
                            ─ another file:       kept, and said
                            ─ `<name>.part`:      goes on where it broke off
bytes ─► `<name>.part` ─► SHA-256 as there ─► its name
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from drone.deploy.deploying import Bar
from drone.deploy.ssh import Host, ask, trouble
from drone.deploy.target.program import MARK
from drone.errors import WorkFailedError

PART = ".part"
_CHUNK = 1 << 20


@dataclass
class Pulled:
    """What came home.

    Attributes:
        folder: of the runs here.
        fetched: files that came.
        skipped: files that are here already.
        kept: files that are here with another content, and stay.
        busy: runs that are still being written, and wait for the next time.
        problems: files that could not be fetched, and why.
        fetched_bytes: that came.
    """

    folder: Path
    fetched: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    fetched_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {
            "runs": str(self.folder),
            "fetched": self.fetched,
            "fetched_bytes": self.fetched_bytes,
            "skipped": self.skipped,
            "kept": self.kept,
            "busy": self.busy,
            "problems": self.problems,
        }


def pull(host: Host, folder: Path, bar: Bar) -> Pulled:
    """Bring home what is not here yet.

    Raises:
        UserError: the companion is out of reach.
        WorkFailedError: the connection broke off, or nothing can be written here.
    """
    listing = ask(host, ["runs"], io.BytesIO(b"[]"))
    same_size = [f["path"] for f in listing["files"] if _size(folder, f["path"]) == f["size"]]
    if same_size:
        listing = ask(host, ["runs"], io.BytesIO(json.dumps(same_size).encode()))
    pulled, wanted = sorted_out(listing, folder)
    if wanted:
        total = sum(size - _part_size(folder, path) for path, size in wanted.items())
        with bar(total, "fetching") as advance:
            _fetch(host, list(wanted), pulled, advance)
    return pulled


def sorted_out(listing: Mapping[str, Any], folder: Path) -> tuple[Pulled, dict[str, int]]:
    """Return what need not come, and the sizes of the files that must, by path."""
    pulled, wanted = Pulled(folder, busy=list(listing["busy"])), dict[str, int]()
    for file in listing["files"]:
        path = str(file["path"])
        if not is_inside(path):
            pulled.problems[path] = "is no file of a run"
        elif PurePosixPath(path).parts[0] in pulled.busy:
            continue
        elif not (folder / path).exists():
            wanted[path] = int(file["size"])
        elif file.get("sha256") == _sha256(folder / path):
            pulled.skipped.append(path)
        else:
            pulled.kept.append(path)
    return pulled, wanted


def is_inside(path: str) -> bool:
    """Return whether a path that another machine names stays below the folder it is put into."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in path


def _fetch(
    host: Host, paths: Sequence[str], pulled: Pulled, advance: Callable[[int], object]
) -> None:
    requests = [{"path": p, "offset": _part_size(pulled.folder, p)} for p in paths]
    with host.start(["send"]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdin.write(json.dumps(requests).encode())
            process.stdin.close()
            while (line := process.stdout.readline()) and line.strip() != MARK.encode():
                continue
            for _ in paths:
                receive(process.stdout, pulled, advance)
        except (BrokenPipeError, EOFError, ValueError):
            process.kill()
            told = process.stderr.read().decode(errors="replace")
            rest = len(paths) - len(pulled.fetched) - len(pulled.problems)
            raise WorkFailedError(
                f"{trouble(host, process.wait(), told)}; {rest} files are still to come: run the "
                "same command again, and it goes on from here"
            ) from None
        except BaseException:
            process.kill()
            raise


def receive(stream: IO[bytes], pulled: Pulled, advance: Callable[[int], object]) -> None:
    """Take one file from the stream; see `drone.deploy.target.runs`.

    Raises:
        EOFError: the stream ends before the file does.
        ValueError: it is no such stream.
        WorkFailedError: it cannot be written.
    """
    head = _line(stream)
    name, left = str(head["path"]), int(head["size"]) - int(head["offset"])
    path = pulled.folder / name
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            while left:
                data = stream.read(min(_CHUNK, left))
                if not data:
                    raise EOFError
                file.write(data)
                left -= len(data)
                pulled.fetched_bytes += len(data)
                advance(len(data))
        _finish(part, path, name, _line(stream), pulled)
    except OSError as error:
        raise WorkFailedError(f"{part}: cannot be written: {error.strerror}") from error


def _finish(part: Path, path: Path, name: str, end: Mapping[str, Any], pulled: Pulled) -> None:
    problem = end.get("problem") or (
        "" if _sha256(part) == end["sha256"] else "arrived altered; fetch it again"
    )
    if problem:
        part.unlink()
        pulled.problems[name] = str(problem)
        return
    part.rename(path)
    pulled.fetched.append(name)


def _line(stream: IO[bytes]) -> Mapping[str, Any]:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _size(folder: Path, path: str) -> int:
    there = is_inside(path) and (folder / path).is_file()
    return (folder / path).stat().st_size if there else -1


def _part_size(folder: Path, path: str) -> int:
    return max(0, _size(folder, path + PART))


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
