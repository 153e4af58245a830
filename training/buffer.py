"""What the network learns from: a bounded memory of labelled frames, balanced over distance.

labelled frame ─► which block of time? ─┬─ to learn from ─► ReplayBuffer (balanced, bounded)
                                        ├─ next to a held-out block ─► dropped
                                        └─ held out ─► HoldOut (never learned from)
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.config import LearnerConfig
from drone.messages import FloatGrid, Image, Vector3

BUCKETS_M = (0.7, 1.0, 1.4, 2.0, 3.0)
"""Upper edges of the obstacle-distance buckets; then farther, and unknown."""
BALANCED_SHARE = 0.5
"""Share of a batch that is drawn evenly over the buckets; the rest evenly over the frames."""
GUARD_S = 0.3
"""Frames so near to a held-out block are dropped: a frame's neighbour is almost the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """One eye's image, of the network's input size, with what stereo says about it.

    Attributes:
        image: (H, W) uint8.
        inverse_depth: (rows, cols) float32, 1/m, NaN where unknown.
        confidence: (rows, cols) float32, 0-1.
        obstacle_m: by stereo, m, NaN where unknown.
        down: unit vector along gravity in the optical frame.
        lambda_px: the paper's mean disparity, px, NaN where unknown.
    """

    seq: int
    stamp_ns: int
    image: Image
    inverse_depth: FloatGrid
    confidence: FloatGrid
    obstacle_m: float
    down: Vector3
    lambda_px: float = math.nan


@dataclass(frozen=True, slots=True)
class Batch:
    """Stacked samples.

    Attributes:
        image: (B, 1, H, W) uint8.
        inverse_depth: (B, 1, rows, cols) float32, 1/m.
        confidence: (B, 1, rows, cols) float32, 0-1.
        obstacle_inverse: (B, 1) float32, 1/m, NaN where unknown.
    """

    image: NDArray[np.uint8]
    inverse_depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    obstacle_inverse: NDArray[np.float32]


def bucket(obstacle_m: float) -> int:
    """Return the index of the distance bucket; the last one is unknown."""
    if math.isnan(obstacle_m):
        return len(BUCKETS_M) + 1
    return int(np.searchsorted(BUCKETS_M, obstacle_m, side="right"))


def role(stamp_ns: int, config: LearnerConfig) -> str:
    """Return what a frame of this moment is for: `train`, `holdout`, or `guard` (nothing)."""
    block_s = config.holdout_block_s
    period, within_s = divmod(s_from_ns(stamp_ns), config.holdout_every * block_s)
    start_s = (config.holdout_every - 1) * block_s
    if within_s >= start_s:
        return "holdout"
    before = start_s - within_s < GUARD_S
    after = period > 0 and within_s < GUARD_S
    return "guard" if before or after else "train"


class ReplayBuffer:
    """Bounded memory; when full, the oldest frame of the fullest bucket makes room."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buckets: list[deque[LabelledFrame]] = [deque() for _ in range(len(BUCKETS_M) + 2)]

    def __len__(self) -> int:
        return sum(len(b) for b in self._buckets)

    @property
    def frames(self) -> list[LabelledFrame]:
        """All frames, bucket by bucket, oldest first in each; added in this order, the same."""
        return [frame for bucket in self._buckets for frame in bucket]

    def add(self, frame: LabelledFrame) -> None:
        """Take in a frame."""
        if len(self) >= self._capacity:
            max(self._buckets, key=len).popleft()
        self._buckets[bucket(frame.obstacle_m)].append(frame)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return a batch: half of it evenly over the buckets that hold any, half over the frames.

        Raises:
            ValueError: the buffer is empty.
        """
        filled = [b for b in self._buckets if b]
        if not filled:
            raise ValueError("an empty buffer has nothing to sample")
        counts = np.array([len(b) for b in filled])
        picks = []
        for balanced in rng.random(size) < BALANCED_SHARE:
            weights = np.ones(len(filled)) / len(filled) if balanced else counts / counts.sum()
            chosen = filled[int(rng.choice(len(filled), p=weights))]
            picks.append(chosen[int(rng.integers(len(chosen)))])
        return _stacked(picks)


class HoldOut:
    """The latest frames that no version learns from, oldest first."""

    def __init__(self, capacity: int) -> None:
        self.frames: deque[LabelledFrame] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, frame: LabelledFrame) -> None:
        """Take in a frame; the oldest makes room."""
        self.frames.append(frame)


def _stacked(frames: list[LabelledFrame]) -> Batch:
    return Batch(
        np.stack([f.image for f in frames])[:, None],
        np.stack([f.inverse_depth for f in frames])[:, None],
        np.stack([f.confidence for f in frames])[:, None],
        np.array([[1 / f.obstacle_m] for f in frames], np.float32),
    )
