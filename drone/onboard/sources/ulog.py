"""Reads PX4's ULog: attitude, local position, navigation state, battery, by `pyulog`.

Quaternions there are (w, x, y, z) and turn FRD into NED, stamps are microseconds since boot.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drone.errors import UserError
from drone.onboard.camera import Mark
from drone.onboard.sources.vehiclelog import NOTHING, Motion, Steps, VehicleLog, changes

_ATTITUDE, _POSITION = "vehicle_attitude", "vehicle_local_position"
_STATUS, _LANDED, _BATTERY = "vehicle_status", "vehicle_land_detected", "battery_status"
_NEEDED = {
    _ATTITUDE: ("q[0]", "q[1]", "q[2]", "q[3]"),
    _POSITION: ("x", "y", "z", "vx", "vy", "vz"),
    _STATUS: ("nav_state", "arming_state"),
}
"""Fields without which a message says nothing here."""
_ARMED = 2
_MODES = {
    **{0: "manual", 1: "altitude", 2: "position", 3: "mission", 4: "loiter", 5: "return"},
    **{6: "position slow", 10: "acro", 12: "descend", 13: "terminate", 14: "offboard"},
    **{15: "stabilized", 17: "takeoff", 18: "land", 19: "follow", 20: "precision land"},
    **{21: "orbit", 22: "vtol takeoff"},
}
"""`nav_state` of PX4's message vehicle_status."""
Columns = dict[str, NDArray[Any]]


def read_ulog(path: Path) -> VehicleLog:
    """Read a PX4 log.

    Raises:
        UserError: it cannot be read, has no attitude or other messages than PX4's, or `pyulog` is
            not installed.
    """
    tables, corrupt = _tables(path)
    if not len(tables.get(_ATTITUDE, {}).get("timestamp", ())):
        found = ", ".join(sorted(tables)) or "none of what is needed"
        raise UserError(f"{path}: has no {_ATTITUDE}, and without it no state; it has {found}")
    _check_fields(path, tables)
    motion = _motion(tables)
    if not len(motion.stamps_ns):
        raise UserError(f"{path}: no {_ATTITUDE} in it is one, and without it no state")
    track, notes = motion.track()
    notes += [] if len(tables.get(_POSITION, {})) else [f"no {_POSITION}: positions are unknown"]
    notes += ["the log is cut or damaged; what is sound of it is used"] if corrupt else []
    battery = tables.get(_BATTERY, {})
    return VehicleLog(
        path,
        track,
        _steps(tables.get(_LANDED, {}), "landed"),
        _steps(battery, "remaining"),
        _steps(battery, "voltage_v"),
        tuple(_marks(tables.get(_STATUS, {}))),
        tuple(f"{path}: {note}" for note in notes),
    )


def _tables(path: Path) -> tuple[dict[str, Columns], bool]:
    """Return the columns of the first instance of each message, and whether the file is damaged."""
    try:
        from pyulog import ULog
    except ImportError:
        raise UserError(
            f"{path}: reading PX4 logs needs pyulog, which is not installed: "
            "pip install 'drone[autopilot]'"
        ) from None
    wanted = [_ATTITUDE, _POSITION, _STATUS, _LANDED, _BATTERY]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where pyulog puts its warnings
            log = ULog(str(path), wanted)
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a PX4 log ({error})") from error
    tables = {d.name: d.data for d in reversed(log.data_list) if len(d.data.get("timestamp", ()))}
    return tables, bool(log.file_corruption)


def _check_fields(path: Path, tables: dict[str, Columns]) -> None:
    for name, fields in _NEEDED.items():
        missing = [field for field in fields if field not in tables.get(name, fields)]
        if missing:
            raise UserError(
                f"{path}: {name} lacks {', '.join(missing)}; right is the log of a PX4 whose "
                "messages have them"
            )


def _motion(tables: dict[str, Columns]) -> Motion:
    turned, moved = tables[_ATTITUDE], tables.get(_POSITION, {})
    wxyz = np.stack([turned[f"q[{i}]"] for i in range(4)], axis=1).astype(np.float64)
    sound = np.isfinite(wxyz).all(axis=1) & (abs(np.linalg.norm(wxyz, axis=1) - 1) < 0.1)
    position_m, velocity_mps = (
        np.stack([moved[name] for name in names], axis=1).astype(np.float64)
        if moved
        else np.empty((0, 3))
        for names in (("x", "y", "z"), ("vx", "vy", "vz"))
    )
    for value, flag in ((position_m, "xy_valid"), (velocity_mps, "v_xy_valid")):
        if flag in moved:
            value[~moved[flag].astype(bool)] = np.nan
    attitude = Rotation.from_quat(wxyz[sound][:, [1, 2, 3, 0]])
    return Motion(_ns(turned)[sound], attitude, _ns(moved), position_m, velocity_mps)


def _marks(status: Columns) -> list[Mark]:
    if not status:
        return []
    stamps_ns = _ns(status)
    modes = [f"mode {_MODES.get(int(n), f'nav_state {n}')}" for n in status["nav_state"]]
    armed = ["armed" if n == _ARMED else "disarmed" for n in status["arming_state"]]
    both = [*changes(stamps_ns, armed), *changes(stamps_ns, modes)]
    return sorted(both, key=lambda mark: mark.stamp_ns)


def _steps(table: Columns, name: str) -> Steps:
    if name not in table:
        return NOTHING
    order = np.argsort(_ns(table), kind="stable")
    return Steps(_ns(table)[order], table[name].astype(np.float64)[order])


def _ns(table: Columns) -> NDArray[np.int64]:
    stamps: NDArray[np.int64] = np.asarray(table.get("timestamp", ()), np.int64) * 1000
    return stamps
