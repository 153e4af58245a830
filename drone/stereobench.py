"""Stereo against known disparity, and its time beside the bare matcher's.

The configuration is the pilot's; only the range is adapted to each pair, from the least and the
largest disparity that the ground truth holds (as Middlebury's own `vmin` and `vmax`).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.bench import compare
from drone.config import CameraConfig, PilotConfig
from drone.geometry import DistanceMeter, GridSpec, Intrinsics, StereoCalibration, cells
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard.labels import Labeller, row_step
from drone.onboard.stereo import DisparityMap, StereoMatcher, bare_matcher
from drone.stereopairs import KnownPair

BAD_PX = 3.0
"""A disparity farther off is wrong."""
BAD_DEPTH = 0.1
"""A label cell whose depth is farther off, relative to the truth, is wrong."""
KNOWN_SHARE = 0.5
"""Least share of a cell's pixels whose truth is known, for the cell to count."""
SIZES = ((128, 96, 10), (640, 480, 1))
"""Width and height, px, and how many times the rounds each is timed."""
LEVEL = (0.0, 1.0, 0.0)


def accuracy(pair: KnownPair, pilot: PilotConfig) -> dict[str, float | None]:
    """Return the figures of one pair, shares from 0 to 1; unknown is None.

    `answered_share` is of the pixels whose truth is known, `bad3_answered` of those answered,
    `bad3_all` of all, unanswered ones counted as wrong. The label figures compare the grid with
    the median of the truth in each cell, as depth, over the cells called known.
    """
    matched = _matched(pair, pilot)
    truth = np.isfinite(pair.disparity_px)
    answered = truth & np.isfinite(matched.disparity_px)
    error_px = np.abs(matched.disparity_px - pair.disparity_px)[answered]
    n_truth, n_answered = int(truth.sum()), len(error_px)
    bad = int((error_px > BAD_PX).sum())
    _, label_error = _label_errors(pair, matched, pilot)
    return {
        "answered_share": _share(n_answered, n_truth),
        "bad3_answered": _share(bad, n_answered),
        "bad3_all": _share(n_truth - n_answered + bad, n_truth),
        "epe_px": round(float(error_px.mean()), 4) if n_answered else None,
        "label_abs_rel": round(float(label_error.mean()), 4) if len(label_error) else None,
        "label_bad10_share": _share(int((label_error > BAD_DEPTH).sum()), len(label_error)),
    }


def latency(pair: KnownPair, pilot: PilotConfig, rounds: int) -> dict[str, dict[str, Any]]:
    """Return the time of match and both eyes' labels beside the bare matcher's, by image size.

    The pair is resized; the range is the pilot's, for the simulated camera at that size.

    Raises:
        UserError: the size does not divide into the grid's cells.
    """
    cv2.setNumThreads(1)
    return {
        f"{width}x{height}": _latency(pair, pilot, (width, height), rounds * factor)
        for width, height, factor in SIZES
    }


def _latency(
    pair: KnownPair, pilot: PilotConfig, size: tuple[int, int], rounds: int
) -> dict[str, Any]:
    left, right = (
        np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA), np.uint8)
        for i in (pair.left, pair.right)
    )
    camera = CameraConfig()
    intrinsics = Intrinsics.from_hfov(*size, math.radians(camera.hfov_deg))
    calibration = StereoCalibration(intrinsics, camera.baseline_m)
    step = row_step(size[1], pilot.grid_spec)
    matcher = StereoMatcher(pilot.stereo, calibration, row_step=step)
    labeller = _labeller(intrinsics, pilot, calibration.disparity_metres)
    frame = StereoFrame(0, 0, True, left, right)
    bare = bare_matcher(pilot.stereo, matcher.range, left.shape)
    figure = compare(
        lambda: labeller.label(frame, matcher.match(left, right), LEVEL),
        lambda: bare.compute(left, right),
        rounds,
        clock_s=time.thread_time,
    )
    return figure.to_dict()


def _calibration(pair: KnownPair) -> StereoCalibration:
    height, width = pair.left.shape
    intrinsics = Intrinsics(
        width, height, pair.focal_px, pair.focal_px, (width - 1) / 2, (height - 1) / 2
    )
    return StereoCalibration(intrinsics, pair.baseline_m)


