from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.geometry import quaternion_from_euler, rotation_from_quaternion
from drone.messages import Vector3
from drone.sim.rigidbody import Kinematics, RigidBody, rotation, turned

pytestmark = pytest.mark.unit
INERTIA = (2.24e-3, 2.99e-3, 4.80e-3)
DT_S = 1 / 240
NONE = (0.0, 0.0, 0.0)
LEVEL = (1.0, 0.0, 0.0, 0.0)


def flown(
    start: Kinematics, seconds: float, force: Vector3 = NONE, torque: Vector3 = NONE
) -> Kinematics:
    body = RigidBody(0.5, INERTIA, DT_S)
    motion = start
    for _ in range(round(seconds / DT_S)):
        motion = body.step(motion, force, torque)
    return motion


def spin_energy_j(rates: Vector3) -> float:
    return 0.5 * sum(i * w * w for i, w in zip(INERTIA, rates, strict=True))


def spin_momentum(motion: Kinematics) -> np.ndarray:
    body = np.array(INERTIA) * motion.rates_radps
    return rotation_from_quaternion(motion.attitude) @ body


def test_a_thrown_body_follows_the_parabola_exactly() -> None:
    start = Kinematics((1.0, 2.0, -1.0), (3.0, 0.5, -4.0), LEVEL, NONE)
    end = flown(start, 2.0, force=(0.1, 0.0, 0.5 * 9.81))
    t = 2.0
    expected = (1 + 3 * t + 0.1 * t * t, 2 + 0.5 * t, -1 - 4 * t + 9.81 * t * t / 2)
    assert end.position_m == pytest.approx(expected, abs=1e-9)
    assert end.velocity_mps == pytest.approx((3 + 0.2 * t, 0.5, -4 + 9.81 * t), abs=1e-9)


def test_constant_torque_about_an_axis_spins_up_and_turns_as_computed() -> None:
    end = flown(Kinematics(NONE, NONE, LEVEL, NONE), 1.0, torque=(0.0, 0.0, 4.80e-3))
    assert end.rates_radps == pytest.approx((0.0, 0.0, 1.0), abs=1e-12)
    assert end.attitude == pytest.approx(quaternion_from_euler(0.0, 0.0, 0.5), abs=1e-9)


def test_a_free_tumble_keeps_energy_and_angular_momentum() -> None:
    """Near the middle axis, which is unstable: the gyroscopic term does all the work."""
    start = Kinematics(NONE, NONE, LEVEL, (0.05, 6.0, 0.05))
    end = flown(start, 10.0)
    tumbled = [flown(start, s / 10).rates_radps[1] for s in range(0, 60, 3)]
    assert min(tumbled) < -5.0, "the tennis racket turns over"
    assert spin_energy_j(end.rates_radps) == pytest.approx(
        spin_energy_j(start.rates_radps), rel=1e-3
    )
    np.testing.assert_allclose(spin_momentum(end), spin_momentum(start), rtol=0, atol=2e-4)


def test_without_the_gyroscopic_term_the_momentum_would_turn_with_the_body() -> None:
    """Negative control: the same tumble with a ball's equal couplings."""
    body = RigidBody(0.5, INERTIA, DT_S)
    body._couplings = NONE
    motion = start = Kinematics(NONE, NONE, LEVEL, (3.0, 4.0, 1.0))
    for _ in range(240):
        motion = body.step(motion, NONE, NONE)
    assert np.abs(spin_momentum(motion) - spin_momentum(start)).max() > 2e-3


RATES = st.floats(-20, 20)


@given(rates=st.tuples(RATES, RATES, RATES), yaw=st.floats(-3, 3), roll=st.floats(-1, 1))
def test_a_turn_is_the_matrix_exponential_and_stays_of_unit_length(
    rates: Vector3, yaw: float, roll: float
) -> None:
    start = quaternion_from_euler(roll, 0.2, yaw)
    end = turned(start, rates, DT_S)
    angle = math.hypot(*rates) * DT_S
    axis = np.array(rates) / max(math.hypot(*rates), 1e-12)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    np.testing.assert_allclose(
        rotation_from_quaternion(end), rotation_from_quaternion(start) @ turn, atol=1e-8
    )
    assert math.hypot(*end) == pytest.approx(1.0, abs=1e-12)
    assert end[0] >= 0


@given(roll=st.floats(-3, 3), pitch=st.floats(-1.5, 1.5), yaw=st.floats(-3, 3))
def test_the_rotation_is_the_same_as_in_geometry(roll: float, pitch: float, yaw: float) -> None:
    q = quaternion_from_euler(roll, pitch, yaw)
    np.testing.assert_allclose(rotation(q), rotation_from_quaternion(q), atol=1e-12)
