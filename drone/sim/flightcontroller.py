"""The simulated flight controller: MAVLink on one side, the simulated vehicle on the other.

```
 datagrams ─► hear ─► rules ─► answers to the sender
                        │ news for all: texts, mode, home
 vehicle state, RC ─► tick ─► VelocityCommand, motors
                        └───► telemetry for all
```
No clock and no socket: times are arguments, in ns since it was switched on, and who owns the
sockets (`flightcontroller_server`) carries bytes. It stands between MAVLink and the vehicle's own
velocity cascade (`drone.sim.autopilot`), as a real one's outer loops do.
"""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import common as mavlink

from drone.messages import VehicleState
from drone.sim.flightcontroller_asked import (
    GET_HOME_POSITION,
    GET_MESSAGE_INTERVAL,
    REQUEST_AUTOPILOT_CAPABILITIES,
    REQUEST_MESSAGE,
    SET_MESSAGE_INTERVAL,
    Params,
    parameter_from_wire,
    parameter_on_wire,
    request_of,
    setpoint_of,
    whole,
)
from drone.sim.flightcontroller_flying import Setpoint
from drone.sim.flightcontroller_manners import ACCEPTED, UNSUPPORTED, Parameter, Rules
from drone.sim.flightcontroller_rules import step
from drone.sim.flightcontroller_state import Ask, Inputs, Outputs, Request, State, booted
from drone.sim.flightcontroller_telemetry import IDS, TELEMETRY, Origin, View
from drone.sim.flightcontroller_transmitter import Sight, Transmitter
from drone.sim.flightcontroller_wire import Wire, is_for_us

_SLACK_NS = 20_000_000
"""A message due within this is sent now: telemetry goes out at ticks only."""
_LONGEST_TEXT = 50


