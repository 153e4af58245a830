"""What the link may send: permission, the stream, losses, orders; and that nothing else flies."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkcases import (
    ARDUPILOT,
    ARDUPILOT_LAND,
    CENTRE,
    CONFIG,
    GUIDED,
    HIGH,
    LOITER,
    LOW,
    OFFBOARD,
    POSCTL,
    PX4,
    Bench,
    channels,
    decision,
    inputs,
    vehicle,
)

from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.messages import Cue, Mode
from drone.onboard.linkfacts import Ground, Heartbeat
from drone.onboard.linkstate import LinkState, step
from drone.onboard.losses import STRENGTH
from drone.onboard.manners import MANNERS, Order
from drone.onboard.setpoints import ZERO

KINDS = (ARDUPILOT, PX4)


def beat(kind=ARDUPILOT, mode=GUIDED, armed=True):
    return lambda now: Heartbeat(now, kind, mode, armed)


def low(now):
    return channels(now, LOW)


def config_of(**reactions):
    return AutopilotConfig.model_validate({"reactions": reactions})


def nonzero(outputs):
    return [o for o in outputs if o.setpoint is not None and o.setpoint != ZERO]


# Permission


@pytest.mark.parametrize("kind", KINDS)
def test_low_then_high_lets_the_pilot_chain_fly(kind):
    output = Bench(kind).fly().step()
    assert output.setpoint == pytest.approx((0.5, 0.0, 0.0, 0.0))
    assert output.reason == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_switch_found_high_gives_nothing(kind):
    bench = Bench(kind)
    assert not nonzero(bench.run(2.0))
    assert "low, then high" in bench.outputs[-1].reason


WITHDRAWN_BY = {
    "the mode changes": {"heartbeat": beat(mode=LOITER)},
    "it is disarmed": {"heartbeat": beat(armed=False)},
    "a stick is moved": {
        "channels": lambda now: channels(now, HIGH, (CENTRE, 1350, CENTRE, CENTRE))
    },
    "a stick is not there": {
        "channels": lambda now: channels(now, HIGH, (CENTRE, 0, CENTRE, CENTRE))
    },
    "the channel is not there": {"channels": lambda now: channels(now, 0)},
    "RC falls silent": {"channels": lambda now: channels(now - ns_from_s(1.2))},
    "there is no RC": {"channels": None},
    "the RC receiver is not well": {"receiver_ill": "its RC receiver is not well"},
    "the live page withdraws": {"withdraw": True},
    "the autopilot falls silent": {
        "heartbeat": lambda now: Heartbeat(now - ns_from_s(3.5), 3, GUIDED, True)
    },
    "the autopilot becomes another": {"heartbeat": beat(kind=8, mode=GUIDED)},
}


@pytest.mark.parametrize("what", WITHDRAWN_BY)
def test_permission_is_withdrawn_at_once_and_only_low_then_high_gives_it_anew(what):
    bench = Bench().fly()
    output = bench.step(**WITHDRAWN_BY[what])
    assert not output.permitted
    assert output.setpoint in (None, ZERO)
    assert not nonzero(bench.run(1.0))  # all is well again, and the switch still high
    bench.step(channels=low)
    bench.step(channels=low)
    assert bench.step().commanded


def test_the_switch_itself_withdraws():
    bench = Bench().fly()
    output = bench.step(channels=low)
    assert not output.permitted
    assert output.setpoint == ZERO
    assert not nonzero(bench.run(1.0, channels=low))


def test_a_small_move_of_a_stick_is_none():
    bench = Bench().fly()
    assert bench.step(channels=lambda now: channels(now, HIGH, (1590, 1410, 1500, 1500))).commanded


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"heartbeat": None}, "no autopilot"),
        ({"heartbeat": beat(mode=LOITER)}, "LOITER, set-points need GUIDED"),
        ({"heartbeat": beat(PX4, POSCTL)}, "POSCTL, set-points need OFFBOARD"),
        ({"heartbeat": beat(kind=20)}, "neither ArduPilot nor PX4"),
        ({"heartbeat": lambda now: Heartbeat(now, ARDUPILOT, GUIDED, True, 1)}, "no multicopter"),
        ({"heartbeat": beat(armed=False)}, "not armed"),
        ({"rivals": "two autopilots are heard"}, "two autopilots"),
        ({"decision": None}, "pilot process is silent"),
        ({"vehicle": None}, "vehicle state"),
        ({"vehicle": lambda now: vehicle(now, valid=False)}, "vehicle state"),
        ({"ground": Ground.UNKNOWN}, "does not say whether the vehicle flies"),
        ({"receiver_ill": "its RC receiver is not well"}, "receiver is not well"),
    ],
)
def test_permission_is_not_given_while_something_is_missing(fields, words):
    bench = Bench()
    bench.step(channels=low, **fields)
    bench.step(channels=low, **fields)
    output = bench.step(**fields)
    assert not output.permitted
    assert words in output.reason


def test_a_second_autopilot_that_appears_in_flight_changes_nothing():
    assert Bench().fly().step(rivals="two autopilots are heard").commanded


# The stream


def test_px4_gets_zeros_at_five_hertz_or_more_before_offboard_and_nothing_else():
    bench = Bench(PX4, step_s=0.01)
    outputs = bench.run(3.0, heartbeat=beat(PX4, POSCTL))
    sent = [i for i, o in enumerate(outputs) if o.setpoint is not None]
    assert {outputs[i].setpoint for i in sent} == {ZERO}
    assert max(b - a for a, b in itertools.pairwise(sent)) * 0.01 <= 0.2
    assert sent[0] == 0


def test_ardupilot_is_left_alone_before_permission():
    outputs = Bench().run(1.0) + Bench().run(1.0, heartbeat=beat(mode=LOITER))
    assert all(o.setpoint is None and o.order is None for o in outputs)


def test_after_a_withdrawal_ardupilot_is_stopped_and_then_left_alone():
    bench = Bench().fly()
    first, *rest = bench.run(5.0, withdraw=True)
    assert first.setpoint == ZERO
    assert {o.setpoint for o in rest} == {None, ZERO}
    assert all(o.setpoint is None for o in rest[-30:])


def test_a_mode_that_takes_none_gets_none():
    bench = Bench().fly()
    assert all(o.setpoint is None for o in bench.run(1.0, heartbeat=beat(mode=LOITER)))


def test_a_decision_goes_out_at_once_and_the_rate_goes_on_beside():
    bench = Bench(step_s=0.01).fly()
    held = decision(bench.now_ns)
    outputs = [bench.step(decision=held) for _ in range(25)]
    assert outputs[0].setpoint is not None
    assert [i for i, o in enumerate(outputs) if o.setpoint] == [0, 10, 20]
    assert bench.step(decision=decision).setpoint is not None


@pytest.mark.parametrize("ground", [Ground.STANDING, Ground.TAKING_OFF])
def test_on_the_ground_and_at_take_off_the_pilot_chain_flies_nothing(ground):
    bench = Bench().fly()
    assert not nonzero(bench.run(1.0, ground=ground))
    assert str(ground) in bench.outputs[-1].reason
    rehearsal = Bench(config=CONFIG.model_copy(update={"needs_flight": False})).fly()
    assert nonzero(rehearsal.run(0.5, ground=ground))


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_vehicle_may_stand_on_the_ground_it_is_stopped_and_can_still_be_landed(kind):
    bench = Bench(kind).fly()
    outputs = bench.run(1.0, ground=Ground.UNKNOWN)
    assert not nonzero(outputs)
    assert outputs[0].setpoint == ZERO
    assert "EXTENDED_SYS_STATE" in outputs[-1].reason
    assert outputs[-1].reaction == "hold"
    assert nonzero(bench.run(0.5)), "and flies on"
    outputs = bench.run(5.0, ground=Ground.UNKNOWN, decision=None)
    assert any(o.order is Order.LAND for o in outputs)
    rehearsal = Bench(config=CONFIG.model_copy(update={"needs_flight": False}))
    for switch in (LOW, LOW, HIGH):
        output = rehearsal.step(
            ground=Ground.UNKNOWN, channels=lambda now, switch=switch: channels(now, switch)
        )
    assert output.commanded


def test_a_shadow_commands_nothing_and_says_so():
    bench = Bench(PX4)
    for heartbeat in (beat(PX4, POSCTL), beat(PX4, OFFBOARD)):
        outputs = bench.run(0.2, heartbeat=heartbeat, channels=low, shadow=True)
    outputs += bench.run(1.0, shadow=True)
    assert outputs[-1].reason == "shadow: nothing is commanded"
    outputs += bench.run(10.0, shadow=True, decision=None)
    assert all(o.setpoint is None and o.order is None and not o.commanded for o in outputs)


# Silence and losses


def test_a_silent_pilot_process_stops_the_vehicle_and_then_it_lands():
    bench = Bench().fly()
    last = decision(bench.now_ns)
    outputs = bench.run(5.0, decision=last)
    moving = [i for i, o in enumerate(outputs) if o.setpoint not in (None, ZERO)]
    orders = [i for i, o in enumerate(outputs) if o.order is Order.LAND]
    assert max(moving) * 0.05 <= CONFIG.stale_s + 1e-9
    assert orders[0] * 0.05 == pytest.approx(CONFIG.land_after_s + 0.05)
    assert [b - a for a, b in itertools.pairwise(orders)] == [20]  # repeated each second
    assert outputs[-1].reaction == "land"


def test_the_order_ends_when_the_mode_shows_that_it_is_obeyed():
    bench = Bench().fly()
    bench.run(4.0, decision=None)
    outputs = bench.run(3.0, decision=None, heartbeat=beat(mode=ARDUPILOT_LAND))
    assert all(o.order is None and o.setpoint is None for o in outputs)


def test_the_human_pilot_who_withdraws_ends_an_order():
    bench = Bench().fly()
    bench.run(4.0, decision=None)
    outputs = bench.run(3.0, decision=None, channels=low)
    assert all(o.order is None for o in outputs)


def test_a_decision_from_the_future_flies_nothing_and_is_silence():
    bench = Bench().fly()
    outputs = bench.run(5.0, decision=lambda now: decision(now + ns_from_s(60)))
    assert not nonzero(outputs)
    assert any(o.order is Order.LAND for o in outputs)


def test_the_pilot_chain_that_lands_gets_the_autopilots_land():
    bench = Bench().fly()
    output = bench.step(decision=lambda now: decision(now, mode=Mode.LAND))
    assert output.order is Order.LAND
    assert output.setpoint == ZERO


LOSSES = {
    "vision": {
        "decision": lambda now: decision(
            now, mode=Mode.HOLD, cue=Cue.NONE, stereo_obstacle_m=math.nan
        )
    },
    "position": {"vehicle": lambda now: vehicle(now, valid=False)},
    "link": {"heartbeat": lambda now: Heartbeat(now - ns_from_s(3.5), ARDUPILOT, GUIDED, True)},
    "battery": {"vehicle": lambda now: vehicle(now, battery_share=0.1)},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reaction", STRENGTH)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_leads_to_every_reaction(loss, reaction, kind):
    bench = Bench(kind, config_of(**{loss: reaction})).fly()
    lost = dict(LOSSES[loss])
    if loss == "link" and kind == PX4:
        lost = {"heartbeat": lambda now: Heartbeat(now - ns_from_s(3.5), PX4, OFFBOARD, True)}
    outputs = bench.run(8.0, **lost)
    settled = outputs[-20:]
    orders = {o.order for o in outputs} - {None}
    assert orders == ({Order(reaction)} if reaction in ("land", "return") else set())
    flies_on = reaction == "none" and loss in ("vision", "battery")
    assert bool(nonzero(settled)) == flies_on
    if reaction != "none":
        assert settled[-1].reaction == reaction
        assert any(o.setpoint == ZERO for o in settled)
    if loss == "link" and reaction == "none":
        assert all(o.setpoint is None for o in outputs)


@pytest.mark.parametrize("loss", ["vision", "battery"])
def test_hold_ends_with_the_loss_and_the_chain_flies_on(loss):
    bench = Bench(config=config_of(**{loss: "hold"})).fly()
    assert bench.run(8.0, **LOSSES[loss])[-1].reaction == "hold"
    assert nonzero(bench.run(0.5))


@pytest.mark.parametrize("loss", ["vision", "position", "battery"])
def test_a_loss_that_is_short_orders_nothing(loss):
    bench = Bench(config=config_of(**{loss: "land"})).fly()
    for _ in range(20):
        outputs = bench.run(1.5, **LOSSES[loss]) + bench.run(0.2)
        assert all(o.order is None for o in outputs)


def test_a_refused_return_becomes_land():
    bench = Bench(config=config_of(battery="return")).fly()
    assert any(o.order is Order.RETURN for o in bench.run(6.0, **LOSSES["battery"]))
    assert bench.step(**LOSSES["battery"], refused=True).order is Order.LAND
    assert {o.order for o in bench.run(3.0, **LOSSES["battery"])} == {None, Order.LAND}


def test_an_order_that_was_refused_before_says_nothing_of_the_next_return():
    bench = Bench(config=config_of(battery="return")).fly()
    outputs = bench.run(5.0, refused=True) + bench.run(4.9, **LOSSES["battery"], refused=True)
    outputs += [bench.step(**LOSSES["battery"], refused=True) for _ in range(3)]
    assert next(o.order for o in outputs if o.order) is Order.RETURN


def test_the_strongest_reaction_counts():
    bench = Bench(config=config_of(battery="return", position="land")).fly()
    both = {"vehicle": lambda now: vehicle(now, battery_share=0.1, valid=False)}
    bench.run(1.0, **LOSSES["battery"])
    outputs = bench.run(8.0, **both)
    assert next(o.order for o in outputs if o.order) is Order.LAND


def test_nobody_is_ordered_about_who_does_not_fly_by_this_stack():
    for fields in LOSSES.values():
        lost = {"decision": None, "vehicle": None} | fields
        outputs = Bench(config=config_of(vision="land", battery="land", link="land")).run(
            9.0, **lost
        )
        assert all(o.order is None for o in outputs)


def test_a_link_that_comes_back_orders_no_more():
    bench = Bench(config=config_of(link="land")).fly()
    assert any(o.order is Order.LAND for o in bench.run(2.0, **LOSSES["link"]))
    outputs = bench.run(3.0)
    assert all(o.order is None and not o.commanded for o in outputs)


# What is told


def test_texts_tell_changes_once_and_fit_into_statustext():
    bench = Bench().fly()
    bench.run(1.0)
    bench.step(withdraw=True)
    bench.run(1.0, decision=lambda now: decision(now, mode=Mode.HOLD))
    texts = [text for output in bench.outputs for _, text in output.texts]
    assert texts == [
        "drone: mode stereo",
        "drone: permission given",
        "drone: no permission, withdrawn on the live page",
        "drone: mode hold",
    ]
    assert all(len(text) <= 50 for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_manners_name_what_they_order(kind):
    manner = MANNERS[kind]
    for order in Order:
        _, mode, sub = manner.order_params(order)
        number = int(mode) if kind == ARDUPILOT else int(mode) << 16 | int(sub) << 24
        assert not manner.takes_setpoints(number)
        assert manner.mode_name(number) in ("LAND", "RTL", "RETURN")
    assert manner.mode_name(255) == "mode 0xff"


# Whatever comes in


def _some(*values):
    return st.sampled_from(values)


events = st.fixed_dictionaries(
    {
        "ns": _some(1, ns_from_s(0.02), ns_from_s(0.1), ns_from_s(0.5), ns_from_s(4)),
        "kind": _some(ARDUPILOT, ARDUPILOT, ARDUPILOT, PX4, 8),
        "mode": _some(GUIDED, GUIDED, GUIDED, GUIDED, LOITER, OFFBOARD, POSCTL),
        "armed": _some(True, True, True, True, False),
        "heard_s": _some(0, 0, 0, 0, 0, 2, 4),
        "switch": _some(LOW, HIGH, HIGH, 0),
        "stick": _some(CENTRE, CENTRE, CENTRE, CENTRE, 1700, 0),
        "rc_s": _some(0, 0, 0, 0, 2),
        "decided_s": _some(0, 0, 0, 0, 0.2, 1, -5),
        "forward": _some(0.5, 0.5, 0.5, math.nan, 50.0),
        "vehicle_s": _some(0, 0, 0, 0, 1),
        "valid": _some(True, True, True, True, False),
        "chain": _some(Mode.STEREO, Mode.STEREO, Mode.STEREO, Mode.HOLD, Mode.LAND),
        "withdraw": _some(False, False, False, False, True),
        "ground": _some(Ground.IN_AIR, Ground.IN_AIR, Ground.IN_AIR, *Ground),
        "shadow": _some(False, False, False, False, False, False, True),
    }
)


def _inputs(now_ns, e):
    def ago(seconds):
        return now_ns - ns_from_s(seconds)

    return replace(
        inputs(now_ns),
        heartbeat=Heartbeat(ago(e["heard_s"]), e["kind"], e["mode"], e["armed"]),
        channels=channels(ago(e["rc_s"]), e["switch"], (CENTRE, CENTRE, e["stick"], CENTRE)),
        decision=decision(ago(e["decided_s"]), e["forward"], mode=e["chain"]),
        vehicle=vehicle(ago(e["vehicle_s"]), valid=e["valid"]),
        withdraw=e["withdraw"],
        ground=e["ground"],
        shadow=e["shadow"],
    )


class Judge:
    """Knows by its own book-keeping when something may fly."""

    def __init__(self):
        self.permitted, self.was_low, self.mode = False, False, None

    def may_fly(self, e):
        takes = (e["kind"], e["mode"]) in ((ARDUPILOT, GUIDED), (PX4, OFFBOARD))
        well = takes and e["armed"] and e["heard_s"] < 3 and e["rc_s"] < 1
        well = well and e["stick"] == CENTRE and not e["withdraw"] and e["switch"] > 0
        well = well and self.mode in (None, e["mode"])
        self.mode = e["mode"]
        high = e["switch"] > 1700
        if not well:
            self.permitted = self.was_low = False
        elif not high:
            self.permitted, self.was_low = False, True
        else:
            self.permitted = self.permitted or self.was_low
        fresh = abs(e["decided_s"]) <= CONFIG.stale_s and e["vehicle_s"] <= CONFIG.stale_s
        chain = e["chain"] is not Mode.LAND and math.isfinite(e["forward"])
        grounded = e["ground"] in (Ground.STANDING, Ground.TAKING_OFF, Ground.UNKNOWN)
        known = fresh and e["valid"] and chain and not grounded and not e["shadow"]
        return self.permitted and known


@given(st.lists(events, min_size=4, max_size=60))
def test_nothing_flies_without_permission_mode_arming_freshness_and_connection(drawn):
    state, judge, now_ns = LinkState(), Judge(), ns_from_s(100)
    for event in drawn:
        now_ns += event["ns"]
        state, output = step(state, _inputs(now_ns, event), CONFIG)
        may_fly = judge.may_fly(event)
        assert may_fly or output.setpoint in (None, ZERO)
        assert may_fly or not output.commanded or not math.isfinite(event["forward"])
        if output.setpoint is not None:
            assert all(map(math.isfinite, output.setpoint))
            assert math.hypot(*output.setpoint[:2]) <= CONFIG.limits.max_speed_mps + 1e-9


def test_the_judge_lets_something_fly_so_that_it_judges():
    calm = {"kind": ARDUPILOT, "mode": GUIDED, "armed": True, "heard_s": 0, "rc_s": 0}
    calm |= {"stick": CENTRE, "decided_s": 0, "forward": 0.5, "vehicle_s": 0, "valid": True}
    calm |= {"withdraw": False, "chain": Mode.STEREO, "ground": Ground.IN_AIR, "shadow": False}
    state, judge, now_ns = LinkState(), Judge(), ns_from_s(100)
    for switch, flies in ((HIGH, False), (LOW, False), (HIGH, True)):
        now_ns += ns_from_s(0.02)
        event = calm | {"switch": switch}
        state, output = step(state, _inputs(now_ns, event), CONFIG)
        assert judge.may_fly(event) == flies == output.commanded
