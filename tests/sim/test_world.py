from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pybullet
import pytest
from plainroom import PLAIN, a_pillar, a_room

from drone.config import RoomConfig
from drone.config.room import Difficulty
from drone.geometry import BODY_FROM_OPTICAL, Intrinsics
from drone.sim import world as world_module
from drone.sim.cameras import FAR_M, inverse_depth, projection_matrix, view_matrix
from drone.sim.furnish import room_from_seed
from drone.sim.room import Obstacle, Pose
from drone.sim.scene import Box, Part, Quad
from drone.sim.world import World

pytestmark = pytest.mark.sim
CAMERA = Intrinsics(64, 48, 40.0, 40.0, 31.5, 23.5)
NORTH_WALL = ((2.0, -2.0, 2.0), (2.0, 2.0, 2.0), (2.0, 2.0, -2.0), (2.0, -2.0, -2.0))
"""Bottom left, bottom right, top right, top left, as seen from the origin."""


@pytest.fixture
def one_quad(monkeypatch: pytest.MonkeyPatch) -> object:
    """Builds a world of one quad with a picture: white at the top left, else grey."""
    picture = np.full((40, 40, 3), 60, np.uint8)
    picture[:20, :20] = 240

    def build(quad: Quad) -> World:
        far = Box((0.1, 0.1, 0.1), (0.0, 0.0, 50.0), 0.0)
        part = Part("floor", (far,), (quad,), picture)
        monkeypatch.setattr(world_module, "parts", lambda room, **_: (part,))
        return World(a_room())

    return build


def look_north(world: World) -> np.ndarray:
    view = view_matrix(BODY_FROM_OPTICAL, np.zeros(3))
    picture = world.render(view, projection_matrix(CAMERA), (CAMERA.width, CAMERA.height))
    return picture.rgba[:, :, :3].astype(float).mean(axis=2)


def test_a_quad_shows_its_picture_upright_and_not_mirrored(one_quad) -> None:
    with one_quad(Quad(NORTH_WALL)) as world:
        image = look_north(world)
    quarters = [image[:24, :32], image[:24, 32:], image[24:, :32], image[24:, 32:]]
    assert int(np.argmax([q.mean() for q in quarters])) == 0
    assert quarters[0].mean() > 2 * quarters[3].mean()


def test_a_quad_is_not_seen_from_behind(one_quad) -> None:
    with one_quad(Quad(tuple(reversed(NORTH_WALL)))) as world:
        assert look_north(world).min() == 255, "the empty background is white"


def test_the_hull_and_walls_are_drawn_only_as_their_pictures() -> None:
    with World(a_room()) as world:
        before = look_north(world)
        shape = world_module.pybullet.createCollisionShape(
            world_module.pybullet.GEOM_BOX, halfExtents=[0.1] * 3, physicsClientId=world.client
        )
        world_module.pybullet.createMultiBody(
            1.0, shape, world.invisible(), basePosition=(1.0, 0, 0), physicsClientId=world.client
        )
        np.testing.assert_array_equal(before, look_north(world))
        # Negative control: without a visual shape it is in the way.
        world_module.pybullet.createMultiBody(
            1.0, shape, -1, basePosition=(1.0, 0, 0), physicsClientId=world.client
        )
        assert (before != look_north(world)).any()


def test_worlds_in_one_process_do_not_mix() -> None:
    with World(a_room()) as empty, World(a_room(a_pillar(1.0, 0.0))) as furnished:
        alone = look_north(empty)
        assert (look_north(furnished) != alone).any()
        np.testing.assert_array_equal(look_north(empty), alone)


def test_closing_twice_does_nothing() -> None:
    world = World(a_room())
    world.close()
    world.close()
    assert world.client < 0


def seen_and_touched(world: World, pose: Pose, height_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth as rendered and as rays meet what collides, m, for all pixels."""
    c, s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
    world_from_optical = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ BODY_FROM_OPTICAL
    eye = np.array([pose.north_m, pose.east_m, -height_m])
    size = (CAMERA.width, CAMERA.height)
    picture = world.render(view_matrix(world_from_optical, eye), projection_matrix(CAMERA), size)
    u, v = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    rays = np.stack(
        [(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], axis=-1
    )
    ends = eye + FAR_M * rays.reshape(-1, 3) @ world_from_optical.T
    starts = np.broadcast_to(eye, ends.shape)
    hits = [
        hit
        for k in range(0, len(ends), 1024)
        for hit in pybullet.rayTestBatch(
            starts[k : k + 1024].tolist(), ends[k : k + 1024].tolist(), physicsClientId=world.client
        )
    ]
    touched = FAR_M * np.array([hit[2] for hit in hits]).reshape(u.shape)
    return 1 / inverse_depth(picture.z_buffer), touched


@pytest.mark.parametrize("difficulty", get_args(Difficulty))
@pytest.mark.parametrize("height_m", [0.4, 1.1, 1.7])
def test_what_is_seen_is_what_collides(difficulty: str, height_m: float) -> None:
    """At any height: table tops and undersides, lamps, tops of chests and crates."""
    for seed in (21, 22):
        room = room_from_seed(RoomConfig.model_validate({"difficulty": difficulty}), seed)
        rng = np.random.default_rng(seed)
        with World(room) as world:
            for _ in range(4):
                seen, touched = seen_and_touched(world, room.free_pose(rng), height_m)
                # Where two things meet in a pixel, the two may choose differently.
                assert (np.abs(seen / touched - 1) < 0.01).mean() > 0.985


def test_one_can_be_under_a_table_and_beside_the_rod_of_a_lamp() -> None:
    table = Obstacle("table", 1.0, 0.0, 0.0, 0.8, 1.4, 0.75, PLAIN)
    lamp = Obstacle("lamp", -1.0, 0.0, 0.0, 0.4, 0.4, 0.3, PLAIN, 1.1)
    with World(a_room(table, lamp)) as world:
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_BOX, halfExtents=[0.1] * 3, physicsClientId=world.client
        )
        probe = pybullet.createMultiBody(1.0, shape, physicsClientId=world.client)

        def touches(north_m: float, east_m: float, height_m: float) -> bool:
            pybullet.resetBasePositionAndOrientation(
                probe, (north_m, east_m, -height_m), (0, 0, 0, 1), physicsClientId=world.client
            )
            pybullet.performCollisionDetection(physicsClientId=world.client)
            points = pybullet.getContactPoints(probe, physicsClientId=world.client)
            return any(point[8] < -1e-3 for point in points)

        assert touches(1.0, 0.0, 0.72), "the top"
        assert touches(1.35, 0.65, 0.4), "a leg"
        assert not touches(1.0, 0.0, 0.4), "between the legs"
        assert not touches(1.0, 0.0, 0.9), "above it"
        assert touches(-1.0, 0.0, 1.25), "the shade"
        assert touches(-1.0, 0.0, 2.0), "the rod"
        assert not touches(-1.0, 0.2, 2.0), "beside the rod"
        assert not touches(-1.0, 0.0, 0.9), "below it"


def test_light_is_taken_from_the_room_and_never_wraps_around() -> None:
    above_the_floor = slice(0, CAMERA.height // 2)
    with World(a_room()) as world:
        usual = look_north(world)[above_the_floor]
        world.show(replace(a_room(), light_level=0.5))
        np.testing.assert_allclose(look_north(world)[above_the_floor], usual / 2, atol=1.5)
        world.show(replace(a_room(), light_level=1.3))
        assert (look_north(world)[above_the_floor] >= usual).all()
        world.show(a_room())
        np.testing.assert_array_equal(look_north(world)[above_the_floor], usual)
