"""What the whole of two images says about the pair: it needs edges, where corners need texture.

    left, right ─► small, without slow changes ─► difference of each block, at every shift
                                                  down and along ─┬─► turned?
                                                                  └─► behind infinity?
    the frame before ─► each eye's shift since ─────────────────────► has one eye jumped?

In a sound pair every block of the left image is found again in its own row of the right one, at
some disparity. Where it fits clearly better some rows off, and the blocks agree on how a turned eye
would displace them, an eye has turned; where blocks fit clearly better at disparities below zero,
no distance explains what is seen. An edge fits at many shifts along itself: since the best of all
disparities stands for each row, it then speaks for none. What turns an eye aside moves
nothing off its row, but all of one eye's image at once. Evidence is the gain in mean absolute
difference, in eighths of the difference that remains where blocks fit best.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_INNER = slice(_TOP_PX, _TOP_PX + _ROWS_PX)
_DOWN = np.arange(-5, 6)
"""Shifts down that are tried, half px."""
_ALONG = np.arange(-8, 25)
"""Disparities that are tried, half px."""
_AHEAD, _BEHIND = _ALONG >= 0, _ALONG < -1
_FLOW, _JUMPS = np.arange(-20, 21), range(-10, 11)
"""Shifts from frame to frame, and differences between the eyes' shifts that are tried, half px."""
_BESIDE_PX = 14
_SMOOTH_PX, _SLOW_PX = 0.8, 3.0
"""Noise must not fit better between pixels than on them; what changes slowly is exposure."""
_LEAST_NOISE = 0.5
"""Grey levels; artificial images have none."""
_PER_NOISE = 8.0
_MOST_A_TURN, _MOST_BEHIND, _MOST_A_JUMP = 8.0, 4.0, 4.0
"""Evidence of which a single block never adds more."""
_NEARLY = 0.1
"""Of jumps that lack no more than this share of the most evidence, the one that fits best is it."""
_TURNS_RAD = np.radians(np.arange(-3, 4))
"""Turns that are tried, up or down and about the optical axis."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockEvidence:
    """What one pair of images says.

    Attributes:
        turns: (n,) evidence of each turn that is tried, below 0 where it speaks against it.
        behind: of blocks behind infinity, at least 0.
        mostly_behind: whether most blocks lie there.
        left: the small left image, (H, W) float32.
        right: the small right image, (H, W) float32.
    """

    turns: Vector
    behind: float
    mostly_behind: bool
    left: NDArray[np.float32]
    right: NDArray[np.float32]


class BlockChecker:
    """Weighs the pairs of one camera."""

    def __init__(self, camera: Intrinsics) -> None:
        """Prepare the turns that are tried, for the left eye's camera."""
        columns = (np.arange(_BLOCKS[0]) + 0.5) / _BLOCKS[0] * camera.width
        across_rad = (columns - camera.cx) / camera.fx
        up_rad, roll_rad = (turn.ravel() for turn in np.meshgrid(_TURNS_RAD, _TURNS_RAD))
        self._sizes_rad = np.hypot(up_rad, roll_rad)
        down_rad = up_rad[:, None] + roll_rad[:, None] * across_rad
        half_px = 2 * down_rad * camera.fy * _SIZE[1] / camera.height
        shifts = np.clip(np.rint(half_px), _DOWN[0], _DOWN[-1]).astype(np.int64) - _DOWN[0]
        self._shifts = np.repeat(shifts[:, None], _BLOCKS[1], axis=1)
        self._row, self._col = np.indices(_BLOCKS[::-1])
        self._step_rad = camera.width / (2 * _SIZE[0] * camera.fx)

    def evidence(self, left: Image, right: Image) -> BlockEvidence:
        """Weigh one pair, (H, W) uint8 each."""
        small = _small(left), _small(right)
        costs = _costs(*small)
        unit = _unit(costs.min(axis=(0, 1)))
        by_row = costs[_AHEAD].min(axis=0)
        level = by_row[-_DOWN[0]]
        gains = np.clip((level - by_row) / unit, -_MOST_A_TURN, _MOST_A_TURN)
        turns = gains[self._shifts, self._row, self._col].sum(axis=(1, 2), dtype=np.float64)
        behind = (level - costs[_BEHIND, -_DOWN[0]].min(axis=0)) / unit
        behind = np.clip(behind, -_MOST_BEHIND, _MOST_BEHIND)
        lies_behind = float(np.maximum(behind, 0).sum())
        return BlockEvidence(turns, lies_behind, bool(behind.sum() > 0), *small)

    def turn(self, frames: Sequence[BlockEvidence]) -> Finding:
        """Return the turn for which most speaks in these frames together: size, rad, and gain."""
        gains = np.sum([frame.turns for frame in frames], axis=0)
        best = int(np.argmax(gains))
        return Finding(float(self._sizes_rad[best]), float(gains[best]))

    def jump(self, before: BlockEvidence, now: BlockEvidence) -> Finding:
        """Return by how much the right eye jumped aside against the left, rad, and the gain.

        Both eyes turn and move alike: from frame to frame their blocks move alike.
        """
        left, right = _flow(before.left, now.left), _flow(before.right, now.right)
        unit = 2 * _unit(np.stack([left.min(axis=0), right.min(axis=0)]))
        costs = {k: _apart(left, right, k).min(axis=0) for k in _JUMPS}
        together = np.min([costs[k] for k in (-1, 0, 1)], axis=0)
        gains = {
            k: float(np.clip((together - cost) / unit, -_MOST_A_JUMP, _MOST_A_JUMP).sum())
            for k, cost in costs.items()
        }
        most = max(gains.values())
        near = [k for k, gain in gains.items() if gain >= most - _NEARLY * abs(most)]
        best = min(near, key=lambda k: float(costs[k].sum()))
        return Finding(best * self._step_rad, most)


