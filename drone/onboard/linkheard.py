"""What an autopilot has said, the latest of each, and what each message adds to it.

In: messages with MAVLink's field names, and when they arrived. Out: facts in our units and words;
what is not known is NaN or None. The numbers of MAVLink's tables are here by name, so that this
needs no MAVLink library.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drone.clock import NS_PER_S
from drone.geometry import quaternion_from_euler
from drone.messages import Vector3, VehicleState
from drone.onboard.linkfacts import Channels, Ground, Heartbeat
from drone.onboard.linkmessages import OWN_COMPONENT
from drone.onboard.losses import fresh
from drone.onboard.manners import PX4, Manner
from drone.onboard.timesync import ClockSync, began_anew

MAV_MODE_FLAG_SAFETY_ARMED = 128
MAV_CMD_DO_SET_MODE = 176
MAV_SYS_STATUS_SENSOR_RC_RECEIVER = 65536
ESTIMATOR_VELOCITY_HORIZ = 2
MAV_RESULT_ACCEPTED, MAV_RESULT_IN_PROGRESS = 0, 5
MAV_PARAM_TYPE_UINT8, MAV_PARAM_TYPE_INT32 = 1, 6
MAV_LANDED_STATE = {1: Ground.STANDING, 2: Ground.IN_AIR, 3: Ground.TAKING_OFF, 4: Ground.LANDING}

UNKNOWN = (math.nan, math.nan, math.nan)
POSITION_S = 0.5
"""An older position does not belong to an attitude."""
BELIEF_S = 1.5
"""What the estimator said of itself counts for so long; unasked, PX4 says it once a second."""
GROUND_S = 2.0
"""Where the vehicle is, told five times a second, is unknown after so long."""
RECEIVER_S = 3.0
"""Likewise whether its RC receiver is well, told twice a second."""
_EARTH_M = 6378137.0
"""Radius of WGS 84 at the equator."""
_NOTHING_16 = 65535
"""Where a field of 16 bits is not filled in."""


@dataclass
class Heard:
    """What the autopilot has said, the latest of each.

    Attributes:
        heartbeat: None before the first.
        channels: likewise.
        vehicle: likewise; made of each attitude with the latest position, as old as the older.
        ground: where the vehicle is, as it was told last.
        home_m: NED, None before it was told.
        refused: the latest order was.
        parameters: by name.
        version: major, minor, patch of its software, None before it was told.
        clock: the autopilot's against ours.
        asked_clock_ns: when it was asked last.
        stamps_ns: the latest of what it measured, by its own clock, by name of the message.
        came_ns: when each message came last, by name.
        position: when it was measured, where, and how fast, NED.
        believed: whether the autopilot believed its velocity when it told last.
        globe: latitude, longitude, 1e-7 degrees, and altitude, mm, of `home` and `origin`.
        battery: share left and voltage.
        rc_lost: the autopilot says that its RC receiver is not well.
    """

    heartbeat: Heartbeat | None = None
    channels: Channels | None = None
    vehicle: VehicleState | None = None
    ground: Ground = Ground.UNKNOWN
    home_m: Vector3 | None = None
    refused: bool = False
    parameters: dict[str, float] = field(default_factory=dict)
    version: tuple[int, int, int] | None = None
    clock: ClockSync = ClockSync()
    asked_clock_ns: int = -1
    stamps_ns: dict[str, int] = field(default_factory=dict)
    came_ns: dict[str, int] = field(default_factory=dict)
    position: tuple[int, Vector3, Vector3] = (-NS_PER_S, UNKNOWN, UNKNOWN)
    believed: bool = False
    globe: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    battery: tuple[float, float] = (math.nan, math.nan)
    rc_lost: bool = False

    @property
    def manner(self) -> Manner | None:
        """How the autopilot wants to be dealt with, None where that is unknown."""
        return None if self.heartbeat is None else self.heartbeat.manner

    def ground_at(self, now_ns: int) -> Ground:
        """Return where the vehicle is, UNKNOWN where nothing was told of late."""
        return self.ground if self._came("EXTENDED_SYS_STATE", now_ns, GROUND_S) else Ground.UNKNOWN

    def receiver_ill(self, now_ns: int) -> str:
        """Return in words why RC channels do not count; empty where they do."""
        if self.rc_lost:
            return "the autopilot says that its RC receiver is not well"
        repeats = self.manner is not None and self.manner.repeats_rc
        if repeats and not self._came("SYS_STATUS", now_ns, RECEIVER_S):
            return "the autopilot does not say whether its RC receiver is well (SYS_STATUS)"
        return ""

    def _came(self, name: str, now_ns: int, longest_s: float) -> bool:
        came_ns = self.came_ns.get(name)
        return came_ns is not None and fresh(came_ns, now_ns, longest_s)

    def believes(self, now_ns: int) -> bool:
        """Return whether the autopilot itself believes the velocity that it sends."""
        if self.manner is None or not self.manner.doubts:
            return True
        return self.believed and self._came("ESTIMATOR_STATUS", now_ns, BELIEF_S)


def _heartbeat(heard: Heard, message: Any, now_ns: int) -> None:
    armed = bool(message.base_mode & MAV_MODE_FLAG_SAFETY_ARMED)
    heard.heartbeat = Heartbeat(now_ns, message.autopilot, message.custom_mode, armed, message.type)


def _measured_ns(heard: Heard, message: Any, now_ns: int) -> int:
    """Return when something was measured, by our clock; what began anew has no answers yet."""
    name, theirs_ns = message.get_type(), message.time_boot_ms * 1_000_000
    stamp_ns = heard.clock.ours_ns(theirs_ns, now_ns)
    if began_anew(heard.stamps_ns.get(name, 0), theirs_ns):
        heard.clock = ClockSync()
        heard.stamps_ns.clear()
    heard.stamps_ns[name] = theirs_ns
    return stamp_ns


def _attitude(heard: Heard, message: Any, now_ns: int) -> None:
    stamp_ns = _measured_ns(heard, message, now_ns)
    at_ns, place_m, velocity_mps = heard.position
    if not (fresh(at_ns, now_ns, POSITION_S) and heard.believes(now_ns)):
        place_m, velocity_mps = UNKNOWN, UNKNOWN
    angles = (message.roll, message.pitch, message.yaw)
    rates = (message.rollspeed, message.pitchspeed, message.yawspeed)
    known = all(map(math.isfinite, (*place_m, *velocity_mps, *angles, *rates)))
    turned = quaternion_from_euler(*angles) if known else (math.nan, *UNKNOWN)
    heard.vehicle = VehicleState(
        seq=heard.vehicle.seq + 1 if heard.vehicle else 0,
        stamp_ns=min(stamp_ns, at_ns) if known else stamp_ns,
        valid=known,
        position_m=place_m,
        velocity_mps=velocity_mps,
        attitude=turned,
        rates_radps=rates,
        landed=heard.ground is Ground.STANDING,
        battery_share=heard.battery[0],
        battery_v=heard.battery[1],
    )


def _position(heard: Heard, message: Any, now_ns: int) -> None:
    place_m = (message.x, message.y, message.z)
    stamp_ns = _measured_ns(heard, message, now_ns)
    heard.position = (stamp_ns, place_m, (message.vx, message.vy, message.vz))


def _status(heard: Heard, message: Any, now_ns: int) -> None:
    """Note the battery, and whether RC is lost: ArduPilot goes on sending its last channels."""
    bit = MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    enabled, healthy = (
        message.onboard_control_sensors_enabled,
        message.onboard_control_sensors_health,
    )
    heard.rc_lost = bool(enabled & bit and not healthy & bit)
    percent, millivolts = message.battery_remaining, message.voltage_battery
    share = percent / 100 if 0 <= percent <= 100 else math.nan
    heard.battery = (share, millivolts / 1000 if 0 < millivolts < _NOTHING_16 else math.nan)


def _channels(heard: Heard, message: Any, now_ns: int) -> None:
    raw = [getattr(message, f"chan{n}_raw") for n in range(1, 19)][: message.chancount]
    heard.channels = Channels(now_ns, tuple(p if p < _NOTHING_16 else 0 for p in raw))


def _ground(heard: Heard, message: Any, now_ns: int) -> None:
    heard.ground = MAV_LANDED_STATE.get(message.landed_state, Ground.UNKNOWN)


def _estimator(heard: Heard, message: Any, now_ns: int) -> None:
    heard.believed = bool(message.flags & ESTIMATOR_VELOCITY_HORIZ)


def _origin(heard: Heard, message: Any, now_ns: int) -> None:
    heard.globe["origin"] = (message.latitude, message.longitude, message.altitude)
    _place_home(heard)


def _home(heard: Heard, message: Any, now_ns: int) -> None:
    heard.globe["home"] = (message.latitude, message.longitude, message.altitude)
    if heard.manner is not None and not heard.manner.local_home:
        _place_home(heard)
        return
    home_m = (message.x, message.y, message.z)
    heard.home_m = home_m if all(map(math.isfinite, home_m)) else None


def _place_home(heard: Heard) -> None:
    """Find home in the local frame, on a plane that touches the globe at its origin."""
    if heard.manner is None or heard.manner.local_home or len(heard.globe) < 2:
        return
    (lat, lon, alt), (lat_0, lon_0, alt_0) = heard.globe["home"], heard.globe["origin"]
    radian = math.radians(1e-7)
    north_m = _EARTH_M * (lat - lat_0) * radian
    east_m = _EARTH_M * math.cos(lat_0 * radian) * (lon - lon_0) * radian
    heard.home_m = (north_m, east_m, (alt_0 - alt) / 1000)


def _acknowledged(heard: Heard, message: Any, now_ns: int) -> None:
    ours = message.target_component in (0, OWN_COMPONENT)  # 0: it does not say whose
    if ours and message.command == MAV_CMD_DO_SET_MODE:
        good = (MAV_RESULT_ACCEPTED, MAV_RESULT_IN_PROGRESS)
        heard.refused = message.result not in good


def _clock(heard: Heard, message: Any, now_ns: int) -> None:
    if message.tc1 and message.ts1 == heard.asked_clock_ns:
        heard.clock = heard.clock.heard(message.ts1, message.tc1, now_ns)


def _parameter(heard: Heard, message: Any, now_ns: int) -> None:
    """Note a parameter; PX4 sends the bits of a whole number in the place of a float."""
    value = float(message.param_value)
    whole = MAV_PARAM_TYPE_UINT8 <= message.param_type <= MAV_PARAM_TYPE_INT32
    if whole and heard.manner is PX4:
        value = float(struct.unpack("<i", struct.pack("<f", value))[0])
    heard.parameters[str(message.param_id)] = value


def _version(heard: Heard, message: Any, now_ns: int) -> None:
    number = message.flight_sw_version
    heard.version = (number >> 24 & 255, number >> 16 & 255, number >> 8 & 255)


HANDLERS: dict[str, Callable[[Heard, Any, int], None]] = {
    "HEARTBEAT": _heartbeat,
    "SYS_STATUS": _status,
    "PARAM_VALUE": _parameter,
    "ATTITUDE": _attitude,
    "LOCAL_POSITION_NED": _position,
    "RC_CHANNELS": _channels,
    "COMMAND_ACK": _acknowledged,
    "TIMESYNC": _clock,
    "AUTOPILOT_VERSION": _version,
    "GPS_GLOBAL_ORIGIN": _origin,
    "ESTIMATOR_STATUS": _estimator,
    "HOME_POSITION": _home,
    "EXTENDED_SYS_STATE": _ground,
}
"""What to do with each message of `linkmessages.READ`."""
