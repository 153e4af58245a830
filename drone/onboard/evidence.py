"""What trust goes by: pairs of stereo's and mono's obstacle distance, and their ROC.

    frame, before it is learned from ─► Pair ─► add ──┐
    new model version: held-out frames ─► rescored ───┴─► Evidence ─► operating_point

The window is kept in the order of time, and its estimates in the order of distance: a pair comes
and goes by bisection, so that the whole ROC is there at each frame for the price of a few searches.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort_left
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import TrustConfig

Z_95 = 1.6448536269514722
"""The normal distribution's 95 % quantile."""
_STAMP = attrgetter("stamp_ns")
_FREE, _NEAR = ("f", "g"), ("n", "m")
"""Kinds of pairs: free and near by stereo; of each the second is of a frame held out."""


class Pair(NamedTuple):
    """Stereo's and mono's obstacle distance for one frame.

    Attributes:
        raw_m: mono's, of this frame alone, NaN where unknown.
        estimate_m: mono's as flown, averaged over a short while; NaN where unknown.
        held_out: scored by the weights that fly, and never learned from.
    """

    seq: int
    stamp_ns: int
    label_m: float
    raw_m: float
    estimate_m: float
    held_out: bool = False


class Evidence(NamedTuple):
    """The window, in the order of time, and its estimates in the order of distance.

    Attributes:
        pairs: oldest first; each has a label.
        kinds: of each pair a letter: near or free by stereo, held out or not.
        near_m: estimates of the near frames, sorted; an unknown one is 0, since it stops the drone.
        free_m: of the free frames, likewise.
        approaches: runs of near frames, as free frames separate them.
    """

    pairs: tuple[Pair, ...] = ()
    kinds: str = ""
    near_m: tuple[float, ...] = ()
    free_m: tuple[float, ...] = ()
    approaches: int = 0


class Point(NamedTuple):
    """The operating point, and what it rests on; unknown is NaN.

    Attributes:
        operating_m: distance of the operating point.
        threshold_m: mono stops below this: the operating point with its safety.
        tpr: share of near frames caught at the operating point.
        fpr: share of free frames stopped needlessly there.
        positives: near frames.
        negatives: free frames.
        episodes: approaches.
        tpr_low: lower bound of `tpr` over approaches.
        fpr_high: upper bound of `fpr`, likewise.
    """

    operating_m: float = math.nan
    threshold_m: float = math.nan
    tpr: float = math.nan
    fpr: float = math.nan
    positives: int = 0
    negatives: int = 0
    episodes: int = 0
    tpr_low: float = math.nan
    fpr_high: float = math.nan


def evidence_of(pairs: Iterable[Pair], stop_m: float) -> Evidence:
    """Return pairs as evidence; those without a label are none.

    Args:
        pairs: oldest first.
        stop_m: stereo's distance below which a frame is near.
    """
    known = tuple([p for p in pairs if not math.isnan(p.label_m)])
    kinds = "".join([_kind(p, stop_m) for p in known])
    near_m: list[float] = []
    free_m: list[float] = []
    for pair, kind in zip(known, kinds, strict=True):
        (near_m if kind in _NEAR else free_m).append(_stopping_m(pair))
    approaches = sum([_begins(kinds, i) for i in range(len(kinds))])
    return Evidence(known, kinds, tuple(sorted(near_m)), tuple(sorted(free_m)), approaches)


def add(evidence: Evidence, pair: Pair, stop_m: float, config: TrustConfig) -> Evidence:
    """Return the evidence with one more pair, and without what no longer counts.

    Args:
        evidence: all older than the pair.
        pair: one without a label changes nothing.
        stop_m: as in `evidence_of`.
        config: how long what counts.
    """
    if math.isnan(pair.label_m):
        return evidence
    window = _Window(evidence)
    _forget(window, pair.stamp_ns, config)
    window.append(pair, stop_m)
    return window.evidence()


def rescored(
    evidence: Evidence, scores: Mapping[int, float], average_s: float, stop_m: float
) -> Evidence:
    """Return the evidence with held-out frames scored anew.

    Args:
        evidence: before.
        scores: of the weights that fly from now on, by the frame's number, m.
        average_s: over which scores are averaged, as they would have been in flight.
        stop_m: as in `evidence_of`.
    """
    reach_ns = ns_from_s(average_s)
    result: list[Pair] = []
    known: list[tuple[int, float]] = []  # of the held-out frames in a row: stamp, 1/m
    first = 0  # of those that are averaged
    for pair in evidence.pairs:
        if not (pair.held_out or pair.seq in scores):
            first = len(known)
            result.append(pair)
            continue
        raw_m, oldest_ns = scores.get(pair.seq, pair.raw_m), pair.stamp_ns - reach_ns
        if 0 < raw_m < math.inf:
            known.append((pair.stamp_ns, 1 / raw_m))
        while first < len(known) and known[first][0] < oldest_ns:
            first += 1
        mean_m = _harmonic_mean([inverse for _, inverse in known[first:]])
        result.append(Pair(pair.seq, pair.stamp_ns, pair.label_m, raw_m, mean_m, True))
    return evidence_of(result, stop_m)


