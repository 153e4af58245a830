"""The replay of a setting is what trust does: tick by tick, on logged flights."""

import numpy as np
import pytest
from tuningflights import Script, write_flight

from drone import topics
from drone.config import Config
from drone.flightlog import FlightLog
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide
from training.tuning.checks import check_replays
from training.tuning.recorded import read_recorded
from training.tuning.replay import Figures, Flight, Licence, licensed, too_many
from training.tuning.space import with_values

SHARES = (0.3, 0.8, 0.9, 0.95, 0.99)
SURE = {"pilot.trust.min_tpr_low": 0.0}
SETTINGS = (
    {},
    {**SURE, "pilot.trust.min_tpr": 0.8, "pilot.trust.safety": 1.0, "pilot.trust.earn_s": 0.0},
    {**SURE, "pilot.trust.max_fpr": 0.1, "pilot.trust.lose_s": 1.0, "pilot.trust.window_s": 20.0},
    {**SURE, "pilot.trust.min_positives": 60, "pilot.mono.average_s": 0.5},
    {"pilot.trust.min_tpr": 0.99, "pilot.trust.max_fpr": 0.7, "pilot.mono.average_s": 0.0},
    {**SURE, "pilot.trust.min_negatives": 200, "pilot.trust.max_frozen_s": 2.0},
    {**SURE, "pilot.trust.unlabelled_s": 0.2, "pilot.trust.max_unlabelled_s": 3.0},
    {**SURE, "pilot.trust.min_tpr": 0.3, "pilot.trust.max_overrides": 1},
    {**SURE, "pilot.trust.familiar_again_s": 6.0, "pilot.trust.holdout_window_s": 40.0},
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A flight that loses its right eye for a while, and sees something strange."""
    script = Script(seed=3, blind=(60.0, 72.0), strange=(100.0, 104.0))
    return read_recorded(write_flight(tmp_path_factory.mktemp("log") / "flight.mcap", script))


def by_the_pilot_itself(path, pilot):
    """Return licence and threshold per tick as the whole pilot gives them, from logged percepts."""
    state, held, threshold_m = PilotState(), [], []
    tick, seen = None, {}
    for topic, message in FlightLog(path).records():
        if topic == topics.TICK:
            tick, seen = message, {}
        elif topic == topics.DECISION:
            percept = Percept(*(seen.get(t) for t in (topics.CHECK, topics.LABEL, topics.MONO)))
            state, _ = decide(state, tick, percept, pilot)
            held.append(state.trust.report.held)
            threshold_m.append(state.trust.report.threshold_m)
        else:
            seen[topic] = message
    return np.array(held), np.array(threshold_m)


@pytest.mark.parametrize("values", SETTINGS, ids=lambda v: ", ".join(v) or "as flown")
def test_a_setting_is_replayed_as_the_pilot_itself_would_judge(recorded, values):
    pilot = with_values(recorded.config, values).pilot
    course = Flight(recorded, SHARES).course(pilot)
    held, threshold_m = by_the_pilot_itself(recorded.path, pilot)
    np.testing.assert_array_equal(course.held, held)
    np.testing.assert_array_equal(course.threshold_m, threshold_m)


def test_the_settings_differ_in_what_they_do(recorded):
    flight = Flight(recorded, SHARES)
    courses = [flight.course(with_values(recorded.config, v).pilot).held for v in SETTINGS]
    assert len({course.tobytes() for course in courses}) >= 6
    assert all(course.any() for course in courses[:3])


def test_what_was_flown_replays_as_it_was_decided(recorded):
    check_replays(Flight(recorded, SHARES))
    course = Flight(recorded, SHARES).course(recorded.config.pilot)
    np.testing.assert_array_equal(course.held, recorded.ticks["held"])
    np.testing.assert_array_equal(course.threshold_m, recorded.ticks["threshold_m"])
    assert recorded.ticks["held"].any()


def test_stops_of_what_was_flown_are_those_that_were_decided(recorded):
    """Each stretch under mono ended where the pilot braked, or where mono or its guard was gone."""
    flight, pilot, ticks = Flight(recorded, SHARES), recorded.config.pilot, recorded.ticks
    flown = flight.stretches(flight.course(pilot), pilot)
    assert len(flown.last) > 5
    left = ~np.append(ticks["cruising"][1:], False)
    guarded = ticks["held"] & ticks["stereo_ok"]
    for last in flown.last:
        assert left[last] or not guarded[min(last + 1, len(guarded) - 1)]
    assert (ticks["blocked"][flown.last[flown.needless]]).all()
    np.testing.assert_array_equal(ticks["override"][flown.last], flown.override)


def test_a_more_careful_setting_misses_less_and_stops_more(tmp_path):
    path = write_flight(tmp_path / "flight.mcap", Script(seed=3, duration_s=300.0))
    recorded = read_recorded(path)
    flight = Flight(recorded, SHARES)
    counts = [
        flight.counts(with_values(recorded.config, {**SURE, "pilot.trust.safety": safety}).pilot)
        for safety in (0.7, 0.8, 0.9, 1.0)
    ]
    missed, needless = ([getattr(c, name) for c in counts] for name in ("missed", "needless_stops"))
    assert missed == sorted(missed)
    assert needless == sorted(needless, reverse=True)
    assert missed[-1] > missed[0]
    assert needless[0] > needless[-1]


def test_never_trusted_counts_with_the_whole_flight(recorded):
    pilot = with_values(recorded.config, {"pilot.trust.max_fpr": 0.0}).pilot
    counts = Flight(recorded, SHARES).counts(pilot)
    assert counts.trusted == 0
    assert counts.at_risk_m == 0
    assert counts.trust_s == recorded.t_s[-1]


def test_a_flight_without_estimates_never_trusts(tmp_path):
    path = write_flight(tmp_path / "a.mcap", Script(duration_s=5.0, mono_from_s=1e9))
    empty = read_recorded(path)
    counts = Flight(empty, SHARES).counts(empty.config.pilot)
    assert (counts.trusted, counts.at_risk_m, counts.trust_s) == (0, 0, 5.0)


def flags(text):
    return np.array([c == "1" for c in text])


def test_licence_by_hand():
    """Earned after 3 s, kept for 2 bad ones, goes on for 3 silent ones, frozen for 2."""
    rules = Config().pilot.trust.model_copy(
        update={"earn_s": 3.0, "lose_s": 2.0, "max_frozen_s": 2.0, "max_unlabelled_s": 3.0}
    )
    good = "01111101100011111111110000111111"
    bad_ = "10000010011100000000000000000000"
    eyes = "11111111111111100011111111111111"
    ban_ = "00000000000000000000000000000010"
    held = "00011111110000111111111110001100"
    old_ = "00000000000000011100001110000000"
    t_ns = np.arange(len(good)) * 1_000_000_000
    figures = Figures(flags(good), flags(bad_))
    found, stands = licensed(Licence(t_ns, 0, rules), figures, flags(eyes), flags(ban_))
    assert "".join("01"[int(h)] for h in found) == held
    assert "".join("01"[int(h)] for h in stands) == old_


def test_too_many_overrides_by_hand():
    """Two at most within 10 s; what follows within 2 s is the same override."""
    rules = Config().pilot.trust.model_copy(update={"max_overrides": 2, "overrides_s": 10.0})
    t_ns = np.arange(20) * 1_000_000_000
    at = flags("01100100010000000000")
    nothing = np.zeros(20, np.bool_)
    banned = too_many(t_ns, at, nothing, rules)
    assert "".join("01"[int(h)] for h in banned) == "00000000001000000000"
    assert not too_many(t_ns, at, banned, rules).any()
    assert not too_many(t_ns, flags("01100000010000000000"), nothing, rules).any()
