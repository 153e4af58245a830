from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drone.clock import NS_PER_S, ns_from_s
from drone.geometry import euler_from_quaternion
from drone.onboard.track import DIFFERENCE_TOLERANCE_NS, POSE_TOLERANCE_NS, Track

SPEED_MPS = np.array([1.0, -0.5, 0.25])
YAW_RATE_RADPS = 0.8


def track(step_ns: int, count: int = 20, velocity_mps: np.ndarray | None = None) -> Track:
    """Straight flight while turning about z at constant rates."""
    stamps_ns = np.arange(count, dtype=np.int64) * step_ns
    seconds = stamps_ns / NS_PER_S
    turns = Rotation.from_rotvec(seconds[:, None] * [0, 0, YAW_RATE_RADPS])
    return Track.from_poses(stamps_ns, seconds[:, None] * SPEED_MPS, turns, velocity_mps)


def test_state_between_poses_is_interpolated_and_velocities_are_differences() -> None:
    state = track(ns_from_s(0.01)).state(ns_from_s(0.0525), seq=3)
    assert state is not None
    assert (state.seq, state.stamp_ns, state.valid) == (3, ns_from_s(0.0525), True)
    assert state.position_m == pytest.approx(tuple(0.0525 * SPEED_MPS))
    assert state.velocity_mps == pytest.approx(tuple(SPEED_MPS))
    assert state.rates_radps == pytest.approx((0, 0, YAW_RATE_RADPS))
    assert euler_from_quaternion(state.attitude) == pytest.approx((0, 0, 0.0525 * YAW_RATE_RADPS))


def test_given_velocities_are_kept() -> None:
    given = np.tile([7.0, 8.0, 9.0], (20, 1))
    state = track(ns_from_s(0.01), velocity_mps=given).state(0, seq=0)
    assert state is not None
    assert state.velocity_mps == (7.0, 8.0, 9.0)


@pytest.mark.parametrize(("late_ns", "known"), [(0, True), (1, False)])
def test_a_pose_too_far_in_time_is_none(late_ns: int, known: bool) -> None:
    flight = track(NS_PER_S)
    for stamp_ns in (
        -POSE_TOLERANCE_NS - late_ns,
        3 * NS_PER_S + POSE_TOLERANCE_NS + late_ns,
        19 * NS_PER_S + POSE_TOLERANCE_NS + late_ns,
    ):
        assert (flight.state(stamp_ns, seq=0) is not None) == known


@pytest.mark.parametrize(("late_ns", "known"), [(0, True), (1, False)])
def test_a_velocity_from_poses_too_far_apart_is_nan(late_ns: int, known: bool) -> None:
    step_ns = DIFFERENCE_TOLERANCE_NS + late_ns
    for index in (0, 4, 19):
        state = track(step_ns).state(index * step_ns, seq=0)
        assert state is not None
        assert all(math.isfinite(x) == known for x in (*state.velocity_mps, *state.rates_radps))
        assert all(math.isfinite(x) for x in (*state.position_m, *state.attitude))


def test_a_single_pose_has_no_velocity() -> None:
    state = track(NS_PER_S, count=1).state(0, seq=0)
    assert state is not None
    assert all(math.isnan(x) for x in state.velocity_mps)


def test_other_frames_turn_every_vector() -> None:
    world = np.diag([1.0, -1.0, -1.0])
    body = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # body from new: new x is old -z
    state = track(ns_from_s(0.01)).in_frames(world, body).state(ns_from_s(0.1), seq=0)
    assert state is not None
    assert state.position_m == pytest.approx((0.1, 0.05, -0.025))
    assert state.velocity_mps == pytest.approx((1.0, 0.5, -0.25))
    assert state.rates_radps == pytest.approx((-YAW_RATE_RADPS, 0, 0))
    w, x, y, z = state.attitude
    turn = Rotation.from_quat([x, y, z, w]).as_matrix()
    old = Rotation.from_euler("z", 0.1 * YAW_RATE_RADPS).as_matrix()
    np.testing.assert_allclose(turn, world @ old @ body, atol=1e-12)
