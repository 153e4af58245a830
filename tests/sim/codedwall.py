"""A wall whose colours are coordinates: every pixel says which point it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray
from plainroom import a_room

from drone.geometry import Matrix, rotation_from_quaternion
from drone.messages import Quaternion
from drone.sim import world as world_module
from drone.sim.cameras import StereoCamera
from drone.sim.scene import Box, Part, Quad
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

Array = NDArray[np.float64]
SIDE_PX, HALF_M = 2048, 3.2
TEXEL_M = 2 * HALF_M / SIDE_PX


def still(position_m: tuple[float, ...], attitude: Quaternion) -> Kinematics:
    """A body at rest."""
    north, east, down = (float(x) for x in position_m)
    return Kinematics((north, east, down), (0.0, 0.0, 0.0), attitude, (0.0, 0.0, 0.0))


@contextmanager
def coded_wall(patch: pytest.MonkeyPatch, north_m: float) -> Iterator[World]:
    """A world of nothing but a wall of 6.4 x 6.4 m that faces south, lit evenly."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    column, row = np.arange(SIDE_PX)[None, :], np.arange(SIDE_PX)[:, None]
    picture[:, :, 0] = column % 256
    picture[:, :, 1] = row % 256
    picture[:, :, 2] = column // 256 + 16 * (row // 256)
    h, n = HALF_M, north_m
    wall = Quad(((n, -h, h), (n, h, h), (n, h, -h), (n, -h, -h)))
    with painted_wall(patch, wall, picture) as world:
        yield world


@contextmanager
def painted_wall(
    patch: pytest.MonkeyPatch, wall: Quad, picture: NDArray[np.uint8]
) -> Iterator[World]:
    """A world of nothing but one quad with this texture, lit evenly."""
    part = Part("floor", (Box((0.1, 0.1, 0.1), (0.0, 0.0, 50.0), 0.0),), (wall,), picture)
    patch.setattr(world_module, "parts", lambda room, **_: (part,))
    patch.setattr(world_module, "_AMBIENT", 1.0)
    patch.setattr(world_module, "_DIFFUSE", 0.0)
    with World(a_room()) as world:
        yield world


def shown_m(camera: StereoCamera, eye: int, motion: Kinematics) -> Array:
    """East and down of the point of the wall that each pixel of an eye shows, (H, W, 2)."""
    picture = camera._world.render(
        camera._view(eye, motion, None), camera._projection, camera._size
    )
    code = picture.rgba.astype(int)
    column = code[:, :, 0] + 256 * (code[:, :, 2] % 16)
    row = code[:, :, 1] + 256 * (code[:, :, 2] // 16)
    return np.stack([column + 0.5, row + 0.5], axis=-1) * TEXEL_M - HALF_M


def left_pose(camera: StereoCamera, motion: Kinematics) -> tuple[Matrix, Array]:
    """World from optical and position of the nominal left eye."""
    body = rotation_from_quaternion(motion.attitude)
    place = np.array(motion.position_m) + body @ np.array(camera.calibration.left_in_body_m)
    return body @ camera.calibration.rotation, place


def projected_px(camera: StereoCamera, motion: Kinematics, points_m: Array) -> Array:
    """Column and row at which the nominal left eye sees points (N, 3), NED."""
    rotation, place = left_pose(camera, motion)
    x, y, z = ((points_m - place) @ rotation).T
    c = camera.calibration.left
    return np.stack([c.fx * x / z + c.cx, c.fy * y / z + c.cy], axis=-1)
