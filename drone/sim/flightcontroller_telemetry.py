"""What the simulated flight controller tells of itself: MAVLink messages from its state.

In: a `View`. Out: one message by its name, or None where there is nothing true to say: an unknown
position is not sent, except by a manner that `doubts`, which sends what it does not believe.
Unknown fields have the value that MAVLink gives them for unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pymavlink.dialects.v20 import common as mavlink

from drone.geometry import euler_from_quaternion, yaw_from_quaternion
from drone.messages import Vector3, VehicleState
from drone.sim.flightcontroller_flying import knows_place
from drone.sim.flightcontroller_manners import Flies, Rules
from drone.sim.flightcontroller_requests import arming_refusal
from drone.sim.flightcontroller_state import Inputs, Phase, State, mode_of
from drone.sim.flightcontroller_transmitter import Transmitter

_EARTH_M = 6378137.0
_UNKNOWN_U16, _SENT_CHANNELS = 65535, 18


class Origin(NamedTuple):
    """Where on the earth the local frame has its origin: any place will do indoors."""

    lat_deg: float = 51.9906
    lon_deg: float = 4.3767
    alt_m: float = 0.0

    def of(self, position_m: Vector3) -> tuple[int, int, int]:
        """Return latitude and longitude, 1e-7 degrees, and altitude, mm, of a place, NED."""
        north, east, down = position_m
        lat = self.lat_deg + math.degrees(north / _EARTH_M)
        around_m = _EARTH_M * math.cos(math.radians(self.lat_deg))
        lon = self.lon_deg + math.degrees(east / around_m)
        return round(1e7 * lat), round(1e7 * lon), round(1e3 * (self.alt_m - down))


@dataclass(frozen=True, slots=True)
class View:
    """All that telemetry tells of.

    Attributes:
        now_ns: the flight controller's clock, from when it was switched on.
    """

    now_ns: int
    state: State
    vehicle: VehicleState
    radio: Transmitter | None
    rules: Rules
    origin: Origin = Origin()

    @property
    def boot_ms(self) -> int:
        """Time since it was switched on."""
        return self.now_ns // 1_000_000


def _heartbeat(view: View) -> Any:
    mode = mode_of(view.state, view.rules)
    armed = mavlink.MAV_MODE_FLAG_SAFETY_ARMED if view.state.armed else 0
    return mavlink.MAVLink_heartbeat_message(
        mavlink.MAV_TYPE_QUADROTOR,
        view.rules.manner.autopilot,
        mode.base | armed,
        mode.custom,
        _status(view),
        3,
    )


def _status(view: View) -> int:
    """Return MAV_STATE."""
    state = view.state
    if state.failsafe:
        return int(mavlink.MAV_STATE_CRITICAL)
    grounded = state.phase is Phase.GROUND and not view.rules.manner.active_when_armed
    if not state.armed or grounded:
        return int(mavlink.MAV_STATE_STANDBY)
    return int(mavlink.MAV_STATE_ACTIVE)


def _attitude(view: View) -> Any | None:
    if not _level_known(view.vehicle):
        return None
    roll, pitch, yaw = euler_from_quaternion(view.vehicle.attitude)
    rates = view.vehicle.rates_radps
    return mavlink.MAVLink_attitude_message(view.boot_ms, roll, pitch, yaw, *rates)


def _attitude_quaternion(view: View) -> Any | None:
    if not _level_known(view.vehicle):
        return None
    return mavlink.MAVLink_attitude_quaternion_message(
        view.boot_ms, *view.vehicle.attitude, *view.vehicle.rates_radps
    )


def _level_known(vehicle: VehicleState) -> bool:
    return vehicle.valid and all(map(math.isfinite, (*vehicle.attitude, *vehicle.rates_radps)))


def _local_position(view: View) -> Any | None:
    numbers = [*view.vehicle.position_m, *view.vehicle.velocity_mps]
    if not knows_place(view.vehicle):
        if not view.rules.manner.doubts:
            return None
        numbers = [x if math.isfinite(x) else 0.0 for x in numbers]
    return mavlink.MAVLink_local_position_ned_message(view.boot_ms, *numbers)


def _estimator(view: View) -> Any:
    flags = mavlink.ESTIMATOR_ATTITUDE if _level_known(view.vehicle) else 0
    if knows_place(view.vehicle):
        flags |= mavlink.ESTIMATOR_VELOCITY_HORIZ | mavlink.ESTIMATOR_VELOCITY_VERT
        flags |= mavlink.ESTIMATOR_POS_HORIZ_REL | mavlink.ESTIMATOR_POS_VERT_ABS
    else:
        flags |= mavlink.ESTIMATOR_CONST_POS_MODE
    ratios = (0.0,) * 8
    return mavlink.MAVLink_estimator_status_message(view.now_ns // 1000, flags, *ratios)


def _global_position(view: View) -> Any | None:
    vehicle, home = view.vehicle, view.state.home
    if not knows_place(vehicle):
        return None
    ground_m = home.position_m[2] if home else 0.0
    heading = math.degrees(yaw_from_quaternion(vehicle.attitude)) % 360.0
    return mavlink.MAVLink_global_position_int_message(
        view.boot_ms,
        *view.origin.of(vehicle.position_m),
        round(1e3 * (ground_m - vehicle.position_m[2])),
        *(max(-32768, min(32767, round(100 * v))) for v in vehicle.velocity_mps),
        round(100 * heading) % 36000,
    )


def _home(view: View) -> Any | None:
    home = view.state.home
    if home is None:
        return None
    half = home.yaw_rad / 2
    turned = [math.cos(half), 0.0, 0.0, math.sin(half)]
    local_m = home.position_m if view.rules.manner.local_home else (0.0, 0.0, 0.0)
    where = (*view.origin.of(home.position_m), *local_m)
    return mavlink.MAVLink_home_position_message(
        *where, turned, math.nan, math.nan, math.nan, view.now_ns // 1000
    )


def _origin(view: View) -> Any:
    where = view.origin.of((0.0, 0.0, 0.0))
    return mavlink.MAVLink_gps_global_origin_message(*where, view.now_ns // 1000)


def _system_time(view: View) -> Any:
    """Without GPS it knows no date."""
    return mavlink.MAVLink_system_time_message(0, view.boot_ms)


def _sys_status(view: View) -> Any:
    present, healthy = _sensors(view)
    return mavlink.MAVLink_sys_status_message(
        present,
        present,
        healthy,
        0,
        _millivolts(view.vehicle),
        -1,
        _percent(view.vehicle),
        *(0,) * 6,
    )


def _sensors(view: View) -> tuple[int, int]:
    """Return MAV_SYS_STATUS_SENSOR: what there is, and of that what is well."""
    inputs = Inputs(view.now_ns, view.vehicle, view.radio)
    known = knows_place(view.vehicle)
    ready = view.state.armed or not arming_refusal(view.state, inputs, view.rules)
    sensors = {
        mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO: view.vehicle.valid,
        mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL: view.vehicle.valid,
        mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG: view.vehicle.valid,
        mavlink.MAV_SYS_STATUS_SENSOR_OPTICAL_FLOW: known,
        mavlink.MAV_SYS_STATUS_SENSOR_LASER_POSITION: known,
        mavlink.MAV_SYS_STATUS_SENSOR_ANGULAR_RATE_CONTROL: True,
        mavlink.MAV_SYS_STATUS_SENSOR_ATTITUDE_STABILIZATION: True,
        mavlink.MAV_SYS_STATUS_SENSOR_YAW_POSITION: True,
        mavlink.MAV_SYS_STATUS_SENSOR_Z_ALTITUDE_CONTROL: known,
        mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL: known,
        mavlink.MAV_SYS_STATUS_SENSOR_MOTOR_OUTPUTS: True,
        mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER: view.radio is not None,
        mavlink.MAV_SYS_STATUS_AHRS: known,
        mavlink.MAV_SYS_STATUS_PREARM_CHECK: ready,
    }
    if math.isfinite(view.vehicle.battery_v):
        sensors[mavlink.MAV_SYS_STATUS_SENSOR_BATTERY] = True
    return sum(sensors), sum(sensor for sensor, well in sensors.items() if well)


def _millivolts(vehicle: VehicleState) -> int:
    return round(1e3 * vehicle.battery_v) if math.isfinite(vehicle.battery_v) else _UNKNOWN_U16


def _percent(vehicle: VehicleState) -> int:
    return round(100 * vehicle.battery_share) if math.isfinite(vehicle.battery_share) else -1


def _battery(view: View) -> Any:
    return mavlink.MAVLink_battery_status_message(
        0,
        mavlink.MAV_BATTERY_FUNCTION_ALL,
        mavlink.MAV_BATTERY_TYPE_LIPO,
        32767,
        [_millivolts(view.vehicle), *(_UNKNOWN_U16,) * 9],
        -1,
        -1,
        -1,
        _percent(view.vehicle),
    )


def _extended(view: View) -> Any:
    return mavlink.MAVLink_extended_sys_state_message(
        mavlink.MAV_VTOL_STATE_UNDEFINED, _landed(view)
    )


def _landed(view: View) -> int:
    """Return MAV_LANDED_STATE."""
    state, mode = view.state, mode_of(view.state, view.rules)
    if state.phase is Phase.GROUND:
        return int(mavlink.MAV_LANDED_STATE_ON_GROUND)
    rising = state.phase is Phase.LIFTING or math.isfinite(state.takeoff_down_m)
    if state.armed and (rising or mode.flies is Flies.TAKEOFF):
        return int(mavlink.MAV_LANDED_STATE_TAKEOFF)
    sinking = mode.flies is Flies.LAND or (mode.flies is Flies.RETURN and state.at_home)
    return int(mavlink.MAV_LANDED_STATE_LANDING if sinking else mavlink.MAV_LANDED_STATE_IN_AIR)


def _channels(view: View) -> Any | None:
    radio = view.radio
    if radio is None and view.rules.manner.rc_goes_quiet:
        return None
    channels = radio.channels_us if radio else ()
    unused = (_UNKNOWN_U16,) * (_SENT_CHANNELS - len(channels))
    return mavlink.MAVLink_rc_channels_message(
        view.boot_ms, len(channels), *channels, *unused, 255 if radio else 0
    )


def _version(view: View) -> Any:
    manner = view.rules.manner
    major, minor, patch = manner.version
    release = major << 24 | minor << 16 | patch << 8 | mavlink.FIRMWARE_VERSION_TYPE_OFFICIAL
    # Who looks closely sees what it is.
    custom = list(b"simulate")
    return mavlink.MAVLink_autopilot_version_message(
        manner.capabilities, release, 0, 0, 0, custom, [0] * 8, [0] * 8, 0, 0, 0
    )


TELEMETRY: dict[str, Callable[[View], Any | None]] = {
    "HEARTBEAT": _heartbeat,
    "SYS_STATUS": _sys_status,
    "SYSTEM_TIME": _system_time,
    "ATTITUDE": _attitude,
    "ATTITUDE_QUATERNION": _attitude_quaternion,
    "LOCAL_POSITION_NED": _local_position,
    "GLOBAL_POSITION_INT": _global_position,
    "RC_CHANNELS": _channels,
    "BATTERY_STATUS": _battery,
    "ESTIMATOR_STATUS": _estimator,
    "EXTENDED_SYS_STATE": _extended,
    "HOME_POSITION": _home,
    "GPS_GLOBAL_ORIGIN": _origin,
    "AUTOPILOT_VERSION": _version,
}
"""All messages that can be asked for, by name."""
IDS: dict[int, str] = {getattr(mavlink, f"MAVLINK_MSG_ID_{name}"): name for name in TELEMETRY}