def _range(pair: KnownPair) -> dict[str, float | None]:
    """Return the nearest and farthest distance that the truth holds, with a pixel to spare."""
    metres = pair.focal_px * pair.baseline_m
    nearest_px = float(np.nanmax(pair.disparity_px)) + 1 + pair.doffs_px
    farthest_px = float(np.nanmin(pair.disparity_px)) - 1 + pair.doffs_px
    far_m = metres / farthest_px if farthest_px > 0 else None
    return {"near_m": metres / nearest_px, "far_m": far_m}


def label_errors(
    pair: KnownPair, pilot: PilotConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return confidence and relative depth error of each cell that is known and whose truth is."""
    return _label_errors(pair, _matched(pair, pilot), pilot)


def pixel_errors(
    pair: KnownPair, pilot: PilotConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return confidence and disparity error, px, of each pixel that is known and whose truth is."""
    matched = _matched(pair, pilot)
    both = np.isfinite(matched.disparity_px) & np.isfinite(pair.disparity_px)
    error_px: NDArray[np.float32] = np.abs(matched.disparity_px - pair.disparity_px)[both]
    return matched.confidence[both], error_px


def error_by_confidence(
    confidence: NDArray[np.float32], error: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mean error in ten equal bins of confidence, (10,), NaN where a bin is empty.

    Args:
        confidence: (n,), 0-1.
        error: (n,).
    """
    bins = np.minimum((confidence * 10).astype(int), 9)
    counts = np.bincount(bins, minlength=10)
    means: NDArray[np.float64] = np.bincount(bins, error, minlength=10) / np.maximum(counts, 1)
    means[counts == 0] = np.nan
    return means


def _matched(pair: KnownPair, pilot: PilotConfig) -> DisparityMap:
    config = pilot.stereo.model_copy(update=_range(pair))
    matcher = StereoMatcher(config, _calibration(pair), pair.doffs_px)
    return matcher.match(pair.left, pair.right)


def _label_errors(
    pair: KnownPair, matched: DisparityMap, pilot: PilotConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    label, crop = _label(pair, matched, pilot)
    scale = np.float32(1 / (pair.focal_px * pair.baseline_m))
    truth = cells((pair.disparity_px[crop] + np.float32(pair.doffs_px)) * scale, pilot.grid_spec)
    enough = np.isfinite(truth).mean(axis=2) >= KNOWN_SHARE
    both = enough & np.isfinite(label.inverse_depth)
    inverse_truth = np.nanmedian(truth[both], axis=1)
    error: NDArray[np.float32] = np.abs(inverse_truth / label.inverse_depth[both] - 1)
    return label.confidence[both], error


def _label(
    pair: KnownPair, matched: DisparityMap, pilot: PilotConfig
) -> tuple[DistanceLabel, tuple[slice, slice]]:
    """Return the label, and the middle of the image that divides into the grid's cells."""
    grid = pilot.grid_spec
    crop = _middle(pair.left.shape[0], grid.rows), _middle(pair.left.shape[1], grid.cols)
    height, width = pair.left[crop].shape
    intrinsics = Intrinsics(
        width, height, pair.focal_px, pair.focal_px, (width - 1) / 2, (height - 1) / 2
    )
    seen = replace(
        matched,
        disparity_px=matched.disparity_px[crop] + np.float32(pair.doffs_px),
        confidence=np.ascontiguousarray(matched.confidence[crop]),
        plain=None,
        over_exposed=None,
        too_near=None,
    )
    labeller = _labeller(intrinsics, pilot, pair.focal_px * pair.baseline_m)
    frame = StereoFrame(0, 0, True, pair.left, pair.right)
    return labeller.label(frame, seen, LEVEL), crop


def _middle(length_px: int, parts: int) -> slice:
    """Return the largest middle part that divides into so many equal ones."""
    spare = length_px % parts
    return slice(spare // 2, length_px - spare + spare // 2)


def _labeller(camera: Intrinsics, pilot: PilotConfig, disparity_metres: float) -> Labeller:
    meter = DistanceMeter(camera, GridSpec(pilot.grid.rows, pilot.grid.cols), pilot.corridor_spec)
    return Labeller(pilot.labels, meter, disparity_metres)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
