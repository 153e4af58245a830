"""The files of one flight, walked as one: in comes a path, out come messages and gaps, still bytes.

flight.mcap ─► flight.001.mcap ─► flight.002.mcap      from the named file to the last
     └─► Walk ─► topic and message, as they stand in the file; Gap, where one is missing
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mcap.records import Channel, Message, Schema, Statistics

from drone import topics
from drone.clock import s_from_ns
from drone.errors import UserError
from drone.logfiles import file_path, files_from, number_of
from drone.logformat import LogHeader
from drone.lognotes import LogNotes
from drone.mcapfile import mapped, read_end, read_header
from drone.mcapwalk import Gap, Walk

_OPENING = (topics.FLYING.name, topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION)
"""What every file begins with, so that it can be read alone."""


class LogWalk:
    """The files of a log, from one on.

    Attributes:
        path: of the first file that is read.
        header: its first record.
        schemas: of the topics met so far.
        notes: what a reader should know beside the damage.
    """

    def __init__(self, path: Path, expected: frozenset[str], alone: bool) -> None:
        """Read the headers and the ends.

        Args:
            path: of the file.
            expected: topics that a flight log has, to name those that a foreign file lacks.
            alone: read no other file.

        Raises:
            UserError: no such file, not an MCAP file, not a flight log, or of a newer format.
        """
        self.path = path
        self.header = read_header(path, expected)
        self._files = [_File(path, self.header)]
        if not alone:
            self._files += _going_on(path, self.header)
        self.schemas: dict[str, Schema] = {}
        self.notes = LogNotes(self.header.software)
        self._before_bytes = 0
        self._current: Walk | None = None
        ends = [file.end() for file in self._files]
        self._statistics = [statistics for statistics, _ in ends]
        self._damages = {file.path: d for file, (_, d) in zip(self._files, ends, strict=True)}

    @property
    def files(self) -> tuple[Path, ...]:
        """Those whose header can be read."""
        return tuple(file.path for file in self._files if file.header is not None)

    @property
    def damaged(self) -> str | None:
        """What is wrong with the files, None as long as nothing is known to be."""
        found = [(path, damage) for path, damage in self._damages.items() if damage]
        if len(self._files) == 1:
            return found[0][1] if found else None
        return "; ".join(f"{path.name}: {damage}" for path, damage in found) or None

    def met(self, path: Path, damage: str | None) -> None:
        """Take in what someone else found in one of the files."""
        self._damages[path] = damage

    @property
    def duration_s(self) -> float:
        """From the first to the last message, NaN if there is none or an end is missing."""
        found = [s for s in self._statistics if s is not None and s.message_count]
        if not found or None in self._statistics:
            return math.nan
        return s_from_ns(found[-1].message_end_time - found[0].message_start_time)

    @property
    def message_count(self) -> int | None:
        """Of all topics, None if an end is missing."""
        counts = [s.message_count for s in self._statistics if s is not None]
        return sum(counts) if len(counts) == len(self._statistics) else None

    @property
    def done_share(self) -> float:
        """Which share of the files this pass has read."""
        at = 0 if self._current is None else self._current.at
        return (self._before_bytes + at) / max(1, sum(file.size_bytes for file in self._files))

    def messages(self) -> Iterator[tuple[str, Message | Gap]]:
        """Yield topic and message in the order of writing, and what gaps there are.

        What a later file begins with and was read before is passed over.
        """
        self._before_bytes = 0
        self.notes.restart()
        for file in self._files:
            passed_over = () if file is self._files[0] else _OPENING
            if file.header is None:
                yield "", Gap(0, file.size_bytes, f"{file.path.name}: {file.problem}")
            else:
                for name, record in self._of_file(file.path):
                    if name not in passed_over:
                        yield name, record
            self._before_bytes, self._current = self._before_bytes + file.size_bytes, None

    def _of_file(self, path: Path) -> Iterator[tuple[str, Message | Gap]]:
        channels: dict[int, str] = {}
        schemas: dict[int, Schema] = {}
        with mapped(path) as data:
            walk = self._current = Walk(data)
            for record in walk.records():
                if isinstance(record, Message):
                    yield channels.get(record.channel_id, ""), record
                elif isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record.topic
                    if record.schema_id in schemas:
                        self.schemas[record.topic] = schemas[record.schema_id]
                        self.notes.schema(record.topic, schemas[record.schema_id])
                elif isinstance(record, Gap):
                    self._damages[path] = walk.damage
                    yield "", record
            self._damages[path] = walk.damage or self._damages[path]


@dataclass(frozen=True, slots=True)
class _File:
    """One of a log's files; `header` is None where it cannot be read, and `problem` says why."""

    path: Path
    header: LogHeader | None
    problem: str = ""

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def end(self) -> tuple[Statistics | None, str | None]:
        """Return the statistics at its end, and what is wrong with the file."""
        return (None, self.problem) if self.header is None else read_end(self.path)


def _going_on(path: Path, header: LogHeader) -> Iterator[_File]:
    """Yield the files beside this one that hold the rest of its flight."""
    first, number = number_of(path)
    if number != header.file_number:
        return  # it was given another name
    for file in files_from(path)[1:]:
        before, number = number, number_of(file)[1]
        found = _read(file, header)
        if found is None:
            return
        for missing in range(before + 1, number):
            yield _File(file_path(first, missing), None, "missing")
        yield found


def _read(path: Path, before: LogHeader) -> _File | None:
    """Return a file that goes on from others, None if it is of another flight."""
    try:
        header = read_header(path, frozenset())
    except UserError as error:
        return _File(path, None, str(error).removeprefix(f"{path}: "))
    here = replace(header, pilot_state=before.pilot_state, file_number=before.file_number)
    same = here == before and header.file_number == number_of(path)[1]
    return _File(path, header) if same else None
