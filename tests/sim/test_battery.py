from __future__ import annotations

import math

import pytest

from drone.config import BatteryConfig
from drone.sim.battery import Battery

pytestmark = pytest.mark.unit
ON = BatteryConfig(enabled=True)


def flown(config: BatteryConfig, minutes: float, load: float = 1.0) -> Battery:
    battery = Battery(config)
    for _ in range(round(minutes * 60 * 20)):
        battery.draw(load, 0.05)
    return battery


def test_off_by_default_and_then_nothing_is_known_and_nothing_is_lost() -> None:
    battery = flown(BatteryConfig(), 1.0)
    assert math.isnan(battery.share)
    assert math.isnan(battery.volts)
    assert battery.thrust_share == 1.0
    assert not battery.flat


def test_hover_lasts_the_twelve_minutes_of_the_data_sheet() -> None:
    assert not flown(ON, 11.0).flat
    assert flown(ON, 13.0).flat


def test_six_minutes_leave_about_half_and_more_thrust_than_flying_takes() -> None:
    battery = flown(ON, 6.0)
    assert 0.4 < battery.share < 0.6
    assert 1.8 * battery.thrust_share > 1.3


def test_voltage_sags_by_current_times_resistance() -> None:
    battery = Battery(ON)
    battery.draw(1.0, 1e-6)
    current = (ON.electronics_w + ON.hover_w) / battery.volts
    assert battery.volts == pytest.approx(ON.full_v - current * ON.resistance_ohm, abs=1e-6)
    rested, light = battery.volts, Battery(ON)
    light.draw(0.2, 1e-6)
    assert light.volts > rested


def test_more_lift_drains_faster_than_in_proportion() -> None:
    gentle, hard = 1 - flown(ON, 1.0).share, 1 - flown(ON, 1.0, load=1.5).share
    assert hard > 1.5 * gentle


def test_a_load_beyond_what_the_pack_can_give_stays_finite() -> None:
    battery = Battery(ON)
    battery.draw(50.0, 0.05)
    assert battery.volts == pytest.approx(ON.full_v / 2)
    assert math.isfinite(battery.share)
