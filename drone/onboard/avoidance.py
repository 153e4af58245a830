"""How the drone gets about: one of two manoeuvres, and what holds for both.

    clearance, sectors ─► `paper` or `sectors` ─► turned too long? ─► Motion
    memory of obstacles ──┘                         └─► retreat, wait ─► look again

Works on the clearance: obstacle distance over the distance at which the deciding cue stops. Below 1
the way is blocked; unknown is blocked, and so is a way in which something is remembered. Turning on
the spot is bounded in time: then the drone goes back the way it came, or waits where there is none,
and looks again. It is never faster than what stops it within what is seen.
"""

from __future__ import annotations

import math

from drone.clock import ns_from_s
from drone.config import AvoidanceConfig
from drone.onboard import avoidance_paper, avoidance_sectors
from drone.onboard.avoidance_state import (
    TURNING,
    AvoidanceInputs,
    AvoidanceState,
    Manoeuvre,
    Motion,
    with_memory,
)

__all__ = ["TURNING", "AvoidanceInputs", "AvoidanceState", "Manoeuvre", "Motion", "restart", "step"]

PAUSE_S = 1.0
"""A shorter while without turning does not end a turn."""
THERE_M = 0.07
"""So near to a step of the way back it is reached."""

_KINDS = {
    "paper": (avoidance_paper.advance, avoidance_paper.motion),
    "sectors": (avoidance_sectors.advance, avoidance_sectors.motion),
}


def step(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> tuple[AvoidanceState, Motion]:
    """Return the next state and the motion of this tick."""
    inputs = with_memory(inputs, config)
    advance, motion = _KINDS[config.kind]
    if state.manoeuvre in (Manoeuvre.RETREAT, Manoeuvre.WAIT):
        state = _escape(state, inputs, config)
    else:
        state = advance(state, inputs, config)
    state = _bounded(state, inputs, config)
    if state.manoeuvre is Manoeuvre.RETREAT:
        return state, _retreat(state, inputs, config)
    return state, motion(state, inputs, config)


def restart(state: AvoidanceState, now_ns: int) -> AvoidanceState:
    """Return the state of a drone that begins anew, after HOLD or being put elsewhere."""
    return AvoidanceState(
        since_ns=now_ns,
        side=state.side,
        cruise_ns=now_ns,
        turning_ns=state.turning_ns,
        turned_ns=state.turned_ns,
    )


def _bounded(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Return the state, or one that ends the turn if it has lasted too long."""
    if state.manoeuvre not in TURNING:
        return state
    now_ns = inputs.now_ns
    paused = state.turned_ns < 0 or now_ns - state.turned_ns >= ns_from_s(PAUSE_S)
    began_ns = now_ns if paused else state.turning_ns
    if now_ns - began_ns < ns_from_s(config.max_turn_s):
        return state._replace(turning_ns=began_ns, turned_ns=now_ns)
    route = _way_back(inputs, config)
    manoeuvre = Manoeuvre.RETREAT if route else Manoeuvre.WAIT
    return state._replace(manoeuvre=manoeuvre, since_ns=now_ns, route=route)


def _way_back(inputs: AvoidanceInputs, config: AvoidanceConfig) -> tuple[tuple[float, float], ...]:
    """Return the way flown, backward, as far as the drone shall go back; () if there is none."""
    at, length_m, route = inputs.position_m, 0.0, []
    for north_m, east_m, _ in reversed(inputs.trail):
        hop_m = math.dist(at, (north_m, east_m))
        if length_m + hop_m > config.retreat_m:
            break
        if hop_m > THERE_M:
            at = (north_m, east_m)
            length_m += hop_m
            route.append(at)
    return tuple(route)


def _escape(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Go on going back or waiting; at the end, stop and look again."""
    route = state.route
    if route and math.dist(route[0], inputs.position_m) <= THERE_M:
        route = route[1:]
    over = inputs.now_ns - state.since_ns >= ns_from_s(config.rest_s)
    there = state.manoeuvre is Manoeuvre.RETREAT and not route
    if over:
        return state._replace(manoeuvre=Manoeuvre.BRAKE, since_ns=inputs.now_ns, route=())
    if there:
        return state._replace(manoeuvre=Manoeuvre.WAIT, route=())
    return state._replace(route=route)


def _retreat(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> Motion:
    north, east = (a - b for a, b in zip(state.route[0], inputs.position_m, strict=True))
    far_m = math.hypot(north, east)
    if not 0 < far_m < math.inf or not math.isfinite(inputs.yaw_rad):
        return Motion(0.0, 0.0)
    c, s = math.cos(inputs.yaw_rad), math.sin(inputs.yaw_rad)
    scale = config.retreat_mps / far_m
    return Motion(scale * (c * north + s * east), 0.0, scale * (c * east - s * north))
