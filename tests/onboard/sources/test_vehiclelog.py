"""Logs of PX4 and ArduPilot beside a recording: the same flight gives the same states and modes."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from autopilotlogs import ATTITUDE, ardupilot, px4, write_dataflash, write_ulog
from planes import RECTIFIED, wall, write_images

from drone.errors import UserError
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.vehiclelog import open_vehicle_log
from drone.runfolder import resolve_input

LOGS = {"a.ulg": px4, "a.bin": ardupilot}
MODES = {
    "a.ulg": ["disarmed", "mode position", "armed", "mode offboard"],
    "a.bin": ["mode loiter", "landed", "armed", "in the air", "mode guided"],
}


@pytest.fixture(params=sorted(LOGS))
def path(request, tmp_path):
    return LOGS[request.param](tmp_path / request.param)


def pictures(folder: Path, count: int = 10) -> Path:
    """Pairs of images, ten a second."""
    pairs = wall(count)
    for eye in (0, 1):
        names = [f"{n:03d}.png" for n in range(count)]
        write_images(folder / ("left", "right")[eye], names, (pair[eye] for pair in pairs))
    return folder


def opened(folder: Path, log: Path | None, offset_s: float = 0.0):
    options = SourceOptions(
        rectified=RECTIFIED, rate_hz=10.0, vehicle_log=log, vehicle_offset_s=offset_s
    )
    return open_source(resolve_input(str(folder)), options)


def test_states_are_those_that_were_logged(path):
    log = open_vehicle_log(path).placed(0.0, 4 * 10**9)
    for t_s in (0.0, 0.33, 2.0, 3.99):
        state = log.state(round(t_s * 1e9), 7)
        assert state is not None
        assert (state.seq, state.valid) == (7, True)
        assert state.position_m == pytest.approx((2 * t_s, -1.0, -1.5), abs=1e-5)
        assert state.velocity_mps == pytest.approx((2.0, 0.0, 0.0), abs=1e-6)
        assert state.attitude == pytest.approx(ATTITUDE, abs=1e-6)
        assert state.rates_radps == pytest.approx((0, 0, 0), abs=1e-5)
        assert state.landed == (t_s < 1.5)
        assert state.battery_v == (16.0 if t_s < 2 else 15.5)
        assert state.battery_share == pytest.approx(0.9 if t_s < 2 else 0.8)
    assert log.notes == ()


def test_a_body_turned_by_hand_looks_east_and_hangs_to_the_right(path):
    """Negative control of the convention: forward is east, the right wing points south and down."""
    w, x, y, z = open_vehicle_log(path).placed(0.0, 10**9).state(0, 0).attitude
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_quat([x, y, z, w])
    assert turn.apply([1, 0, 0]) == pytest.approx([0, 1, 0], abs=1e-6)
    assert turn.apply([0, 1, 0]) == pytest.approx([-math.cos(math.pi / 6), 0, 0.5], abs=1e-6)


def test_modes_are_a_time_line(path):
    log = open_vehicle_log(path).placed(0.0, 4 * 10**9)
    assert [mark.detail for mark in log.marks] == MODES[path.name]
    times = {mark.detail: mark.stamp_ns / 1e9 for mark in log.marks}
    assert times["armed"] == 1.0
    assert times[MODES[path.name][-1]] == 2.0


def test_the_offset_places_the_log_beside_the_images(path, tmp_path):
    source = opened(pictures(tmp_path / "pictures"), path, offset_s=1.25)
    samples = list(source.samples())
    assert len(samples) == 10
    for sample in samples:
        north_m = 2 * (1.25 + sample.frame.stamp_ns / 1e9)
        assert sample.vehicle.stamp_ns == sample.frame.stamp_ns
        assert sample.vehicle.position_m[0] == pytest.approx(north_m, abs=1e-4)
    told = [(s.frame.seq, mark.stamp_ns, mark.detail) for s in samples for mark in s.marks]
    last = [m for m in MODES[path.name] if m != MODES[path.name][-1]]
    assert told[0][:2] == (0, 0)
    assert told[0][2] in last  # what held when the recording began
    assert (8, 750_000_000, MODES[path.name][-1]) in told


def test_negative_control_another_offset_is_another_place(path, tmp_path):
    folder = pictures(tmp_path / "pictures")
    places = [next(opened(folder, path, s).samples()).vehicle.position_m[0] for s in (0.0, 2.0)]
    assert places == pytest.approx([0.0, 4.0], abs=1e-4)


def test_where_the_log_ends_nothing_is_known(path, tmp_path):
    source = opened(pictures(tmp_path / "pictures"), path, offset_s=3.0)
    known = [sample.vehicle is not None for sample in source.samples()]
    assert all(known)  # 4.0 s is its end, and half a second more counts
    source = opened(tmp_path / "pictures", path, offset_s=-0.9)
    known = [sample.vehicle is not None for sample in source.samples()]
    assert known == [False] * 4 + [True] * 6


@pytest.mark.parametrize("offset_s", [5.0, -2.0, 1e6])
def test_no_time_in_common_is_refused(path, tmp_path, offset_s):
    with pytest.raises(UserError, match="--vehicle-offset at which the two have some time"):
        opened(pictures(tmp_path / "pictures"), path, offset_s)


def test_a_clock_that_runs_backwards_is_said(tmp_path):
    rows = [(t / 50, *ATTITUDE) for t in range(50)]
    path = write_ulog(
        tmp_path / "a.ulg", {"vehicle_attitude": [*rows, (0.5, *ATTITUDE), *rows[:3]]}
    )
    log = open_vehicle_log(path)
    assert "its clock runs backwards; 4 messages are left out" in log.notes[0]
    assert len(log.track.stamps_ns) == 50


def test_without_positions_the_attitude_serves(tmp_path):
    rows = [(t / 50, *ATTITUDE) for t in range(50)]
    logs = (
        write_ulog(tmp_path / "a.ulg", {"vehicle_attitude": rows}),
        write_dataflash(tmp_path / "a.bin", [("ATT", t / 50, 30.0, 0.0, 90.0) for t in range(50)]),
    )
    for path in logs:
        log = open_vehicle_log(path)
        assert "positions are unknown" in log.notes[0]
        state = log.placed(0.0, 10**9).state(0, 0)
        assert np.isnan(state.position_m).all()
        assert state.attitude == pytest.approx(ATTITUDE, abs=1e-6)
        assert math.isnan(state.battery_share)


def test_invalid_positions_are_unknown(tmp_path):
    rows = {
        "vehicle_attitude": [(t / 50, *ATTITUDE) for t in range(50)],
        "vehicle_local_position": [(t / 10, 1, 2, 3, 0, 0, 0, 0) for t in range(10)],
    }
    state = open_vehicle_log(write_ulog(tmp_path / "a.ulg", rows)).placed(0, 1).state(0, 0)
    assert np.isnan(state.position_m).all()
    assert state.velocity_mps == (0.0, 0.0, 0.0)


def test_a_cut_log_is_read_as_far_as_it_goes(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    log = open_vehicle_log(path)
    assert 10 < len(log.track.stamps_ns) <= 201


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("a.ulg", b"", "neither a PX4 log"),
        ("a.bin", b"something else", "neither a PX4 log"),
        ("a.ulg", b"ULog\x01\x12\x35\x01" + bytes(8), "has no vehicle_attitude"),
        ("a.bin", b"\xa3\x95\x80" + bytes(200), "no attitude|cannot be read as a DataFlash"),
    ],
)
def test_what_is_no_log_is_said(tmp_path, name, data, match):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=match):
        open_vehicle_log(tmp_path / name)


@pytest.mark.parametrize(
    ("rows", "old", "new", "match"),
    [
        (ATTITUDE, b"float[4] q;", b"float[4] z;", r"vehicle_attitude lacks q\[0\], q\[1\]"),
        ((math.nan,) * 4, b"", b"", "no vehicle_attitude in it is one"),
        ((0.0,) * 4, b"", b"", "no vehicle_attitude in it is one"),
    ],
)
def test_attitudes_that_are_none_are_said(tmp_path, rows, old, new, match):
    path = write_ulog(tmp_path / "a.ulg", {"vehicle_attitude": [(t, *rows) for t in range(9)]})
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(UserError, match=rf"a\.ulg: {match}"):
        open_vehicle_log(path)


def test_standard_output_is_left_to_the_command(tmp_path, capsys):
    path = px4(tmp_path / "a.ulg")
    data = path.read_bytes()
    path.write_bytes(data[:7] + b"\x09" + data[8:])
    open_vehicle_log(path)
    out, err = capsys.readouterr()
    assert out == ""
    assert "unknown file version" in err


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        open_vehicle_log(tmp_path / "none.ulg")


@pytest.mark.parametrize("module", ["pyulog", "pymavlink.DFReader"])
def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, module):
    name = "a.ulg" if module == "pyulog" else "a.bin"
    path = LOGS[name](tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"pip install 'drone\[autopilot\]'"):
        open_vehicle_log(path)


def test_a_flight_log_has_its_own_vehicle(path):
    golden = Path(__file__).parents[2] / "golden" / "golden.mcap"
    with pytest.raises(UserError, match="--vehicle-log is for films"):
        open_source(resolve_input(str(golden)), SourceOptions(vehicle_log=path))
