"""Mono's licence: may the network fly?

    label + estimate of one frame, before it is learned from ─► evidence ─► operating point
    new model version: held-out frames scored again ──────────────┘              │
                                                                              figures ─► hysteresis
    stereo lost, or without an answer for long ─► the licence goes on as it was ─────────► licence
    stereo overrides mono too often ─► none                                                  │
    images unlike what was learned, or distances unsure ─► withheld? ────────────────────► held

Recent frames count with the score they got when they came (test, then train). Held-out frames,
which no version learns from, stay longer, and each new version scores them again, so that the
threshold fits the weights that fly.

Figures speak for a licence, against it, or say nothing: too little was seen, or no label came for
long. What speaks against it ends it after `lose_s`. Where nothing is said, since stereo is lost
(then the licence is frozen) or sees nothing that it could answer for, the licence goes on with the
threshold of the last figures that held, and ends by its age. Whatever it rests on, it is withheld
while the images are unlike what was learned or the network is unsure, and goes on when both have
been normal for a while.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from drone.clock import ns_from_s, s_from_ns
from drone.config import TrustConfig
from drone.messages import ModelVersion, TrustReport
from drone.onboard import evidence
from drone.onboard.evidence import Evidence, Pair, Point, mean_distance

__all__ = [
    "Glance",
    "Pair",
    "TrustState",
    "add_pair",
    "begun",
    "mean_distance",
    "overridden",
    "remembering",
    "rescore",
    "see",
    "step",
    "uncertainty",
]

OVERRIDE_GAP_S = 2.0
"""Overrides with less than this between them are one: the same obstacle."""


class Glance(NamedTuple):
    """What mono says of one image beside the distance; unknown is NaN.

    Attributes:
        unfamiliarity: as in `MonoEstimate`.
        uncertainty: by which share the cautious distance is nearer than the plain one.
    """

    stamp_ns: int
    unfamiliarity: float
    uncertainty: float


Lately = tuple[tuple[int, float], ...]
"""(stamp_ns, value) of the latest images, oldest first."""


class TrustState(NamedTuple):
    """The window, its figures, and the hysteresis.

    Attributes:
        evidence: the window.
        point: its operating point.
        report: the licence at the latest tick, and the figures behind it.
        earned: a licence is there; it may be withheld.
        changed_ns: when figures and licence last agreed.
        frozen_ns: when stereo was lost, -1 while it is there.
        standing_m: threshold of the latest figures that held, NaN if none did.
        standing_ns: when that was, -1 if never.
        unfamiliarity: of the latest images.
        uncertainty: of the latest images; 1 is `normal_uncertainty`.
        normal_uncertainty: of the version that flies, NaN where it does not say.
        strange_ns: when the images were unfamiliar or mono unsure last, -1 if never.
        overrides: when each of the latest began, oldest first.
        override_ns: when stereo last overrode mono, -1 if never.
        waits: the flight has not begun, and the window's stamps are before its beginning.
    """

    evidence: Evidence = Evidence()
    point: Point = Point()
    report: TrustReport = TrustReport()
    earned: bool = False
    changed_ns: int = 0
    frozen_ns: int = -1
    standing_m: float = math.nan
    standing_ns: int = -1
    unfamiliarity: Lately = ()
    uncertainty: Lately = ()
    normal_uncertainty: float = math.nan
    strange_ns: int = -1
    overrides: tuple[int, ...] = ()
    override_ns: int = -1
    waits: bool = False


class _Figures(NamedTuple):
    """What the figures say.

    Attributes:
        lacks: for a licence, in words; empty if nothing.
        against: they speak against one; otherwise they say too little.
    """

    lacks: str
    against: bool


class _Licence(NamedTuple):
    """What is left of the licence after one question, and why.

    Attributes:
        stands: on the last figures that held.
    """

    held: bool
    frozen: bool
    stands: bool
    reason: str


def remembering(labels: Sequence[Pair], stop_m: float) -> TrustState:
    """Return the state of a flight that begins with frames held out in earlier ones.

    The first version that flies brings its scores of them; until then they speak for nothing.

    Args:
        labels: oldest first, their stamps (ns) before the beginning of this flight.
        stop_m: as in `evidence_of`.
    """
    return TrustState(evidence=evidence.evidence_of(labels, stop_m), waits=bool(labels))


def begun(state: TrustState, now_ns: int) -> TrustState:
    """Return the state once the flight has begun: what it remembers was before now."""
    if not state.waits:
        return state
    seen = state.evidence
    pairs = tuple(p._replace(stamp_ns=p.stamp_ns + now_ns) for p in seen.pairs)
    seen = seen._replace(pairs=pairs)
    return state._replace(evidence=seen, changed_ns=now_ns, waits=False)


def add_pair(state: TrustState, pair: Pair, stop_m: float, config: TrustConfig) -> TrustState:
    """Return the state with one more test-then-train pair, and its figures anew."""
    return _with_evidence(state, evidence.add(state.evidence, pair, stop_m, config), config)


def rescore(
    state: TrustState, model: ModelVersion, stop_m: float, average_s: float, config: TrustConfig
) -> TrustState:
    """Return the state with the held-out frames scored by the version that flies from now on."""
    scores = dict(zip(model.holdout_seq, model.holdout_obstacle_m, strict=True))
    seen = evidence.rescored(state.evidence, scores, average_s, stop_m)
    normal = model.normal_uncertainty
    lately = state.uncertainty if normal > 0 else ()
    state = state._replace(normal_uncertainty=normal, uncertainty=lately)
    return _with_evidence(state, seen, config)


def see(state: TrustState, glance: Glance, config: TrustConfig) -> TrustState:
    """Return the state with one more image; what is unknown of it says nothing."""
    normal = state.normal_uncertainty
    ratio = glance.uncertainty / normal if normal > 0 else math.nan
    return state._replace(
        unfamiliarity=_lately(state.unfamiliarity, glance.stamp_ns, glance.unfamiliarity, config),
        uncertainty=_lately(state.uncertainty, glance.stamp_ns, ratio, config),
    )


def uncertainty(obstacle_m: float, cautious_m: float) -> float:
    """Return by which share the cautious distance is nearer than the plain one, NaN if unknown."""
    return obstacle_m / cautious_m - 1 if cautious_m > 0 else math.nan


def overridden(state: TrustState, now_ns: int, config: TrustConfig) -> TrustState:
    """Return the state after a tick at which stereo overrode mono."""
    if state.override_ns >= 0 and now_ns - state.override_ns < ns_from_s(OVERRIDE_GAP_S):
        return state._replace(override_ns=now_ns)
    latest = (*state.overrides, now_ns)[-config.max_overrides - 1 :]
    return state._replace(overrides=latest, override_ns=now_ns)


def step(
    state: TrustState, now_ns: int, stereo_ok: bool, allowed: bool, config: TrustConfig
) -> TrustState:
    """Return the state after one tick: hysteresis, what goes on without figures, withholding.

    Args:
        state: with this tick's pair, image and model version already in.
        now_ns: of the tick.
        stereo_ok: both eyes are believed.
        allowed: the strategy lets mono fly at all.
        config: thresholds and times.
    """
    frozen_ns, changed_ns = -1, now_ns
    figures = _figures(state, now_ns, config)
    standing = (state.standing_m, state.standing_ns)
    if not figures.lacks:
        standing = (state.point.threshold_m, now_ns)
    if not allowed:
        licence = _Licence(False, False, False, "mono not allowed")
    elif _overrides(state, now_ns, config) > config.max_overrides:
        licence = _Licence(False, False, False, _too_many(config))
    elif stereo_ok:
        licence, changed_ns = _live(state, figures, now_ns, config)
    else:
        frozen_ns = state.frozen_ns if state.frozen_ns >= 0 else now_ns
        licence = _frozen(state, now_ns - frozen_ns, config)
    earned = licence.held
    licence, strange_ns = _if_normal(state, licence, now_ns, config)
    return TrustState(
        state.evidence,
        state.point,
        _report(licence, state.point, standing[0]),
        earned,
        changed_ns,
        frozen_ns,
        *standing,
        state.unfamiliarity,
        state.uncertainty,
        state.normal_uncertainty,
        strange_ns,
        state.overrides,
        state.override_ns,
    )


def _live(
    state: TrustState, figures: _Figures, now_ns: int, config: TrustConfig
) -> tuple[_Licence, int]:
    """Return the licence while stereo is there, and when figures and licence last agreed."""
    earned, wanted = state.earned, not figures.lacks
    if earned and not wanted and not figures.against:
        return _standing(state, figures.lacks, now_ns, config), now_ns
    licence = _Licence(earned, False, False, figures.lacks or "figures hold")
    if wanted == earned:
        return licence, now_ns
    lasted_s = s_from_ns(now_ns - state.changed_ns)
    if lasted_s >= (config.earn_s if wanted else config.lose_s):
        return licence._replace(held=wanted), now_ns
    return licence, state.changed_ns


def _standing(state: TrustState, lacks: str, now_ns: int, config: TrustConfig) -> _Licence:
    """Return the licence where stereo is there and says too little."""
    if now_ns - state.standing_ns > ns_from_s(config.max_unlabelled_s):
        return _Licence(False, False, False, f"{lacks}; over after {config.max_unlabelled_s:g} s")
    return _Licence(True, False, True, f"goes on as it was: {lacks}")


def _frozen(state: TrustState, lasted_ns: int, config: TrustConfig) -> _Licence:
    if not state.earned:
        return _Licence(False, False, False, state.report.reason)
    if lasted_ns > ns_from_s(config.max_frozen_s):
        over = f"frozen licence over after {config.max_frozen_s:g} s"
        return _Licence(False, False, False, over)
    return _Licence(True, True, True, "frozen: stereo is lost")


def _if_normal(
    state: TrustState, licence: _Licence, now_ns: int, config: TrustConfig
) -> tuple[_Licence, int]:
    """Return the licence, withheld where mono is out of its depth, and when it last was.

    Without new images it stays as it was: silence is no sign that all is normal again.
    """
    unfamiliar, unsure = _median(state.unfamiliarity), _median(state.uncertainty)
    strange = unfamiliar > config.max_unfamiliarity or unsure > config.max_uncertainty
    strange_ns = now_ns if strange else state.strange_ns
    again = strange_ns < 0 or now_ns - strange_ns >= ns_from_s(config.familiar_again_s)
    if not licence.held or (again and not strange):
        return licence, strange_ns
    if unsure > config.max_uncertainty:
        reason = f"mono is unsure ({unsure:.1f}, {config.max_uncertainty:g} allowed)"
    elif unfamiliar > config.max_unfamiliarity:
        limit = config.max_unfamiliarity
        reason = f"images unlike what was learned ({unfamiliar:.1f}, {limit:g} allowed)"
    else:
        reason = f"mono was out of its depth less than {config.familiar_again_s:g} s ago"
    return _Licence(False, False, licence.stands, reason), strange_ns


def _report(licence: _Licence, point: Point, standing_m: float) -> TrustReport:
    threshold_m = point.threshold_m
    if licence.stands:
        threshold_m = max(standing_m, point.operating_m) if point.positives else standing_m
    return TrustReport(
        licence.held,
        licence.frozen,
        licence.reason,
        point.operating_m,
        threshold_m,
        point.tpr,
        point.fpr,
        point.positives,
        point.negatives,
        point.episodes,
        point.tpr_low,
        point.fpr_high,
    )


def _with_evidence(state: TrustState, seen: Evidence, config: TrustConfig) -> TrustState:
    return state._replace(evidence=seen, point=evidence.operating_point(seen, config))


def _figures(state: TrustState, now_ns: int, config: TrustConfig) -> _Figures:
    """Return what the figures say of a licence."""
    point = state.point
    if point.positives < config.min_positives or point.negatives < config.min_negatives:
        lacks = (
            f"{point.positives} near and {point.negatives} free frames seen, "
            f"{config.min_positives} and {config.min_negatives} needed"
        )
    elif point.episodes < config.min_episodes:
        lacks = f"{point.episodes} approaches seen, {config.min_episodes} needed"
    elif not point.tpr_low >= config.min_tpr_low:
        lacks = (
            f"{point.episodes} approaches seen: {point.tpr_low:.0%} of near frames caught for "
            f"certain, {config.min_tpr_low:.0%} needed"
        )
    elif now_ns - state.evidence.pairs[-1].stamp_ns > ns_from_s(config.unlabelled_s):
        lacks = f"no label for {config.unlabelled_s:g} s"
    elif not point.fpr <= config.max_fpr:
        stops = f"stops needlessly in {point.fpr:.0%} of free frames"
        return _Figures(f"{stops}, {config.max_fpr:.0%} allowed", True)
    else:
        lacks = ""
    return _Figures(lacks, False)


def _overrides(state: TrustState, now_ns: int, config: TrustConfig) -> int:
    if not state.overrides:
        return 0
    oldest_ns = now_ns - ns_from_s(config.overrides_s)
    return sum(began_ns > oldest_ns for began_ns in state.overrides)


def _too_many(config: TrustConfig) -> str:
    return (
        f"stereo overrode mono more than {config.max_overrides} times "
        f"within {config.overrides_s:g} s"
    )


def _lately(seen: Lately, stamp_ns: int, value: float, config: TrustConfig) -> Lately:
    if not math.isfinite(value):
        return seen
    oldest_ns = stamp_ns - ns_from_s(config.unfamiliar_s)
    return (*[old for old in seen if old[0] > oldest_ns], (stamp_ns, value))


def _median(seen: Lately) -> float:
    """Return the median; where nothing is said, all is normal."""
    if not seen:
        return 0.0
    values, half = sorted([value for _, value in seen]), len(seen) // 2
    return values[half] if len(seen) % 2 else (values[half - 1] + values[half]) / 2
