from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from standin_flight import Failing, Flight

from drone.sim.flightcontroller_airframe import StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_flying import Setpoint
from drone.sim.flightcontroller_manners import ACCEPTED, Flies, Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_rules import step
from drone.sim.flightcontroller_state import Ask, Inputs, Request, booted
from drone.sim.flightcontroller_transmitter import Transmitter

MANNERS = pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
NORTH = Setpoint(0, None, (0.5, 0.0, 0.0), yaw_rate_radps=0.0)
STILL = Setpoint(0, None, (0.0, 0.0, 0.0))
UNKNOWN = {"valid": False, "position_m": (math.nan,) * 3, "velocity_mps": (math.nan,) * 3}


def speed(flight: Flight) -> float:
    return math.hypot(*flight.vehicle.velocity_mps)


@MANNERS
def test_it_starts_disarmed_on_the_ground_and_stays_there(manner: Manner) -> None:
    flight = Flight(Rules.of(manner), stream=NORTH).run(5.0)
    assert not flight.state.armed
    assert flight.vehicle.position_m == (0.0, 0.0, 0.0)
    assert flight.vehicle.landed


@MANNERS
def test_takes_off_holds_lands_and_disarms_by_itself(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).up(1.0)
    assert flight.height_m == pytest.approx(1.0, abs=0.1)
    flight.run(5.0)
    assert flight.vehicle.position_m == pytest.approx((0, 0, -1), abs=0.1)
    assert flight.mode(manner.land_mode) == ACCEPTED
    flight.run(8.0)
    assert flight.vehicle.landed
    assert not flight.state.armed


@MANNERS
def test_flies_velocities_and_places_in_the_mode_that_takes_setpoints(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).guided()
    flight.stream = NORTH
    flight.run(2.0)
    assert flight.vehicle.velocity_mps == pytest.approx((0.5, 0, 0), abs=0.02)
    flight.stream = Setpoint(0, (1.0, -1.0, -1.2), None, yaw_rad=1.0)
    flight.run(8.0)
    assert flight.vehicle.position_m == pytest.approx((1.0, -1.0, -1.2), abs=0.02)
    w, _, _, z = flight.vehicle.attitude
    assert 2 * math.atan2(z, w) == pytest.approx(1.0, abs=0.02)


@MANNERS
def test_setpoints_are_kept_within_the_speeds_of_the_parameters(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).guided()
    flight.stream = Setpoint(0, None, (30.0, -40.0, 9.0), yaw_rate_radps=99.0)
    flight.run(0.05)
    command = flight.out.command
    assert math.hypot(command.forward_mps, command.right_mps) == pytest.approx(1.0)
    assert command.right_mps / command.forward_mps == pytest.approx(-4 / 3), "the way stays"
    assert command.down_mps == pytest.approx(0.5)
    assert command.yaw_rate_radps == pytest.approx(flight.rules.knob("max_yaw_rate_radps"))


def test_ardupilot_stops_after_three_seconds_without_setpoints_and_stays_in_guided() -> None:
    flight = Flight(Rules.of(ARDUPILOT)).guided()
    flight.stream = NORTH
    flight.run(1.0)
    flight.stream = None
    flight.run(2.9)
    assert speed(flight) > 0.45, "not before"
    flight.run(1.0)
    assert speed(flight) < 0.05
    assert flight.state.mode == "GUIDED"


def test_px4_falls_out_of_offboard_a_second_after_the_stream_stops() -> None:
    for action, mode in PX4.setpoint_loss.items():
        flight = Flight(Rules.of(PX4, {"COM_OBL_RC_ACT": action})).guided()
        flight.stream = None
        flight.run(0.9)
        assert flight.state.mode == "OFFBOARD", "not before"
        flight.run(0.3)
        assert flight.state.mode == mode
        assert flight.state.failsafe == "set-points lost"
    assert len(PX4.setpoint_loss) == 5


def test_px4_lands_where_the_stream_and_the_transmitter_are_both_lost() -> None:
    flight = Flight(Rules.of(PX4, {"COM_RC_LOSS_T": 0.9})).guided()
    flight.stream = flight.radio = None
    flight.run(2.0)
    assert flight.state.mode == "AUTO.LAND", "there is nobody to fly POSCTL"


