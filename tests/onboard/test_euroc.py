from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drone.errors import UserError
from drone.geometry import (
    GridSpec,
    Matrix,
    euler_from_quaternion,
    quaternion_from_euler,
    rotation_from_quaternion,
)
from drone.messages import VehicleState
from drone.onboard.euroc import EurocSource, open_euroc

START_NS = 1_403_715_273_262_142_976
STEP_NS = 50_000_000
TILT_RAD = math.radians(20)
HEADING_RAD = math.radians(-60)

SENSOR = """%YAML:1.0
# General sensor definitions.
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: [0.0, -1.0, 0.0, -0.02,
         1.0, 0.0, 0.0, {right_m},
         0.0, 0.0, 1.0, 0.01,
         0.0, 0.0, 0.0, 1.0]
rate_hz: 20
resolution: [64, 48]
camera_model: pinhole
intrinsics: [45.0, 45.0, 31.0, 24.0] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.1, 1e-02, 0.0001, 1e-5]
"""


def sensor_from_frd() -> Matrix:
    """The vehicle's body in the unit's (x up, y right, z forward), which looks 20 degrees down."""
    axes = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
    return axes @ Rotation.from_euler("y", TILT_RAD).as_matrix()


def pose_line(stamp_ns: int, north_m: float, columns: str = "") -> str:
    """A level vehicle that heads 60 degrees left of north, 2 m above the floor."""
    ned_from_frd = rotation_from_quaternion(quaternion_from_euler(0, 0, HEADING_RAD))
    world_from_sensor = np.diag([1.0, -1, -1]) @ ned_from_frd @ sensor_from_frd().T
    x, y, z, w = Rotation.from_matrix(world_from_sensor).as_quat()
    return f"{stamp_ns},{north_m},0.5,2.0,{w:.9f},{x:.9f},{y:.9f},{z:.9f}{columns}"


def write_flight(folder: Path, count: int = 4, poses: bool = True) -> Path:
    """A tiny flight: 64 x 48 px, 20 Hz, 0.1 m baseline, 1 m/s north, posed at 100 Hz."""
    rng = np.random.default_rng(0)
    stamps = [START_NS + i * STEP_NS for i in range(count)]
    for name, right_m in (("cam0", -0.05), ("cam1", 0.05)):
        images = folder / "mav0" / name / "data"
        images.mkdir(parents=True)
        (images.parent / "sensor.yaml").write_text(SENSOR.format(right_m=right_m))
        lines = ["#timestamp [ns],filename", *(f"{t},{t}.png" for t in stamps)]
        (images.parent / "data.csv").write_bytes("\r\n".join(lines).encode() + b"\r\n")
        for t in stamps:
            cv2.imwrite(str(images / f"{t}.png"), rng.integers(0, 255, (48, 64), np.uint8))
    if poses:
        lines = [pose_line(START_NS + i * 10_000_000, i * 0.01) for i in range(5 * count)]
        write_poses(folder, lines)
    return folder


def write_poses(folder: Path, lines: list[str], name: str = "state_groundtruth_estimate0") -> None:
    path = folder / "mav0" / name / "data.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["#timestamp, p_RS_R_x [m], ...", *lines]))


@pytest.fixture
def flight(tmp_path: Path) -> Path:
    return write_flight(tmp_path / "flight")


def states(source: EurocSource) -> list[VehicleState]:
    return [s.vehicle for s in source.samples() if s.vehicle is not None]


# What is read


def test_frames_come_in_order_rectified_and_again(flight: Path) -> None:
    source = open_euroc(flight)
    for _ in range(2):
        frames = [sample.frame for sample in source.samples()]
        assert [f.seq for f in frames] == [0, 1, 2, 3]
        assert [f.stamp_ns for f in frames] == [i * STEP_NS for i in range(4)]
        for f in frames:
            assert f.left is not None
            assert f.right is not None
            assert f.left.shape == f.right.shape == (48, 64)
            assert f.left.dtype == f.right.dtype == np.uint8
    assert len(source) == 4
    assert source.utc_offset_ns == START_NS
    assert (source.calibration.left.width, source.calibration.left.height) == (64, 48)
    assert source.calibration.baseline_m == pytest.approx(0.1)


