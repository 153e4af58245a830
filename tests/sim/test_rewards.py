from __future__ import annotations

import math

import pytest

from drone.geometry import quaternion_from_euler
from drone.sim.rewards import Reward
from drone.sim.vehicle import Kinematics

DT_S = 0.1
NORTH = quaternion_from_euler(0.0, 0.0, 0.0)
AT_REST = Kinematics((0.1, 0.1, -1.1), (0.0, 0.0, 0.0), NORTH, (0.0, 0.0, 0.0))


def moving(north: float, east: float, yaw_rad: float = 0.0) -> Kinematics:
    attitude = quaternion_from_euler(0.1, -0.1, yaw_rad)
    return AT_REST._replace(velocity_mps=(north, east, 0.0), attitude=attitude)


def earned(kind: str, truth: Kinematics) -> float:
    reward = Reward(kind, DT_S)
    reward.reset(AT_REST)
    return reward.terms(truth, 3.0, False)[kind]


def test_progress_is_signed_and_along_the_heading() -> None:
    assert earned("progress", moving(0.5, 0.0)) == pytest.approx(0.05)
    assert earned("progress", moving(-0.5, 0.0)) == pytest.approx(-0.05)
    assert earned("progress", moving(0.0, 0.5)) == pytest.approx(0.0)
    assert earned("progress", moving(0.0, 0.5, math.pi / 2)) == pytest.approx(0.05)


def test_survival_pays_for_moving_and_not_for_hovering() -> None:
    assert earned("survive", AT_REST) == 0.0
    assert earned("survive", moving(0.0, 0.25)) == pytest.approx(0.05)
    assert earned("survive", moving(2.0, 0.0)) == pytest.approx(0.1)


def test_exploring_pays_once_a_cell_and_again_in_the_next_episode() -> None:
    reward = Reward("explore", DT_S)
    there = AT_REST._replace(position_m=(0.6, 0.1, -1.1))
    for _ in range(2):
        reward.reset(AT_REST)
        ways = (AT_REST, there, there, AT_REST)
        assert [reward.terms(t, 3.0, False)["explore"] for t in ways] == [0.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["progress", "explore", "survive"])
def test_closeness_and_crash_cost_the_same_under_all(kind: str) -> None:
    reward = Reward(kind, DT_S)
    reward.reset(AT_REST)
    assert reward.terms(AT_REST, 1.0, False) == {kind: 0.0, "closeness": 0.0, "crash": 0.0}
    near = reward.terms(AT_REST, 0.4, True)
    assert near["closeness"] == pytest.approx(-0.5 * 0.6 * DT_S)
    assert near["crash"] == -10.0
