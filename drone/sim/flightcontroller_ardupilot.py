"""ArduPilot's manner, Copter 4.5 (`flightcontroller_manners`)."""

from __future__ import annotations

import math

from drone.sim.flightcontroller_manners import (
    FAILED,
    INT8,
    INT16,
    INT32,
    Flies,
    FlightMode,
    Knob,
    Manner,
    Parameter,
)

_DEG = math.pi / 180
_CM = 0.01
_BASE = 1 | 16 | 64
"""MAV_MODE_FLAG: custom, stabilize, manual input: in all modes."""
_GUIDED = _BASE | 8

_SWITCH = tuple(f"FLTMODE{k}" for k in range(1, 7))
_MODES = (
    FlightMode("ALT_HOLD", 2, _BASE, Flies.STICKS_DRIFTING, arms=True, switch=2),
    FlightMode("GUIDED", 4, _GUIDED, Flies.SETPOINTS, arms=True, switch=4),
    FlightMode("LOITER", 5, _GUIDED, Flies.STICKS, arms=True, switch=5),
    FlightMode("RTL", 6, _GUIDED, Flies.RETURN, arms=False, switch=6),
    FlightMode("LAND", 9, _BASE, Flies.LAND, arms=False, switch=9),
    FlightMode("BRAKE", 17, _GUIDED, Flies.HOLD, arms=False, switch=17),
)
_NUMBERS = tuple(mode.switch for mode in _MODES)