def test_the_folder_inside_and_another_grid_do_as_well(flight: Path) -> None:
    camera = open_euroc(flight / "mav0", GridSpec(5, 4)).calibration.left
    assert (camera.width, camera.height) == (60, 45)


def test_a_level_vehicle_has_a_level_attitude_in_ned(flight: Path) -> None:
    source = open_euroc(flight)
    found = states(source)
    assert len(found) == 4
    for i, state in enumerate(found):
        assert euler_from_quaternion(state.attitude) == pytest.approx((0, 0, HEADING_RAD), abs=1e-6)
        assert state.position_m == pytest.approx((i * 0.05, -0.5, -2.0))
        assert state.velocity_mps == pytest.approx((1, 0, 0), abs=1e-9)
        assert state.rates_radps == pytest.approx((0, 0, 0), abs=1e-6)
    down = source.calibration.down_in_camera(found[0].attitude)
    assert down == pytest.approx((0, math.cos(TILT_RAD), math.sin(TILT_RAD)), abs=1e-6)
    assert source.calibration.rotation[0, 2] > 0.9  # looks roughly along body x


def test_without_poses_the_sensor_unit_is_the_body(tmp_path: Path) -> None:
    source = open_euroc(write_flight(tmp_path, poses=False))
    assert [sample.vehicle for sample in source.samples()] == [None] * 4
    assert source.calibration.down_in_camera(None) == pytest.approx((0, 1, 0), abs=1e-9)
    assert source.calibration.left_in_body_m == pytest.approx((0.01, -0.05, 0.02))


def test_velocity_columns_are_used_where_there_are_any(flight: Path) -> None:
    columns = ",3.0,2.0,1.0" + ",0.0" * 6
    write_poses(flight, [pose_line(START_NS + i * STEP_NS, 0, columns) for i in range(4)])
    assert states(open_euroc(flight))[2].velocity_mps == pytest.approx((3, -2, -1))


def test_an_image_far_from_any_pose_has_no_state(flight: Path) -> None:
    write_poses(flight, [pose_line(START_NS + 2 * STEP_NS + 9_000_000, 0)])
    known = [sample.vehicle is not None for sample in open_euroc(flight).samples()]
    assert known == [False, False, True, False]


def test_poses_of_a_marker_are_moved_to_the_body(tmp_path: Path) -> None:
    flight = write_flight(tmp_path, poses=False)
    write_poses(flight, [pose_line(START_NS, 1.0)], "vicon0")
    # The marker sits 0.1 m above the unit and is turned by half a turn about x (up).
    data = [1, 0, 0, 0.1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]
    (flight / "mav0/vicon0/sensor.yaml").write_text(f"T_BS: !!opencv-matrix\n  data: {data}\n")
    (state,) = states(open_euroc(flight))
    turned = (0, 0, HEADING_RAD + math.pi)
    assert euler_from_quaternion(state.attitude) == pytest.approx(turned, abs=1e-6)
    # "Above" is tilted by 20 degrees towards where the marker heads.
    ahead, above = 0.1 * math.sin(TILT_RAD), 0.1 * math.cos(TILT_RAD)
    north, east = ahead * math.cos(HEADING_RAD), ahead * math.sin(HEADING_RAD)
    assert state.position_m == pytest.approx((1 - north, -0.5 - east, -2 + above))
    assert all(math.isnan(v) for v in (*state.velocity_mps, *state.rates_radps))


def test_images_without_partner_are_left_out(flight: Path) -> None:
    path = flight / "mav0/cam1/data.csv"
    header, first, _, third, fourth = path.read_text().splitlines()
    late = third.replace("142976,", "143976,")  # a microsecond
    too_late = fourth.replace("2142976,", "4142976,")  # two milliseconds
    assert (late, too_late) != (third, fourth)
    path.write_text("\n".join([header, first, late, too_late]))
    source = open_euroc(flight)
    frames = [sample.frame for sample in source.samples()]
    assert [f.stamp_ns for f in frames] == [0, 2 * STEP_NS]
    assert source.notes == (f"{flight / 'mav0'}: 3 images without a partner are left out",)


