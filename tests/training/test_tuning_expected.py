"""What is expected of another flight holds for other flights."""

import numpy as np
import pytest

from training.tuning.charts import front_chart
from training.tuning.expected import (
    expected,
    figures_with_intervals,
    gain,
    judged_by_others,
    per_flight,
)
from training.tuning.goal import NAMES, OBJECTIVES, choose, figures_of, goal_of
from training.tuning.search import Tried
from training.tuning.tuning import put_together

GOAL = goal_of([], [])


def flights(rng, count, rates=(2.0, 20.0, 0.5), spread=0.3):
    """Return counts of flights whose rates differ: gamma around a mean, Poisson by chance."""
    metres = rng.uniform(40, 90, count)
    columns = [
        rng.poisson(rate / 100 * metres * rng.gamma(1 / spread, spread, count)) for rate in rates
    ]
    seconds = np.exp(rng.normal(3.5, 0.3, count))
    return np.stack([*columns, metres, seconds, np.ones(count)], axis=1).astype(np.float64)


def test_intervals_hold_another_flight_as_often_as_they_say():
    rng = np.random.default_rng(7)
    inside, n = dict.fromkeys(NAMES, 0), 120
    for _ in range(n):
        known, new = flights(rng, 10), flights(rng, 1)
        stated = expected(known, GOAL)
        for k, objective in enumerate(OBJECTIVES):
            value = figures_of(new)[k]
            figure = stated[objective.name]
            inside[objective.name] += figure["low"] <= value <= figure["high"]
    for name, count in inside.items():
        assert count / n >= 0.88, name  # 95 % are meant, less what 10 flights can tell
    assert inside["needless_stops"] < n  # not simply everything


def test_a_choice_is_judged_by_flights_that_it_had_not_seen():
    """Settings that differ by luck alone look better than they are, but not to the others."""
    rng = np.random.default_rng(1)
    tried = np.stack([flights(rng, 8) for _ in range(300)])
    goal = goal_of(["needless_stops"], ["missed<=100", "overrides<=100", "time_to_trust<=1000"])
    best = figures_of(tried)[:, 1].min()
    unseen = figures_of(judged_by_others(tried, goal))[1]
    assert best < 15
    assert 15 < unseen < 26


def test_what_is_truly_better_is_found_and_said_to_be():
    rng = np.random.default_rng(2)
    good = flights(rng, 10, rates=(2.0, 8.0, 0.5), spread=0.05)
    bad = flights(rng, 10, rates=(2.0, 25.0, 0.5), spread=0.05)
    goal = goal_of(["needless_stops"], ["missed<=100", "overrides<=100", "time_to_trust<=1000"])
    unseen = judged_by_others(np.stack([bad, good]), goal)
    np.testing.assert_array_equal(unseen, good)
    change = gain(bad, unseen, goal)
    assert change["high"] < 0
    assert change["mean"] == pytest.approx(-17, abs=6)


def test_no_difference_is_not_said_to_be_a_gain():
    known = flights(np.random.default_rng(3), 10)
    change = gain(known, known, GOAL)
    assert (change["mean"], change["low"], change["high"]) == (0, 0, 0)


def test_rates_have_the_exact_poisson_interval():
    """Three events: 0.6187 to 8.7673 (Garwood 1936)."""
    one = np.array([[3, 0, 0, 100.0, 30.0, 1.0]], np.float64)
    figures = figures_with_intervals(one, GOAL)
    assert figures["missed"]["low"] == pytest.approx(0.6187, abs=1e-4)
    assert figures["missed"]["high"] == pytest.approx(8.7673, abs=1e-4)
    assert figures["needless_stops"]["low"] == 0
    assert figures["needless_stops"]["high"] == pytest.approx(3.6889, abs=1e-4)
    assert figures["missed"]["n"] == 1


def test_unknown_is_none():
    never = np.array([[0, 0, 0, 0.0, 30.0, 0.0]] * 3, np.float64)
    figures = figures_with_intervals(never, GOAL)
    assert figures["missed"]["mean"] is None
    assert per_flight(never, GOAL)[0]["missed"] is None
    assert expected(never, GOAL)["cost"]["mean"] is None


def of_needless_stops(stops):
    """Return counts (settings, flights, counts) of flights of 100 m that differ in one figure."""
    counts = np.zeros((*np.shape(stops), 6))
    counts[..., 1], counts[..., 3:] = stops, (100.0, 30.0, 1.0)
    return counts


