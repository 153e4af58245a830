"""What the link may send now: `step(state, inputs, config) -> (state, output)`.

```
heartbeat, RC, live page ─► permission (a table) ─┐
vehicle state, decision, battery ─► losses ───────┼─► set-point: the command within limits, zero, or
manners of the autopilot (data) ──────────────────┘   none; an order (LAND, RETURN)
```

A non-zero set-point needs, at this very moment: a heartbeat of just now, a mode that takes
set-points, armed motors, standing permission, a vehicle in the air, a decision of just now, a valid
vehicle state of just now, and no reaction to a loss. All else is zero, or silence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.onboard.linkfacts import Ground, LinkInputs, LinkOutput
from drone.onboard.losses import (
    UNKNOWN_GROUND,
    Due,
    Since,
    decides,
    fresh,
    ground_unknown,
    known,
    reaction_due,
    watch,
)
from drone.onboard.manners import MANNERS, Manner, Order
from drone.onboard.permission import TABLE, Permission, Switch
from drone.onboard.setpoints import ZERO, Setpoint, setpoint_from_command

ORDER_EVERY_S = 1.0
"""An order is repeated until the autopilot's mode shows that it obeys."""
WARNING, NOTICE, INFO = 4, 5, 6
"""Of MAV_SEVERITY."""
ORDERS = {"land": Order.LAND, "return": Order.RETURN}
"""What reactions order."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is remembered from moment to moment.

    Attributes:
        permission: how it stands.
        given_ns: when it was given last, -1 if never.
        withdrawn: why it was withdrawn last, in words.
        custom_mode: of the latest heartbeat, -1 before.
        since: what is missing.
        flew: this stack flew at the moment before.
        flew_ns: when it flew last, -1 if never.
        blind: the link was lost while this stack flew.
        order: that stands.
        ordered_ns: when it was sent last, -1 if never.
        refused: a RETURN was.
        sent: the latest set-point, None before.
        sent_ns: when.
        flown_ns: stamp of the latest decision that was sent.
        pilot_mode: of the latest decision, empty before.
    """

    permission: Permission = Permission.WITHDRAWN
    given_ns: int = -1
    withdrawn: str = ""
    custom_mode: int = -1
    since: Since = Since()
    flew: bool = False
    flew_ns: int = -1
    blind: bool = False
    order: Order | None = None
    ordered_ns: int = -1
    sent: Setpoint | None = None
    sent_ns: int = -1
    flown_ns: int = -1
    pilot_mode: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the autopilot stands, by its latest heartbeat.

    Attributes:
        connected: it is of just now.
        manner: None where the kind of autopilot is unknown.
        mode: in its own words, empty if unknown.
        takes: the mode takes set-points.
        armed: motors may turn.
        airborne: it does not stand or take off; where that is unknown, that is a loss (`losses`).
    """

    connected: bool = False
    manner: Manner | None = None
    mode: str = ""
    takes: bool = False
    armed: bool = False
    airborne: bool = False


def step(
    state: LinkState, inputs: LinkInputs, config: AutopilotConfig
) -> tuple[LinkState, LinkOutput]:
    """Return the next state, and what is to be sent at this moment."""
    standing = standing_of(inputs, config)
    permitted = _permission(state, inputs, standing, config)
    flies = permitted.permission is Permission.GIVEN and standing.airborne and not inputs.shadow
    moved = replace(
        permitted,
        since=watch(state.since, inputs, config),
        custom_mode=inputs.heartbeat.custom_mode if inputs.heartbeat else -1,
        blind=not standing.connected and (state.blind or state.flew),
        flew=flies,
        flew_ns=inputs.now_ns if flies else state.flew_ns,
    )
    due = _due(moved, inputs, config)
    moved = replace(moved, order=_standing_order(moved, inputs, standing, due))
    return _sent(state, moved, inputs, standing, due, config)


def standing_of(inputs: LinkInputs, config: AutopilotConfig) -> Standing:
    """Return how the autopilot stands."""
    heartbeat = inputs.heartbeat
    if heartbeat is None:
        return Standing()
    connected = fresh(heartbeat.stamp_ns, inputs.now_ns, config.heartbeat_timeout_s)
    manner = heartbeat.manner
    grounded = inputs.ground in (Ground.STANDING, Ground.TAKING_OFF)
    return Standing(
        connected=connected,
        manner=manner,
        mode=manner.mode_name(heartbeat.custom_mode) if manner else "",
        takes=connected and manner is not None and manner.takes_setpoints(heartbeat.custom_mode),
        armed=heartbeat.armed,
        airborne=not (grounded and config.needs_flight),
    )


# Permission


def _permission(
    state: LinkState, inputs: LinkInputs, standing: Standing, config: AutopilotConfig
) -> LinkState:
    """Return the state with permission moved on by one event."""
    objection = _objection(state, inputs, standing, config)
    switch = Switch.WITHDRAW if objection else _switch(inputs, config)
    permission = TABLE[state.permission, switch]
    given, was_given = permission is Permission.GIVEN, state.permission is Permission.GIVEN
    withdrawn = state.withdrawn
    if was_given and not given:
        withdrawn = objection or f"channel {config.permission.channel} is low"
    return replace(
        state,
        permission=permission,
        given_ns=inputs.now_ns if given and not was_given else state.given_ns,
        withdrawn="" if given else withdrawn,
    )


def _switch(inputs: LinkInputs, config: AutopilotConfig) -> Switch:
    assert inputs.channels is not None
    pulse = inputs.channels.pulse_us(config.permission.channel)
    return Switch.HIGH if pulse > config.permission.high_us else Switch.LOW


def _objection(
    state: LinkState, inputs: LinkInputs, standing: Standing, config: AutopilotConfig
) -> str:
    """Return what speaks against permission, in words; empty if nothing."""
    heartbeat, rules = inputs.heartbeat, config.permission
    if heartbeat is None or not standing.connected:
        return "no autopilot is heard"
    if standing.manner is None:
        if heartbeat.autopilot in MANNERS:
            return f"MAV_TYPE {heartbeat.vehicle_type} is no multicopter"
        return f"MAV_AUTOPILOT {heartbeat.autopilot} is neither ArduPilot nor PX4"
    if not standing.takes:
        wanted = " or ".join(sorted(standing.manner.setpoint_modes))
        return f"mode is {standing.mode}, set-points need {wanted}"
    if state.custom_mode not in (-1, heartbeat.custom_mode):
        return f"mode changed to {standing.mode}"
    if not standing.armed:
        return "not armed"
    if inputs.receiver_ill:
        return inputs.receiver_ill
    channels = inputs.channels
    if channels is None or not fresh(channels.stamp_ns, inputs.now_ns, rules.rc_timeout_s):
        return "no RC channels are heard"
    if not channels.pulse_us(rules.channel):
        return f"RC has no channel {rules.channel}"
    for stick in rules.sticks:
        if abs(channels.pulse_us(stick) - rules.centre_us) > rules.deadband_us:
            return f"stick of channel {stick} is not in its middle"
    if inputs.withdraw:
        return "withdrawn on the live page"
    return "" if state.permission is Permission.GIVEN else _unready(inputs, config)


def _unready(inputs: LinkInputs, config: AutopilotConfig) -> str:
    """Return what is missing to begin with; once this stack flies, that is a loss instead."""
    if inputs.rivals:
        return inputs.rivals
    if not decides(inputs.decision, inputs.now_ns, config):
        return "the pilot process is silent"
    if not known(inputs.vehicle, inputs.now_ns, config):
        return "no fresh, valid vehicle state"
    return UNKNOWN_GROUND if ground_unknown(inputs, config) else ""


# Losses and orders


def _due(state: LinkState, inputs: LinkInputs, config: AutopilotConfig) -> Due | None:
    """Return the reaction that is due, None where nothing is lost or somebody else flies."""
    if state.blind:
        return Due(config.reactions.link, "the autopilot is not heard any more")
    if not state.flew:
        return None
    decision = inputs.decision
    in_time = decision is not None and decision.stamp_ns <= inputs.now_ns + ns_from_s(
        config.stale_s
    )
    heard_ns = decision.stamp_ns if decision is not None and in_time else -1
    return reaction_due(state.since, max(heard_ns, state.given_ns), inputs, config)


def _standing_order(
    state: LinkState, inputs: LinkInputs, standing: Standing, due: Due | None
) -> Order | None:
    """Return the order that stands: until the mode leaves, or the human pilot takes over."""
    if not (state.blind or state.flew):
        return None
    refused = state.order is Order.RETURN and inputs.refused  # this one, not one of before
    return Order.LAND if refused else state.order or (ORDERS.get(due.reaction) if due else None)


# What goes out


def _sent(
    before: LinkState,
    state: LinkState,
    inputs: LinkInputs,
    standing: Standing,
    due: Due | None,
    config: AutopilotConfig,
) -> tuple[LinkState, LinkOutput]:
    commanded = state.flew and due is None and state.order is None
    setpoint = _setpoint(state, inputs, standing, commanded, config)
    timely = setpoint if _is_time(state, inputs, setpoint, commanded, config) else None
    order = state.order if _order_is_time(before, state, inputs) else None
    decision = inputs.decision
    reaction = state.order or (due.reaction if due and due.reaction != "none" else "")
    after = replace(
        state,
        sent=timely if timely is not None else state.sent,
        sent_ns=inputs.now_ns if timely is not None else state.sent_ns,
        flown_ns=decision.stamp_ns if commanded and decision else state.flown_ns,
        ordered_ns=inputs.now_ns if order else state.ordered_ns,
        pilot_mode=str(decision.mode) if decision else "",
    )
    output = LinkOutput(
        setpoint=timely,
        order=order,
        texts=_texts(before, after),
        connected=standing.connected,
        flight_mode=standing.mode,
        armed=standing.armed,
        commanded=commanded,
        permitted=state.permission is Permission.GIVEN,
        reason="" if commanded else _reason(state, inputs, standing, due, config),
        reaction=str(reaction),
    )
    return after, output


def _setpoint(
    state: LinkState,
    inputs: LinkInputs,
    standing: Standing,
    commanded: bool,
    config: AutopilotConfig,
) -> Setpoint | None:
    """Return the set-point that holds now, None where the link keeps silent."""
    if inputs.shadow or standing.manner is None:
        return None
    if state.blind:
        return None if config.reactions.link == "none" else ZERO
    if commanded:
        assert inputs.decision is not None
        assert inputs.vehicle is not None
        return setpoint_from_command(
            inputs.decision.command,
            inputs.vehicle,
            inputs.home_m or (0.0, 0.0, 0.0),
            config.limits,
        )
    if state.flew or (standing.connected and standing.manner.needs_stream):
        return ZERO
    rests = state.flew_ns >= 0 and fresh(state.flew_ns, inputs.now_ns, standing.manner.rest_s)
    return ZERO if rests and standing.takes and standing.armed and standing.airborne else None


def _is_time(
    state: LinkState,
    inputs: LinkInputs,
    setpoint: Setpoint | None,
    commanded: bool,
    config: AutopilotConfig,
) -> bool:
    """Return whether to send now: a new decision, a stop, or the rate says so."""
    if setpoint is None:
        return False
    if commanded and inputs.decision and inputs.decision.stamp_ns != state.flown_ns:
        return True
    if setpoint == ZERO and state.sent != ZERO:
        return True
    return inputs.now_ns - state.sent_ns >= ns_from_s(1 / config.setpoint_hz)


def _order_is_time(before: LinkState, state: LinkState, inputs: LinkInputs) -> bool:
    if state.order is None or inputs.shadow:
        return False
    lasted = inputs.now_ns - state.ordered_ns >= ns_from_s(ORDER_EVERY_S)
    return state.order is not before.order or lasted


def _reason(
    state: LinkState,
    inputs: LinkInputs,
    standing: Standing,
    due: Due | None,
    config: AutopilotConfig,
) -> str:
    """Return in words why the pilot chain does not fly."""
    if due is not None:
        return due.reason
    if state.permission is not Permission.GIVEN:
        objection = _objection(state, inputs, standing, config)
        channel = config.permission.channel
        if objection:
            return objection
        if state.permission is Permission.READY:
            return f"no permission yet: channel {channel} is low"
        after = f" ({state.withdrawn})" if state.withdrawn else ""
        return f"no permission: channel {channel} must go low, then high{after}"
    if inputs.shadow:
        return "shadow: nothing is commanded"
    if state.order is not None:
        return f"{state.order} is ordered"
    return f"the vehicle is {inputs.ground}"


def _texts(before: LinkState, after: LinkState) -> tuple[tuple[int, str], ...]:
    """Return what the ground should read: modes, permission, orders, as they change."""
    texts: list[tuple[int, str]] = []
    if after.pilot_mode != before.pilot_mode and after.pilot_mode:
        texts.append((INFO, f"drone: mode {after.pilot_mode}"))
    given = Permission.GIVEN
    if after.permission is given and before.permission is not given:
        texts.append((NOTICE, "drone: permission given"))
    elif before.permission is given and after.permission is not given:
        texts.append((WARNING, f"drone: no permission, {after.withdrawn}"))
    if after.order and after.order is not before.order:
        texts.append((WARNING, f"drone: orders {after.order}"))
    return tuple(texts)
