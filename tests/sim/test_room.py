from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from plainroom import a_pillar, a_room

from drone.config import RoomConfig
from drone.errors import UserError, WorkFailedError
from drone.sim.furnish import GAP_M, room_from_seed
from drone.sim.room import CLEARANCE_M, Pose

pytestmark = pytest.mark.unit
SEEDS = range(10, 40)
FIVE = RoomConfig(length_m=5, width_m=5, height_m=2.5, obstacles=3)


def test_distance_from_a_point_to_an_obstacle() -> None:
    pillar = a_pillar(1.0, 0.0)
    assert pillar.distance_m(0.0, 0.0) == pytest.approx(0.9)
    assert pillar.distance_m(1.05, 0.1) == 0.0
    assert pillar.distance_m(1.0 + 0.1 + 0.3, 0.2 + 0.4) == pytest.approx(0.5)
    turned = a_pillar(1.0, 0.0, math.pi / 2)
    assert turned.distance_m(0.0, 0.0) == pytest.approx(0.8)


def test_corners_start_front_right_and_turn_with_the_obstacle() -> None:
    corners = np.array(a_pillar(0.0, 0.0).corners)
    np.testing.assert_allclose(corners, [(0.1, 0.2), (-0.1, 0.2), (-0.1, -0.2), (0.1, -0.2)])
    facing_east = a_pillar(0.0, 0.0, math.pi / 2).corners
    assert facing_east[0] == pytest.approx((-0.2, 0.1))


def test_gap_between_obstacles() -> None:
    assert a_pillar(0, 0).gap_m(a_pillar(1, 0)) == pytest.approx(0.8)
    diagonal = a_pillar(0, 0, math.pi / 4)
    reach = (0.1 + 0.2) / math.sqrt(2)
    assert diagonal.gap_m(a_pillar(1, 0)) == pytest.approx(1 - 0.1 - reach)
    assert a_pillar(0, 0).gap_m(a_pillar(0.1, 0.1)) == 0.0


def test_clearance_counts_walls_and_obstacles() -> None:
    room = a_room(a_pillar(1.0, 0.0))
    assert room.clearance_m(0.5, 0.0) == pytest.approx(0.4)
    assert room.clearance_m(-2.5, 0.0) == pytest.approx(0.5)
    assert room.clearance_m(0.0, 3.0) < 0


def test_a_pose_is_free_only_with_a_free_way_ahead() -> None:
    room = a_room(a_pillar(1.0, 0.0))
    assert room.is_free(Pose(0.0, 0.0, math.pi))
    assert not room.is_free(Pose(0.0, 0.0, 0.0))
    assert not room.is_free(Pose(0.8, 0.5, math.pi))


def test_no_free_pose_is_an_error() -> None:
    crowd = [a_pillar(n, e) for n in np.arange(-3, 3, 0.8) for e in np.arange(-2, 2, 0.8)]
    with pytest.raises(WorkFailedError, match="no free place"):
        a_room(*crowd).free_pose(np.random.default_rng(10))


def test_a_seed_names_a_room() -> None:
    config = RoomConfig()
    assert room_from_seed(config, 10) == room_from_seed(config, 10)
    assert room_from_seed(config, 10) != room_from_seed(config, 11)


@pytest.mark.parametrize(
    "config",
    [
        RoomConfig(length_m=5, width_m=5, obstacles=3),
        RoomConfig(length_m=5, width_m=5, obstacles=5),
        RoomConfig(length_m=12, width_m=9, obstacles=15, height_m=3.5),
        RoomConfig(length_m=3, width_m=3, obstacles=1),
        RoomConfig(obstacles=0),
    ],
    ids=["default", "crowded", "hall", "closet", "empty"],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_can_trap_a_drone(config: RoomConfig, seed: int) -> None:
    room = room_from_seed(config, seed)
    assert len(room.obstacles) == config.obstacles
    for one, other in itertools.combinations(room.obstacles, 2):
        assert one.gap_m(other) >= GAP_M
    for obstacle in room.obstacles:
        for north_m, east_m in obstacle.corners:
            for free_m in (room.length_m / 2 - abs(north_m), room.width_m / 2 - abs(east_m)):
                assert free_m > -1e-9
        norths, easts = zip(*obstacle.corners, strict=True)
        for gap_m in (
            room.length_m / 2 - max(norths),
            room.length_m / 2 + min(norths),
            room.width_m / 2 - max(easts),
            room.width_m / 2 + min(easts),
        ):
            # The one pillar of a closet stands in the middle, whatever remains.
            assert gap_m < 1e-9 or gap_m >= GAP_M - 1e-9 or room.length_m == 3
    pose = room.free_pose(np.random.default_rng(seed))
    assert room.clearance_m(pose.north_m, pose.east_m) >= CLEARANCE_M


def test_most_obstacles_stand_in_the_way_of_a_drone_at_flying_height() -> None:
    heights = [o.top_m for s in SEEDS for o in room_from_seed(FIVE, s).obstacles]
    assert np.mean(np.array(heights) > 1.1) > 0.85


def test_obstacles_that_do_not_fit_are_the_users_error() -> None:
    with pytest.raises(UserError, match=r"sim.room.obstacles = 20 do not fit into 3 x 3 m"):
        room_from_seed(RoomConfig(length_m=3, width_m=3, obstacles=20), 10)


def test_the_plan_shows_walls_and_obstacles() -> None:
    outline, pillar = a_room(a_pillar(1.0, 0.0)).plan()
    assert outline == ((3.0, 2.0), (-3.0, 2.0), (-3.0, -2.0), (3.0, -2.0))
    assert pillar == a_pillar(1.0, 0.0).corners