@pytest.mark.parametrize(("every", "allowed"), [(4, True), (9, True), (11, False), (20, False)])
def test_px4_takes_offboard_only_after_a_stream_above_2_hz(every: int, allowed: bool) -> None:
    flight = Flight(Rules.of(PX4)).up()
    assert flight.mode("OFFBOARD") != ACCEPTED, "none at all"
    flight.stream, flight.every = NORTH, every
    flight.run(0.9)
    assert flight.mode("OFFBOARD") != ACCEPTED, "for too short a time"
    flight.run(2.0)
    assert (flight.mode("OFFBOARD") == ACCEPTED) is allowed
    flight.run(0.5)
    assert (speed(flight) > 0.2) is allowed


def test_px4_hears_the_stream_at_any_rate() -> None:
    state, rules = booted(PX4), Rules.of(PX4)
    vehicle = StandIn().start()
    for k in range(500):
        setpoint = Setpoint(k * 10_000_000, None, (0.0, 0.0, 0.0))
        state, _ = step(state, Inputs(k * 10_000_000, vehicle, setpoints=(setpoint,)), rules)
    inputs = Inputs(5 * 10**9, vehicle, requests=(Request(Ask.MODE, "OFFBOARD"),))
    assert step(state, inputs, rules)[1].answers == (ACCEPTED,)


def test_ardupilot_flies_no_setpoint_on_the_ground_and_px4_lifts_off_by_one() -> None:
    up = Setpoint(0, None, (0.0, 0.0, -0.5))
    copter = Flight(Rules.of(ARDUPILOT), stream=up)
    assert copter.mode("GUIDED") == ACCEPTED
    assert copter.ask(Request(Ask.ARM)) == ACCEPTED
    assert copter.run(5.0).vehicle.landed
    px4 = Flight(Rules.of(PX4), stream=up).run(1.5)
    assert px4.mode("OFFBOARD") == ACCEPTED
    assert px4.ask(Request(Ask.ARM)) == ACCEPTED
    assert px4.run(3.0).height_m > 0.8


@MANNERS
def test_every_mode_from_every_mode_on_the_ground_and_in_the_air(manner: Manner) -> None:
    """Exhaustive: any mode is entered from any, but that for set-points not without a stream."""
    names = [mode.name for mode in manner.modes]
    for before, after in itertools.product(names, names):
        for up in (False, True):
            flight = Flight(Rules.of(manner))
            if up:
                flight.up()
            flight.state = replace(flight.state, mode=before)
            refused = bool(manner.stream_s) and after == manner.setpoint_mode
            assert (flight.mode(after) == ACCEPTED) is not refused, (before, after, up)
            if before != manner.setpoint_mode or not refused:
                assert flight.state.mode == (before if refused else after)
    flight = Flight(Rules.of(manner))
    assert flight.mode("") == manner.unknown_mode


@MANNERS
def test_what_each_mode_does_in_the_air_with_nobody_touching_anything(manner: Manner) -> None:
    for mode in manner.modes:
        flight = Flight(Rules.of(manner)).guided().run(1.0)
        assert flight.mode(mode.name) == ACCEPTED
        flight.stream = flight.stream if mode.flies is Flies.SETPOINTS else None
        flight.run(12.0)
        lands = mode.flies in (Flies.LAND, Flies.RETURN)
        assert flight.vehicle.landed is lands, mode
        assert flight.state.armed is not lands
        if not lands:
            assert flight.height_m == pytest.approx(1.05, abs=0.15)
            assert speed(flight) < 0.02


@MANNERS
def test_in_which_modes_it_can_be_armed(manner: Manner) -> None:
    for mode in manner.modes:
        flight = Flight(Rules.of(manner), stream=STILL).run(1.5)
        assert flight.mode(mode.name) == ACCEPTED
        assert (flight.ask(Request(Ask.ARM)) == ACCEPTED) is mode.arms, mode.name
        assert flight.state.armed is mode.arms


