"""Run folders of the companion, on their way home: listed with size and hash, sent from any offset.

`list_files` answers one JSON object; standard input may name files (a JSON list of paths) whose
hashes are wanted: hashing takes time, so only of those that are at home already.
`send_files` answers, for each request {"path", "offset"}, a line {"path", "size", "offset"}, the
bytes from the offset on, and a line {"sha256"} of the whole file, or {"problem"}.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TextIO

from drone.deploy.target.refusal import Refused

FRESH_S = 10.0
"""Files written to more lately are still being written."""
_CHUNK = 1 << 20


def list_files(folder: Path, asked: TextIO, say: Callable[[Any], None]) -> int:
    """Say what files there are, and the hashes of those that are asked for."""
    wanted = set(json.loads(asked.read() or "[]"))
    files: list[dict[str, Any]] = []
    busy = set()
    paths = (Path(root, name) for root, _, names in os.walk(str(folder)) for name in names)
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        try:
            state = path.lstat()
            if not stat.S_ISREG(state.st_mode):
                continue
            digest = {"sha256": _hash(path)} if name in wanted else {}
        except FileNotFoundError:  # deleted meanwhile
            continue
        if -FRESH_S < time.time() - state.st_mtime < FRESH_S:
            busy.add(name.split("/")[0])
        files.append({"path": name, "size": state.st_size, **digest})
    say({"folder": str(folder), "files": files, "busy": sorted(busy)})
    return 0


def send_files(folder: Path, asked: TextIO, out: IO[bytes]) -> int:
    """Send files; a file that shrinks meanwhile is filled up with zeros, and said to be wrong."""
    for request in json.loads(asked.read()):
        path = (folder / request["path"]).resolve()
        if folder.resolve() not in path.parents:
            raise Refused(f"{request['path']}: is no file of a run")
        _send(path, request, out)
    out.flush()
    return 0


def _send(path: Path, request: dict[str, Any], out: IO[bytes]) -> None:
    digest, offset, size, problem = hashlib.sha256(), int(request["offset"]), 0, ""
    try:
        file = path.open("rb")
    except OSError as error:
        _line(out, {"path": request["path"], "size": 0, "offset": 0})
        _line(out, {"problem": error.strerror or str(error)})
        return
    with file:
        size = max(offset, path.stat().st_size)
        _line(out, {"path": request["path"], "size": size, "offset": offset})
        at = 0
        while at < size:
            until = offset if at < offset else size
            wanted = min(_CHUNK, until - at)
            data = file.read(wanted)
            problem = problem if len(data) == wanted else "it became shorter while it was sent"
            data += bytes(wanted - len(data))
            digest.update(data)
            if at >= offset:
                out.write(data)
            at += wanted
    _line(out, {"problem": problem} if problem else {"sha256": digest.hexdigest()})


def _line(out: IO[bytes], value: dict[str, Any]) -> None:
    out.write(json.dumps(value).encode() + b"\n")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()
