"""Round trips: one known pair, written by hand in every format, comes back as that pair."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from drone.errors import UserError
from drone.geometry import BODY_FROM_OPTICAL, Intrinsics, Matrix
from drone.onboard.calibration import (
    CameraModel,
    Lens,
    RawStereoCalibration,
    inverse_rigid,
    rigid,
)
from drone.onboard.calibration_files import read_calibration
from drone.onboard.calibration_toml import CalibrationNotes, to_toml, write_calibration

LEFT = CameraModel(Intrinsics(640, 480, 530.5, 531.25, 322.0, 238.5), (-0.28, 0.07, 1e-4, -2e-4))
RIGHT = CameraModel(Intrinsics(640, 480, 529.0, 530.0, 318.5, 241.0), (-0.27, 0.06, 2e-4, 3e-05))
TURN = Rotation.from_euler("xyz", [1.0, -0.7, 0.4], degrees=True).as_matrix()
RIGHT_FROM_LEFT = rigid(TURN, -TURN @ [0.12, 0.001, -0.002])
RAW = RawStereoCalibration.from_pair(LEFT, RIGHT, RIGHT_FROM_LEFT)
IMU_FROM_LEFT = rigid(
    Rotation.from_euler("x", -10, degrees=True).as_matrix() @ np.eye(3)[[2, 0, 1]].T,
    np.array([0.05, 0.02, 0.01]),
)


def numbers(values: object) -> str:
    return "[" + ", ".join(repr(float(v)) for v in np.ravel(np.asarray(values, float))) + "]"


def rows(matrix: Matrix) -> str:
    return "".join(f"\n  - {numbers(row)}" for row in matrix)


def same(found: RawStereoCalibration, expected: RawStereoCalibration = RAW) -> None:
    for a, b in ((found.left, expected.left), (found.right, expected.right)):
        assert (a.lens, a.pinhole.width, a.pinhole.height) == (
            *(b.lens, b.pinhole.width, b.pinhole.height),
        )
        np.testing.assert_allclose(a.pinhole.matrix, b.pinhole.matrix, rtol=1e-12)
        given = np.pad(a.distortion, (0, 8 - len(a.distortion)))
        np.testing.assert_allclose(given, np.pad(b.distortion, (0, 8 - len(b.distortion))))
    np.testing.assert_allclose(found.right_from_left, expected.right_from_left, atol=1e-12)
    np.testing.assert_allclose(found.body_from_left, expected.body_from_left, atol=1e-12)


# The formats, as others write them


def kalibr_eye(eye: CameraModel, model: str = "radtan") -> str:
    p = eye.pinhole
    return (
        f"  camera_model: pinhole\n  distortion_model: {model}\n"
        f"  distortion_coeffs: {numbers(eye.distortion)}\n"
        f"  intrinsics: {numbers([p.fx, p.fy, p.cx, p.cy])}\n"
        f"  resolution: [{p.width}, {p.height}]\n  rostopic: /cam0/image_raw\n"
    )


def kalibr(model: str = "radtan", imu: bool = False) -> str:
    mount = f"  T_cam_imu:{rows(inverse_rigid(IMU_FROM_LEFT))}\n" if imu else ""
    return (
        f"cam0:\n{kalibr_eye(LEFT, model)}{mount}"
        f"cam1:\n{kalibr_eye(RIGHT, model)}  T_cn_cnm1:{rows(RIGHT_FROM_LEFT)}\n"
    ).replace("\n  - ", "\n    - ")


def opencv_matrix(values: object, shape: tuple[int, int]) -> str:
    return (
        f"!!opencv-matrix\n   rows: {shape[0]}\n   cols: {shape[1]}\n   dt: d\n"
        f"   data: {numbers(values)}\n"
    )


OPENCV = {
    "M1": (LEFT.pinhole.matrix, (3, 3)),
    "D1": (LEFT.distortion, (1, 4)),
    "M2": (RIGHT.pinhole.matrix, (3, 3)),
    "D2": ((*RIGHT.distortion, *[0] * 10), (1, 14)),
    "R": (TURN, (3, 3)),
    "T": (RIGHT_FROM_LEFT[:3, 3], (3, 1)),
}


def opencv_yaml(*names: str, size: bool = True, rename: dict[str, str] | None = None) -> str:
    text = "%YAML:1.0\n---\n" + ("image_width: 640\nimage_height: 480\n" if size else "")
    renamed = rename or {}
    return text + "".join(
        f"{renamed.get(name, name)}: {opencv_matrix(*OPENCV[name])}" for name in names or OPENCV
    )


def opencv_xml() -> str:
    matrices = "".join(
        f'<{name} type_id="opencv-matrix"><rows>{shape[0]}</rows><cols>{shape[1]}</cols><dt>d</dt>'
        f"<data>{' '.join(repr(float(v)) for v in np.ravel(values))}</data></{name}>"
        for name, (values, shape) in OPENCV.items()
    )
    body = f"<imageSize>640 480</imageSize>{matrices}"
    return f"<?xml version='1.0'?>\n<opencv_storage>{body}</opencv_storage>"


def ros_turns() -> tuple[Matrix, Matrix]:
    """Rotations that rectify the pair: both x axes along the baseline."""
    x = inverse_rigid(RIGHT_FROM_LEFT)[:3, 3]
    x = x / np.linalg.norm(x)
    y = np.cross([0, 0, 1.0], x)
    y /= np.linalg.norm(y)
    left = np.stack([x, y, np.cross(x, y)])
    return left, left @ TURN.T


def ros(eye: CameraModel, turn: Matrix, offset: float, model: str = "plumb_bob") -> str:
    p = eye.pinhole
    projection = [[400, 0, 320, offset], [0, 400, 240, 0], [0, 0, 1, 0]]

    def matrix(values: object, shape: tuple[int, int]) -> str:
        return f"\n  rows: {shape[0]}\n  cols: {shape[1]}\n  data: {numbers(values)}\n"

    return (
        f"image_width: {p.width}\nimage_height: {p.height}\ncamera_name: narrow_stereo\n"
        f"camera_matrix:{matrix(p.matrix, (3, 3))}distortion_model: {model}\n"
        f"distortion_coefficients:{matrix((*eye.distortion, 0), (1, 5))}"
        f"rectification_matrix:{matrix(turn, (3, 3))}projection_matrix:{matrix(projection, (3, 4))}"
    )


def ros_message(eye: CameraModel, turn: Matrix, offset: float) -> str:
    projection = [400, 0, 320, offset, 0, 400, 240, 0, 0, 0, 1, 0]
    return (
        f"height: 480\nwidth: 640\ndistortion_model: rational_polynomial\n"
        f"d: {numbers((*eye.distortion, 0, 0, 0, 0))}\nk: {numbers(eye.pinhole.matrix)}\n"
        f"r: {numbers(turn)}\np: {numbers(projection)}\n"
    )


BASELINE_M = RAW.baseline_m
SENSOR_MOUNT = rigid(BODY_FROM_OPTICAL)


def sensor(eye: CameraModel, mount: Matrix) -> str:
    p = eye.pinhole
    return (
        f"%YAML:1.0\nsensor_type: camera\nT_BS:\n  cols: 4\n  rows: 4\n  data: {numbers(mount)}\n"
        f"resolution: [640, 480]\ncamera_model: pinhole\n"
        f"intrinsics: {numbers([p.fx, p.fy, p.cx, p.cy])}\n"
        f"distortion_model: radial-tangential\n"
        f"distortion_coefficients: {numbers(eye.distortion)}\n"
    )


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def ros_pair(folder: Path, make: Callable[..., str] = ros) -> Path:
    left, right = ros_turns()
    return write(
        folder,
        left_DOT_yaml=make(LEFT, left, 0.0),
        right_DOT_yaml=make(RIGHT, right, -400 * BASELINE_M),
    )


# Known answers


def test_kalibr_chain(tmp_path: Path) -> None:
    same(read_calibration(write(tmp_path, camchain_DOT_yaml=kalibr()) / "camchain.yaml"))


def test_a_file_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, camchain_DOT_yaml=kalibr()))
    same(read_calibration(Path("camchain.yaml")))
    same(read_calibration(Path(".")))


def test_kalibr_equidistant_is_a_fisheye_lens(tmp_path: Path) -> None:
    found = read_calibration(write(tmp_path, camchain_DOT_yaml=kalibr("equidistant")))
    assert found.left.lens is found.right.lens is Lens.EQUIDISTANT
    assert found.left.distortion == LEFT.distortion


def test_kalibr_with_an_imu_makes_it_the_body_and_levels_it(tmp_path: Path) -> None:
    found = read_calibration(write(tmp_path, camchain_DOT_yaml=kalibr(imu=True)))
    np.testing.assert_allclose(found.right_from_left, RIGHT_FROM_LEFT, atol=1e-12)
    imu_in_body = found.body_from_left @ inverse_rigid(IMU_FROM_LEFT)
    np.testing.assert_allclose(imu_in_body[:3, 3], 0, atol=1e-12)
    down_axis = np.abs(imu_in_body[2, :3])
    np.testing.assert_allclose(np.sort(down_axis), [0, 0, 1], atol=1e-12)
    assert found.body_from_left[0, 2] > 0.9  # the eye looks forward
    assert found.body_from_left[2, 1] > 0.9  # and is upright


@pytest.mark.parametrize("make", [ros, ros_message])
def test_ros_pair(tmp_path: Path, make: Callable[..., str]) -> None:
    folder = ros_pair(tmp_path, make)
    same(read_calibration([folder / "left.yaml", folder / "right.yaml"]))
    same(read_calibration(folder / "left.yaml"))
    same(read_calibration(folder))


def test_euroc_pair(tmp_path: Path) -> None:
    right = SENSOR_MOUNT @ inverse_rigid(RIGHT_FROM_LEFT)
    folder = write(
        tmp_path,
        mav0__cam0__sensor_DOT_yaml=sensor(LEFT, SENSOR_MOUNT),
        mav0__cam1__sensor_DOT_yaml=sensor(RIGHT, right),
    )
    same(read_calibration(folder))
    same(read_calibration(folder / "mav0" / "cam0" / "sensor.yaml"))


def test_opencv_in_one_file(tmp_path: Path) -> None:
    write(tmp_path, stereo_DOT_yml=opencv_yaml(), stereo_DOT_xml=opencv_xml())
    same(read_calibration(tmp_path / "stereo.yml"))
    same(read_calibration(tmp_path / "stereo.xml"))


def test_opencv_with_other_names(tmp_path: Path) -> None:
    names = {"M1": "cameraMatrix1", "D1": "distCoeffs1", "M2": "cameraMatrix2", "D2": "distCoeffs2"}
    same(read_calibration(write(tmp_path, a_DOT_yml=opencv_yaml(rename=names)) / "a.yml"))


def test_opencv_in_two_files_that_lie_side_by_side(tmp_path: Path) -> None:
    write(
        tmp_path,
        intrinsics_DOT_yml=opencv_yaml("M1", "D1", "M2", "D2", size=False),
        extrinsics_DOT_yml=opencv_yaml("R", "T", size=False),
    )
    same(read_calibration(tmp_path / "intrinsics.yml", size_px=(640, 480)))
    same(read_calibration(tmp_path / "extrinsics.yml", size_px=(640, 480)))
    with pytest.raises(UserError, match="does not say how large the images were"):
        read_calibration(tmp_path / "intrinsics.yml")


def test_opencv_itself_reads_and_writes_what_we_read(tmp_path: Path) -> None:
    import cv2

    for suffix in ("yml", "xml"):
        path = tmp_path / f"written.{suffix}"
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 640)
        storage.write("image_height", 480)
        for name, (values, shape) in OPENCV.items():
            storage.write(name, np.array(values, float).reshape(shape))
        storage.release()
        same(read_calibration(path))


# Our own file

angle = st.floats(-80, 80)
metre = st.floats(-2, 2)


@given(
    st.lists(angle, min_size=3, max_size=3),
    st.lists(metre, min_size=3, max_size=3),
    st.sampled_from([(Lens.RADTAN, 4), (Lens.RADTAN, 5), (Lens.RADTAN, 8), (Lens.EQUIDISTANT, 4)]),
    st.floats(0.01, 2),
)
def test_our_file_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    angles_deg: list[float],
    place_m: list[float],
    lens: tuple[Lens, int],
    baseline_m: float,
) -> None:
    eye = CameraModel(LEFT.pinhole, tuple(0.01 * (i + 1) for i in range(lens[1])), lens[0])
    turn = Rotation.from_euler("ZYX", angles_deg, degrees=True).as_matrix()
    mount = rigid(turn @ BODY_FROM_OPTICAL, np.array(place_m))
    pair = rigid(TURN, -TURN @ [baseline_m, 0, 0])
    raw = RawStereoCalibration.from_pair(eye, eye, pair, mount)
    path = tmp_path_factory.mktemp("toml") / "calibration.toml"
    write_calibration(path, raw)
    found = read_calibration(path)
    assert (found.left, found.right) == (eye, eye)
    np.testing.assert_allclose(found.right_from_left, raw.right_from_left, atol=1e-12)
    np.testing.assert_allclose(found.body_from_left, raw.body_from_left, atol=1e-9)


def test_mount_angles_are_those_of_a_camera_that_looks_up(tmp_path: Path) -> None:
    text = to_toml(RAW, CalibrationNotes())
    tilted = text.replace("roll_pitch_yaw_deg = [0.0, 0.0, 0.0]", "roll_pitch_yaw_deg = [0, 20, 0]")
    assert tilted != text
    found = read_calibration(write(tmp_path, c_DOT_toml=tilted) / "c.toml")
    forward = found.body_from_left[:3, 2]  # FRD: up is negative z
    np.testing.assert_allclose(forward, [np.cos(np.radians(20)), 0, -np.sin(np.radians(20))])


def in_squares(folder: Path) -> Path:
    raw = RawStereoCalibration.from_pair(LEFT, RIGHT, rigid(TURN, -TURN @ [4.8, 0.04, -0.08]))
    write_calibration(folder / "calibration.toml", raw, CalibrationNotes(in_squares=True))
    return folder / "calibration.toml"


def test_a_file_in_squares_waits_for_their_length(tmp_path: Path) -> None:
    path = in_squares(tmp_path)
    with pytest.raises(UserError, match=r"board squares only.*square_mm = 25\.0"):
        read_calibration(path)
    path.write_text(path.read_text().replace("# square_mm = 25.0", "square_mm = 25.0"))
    same(read_calibration(path))


# Wrong input


def changed(text: str, *edits: tuple[str, str]) -> str:
    for pattern, replacement in edits:
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
        assert count == 1, pattern
    return text


OURS = to_toml(RAW, CalibrationNotes())
WRONG = {
    "not toml": ("c.toml", "[left\n", "not valid TOML"),
    "other toml": ("c.toml", "[pilot]\n", "no calibration known here; right is a TOML file of"),
    "other yaml": ("c.yaml", "a: 1\n", "no calibration known here"),
    "no yaml": ("c.yaml", "a: [\n", "c.yaml:1: not YAML"),
    "a list": ("c.yaml", "- 1\n", "holds no keys and values"),
    "no xml": ("c.xml", "<a", "not XML"),
    "other xml": ("c.xml", "<a/>", "its root is <a>"),
    "version": ("c.toml", changed(OURS, ("version = 1", "version = 9")), "version 9; known is 1"),
    "edited": ("c.toml", changed(OURS, ("fx_px = 530", "fx_px = 531")), "was changed since"),
    "unknown key": ("c.toml", changed(OURS, ("left_in", "right_in")), "unknown key mount.right_in"),
    "lens": ("c.toml", changed(OURS, ('"radtan"\n', '"omni"\n')), "left.lens 'omni' is not supp"),
    "no section": ("c.toml", OURS.split("[mount]")[0], "the key 'mount' is missing"),
    "nan": ("c.toml", changed(OURS, (r"cx_px = \S+", "cx_px = nan")), "left.cx_px must be a list"),
    "no rotation": (
        "c.toml",
        changed(OURS, (r"rotation = \[\n  \[[0-9.]+", "rotation = [\n  [2.0")),
        "pair.rotation is not a rotation",
    ),
    "count": (
        "c.toml",
        changed(OURS, (r"distortion = \[", "distortion = [0, 0, ")),
        r"\[left\]: 6 distortion coefficients",
    ),
    "in millimetres": (
        "c.yml",
        opencv_yaml().replace(
            numbers(RIGHT_FROM_LEFT[:3, 3]), numbers(1000 * RIGHT_FROM_LEFT[:3, 3])
        ),
        r"the eyes are 120.\d+ m apart.*another unit than metres",
    ),
    "swapped": (
        "c.yml",
        opencv_yaml().replace(numbers(RIGHT_FROM_LEFT[:3, 3]), numbers(-RIGHT_FROM_LEFT[:3, 3])),
        "are left and right swapped",
    ),
    "no translation": ("c.yml", opencv_yaml("M1", "D1", "M2", "D2", "R"), "the key 'T' is missing"),
    "one camera": ("c.yml", opencv_yaml("M1", "D1", "R", "T"), r"'M2' \(or K2, cameraMatrix2"),
    "thin prism": (
        "c.yml",
        changed(opencv_yaml(), (r"0\.0, 0\.0\]\nR", "0.5, 0.0]\nR")),
        "D2 has 14 coefficients",
    ),
    "mono chain": ("c.yaml", kalibr().split("cam1:")[0], "the key 'cam1' is missing"),
    "omni": ("c.yaml", kalibr().replace("pinhole", "omni"), "cam0.camera_model 'omni' is not supp"),
    "no relation": ("c.yaml", kalibr().split("  T_cn")[0], r"the key 'cam1.T_cn_cnm1' is missing"),
    "no such date": ("c.yaml", "date: 2026-28-11\n" + kalibr(), r"c\.yaml: a value is not .*month"),
    "no whole number": (
        "c.yaml",
        "a: !!int x\n" + kalibr(),
        r"c\.yaml: a value is not of the kind",
    ),
    "no truth": ("c.yaml", "a: !!bool x\n" + kalibr(), r"c\.yaml: a value is not of the kind"),
    "no time": ("c.yaml", "a: !!timestamp x\n" + kalibr(), r"c\.yaml: a value is not of the kind"),
    "nothing": ("c.yaml", "a: !!int ''\n" + kalibr(), r"c\.yaml: a value is not of the kind"),
    "huge": (
        "c.yaml",
        kalibr().replace("[640", "[99999999999999999999"),
        r"c\.yaml: pictures of 1\d+ x 480 px; right are at most 32767 px a side",
    ),
    "one sensor": ("c.yaml", sensor(LEFT, SENSOR_MOUNT), "one eye only; name the files"),
    "one ros": ("c.yaml", ros(LEFT, np.eye(3), 0), "one eye only; name the files"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_refused_in_words(tmp_path: Path, case: str) -> None:
    name, text, expected = WRONG[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=expected) as found:
        read_calibration(tmp_path / name)
    assert str(tmp_path) in str(found.value)


def test_no_file_and_no_calibration_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_calibration(tmp_path / "missing.toml")
    with pytest.raises(UserError, match="no calibration file in this folder"):
        read_calibration(tmp_path)
    with pytest.raises(UserError, match="3 files; right are one, or one for each eye"):
        read_calibration([tmp_path / "a"] * 3)


def test_ros_files_in_the_wrong_order(tmp_path: Path) -> None:
    folder = ros_pair(tmp_path)
    with pytest.raises(UserError, match="name the left eye's file first"):
        read_calibration([folder / "right.yaml", folder / "left.yaml"])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    from drone.errors import WorkFailedError

    with pytest.raises(WorkFailedError, match="cannot be written"):
        write_calibration(tmp_path / "missing" / "c.toml", RAW)
