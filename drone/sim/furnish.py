"""A room from a seed: its size, its covers and what hangs on them, its obstacles, its light.

In: `RoomConfig` and a seed. Out: a `Room`. Whatever stands in the room keeps `GAP_M` from
everything else, or touches it, so that a drone is never trapped. Size, covers and obstacles are
drawn from streams of their own: a seed's room keeps its pictures when it is given another size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drone.config import RoomConfig
from drone.errors import UserError
from drone.sim.difficulties import STYLES, Range, Style
from drone.sim.layout import FITTING_SIZES_M, room_from_layout, unit_vector
from drone.sim.room import Fitting, Obstacle, Pose, Room, Surface

GAP_M = 1.25
"""Least way between two things: twice the hull of 0.52 m and a fifth more."""
SLOT_M = 1.3
"""One thing at most hangs on so much of a wall."""
_LAYOUTS, _TRIES_PER_OBSTACLE = 40, 60
_ROOM_STREAM, _SIZE, _COVERS, _OBSTACLES, _LIGHT = 1, 0, 1, 2, 3
_TOUCHING_M = 1e-3
_ROW_SHARE = 0.5

Size = tuple[float, float, float]
"""Depth, width, height, m."""

SIZES_M = {
    "pillar": ((0.15, 0.15, 0.0), (0.40, 0.40, 0.0)),
    "crate": ((0.40, 0.40, 1.35), (0.70, 0.80, 1.90)),
    "cupboard": ((0.40, 0.70, 1.40), (0.60, 1.10, 2.00)),
    "shelf": ((0.28, 0.70, 1.50), (0.40, 1.40, 2.10)),
    "chest": ((0.40, 0.50, 0.45), (0.60, 0.90, 0.80)),
    "screen": ((0.04, 0.80, 1.60), (0.06, 1.20, 1.90)),
    "table": ((0.60, 0.90, 0.70), (0.80, 1.40, 0.76)),
    "lamp": ((0.30, 0.30, 0.25), (0.50, 0.50, 0.40)),
}
"""Least and greatest depth, width and height. A pillar is square and reaches the ceiling."""
_LAMP_BOTTOM_M = (0.85, 1.25)
"""Low enough to be in the way of a drone at the usual height."""
_AT_WALL = ("cupboard", "shelf")


@dataclass(frozen=True)
class _Plan:
    """The empty room to furnish."""

    length_m: float
    width_m: float
    height_m: float
    style: Style


def room_of(config: RoomConfig, seed: int) -> Room:
    """Return the room of a configuration: the one written out, or the one that the seed names.

    Raises:
        UserError: so many obstacles do not fit, or something lies outside the room.
    """
    return room_from_layout(config.layout) if config.layout else room_from_seed(config, seed)


def room_from_seed(config: RoomConfig, seed: int) -> Room:
    """Return the room that a seed names.

    Raises:
        UserError: so many obstacles do not fit.
    """
    style = STYLES[config.difficulty]
    sizes, covers, things, lights = (
        np.random.default_rng([seed, _ROOM_STREAM, stream])
        for stream in (_SIZE, _COVERS, _OBSTACLES, _LIGHT)
    )
    length_m, width_m, height_m = (
        _side(sizes, drawn) for drawn in (style.length_m, style.width_m, style.height_m)
    )
    plan = _Plan(
        config.length_m or length_m, config.width_m or width_m, config.height_m or height_m, style
    )
    wanted = round(plan.length_m * plan.width_m * sizes.uniform(*style.per_m2))
    light = (*lights.uniform(-1, 1, 2), -lights.uniform(0.4, 1.0))
    first, second, third, fourth = _walls(covers, plan)
    return Room(
        length_m=plan.length_m,
        width_m=plan.width_m,
        height_m=plan.height_m,
        walls=(first, second, third, fourth),
        floor=cover(covers, style.floor),
        ceiling=cover(covers, style.ceiling),
        obstacles=_furnish(things, plan, config.obstacles, wanted),
        light=unit_vector(light),
        light_level=round(float(lights.uniform(0.85, 1.05)), 2),
    )


def redecorated(room: Room, difficulty: str, surfaces: Iterable[str], seed: int) -> Room:
    """Return a room with other pictures on some of its surfaces; nothing moves.

    Args:
        room: the room.
        difficulty: says which materials there are.
        surfaces: some of `walls`, `floor`, `ceiling`, `obstacles`.
        seed: names the pictures.
    """
    style, chosen = STYLES[difficulty], set(surfaces)
    rng = np.random.default_rng([seed, _ROOM_STREAM, _COVERS])
    first, second, third, fourth = (_repainted(rng, wall, style) for wall in room.walls)
    floor, ceiling = cover(rng, style.floor), cover(rng, style.ceiling)
    things = tuple(replace(o, surface=cover(rng, style.covers[o.kind])) for o in room.obstacles)
    return replace(
        room,
        walls=(first, second, third, fourth) if "walls" in chosen else room.walls,
        floor=floor if "floor" in chosen else room.floor,
        ceiling=ceiling if "ceiling" in chosen else room.ceiling,
        obstacles=things if "obstacles" in chosen else room.obstacles,
    )


def cover(rng: np.random.Generator, materials: Sequence[str]) -> Surface:
    """Return a surface of one of some materials."""
    return Surface(str(rng.choice(list(materials))), _seed(rng))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _side(rng: np.random.Generator, limits: Range) -> float:
    """Return a side of a room, m, to the decimetre."""
    return round(float(rng.uniform(*limits)), 1)


def _walls(rng: np.random.Generator, plan: _Plan) -> list[Surface]:
    """Return north, east, south and west with what hangs on them."""
    walls = []
    for length_m in (plan.width_m, plan.length_m, plan.width_m, plan.length_m):
        wall = cover(rng, plan.style.walls)
        fittings = _hang(rng, length_m, plan.height_m, plan.style.fittings)
        walls.append(replace(wall, fittings=fittings))
    return walls


def _repainted(rng: np.random.Generator, wall: Surface, style: Style) -> Surface:
    """Return a wall of other material; what hangs on it stays there, with other pictures."""
    fittings = tuple(replace(f, seed=_seed(rng)) for f in wall.fittings)
    return replace(cover(rng, style.walls), fittings=fittings)


def _hang(
    rng: np.random.Generator, length_m: float, height_m: float, kinds: Sequence[str]
) -> tuple[Fitting, ...]:
    """Hang something on every stretch of a wall."""
    count = int(length_m / SLOT_M)
    middles = (np.arange(count) + 0.5) * (length_m / max(count, 1)) - length_m / 2
    slack_m = length_m / max(count, 1) - SLOT_M
    hung: list[Fitting] = []
    for middle in middles:
        kind = str(rng.choice(list(kinds)))
        along_m = float(middle + rng.uniform(-0.5, 0.5) * slack_m)
        if kind == "poster":
            hung += _posters(rng, along_m)
        elif kind != "empty":
            hung.append(_fitting(rng, kind, along_m))
    return tuple(f for f in hung if f.bottom_m + f.height_m <= height_m - 0.05)


def _fitting(rng: np.random.Generator, kind: str, along_m: float) -> Fitting:
    bottom_m, width_m, height_m = FITTING_SIZES_M[kind]
    return Fitting(kind, round(along_m, 2), bottom_m, width_m, height_m, _seed(rng))


def _posters(rng: np.random.Generator, along_m: float) -> list[Fitting]:
    """Return one or two pictures of 30 to 60 cm around eye height, side by side."""
    count = int(rng.integers(1, 3))
    posters = []
    for k in range(count):
        width_m, height_m = round(rng.uniform(0.3, 0.6), 2), round(rng.uniform(0.3, 0.8), 2)
        middle_m = along_m + (k - (count - 1) / 2) * 0.64
        bottom_m = round(rng.uniform(1.1, 1.7) - height_m / 2, 2)
        posters.append(
            Fitting("poster", round(middle_m, 2), bottom_m, width_m, height_m, _seed(rng))
        )
    return posters


def _furnish(
    rng: np.random.Generator, plan: _Plan, asked: int | None, wanted: int
) -> tuple[Obstacle, ...]:
    """Try layouts until all obstacles stand; where no number was asked for, as many as fit."""
    count = wanted if asked is None else asked
    best: list[Obstacle] = []
    for _ in range(_LAYOUTS):
        placed = _layout(rng, plan, count)
        best = max(best, placed, key=len)
        if len(best) == count or (asked is None and len(best) >= 0.8 * count):
            break
    if asked is not None and len(best) < asked:
        raise UserError(
            f"sim.room.obstacles = {asked} do not fit into {plan.length_m:g} x {plan.width_m:g} m "
            f"with gaps of {GAP_M} m; {len(best)} would"
        )
    return tuple(best)


def _layout(rng: np.random.Generator, plan: _Plan, count: int) -> list[Obstacle]:
    """Place obstacles one by one, the first a pillar; give up on the first that does not fit."""
    placed: list[Obstacle] = []
    while len(placed) < count:
        for _ in range(_TRIES_PER_OBSTACLE):
            candidate, beside = _candidate(rng, plan, placed)
            others = (o for o in placed if o is not beside)
            if all(candidate.gap_m(other) >= GAP_M for other in others):
                placed.append(candidate)
                break
        else:
            break
    return placed


def _candidate(
    rng: np.random.Generator, plan: _Plan, placed: Sequence[Obstacle]
) -> tuple[Obstacle, Obstacle | None]:
    """Return an obstacle with the size of a real one where it may stand, and what it touches."""
    style = plan.style
    kind = str(rng.choice(list(style.kinds), p=list(style.kinds.values())))
    kind = kind if placed else "pillar"
    size = _size(rng, kind, plan.height_m)
    surface = cover(rng, style.covers[kind])
    neighbours = [o for o in placed if o.kind in _AT_WALL] if style.rows else []
    beside = None
    if kind in _AT_WALL and neighbours and rng.random() < _ROW_SHARE:
        beside = neighbours[int(rng.integers(len(neighbours)))]
        pose = _pose_beside(rng, beside, size)
        if not _is_inside(plan, pose, size):
            pose, beside = _pose_at_wall(rng, plan, size), None
    elif kind in _AT_WALL or style.along_walls:
        pose = _pose_at_wall(rng, plan, size)
    else:
        pose = _pose_in_the_open(rng, plan, size)
    bottom_m = round(rng.uniform(*_LAMP_BOTTOM_M), 2) if kind == "lamp" else 0.0
    place = (round(pose.north_m, 4), round(pose.east_m, 4), pose.yaw_rad)
    return Obstacle(kind, *place, *size, surface, bottom_m), beside


def _size(rng: np.random.Generator, kind: str, room_height_m: float) -> Size:
    """Return depth, width and height to the centimetre."""
    low, high = SIZES_M[kind]
    depth, width, height = (round(float(s), 2) for s in rng.uniform(low, high))
    if kind == "pillar":
        return depth, depth, room_height_m
    if kind == "lamp":
        return depth, depth, height
    return depth, width, min(height, room_height_m)


def _pose_in_the_open(rng: np.random.Generator, plan: _Plan, size: Size) -> Pose:
    """Return a pose with a way between the obstacle and every wall (in the middle if need be)."""
    radius = math.hypot(size[0], size[1]) / 2
    half = [max(0.0, s / 2 - GAP_M - radius) for s in (plan.length_m, plan.width_m)]
    north, east, turn = rng.uniform(-1, 1, 3)
    yaw_rad = math.radians(round(float(turn) * 180, 1))
    return Pose(float(north * half[0]), float(east * half[1]), yaw_rad)


def _pose_at_wall(rng: np.random.Generator, plan: _Plan, size: Size) -> Pose:
    """Return a pose with the back to a wall: in a corner, or with a way to both corners."""
    side = int(rng.integers(4))
    if plan.style.along_walls:
        side |= 1 if plan.length_m > plan.width_m else 0
    along_m, across_m = plan.width_m, plan.length_m
    if side % 2:
        along_m, across_m = across_m, along_m
    corner = along_m / 2 - size[1] / 2
    free = max(0.0, corner - GAP_M)
    along = float(rng.uniform(-free, free) if rng.random() < 0.6 else rng.choice([-corner, corner]))
    away = across_m / 2 - size[0] / 2
    spots = ((away, along, math.pi), (along, away, -math.pi / 2))
    north, east, yaw = spots[side % 2]
    return Pose(north, east, yaw) if side < 2 else Pose(-north, -east, yaw + math.pi)


def _pose_beside(rng: np.random.Generator, other: Obstacle, size: Size) -> Pose:
    """Return a pose right beside furniture at a wall, back to the same wall."""
    c, s = math.cos(other.yaw_rad), math.sin(other.yaw_rad)
    forward_m = (size[0] - other.depth_m) / 2
    aside_m = float(rng.choice([-1, 1])) * (size[1] + other.width_m) / 2
    north_m = other.north_m + c * forward_m - s * aside_m
    return Pose(north_m, other.east_m + s * forward_m + c * aside_m, other.yaw_rad)


def _is_inside(plan: _Plan, pose: Pose, size: Size) -> bool:
    """Return whether furniture at a wall stands in the room, with a way to the corner or in it."""
    c, s = abs(math.cos(pose.yaw_rad)), abs(math.sin(pose.yaw_rad))
    ahead_m, aside_m = c * size[0] + s * size[1], s * size[0] + c * size[1]
    left_m = plan.length_m / 2 - abs(pose.north_m) - ahead_m / 2
    beside_m = plan.width_m / 2 - abs(pose.east_m) - aside_m / 2
    return all(gap > -_TOUCHING_M and not _TOUCHING_M < gap < GAP_M for gap in (left_m, beside_m))
