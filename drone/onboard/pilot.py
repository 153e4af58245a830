"""The pilot: one object, stepped by ticks, whose whole memory is a value.

    tick ─► perceive ─► Percept ─► decide(state, tick, percept) ─► (state, Decision)

`decide` is pure: it can be replayed from logged percepts, bit for bit. Its memory is in
`drone.onboard.pilotstate`.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace

from drone.clock import ns_from_s, s_from_ns
from drone.config import PilotConfig
from drone.errors import UserError
from drone.geometry import euler_from_quaternion
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    Mode,
    ModelVersion,
    MonoEstimate,
    Tick,
    VehicleState,
    VelocityCommand,
)
from drone.onboard import avoidance, health, limiter, obstacle_memory, switching, trust
from drone.onboard.avoidance import AvoidanceInputs, Manoeuvre, Motion
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilotstate import PilotState, Sight
from drone.onboard.trust import Pair

__all__ = ["Clearance", "Pilot", "PilotState", "decide"]

LEAST_SCALE = 0.5
"""Mono's ranges are never taken for less than this share of what it says."""
QUATERNION_TOLERANCE = 0.01
"""An attitude whose length is farther from 1 is none."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """How free the way is by the cue that decides.

    Attributes:
        ratio: obstacle distance over stop distance, NaN where unknown.
        override: stereo stops a drone that mono would have let fly on.
    """

    cue: Cue
    obstacle_m: float
    ratio: float
    sectors_m: tuple[float, ...]
    override: bool = False


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
        return self.perception.perceive(tick.frame, vehicle, state.health, tick.stamp_ns)


def decide(
    state: PilotState, tick: Tick, percept: Percept, config: PilotConfig
) -> tuple[PilotState, Decision]:
    """Return the state after a tick and what to do, with the full account of why. Pure."""
    now_ns = tick.stamp_ns
    state = _take_in(state, tick, percept, config)
    situation = switching.situation_from_inputs(_switch_inputs(state, tick, config))
    mode = switching.TABLE[state.mode, situation]
    event = situation.value if mode != state.mode else ""
    if mode != state.mode:
        state = _apply_transition(state, mode, now_ns)
    elif not tick.permitted:
        state = replace(state, mode_ns=now_ns)  # only what follows the pilot counts as holding
    clearance = _clearance(state, now_ns, config)
    motion = Motion(0.0, 0.0)
    if mode not in (Mode.HOLD, Mode.LAND):
        state = _remembering(state, now_ns, config)
        inputs = _avoidance_inputs(state, clearance, now_ns, config)
        stepped, motion = avoidance.step(state.avoidance, inputs, config.avoidance)
        state = replace(state, avoidance=stepped)
    command, limited = limiter.certify(
        _command(tick, mode, motion, config), config.limits, tick.permitted
    )
    decision = Decision(
        seq=tick.seq,
        stamp_ns=now_ns,
        valid=True,
        mode=mode,
        cue=clearance.cue,
        manoeuvre=mode.value if mode in (Mode.HOLD, Mode.LAND) else state.avoidance.manoeuvre.value,
        reason=_reason(state, situation),
        obstacle_m=clearance.obstacle_m,
        stereo_obstacle_m=_fresh(state.stereo, now_ns, config).obstacle_m,
        mono_obstacle_m=_mono_average_m(state, now_ns, config),
        blocked=not clearance.ratio >= state.avoidance.demand,
        override=clearance.override,
        event=event,
        limited=limited,
        command=command,
        trust=state.trust.report,
    )
    return state, decision


def _take_in(state: PilotState, tick: Tick, percept: Percept, config: PilotConfig) -> PilotState:
    """Return the state with this tick's facts in it."""
    now_ns, stop_m = tick.stamp_ns, config.switching.stop_m
    rules = (config.switching, config.health)
    checked = health.step(state.health, now_ns, percept.check, tick.health, rules)
    state = replace(state, health=checked, vehicle=tick.vehicle or state.vehicle)
    trusted = state.trust
    if tick.model is not None and _flies(tick.model, percept.estimate):
        state = replace(state, model=tick.model.seq, mono_recent=())
        average_s = config.mono.average_s
        trusted = trust.rescore(trusted, tick.model, stop_m, average_s, config.trust)
    if percept.label is not None:
        state = replace(state, stereo=_sight(percept.label, checked.stereo_sees))
    if percept.estimate is not None:
        state = _with_estimate(state, percept.estimate, config)
        seen = percept.estimate
        trusted = trust.see(trusted, seen.stamp_ns, seen.unfamiliarity, config.trust)
        pair = _pair(state, percept.label)
        if pair is not None and checked.stereo_sees:
            trusted = trust.add_pair(trusted, pair, stop_m, config.trust)
    allowed = config.switching.strategy != "stereo_only"
    trusted = trust.step(trusted, now_ns, checked.stereo_ok, allowed, config.trust)
    return replace(state, trust=trusted)


