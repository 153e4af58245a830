"""What a simulated flight controller flies: any `Airframe`; here, a kinematic stand-in.

In: a `VelocityCommand` and whether motors may turn, per tick. Out: the `VehicleState` that the
flight controller believes. Every airframe starts standing on the ground with motors off. The one
with physics and a room is in `flightcontroller_room`.
"""

from __future__ import annotations

import math
from typing import Protocol

from drone.geometry import quaternion_from_euler, wrap_angle
from drone.messages import Vector3, VehicleState, VelocityCommand
from drone.sim.autopilot import GRAVITY_MPS2

_TOUCH_MPS = 0.02
"""A command that sinks at least so fast lands on the ground; likewise one that climbs lifts off."""


class Airframe(Protocol):
    """A vehicle."""

    def start(self) -> VehicleState:
        """Put it on the ground, motors off."""

    def step(self, command: VelocityCommand, motors: bool) -> VehicleState:
        """Fly one tick; without motors it falls."""

    def close(self) -> None:
        """End it; a second call does nothing."""


class StandIn:
    """No physics and no room: velocity and yaw rate follow commands with a first-order lag.

    It is always level, knows exactly where it is, meets nothing but the ground at height 0, and its
    battery lasts for ever. For tests of the link and of peers, where it is a thousand times faster
    than a room; how a vehicle answers, and what its estimate is worth, it cannot tell.
    """

    def __init__(
        self, tick_hz: float = 20.0, *, velocity_s: float = 0.25, yaw_rate_s: float = 0.1
    ) -> None:
        """Make one.

        Args:
            tick_hz: rate of `step`.
            velocity_s: time constant of velocities.
            yaw_rate_s: time constant of the yaw rate.
        """
        self._dt_s = 1.0 / tick_hz
        self._keep = math.exp(-self._dt_s / velocity_s)
        self._keep_turn = math.exp(-self._dt_s / yaw_rate_s)
        self.start()

    def start(self) -> VehicleState:
        """Put it on the ground, motors off."""
        self._seq = 0
        self._position_m = self._velocity_mps = (0.0, 0.0, 0.0)
        self._yaw_rad = self._yaw_rate_radps = 0.0
        self.landed = True
        return self._state()

    def step(self, command: VelocityCommand, motors: bool) -> VehicleState:
        """Fly one tick; without motors it falls."""
        self._seq += 1
        if self.landed and motors and command.down_mps <= -_TOUCH_MPS:
            self.landed = False
        if not self.landed:
            self._fly(command, motors)
        return self._state()

    def close(self) -> None:
        """Nothing to end."""

    def _fly(self, command: VelocityCommand, motors: bool) -> None:
        if motors:
            self._follow(command)
        else:
            north, east, down = self._velocity_mps
            self._velocity_mps = north, east, down + GRAVITY_MPS2 * self._dt_s
        n, e, d = (
            x + self._dt_s * v for x, v in zip(self._position_m, self._velocity_mps, strict=True)
        )
        self._position_m = n, e, min(d, 0.0)
        if d >= 0.0 and (not motors or command.down_mps >= _TOUCH_MPS):
            self.landed = True
            self._velocity_mps, self._yaw_rate_radps = (0.0, 0.0, 0.0), 0.0

    def _follow(self, command: VelocityCommand) -> None:
        c, s, k = math.cos(self._yaw_rad), math.sin(self._yaw_rad), self._keep
        wanted: Vector3 = (
            c * command.forward_mps - s * command.right_mps,
            s * command.forward_mps + c * command.right_mps,
            command.down_mps,
        )
        n, e, d = (k * v + (1 - k) * w for v, w in zip(self._velocity_mps, wanted, strict=True))
        self._velocity_mps = n, e, d
        turn = self._keep_turn
        self._yaw_rate_radps = turn * self._yaw_rate_radps + (1 - turn) * command.yaw_rate_radps
        self._yaw_rad = wrap_angle(self._yaw_rad + self._dt_s * self._yaw_rate_radps)

    def _state(self) -> VehicleState:
        return VehicleState(
            self._seq,
            round(1e9 * self._seq * self._dt_s),
            True,
            self._position_m,
            self._velocity_mps,
            quaternion_from_euler(0.0, 0.0, self._yaw_rad),
            (0.0, 0.0, self._yaw_rate_radps),
            landed=self.landed,
        )
