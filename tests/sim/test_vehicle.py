from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pybullet
import pytest
from plainroom import a_room

from drone.config import VehicleConfig
from drone.geometry import euler_from_quaternion, rotation_from_quaternion
from drone.messages import VelocityCommand
from drone.sim.room import Pose
from drone.sim.vehicle import Kinematics, Quadrotor
from drone.sim.world import World

pytestmark = pytest.mark.sim
HZ = 240
YAW = 0.7
MIDDLE = Pose(-0.8, 0.0, YAW)


def command(
    forward: float = 0.0, right: float = 0.0, down: float = 0.0, yaw: float = 0.0
) -> VelocityCommand:
    return VelocityCommand(0, 0, True, forward, right, down, yaw)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(a_room()) as world:
        yield world


@pytest.fixture(scope="module")
def vehicle(world: World) -> Quadrotor:
    return Quadrotor(world, VehicleConfig(), HZ)


def fly(vehicle: Quadrotor, wanted: VelocityCommand, seconds: float) -> list[Kinematics]:
    track = []
    for _ in range(round(seconds * HZ)):
        vehicle.step(wanted)
        track.append(vehicle.kinematics())
    return track


def velocities(track: list[Kinematics]) -> np.ndarray:
    """Forward, right, down at the starting heading, (N, 3) m/s."""
    c, s = math.cos(YAW), math.sin(YAW)
    heading_from_world = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    return np.array([k.velocity_mps for k in track]) @ heading_from_world.T


def settling_s(values: np.ndarray, target: float) -> float:
    """Time after which values stay within 10 % of the target."""
    return (int(np.flatnonzero(np.abs(values - target) > 0.1 * abs(target))[-1]) + 1) / HZ


@pytest.mark.parametrize(
    ("wanted", "axis", "target"),
    [
        (command(forward=0.5), 0, 0.5),
        (command(forward=-0.5), 0, -0.5),
        (command(right=0.5), 1, 0.5),
        (command(right=-0.5), 1, -0.5),
        (command(down=0.3), 2, 0.3),
        (command(down=-0.3), 2, -0.3),
    ],
)
def test_a_velocity_step_settles_within_a_second(
    vehicle: Quadrotor, wanted: VelocityCommand, axis: int, target: float
) -> None:
    vehicle.put(MIDDLE, 1.1)
    speed = velocities(fly(vehicle, wanted, 2.0))
    assert settling_s(speed[:, axis], target) < 1.0
    assert np.max(speed[:, axis] / target) < 1.2
    others = np.delete(speed, axis, axis=1)
    assert np.abs(others).max() < 0.02


def test_a_tilted_body_turns_into_its_motion(vehicle: Quadrotor) -> None:
    """Flying forward the nose goes down first, and the tilt stays near its limit at most."""
    vehicle.put(MIDDLE, 1.1)
    pitch = [euler_from_quaternion(k.attitude)[1] for k in fly(vehicle, command(forward=1.0), 1.0)]
    assert math.degrees(min(pitch)) < -8
    assert math.degrees(min(pitch)) > -18


@pytest.mark.parametrize("rate", [1.0, -2.0])
def test_a_yaw_step_settles_and_positive_turns_right(vehicle: Quadrotor, rate: float) -> None:
    vehicle.put(MIDDLE, 1.1)
    track = fly(vehicle, command(yaw=rate), 2.0)
    measured = np.array([k.rates_radps[2] for k in track])
    assert settling_s(measured, rate) < 1.0
    assert np.max(measured / rate) < 1.2
    yaw = np.unwrap([euler_from_quaternion(k.attitude)[2] for k in track])
    assert yaw[-1] - yaw[0] == pytest.approx(2 * rate, rel=0.05)


def test_hover_does_not_drift(vehicle: Quadrotor) -> None:
    vehicle.put(MIDDLE, 1.1)
    vehicle.step(command(forward=0.5, yaw=1.0))
    track = np.array([k.position_m for k in fly(vehicle, command(), 60.0)])
    assert np.ptp(track, axis=0).max() < 0.02


def test_full_stop_from_half_a_metre_per_second(vehicle: Quadrotor) -> None:
    vehicle.put(MIDDLE, 1.1)
    start = np.array(fly(vehicle, command(forward=0.5), 2.0)[-1].position_m)
    track = fly(vehicle, command(), 3.0)
    way = np.linalg.norm(np.array([k.position_m for k in track]) - start, axis=1)
    assert 0.05 < way.max() < 0.25
    assert np.linalg.norm(track[-1].velocity_mps) < 0.01


def test_height_and_heading_hold_while_flying_a_circle(vehicle: Quadrotor) -> None:
    vehicle.put(Pose(0.0, -0.6, 0.0), 1.1)
    track = fly(vehicle, command(forward=0.5, yaw=1.0), 6.0)
    heights = np.array([k.position_m[2] for k in track])
    assert np.abs(heights + 1.1).max() < 0.02
    speed = [math.hypot(*k.velocity_mps[:2]) for k in track[-HZ:]]
    assert np.mean(speed) == pytest.approx(0.5, rel=0.12)


