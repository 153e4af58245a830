from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.config import VehicleConfig
from drone.geometry import quaternion_from_euler
from drone.messages import Vector3, VelocityCommand
from drone.sim.autopilot import Autopilot, Motion
from drone.sim.rigidbody import rotation

pytestmark = pytest.mark.unit
CONFIG = VehicleConfig()
HOVER_N = CONFIG.mass_kg * 9.81 / 4
AT_REST = Motion(-1.1, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0)
STILL = (0.0, 0.0, 0.0)


def command(
    forward: float = 0.0, right: float = 0.0, down: float = 0.0, yaw: float = 0.0
) -> VelocityCommand:
    return VelocityCommand(0, 0, True, forward, right, down, yaw)


def thrusts(
    wanted: VelocityCommand, motion: Motion = AT_REST, rates: Vector3 = STILL
) -> tuple[float, ...]:
    """Front left, front right, rear right, rear left, N."""
    autopilot = Autopilot(CONFIG)
    autopilot.reset(motion.down_m, motion.yaw_rad)
    attitude = quaternion_from_euler(motion.roll_rad, motion.pitch_rad, motion.yaw_rad)
    return autopilot.hold(autopilot.steer(motion, wanted, 1 / 60), rotation(attitude)[2], rates)


def test_at_rest_every_motor_carries_a_quarter() -> None:
    assert thrusts(command()) == pytest.approx((HOVER_N,) * 4)


def test_each_command_uses_the_right_motors() -> None:
    fl, fr, rr, rl = thrusts(command(forward=0.5))
    assert rl == pytest.approx(rr)
    assert rl > fl == pytest.approx(fr), "nose down"
    fl, fr, rr, rl = thrusts(command(right=0.5))
    assert fl == pytest.approx(rl)
    assert fl > fr == pytest.approx(rr), "right side down"
    assert sum(thrusts(command(down=0.3))) < 4 * HOVER_N < sum(thrusts(command(down=-0.3)))
    fl, fr, rr, rl = thrusts(command(yaw=0.5))
    assert fr == pytest.approx(rl)
    assert fr > fl == pytest.approx(rr), "anticlockwise rotors turn the body clockwise"


def test_the_wanted_tilt_is_limited() -> None:
    level = Autopilot(CONFIG)
    forward, right = level._acceleration(AT_REST, command(forward=100.0, right=100.0), 1 / 240)
    limit = 9.81 * math.tan(math.radians(CONFIG.max_tilt_deg))
    assert math.hypot(forward, right) == pytest.approx(limit)
    assert level._integral == (0.0, 0.0), "at the limit nothing is integrated"


def test_the_held_height_and_heading_never_run_away() -> None:
    autopilot = Autopilot(CONFIG)
    autopilot.reset(-1.1, 3.1)
    stuck = AT_REST._replace(yaw_rad=3.1)
    for _ in range(2400):
        autopilot.steer(stuck, command(down=1.0, yaw=2.0), 1 / 240)
    assert autopilot._down_m == pytest.approx(-1.1 + 0.25)
    assert autopilot._yaw_rad == pytest.approx(3.1 + 0.35)


NUMBERS = st.floats(-50, 50)
VECTORS = st.tuples(NUMBERS, NUMBERS, NUMBERS)


@given(
    motion=st.builds(Motion, NUMBERS, VECTORS, NUMBERS, NUMBERS, NUMBERS),
    rates=VECTORS,
    wanted=st.builds(command, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
)
def test_thrust_is_always_finite_and_within_what_a_motor_gives(
    motion: Motion, rates: Vector3, wanted: VelocityCommand
) -> None:
    for thrust in thrusts(wanted, motion, rates):
        assert 0.0 <= thrust <= CONFIG.max_thrust_ratio * HOVER_N + 1e-9
