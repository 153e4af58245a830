from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from planes import DEPTH_M, RECTIFIED, depths_m, stamps_s, wall, write_film

from drone.errors import UserError
from drone.onboard.camera import FrameSource
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import Layout, SourceOptions
from drone.onboard.sources.video import halves
from drone.runfolder import InputKind, resolve_input

PAIRS = wall(12)


def read(path: Path, **options: object) -> FrameSource:
    found = resolve_input(str(path))
    assert found.kind is InputKind.VIDEO
    return open_source(found, SourceOptions(rectified=RECTIFIED, **options))  # type: ignore[arg-type]


def film(path: Path) -> Path:
    return write_film(path, (np.hstack(pair) for pair in PAIRS))


def test_both_eyes_side_by_side(tmp_path: Path) -> None:
    source = read(film(tmp_path / "flight.avi"))
    for _ in range(2):
        assert depths_m(source) == pytest.approx([DEPTH_M] * 12, rel=0.02)
    assert stamps_s(source) == pytest.approx([0.1 * i for i in range(12)])
    assert source.notes == ()


def test_one_eye_above_the_other(tmp_path: Path) -> None:
    path = write_film(tmp_path / "flight.mkv", (np.vstack(pair) for pair in PAIRS))
    source = read(path, layout=Layout.TOP_BOTTOM)
    assert depths_m(source) == pytest.approx([DEPTH_M] * 12, rel=0.02)


def test_one_film_for_each_eye(tmp_path: Path) -> None:
    left = write_film(tmp_path / "left.avi", (pair[0] for pair in PAIRS))
    right = write_film(tmp_path / "right.avi", (pair[1] for pair in PAIRS))
    for source in (read(left, right=right), read(tmp_path)):
        assert depths_m(source) == pytest.approx([DEPTH_M] * 12, rel=0.02)


def test_a_window_and_a_rate_skip_frames(tmp_path: Path) -> None:
    source = read(film(tmp_path / "flight.avi"), start_s=0.3, end_s=0.95, rate_hz=5.0)
    assert stamps_s(source) == pytest.approx([0.3, 0.5, 0.7, 0.9])
    assert len(depths_m(source)) == 4


@pytest.mark.parametrize("codec", ["FFV1", "MJPG"])
def test_a_cut_film_ends_with_what_was_read_and_says_so(tmp_path: Path, codec: str) -> None:
    path = write_film(tmp_path / "flight.avi", (np.hstack(pair) for pair in PAIRS), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    source = read(path)
    depths = depths_m(source)
    assert 2 <= len(depths) < len(source) == 12
    assert depths == pytest.approx([DEPTH_M] * len(depths), rel=0.05)
    (note,) = source.notes
    assert f"flight.avi: ends after {len(depths)} of 12 pairs: the file is cut" in note
    last = [sample.frame.left for sample in source.samples()][-1]
    assert last is not None
    difference = np.abs(last.astype(int) - PAIRS[len(depths) - 1][0])
    assert difference[-20:, 4:-4].mean() < 12  # whole to its lowest rows


def test_decoders_keep_quiet(tmp_path: Path) -> None:
    path = film(tmp_path / "flight.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code = (
        "import sys, numpy\nfrom pathlib import Path\n"
        "from drone.onboard.sources.video import Film\n"
        "print(len(list(Film.of(Path(sys.argv[1])).pictures(numpy.arange(12)))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    assert 2 <= int(done.stdout) < 12
    assert done.stderr == ""


def test_films_of_unequal_length_are_refused(tmp_path: Path) -> None:
    left = write_film(tmp_path / "left.avi", (pair[0] for pair in PAIRS))
    right = write_film(tmp_path / "right.avi", (pair[1] for pair in PAIRS[:9]))
    with pytest.raises(UserError, match=r"has 12 frames and .* 9: frames are missing"):
        read(left, right=right)


def test_films_of_unequal_rate_are_refused(tmp_path: Path) -> None:
    left = write_film(tmp_path / "left.avi", (pair[0] for pair in PAIRS))
    right = write_film(tmp_path / "right.avi", (pair[1] for pair in PAIRS), 15.0)
    with pytest.raises(UserError, match="must be filmed at the same rate"):
        read(left, right=right)


def test_films_of_unequal_size_are_refused(tmp_path: Path) -> None:
    left = write_film(tmp_path / "left.avi", (pair[0] for pair in PAIRS))
    right = write_film(tmp_path / "right.avi", (pair[1][:80] for pair in PAIRS))
    with pytest.raises(UserError, match=r"128 x 80 px, but .* says 128 x 96"):
        read(left, right=right)


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flight.avi").write_bytes(b"RIFF, or not")
    with pytest.raises(UserError, match=r"flight\.avi: cannot be decoded as a film"):
        read(tmp_path / "flight.avi")
    whole = film(tmp_path / "whole.avi")
    with pytest.raises(UserError, match=r"nowhere\.avi: no such file"):
        read(whole, right=tmp_path / "nowhere.avi")


def test_a_picture_is_halved_or_refused() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    left, right = halves(picture, Layout.SIDE_BY_SIDE)
    assert (left == picture[:, :3]).all()
    assert (right == picture[:, 3:]).all()
    top, bottom = halves(picture, Layout.TOP_BOTTOM)
    assert (top == picture[:2]).all()
    assert (bottom == picture[2:]).all()
    with pytest.raises(ValueError, match=r"a picture of 5 x 4 px cannot be halved side-by-side"):
        halves(picture[:, :5], Layout.SIDE_BY_SIDE)
