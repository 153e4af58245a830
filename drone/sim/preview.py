"""Pictures of a room for people: from above and aslant, ceiling off, with the way flown.

In: a `Room` and, if wanted, positions. Out: an RGB picture. Slow beside a camera frame; meant for
reports. Near walls are seen from behind, where nothing is drawn: one looks in as into a doll's
house.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.geometry import Intrinsics, Matrix
from drone.messages import Vector3
from drone.sim.cameras import NEAR_M, inverse_depth, projection_matrix, view_matrix
from drone.sim.canvas import Rgb
from drone.sim.room import Room
from drone.sim.world import World

Colour = tuple[int, int, int]
"""RGB, 0-255."""
_HFOV_RAD = math.radians(50)
_TRAIL_RGB = (255, 60, 40)
_HIDDEN_BY_M = 0.05


def overview(
    room: Room,
    width_px: int = 960,
    height_px: int = 720,
    *,
    trail_m: Sequence[Vector3] = (),
    trails: Sequence[tuple[Colour, Sequence[Vector3]]] = (),
    elevation_deg: float = 55.0,
    bearing_deg: float = 215.0,
) -> Rgb:
    """Return a picture of a room from outside.

    Args:
        room: the room.
        width_px: of the picture.
        height_px: of the picture.
        trail_m: positions to connect, NED, in the room; drawn where nothing hides them.
        trails: more of them, each in its own colour.
        elevation_deg: of the viewer above the horizon; 90 looks straight down.
        bearing_deg: where the viewer stands, clockwise from north.

    Returns:
        (height_px, width_px, 3) uint8 RGB.
    """
    camera = Intrinsics.from_hfov(width_px, height_px, _HFOV_RAD)
    rotation, eye = _viewpoint(room, camera, math.radians(elevation_deg), math.radians(bearing_deg))
    with World(room, ceiling=False, tops=True) as world:
        view = view_matrix(rotation, eye)
        shot = world.render(view, projection_matrix(camera), (width_px, height_px))
    picture = np.ascontiguousarray(shot.rgba[:, :, :3])
    nearest = inverse_depth(shot.z_buffer)
    for colour, positions_m in ((_TRAIL_RGB, trail_m), *trails):
        if len(positions_m):
            _draw(picture, camera, (np.asarray(positions_m) - eye) @ rotation, nearest, colour)
    return picture


def _viewpoint(
    room: Room, camera: Intrinsics, elevation_rad: float, bearing_rad: float
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return world from optical (3, 3) and the eye's position (3,), with the room in view."""
    level = math.cos(elevation_rad)
    away = np.array(
        [level * math.cos(bearing_rad), level * math.sin(bearing_rad), -math.sin(elevation_rad)]
    )
    middle = np.array([0.0, 0.0, -room.height_m / 2])
    radius = math.hypot(room.length_m, room.width_m, room.height_m) / 2
    half_view = math.atan(min(camera.width, camera.height) / 2 / camera.fx)
    forward = -away
    right = np.array([-math.sin(bearing_rad + math.pi), math.cos(bearing_rad + math.pi), 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return rotation, middle + away * radius / math.sin(half_view)


def _draw(
    picture: Rgb,
    camera: Intrinsics,
    points: NDArray[np.float64],
    nearest: NDArray[np.float32],
    colour: Colour,
) -> None:
    """Draw a line through points (N, 3), optical frame, over a picture, in place.

    Args:
        picture: (H, W, 3).
        camera: its intrinsics.
        points: m.
        nearest: (H, W), inverse depth of what the picture shows, 1/m.
        colour: RGB.
    """
    depth = np.maximum(points[:, 2], NEAR_M)
    pixels = np.rint(
        np.stack(
            [
                camera.fx * points[:, 0] / depth + camera.cx,
                camera.fy * points[:, 1] / depth + camera.cy,
            ],
            axis=1,
        )
    ).astype(int)
    inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
    column, row = np.clip(pixels, 0, (camera.width - 1, camera.height - 1)).T
    seen = inside & (1 / nearest[row, column] > depth - _HIDDEN_BY_M)
    thickness = max(2, camera.width // 400)
    for k in range(len(pixels) - 1):
        if seen[k] and seen[k + 1]:
            start, end = (tuple(int(x) for x in pixels[j]) for j in (k, k + 1))
            cv2.line(picture, start, end, colour, thickness, cv2.LINE_AA)
