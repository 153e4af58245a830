"""Pictures that introduce rooms to people: one room, and a contact sheet of all difficulties.

In: rooms. Out: RGB pictures: each room from above, ceiling off, and as a camera in it sees it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import Config
from drone.config.room import Difficulty, RoomConfig
from drone.geometry import (
    BODY_FROM_OPTICAL,
    Intrinsics,
    quaternion_from_euler,
    rotation_from_quaternion,
)
from drone.sim.cameras import inverse_depth, projection_matrix, view_matrix
from drone.sim.canvas import Rgb
from drone.sim.furnish import room_from_seed
from drone.sim.preview import overview
from drone.sim.room import Pose, Room
from drone.sim.world import World

TILE_PX = (240, 180)
"""Width and height of one picture."""
SEEDS = (29, 30)
"""Of the contact sheet."""
_FINER = 3
"""Drawn so many times larger, then averaged: edges without steps."""
_HFOV_RAD = math.radians(78)
_LABEL_PX, _MARGIN_PX = 22, 4
_POSES = 24
_INK = (40, 40, 40)


def portrait(
    room: Room, config: Config, views: int = 3, tile_px: tuple[int, int] = (480, 360)
) -> Rgb:
    """Return a room from above and, beside it, from inside.

    Args:
        room: the room.
        config: says how high one flies, and the seed of the places.
        views: so many from inside.
        tile_px: width and height of each picture.
    """
    return np.hstack([_from_above(room, tile_px), *_inside(room, config, views, tile_px)])


def contact_sheet(config: Config) -> Rgb:
    """Return two rooms of each named difficulty, labelled."""
    rows = []
    for difficulty in get_args(Difficulty):
        cells = [_cell(difficulty, seed, config) for seed in SEEDS]
        rows.append(np.hstack([_margin(cell) for cell in cells]))
    return np.vstack(rows)


def _cell(difficulty: str, seed: int, config: Config) -> Rgb:
    """Return one labelled room of the sheet."""
    room = room_from_seed(RoomConfig.model_validate({"difficulty": difficulty}), seed)
    picture = portrait(room, config, 2, TILE_PX)
    label = np.full((_LABEL_PX, picture.shape[1], 3), 255, np.uint8)
    size = f"{room.length_m:g} x {room.width_m:g} x {room.height_m:g} m"
    words = f"{difficulty}, seed {seed}: {size}, {len(room.obstacles)} obstacles"
    cv2.putText(label, words, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return np.vstack([label, picture])


def _margin(picture: Rgb) -> Rgb:
    edges = [(_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX), (0, 0)]
    return np.pad(picture, edges, constant_values=255)


def _from_above(room: Room, tile_px: tuple[int, int]) -> Rgb:
    """Return a room from outside, cut to where it is, on white."""
    width, height = tile_px
    large = overview(room, 4 * height, 4 * height, elevation_deg=50, bearing_deg=205)
    inside = np.argwhere((large != 255).any(axis=2))
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0)
    cut = large[top : bottom + 1, left : right + 1]
    share = min(0.96 * width / cut.shape[1], 0.96 * height / cut.shape[0])
    size = (int(cut.shape[1] * share), int(cut.shape[0] * share))
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    tile = np.full((height, width, 3), 255, np.uint8)
    y, x = (height - size[1]) // 2, (width - size[0]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile


def _inside(room: Room, config: Config, count: int, tile_px: tuple[int, int]) -> list[Rgb]:
    """Return what a camera sees at places from which much is seen."""
    rng = np.random.default_rng(config.flight.seed)
    height_m = config.sim.height_m
    with World(room) as world:
        poses = [room.free_pose(rng) for _ in range(_POSES)]
        openness = [_openness(world, pose, height_m) for pose in poses]
        best = _apart(poses, np.argsort(openness)[::-1].tolist(), count)
        return [_shot(world, pose, height_m, tile_px)[0] for pose in best]


def _apart(poses: Sequence[Pose], order: Sequence[int], count: int) -> list[Pose]:
    """Return the first poses in an order that look in different directions."""
    chosen: list[Pose] = []
    for k in order:
        turns = [math.cos(poses[k].yaw_rad - pose.yaw_rad) for pose in chosen]
        if len(chosen) < count and all(turn < 0.6 for turn in turns):
            chosen.append(poses[k])
    rest = (poses[k] for k in order if poses[k] not in chosen)
    while len(chosen) < count:
        chosen.append(next(rest))
    return chosen


def _openness(world: World, pose: Pose, height_m: float) -> float:
    """Return beyond which distance four fifths of the picture lie, m."""
    _, nearness = _shot(world, pose, height_m, (32, 24), finer=1)
    return float(1 / np.quantile(nearness, 0.8))


def _shot(
    world: World, pose: Pose, height_m: float, tile_px: tuple[int, int], finer: int = _FINER
) -> tuple[Rgb, NDArray[np.float32]]:
    """Return the picture and the inverse depth that a camera at a pose sees."""
    size = (tile_px[0] * finer, tile_px[1] * finer)
    camera = Intrinsics.from_hfov(*size, _HFOV_RAD)
    level = rotation_from_quaternion(quaternion_from_euler(0.0, 0.0, pose.yaw_rad))
    eye_m = np.array([pose.north_m, pose.east_m, -height_m])
    view = view_matrix(level @ BODY_FROM_OPTICAL, eye_m)
    picture = world.render(view, projection_matrix(camera), size)
    large = np.ascontiguousarray(picture.rgba[:, :, :3])
    small = np.asarray(cv2.resize(large, tile_px, interpolation=cv2.INTER_AREA), np.uint8)
    return small, inverse_depth(picture.z_buffer)
