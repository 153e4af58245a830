"""The link to an autopilot: MAVLink messages in, facts out; what is to be sent in, messages out.

The only flight code that knows pymavlink, and thin: no rule about who may fly is here (that is
`linkstate`). Read is what `linkmessages.READ` names, from the autopilot's own component alone.

```
Port ─ bytes ─► take_messages ─► decoder (checksum, signature) ─► the chosen autopilot's? ─► Heard
```
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

from pymavlink.dialects.v20 import common as dialect

from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.onboard.linkdiagnosis import LineCounts, diagnosis, rivalry
from drone.onboard.linkheard import HANDLERS, Heard
from drone.onboard.linkmessages import OWN_COMPONENT, READ
from drone.onboard.losses import fresh
from drone.onboard.manners import Manner, Order
from drone.onboard.mavframes import take_messages
from drone.onboard.mavports import Chunk, Peer, Port
from drone.onboard.obstaclemap import View
from drone.onboard.setpoints import Setpoint

ASK_AGAIN_S = 5.0
"""A message that does not come is asked for again after so long."""
_AUTOPILOT = dialect.MAV_COMP_ID_AUTOPILOT1
_VELOCITY_AND_YAW_RATE = (
    dialect.POSITION_TARGET_TYPEMASK_X_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_Y_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_Z_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_AX_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_AY_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_AZ_IGNORE
    | dialect.POSITION_TARGET_TYPEMASK_YAW_IGNORE
)


class _Codec(dialect.MAVLink):  # type: ignore[misc]
    """pymavlink's, but for one thing: a forged timestamp is not remembered."""

    def check_signature(self, msgbuf: bytearray, src_system: int, src_component: int) -> bool:
        signed = hashlib.sha256(self.signing.secret_key + msgbuf[:-6]).digest()[:6]
        return signed == msgbuf[-6:] and bool(
            super().check_signature(msgbuf, src_system, src_component)
        )


