"""Straight on, stop, turn in steps until free, a bit more, go on (van Hecke et al. 2018).

         blocked            stopped            turned a step          free          turned
    cruise ───► brake ───────────► turn ─────────────► look ───────────► extra ───────► cruise
                  └─ free again ─► cruise     ◄── still blocked ──┤       └─ no more free ─┐
                                                  all around seen ─┴─► back ◄──────────────┘

Works on the clearance: obstacle distance over the distance at which the deciding cue stops. Below 1
the way is blocked; unknown is blocked. Fixed angles can lead into a corner, or round and round
between the same few obstacles. So a turn goes all the way round and ends in the freest direction
seen, where no way was free, and after a few short hops in a row; in the freest direction of a
corner the drone asks for less than the full clearance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from drone.clock import ns_from_s
from drone.config import AvoidanceConfig
from drone.geometry import wrap_angle

YAW_TOLERANCE_RAD = math.radians(3.0)


class Manoeuvre(StrEnum):
    """What the drone is doing."""

    CRUISE = "cruise"
    BRAKE = "brake"
    TURN = "turn"
    LOOK = "look"
    EXTRA = "extra"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class AvoidanceState:
    """Where in the manoeuvre, and the turn so far.

    Attributes:
        since_ns: start of this manoeuvre.
        side: +1 turns right, -1 left.
        target_yaw_rad: of the present step.
        turned_rad: since the drone last cruised.
        demand: share of the full clearance that is asked for, 1 unless escaping.
        cruise_ns: when cruising last began.
        hops: short flights in a row.
        best: greatest clearance seen in this turn.
        best_yaw_rad: where.
    """

    manoeuvre: Manoeuvre = Manoeuvre.CRUISE
    since_ns: int = 0
    side: int = 1
    target_yaw_rad: float = 0.0
    turned_rad: float = 0.0
    demand: float = 1.0
    cruise_ns: int = 0
    hops: int = 0
    best: float = 0.0
    best_yaw_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class AvoidanceInputs:
    """Facts of one tick.

    Attributes:
        clearance: obstacle distance over stop distance, NaN where unknown.
        yaw_rad: of the body.
        speed_mps: horizontal.
        sectors_m: free range per sector, left to right, NaN where unknown.
        speed_scale: share of the cruising speed that the cue which flies is good for, 0-1.
    """

    now_ns: int
    clearance: float
    yaw_rad: float
    speed_mps: float
    sectors_m: tuple[float, ...]
    speed_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What the drone should do: speed along its nose, m/s, and yaw rate, rad/s."""

    forward_mps: float
    yaw_rate_radps: float


STOPPED_MPS = 0.12
FAR_M = 1e3
"""Farther is all the same when the freer side is chosen."""


