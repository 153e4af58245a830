"""A log in several files: read as one, each readable alone, bounded if asked, never stopping."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bits import bits
from pydantic import ValidationError
from test_flightlog import HEADER, ticks, write

from drone import topics
from drone.config import Config
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logfiles import Rotation, all_of, files_from, number_of, oldest_of
from drone.logqueue import QueuedLogWriter
from drone.logrepair import repair
from drone.messages import FlightEvent, Tick
from drone.runfolder import InputKind, RunFolder, resolve_input
from drone.runlist import summarise

FILE = Rotation(file_bytes=400_000)
KINDS = (FlightLogWriter, QueuedLogWriter)


def state(seq: int) -> str:
    return f'{{"before tick": {seq}}}'


def fly(
    path: Path,
    flight: list[Tick],
    rotation: Rotation = FILE,
    kind: type[FlightLogWriter] = FlightLogWriter,
) -> Path:
    version = 0
    with kind(path, HEADER, rotation) as writer:
        for tick in flight:
            writer.between_ticks(lambda seq=tick.seq: state(seq), version)  # type: ignore[misc]
            writer.write_tick(tick)
            writer.write(topics.EVENT, FlightEvent(tick.seq, tick.stamp_ns, True, "mark", "x"))
            version = tick.model.seq if tick.model else version
    return path


@pytest.fixture(scope="module")
def flight() -> list[Tick]:
    return ticks(200)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory, flight: list[Tick]) -> Path:
    return fly(tmp_path_factory.mktemp("logs") / "flight.mcap", flight)


@pytest.mark.parametrize("kind", KINDS)
def test_all_files_read_as_one_to_the_bit(
    tmp_path: Path, flight: list[Tick], kind: type[FlightLogWriter]
) -> None:
    fly(tmp_path / "flight.mcap", flight, kind=kind)
    log = FlightLog(tmp_path / "flight.mcap")
    names = [file.name for file in log.files]
    assert names[:3] == ["flight.mcap", "flight.001.mcap", "flight.002.mcap"]
    assert [bits(t) for t in log.ticks()] == [bits(t) for t in flight]
    models = [bits(tick.model) for tick in flight if tick.model]
    assert [bits(m) for m in log.messages(topics.MODEL)] == models
    assert [event.seq for event in log.messages(topics.EVENT)] == [tick.seq for tick in flight]
    assert list(log.messages(topics.FLYING)) == []
    assert log.duration_s == pytest.approx(199 * 0.05, abs=1e-6)
    assert log.damaged is None


def test_each_file_is_about_as_large_as_asked(rotated: Path) -> None:
    sizes = [file.stat().st_size for file in FlightLog(rotated).files]
    assert len(sizes) > 4
    assert all(FILE.file_bytes <= size < 2 * FILE.file_bytes for size in sizes[:-1])


def test_each_file_begins_with_state_model_and_header(rotated: Path, flight: list[Tick]) -> None:
    flown, rest = None, iter(flight)
    for number, log in enumerate(FlightLog(rotated).alone()):
        found = list(log.ticks())
        assert log.header.file_number == number
        assert (log.header.config_toml, log.header.calibration) == (
            HEADER.config_toml,
            HEADER.calibration,
        )
        if number:
            assert log.header.pilot_state == state(found[0].seq)
        assert [bits(m) for m in log.messages(topics.FLYING)] == ([bits(flown)] if flown else [])
        for tick in found:
            assert bits(tick) == bits(next(rest))
            flown = tick.model or flown


def test_a_later_file_is_read_to_the_end_of_the_flight(rotated: Path, flight: list[Tick]) -> None:
    second = FlightLog(rotated).files[1]
    seqs = [tick.seq for tick in FlightLog(second).ticks()]
    assert seqs == list(range(seqs[0], 200))
    assert seqs[0] > 0
    alone = [tick.seq for tick in FlightLog(second, alone=True).ticks()]
    assert alone == seqs[: len(alone)]
    assert len(alone) < len(seqs)


def test_the_oldest_files_are_removed_only_for_a_cap(tmp_path: Path, flight: list[Tick]) -> None:
    cap = replace(FILE, most_bytes=1_500_000)
    most = 0
    version = 0
    path = tmp_path / "flight.mcap"
    with FlightLogWriter(path, HEADER, cap) as writer:
        for tick in flight:
            writer.between_ticks(lambda: "{}", version)
            writer.write_tick(tick)
            most = max(most, sum(file.stat().st_size for file in tmp_path.iterdir()))
    assert most < cap.most_bytes + 100_000
    assert not path.exists()
    oldest = oldest_of(path)
    log = FlightLog(oldest)
    assert log.header.file_number == number_of(oldest)[1] > 0
    seqs = [tick.seq for tick in log.ticks()]
    assert seqs == list(range(seqs[0], 200))
    assert log.damaged is None


def test_a_run_folder_knows_its_files(tmp_path: Path, flight: list[Tick]) -> None:
    run = RunFolder(tmp_path / "20260102-030405-room")
    run.path.mkdir()
    fly(run.log, flight)
    total = summarise(run.path)
    assert (total.log_files, total.removed_files) == (len(all_of(run.log)), 0)
    assert total.duration_s == pytest.approx(199 * 0.05, abs=1e-6)
    (run.path / "flight.mcap").unlink()
    (run.path / "flight.001.mcap").unlink()
    assert run.log.name == "flight.002.mcap"
    found = resolve_input(str(run.path))
    assert (found.kind, found.log) == (InputKind.RUN, run.log)
    assert summarise(run.path).removed_files == 2
    run.discard()
    assert not run.path.exists()


def test_a_missing_file_is_a_gap(tmp_path: Path, rotated: Path) -> None:
    for file in FlightLog(rotated).files:
        shutil.copy(file, tmp_path)
    (tmp_path / "flight.002.mcap").unlink()
    log = FlightLog(tmp_path / "flight.mcap")
    assert log.damaged == "flight.002.mcap: missing"
    (gap,) = log.messages(topics.GAP)
    assert "flight.002.mcap: missing" in gap.detail
    whole = {tick.seq for tick in FlightLog(rotated).ticks()}
    lost = {tick.seq for tick in FlightLog(FlightLog(rotated).files[2], alone=True).ticks()}
    assert {tick.seq for tick in log.ticks()} == whole - lost


def test_a_file_without_a_header_is_a_gap(tmp_path: Path, rotated: Path) -> None:
    for file in FlightLog(rotated).files:
        shutil.copy(file, tmp_path)
    (tmp_path / "flight.001.mcap").write_bytes(b"nothing that is a log, but long enough")
    log = FlightLog(tmp_path / "flight.mcap")
    assert log.damaged is not None
    assert "flight.001.mcap: not an MCAP file" in log.damaged
    assert len(log.files) == len(FlightLog(rotated).files) - 1
    assert sum(1 for _ in log.ticks()) < 200
    assert len(list(log.messages(topics.GAP))) == 1


def test_a_file_of_another_flight_does_not_belong(tmp_path: Path, flight: list[Tick]) -> None:
    with FlightLogWriter(tmp_path / "flight.mcap", HEADER) as writer:
        writer.write_tick(flight[0])
    other = replace(HEADER, seed=9, file_number=1)
    with FlightLogWriter(tmp_path / "flight.001.mcap", other) as writer:
        writer.write_tick(flight[1])
    assert [tick.seq for tick in FlightLog(tmp_path / "flight.mcap").ticks()] == [0]
    write(tmp_path / "mine.001.mcap", flight[:3])  # a name that only looks like a later file's
    assert len(list(FlightLog(tmp_path / "mine.001.mcap").ticks())) == 3


def test_repair_makes_one_file_of_all(tmp_path: Path, rotated: Path, flight: list[Tick]) -> None:
    found = repair(rotated, tmp_path / "one.mcap")
    assert (found.gaps, found.damaged) == (0, None)
    log = FlightLog(tmp_path / "one.mcap")
    assert (log.header, log.files) == (HEADER, (tmp_path / "one.mcap",))
    assert [bits(t) for t in log.ticks()] == [bits(t) for t in flight]
    assert list(log.messages(topics.FLYING)) == []


@pytest.mark.parametrize("name", ["a.mcap", "a.b.mcap", "a.007.mcap", "a.1234.mcap"])
def test_names_lead_to_the_first_file_and_back(tmp_path: Path, name: str) -> None:
    for file in (name, "a.txt", "other.001.mcap"):
        (tmp_path / file).touch()
    first, number = number_of(tmp_path / name)
    assert number == {"a.007.mcap": 7, "a.1234.mcap": 1234}.get(name, 0)
    assert all_of(first) == [tmp_path / name]
    assert files_from(tmp_path / name) == [tmp_path / name]


# A full disk


def full_after(monkeypatch: pytest.MonkeyPatch, most_bytes: int) -> None:
    """A disk that takes no more after so many bytes."""
    left = [most_bytes]
    plain = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return plain(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rotation", [Rotation(), FILE])
def test_a_full_disk_ends_the_log_and_not_the_flight(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flight: list[Tick],
    kind: type[FlightLogWriter],
    rotation: Rotation,
) -> None:
    full_after(monkeypatch, 1_000_000)
    path = tmp_path / "flight.mcap"
    with kind(path, HEADER, rotation, endures=True) as writer:
        for tick in flight:
            writer.between_ticks(lambda: "{}", 0)
            writer.write_tick(tick)
    assert "the log ends here: No space left on device" in writer.problem
    found = [bits(tick) for tick in FlightLog(path).ticks()]
    assert len(found) > 20
    assert found == [bits(tick) for tick in flight[: len(found)]]


def test_negative_control_without_endurance_it_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flight: list[Tick]
) -> None:
    full_after(monkeypatch, 1_000_000)
    writer = FlightLogWriter(tmp_path / "flight.mcap", HEADER)
    with pytest.raises(WorkFailedError, match="No space left"):
        _write_all(writer, flight)


def _write_all(writer: FlightLogWriter, flight: list[Tick]) -> None:
    for tick in flight:
        writer.write_tick(tick)


# Settings


@pytest.mark.parametrize(("file_mb", "most_mb"), [(0, 10), (6, 10), (-1, 0), (1, float("inf"))])
def test_a_cap_needs_room_for_two_files(file_mb: float, most_mb: float) -> None:
    with pytest.raises(ValidationError, match="log_"):
        Config.model_validate({"flight": {"log_file_mb": file_mb, "log_most_mb": most_mb}})


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, flight: list[Tick]) -> None:
    (tmp_path / "flight.001.mcap").touch()
    with pytest.raises(UserError, match=r"flight\.001\.mcap: is there already"):
        fly(tmp_path / "flight.mcap", flight)
