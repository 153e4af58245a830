"""The pilot: one object, stepped by ticks, whose whole memory is a value.

    tick ─► perceive ─► Percept ─► decide(state, tick, percept) ─► (state, Decision)

`decide` is pure: it can be replayed from logged percepts, bit for bit. Its memory is in
`drone.onboard.pilotstate`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from types import MappingProxyType

from drone.clock import ns_from_s, s_from_ns
from drone.config import PilotConfig
from drone.errors import UserError
from drone.messages import (
    Decision,
    DistanceLabel,
    Mode,
    ModelVersion,
    MonoEstimate,
    Tick,
    VehicleState,
    VelocityCommand,
)
from drone.onboard import avoidance, health, limiter, switching, trust, watch
from drone.onboard.avoidance import Motion
from drone.onboard.clearance import clearance, is_fresh, latest, mono_scale
from drone.onboard.guidance import avoid
from drone.onboard.health import HealthState
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilotstate import PilotState, Recent, Sight
from drone.onboard.searching import SEARCH, longest_hold_s, search_motion, searches
from drone.onboard.switching import Situation
from drone.onboard.trust import Glance, Pair
from drone.onboard.watch import Facts

__all__ = ["Pilot", "PilotState", "decide", "handed_over"]

_AT_WILL = (Situation.PILOT_FLIES, Situation.ASKED_TO_HOLD)
"""Time held at someone's will is no time without sight."""
_STANDING = (Mode.HOLD, Mode.LAND)
"""In these the drone goes nowhere of itself."""
_PLAINLY: Mapping[Situation, str] = MappingProxyType(
    {
        Situation.PILOT_FLIES: "the pilot has control",
        Situation.ASKED_TO_LAND: "asked to land",
        Situation.VEHICLE_LOST: "no fresh vehicle state",
        Situation.BLIND_TOO_LONG: "nothing trusted to fly with",
        Situation.ASKED_TO_HOLD: "asked to hold",
        Situation.HANDED_OVER: "handed over: mono flies alone, without a licence",
    }
)
"""Why a mode is flown, where the situation says it all."""
QUATERNION_TOLERANCE = 0.01
"""An attitude whose length is farther from 1 is none."""


class Pilot:
    """Sees and decides."""

    def __init__(self, config: PilotConfig, perception: Perception) -> None:
        self.config = config
        self.perception = perception

    def step(self, state: PilotState, tick: Tick) -> tuple[PilotState, Decision]:
        """Return the state after a tick, and the decision."""
        return decide(state, tick, self.perceive(state, tick), self.config)

    def perceive(self, state: PilotState, tick: Tick) -> Percept:
        """Return what is seen at a tick; a new model version flies from this frame on.

        A version that is damaged, or made for something else, does not fly: the present one stays,
        and its number stays in the estimates.
        """
        if tick.model is not None and tick.model.valid:
            with contextlib.suppress(UserError):
                self.perception.load(tick.model)
        vehicle = tick.vehicle or state.vehicle
        return self.perception.perceive(
            tick.frame, vehicle, state.health, tick.stamp_ns, mono_scale(state, self.config)
        )


