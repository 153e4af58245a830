"""Whole simulators with other air, other knowledge, another battery, another airframe."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from drone.config import (
    BatteryConfig,
    CameraConfig,
    EstimatorConfig,
    FaultConfig,
    SimConfig,
    WindConfig,
    launch_folder,
    load,
)
from drone.geometry import DistanceMeter
from drone.messages import VelocityCommand
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput

pytestmark = pytest.mark.sim
TICK_HZ = 20.0
SMALL = CameraConfig(width_px=32, height_px=24)
KNOWING = EstimatorConfig(enabled=False)
CALM_AND_KNOWING = SimConfig(camera=SMALL, estimator=KNOWING)


def command(forward: float = 0.0, down: float = 0.0, yaw: float = 0.0) -> VelocityCommand:
    return VelocityCommand(0, 0, True, forward, 0.0, down, yaw)


def flown(
    config: SimConfig, wanted: VelocityCommand, seconds: float, seed: int = 20
) -> tuple[list[SimOutput], np.ndarray]:
    """Outputs, and the true positions at every tick, (N, 3) m."""
    meter = DistanceMeter(calibration_of(config.camera).left)
    with RoomSimulator(config, meter, seed=seed, tick_hz=TICK_HZ) as sim:
        outs = [sim.reset()]
        track = [sim._vehicle.kinematics().position_m]
        for _ in range(round(seconds * TICK_HZ)):
            outs.append(sim.step(wanted))
            track.append(sim._vehicle.kinematics().position_m)
    return outs, np.array(track)


def drift_m(track: np.ndarray) -> float:
    """Farthest from the start, horizontally, m."""
    return float(np.hypot(*(track - track[0])[:, :2].T).max())


def test_undisturbed_hover_drifts_under_two_centimetres_in_a_minute() -> None:
    """Undisturbed: no wind, and the vehicle knows the truth."""
    _, track = flown(CALM_AND_KNOWING, command(), 60.0)
    assert drift_m(track) < 0.02
    assert np.ptp(track[:, 2]) < 0.02


def test_what_it_does_not_know_makes_it_drift_and_it_does_not_notice() -> None:
    """Negative control of the hover above, and the link from estimate to flight."""
    outs, track = flown(SimConfig(camera=SMALL), command(), 30.0, seed=21)
    assert 0.05 < drift_m(track) < 2.0
    believed = np.array([o.vehicle.position_m for o in outs])
    assert believed[0][:2] == pytest.approx((0.0, 0.0), abs=0.01)
    assert drift_m(believed) < 0.3 * drift_m(track)
    assert np.abs(track[:, 2] - track[0, 2]).max() < 0.05


def test_truth_is_in_the_truth_alone() -> None:
    outs, track = flown(SimConfig(camera=SMALL), command(0.3, yaw=0.5), 3.0)
    for out, position in zip(outs, track, strict=True):
        assert out.vehicle.velocity_mps[2] != 0.0
        if out.truth is not None:
            assert out.truth.position_m == tuple(position)
            assert out.vehicle.position_m != out.truth.position_m
            assert out.vehicle.attitude != out.truth.attitude
            error = math.dist(out.vehicle.velocity_mps, out.truth.velocity_mps)
            assert 0.0 < error < 0.3


def test_wind_pushes_and_the_velocity_loop_brings_it_back_to_rest() -> None:
    windy = SimConfig(camera=SMALL, estimator=KNOWING, wind=WindConfig(speed_mps=1.0))
    _, track = flown(windy, command(), 20.0)
    speed = np.diff(track[:, 0]) * TICK_HZ
    assert 0.05 < speed.max() < 0.3, "blown north"
    assert np.abs(speed[-40:]).max() < 0.01, "the integral leans into the wind"


def test_a_scheduled_gust_adds_to_the_wind() -> None:
    gust = FaultConfig(kind="gust", start_s=2.0, end_s=3.0, wind_mps=2.0, toward_deg=90.0)
    config = SimConfig(camera=SMALL, estimator=KNOWING, faults=(gust,))
    _, track = flown(config, command(), 3.0)
    east = track[:, 1] - track[0, 1]
    assert np.abs(east[: round(2 * TICK_HZ)]).max() < 1e-6
    assert east[-1] > 0.05


def test_gusts_differ_from_seed_to_seed_and_repeat_with_it() -> None:
    gusty = SimConfig(camera=SMALL, estimator=KNOWING, wind=WindConfig(gust_mps=0.7))
    first, again = flown(gusty, command(), 5.0)[1], flown(gusty, command(), 5.0)[1]
    np.testing.assert_array_equal(first, again)
    other = flown(gusty, command(), 5.0, seed=22)[1]
    assert np.abs((first - first[0]) - (other - other[0])).max() > 1e-3
    assert drift_m(first) > 0.02, "negative control of the calm hover"


def test_a_battery_empties_and_a_flat_one_brings_the_vehicle_down_for_good() -> None:
    small = BatteryConfig(enabled=True, capacity_ah=0.02)
    config = SimConfig(camera=SMALL, estimator=KNOWING, battery=small)
    outs, track = flown(config, command(), 20.0)
    shares = [o.vehicle.battery_share for o in outs]
    assert shares[0] == 1.0
    assert all(a >= b for a, b in pairwise(shares))
    assert shares[-1] == 0.0
    assert [e.kind for o in outs for e in o.events] == ["landed"], "no collision"
    assert track[-1, 2] == pytest.approx(-0.065, abs=0.01)
    assert outs[1].vehicle.battery_v < outs[0].vehicle.battery_v


def test_without_a_battery_nothing_is_known_of_it() -> None:
    outs, _ = flown(CALM_AND_KNOWING, command(), 0.5)
    assert all(math.isnan(o.vehicle.battery_share) for o in outs)


def test_another_airframe_is_another_table() -> None:
    config = load(launch_folder() / "crazyflie.toml")
    frame = config.sim.vehicle
    assert frame.mass_kg < 0.05
    sim = config.sim.model_copy(update={"camera": SMALL, "estimator": KNOWING, "faults": ()})
    _, track = flown(sim, command(), 20.0)
    assert drift_m(track) < 0.02
    outs, track = flown(sim, command(0.4), 1.5)
    speeds = [math.hypot(*o.vehicle.velocity_mps[:2]) for o in outs]
    assert speeds[-1] == pytest.approx(0.4, abs=0.04)
    assert max(speeds) < 0.48
    assert np.ptp(track[:, 2]) < 0.02