class FlightController:
    """One flight controller.

    State: the rules' state, parameters, message rates, what is on its way to all peers.

    Attributes:
        state: of the rules.
        rules: manner and parameters.
        heard: trusted messages so far, whatever they said.
    """

    def __init__(
        self,
        rules: Rules,
        vehicle: VehicleState,
        *,
        wire: Wire | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Switch it on.

        Args:
            rules: manner and parameters.
            vehicle: as it stands there.
            wire: turns messages into bytes; None: an unsigned one.
            origin: where on the earth it believes to be.
        """
        self.rules = rules
        self.state: State = booted(rules.manner)
        self._vehicle = vehicle
        self._radio: Transmitter | None = None
        self._wire = wire or Wire()
        self._origin = origin or Origin()
        self._intervals_ns = {n: round(1e9 / hz) for n, hz in rules.manner.rates_hz.items()}
        self._due_ns = dict.fromkeys(self._intervals_ns, 0)
        unknown = rules.manner.unknown_messages
        self._ids = {number: name for number, name in IDS.items() if name not in unknown}
        self._news: list[Any] = []
        self.heard = 0

    def tick(
        self, now_ns: int, vehicle: VehicleState, radio: Transmitter | None
    ) -> tuple[Outputs, list[bytes]]:
        """Take in the vehicle and the transmitter, and say what to fly.

        Returns:
            what the vehicle shall do until the next tick, and datagrams for all peers.
        """
        self._vehicle, self._radio = vehicle, radio
        outputs = self._step(now_ns)
        return outputs, [*self.news(), *self._telemetry(now_ns)]

    def hear(self, now_ns: int, datagram: bytes) -> list[bytes]:
        """Take in a datagram, and return the answers to its sender."""
        answers: list[Any] = []
        for message in self._wire.unpack(datagram):
            self.heard += 1
            handler = _HANDLERS.get(message.get_type())
            if handler is not None and is_for_us(message):
                answers += handler(self, now_ns, message)
        return [self._wire.pack(message) for message in answers]

    def news(self) -> list[bytes]:
        """Return what has to be told to all peers at once."""
        news, self._news = self._news, []
        return [self._wire.pack(message) for message in news]

    def sight(self, now_ns: int) -> Sight:
        """Return what a person beside the vehicle sees."""
        height_m = -self._vehicle.position_m[2]
        return Sight(now_ns / 1e9, self.state.armed, self.state.mode, height_m)

    def _view(self, now_ns: int) -> View:
        state, origin = self.state, self._origin
        return View(now_ns, state, self._vehicle, self._radio, self.rules, origin)

    def _step(
        self,
        now_ns: int,
        requests: tuple[Request, ...] = (),
        setpoints: tuple[Setpoint, ...] = (),
    ) -> Outputs:
        before = self.state
        inputs = Inputs(now_ns, self._vehicle, self._radio, requests, setpoints)
        self.state, outputs = step(before, inputs, self.rules)
        view = self._view(now_ns)
        for text in outputs.texts:
            words = text.text[:_LONGEST_TEXT].encode()
            self._news.append(mavlink.MAVLink_statustext_message(text.severity, words))
        if self.state.mode != before.mode and self.rules.manner.tells_mode_at_once:
            self._news.append(TELEMETRY["HEARTBEAT"](view))
        if self.state.home != before.home:
            self._news.append(TELEMETRY["HOME_POSITION"](view))
        return outputs

    def _telemetry(self, now_ns: int) -> list[bytes]:
        sent, view = [], self._view(now_ns)
        for name, interval_ns in self._intervals_ns.items():
            if now_ns + _SLACK_NS < self._due_ns[name]:
                continue
            late = now_ns - self._due_ns[name] > interval_ns
            self._due_ns[name] = (now_ns if late else self._due_ns[name]) + interval_ns
            message = TELEMETRY[name](view)
            if message is not None:
                sent.append(self._wire.pack(message))
        return sent

    def _command_long(self, now_ns: int, message: Any) -> list[Any]:
        m = message
        params = (m.param1, m.param2, m.param3, m.param4, m.param5, m.param6, m.param7)
        return self._command(now_ns, m, params)

    def _command_int(self, now_ns: int, message: Any) -> list[Any]:
        m = message
        params = (m.param1, m.param2, m.param3, m.param4, float(m.x), float(m.y), m.z)
        return self._command(now_ns, m, params)

    def _command(self, now_ns: int, message: Any, params: Params) -> list[Any]:
        """Do a command and acknowledge it."""
        number, view = message.command, self._view(now_ns)
        request = request_of(number, params, view)
        told: list[Any] = []
        if request is not None:
            (result,) = self._step(now_ns, requests=(request,)).answers
        elif number == SET_MESSAGE_INTERVAL:
            result = self._set_interval(now_ns, whole(params[0]), params[1])
        else:
            result, told = self._tell(number, whole(params[0]), view)
        sender = message.get_srcSystem(), message.get_srcComponent()
        return [mavlink.MAVLink_command_ack_message(number, result, 0, 0, *sender), *told]

    def _tell(self, number: int, param: int, view: View) -> tuple[int, list[Any]]:
        """Return the result of a command that asks for a message, and the message."""
        asked = {
            REQUEST_MESSAGE: self._ids.get(param, ""),
            GET_HOME_POSITION: "HOME_POSITION",
            REQUEST_AUTOPILOT_CAPABILITIES: "AUTOPILOT_VERSION",
        }
        if number == GET_MESSAGE_INTERVAL and 0 <= param < 65536:
            return ACCEPTED, [self._interval(param)]
        if not asked.get(number):
            return UNSUPPORTED, []
        message = TELEMETRY[asked[number]](view)
        if message is None:
            return view.rules.manner.refuses, []
        return ACCEPTED, [message]

    def _set_interval(self, now_ns: int, number: int, interval_us: float) -> int:
        """Set how often a message is sent: -1 never, 0 as at the start."""
        name = self._ids.get(number, "")
        if not name or not interval_us >= -1 or interval_us > 3.6e9:
            return UNSUPPORTED
        self._intervals_ns.pop(name, None)
        interval_ns = round(1000 * interval_us)
        if interval_us == 0 and name in self.rules.manner.rates_hz:
            interval_ns = round(1e9 / self.rules.manner.rates_hz[name])
        if interval_ns > 0:
            self._intervals_ns[name] = interval_ns
            self._due_ns[name] = now_ns
        return ACCEPTED

    def _interval(self, number: int) -> Any:
        """Return MESSAGE_INTERVAL: 0 for what cannot be sent, -1 for what is not."""
        name = self._ids.get(number, "")
        interval_ns = self._intervals_ns.get(name, -1000 if name else 0)
        return mavlink.MAVLink_message_interval_message(number, interval_ns // 1000)

    def _set_mode(self, now_ns: int, message: Any) -> list[Any]:
        """SET_MODE, which has no answer."""
        mode = self.rules.manner.mode_of(message.custom_mode) if message.base_mode & 1 else ""
        self._step(now_ns, requests=(Request(Ask.MODE, mode),))
        return []

    def _setpoint(self, now_ns: int, message: Any) -> list[Any]:
        self._step(now_ns, setpoints=(setpoint_of(message, self._view(now_ns)),))
        return []

    def _timesync(self, now_ns: int, message: Any) -> list[Any]:
        """Answer a question for the time; an answer to somebody else's is none."""
        return [mavlink.MAVLink_timesync_message(now_ns, message.ts1)] if not message.tc1 else []

    def _list_parameters(self, now_ns: int, message: Any) -> list[Any]:
        return [self._parameter(p) for p in self.rules.manner.parameters]

    def _read_parameter(self, now_ns: int, message: Any) -> list[Any]:
        parameters = self.rules.manner.parameters
        if message.param_index >= 0:
            return [self._parameter(p) for p in parameters[message.param_index :][:1]]
        return [self._parameter(p) for p in parameters if p.name == message.param_id]

    def _set_parameter(self, now_ns: int, message: Any) -> list[Any]:
        """Set a parameter, and answer with what it is now, whether it was taken or not."""
        answers = []
        for p in self.rules.manner.parameters:
            if p.name == message.param_id:
                value = parameter_from_wire(
                    p, message.param_value, message.param_type, self.rules.manner.bytewise
                )
                if p.takes(value):
                    self.rules = self.rules.having(p.name, value)
                answers.append(self._parameter(p))
        return answers

    def _parameter(self, p: Parameter) -> Any:
        parameters = self.rules.manner.parameters
        value = parameter_on_wire(p, self.rules.values[p.name], self.rules.manner.bytewise)
        return mavlink.MAVLink_param_value_message(
            p.name.encode(), value, p.kind, len(parameters), parameters.index(p)
        )

    def _missions(self, now_ns: int, message: Any) -> list[Any]:
        """There are none."""
        sender = message.get_srcSystem(), message.get_srcComponent()
        return [mavlink.MAVLink_mission_count_message(*sender, 0, message.mission_type)]

    def _no_mission(self, now_ns: int, message: Any) -> list[Any]:
        """A mission that somebody wants to give is not taken."""
        sender = message.get_srcSystem(), message.get_srcComponent()
        refused = mavlink.MAV_MISSION_UNSUPPORTED
        return [mavlink.MAVLink_mission_ack_message(*sender, refused, message.mission_type)]


_HANDLERS = {
    "COMMAND_LONG": FlightController._command_long,
    "COMMAND_INT": FlightController._command_int,
    "SET_MODE": FlightController._set_mode,
    "SET_POSITION_TARGET_LOCAL_NED": FlightController._setpoint,
    "TIMESYNC": FlightController._timesync,
    "PARAM_REQUEST_LIST": FlightController._list_parameters,
    "PARAM_REQUEST_READ": FlightController._read_parameter,
    "PARAM_SET": FlightController._set_parameter,
    "MISSION_REQUEST_LIST": FlightController._missions,
    "MISSION_COUNT": FlightController._no_mission,
}
"""What is listened to; all else, however well formed, does nothing."""
