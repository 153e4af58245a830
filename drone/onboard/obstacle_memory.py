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

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import MemoryConfig
from drone.geometry import StereoCalibration

MOST_POINTS = 48
AGAIN_M = 0.1
"""A point so near to a remembered one, in the same sector, is the same."""
MOST_STEPS = 12
MOST_LOOKS = 16
LOOK_M, COS_LOOK = 0.12, math.cos(math.radians(10.0))
"""Frames less far apart, and less turned, are alike."""
STEP_M = 0.08
"""Between two steps of the way flown."""
JUMP_M = 0.5
"""A larger step between two ticks is no flight: the estimate, or the drone, was put elsewhere."""
ATTACHED_M = 0.05
"""Nearer to the eye than this nothing is in view."""

Point = tuple[float, float, int]
"""North and east, m, in the vehicle's own coordinates, and when it was seen, ns."""


class View(NamedTuple):
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


class Pose(NamedTuple):
    """Where the vehicle says it is.

    Attributes:
        north_m: by its own estimate.
        east_m: likewise.
        yaw_rad: of the body.
    """

    north_m: float
    east_m: float
    yaw_rad: float


class Look(NamedTuple):
    """What one frame saw, and from where.

    Attributes:
        eye_n_m: north of the eye.
        eye_e_m: east of it.
        cos: of the yaw.
        sin: of the yaw.
        stamp_ns: when.
        sectors_m: range per sector.
    """

    eye_n_m: float
    eye_e_m: float
    cos: float
    sin: float
    stamp_ns: int
    sectors_m: tuple[float, ...]

    def like(self, other: Look) -> bool:
        """Return whether both were taken from about the same place in about the same direction."""
        near = math.hypot(self.eye_n_m - other.eye_n_m, self.eye_e_m - other.eye_e_m) < LOOK_M
        return near and self.cos * other.cos + self.sin * other.sin > COS_LOOK


class Memory(NamedTuple):
    """What is remembered.

    Attributes:
        points: obstacles, oldest first.
        looks: what frames saw, oldest first; a new one takes the place of one like it.
        trail: the way flown, oldest first; its last step is where the vehicle is.
        seen_ns: stamp of the latest sectors taken in, -1 before the first.
    """

    points: tuple[Point, ...] = ()
    looks: tuple[Look, ...] = ()
    trail: tuple[Point, ...] = ()
    seen_ns: int = -1


def move(memory: Memory, pose: Pose, now_ns: int, config: MemoryConfig) -> Memory:
    """Return the memory after a tick's motion: the way grows; after a jump nothing is known."""
    here = (pose.north_m, pose.east_m, now_ns)
    if not memory.trail:
        return Memory(memory.points, memory.looks, (here,), memory.seen_ns)
    last = memory.trail[-1]
    step_m = math.hypot(here[0] - last[0], here[1] - last[1])
    if step_m < STEP_M:
        return memory
    if not step_m <= JUMP_M:
        return Memory(trail=(here,))
    oldest_ns = now_ns - ns_from_s(config.trail_s)
    kept = (step for step in memory.trail[1 - MOST_STEPS :] if step[2] >= oldest_ns)
    return Memory(memory.points, memory.looks, (*kept, here), memory.seen_ns)


