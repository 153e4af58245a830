"""Damage to a log, at any byte: what is sound is recovered, what is not is not accepted."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from bits import bits
from mcap.reader import make_reader
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader, breakup_chunk
from test_flightlog import HEADER, ticks, write

from drone import topics
from drone.cli import main
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.logrepair import repair
from drone.mcapwalk import Gap, Walk

Raw = tuple[str, int, bytes]
FAST, SLOW = 40, 500


class Sound:
    """A sound log and what each chunk of it holds, as plain mcap reads it."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.chunks: list[tuple[int, int, list[Raw]]] = []
        names: dict[int, str] = {}
        with path.open("rb") as file:
            for record in StreamReader(file, emit_chunks=True, validate_crcs=True).records:
                if type(record).__name__ == "Chunk":
                    parts = breakup_chunk(record, validate_crc=True)
                    names |= {c.id: c.topic for c in parts if isinstance(c, Channel)}
                    held = [
                        (names[m.channel_id], m.log_time, m.data)
                        for m in parts
                        if isinstance(m, Message)
                    ]
                    end = file.tell()
                    self.chunks.append((end - _packed_size(record), end, held))

    def outside(self, start: int, end: int) -> list[list[Raw]]:
        """What the chunks hold that have no byte in start..end."""
        return [held for first, last, held in self.chunks if last <= start or first >= end]


def _packed_size(chunk: object) -> int:
    return 9 + 8 + 8 + 8 + 4 + 4 + len(chunk.compression) + 8 + len(chunk.data)  # type: ignore[attr-defined]


def found(data: bytes) -> tuple[list[Raw], Walk]:
    walk = Walk(data)
    names: dict[int, str] = {}
    messages = []
    for record in walk.records():
        if isinstance(record, Channel):
            names[record.id] = record.topic
        elif isinstance(record, Message):
            messages.append((names[record.channel_id], record.log_time, record.data))
    return messages, walk


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("logs") / "whole.mcap", ticks(200))


@pytest.fixture(scope="module")
def sound(path: Path) -> Sound:
    return Sound(path)


def test_a_sound_log_has_no_gap(sound: Sound) -> None:
    messages, walk = found(sound.data)
    assert messages == [raw for held in sound.outside(0, 0) for raw in held]
    assert (walk.gaps, walk.damage) == ([], None)
    assert len(sound.chunks) > 7


def check_cut(sound: Sound, length: int) -> None:
    messages, walk = found(sound.data[:length])
    kept = sound.outside(length, len(sound.data))
    assert messages == [raw for held in kept for raw in held]
    assert walk.damage


def check_flip(sound: Sound, at: int, bit: int) -> None:
    """Every chunk without the altered byte, in order; the one with it whole or not at all."""
    data = bytearray(sound.data)
    data[at] ^= 1 << bit
    messages, walk = found(bytes(data))
    whole = [raw for _, _, held in sound.chunks for raw in held]
    kept = [raw for held in sound.outside(at, at + 1) for raw in held]
    assert messages in (whole, kept)
    assert messages == whole or walk.gaps
    inside = any(first <= at < last for first, last, _ in sound.chunks)
    assert inside or messages == whole


def _cuts(sound: Sound, count: int) -> Iterator[int]:
    rng = random.Random(1)
    size = len(sound.data)
    first, last = sound.chunks[0][0], sound.chunks[-1][1]
    yield from (size - 1, size - 8, last, last - 1, last + 1, first, first + 1, 9, 8)
    yield from (rng.randrange(8, size) for _ in range(count))


def _flips(sound: Sound, count: int) -> Iterator[tuple[int, int]]:
    rng = random.Random(2)
    start = sound.chunks[3][0]
    yield from ((start + offset, bit) for offset in range(0, 60, 7) for bit in (0, 6))
    yield from ((rng.randrange(len(sound.data)), rng.randrange(8)) for _ in range(count))


def test_every_cut_leaves_every_sound_chunk(sound: Sound) -> None:
    for length in _cuts(sound, FAST):
        check_cut(sound, length)


def test_every_altered_byte_costs_its_own_chunk_at_most(sound: Sound) -> None:
    for at, bit in _flips(sound, FAST):
        check_flip(sound, at, bit)


@pytest.mark.slow
def test_500_cuts_and_500_altered_bytes(sound: Sound, tmp_path: Path) -> None:
    for length in _cuts(sound, SLOW):
        check_cut(sound, length)
    for number, (at, bit) in enumerate(_flips(sound, SLOW)):
        check_flip(sound, at, bit)
        data = bytearray(sound.data)
        data[at] ^= 1 << bit
        damaged = tmp_path / f"{number}.mcap"
        damaged.write_bytes(data)
        assert FlightLog(damaged).header == HEADER
        damaged.unlink()


def test_every_bit_of_the_frame_of_a_chunk(sound: Sound) -> None:
    """Opcode, lengths, times, checksum and compression: 53 bytes before the packed content."""
    start = sound.chunks[2][0]
    for at in range(start, start + 53):
        check_flip(sound, at, at % 8)


