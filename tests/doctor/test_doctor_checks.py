"""Each check on known facts: well, worse, past all bounds; and the figures of known images."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.config.health import HealthConfig
from drone.config.onboard import StereoCameraConfig
from drone.doctor import autopilot, cameras, computer, models, rows
from drone.doctor.autopilot import ARDUPILOT, PX4, AutopilotFacts
from drone.doctor.cameras import CameraFacts, EyeFacts
from drone.doctor.finding import Finding, Verdict, lower, upper
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import StereoFrame

CAMERA = StereoCameraConfig(devices=("/dev/video0",), rate_hz=10.0, max_skew_ms=5.0)
EYE = EyeFacts(level=110.0, unsteadiness=0.01, white_share=0.0, detail=100.0, trouble="")
WELL = CameraFacts(30, 10.0, 0.1, EYE, EYE, 0.001, 0.002)
NAN = math.nan


def verdicts(findings: list[Finding]) -> dict[str, str]:
    """Return the worst verdict by name; whatever is not well must say what to do."""
    order = [Verdict.SKIPPED, Verdict.OK, Verdict.WARN, Verdict.FAIL]
    worst: dict[str, Verdict] = {}
    for f in findings:
        assert bool(f.fix) == (f.verdict in (Verdict.WARN, Verdict.FAIL)), f
        assert f.what
        worst[f.name] = max(worst.get(f.name, Verdict.SKIPPED), f.verdict, key=order.index)
    return {name: verdict.value for name, verdict in worst.items()}


def test_unknown_figures_never_pass():
    assert upper(NAN, 1, 2) is lower(NAN, 2, 1) is Verdict.FAIL
    assert [upper(x, 1, 2) for x in (1, 2, 3)] == [Verdict.OK, Verdict.WARN, Verdict.FAIL]
    assert [lower(x, 2, 1) for x in (2, 1, 0)] == [Verdict.OK, Verdict.WARN, Verdict.FAIL]


def test_sound_cameras():
    assert set(verdicts(cameras.check(WELL, CAMERA, HealthConfig())).values()) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "name", "verdict"),
    [
        ({"rate_hz": 7.0}, "rate", "warn"),
        ({"rate_hz": 3.0}, "rate", "fail"),
        ({"rate_hz": NAN}, "rate", "fail"),
        ({"longest_gap_s": 0.4}, "gaps", "warn"),
        ({"longest_gap_s": 2.0}, "gaps", "fail"),
        ({"skew_max_s": 0.004}, "skew", "warn"),
        ({"skew_max_s": 0.02}, "skew", "fail"),
        ({"skew_max_s": NAN, "skew_median_s": NAN}, "skew", "ok"),
        ({"left": dataclasses.replace(EYE, trouble="black")}, "eyes", "fail"),
        ({"right": dataclasses.replace(EYE, detail=30.0)}, "focus", "fail"),
        ({"left": dataclasses.replace(EYE, level=20.0)}, "exposure", "warn"),
        ({"left": dataclasses.replace(EYE, white_share=0.3)}, "exposure", "warn"),
        ({"left": dataclasses.replace(EYE, level=60.0)}, "exposure", "warn"),
        ({"right": dataclasses.replace(EYE, unsteadiness=0.2)}, "exposure", "warn"),
    ],
)
def test_cameras_that_are_not(changes, name, verdict):
    facts = dataclasses.replace(WELL, **changes)
    assert verdicts(cameras.check(facts, CAMERA, HealthConfig()))[f"cameras.{name}"] == verdict


def test_two_lenses_out_of_focus_are_a_warning():
    dull = dataclasses.replace(EYE, detail=1.0)
    facts = dataclasses.replace(WELL, left=dull, right=dull)
    assert verdicts(cameras.check(facts, CAMERA, HealthConfig()))["cameras.focus"] == "warn"


def textured(seed: int, height: int = 96, width: int = 160) -> np.ndarray:
    """Return smooth noise with corners everywhere."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)


def frame(seq: int, stamp_s: float, left: np.ndarray | None, right: np.ndarray | None):
    return StereoFrame(seq, ns_from_s(stamp_s), True, left, right)


