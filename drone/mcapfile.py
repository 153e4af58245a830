"""Opening an MCAP file that may be cut, damaged, or someone else's; and the file that is written.

In comes a path, out come the log's header and what stands at the file's end. `drone.mcapwalk` walks
what lies between.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Metadata, Statistics

from drone.errors import UserError, WorkFailedError
from drone.logformat import (
    FORMAT_VERSION,
    HEADER_NAME,
    HeaderError,
    LogHeader,
    header_from_metadata,
    is_sound,
)
from drone.mcapwalk import MAGIC, Summary

_HEAD = struct.Struct("<BQ")
_HELD_BYTES = 256 * 1024
_KEPT_BYTES = 16 * 1024 * 1024


class LogFile:
    """A new file for the MCAP writer, which itself hides a full disk until the end.

    The first failure is kept and everything after it dropped, so that what was written before stays
    readable; `check` raises it.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        self._path = path
        self._failure: OSError | None = None
        self._position = self._end = self._held_at = 0
        self._held = bytearray()
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise UserError(f"{path}: is there already; a log is never overwritten") from None
        except OSError as error:
            raise WorkFailedError(f"{path}: cannot be made: {error.strerror}") from error

    @property
    def size_bytes(self) -> int:
        """How much was given to it."""
        return self._end

    def write(self, data: bytes) -> int:
        """Take the data; what stands together is written together, a chunk as soon as it ends.

        A chunk ends by going back to its head, and that is what makes this write.
        """
        if self._position != self._held_at + len(self._held):
            self._write_held()
            self._held_at = self._position
        self._held += data
        if len(self._held) >= _HELD_BYTES:
            self._write_held()
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def _write_held(self) -> None:
        """Write all that is held, or note why not and pretend."""
        held, self._held = bytes(self._held), bytearray()
        done = 0
        try:
            while done < len(held) and self._failure is None:
                done += os.pwrite(self._file.fileno(), held[done:], self._held_at + done)
        except OSError as error:
            self._failure = error
        self._held_at += len(held)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file, also of one that no longer grows; MCAP's writer asks often where it is."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._end
        self._position = offset
        return offset

    def flush(self) -> None:
        """Write what is held."""
        self._write_held()

    def close(self) -> None:
        """Close the file."""
        self._write_held()
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error

    def check(self) -> None:
        """Raise what a write met.

        Raises:
            WorkFailedError: the disk is full or gone.
        """
        if self._failure is not None:
            reason = self._failure.strerror
            raise WorkFailedError(f"{self._path}: the log ends here: {reason}") from self._failure


class _Mapped(mmap.mmap):
    """A file in memory that holds only what was read of late, so that any size can be read."""

    _read_bytes = 0

    def __getitem__(self, part: Any) -> Any:
        found = super().__getitem__(part)
        if isinstance(part, slice):
            self._read_bytes += len(found)
            if self._read_bytes > _KEPT_BYTES:
                self._read_bytes = 0
                self.madvise(mmap.MADV_DONTNEED)
        return found


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file into memory: only what is looked at is read, and it is not kept.

    Raises:
        UserError: no such file, an empty one, or one that cannot be read.
    """
    _check_file(path)
    try:
        with (
            path.open("rb") as file,
            _Mapped(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            yield data
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def read_header(path: Path, expected: frozenset[str]) -> LogHeader:
    """Read the header, which stands before the first chunk and once more after the last.

    Args:
        path: of the file.
        expected: topics that a flight log has, to name those that a foreign file lacks.

    Raises:
        UserError: no such file, not an MCAP file, not a flight log, or of a newer format.
    """
    with mapped(path) as data:
        if MAGIC not in (data[: len(MAGIC)], data[-len(MAGIC) :]):
            raise UserError(f"{path}: not an MCAP file; expected a flight log")
        summary = Summary.of(data)
        headers, has_chunks = _beginning(data)
        headers += [_metadata_at(data, at) for at in summary.metadata_at]
    problem = ""
    for texts in filter(None, headers):
        try:
            return _checked(path, texts)
        except HeaderError as error:
            problem = problem or str(error)
    if problem:
        raise UserError(f"{path}: the log's header is damaged: {problem}")
    if summary.missing and not has_chunks:
        raise UserError(
            f"{path}: cut or damaged before its header was complete; nothing can be read"
        )
    raise UserError(f"{path}: an MCAP file, but no flight log: {_lacks(path, expected)}")


def read_end(path: Path) -> tuple[Statistics | None, str | None]:
    """Read the statistics at the end of the file, or say what is wrong with its end."""
    with mapped(path) as data:
        statistics = Summary.of(data).statistics
    if statistics is None:
        return None, "the end of the file is missing or damaged: it was cut, or its writer killed"
    return statistics, None


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            what = "a folder, not a log" if path.is_dir() else "no such file"
            raise UserError(f"{path}: {what}; expected a flight log (.mcap)")
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty; expected a flight log (.mcap)")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _beginning(data: mmap.mmap) -> tuple[list[dict[str, str] | None], bool]:
    """Return the headers that stand before the first chunk, and whether there is a chunk."""
    headers: list[dict[str, str] | None] = []
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack(data[at : at + _HEAD.size])
        if opcode in (Opcode.CHUNK, Opcode.DATA_END, Opcode.FOOTER):
            return headers, bool(opcode == Opcode.CHUNK)
        if opcode == Opcode.METADATA:
            headers.append(_metadata_at(data, at))
        at += _HEAD.size + length
    return headers, False


def _metadata_at(data: mmap.mmap, at: int) -> dict[str, str] | None:
    """Return the texts of the header that is the record there, None if it is none."""
    opcode, length = _HEAD.unpack(data[at : at + _HEAD.size])
    if opcode != Opcode.METADATA or at + _HEAD.size + length > len(data):
        return None
    content = data[at + _HEAD.size : at + _HEAD.size + length]
    try:
        metadata = Metadata.read(ReadDataStream(BytesIO(content)))
    except Exception:  # noqa: BLE001 - on damage mcap raises whatever it meets
        return None
    texts: dict[str, str] = metadata.metadata
    return texts if metadata.name == HEADER_NAME else None


def _checked(path: Path, texts: dict[str, str]) -> LogHeader:
    version = texts.get("format_version", "")
    if version.isdecimal() and int(version) > FORMAT_VERSION and is_sound(texts):
        raise UserError(
            f"{path}: log format {version}, and this version reads up to {FORMAT_VERSION}: "
            f"update the software (the log was written by {texts.get('software')})"
        )
    return header_from_metadata(texts)


def _lacks(path: Path, expected: frozenset[str]) -> str:
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except (McapError, OSError, ValueError):
        summary = None
    found = {channel.topic for channel in summary.channels.values()} if summary else set()
    return (
        f"it lacks the metadata record {HEADER_NAME!r} and the topics "
        f"{', '.join(sorted(expected - found))}; it has {', '.join(sorted(found)) or 'none'}"
    )
