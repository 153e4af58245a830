"""Logs of a newer version, clocks that disagree, logs of any size: said or borne, never a crash."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import foxglove
import numpy as np
import pytest
from anymessage import example_of
from bits import bits
from google.protobuf import descriptor_pb2
from mcap.opcode import Opcode
from test_flightlog import HEADER, ticks, vehicle, write

from drone import codec, topics
from drone.cli import main
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logcopy import LogCopy
from drone.logformat import HEADER_NAME, metadata_from_header
from drone.mcapwalk import MAGIC, Summary
from drone.messages import Decision, StereoFrame, Tick


def test_a_log_of_this_version_has_nothing_to_say(tmp_path: Path) -> None:
    log = FlightLog(write(tmp_path / "a.mcap", ticks(40)))
    assert sum(1 for _ in log.ticks()) == 40
    assert log.notes == ()


# A newer version


def newer(path: Path, data: list[bytes]) -> Path:
    """Write decisions of a version whose decisions have a field more, and a topic of its own."""
    name, schema = codec.schema(Decision)
    files = descriptor_pb2.FileDescriptorSet.FromString(schema)
    decision = next(m for m in files.file[0].message_type if m.name == "Decision")
    decision.field.add(name="glow_lx", number=99, type=1, label=1)
    context = foxglove.Context()
    header = metadata_from_header(replace(HEADER, software="drone 9.9"))
    with foxglove.open_mcap(path, context=context) as writer:
        writer.write_metadata(HEADER_NAME, header)
        for topic, kind, content in (
            ("/pilot/decision", name, files.SerializeToString()),
            ("/pilot/mood", "drone.Mood", schema),
            ("/else", "other.Thing", schema),
        ):
            channel = foxglove.Channel(
                topic,
                schema=foxglove.Schema(name=kind, encoding="protobuf", data=content),
                message_encoding="protobuf",
                context=context,
            )
            for message in data:
                channel.log(message, log_time=HEADER.utc_offset_ns + 3)
    return path


GLOW = b"\x99\x06" + struct.pack("<d", 2.5)
"""Field 99, a double."""


def test_what_is_known_of_a_newer_schema_is_read_and_the_rest_said_once(tmp_path: Path) -> None:
    decision = replace(example_of(Decision), stamp_ns=3)
    log = FlightLog(newer(tmp_path / "a.mcap", [codec.encode(decision) + GLOW] * 3))
    for _ in range(2):
        assert [bits(d) for d in log.messages(topics.DECISION)] == [bits(decision)] * 3
    assert log.notes == (
        "written by another version (drone 9.9); this one does not know /pilot/decision "
        "Decision.glow_lx, /pilot/mood; what it knows is read",
    )


def test_values_that_only_a_newer_version_knows_are_passed_over(tmp_path: Path) -> None:
    decision = replace(example_of(Decision), stamp_ns=3)
    known = codec.encode(decision)
    strange = known.replace(b"\x06stereo", b"\x06glider", 1)
    assert strange != known
    log = FlightLog(newer(tmp_path / "a.mcap", [known, strange, known]))
    assert len(list(log.messages(topics.DECISION))) == 2
    assert "but for 1 messages with values that it does not know" in log.notes[0]


# Clocks


def shifted(source: Path, target: Path, by_ns: int, only: str = "/") -> Path:
    """Copy a log with other log times, as a tool that trusts another clock would."""
    log = FlightLog(source)
    walk = log.walk()
    copy = LogCopy(target, log.header)
    for name, record in walk.messages():
        record.log_time += by_ns if name.startswith(only) else 0  # type: ignore[union-attr]
        copy.message(name, record, walk.schemas.get(name))  # type: ignore[arg-type]
    copy.close()
    return target


@pytest.mark.parametrize("by_ns", [3_200_000_000, -3_200_000_000])
def test_log_times_that_are_not_the_stamps_are_said(tmp_path: Path, by_ns: int) -> None:
    flight = ticks(40)
    source = write(tmp_path / "a.mcap", flight)
    log = FlightLog(shifted(source, tmp_path / "b.mcap", by_ns))
    assert [bits(tick) for tick in log.ticks()] == [bits(tick) for tick in flight]
    assert log.notes[0].startswith("clocks disagree: log time and stamps are up to 3.200 s apart")
    assert "/camera/left/image" in log.notes[0]


def test_the_topic_whose_clock_is_off_is_named(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mcap", ticks(40))
    log = FlightLog(shifted(source, tmp_path / "b.mcap", 50_000_000, "/vehicle"))
    list(log.ticks())
    assert "0.050 s apart on /vehicle/state; the stamps count" in log.notes[0]


def test_a_millisecond_is_no_disagreement(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mcap", ticks(40))
    log = FlightLog(shifted(source, tmp_path / "b.mcap", 1_000_000))
    list(log.ticks())
    assert log.notes == ()


def test_stamps_of_two_clocks_are_said(tmp_path: Path) -> None:
    image = np.zeros((96, 128), np.uint8)
    with FlightLogWriter(tmp_path / "a.mcap", HEADER) as writer:
        for seq, now_ns in enumerate((0, 10**9, 5 * 10**8, 2 * 10**9)):
            frame = StereoFrame(seq, now_ns + 2 * 10**9 * (seq == 3), True, image, image)
            state = vehicle(seq, now_ns + 7 * 10**9)
            writer.write_tick(Tick(seq, now_ns, True, True, frame, state))
    log = FlightLog(tmp_path / "a.mcap")
    assert len(list(log.ticks())) == 4
    assert log.notes == (
        "clocks disagree: vehicle states have stamps up to 7.000 s later than the tick that took "
        "them",
        "clocks disagree: frames have stamps up to 2.000 s later than the tick that took them",
        "clocks disagree: time runs backwards at 1 ticks",
    )


# The command


def test_every_command_survives_a_log_with_nothing_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.mcap", [])
    for command in (
        ["replay", str(path), "--verify"],
        ["replay", str(path), "--what-if", "pilot.trust.max_fpr=0.2"],
        ["replay", str(path), "--retrain"],
    ):
        assert main(command) == 2
        assert str(path) in capsys.readouterr().err


def test_the_command_names_what_a_foreign_log_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = foxglove.Context()
    with foxglove.open_mcap(tmp_path / "a.mcap", context=context):
        foxglove.Channel("/odom", context=context).log({"x": 1.0}, log_time=1)
    for options in (["--verify"], ["--to", "csv", str(tmp_path / "t")], ["--retrain"]):
        assert main(["replay", str(tmp_path / "a.mcap"), *options]) == 2
        told = capsys.readouterr().err
        assert "lacks the metadata record 'drone.flight'" in told
        assert "/pilot/tick" in told
        assert "it has /odom" in told


# Size


def index_of(chunks: int) -> Iterator[bytes]:
    """The end of a large file: the index of so many chunks, with ten topics in each."""
    offsets = b"".join(struct.pack("<HQ", n, n) for n in range(10))
    for n in range(chunks):
        body = struct.pack("<QQQQI", n, n, n, n, len(offsets)) + offsets
        body += struct.pack("<QI4sQQ", 9, 4, b"zstd", n, n)
        yield struct.pack("<BQ", Opcode.CHUNK_INDEX, len(body)) + body


def test_the_index_of_fifty_gigabytes_takes_no_memory() -> None:
    chunks = 50_000  # 50 GB have eight times as many; the bound is the same
    summary = b"".join(index_of(chunks))
    start = len(MAGIC) + 13
    head = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, 0)
    crc = zlib.crc32(summary + head)
    data = MAGIC + bytes(13) + summary + head + struct.pack("<I", crc) + MAGIC
    tracemalloc.start()
    found = Summary.of(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.start, found.chunk_count) == (start, chunks)
    assert peak < 2_500_000 < len(data) / 3


_READ = """
import resource, sys
from pathlib import Path
from drone.flightlog import FlightLog
log = FlightLog(Path(sys.argv[1]))
ticks = log.ticks()
next(ticks)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = 1 + sum(1 for _ in ticks)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def write_large(path: Path, megabytes: int) -> int:
    """Write noise, which no compression makes smaller; return the number of ticks."""
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000), dtype=np.uint8)
    with FlightLogWriter(path, HEADER) as writer:
        for seq in range(megabytes):
            frame = StereoFrame(seq, seq, True, noise, None)
            writer.write_tick(Tick(seq, seq, True, True, frame))
    return megabytes


@pytest.mark.parametrize("megabytes", [90, pytest.param(400, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, megabytes: int) -> None:
    count = write_large(tmp_path / "a.mcap", megabytes)
    assert (tmp_path / "a.mcap").stat().st_size > megabytes * 990_000
    command = [sys.executable, "-c", _READ, str(tmp_path / "a.mcap")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    ticks_read, grown_kb = map(int, done.stdout.split())
    assert ticks_read == count
    assert grown_kb < 40_000
