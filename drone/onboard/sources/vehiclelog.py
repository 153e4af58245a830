"""The autopilot's own log beside a recording: the vehicle's state, and what it did when.

    .ulg (PX4) ──────► VehicleLog, by the log's clock ─► placed ─► state and marks by the stamps
    .bin (ArduPilot) ─►                                            of the recording's frames

Nobody knows how the two clocks stand to each other but the user: an offset given by hand says at
which second of the log the recording's first pair was taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drone.clock import NS_PER_S, ns_from_s
from drone.errors import UserError
from drone.geometry import Matrix
from drone.messages import VehicleState
from drone.onboard.camera import Mark
from drone.onboard.track import Track

REACH_NS = ns_from_s(0.5)
"""An attitude farther than this from a moment says nothing about it; logs are thinned out."""
Stamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A value that holds until the next one.

    Attributes:
        stamps_ns: (N,) increasing.
        values: (N,).
    """

    stamps_ns: Stamps
    values: NDArray[np.float64]

    def at(self, stamp_ns: int) -> float:
        """Return the value at a moment, NaN before the first."""
        place = int(np.searchsorted(self.stamps_ns, stamp_ns, side="right")) - 1
        return float(self.values[place]) if place >= 0 else math.nan

    def later(self, by_ns: int) -> Steps:
        """Return the same with other stamps."""
        return Steps(self.stamps_ns + by_ns, self.values)


NOTHING = Steps(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class VehicleLog:
    """What an autopilot logged.

    Attributes:
        path: of the log.
        track: of the body (FRD) in NED; position and velocity are NaN where unknown.
        landed: 1 while on the ground, else 0.
        battery_share: 0-1.
        battery_v: V.
        marks: in order of time.
        notes: what a user should know of it.
    """

    path: Path
    track: Track
    landed: Steps = NOTHING
    battery_share: Steps = NOTHING
    battery_v: Steps = NOTHING
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()

    def placed(self, offset_s: float, last_ns: int) -> VehicleLog:
        """Return the log by the stamps of a recording.

        Args:
            offset_s: second of the log at which the recording's stamps begin.
            last_ns: the recording's last stamp.

        Raises:
            UserError: the two have no time in common.
        """
        first, last = (int(self.track.stamps_ns[i]) for i in (0, -1))
        by_ns = -first - ns_from_s(offset_s)
        if by_ns + last < 0 or by_ns + first > last_ns:
            raise UserError(
                f"{self.path}: {(last - first) / NS_PER_S:.1f} s long, and the recording lies from "
                f"{offset_s:g} s to {offset_s + last_ns / NS_PER_S:.1f} s of it; right is a "
                "--vehicle-offset at which the two have some time in common"
            )
        return replace(
            self,
            track=replace(self.track, stamps_ns=self.track.stamps_ns + by_ns),
            landed=self.landed.later(by_ns),
            battery_share=self.battery_share.later(by_ns),
            battery_v=self.battery_v.later(by_ns),
            marks=tuple(Mark(mark.stamp_ns + by_ns, mark.detail) for mark in self.marks),
        )

    def state(self, stamp_ns: int, seq: int) -> VehicleState | None:
        """Return the state at a moment, None where the log says nothing of it."""
        state = self.track.state(stamp_ns, seq)
        if state is None:
            return None
        return replace(
            state,
            landed=self.landed.at(stamp_ns) > 0,
            battery_share=self.battery_share.at(stamp_ns),
            battery_v=self.battery_v.at(stamp_ns),
        )

    def marks_between(self, after_ns: int | None, until_ns: int) -> tuple[Mark, ...]:
        """Return what happened since a moment; the first time, which mode and what else held."""
        found = [
            mark
            for mark in self.marks
            if mark.stamp_ns <= until_ns and (after_ns is None or mark.stamp_ns > after_ns)
        ]
        if after_ns is None:
            latest = {mark.detail.startswith("mode "): mark for mark in found}
            found = [Mark(until_ns, mark.detail) for mark in latest.values()]
        return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Attitude and, by stamps of its own, position and velocity, as an autopilot logs them.

    Attributes:
        stamps_ns: (N,) of the attitudes.
        attitude: N rotations, NED from FRD.
        moved_ns: (M,) of positions and velocities; M may be 0.
        position_m: (M, 3), NED.
        velocity_mps: (M, 3), NED.
    """

    stamps_ns: Stamps
    attitude: Rotation
    moved_ns: Stamps
    position_m: Matrix
    velocity_mps: Matrix

    def track(self) -> tuple[Track, list[str]]:
        """Return the track at the attitudes' stamps, and what was wrong with the clock."""
        keep, moved = _increasing(self.stamps_ns), _increasing(self.moved_ns)
        dropped = int((~keep).sum() + (~moved).sum())
        notes = [f"its clock runs backwards; {dropped} messages are left out"] if dropped else []
        stamps_ns, at_ns = self.stamps_ns[keep], self.moved_ns[moved]
        position_m = _interpolated(stamps_ns, at_ns, self.position_m[moved])
        velocity_mps = _interpolated(stamps_ns, at_ns, self.velocity_mps[moved])
        found = Track.from_poses(stamps_ns, position_m, self.attitude[keep], velocity_mps, REACH_NS)
        return found.reaching(REACH_NS), notes


def _increasing(stamps_ns: Stamps) -> NDArray[np.bool_]:
    """Return which stamps are later than all before them."""
    latest = np.maximum.accumulate(stamps_ns) if len(stamps_ns) else stamps_ns
    return np.append(True, stamps_ns[1:] > latest[:-1])[: len(stamps_ns)]


def _interpolated(stamps_ns: Stamps, known_ns: Stamps, values: Matrix) -> Matrix:
    """Return (N, 3) values at the stamps, NaN where none was known within `REACH_NS`."""
    if not len(known_ns):
        return np.full((len(stamps_ns), 3), np.nan)
    after = np.searchsorted(known_ns, stamps_ns).clip(0, len(known_ns) - 1)
    before = (after - 1).clip(0)
    distance = np.minimum(abs(known_ns[after] - stamps_ns), abs(known_ns[before] - stamps_ns))
    start = known_ns[0]
    columns = [np.interp(stamps_ns - start, known_ns - start, column) for column in values.T]
    return np.where((distance <= REACH_NS)[:, None], np.stack(columns, axis=1), np.nan)


def changes(stamps_ns: Stamps, texts: list[str]) -> list[Mark]:
    """Return a mark for the first text and for each that differs from the one before."""
    marks: list[Mark] = []
    for stamp_ns, text in zip(stamps_ns, texts, strict=True):
        if not marks or marks[-1].detail != text:
            marks.append(Mark(int(stamp_ns), text))
    return marks


def open_vehicle_log(path: Path) -> VehicleLog:
    """Read an autopilot's log, PX4's or ArduPilot's by its first bytes.

    Raises:
        UserError: it is neither, lacks what is needed, or its reader is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(7)
    except OSError as error:
        raise UserError(f"--vehicle-log {path}: cannot be read: {error.strerror}") from error
    if start == b"ULog\x01\x12\x35":
        from drone.onboard.sources.ulog import read_ulog

        return read_ulog(path)
    if start[:2] == b"\xa3\x95":
        from drone.onboard.sources.dataflash import read_dataflash

        return read_dataflash(path)
    raise UserError(
        f"--vehicle-log {path}: neither a PX4 log (.ulg) nor an ArduPilot DataFlash log (.bin)"
    )
