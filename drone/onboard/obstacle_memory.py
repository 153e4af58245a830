"""A short memory of what has left the view, and of where the drone came from.

    sectors of the cue that decides ─┐
    position, yaw (vehicle state) ───┼─► remember ─► Memory ─► around: what is near, out of view
    where the eye looks (View) ──────┘

A pillar that is passed leaves the view half a metre ahead and is touched at the side, unseen. So
each sector's range becomes a point on the floor plan, moved along by the vehicle's own motion. The
estimate of that motion drifts: a point is forgotten after seconds, and after metres. A later view
that sees through a point, or sees it anew, clears it. The way flown is kept likewise: the hull has
swept it, so it leads back out of a corner.

Plain floats, no arrays: it is part of the decision and replays bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drone.clock import ns_from_s
from drone.config import MemoryConfig
from drone.geometry import StereoCalibration

MOST_POINTS = 48
MOST_STEPS = 12
STEP_M = 0.08
"""Between two steps of the way flown."""
JUMP_M = 0.5
"""A larger step between two ticks is no flight: the estimate, or the drone, was put elsewhere."""
ATTACHED_M = 0.05
"""Nearer to the eye than this nothing is in view."""

Point = tuple[float, float, int]
"""North and east, m, in the vehicle's own coordinates, and when it was seen, ns."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the sectors lie; the camera looks along the body's forward axis.

    Attributes:
        left_tan: tangent of the bearing of the view's left edge, right is positive.
        right_tan: of its right edge.
        eye_forward_m: the eye's place in the body.
        eye_right_m: likewise.
    """

    left_tan: float = -0.7
    right_tan: float = 0.7
    eye_forward_m: float = 0.12
    eye_right_m: float = -0.03

    def tangent(self, sector: int, sectors: int) -> float:
        """Return the tangent of a sector's bearing; sectors are equal shares of the image."""
        return self.left_tan + (sector + 0.5) / sectors * (self.right_tan - self.left_tan)

    def sector(self, ahead_m: float, aside_m: float, sectors: int) -> int:
        """Return the sector in which a point of the eye's level frame lies, -1 out of view."""
        if ahead_m < ATTACHED_M:
            return -1
        share = (aside_m / ahead_m - self.left_tan) / (self.right_tan - self.left_tan)
        return min(int(share * sectors), sectors - 1) if 0 <= share <= 1 else -1


def view_of(calibration: StereoCalibration) -> View:
    """Return the view of a calibrated pair's left eye."""
    eye = calibration.left
    forward_m, right_m, _ = calibration.left_in_body_m
    left = (-0.5 - eye.cx) / eye.fx
    return View(left, left + eye.width / eye.fx, forward_m, right_m)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the vehicle says it is.

    Attributes:
        north_m: by its own estimate.
        east_m: likewise.
        yaw_rad: of the body.
    """

    north_m: float
    east_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered.

    Attributes:
        points: obstacles, oldest first.
        trail: the way flown, oldest first.
        seen_ns: stamp of the latest sectors taken in, -1 before the first.
        at: north and east of the latest pose, None before the first.
    """

    points: tuple[Point, ...] = ()
    trail: tuple[Point, ...] = ()
    seen_ns: int = -1
    at: tuple[float, float] | None = None


def move(memory: Memory, pose: Pose, now_ns: int, config: MemoryConfig) -> Memory:
    """Return the memory after a tick's motion: the way grows; after a jump nothing is known."""
    here = (pose.north_m, pose.east_m)
    if memory.at is not None and not math.dist(memory.at, here) <= JUMP_M:
        return Memory(at=here)
    trail = memory.trail
    if not trail or math.dist(trail[-1][:2], here) >= STEP_M:
        oldest_ns = now_ns - ns_from_s(config.trail_s)
        kept = (step for step in trail[-MOST_STEPS + 1 :] if step[2] >= oldest_ns)
        trail = (*kept, (*here, now_ns))
    return Memory(memory.points, trail, memory.seen_ns, here)


