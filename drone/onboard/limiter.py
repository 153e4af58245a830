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
    if not all(math.isfinite(axis) for axis in axes):
        return stop_command(command.seq, command.stamp_ns), "not finite"
    speed = math.hypot(command.forward_mps, command.right_mps)
    scale = min(1.0, limits.max_speed_mps / speed) if speed > 0 else 1.0
    certified = VelocityCommand(
        command.seq,
        command.stamp_ns,
        True,
        forward_mps=_clamp(command.forward_mps * scale, limits.max_speed_mps),
        right_mps=_clamp(command.right_mps * scale, limits.max_speed_mps),
        down_mps=_clamp(command.down_mps, limits.max_vertical_mps),
        yaw_rate_radps=_clamp(command.yaw_rate_radps, math.radians(limits.max_yaw_rate_degps)),
    )
    return certified, "" if certified == command else "clamped"


def _clamp(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