@MANNERS
@pytest.mark.parametrize("what", ["no radio", "no estimate", "battery"])
def test_arming_is_refused_with_a_reason_unless_forced(manner: Manner, what: str) -> None:
    airframe = Failing()
    flight = Flight(Rules.of(manner), airframe)
    if what == "no radio":
        flight.radio = None
    elif what == "no estimate":
        airframe.changes = UNKNOWN
    else:
        airframe.changes = {"battery_v": 9.0, "battery_share": 0.03}
    flight.run(2.0)
    assert flight.ask(Request(Ask.ARM)) == manner.refuses
    assert flight.said[-1].startswith("arming refused: ")
    assert not flight.state.armed
    assert flight.ask(Request(Ask.ARM, force=True)) == ACCEPTED


@MANNERS
def test_disarming_in_the_air_needs_force_and_then_it_falls(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).up()
    assert flight.ask(Request(Ask.DISARM)) == manner.refuses
    assert flight.state.armed
    assert flight.ask(Request(Ask.DISARM, force=True)) == ACCEPTED
    flight.run(0.3)
    assert not flight.out.motors
    assert flight.vehicle.velocity_mps[2] > 1.0
    assert flight.run(2.0).vehicle.landed
    terminated = Flight(Rules.of(manner)).up()
    assert terminated.ask(Request(Ask.TERMINATE)) == ACCEPTED
    assert terminated.run(2.0).vehicle.landed


@MANNERS
def test_standing_about_armed_ends_by_itself(manner: Manner) -> None:
    flight = Flight(Rules.of(manner))
    assert flight.ask(Request(Ask.ARM)) == ACCEPTED
    assert flight.run(9.8).state.armed
    assert not flight.run(0.5).state.armed


@MANNERS
def test_loss_of_rc_leads_to_what_the_parameter_says(manner: Manner) -> None:
    assert len(manner.rc_loss) == 3
    for value, mode in manner.rc_loss.items():
        flight = Flight(Rules.of(manner, {manner.rc_loss_parameter: value})).guided()
        flight.radio = None
        flight.run(flight.rules.knob("rc_timeout_s") - 0.1)
        assert flight.state.mode == manner.setpoint_mode, "not before"
        flight.run(0.3)
        assert flight.state.mode == (mode or manner.setpoint_mode)
        assert flight.state.failsafe == "RC lost"
        flight.mode(manner.setpoint_mode)
        flight.run(0.1)
        assert flight.state.mode == (mode or manner.setpoint_mode), "as long as it lasts"
        flight.radio = Transmitter()
        flight.run(0.1)
        assert not flight.state.failsafe


@MANNERS
def test_loss_of_rc_on_the_ground_disarms(manner: Manner) -> None:
    flight = Flight(Rules.of(manner))
    assert flight.ask(Request(Ask.ARM)) == ACCEPTED
    flight.radio = None
    assert not flight.run(1.5).state.armed


@MANNERS
def test_a_low_battery_leads_to_what_the_parameter_says(manner: Manner) -> None:
    for value, mode in manner.battery_loss.items():
        airframe = Failing()
        flight = Flight(Rules.of(manner, {manner.battery_loss_parameter: value}), airframe)
        flight.guided()
        airframe.changes = {"battery_v": 9.0, "battery_share": 0.05}
        if flight.rules.knob("battery_low_s"):
            flight.run(9.0)
            assert flight.state.mode == manner.setpoint_mode, "not before"
        flight.run(1.5)
        assert flight.state.mode == (mode or manner.setpoint_mode)


@MANNERS
def test_loss_of_the_estimate_lands(manner: Manner) -> None:
    airframe = Failing()
    flight = Flight(Rules.of(manner), airframe).guided()
    flight.stream = NORTH
    flight.run(1.0)
    airframe.changes = UNKNOWN
    flight.run(1.3)
    assert flight.state.mode == manner.land_mode
    assert flight.run(8.0).vehicle.landed


def test_a_stick_takes_over_from_px4_and_not_from_ardupilots_guided() -> None:
    px4, copter = Flight(Rules.of(PX4)).guided(), Flight(Rules.of(ARDUPILOT)).guided()
    for flight in (px4, copter):
        flight.radio = Transmitter().moving(1, 0.25)
        flight.run(0.1)
        assert flight.state.mode == flight.rules.manner.setpoint_mode, "too little"
        flight.radio = Transmitter().moving(1, 0.5)
        flight.run(0.1)
    assert px4.state.mode == "POSCTL"
    assert copter.state.mode == "GUIDED"
    unmoved = Flight(Rules.of(PX4, {"COM_RC_OVERRIDE": 1})).guided()
    unmoved.radio = Transmitter().moving(1, 0.5)
    assert unmoved.run(0.5).state.mode == "OFFBOARD", "only where the parameter says so"


