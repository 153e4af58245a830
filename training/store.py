"""Memories of flights on disk: numbered versions in one folder, each whole or not there.

    save ─► DIR/.000007.<pid>.tmp/ ─► files on the disk ─► renamed DIR/000007/ ─► older ones go
    latest ─► DIR/000007/memory.json ─► sizes and SHA-256 of all files ─► arrays and models

    DIR/000007/memory.json         what it is, its data and figures; every file's SHA-256
               state.safetensors   weights, optimiser, frames (`training.memory`)
               flying.onnx         the model that flew last; best.onnx the best before it

Nothing is pickled. The last two sound versions stay: a damaged one is passed over for the one
before. One flight at a time uses a folder: the system drops its lock with the process, however that
ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from drone import __version__
from drone.errors import UserError, WorkFailedError
from drone.runfolder import strict_json
from training.tensorfile import Arrays, DamagedError, read_arrays, write_arrays

FORMAT = 1
FACTS_NAME = "memory.json"
STATE_NAME = "state.safetensors"
LOCK_NAME = ".lock"
MODEL_SUFFIX = ".onnx"
_TEMPORARY = ".tmp"
_DIGITS = 6


class Memory(NamedTuple):
    """What is kept.

    Attributes:
        facts: what it is, in JSON's types.
        arrays: by name.
        models: ONNX files by name, such as `flying`.
    """

    facts: Mapping[str, Any]
    arrays: Arrays
    models: Mapping[str, bytes]


class Saved(NamedTuple):
    """What was saved."""

    version: int
    size_bytes: int


class MemoryStore:
    """One folder of memories, locked for as long as it is open."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, made if missing.

        Raises:
            UserError: it is a file, holds other things, or another flight uses it.
            WorkFailedError: it cannot be made or written to.
        """
        self.folder = folder
        self.notes: list[str] = []
        """What a user should know, in words: versions that were passed over."""
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: is a file; expected a folder for the memory of flights")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._refuse_other_things()
            self._lock = (folder / LOCK_NAME).open("wb")
        except OSError as error:
            raise WorkFailedError(
                f"{folder}: no memory can be kept here: {error.strerror}"
            ) from error
        self._take_lock()
        self._sound: int | None = None
        for left_over in folder.glob(f".*{_TEMPORARY}"):
            shutil.rmtree(left_over, ignore_errors=True)

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def latest(self) -> Memory | None:
        """Return the newest sound memory, None if nothing was ever saved.

        Raises:
            UserError: every one is damaged, or the newest is of another format.
        """
        versions = self._versions()
        for version in reversed(versions):
            try:
                memory = self._read(version)
            except (OSError, DamagedError) as error:
                self.notes.append(f"{self._path(version)}: passed over: {_why(error)}")
                continue
            self._sound = version
            return memory
        if versions:
            raise UserError(
                f"{self.folder}: no memory in it is sound ({'; '.join(self.notes)}); "
                "right is another folder, or none of these"
            )
        return None

    def save(self, memory: Memory) -> Saved:
        """Keep a memory as the next version.

        Raises:
            OSError: it cannot be written, the disk is full; what was there stays.
        """
        version = max(self._versions(), default=0) + 1
        temporary = self.folder / f".{version:0{_DIGITS}}.{os.getpid()}{_TEMPORARY}"
        try:
            temporary.mkdir()
            size_bytes = _write(temporary, version, memory)
            temporary.rename(self._path(version))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync(self.folder)
        keep = {version, self._sound}
        for older in set(self._versions()) - keep:
            shutil.rmtree(self._path(older), ignore_errors=True)
        self._sound = version
        return Saved(version, size_bytes)

    def _path(self, version: int) -> Path:
        return self.folder / f"{version:0{_DIGITS}}"

    def _versions(self) -> list[int]:
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdecimal())

    def _refuse_other_things(self) -> None:
        names = {p.name for p in self.folder.iterdir() if not p.name.startswith(".")}
        others = sorted(name for name in names if not name.isdecimal())
        if others:
            raise UserError(
                f"{self.folder}: holds other things ({', '.join(others[:3])}); expected an empty "
                "or a new folder, or one with the memory of flights"
            )

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise UserError(
                f"{self.folder}: another flight uses this memory; right is to wait for its end, "
                "or another folder"
            ) from error

    def _read(self, version: int) -> Memory:
        folder = self._path(version)
        facts = _facts((folder / FACTS_NAME).read_bytes())
        if facts["format"] != FORMAT:
            raise UserError(
                f"{folder}: a memory of format {facts['format']}, by drone "
                f"{facts.get('software', 'unknown')}; this is drone {__version__}, which reads "
                f"format {FORMAT}: right is a folder of its own"
            )
        files = {name: _checked(folder / name, entry) for name, entry in facts["files"].items()}
        arrays, _ = read_arrays(files.pop(STATE_NAME, b""))
        models = {name.removesuffix(MODEL_SUFFIX): data for name, data in files.items()}
        return Memory(facts, arrays, models)


def _write(folder: Path, version: int, memory: Memory) -> int:
    files: dict[str, dict[str, Any]] = {}
    with (folder / STATE_NAME).open("wb") as file:
        written = write_arrays(file, memory.arrays, {"format": str(FORMAT)})
        _sync_file(file)
    files[STATE_NAME] = {"sha256": written.sha256, "bytes": written.size_bytes}
    for name, data in memory.models.items():
        _write_file(folder / f"{name}{MODEL_SUFFIX}", data)
        files[f"{name}{MODEL_SUFFIX}"] = _entry(data)
    facts = {
        **memory.facts,
        "format": FORMAT,
        "memory": version,
        "software": __version__,
        "saved_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": files,
    }
    _write_file(folder / FACTS_NAME, _sealed(facts))
    _sync(folder)
    return sum(file.stat().st_size for file in folder.iterdir())


def _sealed(facts: Mapping[str, Any]) -> bytes:
    """Return JSON that ends with the SHA-256 of all before it, in the entry `sha256`."""
    seal = hashlib.sha256(strict_json(facts).encode()).hexdigest()
    return (strict_json({**facts, "sha256": seal}) + "\n").encode()


def _facts(data: bytes) -> dict[str, Any]:
    """Return the facts; the format's number is known even where the rest makes no sense.

    Raises:
        DamagedError: not as they were written.
    """
    try:
        facts = json.loads(data)
        seal = facts.pop("sha256")
        known = facts["format"] != FORMAT or (
            hashlib.sha256(strict_json(facts).encode()).hexdigest() == seal
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{FACTS_NAME} makes no sense") from error
    if not known:
        raise DamagedError(f"{FACTS_NAME} does not match its SHA-256")
    return dict(facts)


def _checked(path: Path, entry: Mapping[str, Any]) -> bytes:
    data = path.read_bytes()
    if len(data) != entry["bytes"]:
        raise DamagedError(f"{path.name} has {len(data)} bytes of {entry['bytes']}")
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DamagedError(f"{path.name} does not match its SHA-256")
    return data


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _write_file(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        _sync_file(file)


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Let the folder's own entries reach the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{Path(error.filename or '').name} cannot be read ({error.strerror})"
    return str(error)
