"""The rules of the simulated flight controller: a pure state machine, no clock, no socket.

`step(state, inputs, rules) -> (state, outputs)` may be called at any time: at every tick, and
whenever a peer asks for something. Order of a step:

```
 listen ─► answer commands ─► transmitter's switches ─► ground or air ─► failsafes
        ─► what ends by itself (takeoff, return, standing about) ─► command
```
What differs between autopilots is in `flightcontroller_manners`, what moves the vehicle in
`flightcontroller_flying`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from drone.messages import VehicleState, VelocityCommand
from drone.sim import flightcontroller_flying as flying
from drone.sim.flightcontroller_failsafes import guarded, setpoints_are_old, watched
from drone.sim.flightcontroller_flying import Place, knows_place
from drone.sim.flightcontroller_manners import Flies, Rules
from drone.sim.flightcontroller_requests import answer, disarmed, lifted_off
from drone.sim.flightcontroller_state import (
    LIFTED_M,
    Ask,
    Inputs,
    Outputs,
    Phase,
    Request,
    State,
    enter,
    hear,
    mode_of,
)
from drone.sim.flightcontroller_transmitter import ARM, PITCH, ROLL, THROTTLE, YAW, Transmitter

_THERE_M = 0.1
"""So near the height of a takeoff is reached."""
_HOME_M = 0.3
"""So near, in plan, a return is at home."""
_ASIDE = (Flies.STICKS, Flies.STICKS_DRIFTING)


def step(state: State, inputs: Inputs, rules: Rules) -> tuple[State, Outputs]:
    """Take in what came, and return what is remembered and what shall be done."""
    state = watched(replace(state, texts=()), inputs, rules)
    state = hear(state, inputs.setpoints, rules)
    answers = []
    for request in inputs.requests:
        state, result = answer(state, request, inputs, rules)
        answers.append(result)
    if inputs.radio is not None:
        state = _switched(state, inputs.radio, inputs, rules)
    state = _between_ground_and_air(state, inputs, rules)
    state = guarded(state, inputs, rules)
    state = _by_itself(state, inputs, rules)
    motors = state.armed or inputs.vehicle.landed
    return state, Outputs(_command(state, inputs, rules), motors, tuple(answers), state.texts)


def _switched(state: State, radio: Transmitter, inputs: Inputs, rules: Rules) -> State:
    """Do what the transmitter's switches say when they move, and a stick that takes over."""
    up, slot, first = radio.high(ARM), radio.slot, state.slot < 0
    before, state = state, replace(state, slot=slot, arm_switch=up)
    if slot != before.slot:
        request = Request(Ask.MODE, rules.switched_mode(slot))
        state, _ = answer(state, request, inputs, rules)
    if up != before.arm_switch and rules.arms_by_switch and not first:
        state, _ = answer(state, Request(Ask.ARM if up else Ask.DISARM), inputs, rules)
    if _stick_takes_over(state, radio, rules):
        state = enter(state, rules.manner.manual_mode, inputs.vehicle, rules)
        state = replace(state, failsafe="")
    return state


def _stick_takes_over(state: State, radio: Transmitter, rules: Rules) -> bool:
    mode = mode_of(state, rules)
    if not state.armed or state.phase is Phase.GROUND or mode.flies in _ASIDE:
        return False
    bits = round(rules.knob("stick_overrides"))
    allowed = bits & (2 if mode.flies is Flies.SETPOINTS else 1)
    far = max(abs(radio.stick(channel)) for channel in (ROLL, PITCH, THROTTLE, YAW))
    return bool(allowed) and far > rules.knob("stick_override")


def _between_ground_and_air(state: State, inputs: Inputs, rules: Rules) -> State:
    """Notice lift-off and touch-down, and leave the ground where something asks for it."""
    landed = inputs.vehicle.landed
    if not state.armed:
        return replace(state, phase=Phase.GROUND if landed else Phase.FLYING)
    if state.phase is Phase.GROUND:
        if not landed:
            return replace(state, phase=Phase.FLYING, flew=True)
        return lifted_off(state, inputs) if _wants_up(state, inputs, rules) else state
    if state.phase is Phase.LIFTING:
        given_up = mode_of(state, rules).flies in (Flies.LAND, Flies.RETURN)
        lifted = given_up or (not landed and _height_m(state, inputs.vehicle) > LIFTED_M)
        return replace(state, phase=Phase.FLYING) if lifted else state
    if landed:
        return replace(state, phase=Phase.GROUND, grounded_ns=inputs.now_ns)
    return state


def _height_m(state: State, vehicle: VehicleState) -> float:
    """Return the height above where it was armed; infinite where that cannot be known."""
    if state.home is None or not knows_place(vehicle):
        return math.inf
    return state.home.position_m[2] - vehicle.position_m[2]


def _wants_up(state: State, inputs: Inputs, rules: Rules) -> bool:
    """Return whether an armed vehicle on the ground is asked to leave it."""
    flies = mode_of(state, rules).flies
    if flies is Flies.TAKEOFF:
        return True
    if flies in _ASIDE:
        return inputs.radio is not None and inputs.radio.stick(THROTTLE) > 0.2
    setpoint = state.setpoint
    if flies is not Flies.SETPOINTS or setpoint is None or not rules.manner.climbs_from_ground:
        return False
    if setpoints_are_old(state, inputs, rules):
        return False
    return flying.follow(inputs.vehicle, setpoint, rules).down_mps < -0.2


