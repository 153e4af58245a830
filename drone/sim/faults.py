"""Where faults enter: edits of what the simulator takes in and hands out, by a schedule.

In: the schedule (`FaultConfig`) and a clean frame, vehicle state or command. Out: what arrives
instead. Seq and stamp stay as they were and nothing is marked: to notice is the pilot's business.

Three places, in this order:

- light, before the sensor: `desynchronised` and `miscalibrated` (the scene is drawn again, truly),
  `blurred`, `covered` (`drone.sim.lightfaults`); the sensor's noise comes on top;
- images, after the sensor: the rest of the eyes' faults (`drone.sim.imagefaults`);
- the vehicle (here): what its state says, when commands reach it, how the air moves.

Each fault that draws lots has a random stream of its own, named by the flight's seed and its place
in the schedule: it disturbs no other stream, and neither does a fault added after it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from drone.clock import NS_PER_S, s_from_ns
from drone.config import FaultConfig
from drone.messages import Vector3, VehicleState, VelocityCommand

Value = TypeVar("Value")
FAULTS = 5
"""First number after the seed of every fault's random stream."""
_NAN3 = (math.nan, math.nan, math.nan)


def active(schedule: Sequence[FaultConfig], stamp_ns: int) -> tuple[FaultConfig, ...]:
    """Return the faults that hold at a moment: from `start_s` until before `end_s`."""
    return tuple(f for f in schedule if holds(f, stamp_ns))


def holds(fault: FaultConfig, stamp_ns: int) -> bool:
    """Return whether a fault holds at a moment."""
    now_s = s_from_ns(stamp_ns)
    return fault.start_s <= now_s and (fault.end_s is None or now_s < fault.end_s)


def concerns(fault: FaultConfig, eye: str) -> bool:
    """Return whether a fault concerns this eye (`left` or `right`)."""
    return fault.where in (eye, "pair")


def rng_of(seed: Sequence[int], place: int, use: int = 0) -> np.random.Generator:
    """Return a random stream of the fault at this place in the schedule.

    Args:
        seed: what names the flight: the seed, and the flight's number where it is not the first.
        place: in the schedule.
        use: tells several streams of one fault apart.
    """
    first, *more = seed
    return np.random.default_rng([first, FAULTS, place, use, *more])


class History(Generic[Value]):
    """What was true some time ago.

    State: the newest value that is old enough, and all that came after it.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_ns = round(delay_s * NS_PER_S)
        self._values: deque[tuple[int, Value]] = deque()

    def add(self, stamp_ns: int, value: Value) -> None:
        """Remember a value; stamps never go back."""
        self._values.append((stamp_ns, value))
        while len(self._values) > 1 and self._values[1][0] + self._delay_ns <= stamp_ns:
            self._values.popleft()

    def delayed(self) -> Value:
        """Return the newest value that was old enough at the last `add`; before that, the first.

        Raises:
            IndexError: nothing was added yet.
        """
        return self._values[0][1]

    def at(self, stamp_ns: int) -> Value:
        """Return the newest value that is not later than a moment; before the first, the first."""
        found = self._values[0][1]
        for then_ns, value in self._values:
            if then_ns > stamp_ns:
                break
            found = value
        return found


def vehicle_state(now: Sequence[FaultConfig], state: VehicleState) -> VehicleState:
    """Return what the vehicle says of itself under these faults.

    Without its IMU it knows nothing: an invalid state of NaN. Without a position the rest holds.
    """
    kinds = {f.kind for f in now}
    if "imu_dropout" in kinds:
        lost = (math.nan, math.nan, math.nan, math.nan)
        return replace(
            state,
            valid=False,
            position_m=_NAN3,
            velocity_mps=_NAN3,
            attitude=lost,
            rates_radps=_NAN3,
        )
    return replace(state, position_m=_NAN3) if "position_dropout" in kinds else state


def wind_mps(now: Sequence[FaultConfig]) -> Vector3:
    """Return how the air moves, NED: the sum of all gusts."""
    gusts = [(f.wind_mps, math.radians(f.toward_deg)) for f in now if f.kind == "gust"]
    north = sum(speed * math.cos(toward) for speed, toward in gusts)
    east = sum(speed * math.sin(toward) for speed, toward in gusts)
    return north, east, 0.0


class Link:
    """The way of commands to the vehicle; the slowest delay that holds counts.

    State: the commands of the last seconds. Before the first has arrived the vehicle hovers.
    """

    def __init__(self, schedule: Sequence[FaultConfig]) -> None:
        hover = VelocityCommand(0, 0, True, 0.0, 0.0, 0.0, 0.0)
        self._late = [
            (f, History[VelocityCommand](f.delay_s)) for f in schedule if f.kind == "link_delay"
        ]
        for _, history in self._late:
            history.add(-(1 << 62), hover)

    def send(self, stamp_ns: int, command: VelocityCommand) -> VelocityCommand:
        """Return the command that has reached the vehicle when this one is sent."""
        for _, history in self._late:
            history.add(stamp_ns, command)
        late = [(f.delay_s, history) for f, history in self._late if holds(f, stamp_ns)]
        return max(late, key=lambda pair: pair[0])[1].delayed() if late else command