def decide(
    state: PilotState, tick: Tick, percept: Percept, config: PilotConfig
) -> tuple[PilotState, Decision]:
    """Return the state after a tick and what to do, with the full account of why. Pure."""
    now_ns = tick.stamp_ns
    let_go = handed_over(state, now_ns, config)
    state = _take_in(state, tick, percept, let_go, config)
    state = _watched(state, now_ns, percept, let_go, config)
    strategy = switching.STRATEGIES[config.switching.strategy]
    inputs = _switch_inputs(state, tick, let_go, config)
    situation = switching.situation_from_inputs(inputs, strategy)
    mode = strategy.table[state.mode, situation]
    event = situation.value if mode is not state.mode else ""
    if mode is not state.mode:
        state = _apply_transition(state, mode, now_ns)
    elif situation in _AT_WILL:
        state = state._replace(mode_ns=now_ns)  # only what follows counts as holding
    seen = latest(state, now_ns, config)
    way = clearance(state, seen, config)
    if way.override:
        state = state._replace(trust=trust.overridden(state.trust, now_ns, config.trust))
    motion, searching = Motion(0.0, 0.0), False
    if mode not in _STANDING:
        state, motion = avoid(state, seen, way, now_ns, config)
    elif situation is Situation.BLIND and mode is Mode.HOLD:
        searching = searches(state, now_ns, config)
        motion = search_motion(state, now_ns, config) if searching else motion
    command, limited = limiter.certify(
        _command(tick, mode, motion, config), config.limits, tick.permitted
    )
    decision = Decision(
        seq=tick.seq,
        stamp_ns=now_ns,
        valid=True,
        mode=mode,
        cue=way.cue,
        manoeuvre=_manoeuvre(state, mode, searching),
        reason=_reason(state, now_ns, situation, config),
        obstacle_m=way.obstacle_m,
        stereo_obstacle_m=seen.stereo.obstacle_m,
        mono_obstacle_m=seen.mono_m,
        blocked=not way.ratio >= state.avoidance.demand,
        override=way.override,
        event=event,
        limited=limited,
        command=command,
        trust=state.trust.report,
    )
    return state, decision


def _manoeuvre(state: PilotState, mode: Mode, searching: bool) -> str:
    if searching:
        return SEARCH
    return mode.value if mode in _STANDING else state.avoidance.manoeuvre.value


def _take_in(
    state: PilotState, tick: Tick, percept: Percept, let_go: bool, config: PilotConfig
) -> PilotState:
    """Return the state with this tick's facts in it; a pilot that let stereo go learns no more."""
    now_ns, stop_m = tick.stamp_ns, config.switching.stop_m
    rules = (config.switching, config.health)
    checked = health.step(state.health, now_ns, percept.check, tick.health, rules)
    label, estimate = percept.label, percept.estimate
    if not checked.stereo_ok:
        checked = _proved(checked, state.trust.report.held, now_ns, percept, config)
    sees = checked.stereo_sees
    stereo = state.stereo if label is None else _stereo_sight(label, sees, config)
    trusted = trust.begun(state.trust, now_ns)
    if tick.model is not None and _flies(tick.model, estimate):
        state = state._replace(model=tick.model.seq, mono_recent=())
        average_s = config.mono.average_s
        trusted = trust.rescore(trusted, tick.model, stop_m, average_s, config.trust)
    mono = (state.mono, state.both, state.mono_recent, state.mono_known_ns)
    if estimate is not None:
        mono = _mono_sight(state, estimate, checked, config)
        trusted = trust.see(trusted, _glance(estimate), config.trust)
        pair = _pair(label, mono[0], mono[2]) if sees and not let_go else None
        if pair is not None:
            trusted = trust.add_pair(trusted, pair, stop_m, config.trust)
    allowed = config.switching.strategy != "stereo_only"
    trusted = trust.step(trusted, now_ns, checked.stereo_ok and not let_go, allowed, config.trust)
    return state._replace(
        health=checked,
        vehicle=tick.vehicle or state.vehicle,
        stereo=stereo,
        mono=mono[0],
        both=mono[1],
        mono_recent=mono[2],
        mono_known_ns=mono[3],
        trust=trusted,
    )


def _proved(
    checked: HealthState, held: bool, now_ns: int, percept: Percept, config: PilotConfig
) -> HealthState:
    """Return the eyes with what this tick says for a pair that was lost."""
    borne_out = None
    if percept.check is not None:
        borne_out = health.bears_out(percept.label, percept.estimate, held, config.health)
    return health.prove(checked, now_ns, borne_out, config.switching)


def _flies(model: ModelVersion, estimate: MonoEstimate | None) -> bool:
    """Return whether a new version was taken; if it was refused, the estimate is an older one's."""
    return model.valid and (estimate is None or estimate.version == model.seq)


