"""A room is data: its size, what covers it, what stands in it, where the light comes from.

In: `RoomConfig` and a seed. Out: a `Room`, and free poses in it. Room frame: NED, origin the middle
of the floor, x north along the length, y east along the width, z down, so that the floor is z = 0
and the ceiling z = -height. Whatever stands in the room keeps `GAP_M` from everything else, or
touches it, so that a drone is never trapped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from drone.config import RoomConfig
from drone.errors import UserError, WorkFailedError
from drone.messages import Vector3

GAP_M = 1.25
"""Least way between two things: twice the hull of 0.52 m and a fifth more."""
CLEARANCE_M = 0.60
"""Of a free pose, from the drone's middle: half the hull's diagonal (0.37 m) and as far again
as it drifts while it stops."""
AHEAD_M = 1.5
"""A free pose looks down a free way so long ..."""
WAY_HALF_WIDTH_M = 0.41
"""... and so wide to each side: the hull and its margin (`drone.config.CorridorConfig`)."""
_LAYOUTS, _TRIES_PER_OBSTACLE, _TRIES_PER_POSE = 40, 60, 4000

Point = tuple[float, float]
"""(north, east), m."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What covers a wall, the floor or the ceiling.

    Attributes:
        material: one of `drone.sim.textures.MATERIALS`.
        seed: names the picture.
    """

    material: str
    seed: int


@dataclass(frozen=True)
class Obstacle:
    """An upright box on the floor. Its own x axis is its front's normal, y its width's.

    Attributes:
        kind: `pillar`, `crate`, `cupboard`, `shelf` or `chest`; says how it is painted.
        north_m: of its middle.
        east_m: of its middle.
        yaw_rad: of its front.
        depth_m: along its own x.
        width_m: along its own y.
        height_m: from the floor.
        surface: what covers it.
    """

    kind: str
    north_m: float
    east_m: float
    yaw_rad: float
    depth_m: float
    width_m: float
    height_m: float
    surface: Surface

    @cached_property
    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Footprint, (north, east) in m: front right, back right, back left, front left."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        x, y = self.depth_m / 2, self.width_m / 2
        front_right, back_right, back_left, front_left = (
            (self.north_m + c * a - s * b, self.east_m + s * a + c * b)
            for a, b in ((x, y), (-x, y), (-x, -y), (x, -y))
        )
        return front_right, back_right, back_left, front_left

    def distance_m(self, north_m: float, east_m: float) -> float:
        """Return how far a point lies from the footprint, m, 0 inside."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        dn, de = north_m - self.north_m, east_m - self.east_m
        x = abs(c * dn + s * de) - self.depth_m / 2
        y = abs(c * de - s * dn) - self.width_m / 2
        return math.hypot(max(x, 0.0), max(y, 0.0))

    def gap_m(self, other: Obstacle) -> float:
        """Return the least distance between two footprints, m.

        It lies at a corner of one of them. (Two that cross without a corner inside the other come
        out too far by at most half their thinner sides, still below `GAP_M` at our sizes.)
        """
        mine = min(other.distance_m(*corner) for corner in (*self.corners, self._middle))
        return min(mine, *(self.distance_m(*corner) for corner in (*other.corners, other._middle)))

    @property
    def _middle(self) -> Point:
        return self.north_m, self.east_m


class Pose(NamedTuple):
    """A place in the room and a heading: m and rad."""

    north_m: float
    east_m: float
    yaw_rad: float


@dataclass(frozen=True)
class Room:
    """A box-shaped room.

    Attributes:
        length_m: north to south.
        width_m: east to west.
        height_m: floor to ceiling.
        walls: north, east, south, west.
        floor: its cover.
        ceiling: its cover.
        obstacles: what stands in it.
        light: unit vector from the room towards the light, NED.
    """

    length_m: float
    width_m: float
    height_m: float
    walls: tuple[Surface, Surface, Surface, Surface]
    floor: Surface
    ceiling: Surface
    obstacles: tuple[Obstacle, ...]
    light: Vector3

    def clearance_m(self, north_m: float, east_m: float) -> float:
        """Return the distance from a point to the nearest wall or obstacle, m; < 0 outside."""
        walls = min(self.length_m / 2 - abs(north_m), self.width_m / 2 - abs(east_m))
        return min([walls, *(o.distance_m(north_m, east_m) for o in self.obstacles)])

    def is_free(self, pose: Pose) -> bool:
        """Return whether a drone can hover at a pose and fly off ahead."""
        if self.clearance_m(pose.north_m, pose.east_m) < CLEARANCE_M:
            return False
        c, s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
        steps = (AHEAD_M * k / 10 for k in range(1, 11))
        return all(
            self.clearance_m(pose.north_m + c * d, pose.east_m + s * d) >= WAY_HALF_WIDTH_M
            for d in steps
        )

    def free_pose(self, rng: np.random.Generator) -> Pose:
        """Return a random free pose.

        Raises:
            WorkFailedError: none was found.
        """
        half = self.length_m / 2 - CLEARANCE_M, self.width_m / 2 - CLEARANCE_M
        for _ in range(_TRIES_PER_POSE):
            north, east, turn = rng.uniform(-1, 1, 3)
            pose = Pose(float(north * half[0]), float(east * half[1]), float(turn * math.pi))
            if self.is_free(pose):
                return pose
        raise WorkFailedError(
            f"no free place {CLEARANCE_M} m from everything and with {AHEAD_M} m free ahead in a "
            f"room of {self.length_m:g} x {self.width_m:g} m with {len(self.obstacles)} obstacles"
        )

    def plan(self) -> tuple[tuple[Point, ...], ...]:
        """Return outlines to draw, (north, east) in m: the walls first, then every obstacle."""
        n, e = self.length_m / 2, self.width_m / 2
        walls = ((n, e), (-n, e), (-n, -e), (n, -e))
        return (walls, *(o.corners for o in self.obstacles))