def _by_itself(state: State, inputs: Inputs, rules: Rules) -> State:
    """Return the state after what needs nobody: the end of a takeoff, the way home, disarming."""
    if not state.armed:
        return replace(state, hold=None)
    if state.phase is Phase.GROUND:
        idle_s = _idle_disarm_s(state, rules)
        idle = idle_s is not None and inputs.now_ns - state.grounded_ns >= round(1e9 * idle_s)
        return disarmed(state, inputs, "landed" if state.flew else "not flown") if idle else state
    if state.phase is Phase.LIFTING:
        return state
    state = _takeoff_done(state, inputs, rules)
    if mode_of(state, rules).flies is Flies.RETURN and not state.at_home:
        return replace(state, at_home=_is_home(state, inputs.vehicle))
    radio = inputs.radio if mode_of(state, rules).flies in _ASIDE else None
    return replace(state, hold=flying.reheld(state.hold, inputs.vehicle, radio))


def _idle_disarm_s(state: State, rules: Rules) -> float | None:
    """Return how long the vehicle stands about armed; None: for ever."""
    lands = mode_of(state, rules).flies in (Flies.LAND, Flies.RETURN)
    if lands and rules.manner.landing_disarms:
        return 0.0
    delay_s = rules.knob("landed_disarm_s" if state.flew else "idle_disarm_s")
    return delay_s if delay_s > 0 else None


def _takeoff_down_m(state: State, rules: Rules) -> float:
    """Return the height of the takeoff on its way, NED, NaN where there is none."""
    if mode_of(state, rules).flies is Flies.TAKEOFF and not math.isfinite(state.takeoff_down_m):
        ground_m = state.home.position_m[2] if state.home else math.nan
        return ground_m - rules.knob("takeoff_height_m")
    return state.takeoff_down_m


def _takeoff_done(state: State, inputs: Inputs, rules: Rules) -> State:
    """Return the state after a takeoff that has come to its height; it holds that height."""
    down_m = _takeoff_down_m(state, rules)
    if not inputs.vehicle.position_m[2] - down_m < _THERE_M or state.hold is None:
        return state
    north, east, _ = state.hold.position_m
    hold = Place((north, east, min(down_m, inputs.vehicle.position_m[2])), state.hold.yaw_rad)
    state = enter(state, rules.manner.after_takeoff, inputs.vehicle, rules)
    return replace(state, hold=hold, takeoff_down_m=math.nan)


def _is_home(state: State, vehicle: VehicleState) -> bool:
    if state.home is None or not knows_place(vehicle):
        return True
    return math.dist(state.home.position_m[:2], vehicle.position_m[:2]) < _HOME_M


def _command(state: State, inputs: Inputs, rules: Rules) -> VelocityCommand:
    """Return how the vehicle shall move."""
    vehicle, flies = inputs.vehicle, mode_of(state, rules).flies
    if not state.armed or state.phase is Phase.GROUND:
        return flying.hover(vehicle)
    if state.phase is Phase.LIFTING:
        up = rules.knob("takeoff_speed_mps")
        return flying.vertical(vehicle, state.hold, -up, rules)
    if flies is Flies.SETPOINTS:
        return _setpoint_command(state, inputs, rules)
    if flies is Flies.TAKEOFF:
        return _climb(state, vehicle, rules)
    if flies is Flies.LAND:
        return flying.vertical(vehicle, state.hold, rules.knob("land_speed_mps"), rules)
    if flies is Flies.RETURN:
        return _return_command(state, vehicle, rules)
    if flies is Flies.HOLD or inputs.radio is None:
        return flying.hold(vehicle, state.hold, rules)
    drifting = flies is Flies.STICKS_DRIFTING
    return flying.sticks(vehicle, inputs.radio, state.hold, drifting, rules)


def _setpoint_command(state: State, inputs: Inputs, rules: Rules) -> VelocityCommand:
    vehicle, setpoint = inputs.vehicle, state.setpoint
    if math.isfinite(state.takeoff_down_m):
        return _climb(state, vehicle, rules)
    if setpoint is None:
        return flying.hold(vehicle, state.hold, rules)
    lasts = setpoint.position_m is not None and setpoint.velocity_mps is None
    if not lasts and setpoints_are_old(state, inputs, rules):
        return flying.hover(vehicle)
    return flying.follow(vehicle, setpoint, rules)


def _climb(state: State, vehicle: VehicleState, rules: Rules) -> VelocityCommand:
    """Go to the height of the takeoff."""
    down_m = _takeoff_down_m(state, rules)
    if state.hold is None or not math.isfinite(down_m):
        return flying.hold(vehicle, state.hold, rules)
    north, east, _ = state.hold.position_m
    place = Place((north, east, down_m), state.hold.yaw_rad)
    return flying.hold(vehicle, place, rules)


def _return_command(state: State, vehicle: VehicleState, rules: Rules) -> VelocityCommand:
    """Go up to the height of the return, over to where it was armed, and land there."""
    home, hold = state.home, state.hold
    if state.at_home or home is None or hold is None or not knows_place(vehicle):
        place = home if state.at_home and home is not None else hold
        return flying.vertical(vehicle, place, rules.knob("land_speed_mps"), rules)
    down_m = min(hold.position_m[2], home.position_m[2] - rules.knob("return_height_m"))
    over = hold if vehicle.position_m[2] - down_m > 0.2 else home
    north, east, _ = over.position_m
    return flying.hold(vehicle, Place((north, east, down_m), hold.yaw_rad), rules)
