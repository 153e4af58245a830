"""Repairing a damaged log: in comes its file, out comes a sound one with all that is sound in it.

Every message of every sound chunk is copied byte for byte, header and order included. Where
messages are missing, a `LogGap` stands: the new log is whole for every reader, and still says what
it lacks. A log in several files becomes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mcap.records import Message

from drone.flightlog import FlightLog
from drone.logcopy import LogCopy


@dataclass(frozen=True, slots=True)
class Repair:
    """What came of it.

    Attributes:
        messages: copied.
        unknown: sound messages of a channel whose description is lost; they are left out.
        gaps: places where messages are missing.
        lost_bytes: of the damaged file.
        damaged: what was wrong with it, in words; None if nothing.
    """

    messages: int
    unknown: int
    gaps: int
    lost_bytes: int
    damaged: str | None


def repair(
    source: Path, target: Path, on_progress: Callable[[float], None] | None = None
) -> Repair:
    """Write what is sound of a log as a new log.

    Args:
        source: the damaged log.
        target: a file that is not there yet.
        on_progress: called with the share of the file that was read.

    Raises:
        UserError: the source is no flight log, or its header is lost; the target is there.
        WorkFailedError: the disk is full; the part that was written is a sound log.
    """
    log = FlightLog(source)
    walk = log.walk()
    copy = LogCopy(target, replace(log.header, file_number=0))
    last_ns, gaps, lost = log.header.utc_offset_ns, 0, 0
    for name, record in walk.messages():
        if isinstance(record, Message):
            copy.message(name, record, walk.schemas.get(name))
            last_ns = record.log_time
        else:
            gaps, lost = gaps + 1, lost + record.end - record.start
            copy.gap(log.gap_message(gaps, last_ns, record), last_ns)
        if on_progress is not None:
            on_progress(walk.done_share)
    copy.close()
    return Repair(copy.messages, copy.unknown, gaps, lost, walk.damaged)