def recommended(stops):
    counts = of_needless_stops(stops)
    goal = goal_of(["needless_stops"], [])
    settings = tuple({"pilot.trust.max_fpr": 0.4 - 0.01 * k} for k in range(len(counts)))
    return put_together((), None, goal, Tried(settings, counts, 1.0), choose(counts, goal))


def test_what_fails_on_flights_that_the_choice_had_not_seen_is_not_recommended():
    """Each setting is bad on one flight alone: the others always choose the one bad on this one."""
    lucky = np.where(np.eye(4, dtype=bool), 30.0, 0.0)
    tuning = recommended(np.vstack([np.full(4, 10.0), lucky]))
    assert choose(tuning.tried.counts, tuning.goal) > 0  # on all flights together it looks better
    assert (tuning.chosen, tuning.changed) == (0, {})
    assert tuning.withheld == pytest.approx(20.0)
    assert "raised the cost by 20 on flights that the choice had not seen" in tuning.notes[0]
    assert tuning.after == tuning.before


def test_what_holds_on_flights_that_the_choice_had_not_seen_is_recommended():
    tuning = recommended(np.vstack([np.full(4, 10.0), np.full(4, 4.0)]))
    assert tuning.withheld is None
    assert tuning.changed == {"pilot.trust.max_fpr": (0.4, 0.39)}


def flown(metres, seconds=90.0):
    """Return counts of flights without any event, by mono's way and the seconds until trust."""
    return np.array([[0, 0, 0, m, seconds, 1.0] for m in metres])


def test_flights_without_mono_make_no_rate_absurd():
    """0.36 m in one of four flights: a draw of the others alone has no rate, not a giant one."""
    counts = flown([0.36, 0.0, 0.0, 0.0])
    stated = expected(counts, GOAL)
    for name in ("missed", "needless_stops", "overrides"):
        assert stated[name]["low"] <= stated[name]["mean"] <= stated[name]["high"] < 3000
    assert stated["cost"]["high"] < 30_000
    change = gain(counts, counts, GOAL)  # warnings are errors
    assert (change["mean"], change["low"], change["high"]) == (0, 0, 0)


def test_no_time_to_trust_is_longer_than_the_flight():
    counts = np.array([[0, 0, 0, 50.0, s, 1.0] for s in (57.25, 90.0, 79.95, 90.0)])
    assert expected(counts, GOAL)["time_to_trust"]["high"] > 100  # it is not known how long
    stated = expected(counts, GOAL, [90.0] * 4)["time_to_trust"]
    assert stated["low"] < 57.25
    assert stated["high"] == 90.0


def put_together_of(*counts, goal=GOAL):
    settings = tuple({"pilot.trust.max_fpr": 0.4 - 0.01 * k} for k in range(len(counts)))
    return put_together((), None, goal, Tried(settings, np.stack(counts), 1.0), len(counts) - 1)


def test_too_little_way_under_mono_recommends_nothing_and_says_so():
    before, after = flown([0.4, 0.0, 0.0]), flown([0.4, 0.0, 0.0], 60.0)
    tuning = put_together_of(before, after)
    assert (tuning.chosen, tuning.short_m) == (0, pytest.approx(0.4))
    assert "flown straight on for 0.4 m in all flights together" in tuning.notes[0]
    assert "in 2 of 3 flights mono never flew straight on" in tuning.notes[1]
    enough = put_together_of(flown([40.0] * 3), flown([40.0] * 3, 60.0))
    assert (enough.chosen, enough.short_m) == (1, None)


def test_time_to_trust_alone_needs_no_way_under_mono():
    goal = goal_of(["time_to_trust"], [])
    tuning = put_together_of(flown([0.4, 0.0, 0.0]), flown([0.4, 0.0, 0.0], 60.0), goal=goal)
    assert (tuning.chosen, tuning.short_m) == (1, None)


def test_what_saves_nothing_on_flights_not_seen_is_not_recommended():
    same = put_together_of(flown([40.0] * 3), flown([40.0] * 3))
    assert (same.chosen, same.withheld) == (0, 0.0)
    assert "saved nothing on flights that the choice had not seen" in same.notes[0]


def test_where_mono_never_flew_before_the_chart_has_what_is_chosen():
    tuning = put_together_of(flown([0.0] * 3), flown([40.0] * 3, 60.0))
    assert tuning.chosen == 1
    assert tuning.before["cost"]["mean"] is None
    drawn = front_chart(tuning, "needless_stops", "missed")  # warnings are errors
    assert "chosen:" in drawn
    assert "before:" not in drawn
    assert "nan" not in drawn
    assert "inf" not in drawn
