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
from dataclasses import dataclass, replace
from typing import NamedTuple

from drone.clock import ns_from_s, s_from_ns
from drone.config import TrustConfig
from drone.messages import ModelVersion, TrustReport
from drone.onboard import evidence
from drone.onboard.evidence import Evidence, Pair, Point, mean_distance

__all__ = ["Pair", "TrustState", "add_pair", "mean_distance", "rescore", "see", "step"]


@dataclass(frozen=True, slots=True)
class TrustState:
    """The window, its figures, and the hysteresis.

    Attributes:
        evidence: the window.
        point: its operating point.
        report: the licence at the latest tick, and the figures behind it.
        earned: a licence is there; it may be withheld.
        changed_ns: when figures and licence last agreed.
        frozen_ns: when stereo was lost, -1 while it is there.
        unfamiliarity: (stamp_ns, value) of the latest images, oldest first.
        strange_ns: when the images were unfamiliar last, -1 if never.
    """

    evidence: Evidence = Evidence()
    point: Point = Point()
    report: TrustReport = TrustReport()
    earned: bool = False
    changed_ns: int = 0
    frozen_ns: int = -1
    unfamiliarity: tuple[tuple[int, float], ...] = ()
    strange_ns: int = -1


class _Licence(NamedTuple):
    """What is left of the licence after one question, and why."""

    held: bool
    frozen: bool
    reason: str


def add_pair(state: TrustState, pair: Pair, stop_m: float, config: TrustConfig) -> TrustState:
    """Return the state with one more test-then-train pair, and its figures anew."""
    return _with_evidence(state, evidence.add(state.evidence, pair, stop_m, config), config)


def rescore(
    state: TrustState, model: ModelVersion, stop_m: float, average_s: float, config: TrustConfig
) -> TrustState:
    """Return the state with the held-out frames scored by the version that flies from now on."""
    scores = dict(zip(model.holdout_seq, model.holdout_obstacle_m, strict=True))
    seen = evidence.rescored(state.evidence, scores, average_s, stop_m)
    return _with_evidence(state, seen, config)


def see(state: TrustState, stamp_ns: int, unfamiliarity: float, config: TrustConfig) -> TrustState:
    """Return the state with one more image's unfamiliarity; an unknown one says nothing."""
    if not math.isfinite(unfamiliarity):
        return state
    oldest_ns = stamp_ns - ns_from_s(config.unfamiliar_s)
    recent = [seen for seen in state.unfamiliarity if seen[0] > oldest_ns]
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
    frozen_ns, changed_ns = -1, now_ns
    if not allowed:
        licence = _Licence(False, False, "mono not allowed")
    elif stereo_ok:
        licence, changed_ns = _live(state, now_ns, config)
    else:
        frozen_ns = state.frozen_ns if state.frozen_ns >= 0 else now_ns
        licence = _frozen(state, now_ns - frozen_ns, config)
    earned = licence.held
    licence, strange_ns = _if_familiar(state, licence, now_ns, config)
    return TrustState(
        state.evidence,
        state.point,
        _report(licence, state.point),
        earned,
        changed_ns,
        frozen_ns,
        state.unfamiliarity,
        strange_ns,
    )


def _report(licence: _Licence, point: Point) -> TrustReport:
    return TrustReport(
        licence.held,
        licence.frozen,
        licence.reason,
        point.operating_m,
        point.threshold_m,
        point.tpr,
        point.fpr,
        point.positives,
        point.negatives,
        point.episodes,
        point.tpr_low,
        point.fpr_high,
    )


def _live(state: TrustState, now_ns: int, config: TrustConfig) -> tuple[_Licence, int]:
    """Return the licence while stereo is there, and when figures and licence last agreed."""
    lacks = _lacks(state, now_ns, config)
    earned, ok = state.earned, not lacks
    reason = lacks or "figures hold"
    if ok == earned:
        return _Licence(earned, False, reason), now_ns
    lasted_s = s_from_ns(now_ns - state.changed_ns)
    if lasted_s >= (config.earn_s if ok else config.lose_s):
        return _Licence(ok, False, reason), now_ns
    return _Licence(earned, False, reason), state.changed_ns


def _frozen(state: TrustState, lasted_ns: int, config: TrustConfig) -> _Licence:
    if not state.earned:
        return _Licence(False, False, state.report.reason)
    if lasted_ns > ns_from_s(config.max_frozen_s):
        return _Licence(False, False, f"frozen licence over after {config.max_frozen_s:g} s")
    return _Licence(True, True, "frozen: stereo is lost")


def _if_familiar(
    state: TrustState, licence: _Licence, now_ns: int, config: TrustConfig
) -> tuple[_Licence, int]:
    """Return the licence, withheld where the images are not familiar, and when they last were not.

    Without new images it stays as it was: silence is no sign that they are familiar again.
    """
    median = statistics.median(v for _, v in state.unfamiliarity) if state.unfamiliarity else 0.0
    strange = median > config.max_unfamiliarity
    strange_ns = now_ns if strange else state.strange_ns
    again = strange_ns < 0 or now_ns - strange_ns >= ns_from_s(config.familiar_again_s)
    if licence.held and (strange or not again):
        limit = config.max_unfamiliarity
        reason = f"images unlike what was learned ({median:.1f}, {limit:g} allowed)"
        licence = _Licence(False, False, reason)
    return licence, strange_ns


def _with_evidence(state: TrustState, seen: Evidence, config: TrustConfig) -> TrustState:
    return replace(state, evidence=seen, point=evidence.operating_point(seen, config))


def _lacks(state: TrustState, now_ns: int, config: TrustConfig) -> str:
    """Return what the figures lack for a licence, in words; empty if nothing."""
    point = state.point
    if point.positives < config.min_positives or point.negatives < config.min_negatives:
        return (
            f"{point.positives} near and {point.negatives} free frames seen, "
            f"{config.min_positives} and {config.min_negatives} needed"
        )
    if point.episodes < config.min_episodes:
        return f"{point.episodes} approaches seen, {config.min_episodes} needed"
    if not point.tpr_low >= config.min_tpr_low:
        return (
            f"{point.episodes} approaches seen: {point.tpr_low:.0%} of near frames caught for "
            f"certain, {config.min_tpr_low:.0%} needed"
        )
    if not point.fpr <= config.max_fpr:
        return f"stops needlessly in {point.fpr:.0%} of free frames, {config.max_fpr:.0%} allowed"
    if now_ns - state.evidence.pairs[-1].stamp_ns > ns_from_s(config.max_unlabelled_s):
        return f"no label for {config.max_unlabelled_s:g} s"
    return ""
