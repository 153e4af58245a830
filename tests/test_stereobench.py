"""The bench of stereo on a pair made by hand, and on the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from drone.cli import main
from drone.config import PilotConfig
from drone.stereobench import accuracy, error_by_confidence, label_errors, latency, pixel_errors
from drone.stereopairs import KnownPair, open_pairs

PILOT = PilotConfig()


def pair(disparity_px: float = 12.0, told_px: float = 12.0, doffs_px: float = 0.0) -> KnownPair:
    """A textured wall at one disparity, and the one that is told to be true; 250 x 190 px."""
    noise = np.random.default_rng(3).uniform(0, 255, (190, 330)).astype(np.float32)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.2), None, 20, 235, cv2.NORM_MINMAX)
    picture = np.rint(wide).astype(np.uint8)
    left = picture[:, 30:280]
    right = np.ascontiguousarray(picture[:, 30 + round(disparity_px) :][:, :250])
    truth = np.full(left.shape, told_px, np.float32)
    truth[0, 0] = 10.0  # the range that is searched reaches from here
    return KnownPair("wall", np.ascontiguousarray(left), right, truth, 200.0, 0.1, doffs_px)


@pytest.mark.parametrize("doffs_px", [0.0, 9.0])
def test_a_wall_is_measured_right(doffs_px: float) -> None:
    figures = accuracy(pair(doffs_px=doffs_px), PILOT)
    assert figures["answered_share"] == pytest.approx(1 - 12 / 250, abs=0.05)
    assert figures["bad3_answered"] == 0
    assert figures["bad3_all"] == pytest.approx(1 - figures["answered_share"], abs=1e-3)
    assert figures["epe_px"] < 0.2
    assert figures["label_abs_rel"] < 0.02
    assert figures["label_bad10_share"] == 0


def test_a_wrong_truth_shows_in_every_figure() -> None:
    figures = accuracy(pair(told_px=18.0), PILOT)
    assert figures["bad3_answered"] == 1
    assert figures["bad3_all"] == 1
    assert figures["epe_px"] == pytest.approx(6, abs=0.2)
    assert figures["label_abs_rel"] == pytest.approx(0.5, abs=0.05)
    assert figures["label_bad10_share"] == 1


def test_nothing_seen_is_unknown_not_perfect() -> None:
    plain = np.full((190, 250), 90, np.uint8)
    blind = KnownPair("fog", plain, plain, np.full(plain.shape, 5, np.float32), 200.0, 0.1, 0.0)
    figures = accuracy(blind, PILOT)
    assert figures == {
        "answered_share": 0,
        "bad3_answered": None,
        "bad3_all": 1,
        "epe_px": None,
        "label_abs_rel": None,
        "label_bad10_share": None,
    }


def test_the_error_of_each_bin_of_confidence_by_hand() -> None:
    confidence = np.array([0.05, 0.31, 0.39, 0.95, 1.0], np.float32)
    means = error_by_confidence(confidence, np.array([4.0, 1.0, 3.0, 0.5, 0.1], np.float32))
    assert means[[0, 3, 9]] == pytest.approx([4.0, 2.0, 0.3])
    assert np.isnan(np.delete(means, [0, 3, 9])).all()


def test_nothing_measured_has_no_error_of_any_confidence() -> None:
    nothing = np.zeros(0, np.float32)
    assert np.isnan(error_by_confidence(nothing, nothing)).all()


def test_cells_of_a_wall_are_sure_and_right() -> None:
    confidence, error = label_errors(pair(), PILOT)
    assert len(confidence) == len(error) > 100
    assert confidence.min() >= PILOT.labels.min_confidence
    assert error.max() < 0.1


def test_pixels_of_a_wall_are_off_by_what_is_told() -> None:
    confidence, error_px = pixel_errors(pair(told_px=13.0), PILOT)
    assert len(confidence) == len(error_px) > 30_000
    assert np.median(error_px) == pytest.approx(1, abs=0.2)


def test_latency_is_of_both_sizes() -> None:
    figures = latency(pair(), PILOT, 1)
    assert list(figures) == ["128x96", "640x480"]
    for figure in figures.values():
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["reference"], rel=1e-3)
        assert figure["value"] > 0


def test_real_pairs_reach_the_goals(real_data: Path) -> None:
    """Plain semi-global matching has 4.9, 5.1 and 2.1 % wrong among the answered pixels."""
    folder = real_data / "stereo_pairs"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the folder of real data")
    for found, bad3 in (("motorcycle", 0.025), ("cones", 0.025), ("aloe", 0.015)):
        figures = accuracy(open_pairs(folder / found)[0].read(), PILOT)
        assert figures["answered_share"] >= 0.7
        assert figures["bad3_answered"] <= bad3
        assert figures["label_bad10_share"] <= 0.01


def test_on_real_pairs_the_error_falls_in_all_ten_bins_of_confidence(real_data: Path) -> None:
    """Of the pixels; among shuffled confidences it does not fall."""
    folder = real_data / "stereo_pairs"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the folder of real data")
    found = [pixel_errors(each.read(), PILOT) for each in open_pairs(folder)]
    confidence, error_px = (np.concatenate(values) for values in zip(*found, strict=True))
    assert (np.diff(error_by_confidence(confidence, error_px)) < 0).all()
    np.random.default_rng(1).shuffle(confidence)
    assert not (np.diff(error_by_confidence(confidence, error_px)) < 0).all()


def test_the_command_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = pair()
    for name, image in (("left", made.left), ("right", made.right)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    np.savez(tmp_path / "disparity.npz", made.disparity_px)
    args = ["bench", "stereo", "--data", str(tmp_path), "--rounds", "1"]
    assert main([*args, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["pairs"]) == [tmp_path.name]
    assert set(record["latency"]) == {"128x96", "640x480"}
    assert main(args) == 0
    assert tmp_path.name in capsys.readouterr().out
    assert main(["bench", "stereo", "--data", str(tmp_path / "none"), "--json"]) == 2
    assert "no such folder" in capsys.readouterr().err