def _stereo_sight(label: DistanceLabel, sees: bool, config: PilotConfig) -> Sight:
    """Return what stereo saw; nothing is known of images that are frozen or otherwise spoilt."""
    if config.switching.unknown == "free":
        return _sight(label.stamp_ns, sees, label.answered_m, label.answered_sectors_m)
    return _sight(label.stamp_ns, sees and label.valid, label.obstacle_m, label.sectors_m)


def _sight(
    stamp_ns: int,
    sees: bool,
    obstacle_m: float,
    sectors_m: tuple[float, ...],
    certainty: float = math.nan,
) -> Sight:
    if not (sees and math.isfinite(obstacle_m)):
        return Sight(stamp_ns)
    return Sight(stamp_ns, obstacle_m, sectors_m, certainty)


def _mono_sight(
    state: PilotState, estimate: MonoEstimate, checked: HealthState, config: PilotConfig
) -> tuple[Sight, Sight, Recent, int]:
    """Return what mono, and both cues, saw; mono's latest distances; and when it knew one last."""
    stamp_ns, sees = estimate.stamp_ns, estimate.valid and checked.sees(estimate.eye)
    oldest_ns = stamp_ns - ns_from_s(config.mono.average_s)
    recent = [entry for entry in state.mono_recent if entry[0] >= oldest_ns]
    sight = _sight(stamp_ns, sees, estimate.cautious_m, estimate.sectors_m, _certainty(estimate))
    recent.append((stamp_ns, sight.obstacle_m))
    both_see = sees and checked.stereo_sees
    both = _sight(stamp_ns, both_see, estimate.both_m, estimate.both_sectors_m)
    known_ns = stamp_ns if math.isfinite(sight.obstacle_m) else state.mono_known_ns
    return sight, both, tuple(recent), known_ns


def _certainty(estimate: MonoEstimate) -> float:
    """Return the cautious distance over the plain one: near 1 where the network is sure."""
    if not 0 < estimate.obstacle_m < math.inf:
        return math.nan
    return estimate.cautious_m / estimate.obstacle_m


def _glance(seen: MonoEstimate) -> Glance:
    unsure = trust.uncertainty(seen.obstacle_m, seen.cautious_m)
    return Glance(seen.stamp_ns, seen.unfamiliarity, unsure)


def _pair(label: DistanceLabel | None, mono: Sight, recent: Recent) -> Pair | None:
    """Return the frame's pair, None where stereo says nothing."""
    if label is None or not label.valid or math.isnan(label.obstacle_m):
        return None
    averaged = math.nan
    if math.isfinite(mono.obstacle_m):
        averaged = trust.mean_distance([d for _, d in recent])
    return Pair(label.seq, label.stamp_ns, label.obstacle_m, mono.obstacle_m, averaged)


def _watched(
    state: PilotState, now_ns: int, percept: Percept, let_go: bool, config: PilotConfig
) -> PilotState:
    """Return the state with what is there at this tick, and since when."""
    check, estimate = percept.check, percept.estimate
    may_fly, stale_ns = _mono_may_fly(state, now_ns, config), ns_from_s(config.switching.stale_s)
    stereo_saw = (
        check is not None
        and is_fresh(check.stamp_ns, now_ns, stale_ns)
        and state.health.well
        and not let_go
    )
    mono_saw = estimate is not None and estimate.stamp_ns == state.mono_known_ns
    answers = is_fresh(state.mono_known_ns, now_ns, stale_ns)
    facts = Facts(
        vehicle=_vehicle_ok(state.vehicle, now_ns, stale_ns),
        mono=may_fly and answers,
        seen=stereo_saw or (may_fly and answers and mono_saw),
    )
    return state._replace(watch=watch.step(state.watch, now_ns, facts, config.switching))


def _mono_may_fly(state: PilotState, now_ns: int, config: PilotConfig) -> bool:
    """Return whether mono is trusted, or, where no licence is asked for, knows what it sees."""
    if config.switching.asks_for_licence:
        return state.trust.report.held
    strange_ns = state.trust.strange_ns
    return strange_ns < 0 or now_ns - strange_ns > ns_from_s(config.trust.familiar_again_s)


