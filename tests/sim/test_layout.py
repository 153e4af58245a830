from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest
from plainroom import a_pillar, a_room

from drone.config import RoomConfig, launch_folder, load
from drone.config.room import Difficulty, LayoutConfig
from drone.errors import UserError
from drone.sim.furnish import room_from_seed, room_of
from drone.sim.layout import layout_of, require_flyable, room_from_layout
from drone.sim.room import Fitting, Obstacle, Pose, Room, Surface

pytestmark = pytest.mark.unit
HULL_M = 0.13


def written(room: Room) -> LayoutConfig:
    return LayoutConfig.model_validate(layout_of(room).model_dump(mode="json"))


@pytest.mark.parametrize("difficulty", get_args(Difficulty))
@pytest.mark.parametrize("seed", range(20, 28))
def test_a_room_written_out_and_read_again_is_the_same(difficulty: str, seed: int) -> None:
    room = room_from_seed(RoomConfig.model_validate({"difficulty": difficulty}), seed)
    assert room_from_layout(written(room)) == room


def test_start_and_dimmed_light_are_kept_too() -> None:
    room = replace(a_room(), start=Pose(-1.0, 0.5, math.radians(30)), light_level=0.3)
    assert room_from_layout(written(room)) == room


def test_the_configuration_holds_either_a_seeds_room_or_a_written_one() -> None:
    room = a_room(a_pillar(1.0, 0.5))
    assert room_of(RoomConfig(layout=layout_of(room)), 10) == room
    assert room_of(RoomConfig(), 10) == room_from_seed(RoomConfig(), 10)


def test_the_room_that_ships_can_be_flown_in() -> None:
    config = load(launch_folder() / "ardrone_room.toml")
    room = room_of(config.sim.room, 0)
    assert (room.length_m, room.width_m) == (5.0, 5.0)
    require_flyable(room, config.sim.height_m, HULL_M)
    assert room_of(config.sim.room, 1) == room


# What is wrong


@pytest.mark.parametrize("height_m", [0.1, 2.45, 3.0])
def test_the_drone_must_fit_between_floor_and_ceiling(height_m: float) -> None:
    with pytest.raises(UserError, match=r"sim.height_m = .* ceiling of 2.5 m"):
        require_flyable(a_room(), height_m, HULL_M)


def test_a_start_in_an_obstacle_or_before_a_wall_is_refused() -> None:
    room = a_room(a_pillar(1.0, 0.0))
    for start in (Pose(1.0, 0.0, 0.0), Pose(2.5, 0.0, 0.0), Pose(5.0, 0.0, 0.0)):
        with pytest.raises(UserError, match=r"start = north .* needs 0.6 m to everything"):
            require_flyable(replace(room, start=start), 1.1, HULL_M)
    require_flyable(replace(room, start=Pose(-1.5, 0.0, math.pi / 2)), 1.1, HULL_M)


def test_a_room_without_any_place_to_start_is_refused() -> None:
    crowd = [a_pillar(n, e) for n in (-2, -1, 0, 1, 2) for e in (-1.4, -0.7, 0.0, 0.7, 1.4)]
    with pytest.raises(UserError, match=r"no place 0.6 m from everything"):
        require_flyable(a_room(*crowd), 1.1, HULL_M)


def test_a_row_of_obstacles_that_traps_the_drone_is_refused() -> None:
    """With its negative control: one of them left out, and there is a way."""
    row = [
        Obstacle("crate", 0.0, e, 0.0, 0.5, 0.9, 1.5, Surface("cardboard", 1))
        for e in (-1.5, 0, 1.5)
    ]
    with pytest.raises(UserError, match=r"into 2 parts: .* at least 0.82 m, or the drone"):
        require_flyable(a_room(*row), 1.1, HULL_M)
    require_flyable(a_room(*row[:2]), 1.1, HULL_M)


def test_an_obstacle_outside_the_room_is_refused() -> None:
    for place in ((2.95, 0.0), (0.0, -1.9), (20.0, 0.0)):
        with pytest.raises(UserError, match=r"obstacle 0 \(pillar\) at .* out of the room"):
            room_from_layout(layout_of(a_room(a_pillar(*place))))
    tall = replace(a_pillar(0.0, 0.0), height_m=2.6)
    with pytest.raises(UserError, match=r"0.10 m out of the room of 6 x 4 x 2.5 m"):
        room_from_layout(layout_of(a_room(tall)))


def test_a_door_that_does_not_fit_on_its_wall_is_refused() -> None:
    door = Fitting("door", 1.8, 0.0, 0.9, 2.0, 1)
    north = replace(a_room().walls[0], fittings=(door,))
    room = replace(a_room(), walls=(north, *a_room().walls[1:]))
    with pytest.raises(UserError, match=r"walls.north: a door of 0.9 x 2 m at 1.8 m.* 4 x 2.5 m"):
        room_from_layout(layout_of(room))


def test_an_unknown_material_is_refused_with_the_known_ones() -> None:
    layout = layout_of(a_room()).model_dump(mode="json")
    layout["floor"]["material"] = "velvet"
    with pytest.raises(ValueError, match="'brick', 'cardboard', 'carpet'"):
        LayoutConfig.model_validate(layout)
