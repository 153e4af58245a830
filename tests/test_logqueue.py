"""The writer that nobody waits for: nothing is lost while there is room, and what is, is said."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bits import bits
from test_flightlog import HEADER, ticks

from drone import topics
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logqueue import QueuedLogWriter
from drone.messages import FlightEvent, StereoFrame, Tick
from drone.replay import verify


def test_all_comes_back_to_the_bit_and_in_order(tmp_path: Path) -> None:
    flight = ticks(60)
    event = FlightEvent(0, 5, True, "mode", "stereo")
    with QueuedLogWriter(tmp_path / "a.mcap", HEADER) as writer:
        writer.write(topics.EVENT, event)
        for tick in flight:
            writer.write(topics.TICK, tick)
    log = FlightLog(tmp_path / "a.mcap")
    assert [bits(tick) for tick in log.ticks()] == [bits(tick) for tick in flight]
    assert [bits(e) for e in log.messages(topics.EVENT)] == [bits(event)]
    assert (writer.dropped, list(log.messages(topics.GAP))) == (0, [])
    assert log.damaged is None


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that does nothing until the gate is open."""
    opened = threading.Event()
    plain = FlightLogWriter.write_tick

    def slow(self: FlightLogWriter, tick: Tick) -> None:
        assert opened.wait(30)
        plain(self, tick)

    monkeypatch.setattr(FlightLogWriter, "write_tick", slow)
    return opened


def test_what_the_disk_is_too_slow_for_is_dropped_counted_and_logged(
    tmp_path: Path, gate: threading.Event
) -> None:
    flight = ticks(60)
    writer = QueuedLogWriter(tmp_path / "a.mcap", HEADER, most_bytes=500_000)
    for tick in flight:
        writer.write_tick(tick)  # returns, although nothing is written
    assert writer.dropped > 10
    gate.set()
    writer.close()
    log = FlightLog(tmp_path / "a.mcap")
    written = list(log.ticks())
    assert len(written) == len(flight) - writer.dropped
    gaps = list(log.messages(topics.GAP))
    assert sum(gap.messages for gap in gaps) == writer.dropped
    assert {gap.kind for gap in gaps} == {"dropped"}
    assert gaps[0].stamp_ns in {tick.stamp_ns for tick in written}
    assert log.damaged is None  # nothing is wrong with the file itself


def test_a_drop_in_the_middle_stands_where_it_was(tmp_path: Path, gate: threading.Event) -> None:
    frame = StereoFrame(0, 0, True, np.zeros((96, 128), np.uint8), None)
    large = replace(frame, left=np.zeros((960, 1280), np.uint8))
    with QueuedLogWriter(tmp_path / "a.mcap", HEADER, most_bytes=100_000) as writer:
        for seq, held in enumerate((frame, large, large, frame)):
            writer.write_tick(Tick(seq, seq, True, True, replace(held, seq=seq, stamp_ns=seq)))
        gate.set()
    seen = [
        ("gap", message.messages) if topic == topics.GAP else ("tick", message.seq)
        for topic, message in FlightLog(tmp_path / "a.mcap").records()
    ]
    assert seen == [("tick", 0), ("gap", 2), ("tick", 3)]


def test_a_failure_in_the_thread_reaches_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(self: FlightLogWriter, tick: Tick) -> None:
        failed.set()
        raise WorkFailedError("the log ends here: disk full")

    monkeypatch.setattr(FlightLogWriter, "write_tick", fail)
    writer = QueuedLogWriter(tmp_path / "a.mcap", HEADER)
    writer.write_tick(ticks(1)[0])
    assert failed.wait(30)
    with pytest.raises(WorkFailedError, match="disk full"):
        writer.close()


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    writer = QueuedLogWriter(tmp_path / "a.mcap", HEADER)
    with pytest.raises(TypeError, match="takes Decision, not Tick"):
        writer.write(topics.DECISION, ticks(1)[0])
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write_tick(ticks(1)[0])


# Lossy images


def _smooth() -> Any:
    rows, columns = np.mgrid[0:96, 0:128]
    return (rows + columns).astype(np.uint8)


def test_jpeg_images_are_smaller_close_and_said_to_be_lossy(tmp_path: Path) -> None:
    image = _smooth()
    frame = StereoFrame(0, 0, True, image, image.T.copy().T)
    for name, quality in (("exact", 0), ("lossy", 90)):
        header = replace(HEADER, jpeg_quality=quality)
        with FlightLogWriter(tmp_path / f"{name}.mcap", header) as writer:
            writer.write_tick(Tick(0, 0, True, True, frame))
    log = FlightLog(tmp_path / "lossy.mcap")
    assert log.header.jpeg_quality == 90
    (read,) = log.frames()
    assert read.left is not None
    assert read.left.shape == image.shape
    assert np.abs(read.left.astype(int) - image).mean() < 2
    with pytest.raises(UserError, match=r"lossy from the first frame on \(JPEG 90\)"):
        verify(tmp_path / "lossy.mcap", recompute=True)


@pytest.mark.parametrize("grey", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 3), np.uint8)])
def test_only_grey_images_can_be_packed(tmp_path: Path, grey: Any) -> None:
    with (
        FlightLogWriter(tmp_path / "a.mcap", replace(HEADER, jpeg_quality=90)) as writer,
        pytest.raises(ValueError, match="uint8"),
    ):
        writer.write_tick(Tick(0, 0, True, True, StereoFrame(0, 0, True, grey, None)))