def step(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> tuple[AvoidanceState, Motion]:
    """Return the next state and the motion of this tick."""
    state = _TRANSITIONS[state.manoeuvre](state, inputs, config)
    return state, _motion(state, inputs, config)


def restart(state: AvoidanceState, now_ns: int) -> AvoidanceState:
    """Return the state of a drone that begins anew, after HOLD or being put elsewhere."""
    return AvoidanceState(since_ns=now_ns, side=state.side, cruise_ns=now_ns)


def _cruise(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if inputs.clearance >= config.free_ratio and state.demand != 1:
        state = replace(state, demand=1.0)
    if inputs.clearance >= state.demand:
        return state
    return replace(state, manoeuvre=Manoeuvre.BRAKE, since_ns=inputs.now_ns)


def _brake(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    lasted_ns = inputs.now_ns - state.since_ns
    stopped = inputs.speed_mps < STOPPED_MPS and lasted_ns >= ns_from_s(config.settle_s)
    if not stopped and lasted_ns < ns_from_s(config.brake_s):
        return state
    if inputs.clearance >= config.free_ratio * state.demand:
        return _to_cruise(state, inputs)
    return _to_turn(_new_turn(state, inputs, config), inputs, config.turn_step_deg)


def _new_turn(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Count the hop that ends here; after a short one, go on turning to the same side."""
    short = inputs.now_ns - state.cruise_ns < ns_from_s(config.short_hop_s)
    same_side = short and state.turned_rad > 0
    return replace(
        state,
        side=state.side if same_side else _freer_side(inputs.sectors_m),
        hops=state.hops + 1 if short else 0,
        turned_rad=0.0,
        best=0.0,
    )


def _turn(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if not _arrived(state, inputs):
        return state
    return replace(state, manoeuvre=Manoeuvre.LOOK, since_ns=inputs.now_ns)


def _look(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if inputs.now_ns - state.since_ns < ns_from_s(config.settle_s):
        return state
    if inputs.clearance > state.best:
        state = replace(state, best=inputs.clearance, best_yaw_rad=inputs.yaw_rad)
    free = inputs.clearance >= config.free_ratio * state.demand
    if free and state.hops < config.look_around_after:
        return _to_turn(state, inputs, config.extra_turn_deg, Manoeuvre.EXTRA)
    if state.turned_rad >= math.radians(config.look_around_deg):
        return _to_best(state, inputs, config)
    return _to_turn(state, inputs, config.turn_step_deg)


def _to_best(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Turn to the freest direction that was seen; if none is free enough, look around again."""
    if state.best < config.escape_floor:
        return _to_turn(replace(state, turned_rad=0.0, best=0.0), inputs, config.turn_step_deg)
    demand = min(1.0, max(config.escape_floor, state.best / config.free_ratio))
    return _to_best_yaw(replace(state, hops=0, demand=demand), inputs)


def _to_best_yaw(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    angle_rad = wrap_angle(state.best_yaw_rad - inputs.yaw_rad)
    state = replace(state, side=1 if angle_rad >= 0 else -1)
    return _to_turn(state, inputs, math.degrees(abs(angle_rad)), Manoeuvre.BACK)


def _extra(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Go on if the way is still free; if the bit more was too much, turn back to where it was."""
    if not _arrived(state, inputs):
        return state
    if inputs.clearance >= state.demand:
        return _to_cruise(state, inputs)
    return _to_best_yaw(state, inputs)


def _back(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    return _cruise(_to_cruise(state, inputs), inputs, config) if _arrived(state, inputs) else state


_TRANSITIONS = {
    Manoeuvre.CRUISE: _cruise,
    Manoeuvre.BRAKE: _brake,
    Manoeuvre.TURN: _turn,
    Manoeuvre.LOOK: _look,
    Manoeuvre.EXTRA: _extra,
    Manoeuvre.BACK: _back,
}


def _to_cruise(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    return replace(
        state, manoeuvre=Manoeuvre.CRUISE, since_ns=inputs.now_ns, cruise_ns=inputs.now_ns
    )


def _to_turn(
    state: AvoidanceState,
    inputs: AvoidanceInputs,
    angle_deg: float,
    manoeuvre: Manoeuvre = Manoeuvre.TURN,
) -> AvoidanceState:
    angle_rad = math.radians(angle_deg)
    return replace(
        state,
        manoeuvre=manoeuvre,
        since_ns=inputs.now_ns,
        target_yaw_rad=wrap_angle(inputs.yaw_rad + state.side * angle_rad),
        turned_rad=state.turned_rad + angle_rad,
    )


def _arrived(state: AvoidanceState, inputs: AvoidanceInputs) -> bool:
    """The step's yaw is reached, passed, or (if yaw does not follow) three seconds are over."""
    left_to_turn = state.side * wrap_angle(state.target_yaw_rad - inputs.yaw_rad)
    return left_to_turn < YAW_TOLERANCE_RAD or inputs.now_ns - state.since_ns > ns_from_s(3.0)


def _freer_side(sectors_m: tuple[float, ...]) -> int:
    """Return the side with more free range; unknown counts as none, a tie turns right."""
    known = [0.0 if math.isnan(s) else min(s, FAR_M) for s in sectors_m]
    half = len(known) // 2
    return -1 if math.fsum(known[:half]) > math.fsum(known[len(known) - half :]) else 1


def _motion(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> Motion:
    if state.manoeuvre is Manoeuvre.CRUISE:
        return Motion(config.cruise_mps * inputs.speed_scale, 0.0)
    if state.manoeuvre in (Manoeuvre.TURN, Manoeuvre.EXTRA, Manoeuvre.BACK):
        left_to_turn = abs(wrap_angle(state.target_yaw_rad - inputs.yaw_rad))
        # Slows down over the last bit, so that the step does not overshoot.
        rate = min(math.radians(config.turn_rate_degps), max(0.3, 4.0 * left_to_turn))
        return Motion(0.0, state.side * rate)
    return Motion(0.0, 0.0)
