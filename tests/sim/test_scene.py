from __future__ import annotations

import math

import numpy as np
import pytest
from plainroom import a_room

from drone.config import RoomConfig
from drone.sim.room import Obstacle, Surface, room_from_seed
from drone.sim.scene import Box, parts

pytestmark = pytest.mark.unit


def in_box(point: np.ndarray, box: Box) -> np.ndarray:
    """A point in a box's own axes."""
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    offset = point - np.array(box.middle_m)
    return np.array([c * offset[0] + s * offset[1], c * offset[1] - s * offset[0], offset[2]])


@pytest.mark.parametrize("seed", range(10, 16))
def test_every_rectangle_lies_on_its_box_and_faces_outwards(seed: int) -> None:
    room = room_from_seed(RoomConfig(obstacles=4), seed)
    for part in parts(room, tops=True):
        for quad in part.quads:
            middle = np.mean(quad.corners, axis=0)
            surface = in_box(middle, part.box)
            on_face = np.isclose(np.abs(surface), part.box.half_m, atol=1e-9)
            assert on_face.sum() == 1, part.name
            outside = in_box(middle + 0.01 * np.array(quad.normal), part.box)
            assert np.any(np.abs(outside) > np.array(part.box.half_m) + 0.009), part.name


def test_walls_floor_and_ceiling_face_the_room() -> None:
    for part in parts(a_room()):
        (quad,) = part.quads
        towards_middle = np.array([0.0, 0.0, -1.25]) - np.mean(quad.corners, axis=0)
        assert np.dot(quad.normal, towards_middle) > 0, part.name


def test_what_no_camera_sees_is_left_out() -> None:
    tall = Obstacle("crate", 0.0, 0.0, 0.3, 0.5, 0.6, 1.6, Surface("cardboard", 1))
    low = Obstacle("chest", 0.0, 0.0, 0.3, 0.5, 0.6, 0.6, Surface("cardboard", 1))
    for obstacle, tops, count in ((tall, False, 4), (tall, True, 5), (low, False, 5)):
        (part,) = (p for p in parts(a_room(obstacle), tops=tops) if p.name == obstacle.kind)
        assert len(part.quads) == count
    (ceiling,) = (p for p in parts(a_room(), ceiling=False) if p.name == "ceiling")
    assert ceiling.quads == ()


def test_pictures_run_unbroken_around_an_obstacle_front_first() -> None:
    crate = Obstacle("crate", 1.0, 0.5, 0.3, 0.4, 0.8, 1.6, Surface("cardboard", 1))
    part = parts(a_room(crate))[0]
    assert part.quads[0].left == 0.0
    assert part.quads[3].right == pytest.approx(1.0)
    for one, following in zip(part.quads[:-1], part.quads[1:], strict=True):
        assert one.right == following.left
        assert one.corners[1] == following.corners[0]
    for quad in part.quads:
        width_m = math.dist(quad.corners[0], quad.corners[1])
        assert width_m / (quad.right - quad.left) == pytest.approx(2.4)
    front = np.array(part.quads[0].normal)
    assert front == pytest.approx([math.cos(0.3), math.sin(0.3), 0.0])
