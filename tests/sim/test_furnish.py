from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from drone.config import RoomConfig
from drone.config.room import Difficulty
from drone.sim.difficulties import STYLES
from drone.sim.furnish import GAP_M, redecorated, room_from_seed
from drone.sim.layout import require_flyable
from drone.sim.room import CLEARANCE_M, Room

pytestmark = pytest.mark.unit
SEEDS = range(20, 40)
DIFFICULTIES = get_args(Difficulty)


def rooms(difficulty: str) -> list[Room]:
    config = RoomConfig.model_validate({"difficulty": difficulty})
    return [room_from_seed(config, seed) for seed in SEEDS]


def density(room: Room) -> float:
    return len(room.obstacles) / (room.length_m * room.width_m)


def test_every_difficulty_has_a_style_that_is_whole() -> None:
    assert set(STYLES) == set(DIFFICULTIES)
    for style in STYLES.values():
        assert sum(style.kinds.values()) == pytest.approx(1.0)
        assert all(style.covers[kind] for kind in style.kinds)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_a_drone_can_start_and_get_about_in_every_room(difficulty: str) -> None:
    for room, seed in zip(rooms(difficulty), SEEDS, strict=True):
        require_flyable(room, 1.1, 0.13)
        pose = room.free_pose(np.random.default_rng(seed))
        assert room.clearance_m(pose.north_m, pose.east_m) >= CLEARANCE_M


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_things_leave_a_way_between_them_or_touch(difficulty: str) -> None:
    for room in rooms(difficulty):
        for k, one in enumerate(room.obstacles):
            for other in room.obstacles[k + 1 :]:
                assert one.gap_m(other) >= GAP_M or one.gap_m(other) < 1e-3
                if one.gap_m(other) < 1e-3:
                    assert {one.kind, other.kind} <= {"cupboard", "shelf"}


def test_difficulties_differ_as_their_names_say() -> None:
    mixed, cluttered = (np.mean([density(r) for r in rooms(d)]) for d in ("mixed", "cluttered"))
    assert cluttered > 1.5 * mixed
    for room in rooms("corridor"):
        assert room.length_m > 2.4 * room.width_m
    plain = {w.material for room in rooms("plain") for w in (*room.walls, room.ceiling)}
    assert plain == {"paint"}
    assert {len(room.walls) for room in rooms("textured")} == {4}
    assert "plaster" not in {w.material for room in rooms("textured") for w in room.walls}


def test_size_and_number_can_be_given_and_the_pictures_stay() -> None:
    free = room_from_seed(RoomConfig(), 20)
    fixed = room_from_seed(RoomConfig(length_m=5, width_m=4, height_m=2.2, obstacles=2), 20)
    assert (fixed.length_m, fixed.width_m, fixed.height_m) == (5, 4, 2.2)
    assert len(fixed.obstacles) == 2
    assert fixed.walls[0].material == free.walls[0].material


def test_tables_and_lamps_turn_up() -> None:
    kinds = {o.kind for d in ("mixed", "cluttered") for room in rooms(d) for o in room.obstacles}
    assert kinds == {"pillar", "crate", "cupboard", "shelf", "chest", "screen", "table", "lamp"}
    for room in rooms("cluttered"):
        for lamp in (o for o in room.obstacles if o.kind == "lamp"):
            assert 0.8 < lamp.bottom_m < 1.3, "in the way of a drone at 1.1 m, or nearly"


def test_redecorating_moves_nothing() -> None:
    room = room_from_seed(RoomConfig(), 20)
    other = redecorated(room, "mixed", ("walls", "obstacles"), 7)
    assert other.floor == room.floor
    assert other.walls != room.walls
    assert [w.fittings[0].kind for w in other.walls if w.fittings] == [
        w.fittings[0].kind for w in room.walls if w.fittings
    ]
    assert [o.corners for o in other.obstacles] == [o.corners for o in room.obstacles]
    assert other == redecorated(room, "mixed", ("obstacles", "walls"), 7)
    assert other != redecorated(room, "mixed", ("walls", "obstacles"), 8)