ARDUPILOT = Manner(
    name="ardupilot",
    autopilot=3,
    version=(4, 5, 7),
    # PARAM_FLOAT, COMMAND_INT, SET_POSITION_TARGET_LOCAL_NED, FLIGHT_TERMINATION, MAVLINK2, C_CAST
    capabilities=2 | 8 | 128 | 2048 | 8192 | 131072,
    modes=_MODES,
    boot_mode="LOITER",
    setpoint_mode="GUIDED",
    takeoff_mode="GUIDED",
    hold_mode="LOITER",
    land_mode="LAND",
    return_mode="RTL",
    manual_mode="LOITER",
    takeoff_switches=False,
    after_takeoff="GUIDED",
    takeoff_is_amsl=False,
    stream_s=0.0,
    stream_hz=0.0,
    hears_always=False,
    climbs_from_ground=False,
    bad_setpoint_stops=True,
    setpoint_loss={},
    setpoint_loss_parameter="",
    rc_loss={0: "", 1: "RTL", 3: "LAND"},
    rc_loss_parameter="FS_THR_ENABLE",
    battery_figure="battery_v",
    battery_loss={0: "", 1: "LAND", 2: "RTL"},
    battery_loss_parameter="BATT_FS_LOW_ACT",
    landing_disarms=True,
    refuses=FAILED,
    unknown_mode=FAILED,
    tells_mode_at_once=True,
    doubts=False,
    local_home=False,
    rc_goes_quiet=False,
    bytewise=False,
    active_when_armed=False,
    switch_parameters=_SWITCH,
    arm_switch=Parameter("RC6_OPTION", 153),
    knobs={
        "setpoint_timeout_s": Knob("GUID_TIMEOUT", 1.0),
        "rc_exceptions": Knob("", 0.0),
        "rc_timeout_s": Knob("RC_FS_TIMEOUT", 1.0),
        "estimate_timeout_s": Knob("", 1.0),
        "max_speed_mps": Knob("WPNAV_SPEED", _CM),
        "max_up_mps": Knob("WPNAV_SPEED_UP", _CM),
        "max_down_mps": Knob("WPNAV_SPEED_DN", _CM),
        "max_yaw_rate_radps": Knob("ATC_RATE_Y_MAX", _DEG),
        "stick_speed_mps": Knob("LOIT_SPEED", _CM),
        "stick_climb_mps": Knob("PILOT_SPEED_UP", _CM),
        "stick_yaw_radps": Knob("PILOT_Y_RATE", _DEG),
        "stick_override": Knob("", math.inf),
        "stick_overrides": Knob("", 0.0),
        "land_speed_mps": Knob("LAND_SPEED", _CM),
        "takeoff_speed_mps": Knob("WPNAV_SPEED_UP", _CM),
        "takeoff_height_m": Knob("", math.nan),
        "return_height_m": Knob("RTL_ALT", _CM),
        "idle_disarm_s": Knob("DISARM_DELAY", 1.0),
        "landed_disarm_s": Knob("DISARM_DELAY", 1.0),
        "battery_low": Knob("BATT_LOW_VOLT", 1.0),
        "battery_low_s": Knob("BATT_LOW_TIMER", 1.0),
    },
    rates_hz={
        "HEARTBEAT": 1,
        "SYS_STATUS": 4,
        "SYSTEM_TIME": 4,
        "ATTITUDE": 4,
        "LOCAL_POSITION_NED": 4,
        "GLOBAL_POSITION_INT": 4,
        "RC_CHANNELS": 4,
        "BATTERY_STATUS": 4,
    },
    unknown_messages=frozenset({"ESTIMATOR_STATUS"}),
    parameters=(
        Parameter("ARMING_CHECK", 1, INT32, choices=(0, 1)),
        Parameter("ATC_RATE_Y_MAX", 120, low=10, high=720),
        Parameter("BATT_FS_LOW_ACT", 1, INT8, choices=(0, 1, 2)),
        Parameter("BATT_LOW_TIMER", 10, INT8, low=0, high=120),
        Parameter("BATT_LOW_VOLT", 10.5, low=0, high=100),
        Parameter("DISARM_DELAY", 10, INT8, low=0, high=127),
        Parameter("EK3_SRC1_POSXY", 0, INT8, choices=(0,)),
        Parameter("EK3_SRC1_POSZ", 2, INT8, choices=(2,)),
        Parameter("EK3_SRC1_VELXY", 5, INT8, choices=(5,)),
        Parameter("EK3_SRC1_VELZ", 0, INT8, choices=(0,)),
        Parameter("EK3_SRC1_YAW", 1, INT8, choices=(1,)),
        *(
            Parameter(name, number, INT8, choices=_NUMBERS)
            for name, number in zip(_SWITCH, (5, 2, 4, 17, 6, 9), strict=True)
        ),
        Parameter("FLTMODE_CH", 5, INT8, choices=(5,)),
        Parameter("FENCE_ENABLE", 0, INT8, choices=(0,)),
        Parameter("FLOW_TYPE", 5, INT8, choices=(5,)),
        Parameter("FS_EKF_ACTION", 1, INT8, choices=(1,)),
        Parameter("FS_THR_ENABLE", 3, INT8, choices=(0, 1, 3)),
        Parameter("GPS_TYPE", 0, INT8, choices=(0,)),
        Parameter("GUID_TIMEOUT", 3, low=0.1, high=5),
        Parameter("LAND_SPEED", 30, INT16, low=30, high=200),
        Parameter("LOIT_SPEED", 100, low=20, high=3500),
        Parameter("PILOT_SPEED_UP", 50, INT16, low=50, high=500),
        Parameter("PILOT_Y_RATE", 90, low=1, high=360),
        Parameter("PRX1_TYPE", 0, INT8, choices=(0,)),
        Parameter("RC6_OPTION", 153, INT16, choices=(0, 153)),
        Parameter("RC7_OPTION", 0, INT16, choices=(0,)),
        Parameter("RC_FS_TIMEOUT", 1, low=0.5, high=10),
        Parameter("RTL_ALT", 0, INT32, low=0, high=300000),
        Parameter("SYSID_MYGCS", 255, INT16, low=1, high=255),
        Parameter("SYSID_THISMAV", 1, INT16, choices=(1,)),
        Parameter("WPNAV_SPEED", 100, low=10, high=2000),
        Parameter("WPNAV_SPEED_DN", 50, low=10, high=500),
        Parameter("WPNAV_SPEED_UP", 50, low=10, high=1000),
    ),
)
