"""Walking an MCAP file that may be cut or damaged: in comes its bytes, out come its sound records.

    chunk, checksum right ─► its records          anything else ─► passed over, it holds nothing
    chunk, checksum wrong ─► Gap, then on at the next chunk that is sound, wherever it begins

No index is needed and no length is trusted: a chunk is what has a chunk's shape and the right
checksum, so that one altered byte loses one chunk at most. Memory stays that of one chunk.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, MetadataIndex, Schema, Statistics
from mcap.stream_reader import breakup_chunk, get_chunk_data_stream

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
_FOOTER = struct.Struct("<BQQQI")
_DATA_END_BYTES = 4
_CRC_AT = _HEAD.size + 24
_ZSTD = b"\x04\0\0\0zstd"
_ZSTD_AT = _HEAD.size + 28
_CONTENT_AT = _ZSTD_AT + len(_ZSTD) + 8
"""In a chunk compressed by zstd: head, two times, size, CRC, compression, length, content."""
_PIECE_BYTES = 1 << 20
_MOST_BYTES = 1 << 30
"""No chunk is larger; a damaged length may say so."""


class Data(Protocol):
    """The bytes of a file: `bytes` or a memory map."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def __getitem__(self, part: slice, /) -> bytes:
        """Return some of them."""
        ...

    def find(self, part: bytes, start: int = ..., end: int = ..., /) -> int:
        """Return where a part begins, -1 if nowhere."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of the file that hold no sound chunk, and probably messages that are lost."""

    start: int
    end: int
    reason: str


class Walk:
    """One pass over a file.

    Attributes:
        at: up to which byte the file was read.
        gaps: met so far.
        damage: what is wrong and what is lost, in words; None as long as nothing is.
    """

    def __init__(self, data: Data) -> None:
        """Nothing is read yet."""
        self._data = data
        self._summary = Summary.of(data)
        self._chunks = 0
        self.at = len(MAGIC)
        self._ended = not self._summary.missing
        self.gaps: list[Gap] = []
        self.damage: str | None = None

    def records(self) -> Iterator[Any]:
        """Yield the records of the sound chunks, and where one is lost a `Gap`, in file order.

        Channels whose record stood in a lost chunk come from the summary, if that is sound.
        """
        end = self._end_of_data()
        while self.at < end:
            chunk = _sound_chunk(self._data, self.at)
            if chunk is not None:
                self.at, content = chunk
                self._chunks += 1
                yield from breakup_chunk(Chunk("", content, 0, 0, 0, len(content)))
                continue
            start, (self.at, lost) = self.at, self._past(self.at, end)
            if lost:
                yield self._gap(start, self.at, lost)
                yield from self._summary.channels
        yield from self._at_the_end(end)

    def _end_of_data(self) -> int:
        """Return where the data section ends: at its end record, or where the file was cut."""
        start = self._summary.start
        return len(self._data) if start is None else start - _HEAD.size - _DATA_END_BYTES

    def _past(self, at: int, end: int) -> tuple[int, str]:
        """Return where to go on after what is no sound chunk, and why data is lost, if it is."""
        if self._complete:
            return end, ""
        head = self._data[at : at + _HEAD.size]
        if len(head) < _HEAD.size:
            return end, "the file was cut"
        opcode, length = _HEAD.unpack(head)
        beyond = at + _HEAD.size + length
        if opcode == Opcode.CHUNK:
            if beyond <= end and _lengths_agree(self._data, at, length):
                return beyond, "the checksum of a chunk does not match"
            return self._next_chunk(at, end), "a chunk was cut or damaged"
        if opcode == Opcode.DATA_END and length == _DATA_END_BYTES:
            self._ended = True
            return end, ""
        following = self._next_chunk(at, min(beyond + _ZSTD_AT + len(_ZSTD) - 1, end))
        if following < end:
            return following, ""
        return (end, "a record was cut or damaged") if beyond > end else (beyond, "")

    @property
    def _complete(self) -> bool:
        """Whether every chunk that the file ever had was read."""
        return not self._summary.missing and self._summary.chunk_count == self._chunks

    def _next_chunk(self, at: int, end: int) -> int:
        """Return where the next sound chunk after this place begins, or the end of the data."""
        found = self._data.find(_ZSTD, at + 1 + _ZSTD_AT, end)
        while found >= 0:
            if _sound_chunk(self._data, found - _ZSTD_AT) is not None:
                return found - _ZSTD_AT
            found = self._data.find(_ZSTD, found + 1, end)
        return self._end_of_data()

    def _gap(self, start: int, end: int, reason: str) -> Gap:
        gap = Gap(start, end, reason)
        self.gaps.append(gap)
        self.damage = _loss(self.gaps, len(self._data))
        return gap

    def _at_the_end(self, end: int) -> Iterator[Gap]:
        """Say what only shows at the end: that it is missing, or that a chunk was taken out.

        What is altered outside of all chunks loses nothing, and is not spoken of.
        """
        if not self._ended:
            if not (self.gaps and self.gaps[-1].end == end):
                yield self._gap(end, end, "the file ends without its end record")
        elif self._summary.missing:
            self.damage = self.damage or "its index is damaged; no message is lost"
        elif not self.gaps and not self._complete:
            self.damage = "the file was altered: messages may be missing between those read"


