"""What the simulated flight controller remembers, takes in and gives out.

```
              arm                lift off              15 cm up
 disarmed ─────────► on the ground ──────► lifting off ───────► flying
     ▲                   │      ▲                                 │
     └───────────────────┘      └─────────────────────────────────┘
       disarm: asked for, or by itself             touch-down
```
Beside that runs the mode (`Manner.modes`). `flightcontroller_rules.step` goes from one state to the
next; all here is frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

from drone.messages import VehicleState, VelocityCommand
from drone.sim.flightcontroller_flying import Place, Setpoint, stopping_place
from drone.sim.flightcontroller_manners import FlightMode, Manner, Rules
from drone.sim.flightcontroller_transmitter import Transmitter

INFO, WARNING, CRITICAL = 6, 4, 2
"""MAV_SEVERITY."""
LIFTED_M = 0.15
"""So high above where it was armed the vehicle is off the ground: until then it only climbs, and no
mode but one that lands begins lower."""


class Phase(StrEnum):
    """Where the vehicle is between ground and air."""

    GROUND = "ground"
    LIFTING = "lifting"
    FLYING = "flying"


class Ask(StrEnum):
    """What a peer can ask for by a command."""

    ARM = "arm"
    DISARM = "disarm"
    MODE = "mode"
    TAKEOFF = "takeoff"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Request:
    """A command, of which there is one answer.

    Attributes:
        ask: what.
        mode: with `MODE`: its name, empty for one that does not exist.
        height_m: with `TAKEOFF`: above home, NaN where none was said.
        force: arm without checks, disarm in the air.
    """

    ask: Ask
    mode: str = ""
    height_m: float = math.nan
    force: bool = False


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the rules see in one step.

    Attributes:
        now_ns: the flight controller's clock.
        vehicle: the estimate, the latest there is.
        radio: what the receiver gets; None without a signal.
        requests: commands, in the order in which they came.
        setpoints: likewise.
    """

    now_ns: int
    vehicle: VehicleState
    radio: Transmitter | None = None
    requests: tuple[Request, ...] = ()
    setpoints: tuple[Setpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A STATUSTEXT."""

    severity: int
    text: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the rules want.

    Attributes:
        command: for the vehicle's velocity cascade.
        motors: they turn, or stand on the ground; False: they are cut, and the vehicle falls.
        answers: MAV_RESULT, one a request.
        texts: for the ground station.
    """

    command: VelocityCommand
    motors: bool
    answers: tuple[int, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered.

    Attributes:
        mode: its name.
        armed: motors may turn.
        phase: between ground and air.
        hold: the place that is held; None where none is.
        takeoff_down_m: height of a takeoff on its way, NED, NaN without one.
        setpoint: the one that is followed, or None.
        heard_ns: when the last set-point came; negative: none yet.
        stream_ns: since when they have come without a gap.
        home: where it was armed; None before the first time.
        armed_ns: when it was armed.
        grounded_ns: since when it has been on the ground.
        flew: it has been in the air since it was armed.
        at_home: a return has come to where it lands.
        radio_ns: when the receiver last had a signal; negative: never.
        slot: position of the mode switch; negative: not seen yet.
        arm_switch: the arming switch was up.
        known_ns: when the estimate was last good; negative: never.
        battery_ns: since when the battery has been low; negative: it is not.
        failsafe: what took over; empty where nothing did.
        texts: said in this step.
    """

    mode: str
    armed: bool = False
    phase: Phase = Phase.GROUND
    hold: Place | None = None
    takeoff_down_m: float = math.nan
    setpoint: Setpoint | None = None
    heard_ns: int = -1
    stream_ns: int = -1
    home: Place | None = None
    armed_ns: int = 0
    grounded_ns: int = 0
    flew: bool = False
    at_home: bool = False
    radio_ns: int = -1
    slot: int = -1
    arm_switch: bool = False
    known_ns: int = -1
    battery_ns: int = -1
    failsafe: str = ""
    texts: tuple[Text, ...] = field(default=())

    def saying(self, severity: int, text: str) -> State:
        """Return the same with something to say."""
        return replace(self, texts=(*self.texts, Text(severity, text)))


def booted(manner: Manner) -> State:
    """Return the state after power-up, on the ground."""
    return State(manner.boot_mode)


def mode_of(state: State, rules: Rules) -> FlightMode:
    """Return the mode with all that belongs to it."""
    return rules.manner.mode(state.mode)


def enter(state: State, mode: str, vehicle: VehicleState, rules: Rules) -> State:
    """Return the state in another mode: it begins by staying where the vehicle comes to rest."""
    if mode == state.mode:
        return state
    return replace(
        state,
        mode=mode,
        hold=_clear_of_ground(stopping_place(vehicle), state.home),
        takeoff_down_m=math.nan,
        setpoint=state.setpoint if rules.manner.hears_always else None,
        at_home=False,
    ).saying(INFO, f"mode {mode}")


def _clear_of_ground(place: Place | None, home: Place | None) -> Place | None:
    """Return a place to hold, not so low that holding it would touch the ground."""
    if place is None or home is None:
        return place
    north, east, down = place.position_m
    return replace(place, position_m=(north, east, min(down, home.position_m[2] - LIFTED_M)))


def hear(state: State, setpoints: tuple[Setpoint, ...], rules: Rules) -> State:
    """Return the state after set-points have come; those that cannot be followed stop or fail."""
    manner = rules.manner
    aloft = state.phase is Phase.FLYING and state.mode == manner.setpoint_mode
    if not manner.hears_always and not aloft:
        return state
    for setpoint in setpoints:
        if not setpoint.good and not manner.bad_setpoint_stops:
            continue
        goes_on = 0 <= setpoint.stamp_ns - state.heard_ns <= _longest_gap_ns(manner)
        state = replace(
            state,
            setpoint=setpoint if setpoint.good else Setpoint(setpoint.stamp_ns),
            heard_ns=setpoint.stamp_ns,
            stream_ns=state.stream_ns if goes_on and state.heard_ns >= 0 else setpoint.stamp_ns,
            takeoff_down_m=math.nan if aloft else state.takeoff_down_m,
        )
    return state


def streams(state: State, now_ns: int, rules: Rules) -> bool:
    """Return whether set-points have come at the rate that their mode needs."""
    manner = rules.manner
    if not manner.stream_s:
        return True
    fresh = state.heard_ns >= 0 and now_ns - state.heard_ns <= _longest_gap_ns(manner)
    return fresh and now_ns - state.stream_ns >= round(1e9 * manner.stream_s)


def _longest_gap_ns(manner: Manner) -> int:
    """Return the longest time between two set-points of one stream."""
    return round(1e9 / manner.stream_hz) if manner.stream_hz else 0
