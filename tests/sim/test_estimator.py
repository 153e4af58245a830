from __future__ import annotations

import math

import numpy as np
import pytest

from drone.config import EstimatorConfig
from drone.geometry import euler_from_quaternion
from drone.messages import Vector3
from drone.sim.autopilot import Motion
from drone.sim.estimator import Estimator, Wander
from drone.sim.rigidbody import Kinematics, turned

pytestmark = pytest.mark.unit
DT_S = 1 / 60
SILENT = {
    name: 0.0
    for name, field in EstimatorConfig.model_fields.items()
    if name != "enabled" and not name.endswith("_s")
}
START = Kinematics((1.0, -2.0, -1.1), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def level(motion: Kinematics, yaw: float = 0.0) -> Motion:
    return Motion(motion.position_m[2], motion.velocity_mps, 0.0, 0.0, yaw)


def only(**errors: float) -> EstimatorConfig:
    return EstimatorConfig(**{**SILENT, **errors})


def estimator(config: EstimatorConfig, seed: int = 20) -> Estimator:
    return Estimator(config, np.random.default_rng(seed), START, DT_S)


def hovered(config: EstimatorConfig, seconds: float, seed: int = 20) -> list[Kinematics]:
    """What it believes while it hovers."""
    e = estimator(config, seed)
    believed = []
    for _ in range(round(seconds / DT_S)):
        e.update(START, level(START))
        believed.append(e.believed(START, (0.0, 0.0, 0.0)))
    return believed


def column(track: list[Kinematics], name: str) -> np.ndarray:
    return np.array([getattr(k, name) for k in track])


def test_every_error_can_be_switched_off() -> None:
    believed = hovered(only(), 2.0)[-1]
    assert believed == START._replace(position_m=(0.0, 0.0, -1.1))


def test_switched_off_altogether_it_is_the_truth_in_the_room() -> None:
    assert hovered(EstimatorConfig(enabled=False), 0.1)[-1] is START


@pytest.mark.parametrize(
    ("name", "field", "axes", "size"),
    [
        ("velocity_noise_mps", "velocity_mps", (0, 1, 2), 0.05),
        ("rate_noise_radps", "rates_radps", (0, 1, 2), 0.01),
        ("height_noise_m", "position_m", (2,), 0.03),
    ],
)
def test_white_noise_has_its_size_on_its_axes_alone(
    name: str, field: str, axes: tuple[int, ...], size: float
) -> None:
    track = hovered(only(**{name: size}), 100.0)
    spread = column(track, field).std(axis=0)
    np.testing.assert_allclose(spread[list(axes)], size, rtol=0.05)
    steps = np.diff(column(track, field), axis=0)[:, axes[0]]
    assert steps.std() == pytest.approx(size * math.sqrt(2), rel=0.05), "no memory"
    others = {"velocity_mps", "rates_radps"} - {field}
    assert all(np.all(column(track, other) == 0) for other in others)


def test_tilt_noise_is_on_roll_and_pitch() -> None:
    track = hovered(only(attitude_noise_deg=1.0), 60.0)
    euler = np.degrees([euler_from_quaternion(k.attitude) for k in track])
    np.testing.assert_allclose(euler.std(axis=0)[:2], 1.0, rtol=0.05)
    assert np.abs(euler[:, 2]).max() < 1e-9


def test_a_wandering_bias_has_its_deviation_and_its_memory() -> None:
    rng = np.random.default_rng(20)
    wander = Wander(2.0, 0.5, DT_S, float(rng.standard_normal()))
    values = np.array([wander.step(float(n)) for n in rng.standard_normal(60_000)])
    assert values.std() == pytest.approx(2.0, rel=0.05)
    lag = round(0.5 / DT_S)
    correlation = float(np.corrcoef(values[:-lag], values[lag:])[0, 1])
    assert correlation == pytest.approx(math.exp(-1), abs=0.05)


def test_the_heading_is_right_at_the_start_and_wanders_off() -> None:
    ends = []
    for seed in range(20, 60):
        track = hovered(only(heading_bias_deg=3.0, heading_bias_s=10.0), 60.0, seed)
        yaw = np.degrees([euler_from_quaternion(k.attitude)[2] for k in track])
        assert abs(yaw[0]) < 1.0
        ends.append(yaw[-1])
    assert 2.5 < np.std(ends) < 6.5, "the difference of two draws of 3 degrees"


def test_position_is_the_integral_of_the_believed_velocity() -> None:
    """A flight along a circle, nose ahead, with every error."""
    e, motion, believed = estimator(EstimatorConfig()), START, []
    positions = [e.believed(START, (0.0, 0.0, 0.0)).position_m[:2]]
    for k in range(1200):
        yaw = 0.5 * k * DT_S
        velocity = (0.5 * math.cos(yaw), 0.5 * math.sin(yaw), 0.0)
        north, east, down = motion.position_m
        motion = Kinematics(
            (north + velocity[0] * DT_S, east + velocity[1] * DT_S, down),
            velocity,
            turned((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, yaw), 1.0),
            (0.0, 0.0, 0.5),
        )
        e.update(motion, level(motion, yaw))
        believed.append(e.believed(motion, (0.0, 0.0, yaw)))
        positions.append(believed[-1].position_m[:2])
    velocity_ne = column(believed, "velocity_mps")[:, :2]
    np.testing.assert_allclose(np.diff(positions, axis=0) / DT_S, velocity_ne, atol=1e-9)
    assert math.dist(positions[-1], (motion.position_m[0] - 1.0, motion.position_m[1] + 2.0)) > 0.05


def test_flow_is_measured_ahead_and_turned_by_the_believed_heading() -> None:
    """Known answer: 10 % too fast, heading wrong by 90 degrees."""
    e = estimator(only(velocity_scale=0.1))
    e._scale = 1.1
    e._yaw.value = e._yaw_0 + math.pi / 2
    e._yaw._keep = 1.0
    flying = START._replace(velocity_mps=(1.0, 0.0, 0.0))
    seen = e.update(flying, level(flying))
    assert seen.velocity_mps == pytest.approx((0.0, 1.1, 0.0), abs=1e-9)
    assert seen.yaw_rad == pytest.approx(math.pi / 2)


def test_the_same_seed_errs_the_same_and_another_differently() -> None:
    config = EstimatorConfig()
    assert hovered(config, 20.0) == hovered(config, 20.0)
    assert hovered(config, 1.0) != hovered(config, 1.0, seed=21)


def test_what_flies_and_what_is_told_are_one_estimate() -> None:
    e = estimator(EstimatorConfig())
    euler: Vector3 = (0.0, 0.0, 0.0)
    for _ in range(100):
        seen = e.update(START, level(START))
        told = e.believed(START, euler)
        assert seen.velocity_mps == told.velocity_mps
        assert seen.down_m == told.position_m[2]
