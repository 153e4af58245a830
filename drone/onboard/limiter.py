"""The last word before the autopilot: only finite commands within limits, and none unpermitted."""

from __future__ import annotations

import math

from drone.config import LimitsConfig
from drone.messages import VelocityCommand


def stop_command(seq: int, stamp_ns: int) -> VelocityCommand:
    """Return the command to stand still."""
    return VelocityCommand(seq, stamp_ns, True, 0.0, 0.0, 0.0, 0.0)


def certify(
    command: VelocityCommand, limits: LimitsConfig, permitted: bool
) -> tuple[VelocityCommand, str]:
    """Return the command that may go out, and what was changed (empty if nothing).

    Without permission, and if anything is invalid or not finite, the drone is told to stand still.
    """
    if not permitted:
        return stop_command(command.seq, command.stamp_ns), "not permitted"
    if not command.valid:
        return stop_command(command.seq, command.stamp_ns), "not valid"
    axes = (command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps)
    if not all(map(math.isfinite, axes)):
        return stop_command(command.seq, command.stamp_ns), "not finite"
    certified = _bounded(axes, limits)
    if certified == axes:
        return command, ""
    return VelocityCommand(command.seq, command.stamp_ns, True, *certified), "clamped"


def _bounded(
    axes: tuple[float, float, float, float], limits: LimitsConfig
) -> tuple[float, float, float, float]:
    """Return forward, right, down and yaw rate within the limits; the direction of flight stays."""
    forward, right, down, yaw_rate = axes
    speed = math.hypot(forward, right)
    scale = min(1.0, limits.max_speed_mps / speed) if speed > 0 else 1.0
    return (
        _clamp(forward * scale, limits.max_speed_mps),
        _clamp(right * scale, limits.max_speed_mps),
        _clamp(down, limits.max_vertical_mps),
        _clamp(yaw_rate, math.radians(limits.max_yaw_rate_degps)),
    )


def _clamp(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
