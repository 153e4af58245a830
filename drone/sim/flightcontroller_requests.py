"""What the simulated flight controller answers to commands: arming and its checks, modes, takeoff.

In: state, request, inputs, rules. Out: state and MAV_RESULT. Switches of the transmitter ask for
the same things and go the same way.
"""

from __future__ import annotations

import math
from dataclasses import replace

from drone.sim.flightcontroller_flying import knows_place, stopping_place
from drone.sim.flightcontroller_manners import ACCEPTED, DENIED, Flies, Rules
from drone.sim.flightcontroller_state import (
    INFO,
    WARNING,
    Ask,
    Inputs,
    Phase,
    Request,
    State,
    enter,
    mode_of,
    streams,
)

_NEED_PLACE = (Flies.STICKS, Flies.HOLD, Flies.TAKEOFF, Flies.RETURN, Flies.SETPOINTS)


def answer(state: State, request: Request, inputs: Inputs, rules: Rules) -> tuple[State, int]:
    """Return the state after a request, and MAV_RESULT."""
    if request.ask is Ask.ARM:
        return _arm(state, inputs, rules, request.force)
    if request.ask is Ask.DISARM:
        return _disarm(state, inputs, rules, request.force)
    if request.ask is Ask.TERMINATE:
        return disarmed(state, inputs, "flight terminated"), ACCEPTED
    if request.ask is Ask.TAKEOFF:
        return _take_off(state, request.height_m, inputs, rules)
    return _change_mode(state, request.mode, inputs, rules)


def mode_refusal(state: State, mode: str, inputs: Inputs, rules: Rules) -> str:
    """Return why a mode cannot be entered now, empty where it can."""
    manner = rules.manner
    if manner.mode(mode).flies in _NEED_PLACE and not knows_place(inputs.vehicle):
        return "no position estimate"
    if mode == manner.setpoint_mode and not streams(state, inputs.now_ns, rules):
        return f"no set-point stream above {manner.stream_hz:g} Hz"
    return ""


def arming_refusal(state: State, inputs: Inputs, rules: Rules) -> str:
    """Return why the vehicle cannot be armed now, empty where it can."""
    mode = mode_of(state, rules)
    if not knows_place(inputs.vehicle):
        return "no position estimate"
    if inputs.radio is None:
        return "RC not found"
    if not mode.arms:
        return f"{mode.name} mode not armable"
    if battery_is_low(inputs, rules):
        return "battery low"
    return mode_refusal(state, state.mode, inputs, rules)


def battery_is_low(inputs: Inputs, rules: Rules) -> bool:
    """Return whether the battery is known and low."""
    figure: float = getattr(inputs.vehicle, rules.manner.battery_figure)
    return figure < rules.knob("battery_low")


def disarmed(state: State, inputs: Inputs, why: str) -> State:
    """Return the state with motors off."""
    if not state.armed:
        return state
    state = replace(
        state,
        armed=False,
        flew=False,
        takeoff_down_m=math.nan,
        failsafe="",
        battery_ns=-1,
        grounded_ns=inputs.now_ns,
    )
    return state.saying(INFO, f"disarmed: {why}")


def _arm(state: State, inputs: Inputs, rules: Rules, force: bool) -> tuple[State, int]:
    if state.armed:
        return state, ACCEPTED
    why = "" if force else arming_refusal(state, inputs, rules)
    if not inputs.vehicle.landed:
        why = "not on the ground"
    if why:
        return state.saying(WARNING, f"arming refused: {why}"), rules.manner.refuses
    here = stopping_place(inputs.vehicle)
    state = replace(
        state,
        armed=True,
        phase=Phase.GROUND,
        armed_ns=inputs.now_ns,
        grounded_ns=inputs.now_ns,
        flew=False,
        home=here,
        hold=here,
        failsafe="",
    )
    return state.saying(INFO, "armed"), ACCEPTED


def _disarm(state: State, inputs: Inputs, rules: Rules, force: bool) -> tuple[State, int]:
    if state.armed and state.phase is not Phase.GROUND and not force:
        return state.saying(WARNING, "disarming refused: flying"), rules.manner.refuses
    return disarmed(state, inputs, "killed" if force else "asked for"), ACCEPTED


def _change_mode(state: State, mode: str, inputs: Inputs, rules: Rules) -> tuple[State, int]:
    if not mode:
        return state.saying(WARNING, "no such mode"), rules.manner.unknown_mode
    why = mode_refusal(state, mode, inputs, rules)
    if why:
        return state.saying(WARNING, f"{mode} refused: {why}"), rules.manner.refuses
    return replace(enter(state, mode, inputs.vehicle, rules), failsafe=""), ACCEPTED


def _take_off(state: State, height_m: float, inputs: Inputs, rules: Rules) -> tuple[State, int]:
    manner = rules.manner
    height_m = height_m if math.isfinite(height_m) else rules.knob("takeoff_height_m")
    if not height_m > 0:
        return state.saying(WARNING, "takeoff refused: no height"), DENIED
    why = _takeoff_refusal(state, inputs, rules)
    if why:
        return state.saying(WARNING, f"takeoff refused: {why}"), manner.refuses
    if manner.takeoff_switches:
        state = enter(state, manner.takeoff_mode, inputs.vehicle, rules)
    home = state.home or stopping_place(inputs.vehicle)
    ground_m = home.position_m[2] if home else math.nan
    state = replace(state, takeoff_down_m=ground_m - height_m, setpoint=None)
    return lifted_off(state, inputs), ACCEPTED


def _takeoff_refusal(state: State, inputs: Inputs, rules: Rules) -> str:
    if not knows_place(inputs.vehicle):
        return "no position estimate"
    if state.phase is not Phase.GROUND:
        return "flying"
    if rules.manner.takeoff_switches:
        return ""
    if not state.armed:
        return "not armed"
    return "" if state.mode == rules.manner.takeoff_mode else f"not in {rules.manner.takeoff_mode}"


def lifted_off(state: State, inputs: Inputs) -> State:
    """Return the state in which an armed vehicle leaves the ground."""
    if not state.armed or state.phase is not Phase.GROUND:
        return state
    return replace(state, phase=Phase.LIFTING, flew=True, hold=stopping_place(inputs.vehicle))