def _flies(model: ModelVersion, estimate: MonoEstimate | None) -> bool:
    """Return whether a new version was taken; if it was refused, the estimate is an older one's."""
    return model.valid and (estimate is None or estimate.version == model.seq)


def _sight(seen: DistanceLabel | MonoEstimate, healthy: bool) -> Sight:
    """Return what was seen; nothing is known of an image that is frozen or otherwise spoilt."""
    distance_m = seen.cautious_m if isinstance(seen, MonoEstimate) else seen.obstacle_m
    if not (seen.valid and healthy and math.isfinite(distance_m)):
        return Sight(seen.stamp_ns)
    return Sight(seen.stamp_ns, distance_m, seen.sectors_m)


def _with_estimate(state: PilotState, estimate: MonoEstimate, config: PilotConfig) -> PilotState:
    oldest_ns = estimate.stamp_ns - ns_from_s(config.mono.average_s)
    recent = tuple(entry for entry in state.mono_recent if entry[0] >= oldest_ns)
    sight = _sight(estimate, state.health.sees(estimate.eye))
    known = math.isfinite(sight.obstacle_m)
    return replace(
        state,
        mono=sight,
        mono_recent=(*recent, (estimate.stamp_ns, sight.obstacle_m)),
        mono_known_ns=sight.stamp_ns if known else state.mono_known_ns,
    )


def _pair(state: PilotState, label: DistanceLabel | None) -> Pair | None:
    """Return the frame's pair, None where stereo says nothing."""
    if label is None or not label.valid or math.isnan(label.obstacle_m):
        return None
    averaged = trust.mean_distance(d for _, d in state.mono_recent)
    averaged = averaged if math.isfinite(state.mono.obstacle_m) else math.nan
    return Pair(label.seq, label.stamp_ns, label.obstacle_m, state.mono.obstacle_m, averaged)


def _fresh(sight: Sight, now_ns: int, config: PilotConfig) -> Sight:
    """Return the sight, or nothing known if it is stale."""
    return sight if _is_fresh(sight.stamp_ns, now_ns, config) else Sight()


def _is_fresh(stamp_ns: int, now_ns: int, config: PilotConfig) -> bool:
    """Return whether a stamp is of just now; one far ahead of now is of a clock that is off."""
    return stamp_ns >= 0 and abs(now_ns - stamp_ns) <= ns_from_s(config.switching.stale_s)


def _mono_average_m(state: PilotState, now_ns: int, config: PilotConfig) -> float:
    """Return mono's distance as it flies; unknown where the latest frame's is."""
    if math.isnan(_fresh(state.mono, now_ns, config).obstacle_m):
        return math.nan
    return trust.mean_distance(d for _, d in state.mono_recent)


def _switch_inputs(state: PilotState, tick: Tick, config: PilotConfig) -> switching.SwitchInputs:
    vehicle = state.vehicle
    hold_ns = tick.stamp_ns - state.mode_ns if state.mode is Mode.HOLD else 0
    mono_fresh = _is_fresh(state.mono_known_ns, tick.stamp_ns, config)
    return switching.SwitchInputs(
        permitted=tick.permitted,
        vehicle_ok=vehicle is not None
        and vehicle.valid
        and _is_fresh(vehicle.stamp_ns, tick.stamp_ns, config)
        and _finite(vehicle),
        stereo_ok=state.health.stereo_ok,
        mono_ok=state.trust.report.held and mono_fresh,
        hold_s=s_from_ns(hold_ns),
        max_hold_s=config.switching.hold_s,
    )


def _finite(vehicle: VehicleState) -> bool:
    numbers = (*vehicle.position_m, *vehicle.velocity_mps, *vehicle.attitude)
    length = math.hypot(*vehicle.attitude)
    return all(math.isfinite(n) for n in numbers) and abs(length - 1) < QUATERNION_TOLERANCE


def _apply_transition(state: PilotState, mode: Mode, now_ns: int) -> PilotState:
    """Return the state in its new mode: the one place with effects of a mode change."""
    if state.mode in (Mode.HOLD, Mode.LAND):
        state = replace(state, avoidance=avoidance.restart(state.avoidance, now_ns))
    return replace(state, mode=mode, mode_ns=now_ns)


