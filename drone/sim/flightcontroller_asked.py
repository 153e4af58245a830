"""What peers ask of the simulated flight controller, from MAVLink's numbers to the rules' words.

In: fields of commands, set-points and parameters. Out: `Request`, `Setpoint`, values. Anything that
is not a number where one is needed asks for nothing.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from drone.geometry import yaw_from_quaternion
from drone.messages import Vector3
from drone.sim.flightcontroller_flying import Setpoint, knows_place
from drone.sim.flightcontroller_manners import REAL32, Parameter, Rules
from drone.sim.flightcontroller_state import Ask, Request
from drone.sim.flightcontroller_telemetry import View

Params = tuple[float, float, float, float, float, float, float]

NAV_LOITER_UNLIM, NAV_RETURN, NAV_LAND, NAV_TAKEOFF = 17, 20, 21, 22
DO_SET_MODE, DO_FLIGHTTERMINATION, COMPONENT_ARM_DISARM = 176, 185, 400
GET_HOME_POSITION, GET_MESSAGE_INTERVAL, SET_MESSAGE_INTERVAL = 410, 510, 511
REQUEST_MESSAGE, REQUEST_AUTOPILOT_CAPABILITIES = 512, 520
"""MAV_CMD."""
_FORCE = 21196.0
"""The number in param2 that arms without checks and disarms in the air."""
_LOCAL, _LOCAL_OFFSET, _BODY, _BODY_OFFSET = 1, 7, 8, 9
"""MAV_FRAME."""
_NO_POSITION, _NO_VELOCITY, _NO_ACCELERATION = 7, 7 << 3, 7 << 6
_IS_FORCE, _NO_YAW, _NO_YAW_RATE = 512, 1024, 2048
"""POSITION_TARGET_TYPEMASK."""
_MOST = 1000.0
"""No velocity or position beyond this is taken for meant."""


def whole(value: float) -> int:
    """Return a float that is a whole number as one, -1 for any other."""
    return int(value) if math.isfinite(value) and value == round(value) else -1


def request_of(number: int, params: Params, view: View) -> Request | None:
    """Return what a command asks the rules for; None for one that they do not know."""
    manner = view.rules.manner
    modes = {
        NAV_LOITER_UNLIM: manner.hold_mode,
        NAV_RETURN: manner.return_mode,
        NAV_LAND: manner.land_mode,
    }
    if number in modes:
        return Request(Ask.MODE, modes[number])
    if number == DO_SET_MODE:
        return Request(Ask.MODE, _mode(params, view.rules))
    if number == NAV_TAKEOFF:
        return Request(Ask.TAKEOFF, height_m=_height_m(params[6], view))
    if number == COMPONENT_ARM_DISARM and params[0] in (0.0, 1.0):
        return Request(Ask.ARM if params[0] else Ask.DISARM, force=params[1] == _FORCE)
    if number == DO_FLIGHTTERMINATION and params[0] == 1.0:
        return Request(Ask.TERMINATE)
    return None


def _mode(params: Params, rules: Rules) -> str:
    """Return the mode of MAV_CMD_DO_SET_MODE, empty where there is none such."""
    main, sub = whole(params[1]), max(0, whole(params[2]))
    if not whole(params[0]) & 1:
        return ""
    # PX4 splits its number into main mode and sub-mode.
    custom = main << 16 | sub << 24 if rules.manner.bytewise else main
    return rules.manner.mode_of(custom) if main >= 0 else ""


def _height_m(altitude_m: float, view: View) -> float:
    """Return the height above home of MAV_CMD_NAV_TAKEOFF, NaN where none was said."""
    if not view.rules.manner.takeoff_is_amsl:
        return altitude_m
    ground_m = view.state.home.position_m[2] if view.state.home else 0.0
    return altitude_m - (view.origin.alt_m - ground_m)


def setpoint_of(message: Any, view: View) -> Setpoint:
    """Return what SET_POSITION_TARGET_LOCAL_NED asks for, in NED; not `good` if it cannot be."""
    mask, frame = message.type_mask, message.coordinate_frame
    offset = frame in (_LOCAL_OFFSET, _BODY, _BODY_OFFSET)
    turned = frame in (_BODY, _BODY_OFFSET)
    position = None if mask & _NO_POSITION else (message.x, message.y, message.z)
    velocity = None if mask & _NO_VELOCITY else (message.vx, message.vy, message.vz)
    if turned:
        position, velocity = _turned(position, view), _turned(velocity, view)
    if offset and position is not None:
        n, e, d = view.vehicle.position_m
        position = (position[0] + n, position[1] + e, position[2] + d)
    setpoint = Setpoint(
        view.now_ns,
        position,
        velocity,
        math.nan if mask & _NO_YAW else message.yaw,
        math.nan if mask & _NO_YAW_RATE else message.yaw_rate,
    )
    good = _frame_is_known(frame, mask, view.rules) and _is_meant(setpoint, mask, view)
    return setpoint if good else Setpoint(view.now_ns, good=False)


def _frame_is_known(frame: int, mask: int, rules: Rules) -> bool:
    if rules.manner.bytewise:
        # PX4 takes velocities in the body's heading, but no positions.
        return frame == _LOCAL or (frame == _BODY and bool(mask & _NO_POSITION))
    return frame in (_LOCAL, _LOCAL_OFFSET, _BODY, _BODY_OFFSET)


def _is_meant(setpoint: Setpoint, mask: int, view: View) -> bool:
    """Return whether a set-point says something that can be followed."""
    if mask & _IS_FORCE and not mask & _NO_ACCELERATION:
        return False
    if setpoint.position_m is None and setpoint.velocity_mps is None:
        return False
    numbers = [*(setpoint.position_m or ()), *(setpoint.velocity_mps or ())]
    numbers += [] if mask & _NO_YAW else [setpoint.yaw_rad]
    numbers += [] if mask & _NO_YAW_RATE else [setpoint.yaw_rate_radps]
    return all(math.isfinite(x) and abs(x) <= _MOST for x in numbers) and knows_place(view.vehicle)


def _turned(vector: Vector3 | None, view: View) -> Vector3 | None:
    """Return a vector of the heading frame in NED."""
    if vector is None:
        return None
    forward, right, down = vector
    yaw = yaw_from_quaternion(view.vehicle.attitude)
    c, s = math.cos(yaw), math.sin(yaw)
    return c * forward - s * right, s * forward + c * right, down


def parameter_on_wire(parameter: Parameter, value: float, bytewise: bool) -> float:
    """Return the float in which a parameter's value travels."""
    if bytewise and parameter.kind != REAL32:
        (cast,) = struct.unpack("<f", struct.pack("<i", round(value)))
        return float(cast)
    return value


def parameter_from_wire(parameter: Parameter, value: float, kind: int, bytewise: bool) -> float:
    """Return the value that came in a float, NaN for one of another type."""
    if not bytewise:
        return value
    if kind != parameter.kind:
        return math.nan
    if kind == REAL32:
        return value
    (whole_value,) = struct.unpack("<i", struct.pack("<f", value))
    return float(whole_value)
