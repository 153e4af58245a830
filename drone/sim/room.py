"""A room is data: its size, what covers it, what stands in it, where the light comes from.

Room frame: NED, origin the middle of the floor, x north along the length, y east along the width,
z down, so that the floor is z = 0 and the ceiling z = -height. `drone.sim.furnish` makes rooms from
a seed, `drone.sim.layout` from what is written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from drone.errors import WorkFailedError
from drone.messages import Vector3

CLEARANCE_M = 0.60
"""Of a free pose, from the drone's middle: half the hull's diagonal (0.37 m) and as far again
as it drifts while it stops."""
AHEAD_M = 1.5
"""A free pose looks down a free way so long ..."""
WAY_HALF_WIDTH_M = 0.41
"""... and so wide to each side: the hull and its margin (`drone.config.CorridorConfig`)."""
_TRIES_PER_POSE = 4000

Point = tuple[float, float]
"""(north, east), m."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """What hangs on a wall, flat.

    Attributes:
        kind: `door`, `window`, `poster` or `curtain`.
        along_m: of its middle, from the wall's middle to the right of who looks at it.
        bottom_m: above the floor.
        width_m: from left to right.
        height_m: from bottom to top.
        seed: names its picture.
    """

    kind: str
    along_m: float
    bottom_m: float
    width_m: float
    height_m: float
    seed: int


@dataclass(frozen=True, slots=True)
class Surface:
    """What covers a wall, the floor or the ceiling.

    Attributes:
        material: one of `drone.sim.textures.MATERIALS`.
        seed: names the picture.
        fittings: what hangs on it, if it is a wall.
    """

    material: str
    seed: int
    fittings: tuple[Fitting, ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """An upright box, a table or a lamp. Its own x axis is its front's normal, y its width's.

    Attributes:
        kind: `pillar`, `crate`, `chest`, `cupboard`, `shelf`, `screen`, `table` or `lamp`; says how
            it is painted, and what it is made of (`drone.sim.scene`).
        north_m: of its middle.
        east_m: of its middle.
        yaw_rad: of its front.
        depth_m: along its own x.
        width_m: along its own y.
        height_m: from its underside to its top.
        surface: what covers it.
        bottom_m: its underside above the floor; a lamp hangs from the ceiling.
    """

    kind: str
    north_m: float
    east_m: float
    yaw_rad: float
    depth_m: float
    width_m: float
    height_m: float
    surface: Surface
    bottom_m: float = 0.0

    @property
    def top_m(self) -> float:
        """Its top above the floor."""
        return self.bottom_m + self.height_m

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
        out too far by at most half their thinner sides.)
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
        obstacles: what stands or hangs in it.
        light: unit vector from the room towards the light, NED.
        light_level: 1 as usual, 0.3 dimmed to 30 %.
        start: where flights start; None for a free place that the seed names.
    """

    length_m: float
    width_m: float
    height_m: float
    walls: tuple[Surface, Surface, Surface, Surface]
    floor: Surface
    ceiling: Surface
    obstacles: tuple[Obstacle, ...]
    light: Vector3
    light_level: float = 1.0
    start: Pose | None = None

    def clearance_m(self, north_m: float, east_m: float) -> float:
        """Return the distance from a point to the nearest wall or obstacle, m; < 0 outside.

        In plan: what is low or hangs high counts too.
        """
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