@MANNERS
def test_returns_to_where_it_was_armed_and_lands_there(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).guided()
    flight.stream = Setpoint(0, (2.0, 1.5, -0.8), None)
    flight.run(8.0)
    assert flight.mode(manner.return_mode) == ACCEPTED
    flight.stream = None
    flight.run(20.0)
    assert flight.vehicle.landed
    assert not flight.state.armed
    assert math.hypot(*flight.vehicle.position_m[:2]) < 0.3


@MANNERS
def test_one_that_is_carried_away_holds_where_it_is(manner: Manner) -> None:
    """The room puts the vehicle elsewhere after a collision; it must not fly back through walls."""
    flight = Flight(Rules.of(manner)).up()
    airframe = flight.airframe
    assert isinstance(airframe, StandIn)
    airframe._position_m = (5.0, 5.0, -1.0)
    flight.vehicle = replace(flight.vehicle, position_m=(5.0, 5.0, -1.0))
    flight.run(5.0)
    assert flight.vehicle.position_m == pytest.approx((5.0, 5.0, -1.0), abs=0.3)


@MANNERS
def test_a_setpoint_that_cannot_be_followed(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).guided()
    flight.stream = NORTH
    flight.run(1.0)
    bad = Setpoint(flight.now_ns, good=False)
    inputs = Inputs(flight.now_ns, flight.vehicle, flight.radio, (), (bad,))
    state, out = step(flight.state, inputs, flight.rules)
    assert (out.command.forward_mps == 0.0) is manner.bad_setpoint_stops
    assert (state.heard_ns == flight.now_ns) is manner.bad_setpoint_stops


@MANNERS
def test_a_takeoff_needs_a_height_an_armed_vehicle_and_the_ground(manner: Manner) -> None:
    flight = Flight(Rules.of(manner))
    assert flight.ask(Request(Ask.TAKEOFF, height_m=-1.0)) != ACCEPTED
    if manner is ARDUPILOT:
        assert flight.mode("GUIDED") == ACCEPTED
        assert flight.ask(Request(Ask.TAKEOFF, height_m=1.0)) == manner.refuses, "not armed"
        assert flight.mode("LOITER") == ACCEPTED
        assert flight.ask(Request(Ask.ARM)) == ACCEPTED
        assert flight.ask(Request(Ask.TAKEOFF, height_m=1.0)) == manner.refuses, "not in GUIDED"
    else:
        assert flight.ask(Request(Ask.TAKEOFF)) == ACCEPTED, "the parameter's height"
        assert flight.run(1.0).vehicle.landed, "waits for arming"
        assert flight.ask(Request(Ask.ARM)) == ACCEPTED
        assert flight.run(6.0).height_m == pytest.approx(1.1, abs=0.1)
        assert flight.ask(Request(Ask.TAKEOFF)) == manner.refuses, "flying"


@MANNERS
def test_a_landing_given_up_just_above_the_ground_stays_off_it(manner: Manner) -> None:
    flight = Flight(Rules.of(manner)).up()
    assert flight.mode(manner.land_mode) == ACCEPTED
    while flight.height_m > 0.1:
        flight.run(0.05)
    assert flight.mode(manner.hold_mode) == ACCEPTED
    flight.run(4.0)
    assert not flight.vehicle.landed
    assert flight.height_m == pytest.approx(0.15, abs=0.02)


def test_px4_may_be_told_to_fly_on_in_offboard_without_rc() -> None:
    flight = Flight(Rules.of(PX4, {"COM_RCL_EXCEPT": 4})).guided()
    flight.radio = None
    assert flight.run(3.0).state.mode == "OFFBOARD"
    flight.stream = None
    flight.run(1.5)
    assert flight.state.mode == "AUTO.LAND", "nobody flies POSCTL without RC"
