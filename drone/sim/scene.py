"""From a room to what a renderer and a physics engine need: boxes, rectangles, pictures.

In: a `Room`. Out: `Part`s: a box that collides, and the rectangles with a picture that are seen.
Pure; knows nothing of PyBullet. As few rectangles as possible, since every one costs time: what no
camera inside the room can see (tops above the flying height, undersides) is left out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from drone.messages import Vector3
from drone.sim import fittings
from drone.sim.room import Obstacle, Point, Room
from drone.sim.textures import PX_PER_M, Rgb, paint

WALL_THICKNESS_M = 0.5
"""Behind the visible face, so that nothing tunnels through."""
LOW_M = 1.0
"""Tops of obstacles below this height are seen from the air."""


class Box(NamedTuple):
    """An upright box: half its size along its own axes, its middle and its yaw, m and rad."""

    half_m: Vector3
    middle_m: Vector3
    yaw_rad: float


class Quad(NamedTuple):
    """A rectangle and its share of a picture, as seen by who looks at its front.

    Attributes:
        corners: bottom left, bottom right, top right, top left, in the room, m.
        left: of the picture's width, 0-1.
        right: of the picture's width, 0-1.
        top: of the picture's height counted from below, 0-1.
    """

    corners: tuple[Vector3, Vector3, Vector3, Vector3]
    left: float = 0.0
    right: float = 1.0
    top: float = 1.0

    @property
    def normal(self) -> Vector3:
        """Unit vector from the front towards the viewer."""
        bottom_left, bottom_right, _, top_left = (np.array(c) for c in self.corners)
        cross = np.cross(bottom_right - bottom_left, top_left - bottom_left)
        x, y, z = cross / np.linalg.norm(cross)
        return float(x), float(y), float(z)


class Part(NamedTuple):
    """One thing of the room.

    Attributes:
        name: for people.
        box: what collides.
        quads: what is seen; may be empty.
        picture: (H, W, 3) uint8 RGB on the quads.
    """

    name: str
    box: Box
    quads: tuple[Quad, ...]
    picture: Rgb


def parts(room: Room, *, ceiling: bool = True, tops: bool = False) -> tuple[Part, ...]:
    """Return all parts of a room, drawn in this order: what stands before what it hides.

    Args:
        room: the room.
        ceiling: the ceiling is seen (it always collides).
        tops: the tops of high obstacles are seen too.
    """
    walls = (_wall(room, side) for side in range(4))
    things = (_thing(obstacle, tops) for obstacle in room.obstacles)
    return (*things, *walls, _floor(room), _ceiling(room, ceiling))


def _floor(room: Room) -> Part:
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    picture = paint(room.floor.material, room.width_m, room.length_m, room.floor.seed)
    quad = Quad(((-n, -e, 0.0), (-n, e, 0.0), (n, e, 0.0), (n, -e, 0.0)))
    return Part("floor", Box((n, e, t), (0.0, 0.0, t), 0.0), (quad,), picture)


def _ceiling(room: Room, seen: bool) -> Part:
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    z = -room.height_m
    picture = paint(room.ceiling.material, room.width_m, room.length_m, room.ceiling.seed)
    quad = Quad(((n, -e, z), (n, e, z), (-n, e, z), (-n, -e, z)))
    box = Box((n, e, t), (0.0, 0.0, z - t), 0.0)
    return Part("ceiling", box, (quad,) if seen else (), picture)


def _wall(room: Room, side: int) -> Part:
    """Return the wall to the north, east, south or west (0-3), seen from inside."""
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    plan: tuple[Point, ...] = ((n, -e), (n, e), (-n, e), (-n, -e))
    left, right = plan[side], plan[(side + 1) % 4]
    facing_rad = side * math.pi / 2
    away_m = (n, e)[side % 2] + t
    middle = (math.cos(facing_rad) * away_m, math.sin(facing_rad) * away_m, -room.height_m / 2)
    length_m = math.dist(left, right)
    half = (t, length_m / 2 + 2 * t, room.height_m / 2)
    surface = room.walls[side]
    picture = fittings.wall(surface.material, length_m, room.height_m, surface.seed)
    return Part(
        f"wall {side}",
        Box(half, middle, facing_rad),
        (_upright(left, right, room.height_m),),
        picture,
    )


def _thing(obstacle: Obstacle, tops: bool) -> Part:
    o = obstacle
    half = (o.depth_m / 2, o.width_m / 2, o.height_m / 2)
    box = Box(half, (o.north_m, o.east_m, -o.height_m / 2), o.yaw_rad)
    quads = _sides(o)
    if tops or o.height_m < LOW_M:
        quads = (*quads, _top(o))
    return Part(o.kind, box, quads, _wrapping(o))


def _upright(
    left: Point, right: Point, height_m: float, span: tuple[float, float] = (0.0, 1.0)
) -> Quad:
    """Return a rectangle that stands on the floor, from the viewer's left to right."""
    z = -height_m
    corners = ((*left, 0.0), (*right, 0.0), (*right, z), (*left, z))
    return Quad(corners, *span)


def _sides(o: Obstacle) -> tuple[Quad, ...]:
    """Return front, left, back and right, with the picture unrolled along them in this order."""
    front_right, back_right, back_left, front_left = o.corners
    around = (front_right, front_left, back_left, back_right, front_right)
    girth_m = 2 * (o.width_m + o.depth_m)
    ends_m = np.cumsum([0.0, o.width_m, o.depth_m, o.width_m, o.depth_m]) / girth_m
    return tuple(
        _upright(
            around[k], around[k + 1], o.height_m, (float(ends_m[k]), min(1.0, float(ends_m[k + 1])))
        )
        for k in range(4)
    )


def _top(o: Obstacle) -> Quad:
    """Return the top, covered like the side to the left of the front."""
    front_right, back_right, back_left, front_left = o.corners
    z = -o.height_m
    corners = ((*front_left, z), (*back_left, z), (*back_right, z), (*front_right, z))
    girth_m = 2 * (o.width_m + o.depth_m)
    span = (o.width_m / girth_m, (o.width_m + o.depth_m) / girth_m)
    return Quad(corners, *span, min(1.0, o.width_m / o.height_m))


def _wrapping(o: Obstacle) -> Rgb:
    """Return the picture around an obstacle, front first, at the scale of real things."""
    if o.kind == "shelf":
        return fittings.shelf(o.width_m, o.depth_m, o.height_m, o.surface.seed)
    if o.kind == "cupboard":
        return fittings.cupboard(o.width_m, o.depth_m, o.height_m, o.surface.seed)
    girth_m = max(2 * (o.width_m + o.depth_m), 1 / PX_PER_M)
    return paint(o.surface.material, girth_m, o.height_m, o.surface.seed)