def remember(
    memory: Memory,
    pose: Pose,
    sectors_m: Sequence[float],
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
    cos, sin = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
    eye_n, eye_e = _eye(pose, view, cos, sin)
    kept, last = [], len(sectors_m) - 1
    left_tan, share = view.left_tan, len(sectors_m) / (view.right_tan - view.left_tan)
    for point in memory.points:  # as `View.sector`, written out: it is most of a tick's work
        north_m, east_m, seen_ns = point
        if seen_ns < oldest_ns:
            continue
        north, east = north_m - eye_n, east_m - eye_e
        ahead = cos * north + sin * east
        if ahead >= ATTACHED_M:
            aside = cos * east - sin * north
            at = (aside / ahead - left_tan) * share
            if 0 <= at <= last + 1 and _cleared(
                math.hypot(ahead, aside), min(int(at), last), sectors_m, config
            ):
                continue
        kept.append(point)
    remember_m = config.remember_m
    for range_m, (tangent, stretch) in zip(sectors_m, _rays(view, len(sectors_m)), strict=True):
        if range_m <= remember_m:  # not where unknown
            ahead = range_m / stretch
            aside = ahead * tangent
            north, east = cos * ahead - sin * aside, sin * ahead + cos * aside
            kept.append((eye_n + north, eye_e + east, stamp_ns))
    look = Look(eye_n, eye_e, cos, sin, stamp_ns, tuple(sectors_m))
    looks = _with(memory.looks, look, oldest_ns)
    return Memory(tuple(kept[-MOST_POINTS:]), looks, memory.trail, stamp_ns)


@functools.cache
def _rays(view: View, sectors: int) -> tuple[tuple[float, float], ...]:
    """Return for each sector its tangent, and how much longer its ray is than what is ahead."""
    tangents = [view.tangent(sector, sectors) for sector in range(sectors)]
    return tuple((tangent, math.sqrt(1 + tangent * tangent)) for tangent in tangents)


def _cleared(range_m: float, sector: int, sectors_m: Sequence[float], config: MemoryConfig) -> bool:
    """Return whether a view sees through a remembered point, or sees it anew.

    The outermost sectors see through nothing: of a thing on the edge they see a part, and soon what
    is behind it.
    """
    if 0 < sector < len(sectors_m) - 1:
        return range_m <= sectors_m[sector] + config.clear_m
    return abs(range_m - sectors_m[sector]) < AGAIN_M


def _with(looks: tuple[Look, ...], look: Look, oldest_ns: int) -> tuple[Look, ...]:
    """Return the looks with a new one, bounded in number and age."""
    if len(looks) > 1 and looks[-1].like(looks[-2]):
        looks = looks[:-1]
    if len(looks) >= MOST_LOOKS or (looks and looks[0].stamp_ns < oldest_ns):
        looks = looks[1:]
    return (*looks, look)


def was_seen(looks: Sequence[Look], north_m: float, east_m: float, view: View) -> bool:
    """Return whether a frame of late looked toward a place and knew what is there, or before it."""
    for look in reversed(looks):
        north, east = north_m - look.eye_n_m, east_m - look.eye_e_m
        ahead = look.cos * north + look.sin * east
        aside = look.cos * east - look.sin * north
        sector = view.sector(ahead, aside, len(look.sectors_m))
        if sector >= 0 and not math.isnan(look.sectors_m[sector]):
            return True
    return False


def around(
    memory: Memory, pose: Pose, now_ns: int, view: View, config: MemoryConfig
) -> tuple[tuple[float, float], ...]:
    """Return what is remembered near the vehicle, out of view and not too old.

    Returns:
        Forward and right of the body's middle, m.
    """
    if not memory.points:
        return ()
    oldest_ns = now_ns - ns_from_s(config.remember_s)
    cos, sin = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
    eye_n, eye_e = _eye(pose, view, cos, sin)
    near = []
    left_tan, right_tan, reach_m = view.left_tan, view.right_tan, config.remember_m
    for north_m, east_m, seen_ns in memory.points:
        north, east = north_m - eye_n, east_m - eye_e
        ahead, aside = cos * north + sin * east, cos * east - sin * north
        in_view = ahead >= ATTACHED_M and left_tan <= aside / ahead <= right_tan
        if in_view or seen_ns < oldest_ns:
            continue
        forward, right = ahead + view.eye_forward_m, aside + view.eye_right_m
        if math.hypot(forward, right) <= reach_m:
            near.append((forward, right))
    return tuple(near)


def _eye(pose: Pose, view: View, cos: float, sin: float) -> tuple[float, float]:
    """Return north and east of the eye."""
    forward, right = view.eye_forward_m, view.eye_right_m
    return (
        pose.north_m + cos * forward - sin * right,
        pose.east_m + sin * forward + cos * right,
    )
