"""Dense disparity in, one robust disparity per cell out.

A cell is known where most of its pixels agree: at least `min_share` of all its pixels lie close to
the median of the answered ones. The median of the true disparities then lies there too, whatever
the other pixels are: this is what keeps cells across the edge of a thing out of the labels. Its
confidence is the mean of its pixels' (an unanswered one has none), times the share of the answered
ones that agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import LabelConfig
from drone.geometry import GridSpec, cells
from drone.messages import FloatGrid

AGREE_PX = 0.5
"""Pixels this close to the median always agree: matching is no better."""
SUB_PIXEL_PX = 0.15
"""Error of a match that every pixel of a cell may share: half the median pull toward whole pixels
that `UNLOCKING_PX` cannot take back (simulation, seeds 20-41)."""
QUARTERS = np.array([1, 2, 3], np.int32)
QUARTILES_OVER_DEVIATION = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True, eq=False)
class CellStatistics:
    """What the pixels of each cell say, (rows, cols) each.

    Attributes:
        disparity_px: median, float32, NaN where the cell is unknown.
        deviation_px: robust standard deviation of the cell's value, float32, NaN where unknown.
        confidence: 0-1, float32, 0 where unknown.
        answered: share of the cell's pixels with an answer.
    """

    disparity_px: FloatGrid
    deviation_px: FloatGrid
    confidence: FloatGrid
    answered: FloatGrid


def cell_statistics(
    disparity_px: NDArray[np.float32],
    confidence: NDArray[np.float32],
    grid: GridSpec,
    config: LabelConfig,
) -> CellStatistics:
    """Return the robust statistics of each cell.

    Args:
        disparity_px: (H, W) float32, px, NaN where unknown.
        confidence: (H, W) float32, 0-1, 0 where unknown.
        grid: the cells; H and W are multiples of its rows and columns.
        config: which share must agree, and how closely.
    """
    ordered = cells(disparity_px, grid)
    pixels = ordered.shape[2]
    ordered = ordered.reshape(-1, pixels)
    ordered.sort(axis=1)  # in place: `cells` copies; NaN sorts last
    count = _count(np.isfinite(ordered))
    low, median, high = _quartiles(ordered, count)
    tolerance = np.maximum(np.float32(config.cell_tolerance) * median, np.float32(AGREE_PX))
    ordered -= median[:, None]
    np.abs(ordered, out=ordered)
    agreeing = _count(ordered <= tolerance[:, None])
    mean = cv2.resize(confidence, (grid.cols, grid.rows), interpolation=cv2.INTER_AREA)
    sureness = mean.reshape(-1) * agreeing
    sureness /= np.maximum(count, np.float32(1))
    known = agreeing >= max(config.min_cell_share * pixels, 1)
    known &= sureness >= config.min_confidence
    spread = (high - low) * np.float32(1 / QUARTILES_OVER_DEVIATION)
    deviation = np.hypot(spread, np.float32(SUB_PIXEL_PX))
    unknown = ~known
    median[unknown] = np.nan
    deviation[unknown] = np.nan
    sureness[unknown] = 0
    answered = count * np.float32(1 / pixels)
    found = (median, deviation, sureness, answered)
    return CellStatistics(*(values.reshape(grid.rows, grid.cols) for values in found))


def _count(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how many of each row of (cells, pixels) are true; NumPy's count takes five times."""
    counts = cv2.reduce(mask.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    return np.asarray(counts, np.float32).reshape(-1)


def _quartiles(
    ordered: NDArray[np.float32], count: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the lower quartiles of the first `count` of the ordered values of each cell."""
    n_cells, pixels = ordered.shape
    last = np.maximum(count - 1, 0).astype(np.int32)
    at = np.multiply.outer(QUARTERS, last)
    at >>= 2
    at += np.arange(0, n_cells * pixels, pixels, dtype=np.int32)
    low, median, high = ordered.take(at)
    return low, median, high