def _loss(gaps: list[Gap], size: int) -> str:
    lost = sum(gap.end - gap.start for gap in gaps)
    first = gaps[0]
    if len(gaps) == 1 and first.end == size:
        return (
            f"sound up to byte {first.start} of {size}; the {lost} bytes from there on are lost "
            f"({first.reason})"
        )
    places = "1 place" if len(gaps) == 1 else f"{len(gaps)} places"
    return (
        f"{lost} of {size} bytes are lost in {places}, first at byte {first.start} "
        f"({first.reason}); what comes after is read"
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the end of a file, if its checksum is right.

    Attributes:
        start: where it begins, None if it is missing or damaged.
        records: schemas, channels, statistics and where metadata stands. The index of a chunk is
            only counted: a large file has hundreds of thousands.
        chunk_count: how many chunks the file has by its index.
    """

    start: int | None = None
    records: tuple[Any, ...] = ()
    chunk_count: int = 0

    @classmethod
    def of(cls, data: Data) -> Summary:
        """Return that of a file, an empty one if it is missing or damaged."""
        end = len(data) - len(MAGIC)
        footer_at = end - _FOOTER.size
        if footer_at < len(MAGIC):
            return cls()
        opcode, length, start, _, crc = _FOOTER.unpack(data[footer_at:end])
        if opcode != Opcode.FOOTER or length != _FOOTER.size - _HEAD.size:
            return cls()
        if not len(MAGIC) < start < footer_at or _crc(data, start, end - 4) != crc:
            return cls()
        records, chunks = [], 0
        for opcode, content in _contents(data, start, footer_at):
            chunks += opcode == Opcode.CHUNK_INDEX
            if opcode in _SUMMARY:
                records.append(_SUMMARY[opcode].read(ReadDataStream(BytesIO(data[content]))))
        return cls(start, tuple(records), chunks)

    @property
    def missing(self) -> bool:
        """Whether there is none."""
        return self.start is None

    @property
    def channels(self) -> Iterator[Any]:
        """Yield the schemas and channels of the whole file."""
        return (r for r in self.records if isinstance(r, Schema | Channel))

    @property
    def statistics(self) -> Statistics | None:
        """Return the figures of the whole file."""
        return next((r for r in self.records if isinstance(r, Statistics)), None)

    @property
    def metadata_at(self) -> Iterator[int]:
        """Yield where the metadata records begin."""
        return (r.offset for r in self.records if isinstance(r, MetadataIndex))


_SUMMARY: dict[int, Any] = {
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.STATISTICS: Statistics,
    Opcode.METADATA_INDEX: MetadataIndex,
}


def _contents(data: Data, at: int, end: int) -> Iterator[tuple[int, slice]]:
    """Yield kind and place of the records from here on."""
    while at + _HEAD.size <= end:
        opcode, length = _HEAD.unpack(data[at : at + _HEAD.size])
        at += _HEAD.size
        yield opcode, slice(at, at + length)
        at += length


def _crc(data: Data, start: int, end: int) -> int:
    crc = 0
    for at in range(start, end, _PIECE_BYTES):
        crc = zlib.crc32(data[at : min(at + _PIECE_BYTES, end)], crc)
    return crc


def _sound_chunk(data: Data, at: int) -> tuple[int, bytes] | None:
    """Return end and content of the chunk that begins here, if there is one with a right checksum.

    Of opcode, compression and the two lengths, one may be wrong: the checksum tells.
    """
    head = data[at : at + _CONTENT_AT]
    if len(head) < _CONTENT_AT or (head[_ZSTD_AT:-8] != _ZSTD and head[0] != Opcode.CHUNK):
        return None
    (outer,) = struct.unpack_from("<Q", head, 1)
    (inner,) = struct.unpack_from("<Q", head, _CONTENT_AT - 8)
    (crc,) = struct.unpack_from("<I", head, _CRC_AT)
    for length in dict.fromkeys((inner, outer - (_CONTENT_AT - _HEAD.size))):
        end = at + _CONTENT_AT + length
        if 0 < length <= _MOST_BYTES and end <= len(data):
            content = _unpacked(data[at + _CONTENT_AT : end])
            if content is not None and zlib.crc32(content) == crc:
                return end, content
    return _other_chunk(data, at, outer) if head[_ZSTD_AT:-8] != _ZSTD else None


def _unpacked(packed: bytes) -> bytes | None:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        content: bytes = decompressor.decompress(packed)
    except zstandard.ZstdError:
        return None
    return None if decompressor.unused_data else content


def _other_chunk(data: Data, at: int, length: int) -> tuple[int, bytes] | None:
    """Return a chunk as some other tool packed it: by LZ4, or not at all."""
    end = at + _HEAD.size + length
    if length > _MOST_BYTES or end > len(data):
        return None
    try:
        chunk = Chunk.read(ReadDataStream(BytesIO(data[at + _HEAD.size : end])))
        stream, size = get_chunk_data_stream(chunk, validate_crc=True)
        content: bytes = stream.read(size)
    except Exception:  # noqa: BLE001 - on damage the decoders raise whatever they meet
        return None
    return (end, content) if chunk.uncompressed_crc else None


def _lengths_agree(data: Data, at: int, outer: int) -> bool:
    inner = data[at + _CONTENT_AT - 8 : at + _CONTENT_AT]
    return int.from_bytes(inner, "little") + _CONTENT_AT - _HEAD.size == outer
