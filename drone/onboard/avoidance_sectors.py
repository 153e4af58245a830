"""Fly toward the freest sector, slower the nearer the obstacle; turn where none is free.

           blocked           stopped            free, or all around seen
    cruise ──────► brake ───────────► turn ────────────────────► cruise, or back ─► cruise
                     └─ free again ─► cruise

Cruising, the drone turns its nose toward the heading along which what is seen, and what is
remembered beside it, leaves its corridor free the farthest; it keeps to the side that it chose
until the way straight on is free. An unknown sector counts as an obstacle at the distance that
stops the drone.
"""

from __future__ import annotations

import math

from drone.config import AvoidanceConfig
from drone.geometry import wrap_angle
from drone.onboard.avoidance_state import (
    BEYOND_RAD,
    AvoidanceInputs,
    AvoidanceState,
    Manoeuvre,
    Motion,
    arrived,
    braked,
    corner_seen,
    new_turn,
    stop_speed,
    to_best,
    to_best_yaw,
    to_cruise,
    turning,
    with_best,
)

HEADINGS_RAD = tuple(math.radians(angle) for angle in (0, 12, -12, 24, -24, 36, -36))
UNKNOWN_M = 1.0
BESIDE_M = 0.12
"""Room beside the hull that a heading should leave."""
TURN_COST_M = 0.4
"""A heading so many metres per radian less free is as good as a nearer one."""
KEEP_M = 0.4
"""What a heading on the side once chosen is worth."""
SWING_M = 0.26
"""Room beside the hull for turning in flight: its corners stand out, and ranges are rough."""
STEER_PER_S = 1.5
LEAST_SHARE = 0.5
"""Of the cruising speed, where the way is barely free."""


def advance(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Return the state after one tick."""
    return _TRANSITIONS[state.manoeuvre](state, inputs, config)


def motion(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> Motion:
    """Return what to do in a state."""
    if state.manoeuvre is Manoeuvre.CRUISE:
        return _flight(state, inputs, config)
    if state.manoeuvre is Manoeuvre.TURN:
        return Motion(0.0, state.side * math.radians(config.seeing_rate_degps))
    if state.manoeuvre is Manoeuvre.BACK:
        return turning(state, inputs, config.turn_rate_degps)
    return Motion(0.0, 0.0)


def _flight(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> Motion:
    most = math.radians(config.steer_rate_degps)
    yaw_rate = max(-most, min(most, STEER_PER_S * wrap_angle(state.target_yaw_rad)))
    margin = (inputs.clearance - state.demand) / max(config.slow_ratio - state.demand, 1e-3)
    share = min(1.0, max(LEAST_SHARE, margin))
    speed = config.cruise_mps * inputs.speed_scale * share
    return Motion(min(speed, stop_speed(inputs.seen_m, config)), yaw_rate)


def _cruise(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if inputs.clearance >= config.free_ratio and state.demand != 1:
        state = state._replace(demand=1.0)
    if not inputs.clearance >= state.demand:
        return state._replace(manoeuvre=Manoeuvre.BRAKE, since_ns=inputs.now_ns)
    heading_rad = heading(state.target_yaw_rad, inputs, config)
    side = state.side if heading_rad == 0 else (1 if heading_rad > 0 else -1)
    return state._replace(target_yaw_rad=heading_rad, side=side)


def heading(before_rad: float, inputs: AvoidanceInputs, config: AvoidanceConfig) -> float:
    """Return the heading to turn to, rad, relative to the nose.

    Args:
        before_rad: of the tick before; its side is kept where it is not much worse.
        inputs: of this tick.
        config: how far ahead the way should be free.
    """
    points = [*_seen(inputs), *inputs.near]
    width_m = inputs.hull_m + BESIDE_M
    if free_m(0.0, points, width_m, config.steer_m) >= config.steer_m:
        return 0.0

    def worth(angle: float) -> float:
        kept = KEEP_M if angle * before_rad > 0 else 0.0
        return free_m(angle, points, width_m, config.steer_m) - TURN_COST_M * abs(angle) + kept

    for angle in sorted(HEADINGS_RAD, key=worth, reverse=True):
        side = 1 if angle > 0 else -1
        if angle == 0 or (corner_seen(angle, side, inputs, config) and not _beside(side, inputs)):
            return angle
    return 0.0


def _beside(side: int, inputs: AvoidanceInputs) -> bool:
    """Return whether something is remembered beside the hull, where turning would swing it."""
    room = inputs.hull_m + SWING_M
    return any(abs(f) < room and 0 < side * r < room for f, r in inputs.near)


def free_m(
    angle_rad: float, points: list[tuple[float, float]], width_m: float, most_m: float
) -> float:
    """Return how far a corridor along a heading is free of points, at most `most_m`."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    free = most_m
    for forward, right in points:
        ahead = c * forward + s * right
        if 0 < ahead < free and abs(c * right - s * forward) < width_m:
            free = ahead
    return free


def _seen(inputs: AvoidanceInputs) -> list[tuple[float, float]]:
    """Return the sectors as points, forward and right of the body's middle."""
    view, sectors = inputs.view, len(inputs.sectors_m)
    points = []
    for sector, range_m in enumerate(inputs.sectors_m):
        tangent = view.tangent(sector, sectors)
        known_m = UNKNOWN_M if math.isnan(range_m) else range_m
        ahead = known_m / math.sqrt(1 + tangent * tangent)
        points.append((ahead + view.eye_forward_m, ahead * tangent + view.eye_right_m))
    return points


def _brake(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if not braked(state, inputs, config):
        return state
    if inputs.clearance >= config.free_ratio * state.demand:
        return _fly(state, inputs)
    state = new_turn(state, inputs, config)
    return state._replace(
        manoeuvre=Manoeuvre.TURN,
        since_ns=inputs.now_ns,
        target_yaw_rad=inputs.yaw_rad,
    )


def _turn(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    step_rad = state.side * wrap_angle(inputs.yaw_rad - state.target_yaw_rad)
    state = with_best(state, inputs)._replace(
        turned_rad=state.turned_rad + (max(0.0, step_rad) if math.isfinite(step_rad) else 0.0),
        target_yaw_rad=inputs.yaw_rad,
    )
    asked, hasty = config.free_ratio * state.demand, state.hops < config.look_around_after
    if hasty and inputs.clearance >= asked and corner_seen(0.0, state.side, inputs, config):
        return _fly(state, inputs)
    beyond_rad = state.side * wrap_angle(inputs.yaw_rad - state.best_yaw_rad)
    if hasty and state.best >= asked and beyond_rad >= BEYOND_RAD:
        return to_best_yaw(state, inputs)
    if state.turned_rad < math.radians(config.look_around_deg):
        return state
    if state.best < config.escape_floor:
        return state._replace(turned_rad=0.0, best=0.0)
    return to_best(state, inputs, config)


def _back(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    return _cruise(_fly(state, inputs), inputs, config) if arrived(state, inputs) else state


def _fly(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    return to_cruise(state, inputs)._replace(target_yaw_rad=0.0)


_TRANSITIONS = {
    Manoeuvre.CRUISE: _cruise,
    Manoeuvre.BRAKE: _brake,
    Manoeuvre.TURN: _turn,
    Manoeuvre.LOOK: _turn,
    Manoeuvre.EXTRA: _turn,
    Manoeuvre.PEEK: _turn,
    Manoeuvre.BACK: _back,
}
