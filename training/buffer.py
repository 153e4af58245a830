"""What the network learns from: a bounded memory, balanced over distance, place and age.

labelled frame ─► which block of time? ─┬─ to learn from ─► ReplayBuffer (balanced, bounded)
                                        ├─ next to a held-out block ─► dropped
                                        └─ held out ─► HoldOut (never learned from)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.config import LearnerConfig
from drone.messages import FloatGrid, Image, Vector3

BUCKETS_M = (0.7, 1.0, 1.4, 2.0, 3.0)
"""Upper edges of the obstacle-distance buckets; then farther, and unknown."""
BALANCED_SHARE = 0.5
"""Share of a batch that is drawn evenly over the buckets; the rest evenly over the frames."""
OVERRIDDEN_WORTH = 5
"""Frames at which stereo overrode mono are drawn so many times as often as the others, ..."""
OVERRIDDEN_SHARE = 0.1
"""... up to this share of a batch."""
RIVALS = 16
"""Frames drawn at random of which one makes room."""
LOOK_PX = (8, 6)
"""Width and height of the thumbnails by which two frames look alike."""
NEVER_ANSWERED = math.inf
"""Surprise of a frame that the network has not answered yet."""
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
        overridden: stereo stopped a drone here that mono would have let fly on.
    """

    seq: int
    stamp_ns: int
    image: Image
    inverse_depth: FloatGrid
    confidence: FloatGrid
    obstacle_m: float
    down: Vector3
    lambda_px: float = math.nan
    overridden: bool = False


@dataclass(slots=True, eq=False)
class Kept:
    """A frame in memory.

    Attributes:
        look: its thumbnail, mean 0 and length 1, (48,) float32.
        surprise: mean absolute log error of its cells when the network answered it last.
    """

    frame: LabelledFrame
    look: NDArray[np.float32] = field(init=False)
    surprise: float = NEVER_ANSWERED

    def __post_init__(self) -> None:
        self.look = _look(self.frame.image)


@dataclass(frozen=True, slots=True)
class Batch:
    """Stacked samples.

    Attributes:
        image: (B, 1, H, W) uint8.
        inverse_depth: (B, 1, rows, cols) float32, 1/m.
        confidence: (B, 1, rows, cols) float32, 0-1.
        obstacle_inverse: (B, 1) float32, 1/m, NaN where unknown.
        members: where they are kept, (B,).
    """

    image: NDArray[np.uint8]
    inverse_depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    obstacle_inverse: NDArray[np.float32]
    members: Sequence[Kept] = ()


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
    """Bounded memory. When it is full, the fullest bucket of distance makes room.

    Of frames drawn at random from that bucket, the two that look most alike are found, and the one
    that surprised the network less goes, but of an overridden one and another the other. So near
    obstacles, which are rare, stay; places that were looked at for long are thinned out, however
    old they are; and what is hard stays longer.
    """

    def __init__(self, capacity: int, seed: int = 0, balanced: bool = True) -> None:
        """Make an empty memory.

        Args:
            capacity: frames.
            seed: of what is drawn when room is made.
            balanced: else the oldest frame makes room and all are drawn alike, for comparison.
        """
        self._capacity = capacity
        self._balanced = balanced
        self._rng = np.random.default_rng([seed, 11])
        self._buckets: list[list[Kept]] = [[] for _ in range(len(BUCKETS_M) + 2)]
        self._overridden: list[Kept] = []

    def __len__(self) -> int:
        return sum(len(b) for b in self._buckets)

    @property
    def frames(self) -> list[LabelledFrame]:
        """All frames, nearest bucket first."""
        return [kept.frame for kept in self]

    def __iter__(self) -> Iterator[Kept]:
        """Iterate over what is kept, nearest bucket first."""
        for kept in self._buckets:
            yield from kept

    def add(self, frame: LabelledFrame) -> None:
        """Take in a frame."""
        if len(self) >= self._capacity:
            self._make_room(max(self._buckets, key=len))
        kept = Kept(frame)
        self._buckets[bucket(frame.obstacle_m) if self._balanced else 0].append(kept)
        if frame.overridden and self._balanced:
            self._overridden.append(kept)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return a batch: half of it evenly over the buckets that hold any, half over the frames.

        Frames at which stereo overrode mono are the ones that it must not miss again: they take
        the place of some of the others.

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
        if self._overridden:
            share = min(OVERRIDDEN_SHARE, OVERRIDDEN_WORTH * len(self._overridden) / len(self))
            for place in np.flatnonzero(rng.random(size) < share):
                picks[place] = self._overridden[int(rng.integers(len(self._overridden)))]
        return _stacked(picks)

    def _make_room(self, full: list[Kept]) -> None:
        if not self._balanced or len(full) < 2:
            self._forget(full, 0)
            return
        drawn = self._rng.choice(len(full), min(RIVALS, len(full)), replace=False)
        one, other = (int(drawn[i]) for i in _most_alike([full[i].look for i in drawn]))
        older, newer = sorted((one, other), key=lambda i: full[i].frame.stamp_ns)
        goes = newer if _worth(full[newer]) < _worth(full[older]) else older
        full[goes], full[-1] = full[-1], full[goes]
        self._forget(full, -1)

    def _forget(self, full: list[Kept], index: int) -> None:
        gone = full.pop(index)
        if gone.frame.overridden:
            self._overridden = [kept for kept in self._overridden if kept is not gone]


class HoldOut:
    """The latest frames that no version learns from, oldest first."""

    def __init__(self, capacity: int) -> None:
        self.frames: deque[LabelledFrame] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, frame: LabelledFrame) -> None:
        """Take in a frame; the oldest makes room."""
        self.frames.append(frame)


def _worth(kept: Kept) -> tuple[bool, float]:
    return kept.frame.overridden, kept.surprise


def _look(image: Image) -> NDArray[np.float32]:
    small = cv2.resize(image, LOOK_PX, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)


def _most_alike(looks: Sequence[NDArray[np.float32]]) -> tuple[int, int]:
    """Return which two of the looks have the greatest inner product."""
    stacked = np.stack(looks)
    alike = stacked @ stacked.T
    np.fill_diagonal(alike, -np.inf)
    one, other = divmod(int(alike.argmax()), len(looks))
    return one, other


def _stacked(kept: Sequence[Kept]) -> Batch:
    frames = [k.frame for k in kept]
    return Batch(
        np.stack([f.image for f in frames])[:, None],
        np.stack([f.inverse_depth for f in frames])[:, None],
        np.stack([f.confidence for f in frames])[:, None],
        np.array([[1 / f.obstacle_m] for f in frames], np.float32),
        kept,
    )
