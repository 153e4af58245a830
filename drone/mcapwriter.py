"""An MCAP file, written chunk by chunk: in come encoded messages, out comes the file.

    open ─► channel.log(bytes, time) ─► chunk in memory ─► zstd, CRC ─► one write to the file
    close ─► what is open, then the index of all chunks

The layout is https://mcap.dev/spec. A message costs one copy, and a chunk reaches the file as a
whole or, where its writer is killed, not at all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import zstandard
from mcap.opcode import Opcode

from drone.mcapfile import LogFile
from drone.mcapwalk import MAGIC

_LEVEL = 1
_HEAD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<BQHIQQ")
_MESSAGE_BYTES = _MESSAGE.size - _HEAD.size
_MESSAGE_OPCODE = int(Opcode.MESSAGE)
_NO_TIMES = (2**64 - 1, 0)
"""First and last, of nothing."""


Bytes: TypeAlias = bytes | memoryview


@dataclass(slots=True)
class _Topic:
    """What is known of a channel.

    Attributes:
        number: of the channel; that of its schema is the same.
        schema: as it stands in the file.
        channel: likewise.
        places: of its messages in the open chunk: time and offset, one after the other.
        count: messages so far.
    """

    number: int
    schema: bytes
    channel: bytes
    places: list[int] = field(default_factory=list)
    count: int = 0


class McapChannel:
    """One topic of a file."""

    def __init__(self, writer: McapWriter, topic: _Topic) -> None:
        self._writer, self._topic = writer, topic

    def has_sinks(self) -> bool:
        """Return whether messages go anywhere: they do."""
        return True

    def log(self, data: bytes, time_ns: int, more: Bytes = b"") -> None:
        """Write one message: its bytes, and what follows them."""
        self._writer.message(self._topic, data, time_ns, more)

    def close(self) -> None:
        """Nothing is left to do: the writer ends the file."""


class McapWriter:
    """Writes one file; not for several threads at once. What the disk refuses, the file tells."""

    def __init__(self, file: LogFile, chunk_bytes: int) -> None:
        """Begin the file.

        Args:
            file: new and empty.
            chunk_bytes: of a chunk before compression, about.
        """
        self._file, self._chunk_bytes = file, chunk_bytes
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._topics: list[_Topic] = []
        self._chunk = memoryview(
            bytearray(2 * chunk_bytes)
        )  # used again and again: a new one costs
        self._filled = 0
        self._first_ns, self._last_ns = self._times = _NO_TIMES
        self._chunk_indexes: list[bytes] = []
        self._metadata_indexes: list[bytes] = []
        self._at = self._crc = 0
        self._put(MAGIC + _record(Opcode.HEADER, _text("") + _text("drone")))

    def open(self, name: str, schema: tuple[str, str, bytes]) -> McapChannel:
        """Return the channel of a new topic.

        Args:
            name: of the topic.
            schema: name, encoding, content.
        """
        number = len(self._topics) + 1
        kind, encoding, content = schema
        described = struct.pack("<H", number) + _text(kind) + _text(encoding) + _bytes(content)
        channel = struct.pack("<HH", number, number) + _text(name) + _text(encoding) + _bytes(b"")
        topic = _Topic(number, _record(Opcode.SCHEMA, described), _record(Opcode.CHANNEL, channel))
        self._topics.append(topic)
        return McapChannel(self, topic)

    def message(self, topic: _Topic, data: bytes, time_ns: int, more: Bytes) -> None:
        """Write a message; the chunk goes to the file when it is full."""
        if not topic.count:
            self._add(topic.schema + topic.channel)
        topic.count += 1
        at = self._filled
        topic.places += (time_ns, at)
        if time_ns < self._first_ns:
            self._first_ns = time_ns
        if time_ns > self._last_ns:
            self._last_ns = time_ns
        size = _MESSAGE_BYTES + len(data) + len(more)
        end = self._filled = at + _HEAD.size + size
        if end > len(self._chunk):
            self._chunk = _grown(self._chunk, end)
        chunk, middle = self._chunk, end - len(more)
        _MESSAGE.pack_into(
            *(chunk, at, _MESSAGE_OPCODE, size, topic.number, topic.count, time_ns, time_ns)
        )
        chunk[at + _MESSAGE.size : middle] = data
        if more:
            chunk[middle:end] = more
        if end >= self._chunk_bytes:
            self._end_chunk()

    def _add(self, data: bytes) -> None:
        """Add bytes to the open chunk."""
        at, self._filled = self._filled, self._filled + len(data)
        if self._filled > len(self._chunk):
            self._chunk = _grown(self._chunk, self._filled)
        self._chunk[at : self._filled] = data

    def write_metadata(self, name: str, texts: Mapping[str, str]) -> None:
        """Write a record of texts, behind the chunk that is open."""
        self._end_chunk()
        pairs = b"".join(_text(key) + _text(value) for key, value in texts.items())
        record = _record(Opcode.METADATA, _text(name) + _bytes(pairs))
        index = struct.pack("<QQ", self._at, len(record)) + _text(name)
        self._metadata_indexes.append(_record(Opcode.METADATA_INDEX, index))
        self._put(record)

    def close(self) -> None:
        """Write the open chunk, the index and the end."""
        self._end_chunk()
        self._put(_record(Opcode.DATA_END, struct.pack("<I", self._crc)))
        start = self._at
        groups, offsets = bytearray(), bytearray()
        for records in self._summary():
            if records:
                data = b"".join(records)
                group = struct.pack("<BQQ", records[0][0], start + len(groups), len(data))
                offsets += _record(Opcode.SUMMARY_OFFSET, group)
                groups += data
        footer = _HEAD.pack(Opcode.FOOTER, 20) + struct.pack("<QQ", start, start + len(groups))
        ending = groups + offsets + footer
        self._put(bytes(ending) + struct.pack("<I", zlib.crc32(ending)) + MAGIC)

    def _summary(self) -> Iterable[list[bytes]]:
        """Return the records that stand at the end, by kind; without messages a topic has none."""
        used = [topic for topic in self._topics if topic.count]
        yield [topic.schema for topic in used]
        yield [topic.channel for topic in used]
        yield [_record(Opcode.STATISTICS, self._statistics(used))]
        yield self._chunk_indexes
        yield self._metadata_indexes

    def _statistics(self, used: list[_Topic]) -> bytes:
        total = sum(topic.count for topic in used)
        metadata, chunks = len(self._metadata_indexes), len(self._chunk_indexes)
        first, last = self._times if total else (0, 0)
        counts = b"".join(struct.pack("<HQ", topic.number, topic.count) for topic in used)
        numbers = (total, len(used), len(used), 0, metadata, chunks, first, last)
        return struct.pack("<QHIIIIQQ", *numbers) + _bytes(counts)

    def _end_chunk(self) -> None:
        """Write the open chunk, with the places of its messages behind it."""
        size = self._filled
        if not size:
            return
        first, last = self._first_ns, self._last_ns
        content = self._chunk[:size]
        packed, crc = self._compressor.compress(content), zlib.crc32(content)
        sizes = struct.pack("<QQQI", first, last, size, crc)
        head = sizes + _text("zstd") + struct.pack("<Q", len(packed))
        chunk = _HEAD.pack(Opcode.CHUNK, len(head) + len(packed)) + head + packed
        indexes, places = bytearray(), bytearray()
        for topic in self._topics:
            if topic.places:
                offset = self._at + len(chunk) + len(indexes)
                places += struct.pack("<HQ", topic.number, offset)
                rows = struct.pack(f"<{len(topic.places)}Q", *topic.places)
                entry = struct.pack("<H", topic.number) + _bytes(rows)
                indexes += _record(Opcode.MESSAGE_INDEX, entry)
                topic.places.clear()
        index = (
            struct.pack("<QQQQ", first, last, self._at, len(chunk))
            + _bytes(places)
            + struct.pack("<Q", len(indexes))
            + _text("zstd")
            + struct.pack("<QQ", len(packed), size)
        )
        self._chunk_indexes.append(_record(Opcode.CHUNK_INDEX, index))
        self._put(chunk + indexes)
        self._times = (min(self._times[0], first), max(self._times[1], last))
        self._filled = 0
        self._first_ns, self._last_ns = _NO_TIMES

    def _put(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._at += len(data)
        self._file.append(data)


def _grown(chunk: memoryview, size: int) -> memoryview:
    """Return a chunk of at least this size with the same content."""
    larger = memoryview(bytearray(2 * size))
    larger[: len(chunk)] = chunk
    return larger


def _record(opcode: int, content: bytes) -> bytes:
    return _HEAD.pack(opcode, len(content)) + content


def _bytes(data: bytes | bytearray) -> bytes:
    return struct.pack("<I", len(data)) + data


def _text(text: str) -> bytes:
    return _bytes(text.encode())
