"""Disparity in, distance label out: the only teacher of the network.

    DisparityMap ─┬─────────────► cells ─► inverse depth, variance, confidence, reasons ─► distances
                  └─► warp right ─► cells ─► the right eye's inverse depth and confidence

Each cell gets the median inverse depth of its pixels where most of them agree. Where it has none,
the label says why; where too few cells have one, the frame teaches nothing and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import LabelConfig
from drone.geometry import DistanceMeter, GridSpec
from drone.messages import DistanceLabel, FloatGrid, StereoFrame, Vector3
from drone.onboard.cellstats import cell_statistics
from drone.onboard.stereo import DisparityMap, Mask

Both = tuple[NDArray[np.float32], NDArray[np.float32]]
CELL_ROWS = 4
"""Least number of image rows that speak for a cell."""


class Why(IntEnum):
    """Why a cell is unknown; stored as a number in `DistanceLabel.reasons`."""

    KNOWN = 0
    DISAGREE = 1
    PLAIN = 2
    OVER_EXPOSED = 3
    TOO_NEAR = 4
    EDGE = 5
    CONTRADICTED = 6
    REMEMBERED = 7
    """Known, but from a moment ago."""

    @property
    def words(self) -> str:
        """The reason for people."""
        return _WORDS[self]


_WORDS = {
    Why.KNOWN: "known",
    Why.DISAGREE: "the eyes disagree",
    Why.PLAIN: "too little texture",
    Why.OVER_EXPOSED: "over-exposed",
    Why.TOO_NEAR: "too near for the range",
    Why.EDGE: "more than one distance in a cell",
    Why.CONTRADICTED: "much nearer than all around it a moment ago",
    Why.REMEMBERED: "seen a moment ago",
}


@dataclass(frozen=True)
class Labeller:
    """Makes labels for one camera.

    Attributes:
        config: thresholds.
        meter: grid, corridor and camera.
        disparity_metres: focal length times baseline, px m.
    """

    config: LabelConfig
    meter: DistanceMeter
    disparity_metres: float

    def label(self, frame: StereoFrame, matched: DisparityMap, down: Vector3) -> DistanceLabel:
        """Return the label of a matched frame; invalid, with the reason, where too little is known.

        Args:
            frame: gives number and stamp.
            matched: of this frame.
            down: unit vector along gravity in the left optical frame.
        """
        grid, scale = self.meter.grid, np.float32(1 / self.disparity_metres)
        cells = cell_statistics(
            *_both_eyes(matched, grid), GridSpec(2 * grid.rows, grid.cols), self.config
        )
        left, right = slice(grid.rows), slice(grid.rows, None)
        inverse_depths = cells.disparity_px * scale
        inverse_depth = inverse_depths[left]
        known = np.isfinite(inverse_depth)
        reasons = _reasons(matched, known, cells.answered[left], self.config)
        obstacle_m, sectors_m = self.meter.distances(inverse_depth, down)
        share = np.count_nonzero(known) / known.size
        valid = share >= self.config.min_valid_share
        return DistanceLabel(
            seq=frame.seq,
            stamp_ns=frame.stamp_ns,
            valid=valid,
            reason="" if valid else _frame_reason(share, reasons, matched),
            inverse_depth=inverse_depth,
            confidence=cells.confidence[left],
            obstacle_m=obstacle_m,
            sectors_m=sectors_m,
            lambda_px=_lambda_px(matched.disparity_px),
            answered_share=matched.answered_share,
            variance=np.square(cells.deviation_px[left] * scale),
            reasons=reasons,
            right_inverse_depth=inverse_depths[right],
            right_confidence=cells.confidence[right],
        )

    def unknown(self, frame: StereoFrame, reason: str) -> DistanceLabel:
        """Return the label of a frame that could not be matched."""
        grid = self.meter.grid
        return DistanceLabel(
            seq=frame.seq,
            stamp_ns=frame.stamp_ns,
            valid=False,
            reason=reason,
            inverse_depth=grid.unknown(),
            confidence=np.zeros((grid.rows, grid.cols), np.float32),
            obstacle_m=math.nan,
            sectors_m=(math.nan,) * self.meter.corridor.sectors,
            lambda_px=math.nan,
            answered_share=0.0,
        )


def row_step(height_px: int, grid: GridSpec) -> int:
    """Return of how many image rows one is enough: 2 where cells are high enough.

    Rows next to each other share their matching windows and say almost the same.
    """
    rows = height_px // grid.rows
    return 2 if rows >= 2 * CELL_ROWS and rows % 2 == 0 else 1


def seen_by_the_right_eye(
    disparity_px: NDArray[np.float32], confidence: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return disparity and confidence as the right eye sees them, without a second match.

    Each pixel moves left by its disparity. Of two that meet, the nearer hides the farther: it comes
    from farther right in the left image, so that writing from left to right keeps it. What only
    the right eye sees stays unknown.

    Args:
        disparity_px: (H, W) float32, px of the left image, NaN where unknown, at most its column.
        confidence: (H, W) float32.
    """
    moved = np.full_like(disparity_px, np.nan), np.zeros_like(confidence)
    _move((disparity_px, confidence), moved)
    return moved


