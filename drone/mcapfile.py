"""Opening and walking an MCAP file that may be cut, damaged, or someone else's.

In comes a path, out come the log's header and, chunk after chunk in file order, its records. The
usual readers lose everything of a cut file, or accept pixels that changed; here no index is needed,
every chunk's checksum is verified, and the walk ends at the first damage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Chunk, DataEnd, Metadata, Statistics
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk

from drone.errors import UserError, WorkFailedError
from drone.logformat import (
    FORMAT_VERSION,
    HEADER_NAME,
    HeaderError,
    LogHeader,
    header_from_metadata,
)

_MAGIC = b"\x89MCAP"


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
        self._position = self._end = 0
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise UserError(f"{path}: is there already; a log is never overwritten") from None
        except OSError as error:
            raise WorkFailedError(f"{path}: cannot be made: {error.strerror}") from error

    def write(self, data: bytes) -> int:
        """Write all of the data, or note why not and pretend."""
        rest = memoryview(data)
        try:
            while rest and self._failure is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failure = error
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file, also of one that no longer grows."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        if self._failure is None:
            self._file.seek(self._position)
        return self._position

    def flush(self) -> None:
        """Do nothing: every write goes to the system at once."""

    def close(self) -> None:
        """Close the file."""
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


class DamageError(Exception):
    """The walk met damage; says up to where the file is sound and how much is lost."""


def read_header(path: Path, expected: frozenset[str]) -> LogHeader:
    """Read the header, which stands before the first chunk.

    Args:
        path: of the file.
        expected: topics that a flight log has, to name those that a foreign file lacks.

    Raises:
        UserError: no such file, not an MCAP file, not a flight log, or of a newer format.
    """
    size = _size(path)
    try:
        with path.open("rb") as file:
            metadata = _header_metadata(file, size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:
        raise UserError(f"{path}: {_no_mcap(path)}") from error
    if metadata is None:
        raise UserError(f"{path}: an MCAP file, but no flight log: {_lacks(path, expected)}")
    return _checked(path, metadata)


def read_end(path: Path) -> tuple[Statistics | None, str | None]:
    """Read the statistics at the end of the file, or say what is wrong with its end."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # noqa: BLE001 - on damage mcap raises whatever it meets
        summary = None
    if summary is None or summary.statistics is None:
        return None, "the end of the file is missing or damaged: it was cut, or its writer killed"
    return summary.statistics, None


def sound_records(path: Path) -> Iterator[Any]:
    """Yield the records in file order, those of a chunk once its checksum was verified.

    The checksum over all chunks, verified at the end, notices a chunk that was skipped because its
    own kind was altered.

    Raises:
        DamageError: after the last sound record, if data is lost. A damaged index loses none.
    """
    size = _size(path)
    with path.open("rb") as file:
        stream = _stream(file, size)
        complete, sound = False, 0
        while not complete:
            try:
                record = next(stream)
                part = breakup_chunk(record, validate_crc=True) if _is_chunk(record) else [record]
            except Exception as error:
                raise DamageError(_loss(sound, size, error)) from error
            complete, sound = isinstance(record, DataEnd), file.tell()
            yield from part


def _stream(file: IO[bytes], size: int) -> Iterator[Any]:
    """Walk the records; no wild length can make it allocate more than the file's size."""
    reader = StreamReader(file, emit_chunks=True, validate_crcs=True, record_size_limit=size)
    return iter(reader.records)


def _is_chunk(record: Any) -> bool:
    return isinstance(record, Chunk)


def _loss(sound: int, size: int, error: Exception) -> str:
    if isinstance(error, CRCValidationError) and isinstance(error.record, DataEnd):
        return "the file was altered: messages may be missing between those that were read"
    return (
        f"sound up to byte {sound} of {size}; the {size - sound} bytes from there on are lost "
        f"({_words(error)})"
    )


def _words(error: Exception) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            what = "a folder, not a log" if path.is_dir() else "no such file"
            raise UserError(f"{path}: {what}; expected a flight log (.mcap)")
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if size == 0:
        raise UserError(f"{path}: the file is empty; expected a flight log (.mcap)")
    return size


def _header_metadata(file: IO[bytes], size: int) -> dict[str, str] | None:
    for record in _stream(file, size):
        if isinstance(record, Metadata) and record.name == HEADER_NAME:
            metadata: dict[str, str] = record.metadata
            return metadata
        if isinstance(record, Chunk | DataEnd):
            break
    return None


def _no_mcap(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return "cut or damaged before its header was complete; nothing can be read"
    return "not an MCAP file; expected a flight log"


def _checked(path: Path, metadata: dict[str, str]) -> LogHeader:
    version = metadata.get("format_version", "")
    if version.isdecimal() and int(version) > FORMAT_VERSION:
        raise UserError(
            f"{path}: log format {version}, and this version reads up to {FORMAT_VERSION}: "
            f"update the software (the log was written by {metadata.get('software')})"
        )
    try:
        return header_from_metadata(metadata)
    except HeaderError as error:
        raise UserError(f"{path}: the log's header is damaged: {error}") from error


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
