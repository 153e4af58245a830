"""What both manoeuvres of avoidance share: states, the facts of a tick, motion, and small steps."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import AvoidanceConfig
from drone.geometry import wrap_angle
from drone.onboard.obstacle_memory import Look, Point, View, was_seen

YAW_TOLERANCE_RAD = math.radians(3.0)
STOPPED_MPS = 0.12
CORNER_M = ((0.08, 0.02), (0.24, 0.04))
"""Places ahead of the hull's front corner: beyond its front, and beside its side."""
BEYOND_RAD = math.radians(30.0)
"""So far beyond a free heading the corner is in view."""
FAR_M = 1e3
"""Farther is all the same when the freer side is chosen."""


class Manoeuvre(StrEnum):
    """What the drone is doing."""

    CRUISE = "cruise"
    BRAKE = "brake"
    TURN = "turn"
    LOOK = "look"
    EXTRA = "extra"
    PEEK = "peek"
    BACK = "back"
    RETREAT = "retreat"
    WAIT = "wait"


TURNING = frozenset(
    {Manoeuvre.TURN, Manoeuvre.LOOK, Manoeuvre.EXTRA, Manoeuvre.PEEK, Manoeuvre.BACK}
)
"""On the spot."""


class AvoidanceState(NamedTuple):
    """Where in the manoeuvre, and the turn so far.

    Attributes:
        since_ns: start of this manoeuvre.
        side: +1 turns right, -1 left.
        target_yaw_rad: of the present step; of `sectors`, the yaw of the last tick.
        turned_rad: since the drone last cruised.
        demand: share of the full clearance that is asked for, 1 unless escaping.
        cruise_ns: when cruising last began.
        hops: short flights in a row.
        best: greatest clearance seen in this turn.
        best_yaw_rad: where.
        turning_ns: when turning on the spot began, short pauses included, -1 before the first.
        turned_ns: the latest tick of it.
        route: north and east, m, of the way back that is being flown, the next first.
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
    turning_ns: int = -1
    turned_ns: int = -1
    route: tuple[tuple[float, float], ...] = ()


class AvoidanceInputs(NamedTuple):
    """Facts of one tick.

    Attributes:
        clearance: obstacle distance over stop distance, NaN where unknown.
        yaw_rad: of the body.
        speed_mps: horizontal.
        sectors_m: free range per sector, left to right, NaN where unknown.
        speed_scale: share of the cruising speed that trust allows, 0 to 1.
        seen_m: how far the hull may go by what is seen, NaN where unknown.
        near: what is remembered out of view, forward and right of the body's middle, m.
        hull_m: half the width of the hull.
        position_m: north and east, by the vehicle's own estimate.
        trail: the way flown, oldest first.
        view: where the sectors lie.
        looks: what frames of late saw, and from where.
    """

    now_ns: int
    clearance: float
    yaw_rad: float
    speed_mps: float
    sectors_m: tuple[float, ...]
    speed_scale: float = 1.0
    seen_m: float = math.inf
    near: tuple[tuple[float, float], ...] = ()
    hull_m: float = 0.26
    position_m: tuple[float, float] = (0.0, 0.0)
    trail: tuple[Point, ...] = ()
    view: View = View()
    looks: tuple[Look, ...] = ()


class Motion(NamedTuple):
    """What the drone should do: speed along its nose and to its right, m/s, and yaw rate, rad/s."""

    forward_mps: float
    yaw_rate_radps: float
    right_mps: float = 0.0


def stop_speed(free_m: float, config: AvoidanceConfig) -> float:
    """Return the speed from which the drone stops within `free_m`; unknown is 0.

    Solves v^2 / 2a + v * latency = free.
    """
    if not free_m > 0:
        return 0.0
    lag = config.decel_mps2 * config.latency_s
    return math.sqrt(lag * lag + 2 * config.decel_mps2 * free_m) - lag


def blocks(forward_m: float, right_m: float, hull_m: float, config: AvoidanceConfig) -> bool:
    """Return whether a remembered point lies in the way of the hull as it flies straight on."""
    memory = config.memory
    ahead = 0 < forward_m <= hull_m + memory.reach_m
    return ahead and abs(right_m) < hull_m + memory.margin_m


def with_memory(inputs: AvoidanceInputs, config: AvoidanceConfig) -> AvoidanceInputs:
    """Return the facts with a way that is blocked by what is remembered counted as not free."""
    if any(blocks(f, r, inputs.hull_m, config) for f, r in inputs.near):
        return inputs._replace(clearance=min(inputs.clearance, 0.0))
    return inputs


def corner_seen(
    angle_rad: float, side: int, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> bool:
    """Return whether the room ahead of the hull's front corner on a side was seen of late.

    It lies beside the view: who has just turned toward it has not seen it.
    """
    asked = config.look_at_corners
    looks_at_corners = config.kind == "sectors" if asked is None else asked
    if not (looks_at_corners and inputs.looks):
        return True
    yaw = inputs.yaw_rad + angle_rad
    c, s = math.cos(yaw), math.sin(yaw)
    for ahead, beside in CORNER_M:
        forward, right = inputs.hull_m + ahead, side * (inputs.hull_m + beside)
        north = inputs.position_m[0] + c * forward - s * right
        east = inputs.position_m[1] + s * forward + c * right
        if not was_seen(inputs.looks, north, east, inputs.view):
            return False
    return True


def freer_side(inputs: AvoidanceInputs, config: AvoidanceConfig) -> int:
    """Return the side to turn to: away from what blocks unseen, else to the more free range.

    Unknown counts as none, a tie turns right.
    """
    unseen = [(f, r) for f, r in inputs.near if blocks(f, r, inputs.hull_m, config)]
    if unseen:
        nearest = min(unseen, key=lambda p: math.hypot(*p))
        return -1 if nearest[1] > 0 else 1
    known = [0.0 if math.isnan(s) else min(s, FAR_M) for s in inputs.sectors_m]
    half = len(known) // 2
    return -1 if math.fsum(known[:half]) > math.fsum(known[len(known) - half :]) else 1


def braked(state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig) -> bool:
    """Return whether the drone stands, or has had the time to."""
    lasted_ns = inputs.now_ns - state.since_ns
    stopped = inputs.speed_mps < STOPPED_MPS and lasted_ns >= ns_from_s(config.settle_s)
    return stopped or lasted_ns >= ns_from_s(config.brake_s)


def new_turn(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Count the hop that ends here; after a short one, go on turning to the same side."""
    short = inputs.now_ns - state.cruise_ns < ns_from_s(config.short_hop_s)
    same_side = short and state.turned_rad > 0
    return state._replace(
        side=state.side if same_side else freer_side(inputs, config),
        hops=state.hops + 1 if short else 0,
        turned_rad=0.0,
        best=0.0,
    )