def _move(seen: Both, moved: Both) -> None:
    """Write what the right eye sees into `moved`, which is contiguous, and all unknown."""
    at = np.flatnonzero(np.isfinite(seen[0]))
    disparity_px = seen[0].take(at)
    to = at - np.rint(disparity_px).astype(np.intp)
    moved[0].reshape(-1)[to] = disparity_px
    moved[1].reshape(-1)[to] = seen[1].take(at)


def _both_eyes(matched: DisparityMap, grid: GridSpec) -> Both:
    """Return disparity and confidence of the left eye above those of the right.

    Of each cell as many rows as make at least `CELL_ROWS` stand for all: rows next to each other
    share their matching windows and say almost the same.
    """
    rows = matched.disparity_px.shape[0] // grid.rows
    step = next((n for n in range(rows // CELL_ROWS, 1, -1) if rows % n == 0), 1)
    seen = matched.disparity_px[step // 2 :: step], matched.confidence[step // 2 :: step]
    height, width = seen[0].shape
    disparity_px = np.full((2, height, width), np.nan, np.float32)
    confidence = np.zeros((2, height, width), np.float32)
    disparity_px[0], confidence[0] = seen
    left, right = ((disparity_px[eye], confidence[eye]) for eye in (0, 1))
    _move(left, right)
    return disparity_px.reshape(2 * height, width), confidence.reshape(2 * height, width)


def _lambda_px(disparity_px: NDArray[np.float32]) -> float:
    """Return the paper's lambda, the mean known disparity, px; NaN where nothing is known."""
    mean_px = cv2.mean(disparity_px, np.isfinite(disparity_px).view(np.uint8))[0]
    return mean_px or math.nan  # each known one is above 0


def _reasons(
    matched: DisparityMap, known: Mask, answered: FloatGrid, config: LabelConfig
) -> FloatGrid:
    """Return why each cell is unknown, (rows, cols) float32, numbers of `Why`."""
    reasons = np.full(known.shape, float(Why.DISAGREE), np.float32)
    reasons[answered >= config.min_cell_share] = float(Why.EDGE)
    causes = (
        (matched.plain, Why.PLAIN),
        (matched.over_exposed, Why.OVER_EXPOSED),
        (matched.too_near, Why.TOO_NEAR),
    )
    size = known.shape[::-1]
    for mask, why in causes:
        if mask is not None and mask.any():
            most = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_AREA)
            reasons[most > 0] = float(why)  # the mean of 0 and 1, rounded
    reasons[known] = float(Why.KNOWN)
    return reasons


def _frame_reason(share: float, reasons: FloatGrid, matched: DisparityMap) -> str:
    """Return why a frame teaches nothing, with what most of its unknown cells lack."""
    told = f"only {share:.0%} of the cells are known"
    if matched.plain is None:
        return told
    numbers = reasons[reasons > 0].astype(np.int64)
    return f"{told}: {Why(int(np.bincount(numbers).argmax())).words}"
