"""Mono's licence: may the network fly?

    label + estimate of one frame, before it is learned from ─► window ─► ROC ─► operating point
                                                                                     │
    new model version: held-out frames scored again ─► window          licence ◄─ hysteresis
                                                                          │
    unfamiliarity of the images ─► median over a second ─► withheld? ─► held

The window holds pairs of stereo's and mono's obstacle distance. Recent frames count with the score
they got when they came (test, then train). Held-out frames, which no version learns from, stay
longer, and each new version scores them again, so that the threshold fits the weights that fly.
When stereo is lost the licence of that moment is frozen, threshold included. Live or frozen, it is
withheld while the images are unlike what was learned, and goes on when they are familiar again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from drone.clock import ns_from_s, s_from_ns
from drone.config import TrustConfig
from drone.messages import ModelVersion, TrustReport


@dataclass(frozen=True, slots=True)
class Pair:
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


@dataclass(frozen=True, slots=True)
class TrustState:
    """The window, the latest figures and the hysteresis.

    Attributes:
        pairs: the window.
        report: the licence and the latest figures.
        figures_ok: they allow a licence.
        changed_ns: since when figures and licence have differed.
        frozen_ns: when stereo was lost, -1 while it is there.
        unfamiliarity: (stamp_ns, value) of the latest images, oldest first.
        strange_ns: when the images were unfamiliar last, -1 if never.
        withheld: a licence is there, but not held, because of the images.
    """

    pairs: tuple[Pair, ...] = ()
    report: TrustReport = TrustReport()
    figures_ok: bool = False
    changed_ns: int = 0
    frozen_ns: int = -1
    unfamiliarity: tuple[tuple[int, float], ...] = ()
    strange_ns: int = -1
    withheld: bool = False


def add_pair(state: TrustState, pair: Pair, stop_m: float, config: TrustConfig) -> TrustState:
    """Return the state with one more test-then-train pair, and its figures anew."""
    pairs = (*_recent(state.pairs, pair.stamp_ns, stop_m, config), pair)
    return _judged(state, pairs, stop_m, config)


def rescore(
    state: TrustState, model: ModelVersion, stop_m: float, average_s: float, config: TrustConfig
) -> TrustState:
    """Return the state with the held-out frames scored by the version that flies from now on."""
    scores = dict(zip(model.holdout_seq, model.holdout_obstacle_m, strict=True))
    raw = [
        replace(p, raw_m=scores[p.seq], held_out=True) if p.seq in scores else p
        for p in state.pairs
    ]
    return _judged(state, _averaged(raw, average_s), stop_m, config)


def see(state: TrustState, stamp_ns: int, unfamiliarity: float, config: TrustConfig) -> TrustState:
    """Return the state with one more image's unfamiliarity; an unknown one says nothing."""
    if not math.isfinite(unfamiliarity):
        return state
    oldest_ns = stamp_ns - ns_from_s(config.unfamiliar_s)
    recent = tuple(seen for seen in state.unfamiliarity if seen[0] > oldest_ns)
    return replace(state, unfamiliarity=(*recent, (stamp_ns, unfamiliarity)))


def step(
    state: TrustState, now_ns: int, stereo_ok: bool, allowed: bool, config: TrustConfig
) -> TrustState:
    """Return the state after one tick: hysteresis, freezing, familiarity, and the licence.

    Args:
        state: with this tick's pair and model version already in.
        now_ns: of the tick.
        stereo_ok: both eyes are believed.
        allowed: the strategy lets mono fly at all.
        config: thresholds and times.
    """
    earned = state.report.held or state.withheld
    state = replace(state, report=replace(state.report, held=earned))
    state = _licensed(state, now_ns, stereo_ok, allowed, config)
    return _if_familiar(state, now_ns, config)


def _if_familiar(state: TrustState, now_ns: int, config: TrustConfig) -> TrustState:
    """Return the state with its licence withheld where the images are not familiar.

    Without new images it stays as it was: silence is no sign that they are familiar again.
    """
    median = statistics.median(v for _, v in state.unfamiliarity) if state.unfamiliarity else 0.0
    strange = median > config.max_unfamiliarity
    strange_ns = now_ns if strange else state.strange_ns
    again = strange_ns < 0 or now_ns - strange_ns >= ns_from_s(config.familiar_again_s)
    report = state.report
    withheld = report.held and (strange or not again)
    if withheld:
        limit = config.max_unfamiliarity
        reason = f"images unlike what was learned ({median:.1f}, {limit:g} allowed)"
        report = replace(report, held=False, frozen=False, reason=reason)
    elif state.withheld and report.held and not report.frozen:
        report = replace(report, reason="images are familiar again")
    return replace(state, report=report, strange_ns=strange_ns, withheld=withheld)


def _licensed(
    state: TrustState, now_ns: int, stereo_ok: bool, allowed: bool, config: TrustConfig
) -> TrustState:
    """Return the state after one tick, whatever the images are like."""
    if not allowed:
        return replace(state, report=replace(state.report, held=False, reason="mono not allowed"))
    if not stereo_ok:
        return _frozen(state, now_ns, config)
    if state.frozen_ns >= 0:
        state = replace(state, frozen_ns=-1, report=replace(state.report, frozen=False))
    report, ok = state.report, state.figures_ok
    if ok and now_ns - state.pairs[-1].stamp_ns > ns_from_s(config.max_unlabelled_s):
        report = replace(report, reason=f"no label for {config.max_unlabelled_s:g} s")
        state, ok = replace(state, report=report), False
    lasted_s = s_from_ns(now_ns - state.changed_ns)
    if ok == report.held:
        return replace(state, changed_ns=now_ns)
    if lasted_s >= (config.earn_s if ok else config.lose_s):
        return replace(state, report=replace(report, held=ok), changed_ns=now_ns)
    return state