def operating_point(evidence: Evidence, config: TrustConfig) -> Point:
    """Return the point on the ROC with the least FPR at TPR >= `min_tpr`.

    The ROC is swept by the distance below which mono stops. The point that catches the required
    share of positives with the fewest false alarms is the smallest such distance. What flies is
    that distance divided by `safety`. An unknown estimate stops the drone, so it counts as caught.
    (Operating point, and 0.8 as the factor of safety: van Hecke et al. 2018.)
    """
    near_m, free_m = evidence.near_m, evidence.free_m
    n_near, n_free = len(near_m), len(free_m)
    if not n_near:
        return Point(negatives=n_free)
    operating_m = math.nextafter(near_m[math.ceil(config.min_tpr * n_near) - 1], math.inf)
    tpr = bisect_left(near_m, operating_m) / n_near
    fpr = bisect_left(free_m, operating_m) / n_free if n_free else math.nan
    return Point(
        operating_m,
        operating_m / config.safety,
        tpr,
        fpr,
        n_near,
        n_free,
        evidence.approaches,
        bounds(tpr, evidence.approaches)[0],
        bounds(fpr, evidence.approaches)[1],
    )


def bounds(share: float, n: int) -> tuple[float, float]:
    """Return between what a share lies that was seen in n independent trials; NaN for none.

    Each bound holds with 95 %. (Wilson 1927; recommended for few trials by Brown, Cai and DasGupta
    2001, "Interval estimation for a binomial proportion".) The frames of one approach are taken to
    be one trial: with a correlation of 1 within it, that is Kish's effective sample size.
    """
    if not n or math.isnan(share):
        return math.nan, math.nan
    z2 = Z_95 * Z_95
    middle = share + z2 / (2 * n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def mean_distance(distances_m: Iterable[float]) -> float:
    """Return the harmonic mean of the known distances, m; NaN if none is known.

    `fsum` rounds once, on every Python alike; `sum` does not, and decisions replay bit for bit.
    """
    return _harmonic_mean([1 / d for d in distances_m if 0 < d < math.inf])


def _harmonic_mean(inverse: list[float]) -> float:
    return len(inverse) / math.fsum(inverse) if inverse else math.nan


class _Window:
    """Evidence while pairs come and go, as lists: all is copied once, not with each of them."""

    def __init__(self, evidence: Evidence) -> None:
        self.pairs, self.kinds = list(evidence.pairs), evidence.kinds
        self.near_m, self.free_m = list(evidence.near_m), list(evidence.free_m)
        self.approaches = evidence.approaches

    def append(self, pair: Pair, stop_m: float) -> None:
        kind = _kind(pair, stop_m)
        insort_left(self.near_m if kind in _NEAR else self.free_m, _stopping_m(pair))
        self.pairs.append(pair)
        self.kinds += kind
        self.approaches += _begins(self.kinds, len(self.kinds) - 1)

    def remove(self, index: int) -> None:
        pair, before, after = self.pairs.pop(index), self.kinds, index + 1
        ordered = self.near_m if before[index] in _NEAR else self.free_m
        del ordered[bisect_left(ordered, _stopping_m(pair))]
        self.kinds = before[:index] + before[after:]
        begun = _begins(before, index) + _begins(before, after)
        self.approaches += _begins(self.kinds, index) - begun

    def evidence(self) -> Evidence:
        pairs, near_m, free_m = tuple(self.pairs), tuple(self.near_m), tuple(self.free_m)
        return Evidence(pairs, self.kinds, near_m, free_m, self.approaches)


def _forget(window: _Window, now_ns: int, config: TrustConfig) -> None:
    """Take out what no longer counts.

    Mono that flies well meets few near obstacles: so that this does not cost it its licence, the
    latest `min_positives` near frames stay as long as held-out frames do, with their old scores.
    """
    oldest_ns = now_ns - ns_from_s(config.holdout_window_s)
    while window.pairs and window.pairs[0].stamp_ns < oldest_ns:
        window.remove(0)
    recent = bisect_left(window.pairs, now_ns - ns_from_s(config.window_s), key=_STAMP)
    while (index := _outdated(window.kinds, recent, config.min_positives)) >= 0:
        window.remove(index)
        recent -= 1


def _outdated(kinds: str, recent: int, witnesses: int) -> int:
    """Return which pair before the recent ones counts no more, -1 if each does."""
    index = kinds.find(_FREE[0], 0, recent)
    if index >= 0:
        return index
    index = kinds.find(_NEAR[0], 0, recent)
    since = kinds.count(_NEAR[0], index) + kinds.count(_NEAR[1], index) if index >= 0 else 0
    return index if since > witnesses else -1


def _begins(kinds: str, index: int) -> bool:
    """Return whether an approach begins with this pair; none does after the last."""
    return kinds[index : index + 1] in _NEAR and (index == 0 or kinds[index - 1] in _FREE)


def _stopping_m(pair: Pair) -> float:
    """Return the estimate; an unknown one, or none that can be, stops the drone at any distance."""
    return pair.estimate_m if pair.estimate_m > 0 else 0.0


def _kind(pair: Pair, stop_m: float) -> str:
    return (_NEAR if pair.label_m < stop_m else _FREE)[pair.held_out]