def _clearance(state: PilotState, now_ns: int, config: PilotConfig) -> Clearance:
    """Return how free the way is by who flies; the nearer of the two where stereo guards."""
    stereo = _fresh(state.stereo, now_ns, config)
    mono_m = _mono_average_m(state, now_ns, config)
    mono_ratio = mono_m / state.trust.report.threshold_m
    mono = Clearance(Cue.MONO, mono_m, mono_ratio, state.mono.sectors_m)
    if state.mode is Mode.MONO:
        return mono
    if state.mode in (Mode.HOLD, Mode.LAND):
        return Clearance(Cue.NONE, math.nan, math.nan, ())
    if state.mode is Mode.STEREO or math.isnan(mono_ratio):
        ratio = stereo.obstacle_m / config.switching.stop_m
        return Clearance(Cue.STEREO, stereo.obstacle_m, ratio, stereo.sectors_m)
    guard_ratio = stereo.obstacle_m / config.switching.override_m
    demand = state.avoidance.demand
    if guard_ratio < mono_ratio and (guard_ratio < demand or _manoeuvring(state)):
        override = guard_ratio < demand <= mono_ratio
        return Clearance(Cue.STEREO, stereo.obstacle_m, guard_ratio, stereo.sectors_m, override)
    return mono


def _manoeuvring(state: PilotState) -> bool:
    return state.avoidance.manoeuvre is not Manoeuvre.CRUISE


def _remembering(state: PilotState, now_ns: int, config: PilotConfig) -> PilotState:
    """Return the state with what stereo sees, else mono, in the memory of obstacles."""
    assert state.vehicle is not None, "no mode flies without a vehicle state"
    rules = config.avoidance.memory
    memory = obstacle_memory.move(state.memory, _pose(state.vehicle, 0.0), now_ns, rules)
    stereo = _fresh(state.stereo, now_ns, config)
    guarded = state.mode is not Mode.MONO and stereo.stamp_ns >= 0
    sight = stereo if guarded else _fresh(state.mono, now_ns, config)
    if sight.stamp_ns >= 0:
        pose = _pose(state.vehicle, s_from_ns(now_ns - sight.stamp_ns))
        scale = 1.0 if guarded else _mono_scale(state, config)
        sectors_m = tuple(scale * s for s in sight.sectors_m)
        memory = obstacle_memory.remember(
            memory, pose, sectors_m, sight.stamp_ns, state.view, rules
        )
    return replace(state, memory=memory)


def _pose(vehicle: VehicleState, ago_s: float) -> obstacle_memory.Pose:
    """Return where the vehicle is, or was a moment ago."""
    north_m, east_m = (
        p - ago_s * v for p, v in zip(vehicle.position_m[:2], vehicle.velocity_mps[:2], strict=True)
    )
    turn_radps = vehicle.rates_radps[2] if math.isfinite(vehicle.rates_radps[2]) else 0.0
    yaw_rad = euler_from_quaternion(vehicle.attitude)[2] - ago_s * turn_radps
    return obstacle_memory.Pose(north_m, east_m, yaw_rad)


def _mono_scale(state: PilotState, config: PilotConfig) -> float:
    """Return what turns mono's ranges into stereo's: where mono stops is the stop distance."""
    scale = config.switching.stop_m / state.trust.report.threshold_m
    return min(1.0, max(LEAST_SCALE, scale)) if math.isfinite(scale) else 1.0


def _avoidance_inputs(
    state: PilotState, clearance: Clearance, now_ns: int, config: PilotConfig
) -> AvoidanceInputs:
    vehicle = state.vehicle
    assert vehicle is not None, "no mode flies without a vehicle state"
    pose, hull_m = _pose(vehicle, 0.0), config.corridor.hull_width_m / 2
    around = obstacle_memory.around(state.memory, pose, now_ns, state.view, config.avoidance.memory)
    scale = _mono_scale(state, config) if clearance.cue is Cue.MONO else 1.0
    return AvoidanceInputs(
        now_ns=now_ns,
        clearance=clearance.ratio,
        yaw_rad=pose.yaw_rad,
        speed_mps=math.hypot(vehicle.velocity_mps[0], vehicle.velocity_mps[1]),
        sectors_m=tuple(scale * s for s in clearance.sectors_m),
        seen_m=scale * clearance.obstacle_m + state.view.eye_forward_m - hull_m,
        near=around,
        hull_m=hull_m,
        position_m=(pose.north_m, pose.east_m),
        trail=state.memory.trail,
        view=state.view,
    )


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


def _reason(state: PilotState, situation: switching.Situation) -> str:
    """Return why this mode, in words."""
    causes = {
        switching.Situation.PILOT_FLIES: "the pilot has control",
        switching.Situation.VEHICLE_LOST: "no fresh vehicle state",
        switching.Situation.BLIND: f"{state.health.reason}; {state.trust.report.reason}",
        switching.Situation.BLIND_TOO_LONG: "nothing trusted to fly with",
        switching.Situation.MONO_ONLY: state.health.reason,
        switching.Situation.STEREO_ONLY: state.trust.report.reason,
        switching.Situation.BOTH: "mono is trusted, stereo guards",
    }
    return causes[situation]
