"""Straight on, stop, turn in steps until free, a bit more, go on (van Hecke et al. 2018).

         blocked            stopped            turned a step          free          turned
    cruise ───► brake ───────────► turn ─────────────► look ───────────► extra ───────► cruise
                  └─ free again ─► cruise     ◄── still blocked ──┤       └─ no more free ─┐
                                                  all around seen ─┴─► back ◄──────────────┘

Fixed angles can lead into a corner, or round and round between the same few obstacles. So a turn
goes all the way round and ends in the freest direction seen, where no way was free, and after a few
short hops in a row; in the freest direction of a corner the drone asks for less than the full
clearance.
"""

from __future__ import annotations

import math

from drone.clock import ns_from_s
from drone.config import AvoidanceConfig
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
    to_turn,
    turning,
    with_best,
)

_TURNS = (Manoeuvre.TURN, Manoeuvre.EXTRA, Manoeuvre.PEEK, Manoeuvre.BACK)


def advance(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Return the state after one tick."""
    return _TRANSITIONS[state.manoeuvre](state, inputs, config)


def motion(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> Motion:
    """Return what to do in a state."""
    if state.manoeuvre is Manoeuvre.CRUISE:
        speed = config.cruise_mps * inputs.speed_scale
        return Motion(min(speed, stop_speed(inputs.seen_m, config)), 0.0)
    if state.manoeuvre in _TURNS:
        return turning(state, inputs, config.turn_rate_degps)
    return Motion(0.0, 0.0)


def _cruise(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if inputs.clearance >= config.free_ratio and state.demand != 1:
        state = state._replace(demand=1.0)
    if inputs.clearance >= state.demand:
        return state
    return state._replace(manoeuvre=Manoeuvre.BRAKE, since_ns=inputs.now_ns)


def _brake(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if not braked(state, inputs, config):
        return state
    if inputs.clearance >= config.free_ratio * state.demand:
        return to_cruise(state, inputs)
    return to_turn(new_turn(state, inputs, config), inputs, config.turn_step_deg)


def _turn(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if not arrived(state, inputs):
        return state
    return state._replace(manoeuvre=Manoeuvre.LOOK, since_ns=inputs.now_ns)


def _look(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    if inputs.now_ns - state.since_ns < ns_from_s(config.settle_s):
        return state
    state = with_best(state, inputs)
    free = inputs.clearance >= config.free_ratio * state.demand
    if free and state.hops < config.look_around_after:
        return to_turn(state, inputs, config.extra_turn_deg, Manoeuvre.EXTRA)
    if state.turned_rad < math.radians(config.look_around_deg):
        return to_turn(state, inputs, config.turn_step_deg)
    if state.best < config.escape_floor:
        return to_turn(state._replace(turned_rad=0.0, best=0.0), inputs, config.turn_step_deg)
    return to_best(state, inputs, config)


def _extra(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Go on if the way is still free; if the bit more was too much, turn back to where it was."""
    if not arrived(state, inputs):
        return state
    if not inputs.clearance >= state.demand:
        return to_best_yaw(state, inputs)
    if corner_seen(0.0, state.side, inputs, config):
        return to_cruise(state, inputs)
    state = state._replace(best=inputs.clearance, best_yaw_rad=inputs.yaw_rad)
    return to_turn(state, inputs, math.degrees(BEYOND_RAD), Manoeuvre.PEEK)


def _peek(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Look beyond the way, at what the hull's corner will pass; then turn back to it."""
    seen = arrived(state, inputs) or corner_seen(0.0, state.side, inputs, config)
    return to_best_yaw(state, inputs) if seen else state


def _back(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    return _cruise(to_cruise(state, inputs), inputs, config) if arrived(state, inputs) else state


_TRANSITIONS = {
    Manoeuvre.CRUISE: _cruise,
    Manoeuvre.BRAKE: _brake,
    Manoeuvre.TURN: _turn,
    Manoeuvre.LOOK: _look,
    Manoeuvre.EXTRA: _extra,
    Manoeuvre.PEEK: _peek,
    Manoeuvre.BACK: _back,
}
