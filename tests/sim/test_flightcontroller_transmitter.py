from __future__ import annotations

import math

import pytest
from standin_flight import Flight

from drone.sim.flightcontroller_airframe import StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_flying import Setpoint
from drone.sim.flightcontroller_manners import ACCEPTED, Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_transmitter import (
    ARM,
    HIGH_US,
    LOW_US,
    MODE,
    PERMIT,
    PITCH,
    ROLL,
    SLOT_US,
    THROTTLE,
    YAW,
    Doing,
    HumanPilot,
    Sight,
    TakeOver,
    Transmitter,
    fly,
)

MANNERS = pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
STILL = Setpoint(0, None, (0.0, 0.0, 0.0))


def speed(flight: Flight) -> float:
    return math.hypot(*flight.vehicle.velocity_mps)


def test_channels_and_sticks() -> None:
    radio = Transmitter()
    assert radio.channels_us[:4] == (1500,) * 4
    assert radio.moving(ROLL, 0.5).channels_us[0] == 1700
    assert radio.moving(PITCH, 1.0).channels_us[1] == 1100, "forward is low"
    for channel in (ROLL, PITCH, THROTTLE, YAW):
        assert radio.moving(channel, 0.25).stick(channel) == pytest.approx(0.25)
        assert radio.moving(channel, 9.0).stick(channel) == 1.0
    assert [radio.having(MODE, us).slot for us in SLOT_US] == [0, 1, 2, 3, 4, 5]
    assert not radio.high(PERMIT)
    assert radio.having(PERMIT, HIGH_US).high(PERMIT)


@pytest.mark.parametrize("channels", [(1500,) * 7, (1500,) * 19, (0,) * 8, (3000,) * 8])
def test_what_is_no_transmitter_is_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"channels|pulses"):
        Transmitter(channels)


@MANNERS
def test_the_mode_switch_chooses_modes_when_it_moves(manner: Manner) -> None:
    flight = Flight(Rules.of(manner), stream=STILL).run(1.5)
    for slot in (1, 2, 3, 4, 5, 0):
        flight.radio = Transmitter().having(MODE, SLOT_US[slot])
        flight.run(0.05)
        assert flight.state.mode == flight.rules.switched_mode(slot)
    assert flight.mode(manner.land_mode) == ACCEPTED
    flight.run(1.0)
    assert flight.state.mode == manner.land_mode, "a switch that does not move changes nothing"


@MANNERS
def test_flown_by_transmitter_alone(manner: Manner) -> None:
    flight = Flight(Rules.of(manner))
    up = Transmitter().having(ARM, HIGH_US)
    flight.radio = up
    assert flight.run(0.1).state.armed
    flight.radio = up.moving(THROTTLE, 1.0)
    flight.run(3.0)
    flight.radio = up
    flight.run(3.0)
    height = flight.height_m
    assert height > 0.8
    assert speed(flight) < 0.02
    flight.radio = up.moving(PITCH, 1.0)
    flight.run(2.0)
    assert flight.vehicle.velocity_mps == pytest.approx((1.0, 0, 0), abs=0.05)
    flight.radio = up.moving(ROLL, -1.0)
    flight.run(2.0)
    assert flight.vehicle.velocity_mps == pytest.approx((0, -1.0, 0), abs=0.05)
    flight.radio = up.moving(YAW, 0.5)
    flight.run(0.5)
    assert flight.vehicle.rates_radps[2] > 0.3
    assert flight.height_m == pytest.approx(height, abs=0.05)
    flight.radio = up.having(ARM, LOW_US)
    assert flight.run(0.1).state.armed, "the arming switch does not stop motors in the air"
    flight.radio = flight.radio.having(MODE, SLOT_US[5])
    assert not flight.run(10.0).state.armed


class Watched:
    """A flight under a script, in simulated time, with a stream of set-points."""

    def __init__(self, manner: Manner, plan: HumanPilot) -> None:
        self.flight = Flight(Rules.of(manner), StandIn(), stream=STILL)
        self.plan, self.doing = plan, Doing()
        self.modes: list[str] = []
        self.permitted: list[bool] = []

    def run(self, seconds: float) -> None:
        for _ in range(round(20 * seconds)):
            flight = self.flight
            state = flight.state
            sight = Sight(flight.now_ns / 1e9, state.armed, state.mode, flight.height_m)
            self.doing = fly(self.doing, sight, self.plan)
            flight.radio = self.doing.radio
            flight.run(0.05)
            self.modes.append(flight.state.mode)
            self.permitted.append(self.doing.radio.high(PERMIT))


@MANNERS
def test_the_script_takes_off_hands_over_permits_and_lands(manner: Manner) -> None:
    plan = HumanPilot(manner.setpoint_mode, land_s=10.0)
    watched = Watched(manner, plan)
    watched.run(12.0)
    assert watched.flight.state.mode == manner.setpoint_mode
    assert watched.flight.height_m == pytest.approx(plan.height_m, abs=0.25)
    assert watched.permitted[-1]
    given = watched.permitted.index(True)
    assert watched.modes[given] == manner.setpoint_mode
    assert all(us == 1500 for us in watched.doing.radio.channels_us[:4]), "sticks are let go"
    watched.run(15.0)
    assert watched.modes[-1] == manner.land_mode
    assert not watched.permitted[-1]
    assert not watched.flight.state.armed
    watched.run(20.0)
    assert not watched.flight.state.armed, "and stays there"


@MANNERS
@pytest.mark.parametrize("how", list(TakeOver))
def test_the_script_takes_over_and_hands_back(manner: Manner, how: TakeOver) -> None:
    plan = HumanPilot(manner.setpoint_mode, take_overs=((3.0, how),), back_s=2.0)
    watched = Watched(manner, plan)
    watched.run(25.0)
    changes = sum(a != b for a, b in zip(watched.permitted, watched.permitted[1:], strict=False))
    assert changes == 3, "given, taken back, given anew"
    assert watched.permitted[-1]
    assert watched.modes[-1] == manner.setpoint_mode
    left = manner.manual_mode in watched.modes[watched.permitted.index(True) :]
    by_stick = how is TakeOver.STICK and manner is PX4
    assert left is (how is TakeOver.MODE or by_stick)


def test_a_refused_mode_is_asked_for_again() -> None:
    watched = Watched(PX4, HumanPilot("OFFBOARD"))
    watched.flight.stream = None
    watched.run(12.0)
    assert "OFFBOARD" not in watched.modes
    watched.flight.stream = STILL
    watched.run(4.0)
    assert watched.modes[-1] == "OFFBOARD"
