"""Whether skipping the question how far things are changes anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from plainroom import a_room

from drone.config import RoomConfig, VehicleConfig
from drone.geometry import quaternion_from_euler
from drone.messages import VelocityCommand
from drone.sim.contact import LOOK_M, MARGIN_M, Hull
from drone.sim.furnish import room_from_seed
from drone.sim.rigidbody import Kinematics
from drone.sim.room import Pose, Room
from drone.sim.vehicle import Quadrotor, Touch
from drone.sim.world import World

pytestmark = pytest.mark.sim
HZ = 240
Record = list[tuple[Kinematics, Touch]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(a_room()) as world:
        yield world


def wander(room: Room, seed: int, *, ask_always: bool, blind: bool = False) -> Record:
    """Fly about for 40 s, into things too, and stay there for a while."""
    track: Record = []
    with World(room) as world:
        vehicle = Quadrotor(world, VehicleConfig(), HZ)
        vehicle.put(Pose(0.3 * seed - 1.0, 0.2, 0.4 * seed), 1.1)
        for k in range(40 * HZ):
            if ask_always:
                vehicle._hull._gap_m = 0.0
            if blind:
                vehicle._hull._gap_m = 1.0
            s = k / HZ
            down = 0.3 * math.sin(s / 3 + seed)
            wanted = VelocityCommand(
                k, 0, True, 0.9, 0.4 * math.sin(s), down, 1.2 * math.sin(s / 2)
            )
            touch = vehicle.step(wanted)
            track.append((vehicle.kinematics(), touch))
    return track


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_asking_seldom_flies_and_touches_exactly_as_asking_always(seed: int) -> None:
    room = room_from_seed(RoomConfig(), 20 + seed)
    seldom = wander(room, seed, ask_always=False)
    assert seldom == wander(room, seed, ask_always=True), "bit for bit"
    assert any(touch.other for _, touch in seldom)


def test_never_asking_flies_through_the_walls() -> None:
    """Negative control."""
    room = room_from_seed(RoomConfig(), 20)
    track = wander(room, 0, ask_always=False, blind=True)
    assert not any(touch.other or touch.floor for _, touch in track)
    farthest = max(max(abs(k.position_m[0]), abs(k.position_m[1])) for k, _ in track)
    assert farthest > 3.0


def test_the_gap_is_that_of_the_turned_box(world: World) -> None:
    config = VehicleConfig()
    hull = Hull(world, config, 1 / HZ)
    yaw = 0.4
    attitude = quaternion_from_euler(0.0, 0.0, yaw)
    at = Kinematics((2.2, 0.0, -1.1), (0.0, 0.0, 0.0), attitude, (0.0, 0.0, 0.0))
    wall_m = world.room.length_m / 2
    corner_m = 0.26 * (math.cos(yaw) + math.sin(yaw))
    assert hull.gap_m(at) == pytest.approx(wall_m - 2.2 - corner_m, abs=5e-4)
    low = at._replace(position_m=(-0.8, 0.0, -0.3))
    assert hull.gap_m(low) == pytest.approx(0.3 - 0.065, abs=5e-4)
    assert hull.gap_m(at._replace(position_m=(0.0, 0.0, -50.0))) == LOOK_M


def test_far_from_everything_it_is_asked_seldom(world: World) -> None:
    vehicle = Quadrotor(world, VehicleConfig(), HZ)
    vehicle.put(Pose(-0.8, 0.0, 0.7), 1.1)
    asked = 0
    original = vehicle._hull.gap_m

    def counted(motion: Kinematics) -> float:
        nonlocal asked
        asked += 1
        return original(motion)

    vehicle._hull.gap_m = counted  # type: ignore[method-assign]
    for k in range(10 * HZ):
        vehicle.step(VelocityCommand(k, 0, True, 0.2, 0.0, 0.0, 1.0))
    assert 0 < asked < 100


def test_the_margin_covers_what_one_step_can_speed_up() -> None:
    """Full thrust, one side only, with every sign at once: far less than the margin."""
    config = VehicleConfig()
    most_n = config.max_thrust_ratio * config.mass_kg * 9.81
    accel = most_n / config.mass_kg + 9.81
    torque = most_n * config.arm_m
    spin_up = torque / min(config.inertia_kgm2)
    radius = math.hypot(config.hull_length_m, config.hull_width_m) / 2
    assert (accel + radius * spin_up) / HZ**2 < 0.25 * MARGIN_M
