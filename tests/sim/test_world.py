from __future__ import annotations

import numpy as np
import pytest
from plainroom import a_pillar, a_room

from drone.geometry import BODY_FROM_OPTICAL, Intrinsics
from drone.sim import world as world_module
from drone.sim.cameras import projection_matrix, view_matrix
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