def test_figures_of_frames():
    black = np.zeros((96, 128), np.uint8)
    frames = [frame(k, 0.1 * k, textured(k)[:, :128], black) for k in range(5)]
    frames.append(frame(5, 0.9, textured(9)[:, :128], black))
    facts = cameras.facts_of(frames, {"skew_pairs": 0})
    assert facts.rate_hz == pytest.approx(5 / 0.9)
    assert facts.longest_gap_s == pytest.approx(0.5)
    assert (facts.left.trouble, facts.right.trouble) == ("", "black")
    assert facts.left.detail > 50
    assert math.isnan(facts.skew_max_s)


def test_a_picture_that_never_changes_is_frozen():
    same = textured(0)[:, :128]
    frames = [frame(k, 0.1 * k, same, textured(k)[:, :128]) for k in range(5)]
    facts = cameras.facts_of(frames, {"skew_pairs": 5, "skew_median_s": 0.0, "skew_max_s": 0.0})
    assert (facts.left.trouble, facts.right.trouble) == ("frozen", "")


CALIBRATION = StereoCalibration(Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5), 0.06)


@pytest.mark.parametrize(
    ("shift_px", "verdict"), [((6, 0), "ok"), ((6, 2), "fail"), ((-6, 0), "fail")]
)
def test_rows_of_a_plane_before_the_cameras(shift_px, verdict):
    """A plane whose corners lie so many px farther left, and farther up, in the right eye."""
    across, down = shift_px
    frames = []
    for k in range(6):
        wide = textured(k, 120, 160)
        left = wide[10:106, 16:144]
        right = wide[10 + down : 106 + down, 16 + across : 144 + across]
        frames.append(frame(k, 0.1 * k, np.ascontiguousarray(left), np.ascontiguousarray(right)))
    health = HealthConfig()
    facts = rows.facts_of(frames, CALIBRATION, health)
    assert facts.matches > 100
    assert facts.off_px == pytest.approx(abs(down), abs=0.15)
    assert verdicts(rows.check(facts, health)) == {"calibration.rows": verdict}


def test_a_plain_wall_says_nothing_of_rows():
    plain = np.full((96, 128), 90, np.uint8)
    health = HealthConfig()
    facts = rows.facts_of([frame(0, 0.0, plain, plain)], CALIBRATION, health)
    assert verdicts(rows.check(facts, health)) == {"calibration.rows": "warn"}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (models.ModelFacts("", 3, 0.002, 0.004), {"model.loads": "ok", "model.speed": "ok"}),
        (models.ModelFacts("", 3, 0.02, 0.05), {"model.loads": "ok", "model.speed": "warn"}),
        (models.ModelFacts("", 3, 0.02, 0.5), {"model.loads": "ok", "model.speed": "fail"}),
        (models.ModelFacts("", 3, 0.002, 0.004, finite=False), {"model.loads": "fail"}),
        (models.ModelFacts("it is broken"), {"model.loads": "fail"}),
    ],
)
def test_models(facts, expected):
    assert verdicts(models.check(facts, 10.0)) == expected


@pytest.mark.parametrize(
    ("changes", "name", "verdict"),
    [
        ({}, "cpu.load", "ok"),
        ({"load": 3.0}, "cpu.load", "warn"),
        ({"load": 8.0}, "cpu.load", "fail"),
        ({"memory_mb": 400.0}, "cpu.memory", "warn"),
        ({"memory_mb": NAN}, "cpu.memory", "fail"),
        ({"hottest_c": 75.0}, "cpu.temperature", "warn"),
        ({"hottest_c": 90.0}, "cpu.temperature", "fail"),
        ({"hottest_c": NAN}, "cpu.temperature", "skipped"),
        ({"governor": "powersave"}, "cpu.clock", "warn"),
        ({"throttled": 0x50000}, "cpu.supply", "warn"),
        ({"throttled": 0x50005}, "cpu.supply", "fail"),
    ],
)
def test_the_computer(changes, name, verdict):
    well = computer.CpuFacts(4, 0.5, "ondemand", 50.0, 0, 4000.0)
    assert verdicts(computer.check_cpu(dataclasses.replace(well, **changes)))[name] == verdict


def test_the_computer_is_read_from_its_files(tmp_path):
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("61500\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("1.25 1.0 0.9 1/100 42\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n")
    facts = computer.read_cpu(tmp_path)
    assert (facts.load, facts.hottest_c, facts.memory_mb) == (1.25, 61.5, 5000.0)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (computer.DiskFacts("runs", 1e5, 50.0, 1.0), {"disk.space": "ok", "disk.speed": "ok"}),
        (computer.DiskFacts("runs", 600.0, 2.0, 1.0), {"disk.space": "warn", "disk.speed": "warn"}),
        (computer.DiskFacts("runs", 9.0, 0.5, 1.0), {"disk.space": "fail", "disk.speed": "fail"}),
        (computer.DiskFacts("runs", 9.0, NAN, 1.0, "read-only"), {"disk.write": "fail"}),
    ],
)
def test_the_disk(facts, expected):
    assert verdicts(computer.check_disk(facts)) == expected


