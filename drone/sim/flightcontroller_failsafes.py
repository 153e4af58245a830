"""When the simulated flight controller takes over by itself: estimate, RC, battery, set-points.

In: state, inputs, rules. Out: the state. The first loss of `LOSSES` that is there decides; while it
lasts its mode cannot be left but for landing. What each leads to is the manner's table and the
parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drone.sim.flightcontroller_flying import knows_place
from drone.sim.flightcontroller_manners import Flies, Rules
from drone.sim.flightcontroller_requests import battery_is_low, disarmed
from drone.sim.flightcontroller_state import (
    CRITICAL,
    Inputs,
    Phase,
    State,
    enter,
    mode_of,
)

SETPOINTS_LOST = "set-points lost"
_IN_SETPOINT_MODE = 4
"""Bit of the exceptions from the loss of RC."""
_BY_HAND = (Flies.STICKS, Flies.STICKS_DRIFTING)
_BLIND = (Flies.LAND, Flies.STICKS_DRIFTING)
"""Modes that fly without a position estimate."""


def watched(state: State, inputs: Inputs, rules: Rules) -> State:
    """Return the state with what was noticed: signals and estimates that are there."""
    now = inputs.now_ns
    if inputs.radio is not None:
        state = replace(state, radio_ns=now)
    if knows_place(inputs.vehicle):
        state = replace(state, known_ns=now)
    low = battery_is_low(inputs, rules)
    since = now if low and state.battery_ns < 0 else state.battery_ns
    return replace(state, battery_ns=since if low else -1)


def guarded(state: State, inputs: Inputs, rules: Rules) -> State:
    """Return the state after what a loss leads to."""
    if not state.armed:
        return state
    for name, (lost, mode) in LOSSES.items():
        if lost(state, inputs, rules):
            return _over(state, name, mode(rules), inputs, rules)
    return state if state.failsafe == SETPOINTS_LOST else replace(state, failsafe="")


def silent_s(since_ns: int, now_ns: int) -> float:
    """Return for how long something has been missing; for ever if it was never there."""
    return (now_ns - since_ns) / 1e9 if since_ns >= 0 else float("inf")


def setpoints_are_old(state: State, inputs: Inputs, rules: Rules) -> bool:
    """Return whether no set-point has come for longer than their mode allows."""
    return silent_s(state.heard_ns, inputs.now_ns) > rules.knob("setpoint_timeout_s")


def _estimate_lost(state: State, inputs: Inputs, rules: Rules) -> bool:
    blind = mode_of(state, rules).flies in _BLIND
    return not blind and silent_s(state.known_ns, inputs.now_ns) > rules.knob("estimate_timeout_s")


def radio_lost(state: State, inputs: Inputs, rules: Rules) -> bool:
    """Return whether the transmitter has not been heard for too long."""
    return silent_s(state.radio_ns, inputs.now_ns) > rules.knob("rc_timeout_s")


def _radio_missed(state: State, inputs: Inputs, rules: Rules) -> bool:
    """Return whether the loss of the transmitter counts in this mode."""
    excepted = round(rules.knob("rc_exceptions")) & _IN_SETPOINT_MODE
    guided = state.mode == rules.manner.setpoint_mode
    return radio_lost(state, inputs, rules) and not (guided and excepted)


def _battery_lost(state: State, inputs: Inputs, rules: Rules) -> bool:
    low_s = silent_s(state.battery_ns, inputs.now_ns) if state.battery_ns >= 0 else -1.0
    return low_s >= rules.knob("battery_low_s")


def _setpoints_lost(state: State, inputs: Inputs, rules: Rules) -> bool:
    manner = rules.manner
    needs = bool(manner.setpoint_loss) and state.mode == manner.setpoint_mode
    return needs and setpoints_are_old(state, inputs, rules)


LOSSES: dict[str, tuple[Callable[[State, Inputs, Rules], bool], Callable[[Rules], str]]] = {
    "position estimate lost": (_estimate_lost, lambda rules: rules.manner.land_mode),
    "RC lost": (_radio_missed, lambda rules: rules.loss_mode("rc")),
    "battery low": (_battery_lost, lambda rules: rules.loss_mode("battery")),
    SETPOINTS_LOST: (_setpoints_lost, lambda rules: rules.loss_mode("setpoint")),
}
"""What can be lost, most serious first: when it is, and the mode it leads to."""


def _over(state: State, what: str, mode: str, inputs: Inputs, rules: Rules) -> State:
    """Return the state in the mode that a loss leads to."""
    if state.phase is Phase.GROUND and what != SETPOINTS_LOST:
        return disarmed(state, inputs, what)
    if not mode:
        return replace(state, failsafe=what)
    by_hand = rules.manner.mode(mode).flies in _BY_HAND
    blind = not knows_place(inputs.vehicle) and rules.manner.mode(mode).flies not in _BLIND
    if blind or (by_hand and radio_lost(state, inputs, rules)):
        mode = rules.manner.land_mode
    if state.failsafe != what:
        state = state.saying(CRITICAL, f"failsafe: {what}")
    if mode_of(state, rules).flies is not Flies.LAND:
        state = enter(state, mode, inputs.vehicle, rules)
    return replace(state, failsafe=what)