def test_body_rates_are_the_derivative_of_attitude(vehicle: Quadrotor) -> None:
    vehicle.put(MIDDLE, 1.1)
    track = fly(vehicle, command(forward=1.0, right=-0.7, yaw=1.5), 0.4)
    before, middle, after = track[-3:]
    turn = rotation_from_quaternion(before.attitude).T @ rotation_from_quaternion(after.attitude)
    skew = (turn - turn.T) / 2 * (HZ / 2)
    rates = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    assert np.abs(rates).max() > 0.3
    np.testing.assert_allclose(rates, middle.rates_radps, atol=0.05)


def test_world_torques_act_in_the_world(world: World, vehicle: Quadrotor) -> None:
    """PyBullet's frame flags have been wrong before: a torque about z on a rolled body."""
    body, client = vehicle._hull.body, world.client
    half = math.pi / 4
    start = ((0, 0, -1), (math.sin(half), 0, 0, math.cos(half)))
    pybullet.resetBasePositionAndOrientation(body, *start, physicsClientId=client)
    pybullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0), physicsClientId=client)
    pybullet.applyExternalTorque(
        body, -1, (0, 0, 0.01), pybullet.WORLD_FRAME, physicsClientId=client
    )
    pybullet.stepSimulation(physicsClientId=client)
    _, spin = pybullet.getBaseVelocity(body, physicsClientId=client)
    # Rolled by 90 degrees, the world's z is the body's y.
    assert spin == pytest.approx((0, 0, 0.01 / HZ / VehicleConfig().inertia_kgm2[1]), abs=1e-6)


def test_touch_tells_the_floor_from_the_rest(vehicle: Quadrotor) -> None:
    vehicle.put(Pose(2.0, 0.0, 0.0), 1.1)
    touches = [vehicle.step(command(forward=1.0)) for _ in range(3 * HZ)]
    assert any(t.other for t in touches)
    assert not any(t.floor for t in touches)
    first = next(i for i, t in enumerate(touches) if t.other)
    assert first / HZ == pytest.approx((3.0 - 0.26 - 2.0) / 1.0 + 0.35, abs=0.2)
    vehicle.put(MIDDLE, 0.3)
    touches = [vehicle.step(command(down=0.3)) for _ in range(2 * HZ)]
    assert any(t.floor for t in touches)
    assert not any(t.other for t in touches)


def test_without_motors_it_falls_and_lies(vehicle: Quadrotor) -> None:
    vehicle.put(MIDDLE, 1.1)
    vehicle.stop_motors()
    track = fly(vehicle, command(forward=1.0), 2.0)
    assert track[48].velocity_mps[2] == pytest.approx(9.81 * 49 / HZ, rel=0.02)
    assert track[-1].position_m[2] == pytest.approx(-0.065, abs=0.01)
    vehicle.start_motors()
    assert fly(vehicle, command(down=-0.3), 2.0)[-1].position_m[2] < -0.4


def test_finite_means_every_number() -> None:
    fine = Kinematics((0, 0, 0), (0, 0, 0), (1, 0, 0, 0), (0, 0, 0))
    assert fine.finite
    assert not fine._replace(velocity_mps=(0, math.nan, 0)).finite
    assert not fine._replace(position_m=(math.inf, 0, 0)).finite


def rise_s(values: np.ndarray, target: float) -> float:
    """Time until 63 % of the target."""
    return (int(np.argmax(values / target >= 1 - math.exp(-1))) + 1) / HZ


def test_tilt_and_yaw_follow_as_fast_as_published_for_the_ar_drone(vehicle: Quadrotor) -> None:
    """Engel et al. 2012 (tum_ardrone): tilt with 1/10 to 1/7 s, yaw rate with 1/25 to 1/10 s.

    Theirs is a first order, ours a higher one: compared is when 63 % are reached, 10 ms either way.
    """
    vehicle.put(MIDDLE, 1.1)
    track = fly(vehicle, command(forward=3.0), 0.5)
    pitch = -np.array([euler_from_quaternion(k.attitude)[1] for k in track])
    assert 1 / 10 - 0.01 < rise_s(pitch, math.radians(15)) < 1 / 7 + 0.01
    vehicle.put(MIDDLE, 1.1)
    yaw_rate = np.array([k.rates_radps[2] for k in fly(vehicle, command(yaw=1.0), 0.5)])
    assert 1 / 25 - 0.01 < rise_s(yaw_rate, 1.0) < 1 / 10 + 0.01


def test_drag_is_the_published_one(world: World) -> None:
    """Engel et al. 2012: 0.58 1/s, here seen by the air that carries a hovering vehicle along."""
    vehicle = Quadrotor(world, VehicleConfig(), HZ)
    vehicle.put(MIDDLE, 1.1)
    for _ in range(24):
        vehicle.step(command(), (1.0, 0.0, 0.0))
    # The velocity loop has hardly begun: 0.1 s at 0.58 m/s^2.
    assert vehicle.kinematics().velocity_mps[0] == pytest.approx(0.058, rel=0.1)
