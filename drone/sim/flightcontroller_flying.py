"""How the simulated flight controller moves the vehicle: from a goal to a `VelocityCommand`.

In: what the vehicle believes of its motion, and a goal: a velocity, a place, sticks. Out: the
command for the vehicle's velocity cascade. Pure functions; an unknown position never becomes a
number: what needs one then asks for zero velocity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drone.geometry import wrap_angle, yaw_from_quaternion
from drone.messages import Vector3, VehicleState, VelocityCommand
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_transmitter import PITCH, ROLL, THROTTLE, YAW, Transmitter

PLACE_PER_S = 1.0
"""Speed per distance toward a place (ArduPilot's PSC_POSXY_P, PX4's MPC_XY_P)."""
TURN_PER_S = 1.5
_STICK_DEAD = 0.1
"""Share of a stick's way that moves nothing."""
_STOPPING_S = 0.5
"""At the vehicle's velocity it comes to rest about so much farther on."""
LEASH_M = 1.0
"""Who is farther from the place it holds was carried there, and holds the new one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place to be, and where to look.

    Attributes:
        position_m: NED.
        yaw_rad: heading.
    """

    position_m: Vector3
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What SET_POSITION_TARGET_LOCAL_NED asks for, turned into NED when it came.

    Attributes:
        stamp_ns: when it came.
        position_m: NED, or None.
        velocity_mps: NED, or None; added to the way toward the position.
        yaw_rad: NaN for none.
        yaw_rate_radps: NaN for none.
        good: it can be followed.
    """

    stamp_ns: int
    position_m: Vector3 | None = None
    velocity_mps: Vector3 | None = None
    yaw_rad: float = math.nan
    yaw_rate_radps: float = math.nan
    good: bool = True


def knows_place(vehicle: VehicleState) -> bool:
    """Return whether the vehicle knows where it is and how it moves."""
    numbers = (*vehicle.position_m, *vehicle.velocity_mps, *vehicle.attitude)
    return vehicle.valid and all(map(math.isfinite, numbers))


def stopping_place(vehicle: VehicleState) -> Place | None:
    """Return where the vehicle comes to rest if it stops now; None where it knows no place."""
    if not knows_place(vehicle):
        return None
    (n, e, d), (vn, ve, vd) = vehicle.position_m, vehicle.velocity_mps
    s = _STOPPING_S
    place = (n + s * vn, e + s * ve, d + s * vd)
    return Place(place, yaw_from_quaternion(vehicle.attitude))


def astray(vehicle: VehicleState, place: Place) -> bool:
    """Return whether the vehicle is so far from a place, in plan, that it was carried away."""
    return math.dist(vehicle.position_m[:2], place.position_m[:2]) > LEASH_M


def hover(vehicle: VehicleState) -> VelocityCommand:
    """Return the command to stand still."""
    return VelocityCommand(vehicle.seq, vehicle.stamp_ns, True, 0.0, 0.0, 0.0, 0.0)


def toward(vehicle: VehicleState, position_m: Vector3) -> Vector3:
    """Return the velocity, NED, that leads to a place."""
    n, e, d = (PLACE_PER_S * (b - a) for a, b in zip(vehicle.position_m, position_m, strict=True))
    return n, e, d


def turn_to(vehicle: VehicleState, yaw_rad: float) -> float:
    """Return the yaw rate that leads to a heading, rad/s."""
    return TURN_PER_S * wrap_angle(yaw_rad - yaw_from_quaternion(vehicle.attitude))


def command(
    vehicle: VehicleState, velocity_mps: Vector3, yaw_rate_radps: float, rules: Rules
) -> VelocityCommand:
    """Return the command for a velocity, NED, within the limits of the parameters.

    What is not finite stands still.
    """
    if not all(map(math.isfinite, (*velocity_mps, yaw_rate_radps, *vehicle.attitude))):
        return hover(vehicle)
    north, east, down = velocity_mps
    speed, most = math.hypot(north, east), rules.knob("max_speed_mps")
    scale = most / speed if speed > most else 1.0
    yaw = yaw_from_quaternion(vehicle.attitude)
    c, s = scale * math.cos(yaw), scale * math.sin(yaw)
    turn = rules.knob("max_yaw_rate_radps")
    return VelocityCommand(
        vehicle.seq,
        vehicle.stamp_ns,
        True,
        c * north + s * east,
        c * east - s * north,
        max(-rules.knob("max_up_mps"), min(rules.knob("max_down_mps"), down)),
        max(-turn, min(turn, yaw_rate_radps)),
    )


def hold(vehicle: VehicleState, place: Place | None, rules: Rules) -> VelocityCommand:
    """Stay at a place; without one, or without knowing where the vehicle is, stand still."""
    if place is None or not knows_place(vehicle):
        return hover(vehicle)
    velocity = toward(vehicle, place.position_m)
    return command(vehicle, velocity, turn_to(vehicle, place.yaw_rad), rules)


def vertical(
    vehicle: VehicleState, place: Place | None, down_mps: float, rules: Rules
) -> VelocityCommand:
    """Climb or sink above a place."""
    if place is None or not knows_place(vehicle):
        return VelocityCommand(vehicle.seq, vehicle.stamp_ns, True, 0.0, 0.0, down_mps, 0.0)
    north, east, _ = toward(vehicle, place.position_m)
    return command(vehicle, (north, east, down_mps), turn_to(vehicle, place.yaw_rad), rules)


def follow(vehicle: VehicleState, setpoint: Setpoint, rules: Rules) -> VelocityCommand:
    """Do what a set-point asks for."""
    if setpoint.position_m is not None and not knows_place(vehicle):
        return hover(vehicle)
    velocity = setpoint.velocity_mps or (0.0, 0.0, 0.0)
    if setpoint.position_m is not None:
        n, e, d = toward(vehicle, setpoint.position_m)
        velocity = velocity[0] + n, velocity[1] + e, velocity[2] + d
    turn = 0.0
    if math.isfinite(setpoint.yaw_rate_radps):
        turn = setpoint.yaw_rate_radps
    elif math.isfinite(setpoint.yaw_rad):
        turn = turn_to(vehicle, setpoint.yaw_rad)
    return command(vehicle, velocity, turn, rules)


def deflected(radio: Transmitter) -> bool:
    """Return whether a stick is moved."""
    return any(_stick(radio, channel) for channel in (ROLL, PITCH, THROTTLE, YAW))


def _stick(radio: Transmitter, channel: int) -> float:
    share = radio.stick(channel)
    return math.copysign(max(0.0, abs(share) - _STICK_DEAD) / (1.0 - _STICK_DEAD), share)


def sticks(
    vehicle: VehicleState,
    radio: Transmitter,
    place: Place | None,
    drifting: bool,
    rules: Rules,
) -> VelocityCommand:
    """Fly by the sticks: a stick at its centre holds its part of the place.

    Args:
        vehicle: its state.
        radio: the sticks.
        place: what is held where a stick is let go.
        drifting: north and east are not held, only height and heading.
        rules: the speeds of full deflection.
    """
    forward, right = _stick(radio, PITCH), _stick(radio, ROLL)
    climb, turn = _stick(radio, THROTTLE), _stick(radio, YAW)
    held = place if place is not None and knows_place(vehicle) else None
    north = east = down = yaw_rate = 0.0
    if held:
        north, east, down = toward(vehicle, held.position_m)
        yaw_rate = turn_to(vehicle, held.yaw_rad)
    if forward or right or drifting:
        yaw = yaw_from_quaternion(vehicle.attitude)
        speed, c, s = rules.knob("stick_speed_mps"), math.cos(yaw), math.sin(yaw)
        north, east = speed * (c * forward - s * right), speed * (s * forward + c * right)
    if climb:
        down = -rules.knob("stick_climb_mps") * climb
    if turn:
        yaw_rate = rules.knob("stick_yaw_radps") * turn
    return command(vehicle, (north, east, down), yaw_rate, rules)


def reheld(place: Place | None, vehicle: VehicleState, radio: Transmitter | None) -> Place | None:
    """Return what is held from now on: parts whose stick is moved go along with the vehicle."""
    here = stopping_place(vehicle)
    if place is None or here is None or astray(vehicle, place):
        return here
    if radio is None or not deflected(radio):
        return place
    (n, e, d), yaw = place.position_m, place.yaw_rad
    if _stick(radio, ROLL) or _stick(radio, PITCH):
        n, e = here.position_m[:2]
    if _stick(radio, THROTTLE):
        d = here.position_m[2]
    return Place((n, e, d), here.yaw_rad if _stick(radio, YAW) else yaw)