def to_cruise(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    """Return the state of a drone that begins to fly."""
    return state._replace(
        manoeuvre=Manoeuvre.CRUISE, since_ns=inputs.now_ns, cruise_ns=inputs.now_ns
    )


def to_turn(
    state: AvoidanceState,
    inputs: AvoidanceInputs,
    angle_deg: float,
    manoeuvre: Manoeuvre = Manoeuvre.TURN,
) -> AvoidanceState:
    """Return the state of a drone that begins to turn by an angle, to its side."""
    angle_rad = math.radians(angle_deg)
    return state._replace(
        manoeuvre=manoeuvre,
        since_ns=inputs.now_ns,
        target_yaw_rad=wrap_angle(inputs.yaw_rad + state.side * angle_rad),
        turned_rad=state.turned_rad + angle_rad,
    )


def to_best(
    state: AvoidanceState, inputs: AvoidanceInputs, config: AvoidanceConfig
) -> AvoidanceState:
    """Turn to the freest direction that was seen, and ask for less there."""
    demand = min(1.0, max(config.escape_floor, state.best / config.free_ratio))
    return to_best_yaw(state._replace(hops=0, demand=demand), inputs)


def to_best_yaw(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    """Turn the short way to where the clearance was greatest."""
    angle_rad = wrap_angle(state.best_yaw_rad - inputs.yaw_rad)
    state = state._replace(side=1 if angle_rad >= 0 else -1)
    return to_turn(state, inputs, math.degrees(abs(angle_rad)), Manoeuvre.BACK)


def with_best(state: AvoidanceState, inputs: AvoidanceInputs) -> AvoidanceState:
    """Return the state with this direction noted, if it is the freest so far."""
    if inputs.clearance > state.best:
        return state._replace(best=inputs.clearance, best_yaw_rad=inputs.yaw_rad)
    return state


def arrived(state: AvoidanceState, inputs: AvoidanceInputs) -> bool:
    """The step's yaw is reached, passed, or (if yaw does not follow) three seconds are over."""
    left_to_turn = state.side * wrap_angle(state.target_yaw_rad - inputs.yaw_rad)
    return left_to_turn < YAW_TOLERANCE_RAD or inputs.now_ns - state.since_ns > ns_from_s(3.0)


def turning(state: AvoidanceState, inputs: AvoidanceInputs, rate_degps: float) -> Motion:
    """Turn toward the target, slower over the last bit, so that the step does not overshoot."""
    left_to_turn = abs(wrap_angle(state.target_yaw_rad - inputs.yaw_rad))
    rate = min(math.radians(rate_degps), max(0.3, 4.0 * left_to_turn))
    return Motion(0.0, state.side * rate)
