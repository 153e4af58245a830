from __future__ import annotations

from pathlib import Path

import pytest
from planes import DEPTH_M, RECTIFIED, depths_m, stamps_s, wall, write_images

from drone.errors import UserError
from drone.onboard.camera import FrameSource
from drone.onboard.sources.folder import open_folder, stamp_from_name
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.runfolder import InputKind, resolve_input

PAIRS = wall(4)


def read(folder: Path, rate_hz: float | None = None) -> FrameSource:
    found = resolve_input(str(folder))
    assert found.kind is InputKind.FOLDER
    return open_source(found, SourceOptions(rectified=RECTIFIED, rate_hz=rate_hz))


def write(folder: Path, lefts: list[str], rights: list[str]) -> Path:
    write_images(folder, lefts, (left for left, _ in PAIRS[: len(lefts)]))
    write_images(folder, rights, (right for _, right in PAIRS[: len(rights)]))
    return folder


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left{}.png", "right{}.png"),
        ("{}_L.png", "{}_R.png"),
        ("Left-{}.jpg", "Right-{}.jpg"),
        ("left/{}.png", "right/{}.png"),
        ("cam0/{}.pgm", "cam1/{}.pgm"),
        ("image_0/{}.png", "image_1/{}.png"),
        ("L/{}.png", "R/{}.png"),
    ],
)
def test_eyes_are_told_by_names(tmp_path: Path, left: str, right: str) -> None:
    for name in (left, right):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    numbers = (9, 10, 11, 100)  # by text, 10 would come before 9
    folder = write(tmp_path, [left.format(n) for n in numbers], [right.format(n) for n in numbers])
    source = read(folder, rate_hz=20.0)
    assert stamps_s(source) == pytest.approx([0, 0.05, 0.1, 0.15])
    assert depths_m(source) == pytest.approx([DEPTH_M] * 4, rel=0.05)


@pytest.mark.parametrize(
    ("name", "stamp_ns"),
    [
        ("1403715273262142976.png", 1403715273262142976),
        ("1403715273262142.png", 1403715273262142000),
        ("1403715273262.png", 1403715273262000000),
        ("1403715273.262142.png", 1403715273262142000),
        ("left_12.5.png", 12_500_000_000),
        ("0000000012.png", None),
        ("left01.png", None),
        ("0403715273262142976.png", None),
        ("a.png", None),
        ("1_2.png", None),
    ],
)
def test_times_in_names(name: str, stamp_ns: int | None) -> None:
    assert stamp_from_name(name) == stamp_ns


def test_folders_pair_by_the_times_in_their_names(tmp_path: Path) -> None:
    start = 1_403_715_273_262_142_976
    for side, shift_ns in (("left", 0), ("right", 300_000)):
        names = [f"{start + i * 50_000_000 + shift_ns}.png" for i in range(4)]
        images = [pair[side == "right"] for pair in PAIRS]
        write_images(tmp_path / side, names, images)
    (tmp_path / "right" / f"{start + 300_000}.png").unlink()
    source = read(tmp_path)
    assert stamps_s(source) == pytest.approx([0, 0.05, 0.1])
    assert source.utc_offset_ns == start + 50_000_000
    assert source.notes == (f"{tmp_path}: 1 images without a partner are left out",)
    assert depths_m(source) == pytest.approx([DEPTH_M] * 3, rel=0.01)


def test_one_pair_needs_no_time(tmp_path: Path) -> None:
    assert stamps_s(read(write(tmp_path, ["left.png"], ["right.png"]))) == [0.0]


def test_a_real_pair_needs_focal_length_and_baseline_alone(real_data: Path) -> None:
    source = read(real_data / "stereo_pairs" / "cones")
    assert len(list(source.samples())) == 1


@pytest.mark.parametrize(
    ("lefts", "rights", "times", "message"),
    [
        (["left1.png", "left2.png"], ["right1.png", "right2.png"], None, "hold no times; right is"),
        (["left1.png"], ["right2.png"], None, "no left image has a right one"),
        (["left1.png"], ["right1.png"], "0\n1\n", r"times\.txt: 2 times for 1 pairs"),
        (["left1.png"], ["right1.png"], "soon\n", r"times\.txt:1: 'soon' is not a time in seconds"),
        (["left1.png"], ["right1.png"], "nan\n", r"times\.txt:1: 'nan' is not a time"),
    ],
)
def test_wrong_input_is_named(
    tmp_path: Path, lefts: list[str], rights: list[str], times: str | None, message: str
) -> None:
    folder = write(tmp_path, lefts, rights)
    if times is not None:
        (folder / "times.txt").write_text(times)
    with pytest.raises(UserError, match=message):
        open_folder(folder, None)
