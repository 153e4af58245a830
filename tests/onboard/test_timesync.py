"""The autopilot's clock in ours."""

import math

import pytest

from drone.clock import NS_PER_S, ns_from_s
from drone.onboard.timesync import ClockSync, began_anew

OFFSET_NS = -40 * NS_PER_S


def asked(clock, at_s, there_s, back_s, offset_ns=OFFSET_NS):
    asked_ns = ns_from_s(at_s)
    theirs_ns = ns_from_s(at_s + there_s) + offset_ns
    return clock.heard(asked_ns, theirs_ns, ns_from_s(at_s + there_s + back_s))


def test_unknown_until_answered():
    assert math.isnan(ClockSync().offset_s)
    assert ClockSync().ours_ns(5, 77) == 77


def test_the_quickest_answer_counts():
    clock = asked(ClockSync(), 100.0, 0.05, 0.01)
    clock = asked(clock, 101.0, 0.001, 0.001)
    clock = asked(clock, 102.0, 0.01, 0.09)
    assert clock.offset_s == pytest.approx(-40.0, abs=1e-6)
    measured_ns = ns_from_s(102.05)
    assert clock.ours_ns(measured_ns + OFFSET_NS, ns_from_s(102.1)) == pytest.approx(
        measured_ns, abs=1000
    )


def test_answers_that_took_long_or_came_before_the_question_say_nothing():
    assert asked(ClockSync(), 100.0, 0.2, 0.1) == ClockSync()
    assert ClockSync().heard(NS_PER_S, 0, 0) == ClockSync()


def test_a_clock_that_begins_anew_is_believed():
    clock = asked(ClockSync(), 100.0, 0.001, 0.001)
    clock = asked(clock, 101.0, 0.01, 0.01, offset_ns=-101 * NS_PER_S)
    assert clock.offset_s == pytest.approx(-101.0, abs=0.01)


def test_a_stamp_from_the_future_counts_as_arrival():
    clock = asked(ClockSync(), 100.0, 0.001, 0.001)
    arrived_ns = ns_from_s(103.0)
    assert clock.ours_ns(arrived_ns + OFFSET_NS + ns_from_s(2.0), arrived_ns) == arrived_ns


@pytest.mark.parametrize("age_s", [0.4, 0.6, 0.8, 2.0, 100.0])
def test_what_was_long_on_its_way_stays_old(age_s):
    clock = asked(ClockSync(), 100.0, 0.001, 0.001)
    arrived_ns = ns_from_s(203.0)
    measured_ns = arrived_ns - ns_from_s(age_s)
    assert clock.ours_ns(measured_ns + OFFSET_NS, arrived_ns) == pytest.approx(
        measured_ns, abs=1000
    )


def test_a_stamp_that_jumps_back_is_of_a_clock_that_began_anew():
    assert began_anew(ns_from_s(60.0), ns_from_s(2.0))
    assert not began_anew(ns_from_s(60.0), ns_from_s(59.5)), "a datagram was overtaken"
    assert not began_anew(ns_from_s(60.0), ns_from_s(90.0))


def test_a_clock_that_leaps_a_little_is_noticed_by_the_next_answer():
    clock = asked(ClockSync(), 100.0, 0.001, 0.001)
    clock = asked(clock, 101.0, 0.002, 0.002, offset_ns=OFFSET_NS - ns_from_s(0.2))
    assert clock.offset_s == pytest.approx(-40.2, abs=0.001)


def test_a_drift_is_followed():
    clock = ClockSync()
    for second in range(200):
        offset_ns = OFFSET_NS + second * 50_000  # 50 µs a second, a poor clock
        clock = asked(clock, 100.0 + second, 0.002, 0.002, offset_ns)
    assert clock.offset_s == pytest.approx(OFFSET_NS / NS_PER_S + 0.01, abs=0.001)
