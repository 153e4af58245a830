"""From a room to what a renderer and a physics engine need: boxes, rectangles, pictures.

In: a `Room`. Out: `Part`s: boxes that collide, and the rectangles with a picture that are seen.
Pure; knows nothing of PyBullet. What collides and what is seen coincide: every rectangle lies on a
face of one of its part's boxes. As few rectangles as possible, since every one costs time: only
faces that nothing in the room can ever see are left out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from drone.messages import Vector3
from drone.sim import fittings
from drone.sim.canvas import Rgb
from drone.sim.furniture import Piece, pieces
from drone.sim.room import Obstacle, Point, Room
from drone.sim.textures import paint

WALL_THICKNESS_M = 0.5
"""Behind the visible face, so that nothing tunnels through."""


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
        boxes: what collides.
        quads: what is seen; may be empty.
        picture: (H, W, 3) uint8 RGB on the quads.
    """

    name: str
    boxes: tuple[Box, ...]
    quads: tuple[Quad, ...]
    picture: Rgb


def parts(room: Room, *, ceiling: bool = True, tops: bool = False) -> tuple[Part, ...]:
    """Return all parts of a room, drawn in this order: what stands before what it hides.

    Args:
        room: the room.
        ceiling: the ceiling is seen (it always collides).
        tops: what touches the ceiling or the floor is seen from there too.
    """
    walls = (_wall(room, side) for side in range(4))
    things = (_thing(room, obstacle, tops) for obstacle in room.obstacles)
    return (*things, *walls, _floor(room), _ceiling(room, ceiling))


def _floor(room: Room) -> Part:
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    quad = Quad(((-n, -e, 0.0), (-n, e, 0.0), (n, e, 0.0), (n, -e, 0.0)))
    box = Box((n, e, t), (0.0, 0.0, t), 0.0)
    return Part("floor", (box,), (quad,), fittings.floor(room))


def _ceiling(room: Room, seen: bool) -> Part:
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    z = -room.height_m
    quad = Quad(((n, -e, z), (n, e, z), (-n, e, z), (-n, -e, z)))
    box = Box((n, e, t), (0.0, 0.0, z - t), 0.0)
    return Part("ceiling", (box,), (quad,) if seen else (), fittings.ceiling(room))


def _wall(room: Room, side: int) -> Part:
    """Return the wall to the north, east, south or west (0-3), seen from inside."""
    n, e, t = room.length_m / 2, room.width_m / 2, WALL_THICKNESS_M / 2
    plan: tuple[Point, ...] = ((n, -e), (n, e), (-n, e), (-n, -e))
    (left_n, left_e), (right_n, right_e) = plan[side], plan[(side + 1) % 4]
    facing_rad = side * math.pi / 2
    away_m = (n, e)[side % 2] + t
    middle = (math.cos(facing_rad) * away_m, math.sin(facing_rad) * away_m, -room.height_m / 2)
    length_m = (room.width_m, room.length_m)[side % 2]
    box = Box((t, length_m / 2 + 2 * t, room.height_m / 2), middle, facing_rad)
    z = -room.height_m
    quad = Quad(
        ((left_n, left_e, 0.0), (right_n, right_e, 0.0), (right_n, right_e, z), (left_n, left_e, z))
    )
    picture = fittings.wall(room.walls[side], length_m, room.height_m)
    return Part(f"wall {side}", (box,), (quad,), picture)


def _thing(room: Room, o: Obstacle, tops: bool) -> Part:
    size_m = _wrapping_size_m(o)
    made_of = pieces(o, room.height_m)
    boxes = tuple(_box(o, piece) for piece in made_of)
    quads: list[Quad] = []
    for piece in made_of:
        quads += _sides(o, piece, size_m)
        if piece.top_seen or tops:
            quads.append(_lid(o, piece, size_m, up=True))
        if piece.bottom_seen:
            quads.append(_lid(o, piece, size_m, up=False))
    return Part(o.kind, boxes, tuple(quads), _wrapping(o))


def _box(o: Obstacle, p: Piece) -> Box:
    north, east = _place(o, (p.ahead_m, p.aside_m))
    half = (p.depth_m / 2, p.width_m / 2, p.height_m / 2)
    return Box(half, (north, east, -(p.bottom_m + p.height_m / 2)), o.yaw_rad)


def _place(o: Obstacle, own: Point) -> Point:
    """Return (north, east) of a point in an obstacle's own axes, m."""
    c, s = math.cos(o.yaw_rad), math.sin(o.yaw_rad)
    return o.north_m + c * own[0] - s * own[1], o.east_m + s * own[0] + c * own[1]


def _footprint(o: Obstacle, p: Piece) -> list[Point]:
    """Return a piece's front right, front left, back left and back right corner: as one walks."""
    x, y = p.depth_m / 2, p.width_m / 2
    around = ((x, y), (x, -y), (-x, -y), (-x, y))
    return [_place(o, (p.ahead_m + a, p.aside_m + b)) for a, b in around]


def _sides(o: Obstacle, p: Piece, picture_m: Point) -> list[Quad]:
    """Return front, left, back and right, with the picture unrolled along them in this order."""
    corners = _footprint(o, p)
    ends_m = np.cumsum([0.0, p.width_m, p.depth_m, p.width_m, p.depth_m])
    ends = np.minimum(1.0, ends_m / max(ends_m[-1], picture_m[0]))
    low, high = -p.bottom_m, -(p.bottom_m + p.height_m)
    top = min(1.0, p.height_m / picture_m[1])
    quads = []
    for k in range(4):
        left, right = corners[k], corners[(k + 1) % 4]
        upright = ((*left, low), (*right, low), (*right, high), (*left, high))
        quads.append(Quad(upright, float(ends[k]), float(ends[k + 1]), top))
    return quads


def _lid(o: Obstacle, p: Piece, picture_m: Point, *, up: bool) -> Quad:
    """Return a piece's top or underside; the picture's height runs along the piece's width."""
    front_right, front_left, back_left, back_right = _footprint(o, p)
    z = -(p.bottom_m + p.height_m) if up else -p.bottom_m
    ring = (back_left, front_left, front_right, back_right)
    if up:
        ring = (front_left, back_left, back_right, front_right)
    a, b, c, d = ((*corner, z) for corner in ring)
    girth_m = 2 * (p.width_m + p.depth_m)
    # Covered like the side beside the front, where the picture goes around it.
    left_m = p.width_m if picture_m[0] >= girth_m else 0.0
    left, right = left_m / picture_m[0], min(1.0, (left_m + p.depth_m) / picture_m[0])
    return Quad((a, b, c, d), left, right, min(1.0, p.width_m / picture_m[1]))


def _wrapping(o: Obstacle) -> Rgb:
    """Return the picture around an obstacle, front first, at the scale of real things."""
    size = (o.width_m, o.depth_m, o.height_m)
    if o.kind == "shelf":
        return fittings.shelf(*size, o.surface)
    if o.kind == "cupboard":
        return fittings.cupboard(*size, o.surface)
    return paint(o.surface.material, *_wrapping_size_m(o), o.surface.seed)


def _wrapping_size_m(o: Obstacle) -> Point:
    """Return width and height of the picture around an obstacle, m.

    The grain of a table top runs along its width, which is the picture's height.
    """
    if o.kind == "table":
        return o.depth_m, max(o.width_m, o.height_m)
    return 2 * (o.width_m + o.depth_m), o.height_m
