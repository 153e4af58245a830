"""The manners of autopilots, as data: what their modes are called, and how one is ordered.

In: numbers of a HEARTBEAT. Out: names, and the parameters of MAV_CMD_DO_SET_MODE. Sources:
ArduPilot's `ArduCopter/mode.h` and `GCS_MAVLINK::send_home_position`, PX4's `px4_custom_mode.h` and
`LOCAL_POSITION_NED.hpp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CUSTOM_MODE_ENABLED = 1
"""MAV_MODE_FLAG_CUSTOM_MODE_ENABLED."""

MAV_TYPE_QUADROTOR = 2
MULTICOPTERS = frozenset((MAV_TYPE_QUADROTOR, 3, 4, 13, 14, 15, 29, 35, 43))
"""MAV_TYPE of what flies as these modes say: quad-, hexa-, octo-, tri-, deca- and dodecarotor,
coaxial, helicopter, and multirotors of any kind."""


class Order(StrEnum):
    """What the link may order an autopilot to do by itself."""

    LAND = "land"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Manner:
    """How an autopilot of one kind wants to be dealt with.

    Attributes:
        name: of the kind.
        autopilot: MAV_AUTOPILOT of its heartbeat.
        modes: what each custom mode is called.
        setpoint_modes: names of the modes that take velocity set-points.
        orders: custom mode and sub-mode of MAV_CMD_DO_SET_MODE, its second and third parameter.
        needs_stream: a stream of set-points must run before it enters such a mode.
        doubts: it sends LOCAL_POSITION_NED also while not believed; ESTIMATOR_STATUS tells.
        repeats_rc: it goes on sending its last channels when RC is lost; SYS_STATUS tells.
        local_home: its HOME_POSITION says where home is in the local frame; else on the globe only.
        rest_s: so long zero set-points follow after the last command of the pilot chain, while the
            mode still takes them; it keeps the last one by itself.
    """

    name: str
    autopilot: int
    modes: Mapping[int, str]
    setpoint_modes: frozenset[str]
    orders: Mapping[Order, tuple[int, int]]
    needs_stream: bool
    doubts: bool
    repeats_rc: bool
    local_home: bool
    rest_s: float

    def mode_name(self, custom_mode: int) -> str:
        """Return what a mode is called, or its number in hex where it is unknown."""
        return self.modes.get(custom_mode, f"mode 0x{custom_mode:x}")

    def takes_setpoints(self, custom_mode: int) -> bool:
        """Return whether velocity set-points fly the vehicle in this mode."""
        return self.modes.get(custom_mode) in self.setpoint_modes

    def order_params(self, order: Order) -> tuple[float, float, float]:
        """Return the first three parameters of MAV_CMD_DO_SET_MODE."""
        mode, sub_mode = self.orders[order]
        return float(CUSTOM_MODE_ENABLED), float(mode), float(sub_mode)


def _px4(main: int, sub: int = 0) -> int:
    return main << 16 | sub << 24


ARDUPILOT = Manner(
    name="ArduPilot",
    autopilot=3,
    modes={
        **{0: "STABILIZE", 1: "ACRO", 2: "ALT_HOLD", 3: "AUTO", 4: "GUIDED", 5: "LOITER"},
        **{6: "RTL", 7: "CIRCLE", 9: "LAND", 11: "DRIFT", 13: "SPORT", 14: "FLIP"},
        **{15: "AUTOTUNE", 16: "POSHOLD", 17: "BRAKE", 18: "THROW", 19: "AVOID_ADSB"},
        **{20: "GUIDED_NOGPS", 21: "SMART_RTL", 22: "FLOWHOLD", 23: "FOLLOW", 24: "ZIGZAG"},
        **{25: "SYSTEMID", 26: "AUTOROTATE", 27: "AUTO_RTL", 28: "TURTLE"},
    },
    setpoint_modes=frozenset({"GUIDED"}),
    orders={Order.LAND: (9, 0), Order.RETURN: (6, 0)},
    needs_stream=False,
    doubts=False,
    repeats_rc=True,
    local_home=False,
    rest_s=3.0,  # of GUID_TIMEOUT's default: then it stands still by itself
)

PX4 = Manner(
    name="PX4",
    autopilot=12,
    modes={
        **{_px4(1): "MANUAL", _px4(2): "ALTCTL", _px4(3): "POSCTL", _px4(5): "ACRO"},
        **{_px4(4, 1): "READY", _px4(4, 2): "TAKEOFF", _px4(4, 3): "HOLD", _px4(4, 4): "MISSION"},
        **{_px4(4, 5): "RETURN", _px4(4, 6): "LAND", _px4(4, 8): "FOLLOW", _px4(4, 9): "PRECLAND"},
        **{_px4(4, 10): "VTOL_TAKEOFF", **{_px4(4, 10 + n): f"EXTERNAL{n}" for n in range(1, 9)}},
        **{_px4(6): "OFFBOARD", _px4(7): "STABILIZED", _px4(8): "RATTITUDE"},
        **{_px4(3, 1): "ORBIT", _px4(3, 2): "POSCTL_SLOW", _px4(10): "TERMINATION"},
    },
    setpoint_modes=frozenset({"OFFBOARD"}),
    orders={Order.LAND: (4, 6), Order.RETURN: (4, 5)},
    needs_stream=True,
    doubts=True,
    repeats_rc=False,
    local_home=True,
    rest_s=3.0,
)

MANNERS: Mapping[int, Manner] = {m.autopilot: m for m in (ARDUPILOT, PX4)}
"""By the MAV_AUTOPILOT of a heartbeat."""
