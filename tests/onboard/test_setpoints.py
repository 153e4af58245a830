"""Set-points: turned by yaw, and within the limits whatever is asked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkcases import CONFIG, vehicle

from drone.config.autopilot import LinkLimitsConfig
from drone.messages import VelocityCommand
from drone.onboard.setpoints import ZERO, setpoint_from_command

LIMITS = LinkLimitsConfig(
    max_speed_mps=1.0,
    max_vertical_mps=0.5,
    max_yaw_rate_degps=90.0,
    min_height_m=0.5,
    max_height_m=3.0,
    max_distance_m=4.0,
)
HOME = (10.0, -5.0, 2.0)
STEP_S = 0.1


def command(forward=0.0, right=0.0, down=0.0, yaw_rate=0.0, valid=True):
    return VelocityCommand(1, 1, valid, forward, right, down, yaw_rate)


def at(north=0.0, east=0.0, height=1.5, yaw=0.0, **fields):
    place = (HOME[0] + north, HOME[1] + east, HOME[2] - height)
    return vehicle(1, place, yaw, **fields)


@pytest.mark.parametrize(
    ("yaw_deg", "forward", "right", "north", "east"),
    [
        (0, 0.5, 0.0, 0.5, 0.0),
        (90, 0.5, 0.0, 0.0, 0.5),
        (180, 0.5, 0.2, -0.5, -0.2),
        (-90, 0.0, 0.5, 0.5, 0.0),
        (30, 0.4, 0.0, 0.4 * math.cos(math.pi / 6), 0.2),
    ],
)
def test_the_heading_turns_the_velocity(yaw_deg, forward, right, north, east):
    there = at(yaw=math.radians(yaw_deg))
    found = setpoint_from_command(command(forward, right, 0.1, 0.3), there, HOME, LIMITS)
    assert found == pytest.approx((north, east, 0.1, 0.3), abs=1e-12)


def test_speeds_are_limited_and_the_direction_stays():
    found = setpoint_from_command(command(30.0, 40.0, -9.0, 9.0), at(), HOME, LIMITS)
    assert found == pytest.approx((0.6, 0.8, -0.5, math.pi / 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("axis", range(4))
def test_what_is_not_finite_does_not_fly(bad, axis):
    axes = [0.5, 0.1, 0.1, 0.1]
    axes[axis] = bad
    assert setpoint_from_command(command(*axes), at(), HOME, LIMITS) == ZERO


@pytest.mark.parametrize(
    "there",
    [
        at(valid=False),
        at(attitude=(math.nan,) * 4),
        at(position_m=(math.nan, 0.0, -1.0)),
        at(position_m=(0.0, 0.0, math.nan)),
    ],
)
def test_a_vehicle_that_does_not_know_where_it_is_gets_zero(there):
    assert setpoint_from_command(command(0.5), there, HOME, LIMITS) == ZERO


def test_an_invalid_command_does_not_fly():
    assert setpoint_from_command(command(0.5, valid=False), at(), HOME, LIMITS) == ZERO


def test_outside_it_comes_back_and_goes_no_farther():
    far = at(north=6.0)
    assert setpoint_from_command(command(0.5), far, HOME, LIMITS)[:2] == (0.0, 0.0)
    assert setpoint_from_command(command(-0.5, 0.3), far, HOME, LIMITS)[:2] == (-0.5, 0.0)
    high = at(height=5.0)
    assert setpoint_from_command(command(down=-0.3), high, HOME, LIMITS).down_mps == 0.0
    assert setpoint_from_command(command(down=0.3), high, HOME, LIMITS).down_mps == 0.3
    low = at(height=0.1)
    assert setpoint_from_command(command(down=0.3), low, HOME, LIMITS).down_mps == 0.0
    assert setpoint_from_command(command(down=-0.3), low, HOME, LIMITS).down_mps == -0.3


wild = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-3, 3)
commands = st.builds(command, wild, wild, wild, wild)
near = st.floats(-8, 8)


@given(commands, near, near, st.floats(-2, 6), st.floats(-math.pi, math.pi))
def test_what_goes_out_is_finite_and_within_the_limits(asked, north, east, height, yaw):
    found = setpoint_from_command(asked, at(north, east, height, yaw), HOME, LIMITS)
    assert all(map(math.isfinite, found))
    assert math.hypot(found.north_mps, found.east_mps) <= 1.0 + 1e-9
    assert abs(found.down_mps) <= 0.5
    assert abs(found.yaw_rate_radps) <= math.pi / 2


@given(
    st.lists(commands, min_size=1, max_size=60),
    near,
    near,
    st.floats(-1, 5),
    st.floats(-math.pi, math.pi),
)
def test_no_sequence_of_commands_leads_out_or_farther_out(asked, north, east, height, yaw):
    for one in asked:
        distance = math.hypot(north, east)
        found = setpoint_from_command(one, at(north, east, height, yaw), HOME, LIMITS)
        north, east = north + STEP_S * found.north_mps, east + STEP_S * found.east_mps
        assert math.hypot(north, east) <= max(distance, LIMITS.max_distance_m) + 1e-9
        before, height = height, height - STEP_S * found.down_mps
        assert height <= max(before, LIMITS.max_height_m) + 1e-9
        assert height >= min(before, LIMITS.min_height_m) - 1e-9


def test_the_negative_control_without_a_fence_it_would_leave():
    free = CONFIG.limits.model_copy(update={"max_distance_m": 1e6})
    assert setpoint_from_command(command(0.5), at(north=6.0), HOME, free).north_mps == 0.5
