"""The other end of a MAVLink link in tests, by pymavlink's own dialect, and what it holds valid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pymavlink.dialects.v20 import common as mavlink

from drone.sim.flightcontroller import FlightController
from drone.sim.flightcontroller_airframe import Airframe, StandIn
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_transmitter import Transmitter
from drone.sim.flightcontroller_wire import Wire

LIMITS = {
    "uint8_t": (0, 2**8 - 1),
    "uint16_t": (0, 2**16 - 1),
    "uint32_t": (0, 2**32 - 1),
    "uint64_t": (0, 2**64 - 1),
    "int8_t": (-(2**7), 2**7 - 1),
    "int16_t": (-(2**15), 2**15 - 1),
    "int32_t": (-(2**31), 2**31 - 1),
    "int64_t": (-(2**63), 2**63 - 1),
}
MAY_BE_NAN = {"approach_x", "approach_y", "approach_z", "param_value"}
"""Unknown by the dialect, or an integer in the bytes of a float."""


def check_valid(message: Any) -> None:
    """Check a message against pymavlink's dialect: types, ranges, enums, bits."""
    kind = type(message)
    for name, type_name in zip(kind.fieldnames, kind.fieldtypes, strict=True):
        value = getattr(message, name)
        enum = kind.fieldenums_by_name.get(name)
        for one in value if isinstance(value, list | tuple) else [value]:
            where = f"{message.get_type()}.{name} = {one!r}"
            if type_name in LIMITS:
                low, high = LIMITS[type_name]
                assert isinstance(one, int), where
                assert low <= one <= high, where
            elif type_name == "float":
                assert math.isfinite(one) or name in MAY_BE_NAN, where
            if enum and kind.fielddisplays_by_name.get(name) == "bitmask":
                assert one & ~sum(b for b in mavlink.enums[enum] if _one_bit(b)) == 0, where
            elif enum:
                assert one in mavlink.enums[enum], where
                assert not mavlink.enums[enum][one].name.endswith("ENUM_END"), where


def _one_bit(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


class Peer:
    """A companion computer beside a flight controller with a stand-in, in simulated time."""

    def __init__(
        self,
        rules: Rules,
        *,
        airframe: Airframe | None = None,
        keys: tuple[bytes | None, bytes | None] = (None, None),
        ids: tuple[int, int] = (1, 196),
    ) -> None:
        """Start both.

        Args:
            rules: of the flight controller.
            airframe: what it flies.
            keys: the flight controller's signing key, and this end's.
            ids: this end's system and component.
        """
        self.airframe = airframe or StandIn()
        self.vehicle = self.airframe.start()
        self.radio: Transmitter | None = Transmitter()
        stamp = 10**14
        self.controller = FlightController(rules, self.vehicle, wire=Wire(keys[0], stamp))
        self.tick_number = 0
        self.mav = mavlink.MAVLink(None, *ids)
        self.ear = mavlink.MAVLink(None)
        self.mav.signing.timestamp = self.ear.signing.timestamp = stamp
        for mav in (self.mav, self.ear):
            mav.signing.secret_key = keys[1]
            mav.signing.sign_outgoing = keys[1] is not None
        self.heard: list[Any] = []
        self.run(1)

    @property
    def now_ns(self) -> int:
        return self.tick_number * 50_000_000

    def parse(self, datagrams: Iterable[bytes]) -> list[Any]:
        """Return the one message in each datagram, checked against the dialect."""
        messages = []
        for datagram in datagrams:
            assert datagram[0] == mavlink.PROTOCOL_MARKER_V2
            found = self.ear.parse_buffer(datagram) or []
            assert len(found) == 1
            check_valid(found[0])
            assert (found[0].get_srcSystem(), found[0].get_srcComponent()) == (1, 1)
            messages += found
        return messages

    def run(self, ticks: int) -> list[Any]:
        """Let time pass, and return what was told meanwhile."""
        told = []
        for _ in range(ticks):
            outputs, datagrams = self.controller.tick(self.now_ns, self.vehicle, self.radio)
            told += self.parse(datagrams)
            self.vehicle = self.airframe.step(outputs.command, outputs.motors)
            self.tick_number += 1
        self.heard += told
        return told

    def packed(self, message: Any) -> bytes:
        data = bytes(message.pack(self.mav))
        self.mav.seq = (self.mav.seq + 1) % 256
        return data

    def say(self, message: Any) -> list[Any]:
        """Send a message and return the answers."""
        return self.parse(self.controller.hear(self.now_ns, self.packed(message)))

    def command(self, number: int, *params: float) -> tuple[int, list[Any]]:
        """Send COMMAND_LONG, and return the result and what else came."""
        seven = (*params, *(0.0,) * (7 - len(params)))
        ack, *more = self.say(mavlink.MAVLink_command_long_message(1, 1, number, 0, *seven))
        assert ack.get_type() == "COMMAND_ACK"
        assert ack.command == number
        return ack.result, more

    def setpoint(
        self,
        velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        frame: int = mavlink.MAV_FRAME_LOCAL_NED,
        mask: int = 0b010111000111,
        position: tuple[float, float, float] = (0.0, 0.0, 0.0),
        turn: tuple[float, float] = (0.0, 0.0),
        target: tuple[int, int] = (1, 1),
    ) -> Any:
        """Return SET_POSITION_TARGET_LOCAL_NED: velocity and yaw rate, unless said otherwise."""
        return mavlink.MAVLink_set_position_target_local_ned_message(
            self.now_ns // 1_000_000, *target, frame, mask, *position, *velocity, 0, 0, 0, *turn
        )

    def fly(self) -> None:
        """Arm and take off, and change to the mode that takes set-points, with a stream."""
        manner = self.controller.rules.manner
        if not manner.takeoff_switches:
            assert self.mode(manner.takeoff_mode) == 0
        assert self.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1)[0] == 0
        assert self.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 1.0)[0] == 0
        self.run(120)
        for _ in range(30):
            self.say(self.setpoint())
            self.run(1)
        assert self.mode(manner.setpoint_mode) == 0

    def mode(self, name: str) -> int:
        """Change the mode by MAV_CMD_DO_SET_MODE, and return the result."""
        manner = self.controller.rules.manner
        custom = manner.mode(name).custom
        main, sub = (custom >> 16 & 255, custom >> 24) if manner.name == "px4" else (custom, 0)
        return self.command(mavlink.MAV_CMD_DO_SET_MODE, 1, main, sub)[0]
