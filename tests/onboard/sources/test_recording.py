"""What every recording has in common, on a folder of images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from planes import DEPTH_M, RECTIFIED, depths_m, stamps_s, wall, write_images

from drone.errors import UserError
from drone.geometry import GridSpec
from drone.onboard.camera import FrameSource
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import RectifiedPair, SourceOptions
from drone.runfolder import resolve_input


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_wall(tmp_path / "flight", 10)


def write_wall(folder: Path, count: int) -> Path:
    names = [f"{i:04}.png" for i in range(count)]
    pairs = wall(count)
    write_images(folder / "left", names, (left for left, _ in pairs))
    write_images(folder / "right", names, (right for _, right in pairs))
    (folder / "times.txt").write_text("".join(f"{100 + 0.1 * i:.6f}\n" for i in range(count)))
    return folder


def read(folder: Path, **options: object) -> FrameSource:
    chosen = SourceOptions(**{"rectified": RECTIFIED, **options})  # type: ignore[arg-type]
    return open_source(resolve_input(str(folder)), chosen, GridSpec())


def test_a_wall_is_where_it_is_and_the_source_starts_again(folder: Path) -> None:
    source = read(folder)
    for _ in range(2):
        assert depths_m(source) == pytest.approx([DEPTH_M] * 10, rel=0.01)
    assert len(source) == 10
    assert stamps_s(source) == pytest.approx([0.1 * i for i in range(10)])
    assert source.utc_offset_ns == 100_000_000_000
    assert source.notes == ()


def test_start_end_and_rate_choose_frames_by_time(folder: Path) -> None:
    assert stamps_s(read(folder, start_s=0.25, end_s=0.55)) == pytest.approx([0.3, 0.4, 0.5])
    assert stamps_s(read(folder, rate_hz=5.0)) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert len(read(folder, rate_hz=1000.0)) == 10
    assert stamps_s(read(folder, start_s=0.3, rate_hz=2.0)) == pytest.approx([0.3, 0.8])


def test_a_scaled_source_sees_the_same_depth(tmp_path: Path) -> None:
    folder = write_wall(tmp_path, 3)
    source = read(folder, scale=0.5)
    assert (source.calibration.left.width, source.calibration.left.height) == (64, 48)
    assert depths_m(source) == pytest.approx([DEPTH_M] * 3, rel=0.1)


def test_swapped_eyes_are_refused_and_can_be_exchanged(folder: Path) -> None:
    (folder / "left").rename(folder / "x")
    (folder / "right").rename(folder / "left")
    (folder / "x").rename(folder / "right")
    with pytest.raises(UserError, match=r"flight: left and right look swapped .* to add --swap"):
        read(folder)
    assert depths_m(read(folder, swap=True)) == pytest.approx([DEPTH_M] * 10, rel=0.01)


def test_an_exchange_of_what_is_right_is_refused_too(folder: Path) -> None:
    with pytest.raises(UserError, match="right is without --swap"):
        read(folder, swap=True)


def test_a_scene_that_tells_no_side_is_read(tmp_path: Path) -> None:
    folder = write_wall(tmp_path, 2)
    flat = np.full((96, 128), 90, np.uint8)
    for path in (*folder.glob("left/*"), *folder.glob("right/*")):
        cv2.imwrite(str(path), flat)
    assert len(list(read(folder).samples())) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_s": 5.0}, r"flight: lasts 0\.90 s; nothing lies between --start 5 and --end inf"),
        ({"start_s": -1.0}, "--start -1: right is at least 0 seconds"),
        ({"start_s": float("nan")}, "--start nan"),
        ({"start_s": 2.0, "end_s": 1.0}, "--end 1: right is later than --start"),
        ({"rate_hz": 0.0}, "--rate 0: right is"),
        ({"scale": 0.0}, "--scale 0: right is more than 0 and at most 1"),
        ({"scale": 2.0}, "--scale 2"),
        ({"scale": 0.01}, "too few for 16 x 12 cells"),
        ({"rectified": RectifiedPair(0.0, 0.1)}, "--focal-px 0"),
        ({"rectified": RectifiedPair(100.0, float("inf"))}, "--baseline-m inf"),
        ({"rectified": None}, "does not say how its cameras see; right is --calibration FILE"),
        ({"calibration": Path("x.toml")}, "--calibration and --rectified exclude each other"),
        ({"rectified": None, "calibration": Path("nowhere.toml")}, r"nowhere\.toml: no such file"),
    ],
)
def test_options_that_make_no_sense_are_named(
    folder: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)


def test_stamps_that_run_backwards_are_refused(folder: Path) -> None:
    times = folder / "times.txt"
    lines = times.read_text().splitlines()
    lines[4], lines[5] = lines[5], lines[4]
    times.write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"flight: pair 5 has the stamp .* stamps must increase"):
        read(folder)


def test_images_of_another_size_are_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / "right" / "0000.png"), np.zeros((96, 120), np.uint8))
    with pytest.raises(UserError, match=r"right/0000\.png: 120 x 96 px, but .*says 128 x 96"):
        read(folder)


def test_an_image_of_another_size_in_the_middle_ends_the_reading(folder: Path) -> None:
    cv2.imwrite(str(folder / "right" / "0005.png"), np.zeros((96, 120), np.uint8))
    with pytest.raises(UserError, match=r"right/0005\.png: 120 x 96 px"):
        list(read(folder).samples())


CALIBRATION = """%YAML:1.0
---
M1: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [100., 0., {cx}, 0., 100., 47.5, 0., 0., 1.]
D1: !!opencv-matrix
   rows: 1
   cols: 4
   dt: d
   data: [0., 0., 0., 0.]
M2: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [100., 0., {cx}, 0., 100., 47.5, 0., 0., 1.]
D2: !!opencv-matrix
   rows: 1
   cols: 4
   dt: d
   data: [0., 0., 0., 0.]
R: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
T: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [-0.1, 0., 0.]
"""


def test_a_calibration_file_is_used(folder: Path) -> None:
    path = folder.parent / "stereo.yml"
    path.write_text(CALIBRATION.format(cx=63.5))
    source = read(folder, rectified=None, calibration=path)
    assert depths_m(source) == pytest.approx([DEPTH_M] * 10, rel=0.01)


def test_a_calibration_of_another_size_is_named(folder: Path) -> None:
    path = folder.parent / "stereo.yml"
    path.write_text("%YAML:1.0\n---\nimage_size: [640, 480]\n" + CALIBRATION[14:].format(cx=63.5))
    with pytest.raises(UserError, match=r"128 x 96.*640 x 480|640 x 480.*128 x 96"):
        read(folder, rectified=None, calibration=path)
