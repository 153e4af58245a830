"""PX4's manner, version 1.14 (`flightcontroller_manners`)."""

from __future__ import annotations

import math

from drone.sim.flightcontroller_manners import (
    DENIED,
    INT32,
    TEMPORARILY_REJECTED,
    Flies,
    FlightMode,
    Knob,
    Manner,
    Parameter,
)

_DEG = math.pi / 180
_STICKS = 1 | 64 | 16
"""MAV_MODE_FLAG: custom, manual input, stabilize."""
_AUTO = 1 | 4 | 8 | 16
"""Custom, auto, guided, stabilize."""
_OFFBOARD = 1 | 16
"""Custom, stabilize: offboard is neither manual nor auto."""


def _custom(main: int, sub: int = 0) -> int:
    """Return HEARTBEAT.custom_mode of a main mode and a sub-mode."""
    return main << 16 | sub << 24


_SWITCH = tuple(f"COM_FLTMODE{k}" for k in range(1, 7))
_MODES = (
    FlightMode("ALTCTL", _custom(2), _STICKS, Flies.STICKS_DRIFTING, arms=True, switch=1),
    FlightMode("POSCTL", _custom(3), _STICKS, Flies.STICKS, arms=True, switch=2),
    FlightMode("AUTO.TAKEOFF", _custom(4, 2), _AUTO, Flies.TAKEOFF, arms=True, switch=10),
    FlightMode("AUTO.LOITER", _custom(4, 3), _AUTO, Flies.HOLD, arms=True, switch=4),
    FlightMode("AUTO.RTL", _custom(4, 5), _AUTO, Flies.RETURN, arms=False, switch=5),
    FlightMode("AUTO.LAND", _custom(4, 6), _AUTO, Flies.LAND, arms=False, switch=11),
    FlightMode("OFFBOARD", _custom(6), _OFFBOARD, Flies.SETPOINTS, arms=True, switch=7),
)
_NUMBERS = (-1, *(mode.switch for mode in _MODES))