def remember(
    memory: Memory,
    pose: Pose,
    sectors_m: tuple[float, ...],
    stamp_ns: int,
    view: View,
    config: MemoryConfig,
) -> Memory:
    """Return the memory with what a frame saw.

    Args:
        memory: moved along to now.
        pose: of the frame.
        sectors_m: range from the eye per sector, left to right, NaN where unknown.
        stamp_ns: of the frame; one that was taken in already changes nothing.
        view: where the sectors lie.
        config: how long and how far to remember.
    """
    if stamp_ns <= memory.seen_ns or not sectors_m:
        return memory
    oldest_ns = stamp_ns - ns_from_s(config.remember_s)
    frame = _Frame(pose, view)
    kept = [
        p
        for p in memory.points
        if p[2] >= oldest_ns and not _cleared(*frame.from_eye(p[0], p[1]), sectors_m, view, config)
    ]
    for sector, range_m in enumerate(sectors_m):
        if range_m <= config.remember_m:  # not where unknown
            kept.append((*frame.to_world(range_m, view.tangent(sector, len(sectors_m))), stamp_ns))
    return Memory(tuple(kept[-MOST_POINTS:]), memory.trail, stamp_ns, memory.at)


def around(
    memory: Memory, pose: Pose, now_ns: int, view: View, config: MemoryConfig
) -> tuple[tuple[float, float], ...]:
    """Return what is remembered near the vehicle, out of view and not too old.

    Returns:
        Forward and right of the body's middle, m.
    """
    oldest_ns = now_ns - ns_from_s(config.remember_s)
    frame = _Frame(pose, view)
    near = []
    for north_m, east_m, stamp_ns in memory.points:
        if stamp_ns < oldest_ns:
            continue
        ahead_m, aside_m = frame.from_eye(north_m, east_m)
        if view.sector(ahead_m, aside_m, 1) >= 0:
            continue
        forward_m, right_m = ahead_m + view.eye_forward_m, aside_m + view.eye_right_m
        if math.hypot(forward_m, right_m) <= config.remember_m:
            near.append((forward_m, right_m))
    return tuple(near)


class _Frame:
    """The level frames of one pose: world, body, eye."""

    __slots__ = ("_c", "_pose", "_s", "_view")

    def __init__(self, pose: Pose, view: View) -> None:
        self._pose, self._view = pose, view
        self._c, self._s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)

    def to_body(self, north_m: float, east_m: float) -> tuple[float, float]:
        """Return forward and right of the body's middle."""
        north, east = north_m - self._pose.north_m, east_m - self._pose.east_m
        return self._c * north + self._s * east, self._c * east - self._s * north

    def from_eye(self, north_m: float, east_m: float) -> tuple[float, float]:
        """Return ahead and aside of the eye."""
        forward, right = self.to_body(north_m, east_m)
        return forward - self._view.eye_forward_m, right - self._view.eye_right_m

    def to_world(self, range_m: float, tangent: float) -> tuple[float, float]:
        """Return north and east of a point by its range from the eye and its bearing."""
        ahead_m = range_m / math.sqrt(1 + tangent * tangent)
        forward = ahead_m + self._view.eye_forward_m
        right = ahead_m * tangent + self._view.eye_right_m
        return (
            self._pose.north_m + self._c * forward - self._s * right,
            self._pose.east_m + self._s * forward + self._c * right,
        )


def _cleared(
    ahead_m: float, aside_m: float, sectors_m: tuple[float, ...], view: View, config: MemoryConfig
) -> bool:
    """Return whether a view shows that a point is not there, or shows it anew."""
    sector = view.sector(ahead_m, aside_m, len(sectors_m))
    if sector < 0:
        return False
    return math.hypot(ahead_m, aside_m) <= sectors_m[sector] + config.clear_m
