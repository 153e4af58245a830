import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.config import LimitsConfig
from drone.messages import VelocityCommand
from drone.onboard.limiter import certify, stop_command

LIMITS = LimitsConfig(max_speed_mps=1.0, max_vertical_mps=0.5, max_yaw_rate_degps=90.0)
YAW = math.radians(90.0)


def command(forward=0.0, right=0.0, down=0.0, yaw_rate=0.0):
    return VelocityCommand(3, 7, True, forward, right, down, yaw_rate)


@pytest.mark.parametrize(
    "wanted",
    [
        command(),
        command(1.0, 0.0, 0.5, YAW),
        command(-0.6, -0.8, -0.5, -YAW),
        command(5e-324, -5e-324),
    ],
)
def test_what_is_within_limits_passes_untouched(wanted):
    assert certify(wanted, LIMITS, permitted=True) == (wanted, "")


@pytest.mark.parametrize(
    ("wanted", "certified"),
    [
        (command(forward=3.0), command(forward=1.0)),
        (command(forward=-3.0), command(forward=-1.0)),
        (command(3.0, 4.0), command(0.6, 0.8)),  # the direction is kept
        (command(down=0.6), command(down=0.5)),
        (command(down=-9.0), command(down=-0.5)),
        (command(yaw_rate=2.0), command(yaw_rate=YAW)),
        (command(yaw_rate=-2.0), command(yaw_rate=-YAW)),
    ],
)
def test_too_much_is_clamped_and_said(wanted, certified):
    result, limited = certify(wanted, LIMITS, permitted=True)
    assert limited == "clamped"
    assert (result.forward_mps, result.right_mps, result.down_mps, result.yaw_rate_radps) == (
        pytest.approx(
            (
                certified.forward_mps,
                certified.right_mps,
                certified.down_mps,
                certified.yaw_rate_radps,
            )
        )
    )


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stops_everything(axis, value):
    axes = [0.3, 0.1, 0.1, 0.1]
    axes[axis] = value
    assert certify(command(*axes), LIMITS, permitted=True) == (stop_command(3, 7), "not finite")


@given(*[st.floats()] * 4, st.booleans())
def test_whatever_comes_in_is_finite_and_within_limits(forward, right, down, yaw_rate, permitted):
    wanted = command(forward, right, down, yaw_rate)
    result, limited = certify(wanted, LIMITS, permitted)
    assert (result.seq, result.stamp_ns, result.valid) == (3, 7, True)
    assert math.hypot(result.forward_mps, result.right_mps) <= 1.0 + 1e-12
    assert abs(result.down_mps) <= 0.5
    assert abs(result.yaw_rate_radps) <= YAW
    assert bool(limited) == (result != wanted or not permitted)
    if not permitted:
        assert (result, limited) == (stop_command(3, 7), "not permitted")