class Autopilot:
    """One autopilot at the end of one line.

    Attributes:
        heard: what it has said.
        counts: what came over the line.
        system: its system id, 0 while none is chosen.
    """

    def __init__(
        self, config: AutopilotConfig, port: Port, key: bytes | None = None, timestamp: int = 0
    ) -> None:
        """Take an open line.

        Args:
            config: of the link.
            port: the line.
            key: of signing, None for none.
            timestamp: of signing, that the first message may carry.
        """
        self.heard, self.counts, self.system = Heard(), LineCounts(), 0
        self._config, self._port = config, port
        self._codec = _Codec(None, config.system_id or 1, OWN_COMPONENT)
        self._codec.signing.secret_key = key
        self._codec.signing.sign_outgoing = key is not None
        self._codec.signing.timestamp = timestamp
        self._stream = bytearray()
        self._peer: Peer | None = None
        self._caller: Peer | None = None
        self._systems: dict[int, int] = {}
        self._senders: dict[int, dict[Peer, int]] = {}
        self._asked: dict[str, int] = {}

    @property
    def timestamp(self) -> int:
        """The signing timestamp that comes next."""
        return int(self._codec.signing.timestamp)

    def attach(self, port: Port) -> None:
        """Go on over another line, since the one before broke."""
        self._port = port
        self._stream.clear()

    # In

    def take(self, chunk: Chunk, now_ns: int) -> Iterator[str]:
        """Take in bytes; yield the name of each message when its facts are in `heard`."""
        self.counts.read_bytes += len(chunk.data)
        self._caller = chunk.sender
        whole = chunk.sender is not None
        buffer = bytearray(chunk.data) if whole else self._stream
        if not whole:
            buffer += chunk.data
        for message in take_messages(buffer, self._decode, _is_known, whole=whole):
            if self._is_ours(message, chunk.sender, now_ns):
                name = str(message.get_type())
                self.heard.came_ns[name] = now_ns
                HANDLERS[name](self.heard, message, now_ns)
                if name == "TIMESYNC" and message.tc1 == 0:
                    self._send(dialect.MAVLink_timesync_message(now_ns, message.ts1))
                yield name

    def _decode(self, data: bytearray) -> Any:
        try:
            message = self._codec.decode(data)
        except dialect.MAVError as error:
            self.counts.unsigned += "signature" in str(error)
            return None
        self.counts.messages += 1
        return message

    def _is_ours(self, message: Any, sender: Peer | None, now_ns: int) -> bool:
        """Return whether to act on a message: the chosen autopilot's, and one that is read."""
        system, component = message.get_srcSystem(), message.get_srcComponent()
        if message.get_type() == "HEARTBEAT":
            if component != _AUTOPILOT or message.autopilot == dialect.MAV_AUTOPILOT_INVALID:
                self.counts.others += 1
                return False
            self._choose(system, sender, now_ns)
        chosen = system == self.system != 0 and component == _AUTOPILOT
        return chosen and sender == self._peer and message.get_type() in HANDLERS

    def _choose(self, system: int, sender: Peer | None, now_ns: int) -> None:
        """Note an autopilot's heartbeat; take it for ours if it is, or if ours is gone."""
        self.counts.systems[system] = self.counts.systems.get(system, 0) + 1
        self._systems[system] = now_ns
        if sender is not None:
            self._senders.setdefault(system, {})[sender] = now_ns
        wanted = self._config.system_id
        if (wanted and system != wanted) or self.is_connected(now_ns):
            return
        if (system, sender) != (self.system, self._peer):
            self.heard = Heard()
        self.system, self._peer = system, sender
        self._codec.srcSystem = system
        self._asked.clear()

    def is_connected(self, now_ns: int) -> bool:
        """Return whether a heartbeat came of late."""
        beat = self.heard.heartbeat
        return beat is not None and fresh(beat.stamp_ns, now_ns, self._config.heartbeat_timeout_s)

    def rivals(self, now_ns: int) -> str:
        """Return in words which autopilots are heard at once; empty where it is one at most."""
        long_s = self._config.heartbeat_timeout_s
        systems = {s: at for s, at in self._systems.items() if fresh(at, now_ns, long_s)}
        if self._config.system_id:
            systems = {s: at for s, at in systems.items() if s == self._config.system_id}
        senders = {
            s: {p for p, at in self._senders.get(s, {}).items() if fresh(at, now_ns, long_s)}
            for s in systems
        }
        return rivalry(systems, senders)

    def diagnosis(self) -> str:
        """Return in words why no autopilot is heard."""
        signed = self._codec.signing.secret_key is not None
        return diagnosis(self._port.name, self.counts, self._config.system_id, signed)

    # Out

    def send_heartbeat(self) -> None:
        """Say that an onboard controller is there, to whoever called, if no autopilot is known.

        An autopilot whose signing timestamp lies far behind is heard only after it has heard ours.
        """
        self._send(
            dialect.MAVLink_heartbeat_message(
                type=dialect.MAV_TYPE_ONBOARD_CONTROLLER,
                autopilot=dialect.MAV_AUTOPILOT_INVALID,
                base_mode=0,
                custom_mode=0,
                system_status=dialect.MAV_STATE_ACTIVE,
                mavlink_version=3,
            ),
            self._peer or self._caller,
        )

    def send_setpoint(self, setpoint: Setpoint, now_ns: int) -> None:
        """Send velocity and yaw rate.

        Raises:
            ValueError: it is not finite; nothing is sent.
        """
        if not all(map(math.isfinite, setpoint)):
            raise ValueError(f"{setpoint} is not finite")
        self._send(
            dialect.MAVLink_set_position_target_local_ned_message(
                self._their_ns(now_ns) // 1_000_000 % 2**32,
                self.system,
                _AUTOPILOT,
                dialect.MAV_FRAME_LOCAL_NED,
                _VELOCITY_AND_YAW_RATE,
                *(0.0, 0.0, 0.0),
                *(setpoint.north_mps, setpoint.east_mps, setpoint.down_mps),
                *(0.0, 0.0, 0.0),
                0.0,
                setpoint.yaw_rate_radps,
            )
        )

    def send_order(self, order: Order, manner: Manner) -> None:
        """Order the autopilot into its own LAND or RETURN mode."""
        self.heard.refused = False
        self._command(dialect.MAV_CMD_DO_SET_MODE, *manner.order_params(order))

    def send_text(self, severity: int, text: str) -> None:
        """Send a line for ground stations; what does not fit is cut off."""
        data = text.encode("ascii", "replace")[:50]
        self._send(dialect.MAVLink_statustext_message(severity, data))

    def send_obstacles(self, distances_cm: tuple[int, ...], view: View, now_ns: int) -> None:
        """Send 72 distances, the first ahead, clockwise (`obstaclemap`)."""
        self._send(
            dialect.MAVLink_obstacle_distance_message(
                self._their_ns(now_ns) // 1000,
                dialect.MAV_DISTANCE_SENSOR_UNKNOWN,
                distances_cm,
                360 // len(distances_cm),
                view.min_cm,
                view.max_cm,
                0.0,
                0.0,
                dialect.MAV_FRAME_BODY_FRD,
            )
        )

    def ask_clock(self, now_ns: int) -> None:
        """Ask for the autopilot's time."""
        self.heard.asked_clock_ns = now_ns
        self._send(dialect.MAVLink_timesync_message(0, now_ns))

    def ask_messages(self, now_ns: int) -> None:
        """Ask for the messages that do not come, and once for each, so that its rate is right."""
        kind = self.heard.manner.name if self.heard.manner else ""
        for read in READ:
            if not read.rate_hz or read.only not in ("", kind):
                continue
            asked_ns = self._asked.get(read.name)
            came_ns = self.heard.came_ns.get(read.name, -ns_from_s(ASK_AGAIN_S))
            comes = fresh(came_ns, now_ns, ASK_AGAIN_S + 1 / read.rate_hz)
            if asked_ns is None or not (comes or fresh(asked_ns, now_ns, ASK_AGAIN_S)):
                self._asked[read.name] = now_ns
                interval_us = 1e6 / read.rate_hz
                self._command(dialect.MAV_CMD_SET_MESSAGE_INTERVAL, read.number, interval_us)

    def ask_parameter(self, name: str) -> None:
        """Ask for a parameter; it comes to `heard.parameters`."""
        self._send(
            dialect.MAVLink_param_request_read_message(self.system, _AUTOPILOT, name.encode(), -1)
        )

    def ask_version(self) -> None:
        """Ask for the version; it comes to `heard.version`."""
        number = dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION
        self._command(dialect.MAV_CMD_REQUEST_MESSAGE, number)

    def _command(self, command: int, *params: float) -> None:
        filled = [float(p) for p in params] + [0.0] * (7 - len(params))
        self._send(
            dialect.MAVLink_command_long_message(self.system, _AUTOPILOT, command, 0, *filled)
        )

    def _send(self, message: Any, to: Peer | None = None) -> None:
        data = message.pack(self._codec)
        self._codec.seq = (self._codec.seq + 1) % 256
        self._port.write(data, to or self._peer)

    def _their_ns(self, now_ns: int) -> int:
        """Return a moment by the autopilot's clock, by ours where theirs is unknown."""
        clock = self.heard.clock
        return max(0, now_ns + clock.offset_ns) if clock.answers else now_ns


def _is_known(number: int) -> bool:
    return number in dialect.mavlink_map
