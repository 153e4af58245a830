from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planes import DEPTH_M, RECTIFIED, depths_m, stamps_s, wall

from drone.errors import UserError
from drone.flightlog import FORMAT_VERSION, FlightLogWriter, LogHeader
from drone.geometry import GridSpec, Intrinsics, StereoCalibration
from drone.messages import Eye, HealthEvent, StereoFrame, Tick, VehicleState
from drone.onboard.camera import FrameSource
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.runfolder import resolve_input

CAMERA = StereoCalibration(Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5), 0.1)
UTC_NS = 1_700_000_000_000_000_000
PAIRS = wall(5)


def ticks() -> list[Tick]:
    """20 ticks a second, a frame at every second; the right eye is gone in the last."""
    made = []
    for i in range(10):
        stamp_ns = i * 50_000_000
        frame = None
        if i % 2 == 0:
            left, right = PAIRS[i // 2]
            frame = StereoFrame(i // 2, stamp_ns, True, left, None if i == 8 else right)
        zero = (0.0, 0.0, 0.0)
        vehicle = VehicleState(i, stamp_ns, True, (0.1 * i, 0, 0), zero, (1.0, 0.0, 0.0, 0.0))
        health = (HealthEvent(0, stamp_ns, True, Eye.RIGHT, "unplugged", True),) if i == 7 else ()
        made.append(Tick(i, stamp_ns, True, True, frame, None if i == 4 else vehicle, health))
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "flight.mcap"
    header = LogHeader(FORMAT_VERSION, "test", "", 0, UTC_NS, CAMERA, "{}", "sim", {})
    with FlightLogWriter(path, header) as writer:
        for tick in ticks():
            writer.write_tick(tick)
    return path


def read(path: Path, **options: object) -> FrameSource:
    return open_source(resolve_input(str(path)), SourceOptions(**options), GridSpec())  # type: ignore[arg-type]


def test_frames_come_back_to_the_bit_with_the_vehicle(log: Path) -> None:
    source = read(log.parent)  # the run folder
    assert source.calibration == CAMERA
    assert source.utc_offset_ns == UTC_NS
    assert len(source) == 5
    for i, sample in enumerate(source.samples()):
        left, right = PAIRS[i]
        assert np.array_equal(sample.frame.left, left)  # type: ignore[arg-type]
        if i < 4:
            assert np.array_equal(sample.frame.right, right)  # type: ignore[arg-type]
        assert sample.vehicle is not None
        latest = 3 if i == 2 else 2 * i  # the state of tick 4 is missing
        assert sample.vehicle.position_m[0] == pytest.approx(0.1 * latest)


def test_a_dead_eye_stays_dead_and_events_are_kept(log: Path) -> None:
    *before, last = read(log).samples()
    assert last.frame.right is None
    assert [event.kind for event in last.health] == ["unplugged"]
    assert all(sample.health == () for sample in before)


def test_window_rate_and_scale(log: Path) -> None:
    assert stamps_s(read(log, start_s=0.1, end_s=0.3)) == pytest.approx([0.1, 0.2, 0.3])
    assert stamps_s(read(log, rate_hz=5.0)) == pytest.approx([0.0, 0.2, 0.4])
    small = read(log, scale=0.5, end_s=0.3)
    assert (small.calibration.left.width, small.calibration.left.height) == (64, 48)
    assert depths_m(small) == pytest.approx([DEPTH_M] * 4, rel=0.1)


def test_a_log_has_its_own_calibration(log: Path) -> None:
    with pytest.raises(UserError, match="do not go with it"):
        read(log, rectified=RECTIFIED)
    with pytest.raises(UserError, match=r"nothing lies between --start 9"):
        read(log, start_s=9.0)


def test_a_cut_log_says_so(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3000])
    assert "the log is damaged" in " ".join(read(log).notes)
    assert replace(CAMERA) == read(log).calibration