PX4 = Manner(
    name="px4",
    autopilot=12,
    version=(1, 14, 3),
    # COMMAND_INT, PARAM_ENCODE_BYTEWISE, SET_POSITION_TARGET_LOCAL_NED, FLIGHT_TERMINATION,
    # MAVLINK2
    capabilities=8 | 16 | 128 | 2048 | 8192,
    modes=_MODES,
    boot_mode="POSCTL",
    setpoint_mode="OFFBOARD",
    takeoff_mode="AUTO.TAKEOFF",
    hold_mode="AUTO.LOITER",
    land_mode="AUTO.LAND",
    return_mode="AUTO.RTL",
    manual_mode="POSCTL",
    takeoff_switches=True,
    after_takeoff="AUTO.LOITER",
    takeoff_is_amsl=True,
    stream_s=1.0,
    stream_hz=2.0,
    hears_always=True,
    climbs_from_ground=True,
    bad_setpoint_stops=False,
    setpoint_loss={0: "POSCTL", 1: "ALTCTL", 3: "AUTO.RTL", 4: "AUTO.LAND", 5: "AUTO.LOITER"},
    setpoint_loss_parameter="COM_OBL_RC_ACT",
    rc_loss={1: "AUTO.LOITER", 2: "AUTO.RTL", 3: "AUTO.LAND"},
    rc_loss_parameter="NAV_RCL_ACT",
    battery_figure="battery_share",
    battery_loss={0: "", 2: "AUTO.LAND", 3: "AUTO.RTL"},
    battery_loss_parameter="COM_LOW_BAT_ACT",
    landing_disarms=False,
    refuses=TEMPORARILY_REJECTED,
    unknown_mode=DENIED,
    tells_mode_at_once=False,
    doubts=True,
    local_home=True,
    rc_goes_quiet=True,
    bytewise=True,
    active_when_armed=True,
    switch_parameters=_SWITCH,
    arm_switch=Parameter("RC_MAP_ARM_SW", 6),
    knobs={
        "setpoint_timeout_s": Knob("COM_OF_LOSS_T", 1.0),
        "rc_exceptions": Knob("COM_RCL_EXCEPT", 1.0),
        "rc_timeout_s": Knob("COM_RC_LOSS_T", 1.0),
        "estimate_timeout_s": Knob("", 1.0),
        "max_speed_mps": Knob("MPC_XY_VEL_MAX", 1.0),
        "max_up_mps": Knob("MPC_Z_VEL_MAX_UP", 1.0),
        "max_down_mps": Knob("MPC_Z_VEL_MAX_DN", 1.0),
        "max_yaw_rate_radps": Knob("MPC_YAWRAUTO_MAX", _DEG),
        "stick_speed_mps": Knob("MPC_VEL_MANUAL", 1.0),
        "stick_climb_mps": Knob("MPC_Z_VEL_MAX_UP", 1.0),
        "stick_yaw_radps": Knob("MPC_MAN_Y_MAX", _DEG),
        "stick_override": Knob("COM_RC_STICK_OV", 0.01),
        "stick_overrides": Knob("COM_RC_OVERRIDE", 1.0),
        "land_speed_mps": Knob("MPC_LAND_SPEED", 1.0),
        "takeoff_speed_mps": Knob("MPC_TKO_SPEED", 1.0),
        "takeoff_height_m": Knob("MIS_TAKEOFF_ALT", 1.0),
        "return_height_m": Knob("RTL_RETURN_ALT", 1.0),
        "idle_disarm_s": Knob("COM_DISARM_PRFLT", 1.0),
        "landed_disarm_s": Knob("COM_DISARM_LAND", 1.0),
        "battery_low": Knob("BAT_CRIT_THR", 1.0),
        "battery_low_s": Knob("", 0.0),
    },
    rates_hz={
        "HEARTBEAT": 1,
        "SYS_STATUS": 5,
        "SYSTEM_TIME": 1,
        "ATTITUDE": 100,
        "ATTITUDE_QUATERNION": 50,
        "LOCAL_POSITION_NED": 30,
        "GLOBAL_POSITION_INT": 10,
        "RC_CHANNELS": 20,
        "BATTERY_STATUS": 0.5,
        "ESTIMATOR_STATUS": 1,
        "EXTENDED_SYS_STATE": 5,
        "HOME_POSITION": 0.5,
        "GPS_GLOBAL_ORIGIN": 1,
    },
    unknown_messages=frozenset(),
    parameters=(
        Parameter("BAT_CRIT_THR", 0.07, low=0.05, high=0.5),
        Parameter("COM_DISARM_LAND", 2, low=-1, high=20),
        Parameter("COM_DISARM_PRFLT", 10, low=-1, high=60),
        *(
            Parameter(name, number, INT32, choices=_NUMBERS)
            for name, number in zip(_SWITCH, (2, 1, 7, 4, 5, 11), strict=True)
        ),
        Parameter("COM_LOW_BAT_ACT", 2, INT32, choices=(0, 2, 3)),
        Parameter("COM_OBL_RC_ACT", 0, INT32, choices=(0, 1, 3, 4, 5)),
        Parameter("COM_OF_LOSS_T", 1, low=0, high=60),
        Parameter("COM_RCL_EXCEPT", 0, INT32, choices=(0, 4)),
        Parameter("COM_RC_LOSS_T", 0.5, low=0, high=35),
        Parameter("COM_RC_OVERRIDE", 3, INT32, low=0, high=3),
        Parameter("COM_RC_STICK_OV", 30, low=5, high=80),
        Parameter("EKF2_EV_CTRL", 0, INT32, choices=(0,)),
        Parameter("EKF2_GPS_CTRL", 0, INT32, choices=(0,)),
        Parameter("EKF2_HGT_REF", 2, INT32, choices=(2,)),
        Parameter("EKF2_OF_CTRL", 1, INT32, choices=(1,)),
        Parameter("MAV_COMP_ID", 1, INT32, choices=(1,)),
        Parameter("MAV_SYS_ID", 1, INT32, choices=(1,)),
        Parameter("MIS_TAKEOFF_ALT", 1.1, low=0.5, high=80),
        Parameter("MPC_LAND_SPEED", 0.4, low=0.1, high=8),
        Parameter("MPC_MAN_Y_MAX", 90, low=0, high=400),
        Parameter("MPC_TKO_SPEED", 0.5, low=0.1, high=5),
        Parameter("MPC_VEL_MANUAL", 1, low=0.1, high=20),
        Parameter("MPC_XY_VEL_MAX", 1, low=0.1, high=20),
        Parameter("MPC_YAWRAUTO_MAX", 60, low=5, high=360),
        Parameter("MPC_Z_VEL_MAX_DN", 0.5, low=0.1, high=4),
        Parameter("MPC_Z_VEL_MAX_UP", 0.5, low=0.1, high=8),
        Parameter("NAV_RCL_ACT", 3, INT32, choices=(1, 2, 3)),
        Parameter("RC_MAP_ARM_SW", 6, INT32, choices=(0, 6)),
        Parameter("RC_MAP_FLTMODE", 5, INT32, choices=(5,)),
        Parameter("RTL_RETURN_ALT", 1.1, low=0, high=150),
    ),
)