def handed_over(state: PilotState, now_ns: int, config: PilotConfig) -> bool:
    """Return whether mono was given control for good: stereo then neither flies nor teaches."""
    start_ns = now_ns if state.watch.start_ns < 0 else state.watch.start_ns
    return switching.handed_over(now_ns - start_ns, config.switching)


def _switch_inputs(
    state: PilotState, tick: Tick, let_go: bool, config: PilotConfig
) -> switching.SwitchInputs:
    now_ns, since, rules = tick.stamp_ns, state.watch, config.switching
    hold_ns = now_ns - state.mode_ns if state.mode is Mode.HOLD else 0
    vehicle_ok, mono_ok, sighted = watch.believed(since, now_ns, rules)
    return switching.SwitchInputs(
        permitted=tick.permitted,
        vehicle_ok=vehicle_ok,
        stereo_ok=state.health.stereo_ok,
        mono_ok=mono_ok,
        sighted=sighted,
        handed_over=let_go,
        mono_drawn=switching.mono_drawn(now_ns - since.start_ns, rules),
        hold_s=s_from_ns(hold_ns),
        max_hold_s=longest_hold_s(state, now_ns, vehicle_ok, config),
        asked=tick.asked,
    )


def _vehicle_ok(vehicle: VehicleState | None, now_ns: int, stale_ns: int) -> bool:
    """Return whether there is a vehicle state, of just now and finite."""
    return (
        vehicle is not None
        and vehicle.valid
        and is_fresh(vehicle.stamp_ns, now_ns, stale_ns)
        and _finite(vehicle)
    )


def _finite(vehicle: VehicleState) -> bool:
    numbers = (*vehicle.position_m, *vehicle.velocity_mps, *vehicle.attitude)
    length = math.hypot(*vehicle.attitude)
    return all(map(math.isfinite, numbers)) and abs(length - 1) < QUATERNION_TOLERANCE


def _apply_transition(state: PilotState, mode: Mode, now_ns: int) -> PilotState:
    """Return the state in its new mode: the one place with effects of a mode change."""
    if state.mode in _STANDING:
        state = state._replace(avoidance=avoidance.restart(state.avoidance, now_ns))
    return state._replace(mode=mode, mode_ns=now_ns)


def _command(tick: Tick, mode: Mode, motion: Motion, config: PilotConfig) -> VelocityCommand:
    down_mps = config.limits.land_mps if mode is Mode.LAND else 0.0
    return VelocityCommand(
        tick.seq,
        tick.stamp_ns,
        True,
        motion.forward_mps,
        motion.right_mps,
        down_mps,
        motion.yaw_rate_radps,
    )


def _mono_lacks(state: PilotState, now_ns: int, config: PilotConfig) -> str:
    """Return why mono does not fly, in words."""
    if _mono_may_fly(state, now_ns, config):
        return "mono does not answer"
    if config.switching.asks_for_licence:
        return state.trust.report.reason
    return "images unlike what was learned"


def _reason(state: PilotState, now_ns: int, situation: Situation, config: PilotConfig) -> str:
    """Return why this mode, in words."""
    if situation in _PLAINLY:
        return _PLAINLY[situation]
    eyes, rules = state.health.reason, config.switching
    if situation is Situation.BLIND:
        causes = (eyes or state.health.trouble, _mono_lacks(state, now_ns, config))
        return "; ".join(cause for cause in causes if cause)
    if situation is Situation.STEREO_ONLY:
        return _mono_lacks(state, now_ns, config)
    freely = "" if rules.asks_for_licence else "; mono flies without a licence"
    if situation is Situation.MONO_ONLY:
        return eyes + freely
    if situation is Situation.MONO_DRAWN:
        return "mono was drawn to fly" + freely
    if rules.strategy == "dagger":
        return "stereo was drawn to fly"
    if rules.strategy == "cold_turkey":
        return f"stereo flies until {rules.handed_over_s or 0:g} s"
    return "stereo guards" + (freely or "; mono is trusted")