def test_the_disk_is_left_as_it_was(tmp_path):
    facts = computer.read_disk(tmp_path / "runs/not/there/yet", 1.0)
    assert facts.write_mbps > 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_entered_is_a_finding(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    (finding,) = computer.check_disk(computer.read_disk(tmp_path, 1.0))
    assert (finding.verdict, finding.what) == ("fail", f"{tmp_path}: Permission denied")


@pytest.mark.parametrize("runs", ["file", "file/runs"])
def test_a_file_where_runs_are_to_go_is_no_disk(tmp_path, runs):
    (tmp_path / "file").touch()
    (finding,) = computer.check_disk(computer.read_disk(tmp_path / runs, 1.0))
    assert (finding.verdict, finding.what) == ("fail", f"{tmp_path / 'file'}: is no folder")
    assert "--runs" in finding.fix


@pytest.mark.parametrize(
    ("utc_s", "synchronised", "verdict"),
    [(1.8e9, True, "ok"), (1.8e9, None, "ok"), (1.8e9, False, "warn"), (0.0, None, "warn")],
)
def test_the_clock(utc_s, synchronised, verdict):
    facts = computer.ClockFacts(utc_s, synchronised, signed=True)
    assert verdicts(computer.check_clock(facts)) == {"clock.time": verdict}


RIGHT = {
    ARDUPILOT: {"EK3_SRC1_VELXY": 5, "FS_THR_ENABLE": 3, "FS_OPTIONS": 16, "FS_EKF_ACTION": 1,
                "GUID_TIMEOUT": 1, "FENCE_ENABLE": 1, "FENCE_ACTION": 2, "PRX1_TYPE": 2},
    PX4: {"EKF2_OF_CTRL": 1, "EKF2_EV_CTRL": 0, "EKF2_GPS_CTRL": 7, "COM_OF_LOSS_T": 1,
          "COM_OBL_RC_ACT": 4, "COM_RC_OVERRIDE": 3, "COM_RCL_EXCEPT": 0, "NAV_RCL_ACT": 3},
}  # fmt: skip
VERSIONS = {ARDUPILOT: (4, 5, 7), PX4: (1, 15, 2)}


def sound(kind: str) -> AutopilotFacts:
    return AutopilotFacts(
        kind=kind,
        version=VERSIONS[kind],
        attitude_hz=30.0,
        position_hz=20.0,
        permission_us=1000,
        clock_answers=True,
        battery_share=0.9,
        parameters={name: float(value) for name, value in RIGHT[kind].items()},
    )


def judged(facts: AutopilotFacts, **config) -> dict[str, str]:
    found = verdicts(autopilot.check(facts, AutopilotConfig(**config)))
    return {name.removeprefix("autopilot."): verdict for name, verdict in found.items()}


@pytest.mark.parametrize("kind", [ARDUPILOT, PX4])
def test_a_sound_autopilot(kind):
    assert set(judged(sound(kind)).values()) == {"ok"}
    later = {"MAN_OVERRIDE_SPD"}
    assert set(RIGHT[kind]) == set(autopilot.parameters_of(kind)) - later


def test_a_parameter_that_another_one_has_replaced():
    """PX4 1.18 knows no COM_RC_OVERRIDE any more."""
    older = sound(PX4).parameters
    later = {n: v for n, v in older.items() if n != "COM_RC_OVERRIDE"}
    for speed, verdict in ((1.0, "ok"), (-1.0, "warn")):
        parameters = {**later, "MAN_OVERRIDE_SPD": speed}
        found = judged(dataclasses.replace(sound(PX4), parameters=parameters))
        assert found["MAN_OVERRIDE_SPD"] == verdict
        assert "COM_RC_OVERRIDE" not in found
    assert "MAN_OVERRIDE_SPD" not in judged(sound(PX4))
    neither = judged(dataclasses.replace(sound(PX4), parameters=later))
    assert neither["COM_RC_OVERRIDE"] == neither["MAN_OVERRIDE_SPD"] == "skipped"


@pytest.mark.parametrize("kind", [ARDUPILOT, PX4])
@pytest.mark.parametrize(
    ("changes", "name", "verdict"),
    [
        ({"problem": "nothing is heard"}, "connected", "fail"),
        ({"rivals": "1 and 2"}, "connected", "fail"),
        ({"version": (1, 2, 3)}, "version", "warn"),
        ({"version": None}, "version", "warn"),
        ({"armed": True}, "disarmed", "fail"),
        ({"attitude_hz": 6.0}, "attitude", "warn"),
        ({"position_hz": 0.0}, "velocity", "fail"),
        ({"believes": False}, "velocity", "fail"),
        ({"permission_us": 0}, "permission", "fail"),
        ({"permission_us": 1900}, "permission", "warn"),
        ({"clock_answers": False}, "clock", "warn"),
        ({"battery_share": 0.3}, "battery", "warn"),
        ({"battery_share": 0.1}, "battery", "fail"),
        ({"battery_share": NAN}, "battery", "skipped"),
        ({"parameters": {}}, "velocity_source", "skipped"),
    ],
)
def test_an_autopilot_that_is_not(kind, changes, name, verdict):
    assert judged(dataclasses.replace(sound(kind), **changes))[name] == verdict


@pytest.mark.parametrize(
    ("kind", "parameter", "value", "verdict"),
    [
        (ARDUPILOT, "FS_THR_ENABLE", 0, "fail"),
        (ARDUPILOT, "FS_THR_ENABLE", 1, "warn"),
        (ARDUPILOT, "FS_OPTIONS", 20, "fail"),
        (ARDUPILOT, "FS_EKF_ACTION", 0, "warn"),
        (ARDUPILOT, "GUID_TIMEOUT", 3, "warn"),
        (ARDUPILOT, "FENCE_ENABLE", 0, "warn"),
        (ARDUPILOT, "FENCE_ACTION", 0, "warn"),
        (ARDUPILOT, "FENCE_ACTION", 1, "warn"),
        (ARDUPILOT, "PRX1_TYPE", 0, "warn"),
        (PX4, "COM_OF_LOSS_T", 5, "warn"),
        (PX4, "COM_OBL_RC_ACT", 3, "fail"),
        (PX4, "COM_RC_OVERRIDE", 1, "warn"),
        (PX4, "COM_RCL_EXCEPT", 4, "fail"),
        (PX4, "NAV_RCL_ACT", 2, "warn"),
        (PX4, "NAV_RCL_ACT", 6, "fail"),
    ],
)
def test_each_parameter_that_matters(kind, parameter, value, verdict):
    wrong = {**sound(kind).parameters, parameter: float(value)}
    found = judged(dataclasses.replace(sound(kind), parameters=wrong))
    assert found[parameter] == verdict
    others = {name: verdict for name, verdict in found.items() if name != parameter}
    assert set(others.values()) == {"ok"}


@pytest.mark.parametrize(
    ("kind", "sources", "verdict"),
    [
        (ARDUPILOT, {"EK3_SRC1_VELXY": 6}, "ok"),
        (ARDUPILOT, {"EK3_SRC1_VELXY": 3}, "warn"),
        (ARDUPILOT, {"EK3_SRC1_VELXY": 0}, "fail"),
        (PX4, {"EKF2_OF_CTRL": 0, "EKF2_EV_CTRL": 15}, "ok"),
        (PX4, {"EKF2_OF_CTRL": 0, "EKF2_EV_CTRL": 8}, "warn"),
        (PX4, {"EKF2_OF_CTRL": 0, "EKF2_EV_CTRL": 0, "EKF2_GPS_CTRL": 0}, "fail"),
    ],
)
def test_what_the_velocity_comes_from(kind, sources, verdict):
    parameters = {**sound(kind).parameters, **sources}
    assert judged(dataclasses.replace(sound(kind), parameters=parameters))["velocity_source"] == (
        verdict
    )


def test_signing_over_a_network():
    assert judged(sound(PX4), url="udpin://0.0.0.0:14550")["signing"] == "warn"
    assert judged(sound(PX4), url="udpin://0.0.0.0:14550", signing_key="key")["signing"] == "ok"


def test_no_name_stands_for_two_checks():
    names = [
        [f.name for f in cameras.check(WELL, CAMERA, HealthConfig())],
        [f.name for f in autopilot.check(sound(PX4), AutopilotConfig())],
    ]
    flat = list(itertools.chain(*names))
    assert len(flat) == len(set(flat))
