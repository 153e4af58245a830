"""Pairs with known disparity: every layout is read, whatever is wrong is told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drone.errors import UserError
from drone.stereopairs import open_pairs

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)


def write(folder: Path, disparity: str = "png", size: tuple[int, int] = (30, 40)) -> Path:
    """A pair whose disparity is 8 px, unknown in the first row."""
    folder.mkdir(parents=True)
    truth = np.full(size, 8, np.uint8)
    truth[0] = 0
    for name in ("left", "right"):
        cv2.imwrite(str(folder / f"{name}.png"), IMAGE)
    if disparity == "png":
        cv2.imwrite(str(folder / "disparity.png"), truth)
    else:
        np.savez(folder / "disparity.npz", np.where(truth, truth, np.inf).astype(np.float32))
    return folder


@pytest.mark.parametrize("disparity", ["png", "npz"])
def test_a_folder_of_pairs_is_read(tmp_path: Path, disparity: str) -> None:
    write(tmp_path / "b", disparity)
    write(tmp_path / "a", disparity)
    (tmp_path / "empty").mkdir()
    pairs = open_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    read = pairs[0].read()
    np.testing.assert_array_equal(read.left, IMAGE)
    assert np.isnan(read.disparity_px[0]).all()
    assert (read.disparity_px[1:] == 8).all()
    assert (read.focal_px, read.doffs_px) == (40, 0)
    assert [pair.name for pair in open_pairs(tmp_path / "b")] == ["b"]


def test_known_names_and_a_pair_toml_scale_the_picture(tmp_path: Path) -> None:
    assert (open_pairs(write(tmp_path / "cones"))[0].read().disparity_px[1:] == 2).all()
    folder = write(tmp_path / "mine")
    (folder / "pair.toml").write_text("scale = 0.5\nfocal_px = 100\nbaseline_m = 0.2\n")
    read = open_pairs(folder)[0].read()
    assert (read.disparity_px[1:] == 4).all()
    assert (read.focal_px, read.baseline_m) == (100, 0.2)


def test_middlebury_of_2014_is_read(tmp_path: Path) -> None:
    for name in ("im0.png", "im1.png"):
        cv2.imwrite(str(tmp_path / name), IMAGE)
    cv2.imwrite(str(tmp_path / "disp0.pfm"), np.full((30, 40), 5.5, np.float32))
    (tmp_path / "calib.txt").write_text(
        "cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\ndoffs=31.086\nbaseline=193.001\n"
    )
    read = open_pairs(tmp_path)[0].read()
    assert (read.disparity_px == 5.5).all()
    assert (read.focal_px, read.baseline_m) == (994.978, pytest.approx(0.193001))
    assert read.doffs_px == 31.086


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder; right is DIR/NAME with left\.png"):
        open_pairs(tmp_path / "none")
    with pytest.raises(UserError, match="holds no pair"):
        open_pairs(tmp_path)
    with pytest.raises(UserError, match="must have the same size"):
        open_pairs(write(tmp_path / "small", size=(30, 39)))[0].read()
    broken = write(tmp_path / "broken")
    (broken / "left.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"left\.png: not an image"):
        open_pairs(broken)[0].read()
    wrong = write(tmp_path / "wrong", "npz")
    (wrong / "disparity.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="not an archive"):
        open_pairs(wrong)[0].read()
    odd = write(tmp_path / "odd")
    (odd / "pair.toml").write_text("fokal_px = 3\n")
    with pytest.raises(UserError, match="fokal_px = 3; right are numbers for scale"):
        open_pairs(odd)[0].read()
    blind = write(tmp_path / "blind")
    cv2.imwrite(str(blind / "disparity.png"), np.zeros((30, 40), np.uint8))
    with pytest.raises(UserError, match="no pixel has a known disparity"):
        open_pairs(blind)[0].read()
