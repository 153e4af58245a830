"""From a velocity command to the set-point that may be sent: world axes, within the link's limits.

In: a command in the heading frame, the vehicle's state, where home is. Out: velocity in NED and a
yaw rate. Whatever comes in, what goes out is finite and within the limits; what is not finite comes
to zero. Nothing here knows time: the limits look `AHEAD_S` ahead.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drone.config.autopilot import LinkLimitsConfig
from drone.geometry import yaw_from_quaternion
from drone.messages import Vector3, VehicleState, VelocityCommand

AHEAD_S = 0.5
"""What flies on for so long is still inside: the time a set-point may be the last one for."""


class Setpoint(NamedTuple):
    """Velocity in NED, m/s, and yaw rate, rad/s, positive to the right."""

    north_mps: float
    east_mps: float
    down_mps: float
    yaw_rate_radps: float


ZERO = Setpoint(0.0, 0.0, 0.0, 0.0)


def setpoint_from_command(
    command: VelocityCommand, vehicle: VehicleState, home_m: Vector3, limits: LinkLimitsConfig
) -> Setpoint:
    """Return what may be sent of a command; zero if anything in it is unknown.

    Args:
        command: heading frame.
        vehicle: its attitude turns the command, its position keeps it inside.
        home_m: NED, as the vehicle's position; height and distance count from it.
        limits: of the link.
    """
    asked = (command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps)
    known = (*asked, *vehicle.position_m, *vehicle.attitude, *home_m)
    if not (command.valid and vehicle.valid and all(map(math.isfinite, known))):
        return ZERO
    forward, right = _shortened(asked[0], asked[1], limits.max_speed_mps)
    yaw = yaw_from_quaternion(vehicle.attitude)
    north = forward * math.cos(yaw) - right * math.sin(yaw)
    east = forward * math.sin(yaw) + right * math.cos(yaw)
    away = [vehicle.position_m[i] - home_m[i] for i in range(3)]
    north, east = _fenced((north, east), (away[0], away[1]), limits.max_distance_m)
    down = _clamp(asked[2], limits.max_vertical_mps)
    down = -_between(-down, -away[2], limits.min_height_m, limits.max_height_m)
    yaw_rate = _clamp(asked[3], math.radians(limits.max_yaw_rate_degps))
    setpoint = Setpoint(north, east, down, yaw_rate)
    return setpoint if all(map(math.isfinite, setpoint)) else ZERO


def _shortened(x: float, y: float, longest: float) -> tuple[float, float]:
    """Return a vector no longer than that, in the same direction."""
    length = math.hypot(x, y)
    scale = longest / length if length > longest else 1.0
    return x * scale, y * scale


def _clamp(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))


def _between(speed: float, at: float, least: float, most: float) -> float:
    """Return a speed along an axis that leads neither out of [least, most] nor farther out."""
    return max(min(speed, max(0.0, (most - at) / AHEAD_S)), min(0.0, (least - at) / AHEAD_S))


def _fenced(
    velocity: tuple[float, float], away: tuple[float, float], radius: float
) -> tuple[float, float]:
    """Return a velocity that does not lead out of the circle, nor, outside, farther out.

    Inside, the place that it would lead to is moved onto the circle: a circle is convex, so all the
    way there is inside. Outside, only what of the velocity leads straight home is left.
    """
    distance = math.hypot(*away)
    if distance > radius:
        inward = -(velocity[0] * away[0] + velocity[1] * away[1]) / distance
        inward = min(max(inward, 0.0), distance / AHEAD_S)
        return -inward * away[0] / distance, -inward * away[1] / distance
    there = away[0] + velocity[0] * AHEAD_S, away[1] + velocity[1] * AHEAD_S
    if math.hypot(*there) <= radius:
        return velocity
    there = _shortened(*there, radius)
    return (there[0] - away[0]) / AHEAD_S, (there[1] - away[1]) / AHEAD_S
