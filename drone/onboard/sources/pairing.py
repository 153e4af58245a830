"""Which two pictures of two free-running eyes belong together, and how far apart they were taken.

Pure: pictures in, pairs out. Each eye keeps its last few pictures; the newest pair within the limit
is taken. Only when none of them is within the limit are the eyes out of sync: one picture that has
not arrived yet is no fault.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from drone.clock import s_from_ns
from drone.onboard.sources.capture import Shot

KEPT = 3
"""Pictures that each eye keeps for pairing."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two pictures that were taken closest to each other.

    Attributes:
        left: of the left eye.
        right: of the right eye.
    """

    left: Shot
    right: Shot

    @property
    def skew_ns(self) -> int:
        """How much later the right picture was taken."""
        return self.right.stamp_ns - self.left.stamp_ns


def newest_pair(lefts: Iterable[Shot], rights: Iterable[Shot], limit_ns: int) -> Pair | None:
    """Return the newest pair within the limit, or else the one with the least skew; None without.

    Args:
        lefts: last pictures of the left eye.
        rights: last pictures of the right eye.
        limit_ns: largest skew of a pair.
    """
    rights = list(rights)
    pairs = [Pair(left, right) for left in lefts for right in rights]
    within = [pair for pair in pairs if abs(pair.skew_ns) <= limit_ns]
    if within:
        return max(within, key=lambda p: (p.left.stamp_ns + p.right.stamp_ns, -abs(p.skew_ns)))
    return min(reversed(pairs), key=lambda pair: abs(pair.skew_ns), default=None)


@dataclass(frozen=True, slots=True)
class Skew:
    """How far apart the eyes took their pictures.

    Attributes:
        median_s: of the absolute skew; NaN without pairs.
        max_s: likewise.
        n: pairs that were measured.
    """

    median_s: float
    max_s: float
    n: int


@dataclass
class SkewMeter:
    """Keeps the skew of the last pairs."""

    _skews_ns: deque[int] = field(default_factory=lambda: deque(maxlen=600))

    def add(self, pair: Pair) -> None:
        """Note a pair."""
        self._skews_ns.append(abs(pair.skew_ns))

    def measure(self) -> Skew:
        """Return what the last pairs say."""
        if not self._skews_ns:
            return Skew(float("nan"), float("nan"), 0)
        median_ns = statistics.median(self._skews_ns)
        return Skew(
            s_from_ns(round(median_ns)), s_from_ns(max(self._skews_ns)), len(self._skews_ns)
        )