def room_from_seed(config: RoomConfig, seed: int) -> Room:
    """Return the room that a seed names.

    Raises:
        UserError: so many obstacles do not fit.
    """
    rng = np.random.default_rng([seed, 1])
    obstacles = _furnish(rng, config)
    light = np.array([*rng.uniform(-1, 1, 2), -rng.uniform(0.4, 1.0)])
    north, east, down = (float(c) for c in light / np.linalg.norm(light))
    first, second, third, fourth = (
        _cover(rng, ("plaster", "plaster", "wallpaper", "brick", "panel")) for _ in range(4)
    )
    return Room(
        length_m=config.length_m,
        width_m=config.width_m,
        height_m=config.height_m,
        walls=(first, second, third, fourth),
        floor=_cover(rng, ("planks", "carpet", "tiles")),
        ceiling=_cover(rng, ("plaster", "tiles")),
        obstacles=obstacles,
        light=(north, east, down),
    )


def _cover(rng: np.random.Generator, materials: Sequence[str]) -> Surface:
    return Surface(str(rng.choice(list(materials))), int(rng.integers(2**31)))


def _furnish(rng: np.random.Generator, config: RoomConfig) -> tuple[Obstacle, ...]:
    """Try layouts until all obstacles stand."""
    most = 0
    for _ in range(_LAYOUTS):
        placed = _layout(rng, config)
        most = max(most, len(placed))
        if len(placed) == config.obstacles:
            return tuple(placed)
    raise UserError(
        f"sim.room.obstacles = {config.obstacles} do not fit into {config.length_m:g} x "
        f"{config.width_m:g} m with gaps of {GAP_M} m; {most} would"
    )


def _layout(rng: np.random.Generator, config: RoomConfig) -> list[Obstacle]:
    """Place obstacles one by one, the first a pillar; give up on the first that does not fit."""
    placed: list[Obstacle] = []
    while len(placed) < config.obstacles:
        for _ in range(_TRIES_PER_OBSTACLE):
            kind = "pillar" if not placed else _kind(rng)
            candidate = _candidate(rng, config, kind)
            if all(candidate.gap_m(other) >= GAP_M for other in placed):
                placed.append(candidate)
                break
        else:
            break
    return placed


def _kind(rng: np.random.Generator) -> str:
    kinds = ["pillar", "crate", "cupboard", "shelf", "chest"]
    return str(rng.choice(kinds, p=[0.42, 0.18, 0.18, 0.14, 0.08]))


def _candidate(rng: np.random.Generator, config: RoomConfig, kind: str) -> Obstacle:
    """Return an obstacle of a kind with the size of a real one, somewhere it may stand."""
    if kind == "pillar":
        side = float(rng.uniform(0.15, 0.40))
        size = (side, side, config.height_m)
        surface = _cover(rng, ("concrete", "brick", "panel", "wallpaper"))
    else:
        low, high = _SIZES[kind]
        depth, width, height = (float(s) for s in rng.uniform(low, high))
        size = (depth, width, min(height, config.height_m))
        surface = _cover(rng, ("cardboard",) if kind in ("crate", "chest") else ("panel",))
    at_wall = kind in ("cupboard", "shelf")
    pose = (_pose_at_wall if at_wall else _pose_in_the_open)(rng, config, size)
    return Obstacle(kind, *pose, *size, surface)


_SIZES = {
    "crate": ((0.40, 0.40, 1.35), (0.70, 0.80, 1.90)),
    "cupboard": ((0.40, 0.70, 1.40), (0.60, 1.10, 2.00)),
    "shelf": ((0.28, 0.70, 1.50), (0.40, 1.40, 2.10)),
    "chest": ((0.40, 0.50, 0.45), (0.60, 0.90, 0.80)),
}
"""Least and greatest depth, width and height, m. Only the chest stays below the flying height."""


def _pose_in_the_open(
    rng: np.random.Generator, config: RoomConfig, size: tuple[float, float, float]
) -> Pose:
    """Return a pose with a way between the obstacle and every wall (in the middle if need be)."""
    radius = math.hypot(size[0], size[1]) / 2
    half = [max(0.0, s / 2 - GAP_M - radius) for s in (config.length_m, config.width_m)]
    north, east, turn = rng.uniform(-1, 1, 3)
    return Pose(float(north * half[0]), float(east * half[1]), float(turn * math.pi))


def _pose_at_wall(
    rng: np.random.Generator, config: RoomConfig, size: tuple[float, float, float]
) -> Pose:
    """Return a pose with the back to a wall: in a corner, or with a way to both corners."""
    side = int(rng.integers(4))
    along_m, across_m = config.width_m, config.length_m
    if side % 2:
        along_m, across_m = across_m, along_m
    corner = along_m / 2 - size[1] / 2
    free = max(0.0, corner - GAP_M)
    along = float(rng.uniform(-free, free) if rng.random() < 0.6 else rng.choice([-corner, corner]))
    away = across_m / 2 - size[0] / 2
    spots = ((away, along, math.pi), (along, away, -math.pi / 2))
    north, east, yaw = spots[side % 2]
    return Pose(north, east, yaw) if side < 2 else Pose(-north, -east, yaw + math.pi)
