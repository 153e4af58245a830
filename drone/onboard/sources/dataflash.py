"""Reads ArduPilot's DataFlash log: attitude, estimated position, mode, battery, by `pymavlink`.

Angles there are degrees of roll, pitch and yaw, positions north, east and down of the first core of
the estimator (XKF1, or NKF1 in old logs), stamps microseconds since boot.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from drone.errors import UserError
from drone.onboard.camera import Mark
from drone.onboard.sources.vehiclelog import NOTHING, Motion, Steps, VehicleLog, changes

_WANTED = ("ATT", "XKF1", "NKF1", "MODE", "MSG", "EV", "ARM", "BAT", "CURR")
_EVENTS = {10: "armed", 11: "disarmed", 18: "landed", 28: "in the air"}
"""Numbers of the message EV that tell what the vehicle does."""
_LANDED = {18: 1.0, 28: 0.0}


@dataclass
class _Found:
    """Rows, each with its stamp in ns first."""

    attitude: list[tuple[int, float, float, float]] = field(default_factory=list)
    moved: list[tuple[int, list[float]]] = field(default_factory=list)
    modes: list[tuple[int, str]] = field(default_factory=list)
    events: list[Mark] = field(default_factory=list)
    landed: list[tuple[int, float]] = field(default_factory=list)
    share: list[tuple[int, float]] = field(default_factory=list)
    volts: list[tuple[int, float]] = field(default_factory=list)


def read_dataflash(path: Path) -> VehicleLog:
    """Read an ArduPilot log.

    Raises:
        UserError: it cannot be read, has no attitude, or `pymavlink` is not installed.
    """
    found = _Found()
    try:
        for message, mode in _messages(path):
            _take(found, message, mode)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a DataFlash log ({error})") from error
    if not found.attitude:
        raise UserError(f"{path}: has no attitude (ATT), and without it no state")
    track, notes = _motion(found).track()
    notes += [] if found.moved else ["no estimated position (XKF1): positions are unknown"]
    stamps_ns = np.array([stamp for stamp, _ in found.modes], np.int64)
    modes = changes(stamps_ns, [text for _, text in found.modes])
    return VehicleLog(
        path,
        track,
        _steps(found.landed),
        _steps(found.share),
        _steps(found.volts),
        tuple(sorted([*modes, *found.events], key=lambda mark: mark.stamp_ns)),
        tuple(f"{path}: {note}" for note in notes),
    )


def _messages(path: Path) -> Iterator[tuple[Any, str]]:
    """Yield the wanted messages, each with the mode that holds."""
    try:
        from pymavlink.DFReader import DFReader_binary
    except ImportError:
        raise UserError(
            f"{path}: reading ArduPilot logs needs pymavlink, which is not installed: "
            "pip install 'drone[autopilot]'"
        ) from None
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        log = DFReader_binary(str(path), zero_time_base=True)
    try:
        while (message := log.recv_match(type=list(_WANTED))) is not None:
            yield message, log.flightmode
    finally:
        log.data_map.close()
        log.filehandle.close()


def _take(found: _Found, message: Any, mode: str) -> None:
    kind, values = message.get_type(), message.to_dict()
    at_ns = int(values.get("TimeUS", 0)) * 1000
    if kind == "ATT":
        angles = (float(values[name]) for name in ("Yaw", "Pitch", "Roll"))
        found.attitude.append((at_ns, *angles))  # type: ignore[arg-type]
    elif kind in ("XKF1", "NKF1") and not values.get("C", 0):
        row = [float(values[name]) for name in ("PN", "PE", "PD", "VN", "VE", "VD")]
        found.moved.append((at_ns, row))
    elif kind == "MODE":
        found.modes.append((at_ns, f"mode {mode.lower().replace('_', ' ')}"))
    elif kind == "EV" and values["Id"] in _EVENTS:
        found.events.append(Mark(at_ns, _EVENTS[values["Id"]]))
        if values["Id"] in _LANDED:
            found.landed.append((at_ns, _LANDED[values["Id"]]))
    elif kind in ("BAT", "CURR") and not values.get("Inst", 0):
        found.volts.append((at_ns, float(values["Volt"])))
        found.share.append((at_ns, float(values.get("RemPct", math.nan)) / 100))


def _motion(found: _Found) -> Motion:
    angles = np.array([row[1:] for row in found.attitude])
    moved = np.array([row for _, row in found.moved]).reshape(-1, 6)
    return Motion(
        np.array([row[0] for row in found.attitude], np.int64),
        Rotation.from_euler("ZYX", angles, degrees=True),
        np.array([stamp for stamp, _ in found.moved], np.int64),
        moved[:, :3],
        moved[:, 3:],
    )


def _steps(rows: list[tuple[int, float]]) -> Steps:
    if not rows:
        return NOTHING
    rows = sorted(rows, key=lambda row: row[0])
    stamps_ns, values = zip(*rows, strict=True)
    return Steps(np.array(stamps_ns, np.int64), np.array(values))
