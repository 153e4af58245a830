"""Repairing a damaged log: in comes its file, out comes a sound one with all that is sound in it.

Every message of every sound chunk is copied byte for byte, header and order included. Where
messages are missing, a `LogGap` stands: the new log is whole for every reader, and still says what
it lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import foxglove
from foxglove.mcap import MCAPWriteOptions
from mcap.records import Channel, Message, Schema

from drone import codec, topics
from drone.flightlog import FlightLog
from drone.logformat import HEADER_NAME, metadata_from_header
from drone.logwriter import CHUNK_BYTES
from drone.mcapfile import LogFile, mapped
from drone.mcapwalk import Gap, Walk
from drone.messages import LogGap


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
    file = LogFile(target)
    with mapped(source) as data:
        walk = Walk(data)
        copy = _Copy(file, log)
        for record in walk.records():
            copy.take(record)
            if on_progress is not None:
                on_progress(walk.at / len(data))
        copy.close()
    lost = sum(gap.end - gap.start for gap in walk.gaps)
    damaged = walk.damage or log.damaged
    return Repair(copy.messages, copy.unknown, len(walk.gaps), lost, damaged)


class _Copy:
    """The new file, record after record."""

    def __init__(self, file: LogFile, log: FlightLog) -> None:
        self.messages = self.unknown = 0
        self._gaps = 0
        self._file = file
        self._log = log
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, foxglove.Channel] = {}
        self._topics: dict[str, foxglove.Channel] = {}
        self._last_ns = log.header.utc_offset_ns
        self._context = foxglove.Context()
        options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(file, context=self._context, writer_options=options)
        self._write_header()

    def take(self, record: Any) -> None:
        """Copy one record of the walk."""
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._open(record)
        elif isinstance(record, Message):
            self._message(record)
        elif isinstance(record, Gap):
            self._gap(record)
        self._file.check()

    def close(self) -> None:
        """Write the header once more, and the index."""
        self._write_header()
        self._writer.close()
        self._file.close()
        self._file.check()

    def _write_header(self) -> None:
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(self._log.header))

    def _message(self, record: Message) -> None:
        channel = self._channels.get(record.channel_id)
        if channel is None:
            self.unknown += 1
            return
        channel.log(record.data, log_time=record.log_time)
        self.messages += 1
        self._last_ns = record.log_time

    def _open(self, record: Channel) -> None:
        schema = self._schemas.get(record.schema_id)
        if schema is None:
            return
        self._channels[record.id] = self._topic(
            record.topic, schema.name, schema.encoding, schema.data
        )

    def _topic(self, name: str, schema: str, encoding: str, data: bytes) -> foxglove.Channel:
        if name not in self._topics:
            self._topics[name] = foxglove.Channel(
                name,
                schema=foxglove.Schema(name=schema, encoding=encoding, data=data),
                message_encoding=encoding,
                context=self._context,
            )
        return self._topics[name]

    def _gap(self, gap: Gap) -> None:
        self._gaps += 1
        message = self._log.gap_message(self._gaps, self._last_ns, gap)
        name, data = codec.schema(LogGap)
        channel = self._topic(topics.GAP.name, name, "protobuf", data)
        channel.log(codec.encode(message), log_time=self._last_ns)
