from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from plainroom import a_room

from drone.config import RoomConfig
from drone.sim.furnish import room_from_seed
from drone.sim.room import Obstacle, Surface
from drone.sim.scene import Box, Quad, parts

pytestmark = pytest.mark.unit
TABLE = Obstacle("table", 0.5, 0.5, 0.4, 0.7, 1.2, 0.74, Surface("panel", 1))
LAMP = Obstacle("lamp", -0.5, 0.5, 0.4, 0.4, 0.4, 0.3, Surface("fabric", 1), 1.1)
HUNG = Obstacle("cupboard", 0.0, -0.5, 0.1, 0.4, 0.8, 0.6, Surface("panel", 1), 1.2)


def in_box(point: np.ndarray, box: Box) -> np.ndarray:
    """A point in a box's own axes."""
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    offset = point - np.array(box.middle_m)
    return np.array([c * offset[0] + s * offset[1], c * offset[1] - s * offset[0], offset[2]])


def lies_on(quad: Quad, box: Box, *, whole: bool) -> bool:
    """Whether a rectangle lies on a face of a box, or is all of it, and looks outwards."""
    corners = np.array([in_box(np.array(corner), box) for corner in quad.corners])
    if whole and not np.allclose(np.abs(corners), box.half_m, atol=1e-9):
        return False
    if not np.any(np.all(np.isclose(np.abs(corners), box.half_m, atol=1e-9), axis=0)):
        return False
    outside = in_box(np.mean(quad.corners, axis=0) + 0.01 * np.array(quad.normal), box)
    return bool(np.any(np.abs(outside) > np.array(box.half_m) + 0.009))


@pytest.mark.parametrize("seed", range(10, 16))
def test_every_rectangle_lies_on_its_box_and_faces_outwards(seed: int) -> None:
    room = room_from_seed(RoomConfig(obstacles=4), seed)
    room = replace(room, obstacles=(*room.obstacles, TABLE, LAMP, HUNG))
    for part in parts(room, tops=True):
        for quad in part.quads:
            # Walls collide a little beyond their edges.
            whole = part.name in {o.kind for o in room.obstacles}
            assert any(lies_on(quad, box, whole=whole) for box in part.boxes), part.name


def test_walls_floor_and_ceiling_face_the_room() -> None:
    for part in parts(a_room()):
        (quad,) = part.quads
        towards_middle = np.array([0.0, 0.0, -1.25]) - np.mean(quad.corners, axis=0)
        assert np.dot(quad.normal, towards_middle) > 0, part.name


def test_what_no_camera_sees_is_left_out() -> None:
    crate = Obstacle("crate", 0.0, 0.0, 0.3, 0.5, 0.6, 1.6, Surface("cardboard", 1))
    pillar = Obstacle("pillar", 0.0, 0.0, 0.3, 0.3, 0.3, 2.5, Surface("concrete", 1))
    for obstacle, tops, count in (
        (pillar, False, 4),
        (pillar, True, 5),
        (crate, False, 5),
        (HUNG, False, 6),
        (TABLE, False, 6 + 4 * 4),
        (LAMP, False, 6 + 4),
    ):
        (part,) = (p for p in parts(a_room(obstacle), tops=tops) if p.name == obstacle.kind)
        assert len(part.quads) == count
    (ceiling,) = (p for p in parts(a_room(), ceiling=False) if p.name == "ceiling")
    assert ceiling.quads == ()


def test_pictures_run_unbroken_around_an_obstacle_front_first() -> None:
    crate = Obstacle("crate", 1.0, 0.5, 0.3, 0.4, 0.8, 1.6, Surface("cardboard", 1))
    part = parts(a_room(crate))[0]
    assert part.quads[0].left == 0.0
    assert part.quads[3].right == pytest.approx(1.0)
    for one, following in zip(part.quads[:3], part.quads[1:4], strict=True):
        assert one.right == following.left
        assert one.corners[1] == following.corners[0]
    for quad in part.quads[:4]:
        width_m = math.dist(quad.corners[0], quad.corners[1])
        assert width_m / (quad.right - quad.left) == pytest.approx(2.4)
    front = np.array(part.quads[0].normal)
    assert front == pytest.approx([math.cos(0.3), math.sin(0.3), 0.0])


def test_a_table_is_open_below_and_a_lamp_hangs_from_the_ceiling() -> None:
    table, lamp = parts(a_room(TABLE, LAMP))[:2]
    legs = [box for box in table.boxes if box.half_m[2] > 0.1]
    assert len(legs) == 4
    assert all(box.middle_m[2] + box.half_m[2] == pytest.approx(0.0) for box in legs)
    top = next(box for box in table.boxes if box not in legs)
    assert top.middle_m[2] - top.half_m[2] == pytest.approx(-0.74)
    shade, rod = lamp.boxes
    assert shade.middle_m[2] + shade.half_m[2] == pytest.approx(-1.1)
    assert rod.middle_m[2] - rod.half_m[2] == pytest.approx(-2.5)
    assert rod.middle_m[2] + rod.half_m[2] == pytest.approx(shade.middle_m[2] - shade.half_m[2])