def test_images_are_read_only_when_asked_for(flight: Path) -> None:
    broken = flight / f"mav0/cam1/data/{START_NS + 2 * STEP_NS}.png"
    broken.write_bytes(broken.read_bytes()[:100])
    samples = open_euroc(flight).samples()
    assert next(samples).frame.seq == 0
    assert next(samples).frame.seq == 1
    with pytest.raises(UserError, match=f"{broken.name}: cannot be read as an image"):
        next(samples)


# Wrong input: what is broken, and what the message must say


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(flight: Path) -> None:
        path = flight / "mav0" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


def replace(name: str, content: bytes | None) -> Callable[[Path], None]:
    def apply(flight: Path) -> None:
        path = flight / "mav0" / name
        path.unlink()
        if content is not None:
            path.write_bytes(content)

    return apply


def rename(name: str) -> Callable[[Path], None]:
    return lambda flight: (flight / "mav0" / name).rename(flight / "elsewhere") and None


FIRST, SECOND = f"{START_NS}", f"{START_NS + STEP_NS}"
POSES = "state_groundtruth_estimate0/data.csv"
HEADER = b"#timestamp [ns],filename\n"
BIG = cv2.imencode(".png", np.zeros((50, 64), np.uint8))[1].tobytes()

WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "no cam1": (rename("cam1"), r"flight: no folder mav0/cam1; right is the EuRoC layout"),
    "no data folder": (rename("cam0/data"), r"cam0/data: no such folder"),
    "no csv": (replace("cam0/data.csv", None), r"cam0/data\.csv: no such file"),
    "no yaml": (replace("cam1/sensor.yaml", None), r"cam1/sensor\.yaml: no such file"),
    "csv not text": (
        replace("cam0/data.csv", b"\xff\xfe\x00"),
        r"data\.csv: cannot be read as UTF",
    ),
    "empty csv": (replace("cam0/data.csv", b""), r"cam0/data\.csv: names no images"),
    "only a header": (replace("cam1/data.csv", HEADER), r"cam1/data\.csv: names no images"),
    "bad stamp": (
        edit("cam0/data.csv", SECOND, "1.4e18"),
        r"cam0/data\.csv:3: '1\.4e18' is not a s",
    ),
    "huge stamp": (edit("cam0/data.csv", SECOND, "9" * 30), r"data\.csv:3: '9+' is not a stamp"),
    "one column": (edit("cam0/data.csv", f"{SECOND},", f"{SECOND} "), r"cam0/data\.csv:3: "),
    "no name": (edit("cam0/data.csv", f",{FIRST}.png", ","), r"data\.csv:2: .* file name"),
    "backwards": (edit("cam1/data.csv", SECOND, FIRST), r"cam1/data\.csv:3: stamp \d+ follows"),
    "missing image": (
        replace(f"cam1/data/{SECOND}.png", None),
        rf"cam1/data/{SECOND}\.png: no such image.*\(1 of 4 images are missing\)",
    ),
    "no pairs": (
        replace("cam1/data.csv", f"7,{FIRST}.png\n".encode()),
        r"mav0: no image of cam0 has a partner in cam1",
    ),
    "not an image": (replace(f"cam0/data/{FIRST}.png", b"GIF"), r"\.png: cannot be read as an im"),
    "empty image": (replace(f"cam0/data/{FIRST}.png", b""), r"\.png: cannot be read as an image"),
    "image size": (
        replace(f"cam1/data/{FIRST}.png", BIG),
        rf"{FIRST}\.png: 64 x 50 px, but sensor\.yaml of its camera says 64 x 48",
    ),
    "unequal eyes": (
        edit("cam1/sensor.yaml", "[64, 48]", "[64, 50]"),
        r"64 x 48 px, the right one 64 x 50 px; both must have the same size",
    ),
    "swapped eyes": (
        edit("cam1/sensor.yaml", " 0.05,", " -0.15,"),
        r"cam0 and cam1: .*are left and right swapped\?",
    ),
    "not yaml": (edit("cam0/sensor.yaml", "[64, 48]", "[64, 48"), r"sensor\.yaml:1\d: not YAML"),
    "control character": (edit("cam0/sensor.yaml", "rate_hz", "\x07"), r"yaml: not YAML"),
    "yaml without keys": (replace("cam0/sensor.yaml", b"%YAML:1.0\n- 1\n"), r"no keys and values"),
    "distortion model": (
        edit("cam0/sensor.yaml", "radial-tangential", "equidistant"),
        r"distortion_model 'equidistant' is not supported; supported is 'radial-tangential'",
    ),
    "camera model": (
        edit("cam0/sensor.yaml", "pinhole", "omni"),
        r"camera_model 'omni' is not supported; supported is 'pinhole'",
    ),
    "mount not rigid": (
        edit("cam1/sensor.yaml", "1.0, 0.0, 0.0, 0.05", "2.0, 0.0, 0.0, 0.05"),
        r"cam1/sensor\.yaml: T_BS is not a rigid transform",
    ),
    "mount too short": (edit("cam1/sensor.yaml", "0.0, -1.0, ", ""), r"T_BS must be a list of 16"),
    "words for numbers": (
        edit("cam0/sensor.yaml", "31.0", "x"),
        r"intrinsics must be a list of 4 f",
    ),
    "not finite": (edit("cam0/sensor.yaml", "31.0", ".inf"), r"intrinsics must be a list of 4 fin"),
    "a number for a list": (
        edit("cam0/sensor.yaml", "[64, 48]", "64"),
        r"resolution must be a lis",
    ),
    "no focal length": (
        edit("cam0/sensor.yaml", "[45.0", "[0.0"),
        r"yaml: focal lengths and image",
    ),
    "too small": (
        lambda f: [edit(f"cam{i}/sensor.yaml", "[64, 48]", "[8, 6]")(f) for i in (0, 1)] and None,
        r"8 x 6 px are too few for 16 x 12 cells",
    ),
    "looks down": (
        lambda f: write_poses(f, [f"{START_NS},0,0,1,0,0,1,0"]),
        r"the camera looks along gravity",
    ),
    "short pose": (edit(POSES, ",0.5,2.0", ",0.5"), r"estimate0/data\.csv:2: not a pose; right is"),
    "pose not finite": (edit(POSES, ",0.5,2.0", ",nan,2.0"), r"data\.csv:2: not a pose"),
    "no unit quaternion": (
        lambda f: write_poses(f, [f"{START_NS},0,0,0,0.5,0,0,0"]),
        r"data\.csv:2: the quaternion \(0\.5, 0\.0, 0\.0, 0\.0\) has not length 1",
    ),
    "ragged poses": (
        lambda f: write_poses(f, [pose_line(1, 0), pose_line(2, 0, ",1.0")]),
        r"data\.csv:3: 9 columns, and 8 in the lines before",
    ),
    "poses backwards": (
        lambda f: write_poses(f, [pose_line(2, 0), pose_line(1, 0)]),
        r"data\.csv:3: stamp 1 follows 2; stamps must increase",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_that_says_what_and_where(flight: Path, case: str) -> None:
    break_it, message = WRONG[case]
    break_it(flight)
    with pytest.raises(UserError, match=message) as caught:
        open_euroc(flight)
    assert "\n" not in str(caught.value)
    assert str(flight) in str(caught.value)


@pytest.mark.parametrize("key", ["T_BS", "resolution", "intrinsics", "camera_model"])
def test_a_missing_key_is_named(flight: Path, key: str) -> None:
    edit("cam1/sensor.yaml", f"{key}:", f"{key}_:")(flight)
    with pytest.raises(UserError, match=rf"cam1/sensor\.yaml: the key '{key}' is missing"):
        open_euroc(flight)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder; right is one that holds mav0"):
        open_euroc(tmp_path / "nowhere")