def _frozen(state: TrustState, now_ns: int, config: TrustConfig) -> TrustState:
    frozen_ns = state.frozen_ns if state.frozen_ns >= 0 else now_ns
    report = state.report
    ended = now_ns - frozen_ns > ns_from_s(config.max_frozen_s)
    if report.held and ended:
        report = replace(
            report, held=False, reason=f"frozen licence over after {config.max_frozen_s:g} s"
        )
    elif report.held:
        report = replace(report, frozen=True, reason="frozen: stereo is lost")
    return replace(state, report=report, frozen_ns=frozen_ns, changed_ns=now_ns)


def _recent(
    pairs: tuple[Pair, ...], now_ns: int, stop_m: float, config: TrustConfig
) -> tuple[Pair, ...]:
    """Return the pairs that still count.

    Mono that flies well meets few near obstacles: so that this does not cost it its licence, the
    latest `min_positives` near frames stay as long as held-out frames do, with their old scores.
    """
    recent_ns = now_ns - ns_from_s(config.window_s)
    oldest_ns = now_ns - ns_from_s(config.holdout_window_s)
    near = [p.seq for p in pairs if p.label_m < stop_m][-config.min_positives :]
    witnesses = frozenset(near)
    return tuple(
        p
        for p in pairs
        if p.stamp_ns >= recent_ns
        or (p.stamp_ns >= oldest_ns and (p.held_out or p.seq in witnesses))
    )


def _averaged(pairs: list[Pair], average_s: float) -> tuple[Pair, ...]:
    """Average the scores of held-out frames over time as they would have been in flight."""
    result = list(pairs)
    for i, pair in enumerate(pairs):
        if pair.held_out:
            j = i
            oldest_ns = pair.stamp_ns - ns_from_s(average_s)
            while j > 0 and pairs[j - 1].held_out and pairs[j - 1].stamp_ns >= oldest_ns:
                j -= 1
            result[i] = replace(pair, estimate_m=mean_distance(p.raw_m for p in pairs[j : i + 1]))
    return tuple(result)


def mean_distance(distances_m: Iterable[float]) -> float:
    """Return the harmonic mean of the known distances, m; NaN if none is known.

    `fsum` rounds once, on every Python alike; `sum` does not, and decisions replay bit for bit.
    """
    inverse = [1 / d for d in distances_m if 0 < d < math.inf]
    return len(inverse) / math.fsum(inverse) if inverse else math.nan


def _judged(
    state: TrustState, pairs: tuple[Pair, ...], stop_m: float, config: TrustConfig
) -> TrustState:
    point = operating_point(pairs, stop_m, config)
    lacks = _lacks(point, config)
    report = replace(point, held=state.report.held, reason=lacks or "figures hold")
    return replace(state, pairs=pairs, report=report, figures_ok=not lacks)


def _lacks(point: TrustReport, config: TrustConfig) -> str:
    if point.positives < config.min_positives or point.negatives < config.min_negatives:
        return (
            f"{point.positives} near and {point.negatives} free frames seen, "
            f"{config.min_positives} and {config.min_negatives} needed"
        )
    if point.episodes < config.min_episodes:
        return f"{point.episodes} approaches seen, {config.min_episodes} needed"
    if not point.fpr <= config.max_fpr:
        return f"stops needlessly in {point.fpr:.0%} of free frames, {config.max_fpr:.0%} allowed"
    return ""


def operating_point(pairs: tuple[Pair, ...], stop_m: float, config: TrustConfig) -> TrustReport:
    """Return the point on the ROC with the least FPR at TPR >= `min_tpr`.

    The ROC is swept by the distance below which mono stops. The point that catches the required
    share of positives with the fewest false alarms is the smallest such distance. What flies is
    that distance divided by `safety`. An unknown estimate stops the drone, so it counts as caught.
    (Operating point, and 0.8 as the factor of safety: van Hecke et al. 2018.)
    """
    label = np.array([p.label_m for p in pairs])
    estimate = np.array([p.estimate_m for p in pairs])
    positive = label < stop_m
    negative = label >= stop_m
    n_pos, n_neg = int(positive.sum()), int(negative.sum())
    episodes = _episodes(positive, negative)
    counts = TrustReport(positives=n_pos, negatives=n_neg, episodes=episodes)
    if n_pos == 0:
        return counts
    caught = np.sort(np.where(np.isnan(estimate), 0.0, estimate)[positive])
    operating_m = float(caught[math.ceil(config.min_tpr * n_pos) - 1])
    operating_m = math.nextafter(operating_m, math.inf)
    stops = np.isnan(estimate) | (estimate < operating_m)
    return replace(
        counts,
        operating_m=operating_m,
        threshold_m=operating_m / config.safety,
        tpr=float(stops[positive].mean()),
        fpr=float(stops[negative].mean()) if n_neg else math.nan,
    )


def _episodes(positive: np.ndarray, negative: np.ndarray) -> int:
    """Return the number of runs of positives, as free frames separate them."""
    known = positive | negative
    sequence = positive[known].astype(np.int8)
    return int(np.count_nonzero(np.diff(sequence, prepend=0) == 1))
