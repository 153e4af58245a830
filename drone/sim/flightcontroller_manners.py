"""What tells one autopilot from another: modes, parameters, timeouts, answers, rates, as data.

Two manners: `ARDUPILOT` (Copter 4.5) and `PX4` (1.14). A `Manner` is a table; `Rules` is a manner
with the present values of its parameters. What is done with them is in `flightcontroller_rules`.
Numbers on the wire are those of the real ones; parameters have their names and units, and values
as one would set them for a small vehicle indoors, without GPS.

Sources: ArduPilot's `GCS_MAVLINK_Copter::base_mode`, `Mode::Number` and parameter pages; PX4's
`px4_custom_mode.h`, `HEARTBEAT.hpp`, `failsafe.cpp` and parameter reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

REAL32, INT8, INT16, INT32 = 9, 2, 4, 6
"""MAV_PARAM_TYPE."""
ACCEPTED, TEMPORARILY_REJECTED, DENIED, UNSUPPORTED, FAILED = 0, 1, 2, 3, 4
"""MAV_RESULT."""


class Flies(StrEnum):
    """Who says how the vehicle moves in a mode."""

    STICKS = "sticks"
    """Sticks are velocities; centred, the place is held."""
    STICKS_DRIFTING = "sticks, drifting"
    """Likewise, but centred only the height and heading are held."""
    SETPOINTS = "set-points"
    HOLD = "hold"
    TAKEOFF = "takeoff"
    RETURN = "return"
    LAND = "land"


@dataclass(frozen=True, slots=True)
class FlightMode:
    """One mode.

    Attributes:
        name: in the autopilot's own words.
        custom: HEARTBEAT.custom_mode.
        base: HEARTBEAT.base_mode, MAV_MODE_FLAG, without armed.
        flies: who flies.
        arms: the vehicle may be armed in it.
        switch: value of the parameters that put it on a position of the mode switch.
    """

    name: str
    custom: int
    base: int
    flies: Flies
    arms: bool
    switch: int


class Parameter(NamedTuple):
    """One parameter as it is set at the start.

    Attributes:
        kind: MAV_PARAM_TYPE.
        low: the least that is taken.
        high: the most.
        choices: what is taken, if not everything between.
    """

    name: str
    value: float
    kind: int = REAL32
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[int, ...] = ()

    def takes(self, value: float) -> bool:
        """Return whether this value can be set."""
        if not (math.isfinite(value) and self.low <= value <= self.high):
            return False
        whole = self.kind == REAL32 or value == round(value)
        return whole and (not self.choices or value in self.choices)


class Knob(NamedTuple):
    """A quantity in SI units: a parameter times a scale, or, without one, the scale itself."""

    parameter: str
    scale: float


@dataclass(frozen=True, slots=True)
class Manner:
    """One kind of autopilot.

    Attributes:
        autopilot: MAV_AUTOPILOT.
        version: major, minor, patch of the one whose manner it is.
        capabilities: MAV_PROTOCOL_CAPABILITY.
        modes: all that there are.
        boot_mode: at power-up.
        setpoint_mode: the one that takes set-points.
        takeoff_mode: the one in which a takeoff climbs.
        hold_mode: what MAV_CMD_NAV_LOITER_UNLIM leads to.
        land_mode: likewise MAV_CMD_NAV_LAND.
        return_mode: likewise MAV_CMD_NAV_RETURN_TO_LAUNCH.
        manual_mode: what a stick that takes over leads to.
        takeoff_switches: a takeoff command changes to the takeoff mode; else it must be in it.
        after_takeoff: the mode when the height is reached.
        takeoff_is_amsl: the height in the command is above sea level, not above home.
        stream_s: so long a stream of set-points must have been there before their mode; 0: none.
        stream_hz: of at least this rate.
        hears_always: set-points are heard in every mode (that is the stream).
        climbs_from_ground: an upward set-point lifts off; else set-points on the ground do nothing.
        bad_setpoint_stops: one that cannot be followed stops the vehicle; else it is passed over.
        setpoint_loss: by the parameter `setpoint_loss_parameter`: mode after silence; without one,
            the vehicle stops and the mode stays.
        setpoint_loss_parameter: its name, or empty.
        rc_loss: mode after the loss of RC, by `rc_loss_parameter`; empty: nothing happens.
        rc_loss_parameter: its name.
        battery_figure: field of `VehicleState` that tells a low battery.
        battery_loss: mode when it is low, by `battery_loss_parameter`.
        battery_loss_parameter: its name.
        landing_disarms: modes that land disarm at touch-down, others after a time.
        refuses: answer to what cannot be done now.
        unknown_mode: answer to a mode that does not exist.
        tells_mode_at_once: a heartbeat is sent at every mode change, not only once a second.
        doubts: LOCAL_POSITION_NED is sent also while not believed; ESTIMATOR_STATUS tells.
        local_home: HOME_POSITION says where home is in the local frame; else zeros stand there.
        rc_goes_quiet: without RC no RC_CHANNELS are sent; else they say that there are none.
        bytewise: integer parameters travel by their bytes, not cast to float.
        active_when_armed: MAV_STATE_ACTIVE from arming, not only in the air.
        switch_parameters: which mode is on each of the six positions of the mode switch.
        arm_switch: parameter and value that make channel 6 the arming switch.
        knobs: quantities the rules ask for.
        rates_hz: messages that are sent unasked.
        unknown_messages: those it does not know at all.
        parameters: all that there are, in the order in which they are listed.
    """

    name: str
    autopilot: int
    version: tuple[int, int, int]
    capabilities: int
    modes: tuple[FlightMode, ...]
    boot_mode: str
    setpoint_mode: str
    takeoff_mode: str
    hold_mode: str
    land_mode: str
    return_mode: str
    manual_mode: str
    takeoff_switches: bool
    after_takeoff: str
    takeoff_is_amsl: bool
    stream_s: float
    stream_hz: float
    hears_always: bool
    climbs_from_ground: bool
    bad_setpoint_stops: bool
    setpoint_loss: Mapping[int, str]
    setpoint_loss_parameter: str
    rc_loss: Mapping[int, str]
    rc_loss_parameter: str
    battery_figure: str
    battery_loss: Mapping[int, str]
    battery_loss_parameter: str
    landing_disarms: bool
    refuses: int
    unknown_mode: int
    tells_mode_at_once: bool
    doubts: bool
    local_home: bool
    rc_goes_quiet: bool
    bytewise: bool
    active_when_armed: bool
    switch_parameters: tuple[str, ...]
    arm_switch: Parameter
    knobs: Mapping[str, Knob]
    rates_hz: Mapping[str, float]
    unknown_messages: frozenset[str]
    parameters: tuple[Parameter, ...]

    def mode(self, name: str) -> FlightMode:
        """Return the mode of that name.

        Raises:
            KeyError: there is none.
        """
        return {mode.name: mode for mode in self.modes}[name]

    def mode_of(self, custom: int) -> str:
        """Return the name of the mode of that number, empty where there is none."""
        return next((mode.name for mode in self.modes if mode.custom == custom), "")


@dataclass(frozen=True, slots=True)
class Rules:
    """A manner and the present values of its parameters."""

    manner: Manner
    values: Mapping[str, float]

    @classmethod
    def of(cls, manner: Manner, changes: Mapping[str, float] | None = None) -> Rules:
        """Return the rules as they are set at the start, with some parameters changed.

        Raises:
            ValueError: there is no such parameter, or it does not take the value.
        """
        rules = cls(manner, {p.name: p.value for p in manner.parameters})
        for name, value in (changes or {}).items():
            if not rules.takes(name, value):
                raise ValueError(f"{manner.name} takes no {name} = {value:g}")
            rules = rules.having(name, value)
        return rules

    def takes(self, name: str, value: float) -> bool:
        """Return whether a parameter of that name takes that value."""
        return any(p.name == name and p.takes(value) for p in self.manner.parameters)

    def having(self, name: str, value: float) -> Rules:
        """Return the rules with one parameter changed."""
        return Rules(self.manner, {**self.values, name: value})

    def knob(self, name: str) -> float:
        """Return a quantity in SI units."""
        parameter, scale = self.manner.knobs[name]
        return self.values[parameter] * scale if parameter else scale

    def loss_mode(self, what: str) -> str:
        """Return the mode after a loss, empty where nothing happens.

        Args:
            what: `setpoint`, `rc` or `battery`.
        """
        parameter: str = getattr(self.manner, f"{what}_loss_parameter")
        table: Mapping[int, str] = getattr(self.manner, f"{what}_loss")
        return table[round(self.values[parameter])] if parameter else ""

    def switched_mode(self, slot: int) -> str:
        """Return the mode on a position (0-5) of the mode switch, empty where there is none."""
        value = round(self.values[self.manner.switch_parameters[slot]])
        return next((mode.name for mode in self.manner.modes if mode.switch == value), "")

    @property
    def arms_by_switch(self) -> bool:
        """Channel 6 is an arming switch."""
        name, value, *_ = self.manner.arm_switch
        return self.values[name] == value
