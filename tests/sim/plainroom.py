"""Rooms made by hand, for tests."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drone.sim.room import Obstacle, Room, Surface

Array = NDArray[np.float64]
PLAIN = Surface("plaster", 1)
HALF_LENGTH_M, HALF_WIDTH_M, HEIGHT_M = 3.0, 2.0, 2.5


def a_room(*obstacles: Obstacle) -> Room:
    """A room of 6 x 4 m, 2.5 m high, of plaster, lit from above."""
    return Room(
        2 * HALF_LENGTH_M,
        2 * HALF_WIDTH_M,
        HEIGHT_M,
        (PLAIN, PLAIN, PLAIN, PLAIN),
        PLAIN,
        PLAIN,
        obstacles,
        (0.0, 0.0, -1.0),
    )


def a_pillar(north_m: float, east_m: float, yaw_rad: float = 0.0) -> Obstacle:
    """A pillar 20 cm deep and 40 cm wide up to the ceiling."""
    return Obstacle("pillar", north_m, east_m, yaw_rad, 0.2, 0.4, HEIGHT_M, PLAIN)


def true_depth(room: Room, eye_m: Array, rays: Array) -> Array:
    """Depth by casting rays at the room's boxes, independent of any renderer.

    Args:
        room: the room.
        eye_m: (3,), NED.
        rays: (N, 3), NED, of unit depth.

    Returns:
        (N,) m.
    """
    half = np.array([room.length_m, room.width_m, room.height_m]) / 2
    middle = np.array([0.0, 0.0, -room.height_m / 2])
    depth = _slabs(eye_m - middle, rays, half)[1]
    for o in room.obstacles:
        c, s = math.cos(o.yaw_rad), math.sin(o.yaw_rad)
        own = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        offset = eye_m - np.array([o.north_m, o.east_m, -o.height_m / 2])
        half = np.array([o.depth_m, o.width_m, o.height_m]) / 2
        enter, leave = _slabs(own @ offset, rays @ own.T, half)
        depth = np.where((enter > 0) & (enter < leave) & (enter < depth), enter, depth)
    return depth


def _slabs(origin: Array, rays: Array, half: Array) -> tuple[Array, Array]:
    """Where rays enter and leave a box around the origin."""
    safe = np.where(np.abs(rays) < 1e-12, 1e-12, rays)
    near, far = (-half - origin) / safe, (half - origin) / safe
    return np.minimum(near, far).max(axis=1), np.maximum(near, far).min(axis=1)