def _apart(
    left: NDArray[np.float32], right: NDArray[np.float32], half_px: int
) -> NDArray[np.float32]:
    """Return the cost of each shift, if the right eye's is so much more, (n, rows, cols)."""
    count = len(_FLOW) - abs(half_px)
    sums: NDArray[np.float32] = np.add(
        left[max(0, -half_px) :][:count], right[max(0, half_px) :][:count]
    )
    return sums


def _unit(least: NDArray[np.float32]) -> float:
    """Return the unit of evidence, grey levels, from the least difference of each block."""
    return max(float(np.median(least)), _LEAST_NOISE) / _PER_NOISE


def _costs(here: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean absolute difference of each block at each disparity and shift down.

    Returns:
        (along, down, rows, cols) float32, grey levels.
    """
    shifted = tuple(_at_all_heights(image) for image in _wide(there))
    still = np.tile(here[_INNER], (len(_DOWN), 1))
    costs = _differences(still, shifted, -_ALONG)
    return costs.reshape(len(_ALONG), len(_DOWN), *_BLOCKS[::-1])


def _flow(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the difference of each block at each shift along the row, (n, rows, cols)."""
    shifted = tuple(image[_INNER] for image in _wide(now))
    return _differences(before[_INNER], shifted, _FLOW)


def _wide(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the image with its columns repeated at both sides, and half a pixel farther on."""
    wide = cv2.copyMakeBorder(image, 0, 0, _BESIDE_PX, _BESIDE_PX, cv2.BORDER_REPLICATE)
    wide = np.asarray(wide, np.float32)
    return wide, (wide[:, :-1] + wide[:, 1:]) / 2


def _differences(
    still: NDArray[np.float32],
    shifted: Sequence[NDArray[np.float32]],
    half_px: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the mean absolute difference of each block, with the other image's columns shifted.

    Args:
        still: (H, W), H a multiple of the block's height.
        shifted: (H, ...) the other image, wide, and the same half a pixel farther on.
        half_px: by how much its columns lie farther right.
    """
    size = _BLOCKS[0], len(still) * _BLOCKS[1] // _ROWS_PX
    costs = np.empty((len(half_px), *size[::-1]), np.float32)
    for cost, shift in zip(costs, half_px, strict=True):
        first, half = divmod(2 * _BESIDE_PX + int(shift), 2)
        difference = cv2.absdiff(still, shifted[half][:, first : first + _SIZE[0]])
        cv2.resize(difference, size, dst=cost, interpolation=cv2.INTER_AREA)
    return costs


def _small(image: Image) -> NDArray[np.float32]:
    small = cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = np.asarray(cv2.GaussianBlur(small, (3, 3), _SMOOTH_PX), np.float32)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), _SLOW_PX), np.float32)


def _at_all_heights(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows that are compared at each shift down, one shift below the other."""
    between = (image[:-1] + image[1:]) / 2
    tops = (divmod(2 * _TOP_PX + int(down), 2) for down in _DOWN)
    return np.vstack([(image, between)[half][top : top + _ROWS_PX] for top, half in tops])