def test_the_header_is_there_twice(sound: Sound, tmp_path: Path) -> None:
    at = sound.data.index(b"seed = 3")
    path = tmp_path / "a.mcap"
    path.write_bytes(sound.data[:at] + b"S" + sound.data[at + 1 :])
    assert FlightLog(path).header == HEADER
    path.write_bytes(b"x" + sound.data[1:])
    assert FlightLog(path).header == HEADER


# Repair


def damage(source: Path, target: Path, at: int) -> Path:
    data = bytearray(source.read_bytes())
    data[at] ^= 0x10
    target.write_bytes(data)
    return target


def test_a_repaired_log_is_whole_for_every_reader_and_has_its_gap(
    path: Path, sound: Sound, tmp_path: Path
) -> None:
    first, last, _ = sound.chunks[4]
    damaged = damage(path, tmp_path / "damaged.mcap", (first + last) // 2)
    result = repair(damaged, tmp_path / "repaired.mcap")
    assert (result.gaps, result.unknown) == (1, 0)
    assert result.lost_bytes == last - first
    assert result.damaged is not None
    log = FlightLog(tmp_path / "repaired.mcap")
    assert log.header == HEADER
    (gap,) = log.messages(topics.GAP)
    assert (gap.kind, gap.lost_bytes) == ("damaged", last - first)
    assert [bits(t) for t in log.ticks()] == [bits(t) for t in FlightLog(damaged).ticks()]
    assert log.damaged is None
    with (tmp_path / "repaired.mcap").open("rb") as file:
        names = [c.topic for _, c, _ in make_reader(file).iter_messages()]
    kept = sum(len(part) for part in sound.outside(first, last))
    assert len(names) == kept + 1 == result.messages + 1


def test_the_first_chunk_lost_the_index_names_the_topics(
    path: Path, sound: Sound, tmp_path: Path
) -> None:
    first, last, _ = sound.chunks[0]
    damaged = damage(path, tmp_path / "damaged.mcap", (first + last) // 2)
    result = repair(damaged, tmp_path / "repaired.mcap")
    assert result.unknown == 0
    assert result.messages == sum(len(part) for part in sound.outside(first, last))
    assert len(list(FlightLog(tmp_path / "repaired.mcap").ticks())) > 150


def test_a_cut_log_is_repaired(path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = repair(cut, tmp_path / "repaired.mcap")
    assert result.damaged is not None
    log = FlightLog(tmp_path / "repaired.mcap")
    expected = [bits(tick) for tick in ticks(200)]
    held = [bits(tick) for tick in log.ticks()]
    assert held == expected[: len(held)]
    assert len(held) > 80
    assert log.damaged is None
    assert sum(1 for _ in log.messages(topics.GAP)) == 1


def test_a_sound_log_is_copied_whole(path: Path, tmp_path: Path) -> None:
    result = repair(path, tmp_path / "copy.mcap")
    assert (result.gaps, result.damaged) == (0, None)
    log = FlightLog(tmp_path / "copy.mcap")
    assert [bits(t) for t in log.ticks()] == [bits(t) for t in FlightLog(path).ticks()]
    assert list(log.messages(topics.GAP)) == []


def test_nothing_is_overwritten(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "there.mcap"
    target.write_bytes(b"precious")
    with pytest.raises(UserError, match="never overwritten"):
        repair(path, target)
    assert target.read_bytes() == b"precious"


def test_a_gap_stands_where_it_is(path: Path, sound: Sound, tmp_path: Path) -> None:
    first, last, _ = sound.chunks[5]
    damaged = damage(path, tmp_path / "damaged.mcap", (first + last) // 2)
    seen = [
        "gap" if topic == topics.GAP else message.seq
        for topic, message in FlightLog(damaged).records()
        if topic in (topics.GAP, topics.TICK)
    ]
    at = seen.index("gap")
    assert seen[:at] == list(range(at))
    after = seen[at + 1 :]
    assert after == list(range(after[0], 200))
    assert after[0] > at + 1


def test_two_places(path: Path, sound: Sound, tmp_path: Path) -> None:
    places = [(sound.chunks[k][0] + sound.chunks[k][1]) // 2 for k in (2, 6)]
    once = damage(path, tmp_path / "once.mcap", places[0])
    twice = damage(once, tmp_path / "twice.mcap", places[1])
    _, walk = found(twice.read_bytes())
    assert walk.gaps == [
        Gap(*sound.chunks[k][:2], "the checksum of a chunk does not match") for k in (2, 6)
    ]
    assert walk.damage is not None
    assert "in 2 places" in walk.damage


def test_the_command(
    path: Path, sound: Sound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last, _ = sound.chunks[4]
    damaged = damage(path, tmp_path / "damaged.mcap", (first + last) // 2)
    repaired = tmp_path / "repaired.mcap"
    assert main(["replay", "--repair", str(damaged), str(repaired), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["gaps"], record["lost_bytes"]) == (1, last - first)
    assert main(["replay", "--repair", str(path), str(tmp_path / "copy.mcap")]) == 0
    assert "the log is sound" in capsys.readouterr().out
    assert main(["replay", "--repair", str(damaged), str(repaired)]) == 2
    assert "never overwritten" in capsys.readouterr().err
