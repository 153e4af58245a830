"""A flight of the stand-in under the rules, in simulated time, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from drone.messages import VehicleState, VelocityCommand
from drone.sim.flightcontroller_airframe import Airframe, StandIn
from drone.sim.flightcontroller_flying import Setpoint
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_rules import step
from drone.sim.flightcontroller_state import Ask, Inputs, Outputs, Request, State, booted
from drone.sim.flightcontroller_transmitter import Transmitter

TICK_NS = 50_000_000


@dataclass
class Flight:
    """Rules, stand-in and transmitter.

    Attributes:
        stream: a set-point that comes at every `every` ticks; None: none comes.
    """

    rules: Rules
    airframe: Airframe = field(default_factory=StandIn)
    radio: Transmitter | None = Transmitter()
    stream: Setpoint | None = None
    every: int = 1

    def __post_init__(self) -> None:
        self.vehicle = self.airframe.start()
        self.state: State = booted(self.rules.manner)
        self.tick = 0
        self.said: list[str] = []
        self.out: Outputs
        self.run(0.1)

    @property
    def now_ns(self) -> int:
        return self.tick * TICK_NS

    @property
    def height_m(self) -> float:
        return -self.vehicle.position_m[2]

    def ask(self, request: Request) -> int:
        """Ask between two ticks, as a command by MAVLink."""
        inputs = Inputs(self.now_ns, self.vehicle, self.radio, (request,))
        self.state, outputs = step(self.state, inputs, self.rules)
        self.said += [text.text for text in outputs.texts]
        return outputs.answers[0]

    def mode(self, name: str) -> int:
        return self.ask(Request(Ask.MODE, name))

    def run(self, seconds: float) -> Flight:
        for _ in range(round(seconds * 1e9 / TICK_NS)):
            setpoints: tuple[Setpoint, ...] = ()
            if self.stream is not None and self.tick % self.every == 0:
                s = self.stream
                setpoints = (
                    Setpoint(
                        self.now_ns, s.position_m, s.velocity_mps, s.yaw_rad, s.yaw_rate_radps
                    ),
                )
            inputs = Inputs(self.now_ns, self.vehicle, self.radio, (), setpoints)
            self.state, self.out = step(self.state, inputs, self.rules)
            self.said += [text.text for text in self.out.texts]
            self.vehicle = self.airframe.step(self.out.command, self.out.motors)
            self.tick += 1
        return self

    def up(self, height_m: float = 1.0) -> Flight:
        """Arm and take off by commands."""
        manner = self.rules.manner
        if not manner.takeoff_switches:
            assert self.mode(manner.takeoff_mode) == 0
        assert self.ask(Request(Ask.ARM)) == 0
        assert self.ask(Request(Ask.TAKEOFF, height_m=height_m)) == 0
        self.run(6.0)
        assert self.state.mode == manner.after_takeoff
        return self

    def guided(self) -> Flight:
        """Arm, take off, and change to the mode that takes set-points, with a stream of zero."""
        self.up()
        self.stream = Setpoint(0, None, (0.0, 0.0, 0.0), yaw_rate_radps=0.0)
        self.run(1.5)
        assert self.mode(self.rules.manner.setpoint_mode) == 0
        return self.run(0.1)


class Failing(StandIn):
    """A stand-in whose state a test changes."""

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        super().__init__()

    def step(self, command: VelocityCommand, motors: bool) -> VehicleState:
        return replace(super().step(command, motors), **self.changes)
