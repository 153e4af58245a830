from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standin_flight import TICK_NS, Flight

from drone.messages import VehicleState, VelocityCommand
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_flying import Setpoint
from drone.sim.flightcontroller_manners import Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_rules import step
from drone.sim.flightcontroller_state import Ask, Inputs, Phase, Request, State
from drone.sim.flightcontroller_transmitter import ARM, HIGH_US, LOW_US, MODE, SLOT_US, Transmitter

MANNERS = pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)

_asked = st.sampled_from([ask for ask in Ask if ask is not Ask.TERMINATE])
_heights = st.sampled_from([math.nan, -1.0, 0.0, 1.0, 1e9])
_numbers = st.sampled_from([0.0, -0.5, 0.5, 3.0, -1e9, 1e9])
_vectors = st.none() | st.tuples(_numbers, _numbers, _numbers)
_setpoints = st.builds(
    Setpoint,
    stamp_ns=st.just(0),
    position_m=_vectors,
    velocity_mps=_vectors,
    yaw_rad=st.sampled_from([math.nan, 0.0, 2.0]),
    yaw_rate_radps=st.sampled_from([math.nan, 0.0, -9.0]),
)
_radios = st.none() | st.builds(
    lambda slot, arm, roll: (
        Transmitter().having(MODE, SLOT_US[slot]).having(ARM, arm).moving(1, roll)
    ),
    st.integers(0, 5),
    st.sampled_from([LOW_US, HIGH_US]),
    st.sampled_from([0.0, 0.0, 0.7]),
)


def axes(command: VelocityCommand) -> tuple[float, float, float, float]:
    return command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps


def requests(manner: Manner) -> st.SearchStrategy[list[Request]]:
    modes = st.sampled_from(["", *(mode.name for mode in manner.modes)])
    one = st.builds(Request, ask=_asked, mode=modes, height_m=_heights, force=st.booleans())
    return st.lists(one, max_size=2)


@MANNERS
@settings(max_examples=40)
@given(data=st.data())
def test_no_setpoint_moves_the_vehicle_outside_its_mode_or_disarmed(
    manner: Manner, data: st.DataObject
) -> None:
    """At every tick of any story the command is the same as if no set-point had been heard.

    Also: commands are finite and within limits, a disarmed vehicle is never told to move, and
    motors are cut only when it is disarmed in the air.
    """
    flight = Flight(Rules.of(manner))
    for _ in range(data.draw(st.integers(1, 12))):
        flight.radio = data.draw(_radios)
        flight.stream = data.draw(st.none() | _setpoints)
        for request in data.draw(requests(manner)):
            flight.ask(request)
        for _ in range(data.draw(st.integers(1, 40))):
            before, vehicle, now_ns = flight.state, flight.vehicle, flight.now_ns
            flight.run(TICK_NS / 1e9)
            state, command = flight.state, flight.out.command
            assert all(map(math.isfinite, axes(command)))
            assert math.hypot(command.forward_mps, command.right_mps) <= 1.0 + 1e-9
            assert abs(command.down_mps) <= 0.5 + 1e-9
            assert flight.out.motors or (not state.armed and not vehicle.landed)
            if not state.armed:
                assert axes(command) == (0.0, 0.0, 0.0, 0.0)
            if not state.armed or state.mode != manner.setpoint_mode:
                inputs = Inputs(now_ns, vehicle, flight.radio)
                deaf, out = step(replace(before, setpoint=None), inputs, flight.rules)
                if deaf.mode == state.mode:
                    assert out.command == command


def test_the_property_would_notice() -> None:
    """Negative control: in its mode, a set-point does make the difference."""
    flight = Flight(Rules.of(PX4)).guided()
    flight.stream = Setpoint(0, None, (0.5, 0.0, 0.0))
    before, vehicle, now_ns = flight.state, flight.vehicle, flight.now_ns
    flight.run(0.05)
    inputs = Inputs(now_ns, vehicle, flight.radio)
    _, out = step(replace(before, setpoint=None), inputs, flight.rules)
    assert out.command != flight.out.command


@MANNERS
def test_what_is_unknown_never_becomes_a_command(manner: Manner) -> None:
    nowhere = VehicleState(0, 0, True, (math.nan,) * 3, (math.nan,) * 3, (math.nan,) * 4)
    for mode in manner.modes:
        for setpoint in (Setpoint(0, None, (0.5, 0, 0)), Setpoint(0, (1.0, 1.0, 1.0))):
            state = State(mode.name, armed=True, phase=Phase.FLYING, setpoint=setpoint, heard_ns=0)
            _, out = step(state, Inputs(1, nowhere, Transmitter()), Rules.of(manner))
            forward, right, down, turn = axes(out.command)
            assert (forward, right, turn) == (0, 0, 0)
            assert math.isfinite(down)
