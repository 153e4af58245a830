from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from planes import DEPTH_M, depths_m, stamps_s, wall, write_images
from scipy.spatial.transform import Rotation

from drone.errors import UserError
from drone.geometry import euler_from_quaternion
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.runfolder import InputKind, resolve_input

CALIBRATION = "P0: 100 0 63.5 0 0 {0} 47.5 0 0 0 1 0\nP1: 100 0 63.5 -10 0 {0} 47.5 0 0 0 1 0\n"
TURN_RAD = math.radians(5)


def pose_line(i: int) -> str:
    """Frame i of a car that drives 1 m forward a frame and turns right by 5 degrees a frame."""
    turn = Rotation.from_euler("y", i * TURN_RAD).as_matrix()  # about y, which points down
    pose = np.column_stack([turn, (0.0, 0.0, 1.0 * i)])
    return " ".join(f"{v:.9f}" for v in pose.ravel())


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    folder = tmp_path / "sequences" / "07"
    names = [f"{i:06}.png" for i in range(5)]
    pairs = wall(5)
    write_images(folder / "image_0", names, (left for left, _ in pairs))
    write_images(folder / "image_1", names, (right for _, right in pairs))
    (folder / "times.txt").write_text("".join(f"{0.1037 * i:e}\n" for i in range(5)))
    line = "100 0 63.5 {} 0 100 47.5 0 0 0 1 0\n"
    offsets = (0, -10, 0.5, -9.5)
    lines = [f"P{i}: " + line.format(t) for i, t in enumerate(offsets)]
    (folder / "calib.txt").write_text("".join(lines) + "Tr: 1 2 3\n")
    poses = tmp_path / "poses"
    poses.mkdir()
    (poses / "07.txt").write_text("\n".join(pose_line(i) for i in range(5)) + "\n")
    return folder


def test_frames_depth_and_calibration(sequence: Path) -> None:
    found = resolve_input(str(sequence))
    assert found.kind is InputKind.KITTI
    source = open_source(found)
    assert source.calibration.baseline_m == pytest.approx(0.1)
    assert stamps_s(source) == pytest.approx([0.1037 * i for i in range(5)])
    assert depths_m(source) == pytest.approx([DEPTH_M] * 5, rel=0.01)


def test_camera_poses_become_the_body_in_ned(sequence: Path) -> None:
    states = [s.vehicle for s in open_source(resolve_input(str(sequence))).samples()]
    for i, state in enumerate(states):
        assert state is not None
        assert state.position_m == pytest.approx((i, 0, 0))  # north is where the first looked
        assert euler_from_quaternion(state.attitude) == pytest.approx((0, 0, i * TURN_RAD))
        assert state.velocity_mps == pytest.approx((1 / 0.1037, 0, 0))
        assert state.rates_radps == pytest.approx((0, 0, TURN_RAD / 0.1037))


def test_the_body_is_level_where_the_first_camera_was(sequence: Path) -> None:
    source = open_source(resolve_input(str(sequence)))
    first = next(iter(source.samples())).vehicle
    assert first is not None
    assert source.calibration.down_in_camera(first.attitude) == pytest.approx((0, 1, 0))


def test_without_poses_there_is_no_vehicle(sequence: Path) -> None:
    (sequence.parent.parent / "poses" / "07.txt").unlink()
    samples = open_source(resolve_input(str(sequence))).samples()
    assert [sample.vehicle for sample in samples] == [None] * 5


def test_coloured_images_have_their_own_cameras(sequence: Path) -> None:
    for old, new in (("image_0", "image_2"), ("image_1", "image_3")):
        (sequence / old).rename(sequence / new)
    source = open_source(resolve_input(str(sequence)))
    assert source.calibration.baseline_m == pytest.approx(0.1)


def drop(sequence: Path, name: str) -> None:
    (sequence / name).unlink()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("times.txt", None, r"times\.txt: no such file"),
        ("times.txt", "0\n", r"times\.txt: 1 times for 5 pairs"),
        ("calib.txt", "P0: 1 2\n", r"calib\.txt: P0: not 12 finite numbers"),
        ("calib.txt", "P0: " + "1 " * 12, r"calib\.txt: no line P1:"),
        ("poses.txt", "1 2 3\n", r"poses\.txt: 1 poses for 5 images"),
        ("poses.txt", "1 2 3\n" * 5, r"poses\.txt:1: not 12 finite numbers"),
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n" * 4 + "0 " * 12, r"poses\.txt:5: .* no rotation"),
        ("calib.txt", CALIBRATION.format(-100), r"calib\.txt: focal lengths .* must be positive"),
    ],
)
def test_wrong_input_is_named(sequence: Path, name: str, content: str | None, message: str) -> None:
    found = resolve_input(str(sequence))
    if content is None:
        (sequence / name).unlink()
    else:
        (sequence / name).write_text(content)
    with pytest.raises(UserError, match=message):
        open_source(found)


def test_files_that_powershell_wrote_are_read(sequence: Path) -> None:
    (sequence / "poses.txt").write_bytes((sequence.parents[1] / "poses" / "07.txt").read_bytes())
    for name in ("times.txt", "calib.txt", "poses.txt"):
        text = (sequence / name).read_text()
        (sequence / name).write_text(text, encoding="utf-16", newline="\r\n")
    source = open_source(resolve_input(str(sequence)))
    assert source.calibration.baseline_m == pytest.approx(0.1)
    last = list(source.samples())[-1]
    assert last.frame.stamp_ns == pytest.approx(0.4148e9)
    assert last.vehicle is not None
    assert last.vehicle.position_m == pytest.approx((4, 0, 0))


@pytest.mark.parametrize("name", ["times.txt", "calib.txt", "poses.txt"])
@pytest.mark.parametrize("data", [b"\x80\x81", b"\xff\xfe\x00"])
def test_what_is_no_text_is_said(sequence: Path, name: str, data: bytes) -> None:
    (sequence / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}: cannot be read as UTF-8 text"):
        open_source(resolve_input(str(sequence)))


def test_a_film_of_the_right_eye_needs_one_of_the_left(sequence: Path) -> None:
    with pytest.raises(UserError, match=r"07: --right names the film .* LEFT_FILM --right r\.avi"):
        open_source(resolve_input(str(sequence)), SourceOptions(right=Path("r.avi")))


def test_swapped_cameras_are_refused(sequence: Path) -> None:
    text = (sequence / "calib.txt").read_text().replace(" -10 ", " 10 ")
    (sequence / "calib.txt").write_text(text)
    with pytest.raises(UserError, match="left and right swapped"):
        open_source(resolve_input(str(sequence)))


def test_a_missing_right_image_leaves_the_pair_out(sequence: Path) -> None:
    (sequence / "image_1" / "000002.png").unlink()
    source = open_source(resolve_input(str(sequence)))
    assert stamps_s(source) == pytest.approx([0.1037 * i for i in (0, 1, 3, 4)])
    assert "1 images without a partner" in source.notes[0]
