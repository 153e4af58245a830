"""What the whole of two images says about the pair: it needs edges, where corners need texture.

    left, right ─► small, without slow changes ─► difference of each block, at every shift
                                                  down and along ─┬─► turned?
                                                                  └─► behind infinity?

In a sound pair every block of the left image is found again in its own row of the right one, at
some disparity. Where it fits clearly better some rows off, and the blocks agree on how a turned eye
would displace them, an eye has turned; where blocks fit clearly better at disparities below zero,
no distance explains what is seen. An edge fits at many shifts along itself: since the best of all
disparities stands for each row, it then speaks for none. Evidence is the gain in mean absolute
difference, in eighths of the difference that remains where blocks fit best.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.geometry import Intrinsics
from drone.messages import Image
from drone.onboard.pairchecks import Finding, Vector

_SIZE = (64, 48)
"""Of the images compared, px across and down."""
_BLOCKS = (8, 5)
_TOP_PX, _ROWS_PX = 4, 40
"""The blocks leave so much at the top and at the bottom for shifts."""
_DOWN = np.arange(-5, 6)
"""Shifts down that are tried, half px."""
_ALONG = np.arange(-8, 25)
"""Disparities that are tried, half px."""
_AHEAD, _BEHIND = _ALONG >= 0, _ALONG < -1
_BESIDE_PX = 14
_SMOOTH_PX, _SLOW_PX = 0.8, 3.0
"""Noise must not fit better between pixels than on them; what changes slowly is exposure."""
_LEAST_NOISE = 0.5
"""Grey levels; artificial images have none."""
_PER_NOISE = 8.0
_MOST_A_TURN, _MOST_BEHIND = 8.0, 4.0
"""Evidence of which a single block never adds more."""
_TURNS_RAD = np.radians(np.arange(-3, 4))
"""Turns that are tried, up or down and about the optical axis."""

Blocks = NDArray[np.float32]
"""(rows, cols) of blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockEvidence:
    """What one pair of images says.

    Attributes:
        turns: (n,) evidence of each turn that is tried, below 0 where it speaks against it.
        behind: of blocks behind infinity, at least 0.
        mostly_behind: whether most blocks lie there.
    """

    turns: Vector
    behind: float
    mostly_behind: bool


class BlockChecker:
    """Weighs the pairs of one camera."""

    def __init__(self, camera: Intrinsics) -> None:
        """Prepare the turns that are tried, for the left eye's camera."""
        across_rad = ((np.arange(_BLOCKS[0]) + 0.5) / _BLOCKS[0] * camera.width - camera.cx) / (
            camera.fx
        )
        up_rad, roll_rad = (turn.ravel() for turn in np.meshgrid(_TURNS_RAD, _TURNS_RAD))
        self._sizes_rad = np.hypot(up_rad, roll_rad)
        down_rad = up_rad[:, None] + roll_rad[:, None] * across_rad
        half_px = 2 * down_rad * camera.fy * _SIZE[1] / camera.height
        shifts = np.clip(np.rint(half_px), _DOWN[0], _DOWN[-1]).astype(np.int64) - _DOWN[0]
        self._shifts = np.repeat(shifts[:, None], _BLOCKS[1], axis=1)
        self._row, self._col = np.indices(_BLOCKS[::-1])

    def evidence(self, left: Image, right: Image) -> BlockEvidence:
        """Weigh one pair, (H, W) uint8 each."""
        costs = _costs(left, right)
        noise = float(np.median(costs.min(axis=(0, 1))))
        unit = max(noise, _LEAST_NOISE) / _PER_NOISE
        by_row = costs[_AHEAD].min(axis=0)
        level = by_row[-_DOWN[0]]
        gains = np.clip((level - by_row) / unit, -_MOST_A_TURN, _MOST_A_TURN)
        turns = gains[self._shifts, self._row, self._col].sum(axis=(1, 2), dtype=np.float64)
        behind = (level - costs[_BEHIND, -_DOWN[0]].min(axis=0)) / unit
        behind = np.clip(behind, -_MOST_BEHIND, _MOST_BEHIND)
        return BlockEvidence(turns, float(np.maximum(behind, 0).sum()), bool(behind.sum() > 0))

    def turn(self, frames: tuple[BlockEvidence, ...]) -> Finding:
        """Return the turn for which most speaks in these frames together: size, rad, and gain."""
        gains = np.sum([frame.turns for frame in frames], axis=0)
        best = int(np.argmax(gains))
        return Finding(float(self._sizes_rad[best]), float(gains[best]))


def _costs(left: Image, right: Image) -> NDArray[np.float32]:
    """Return the mean absolute difference of each block at each shift.

    Returns:
        (along, down, rows, cols) float32, grey levels.
    """
    here, there = _small(left), _small(right)
    wide = cv2.copyMakeBorder(there, 0, 0, _BESIDE_PX, _BESIDE_PX, cv2.BORDER_REPLICATE)
    between = (wide[:, :-1] + wide[:, 1:]) / 2
    shifted = _at_all_heights(wide), _at_all_heights(between)
    still = np.tile(here[_TOP_PX : _TOP_PX + _ROWS_PX], (len(_DOWN), 1))
    size = _BLOCKS[0], len(_DOWN) * _BLOCKS[1]
    costs = np.empty((len(_ALONG), *size[::-1]), np.float32)
    for cost, along in zip(costs, _ALONG, strict=True):
        first, half = divmod(2 * _BESIDE_PX - int(along), 2)
        difference = cv2.absdiff(still, shifted[half][:, first : first + _SIZE[0]])
        cv2.resize(difference, size, dst=cost, interpolation=cv2.INTER_AREA)
    return costs.reshape(len(_ALONG), len(_DOWN), *_BLOCKS[::-1])


def _small(image: Image) -> NDArray[np.float32]:
    small = cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = np.asarray(cv2.GaussianBlur(small, (3, 3), _SMOOTH_PX), np.float32)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), _SLOW_PX), np.float32)


def _at_all_heights(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows that are compared at each shift down, one shift below the other."""
    between = (image[:-1] + image[1:]) / 2
    tops = (divmod(2 * _TOP_PX + int(down), 2) for down in _DOWN)
    return np.vstack([(image, between)[half][top : top + _ROWS_PX] for top, half in tops])
