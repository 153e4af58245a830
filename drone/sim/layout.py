"""A room written out: from the configuration to a `Room` and back, and whether one can fly in it.

In: `drone.config.LayoutConfig`. Out: a `Room`, and the other way round. A room that is written out
and read again is the same room: numbers travel as they are, angles as degrees to six places.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config.room import (
    FittingConfig,
    LayoutConfig,
    LightConfig,
    ObstacleConfig,
    StartConfig,
    SurfaceConfig,
    WallConfig,
    WallsConfig,
)
from drone.errors import UserError
from drone.messages import Vector3
from drone.sim.room import CLEARANCE_M, WAY_HALF_WIDTH_M, Fitting, Obstacle, Pose, Room, Surface

FITTING_SIZES_M = {
    "door": (0.0, 0.90, 2.00),
    "window": (0.90, 1.10, 1.10),
    "poster": (1.20, 0.50, 0.60),
    "curtain": (0.10, 1.20, 2.20),
}
"""Usual height of the underside, width and height, m."""
_OUTSIDE_M = 0.005
"""A thing may stick so far into a wall: nobody measures a room to the millimetre."""
_CELL_M = 0.05
_TRAPPED_SHARE = 0.9


def room_from_layout(layout: LayoutConfig) -> Room:
    """Return the room that a layout describes.

    Raises:
        UserError: something lies outside the room, or does not fit on its wall.
    """
    walls = layout.walls
    room = Room(
        length_m=layout.length_m,
        width_m=layout.width_m,
        height_m=layout.height_m,
        walls=(
            _wall(walls.north, "north", layout.width_m, layout.height_m),
            _wall(walls.east, "east", layout.length_m, layout.height_m),
            _wall(walls.south, "south", layout.width_m, layout.height_m),
            _wall(walls.west, "west", layout.length_m, layout.height_m),
        ),
        floor=Surface(layout.floor.material, layout.floor.seed),
        ceiling=Surface(layout.ceiling.material, layout.ceiling.seed),
        obstacles=tuple(map(_obstacle, layout.obstacles)),
        light=unit_vector(layout.light.towards),
        light_level=layout.light.level,
        start=_start(layout.start),
    )
    for number, obstacle in enumerate(room.obstacles):
        _require_inside(room, obstacle, f"obstacle {number} ({obstacle.kind})")
    return room


def layout_of(room: Room) -> LayoutConfig:
    """Return a room written out; `room_from_layout` gives the same room."""
    north, east, south, west = map(_wall_config, room.walls)
    start = room.start
    return LayoutConfig(
        length_m=room.length_m,
        width_m=room.width_m,
        height_m=room.height_m,
        light=LightConfig(towards=room.light, level=room.light_level),
        start=start
        and StartConfig(
            north_m=start.north_m, east_m=start.east_m, yaw_deg=_degrees(start.yaw_rad)
        ),
        floor=SurfaceConfig(material=room.floor.material, seed=room.floor.seed),
        ceiling=SurfaceConfig(material=room.ceiling.material, seed=room.ceiling.seed),
        walls=WallsConfig(north=north, east=east, south=south, west=west),
        obstacles=tuple(map(_obstacle_config, room.obstacles)),
    )


def unit_vector(vector: Vector3) -> Vector3:
    """Return a vector of length 1; one that has it already is returned as it is."""
    length = math.hypot(*vector)
    if abs(length - 1.0) < 1e-12:
        return vector
    x, y, z = (float(c) / length for c in vector)
    return x, y, z


def require_flyable(room: Room, height_m: float, hull_height_m: float) -> None:
    """Check that a drone can start in a room and get about in it.

    Args:
        room: the room.
        height_m: flying height above the floor.
        hull_height_m: of the drone.

    Raises:
        UserError: no room between floor and ceiling, nowhere to start, or a place of the room from
            which there is no way to the rest.
    """
    if not hull_height_m < height_m < room.height_m - hull_height_m:
        raise UserError(
            f"sim.height_m = {height_m:g}: the drone must fly between {hull_height_m:g} m above "
            f"the floor and {hull_height_m:g} m below the ceiling of {room.height_m:g} m"
        )
    if room.start is not None and not room.is_free(room.start):
        raise UserError(
            f"sim.room.layout.start = north {room.start.north_m:g}, east {room.start.east_m:g} m: "
            f"a start needs {CLEARANCE_M} m to everything and a free way ahead"
        )
    _require_ways(room)


def _require_ways(room: Room) -> None:
    """Check that nearly all places where a drone can be are joined by ways it fits through."""
    clearance = _clearances(room)
    count, labels = cv2.connectedComponents((clearance >= WAY_HALF_WIDTH_M).astype(np.uint8))
    places = np.bincount(labels[clearance >= CLEARANCE_M], minlength=count)[1:]
    if not places.sum():
        raise UserError(
            f"a room of {room.length_m:g} x {room.width_m:g} m with {len(room.obstacles)} "
            f"obstacles has no place {CLEARANCE_M} m from everything: the drone cannot start"
        )
    if places.max() < _TRAPPED_SHARE * places.sum():
        raise UserError(
            f"the obstacles cut the room of {room.length_m:g} x {room.width_m:g} m into "
            f"{int((places > 0).sum())} parts: between them, leave ways of at least "
            f"{2 * WAY_HALF_WIDTH_M:g} m, or the drone is trapped"
        )


def _clearances(room: Room) -> NDArray[np.float64]:
    """Return `Room.clearance_m` on a grid over the room, north first."""
    norths, easts = (
        np.arange(-side / 2 + _CELL_M / 2, side / 2, _CELL_M)
        for side in (room.length_m, room.width_m)
    )
    north, east = np.meshgrid(norths, easts, indexing="ij")
    least = np.minimum(room.length_m / 2 - np.abs(north), room.width_m / 2 - np.abs(east))
    for o in room.obstacles:
        c, s = math.cos(o.yaw_rad), math.sin(o.yaw_rad)
        dn, de = north - o.north_m, east - o.east_m
        x = np.maximum(np.abs(c * dn + s * de) - o.depth_m / 2, 0.0)
        y = np.maximum(np.abs(c * de - s * dn) - o.width_m / 2, 0.0)
        least = np.minimum(least, np.hypot(x, y))
    return np.asarray(least)


def _require_inside(room: Room, obstacle: Obstacle, name: str) -> None:
    out_m = max(
        *(abs(north) - room.length_m / 2 for north, _ in obstacle.corners),
        *(abs(east) - room.width_m / 2 for _, east in obstacle.corners),
        obstacle.top_m - room.height_m,
    )
    if out_m > _OUTSIDE_M:
        raise UserError(
            f"sim.room.layout: {name} at north {obstacle.north_m:g}, east {obstacle.east_m:g} m "
            f"reaches {out_m:.2f} m out of the room of {room.length_m:g} x {room.width_m:g} x "
            f"{room.height_m:g} m"
        )


def _wall(wall: WallConfig, name: str, length_m: float, height_m: float) -> Surface:
    fittings = tuple(map(_fitting, wall.fittings))
    for fitting in fittings:
        beside_m = abs(fitting.along_m) + fitting.width_m / 2 - length_m / 2
        if max(beside_m, fitting.bottom_m + fitting.height_m - height_m) > _OUTSIDE_M:
            raise UserError(
                f"sim.room.layout.walls.{name}: a {fitting.kind} of {fitting.width_m:g} x "
                f"{fitting.height_m:g} m at {fitting.along_m:g} m, {fitting.bottom_m:g} m above "
                f"the floor, does not fit on a wall of {length_m:g} x {height_m:g} m"
            )
    return Surface(wall.material, wall.seed, fittings)


def _fitting(f: FittingConfig) -> Fitting:
    bottom_m, width_m, height_m = FITTING_SIZES_M[f.kind]
    return Fitting(
        f.kind,
        f.along_m,
        bottom_m if f.bottom_m is None else f.bottom_m,
        f.width_m or width_m,
        f.height_m or height_m,
        f.seed,
    )


def _obstacle(o: ObstacleConfig) -> Obstacle:
    size = (o.depth_m, o.width_m, o.height_m)
    surface = Surface(o.material, o.seed)
    yaw_rad = math.radians(o.yaw_deg)
    return Obstacle(o.kind, o.north_m, o.east_m, yaw_rad, *size, surface, o.bottom_m)


def _start(start: StartConfig | None) -> Pose | None:
    if start is None:
        return None
    return Pose(start.north_m, start.east_m, math.radians(start.yaw_deg))


def _degrees(angle_rad: float) -> float:
    return round(math.degrees(angle_rad), 6)


def _wall_config(wall: Surface) -> WallConfig:
    fittings = tuple(
        FittingConfig.model_validate(
            {name: getattr(f, name) for name in FittingConfig.model_fields}
        )
        for f in wall.fittings
    )
    return WallConfig(material=wall.material, seed=wall.seed, fittings=fittings)


def _obstacle_config(o: Obstacle) -> ObstacleConfig:
    return ObstacleConfig(
        kind=o.kind,
        north_m=o.north_m,
        east_m=o.east_m,
        yaw_deg=_degrees(o.yaw_rad),
        depth_m=o.depth_m,
        width_m=o.width_m,
        height_m=o.height_m,
        bottom_m=o.bottom_m,
        material=o.surface.material,
        seed=o.surface.seed,
    )
