"""The room's vehicle as the simulated flight controller flies it.

`RoomSimulator` knows no arming: its motors start with the first command that climbs, and stop at
touch-down with one that sinks. That is what an armed and a disarmed vehicle look like there, as
long as a disarmed one is never told to climb; motors that idle on the ground are not simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drone.messages import VehicleState, VelocityCommand
from drone.sim.room import Pose
from drone.sim.simulator import RoomSimulator, SimOutput

_GAP_M = 1e-3
"""The hull starts so far above the floor: it settles in the first steps."""


class StandingRoom(RoomSimulator):
    """A room in which the flight starts on the floor, below where it would start in the air."""

    def cut_motors(self) -> None:
        """Stop the motors, in the air too. What then falls on the floor counts as no collision."""
        self._vehicle.stop_motors()

    def _start_vehicle(self, pose: Pose, again: list[int]) -> None:
        super()._start_vehicle(pose, again)
        self._vehicle.put(pose, self._config.vehicle.hull_height_m / 2 + _GAP_M)
        self._vehicle.stop_motors()


class RoomAirframe:
    """The vehicle of a room."""

    def __init__(
        self, room: StandingRoom, on_output: Callable[[SimOutput], None] = lambda _: None
    ) -> None:
        """Fly it.

        Args:
            room: closed with this.
            on_output: is given all that comes out of the room: frames, truth, events.
        """
        self._room, self._on_output = room, on_output

    def start(self) -> VehicleState:
        """Put it on the ground, motors off."""
        return self._out(self._room.reset())

    def step(self, command: VelocityCommand, motors: bool) -> VehicleState:
        """Fly one tick; without motors it falls."""
        if not motors:
            self._room.cut_motors()
            command = replace(command, down_mps=0.0)
        return self._out(self._room.step(command))

    def close(self) -> None:
        """End the room."""
        self._room.close()

    def _out(self, output: SimOutput) -> VehicleState:
        self._on_output(output)
        return output.vehicle
