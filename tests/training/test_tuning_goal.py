"""Objectives, goal, choice and front, on counts made by hand."""

import math

import numpy as np
import pytest

from drone.errors import UserError
from training.tuning.goal import (
    DEFAULT_WEIGHTS,
    admissible,
    choose,
    figures_of,
    front_of,
    goal_of,
    unreachable,
)
from training.tuning.replay import Counts


def counts(*settings):
    """Return (settings, 2 flights, counts) of (missed, needless, overrides, metres, seconds)."""
    rows = [Counts(*s[:5], trusted=1.0) for s in settings]
    return np.array([[row, row] for row in rows], np.float64)


BEFORE = (1, 10, 0, 50.0, 30.0)


def test_rates_are_events_over_metres_of_all_flights():
    both = np.array(
        [[Counts(1, 2, 0, 50.0, 30.0, 1.0), Counts(0, 4, 1, 150.0, 50.0, 1.0)]], np.float64
    )
    np.testing.assert_allclose(figures_of(both), [[0.5, 3.0, 0.5, 40.0]])


def test_no_metre_makes_a_rate_infinite():
    assert np.isinf(figures_of(counts((0, 0, 0, 0.0, 30.0)))[0, :3]).all()


def test_the_cheapest_setting_is_chosen():
    tried = counts(BEFORE, (1, 5, 0, 50.0, 30.0), (1, 7, 0, 50.0, 30.0))
    assert choose(tried, goal_of(["needless_stops"], [])) == 1


def test_of_equals_what_flies_now_stays():
    tried = counts(BEFORE, BEFORE)
    assert choose(tried, goal_of([], [])) == 0


@pytest.mark.parametrize(
    "worse",
    [
        (9, 1, 0, 50.0, 30.0),  # it misses more
        (1, 1, 5, 50.0, 30.0),  # stereo has to step in more often
        (1, 1, 0, 50.0, 60.0),  # it is trusted much later
        (0, 0, 0, 10.0, 30.0),  # mono hardly flies
        (0, 0, 0, 0.0, 30.0),  # mono never flies
    ],
)
def test_a_gain_is_not_bought_with_what_was_not_asked_for(worse):
    tried = counts(BEFORE, worse)
    assert choose(tried, goal_of(["needless_stops"], [])) == 0


def test_what_is_required_takes_the_place_of_the_leeway():
    tried = counts(BEFORE, (9, 1, 0, 50.0, 30.0))
    assert choose(tried, goal_of(["needless_stops"], ["missed<=20"])) == 1
    assert choose(tried, goal_of(["needless_stops"], ["missed<=1"])) == -1


def test_what_flies_now_is_always_admissible_unless_more_is_required():
    assert admissible(counts(BEFORE), goal_of(["missed"], []))[0]
    assert not admissible(counts(BEFORE), goal_of(["missed"], ["missed<=0"]))[0]


def test_requirements_that_contradict_each_other_say_what_can_be_reached():
    tried = counts(BEFORE, (8, 1, 0, 50.0, 30.0), (0, 30, 0, 50.0, 30.0))
    goal = goal_of([], ["missed<=1", "needless_stops<=5"])
    assert choose(tried, goal) == -1
    message = unreachable(tried, goal)
    assert "contradict" in message
    assert "missed down to 0" in message
    assert "needless_stops down to 2" in message


def test_where_mono_never_flies_it_is_said_that_too_little_is_known():
    tried = counts((0, 0, 0, 0.0, 30.0))
    assert choose(tried, goal_of([], [])) == -1
    assert "would mono have flown straight on" in unreachable(tried, goal_of([], []))


def test_front_by_hand():
    figures = np.array(
        [
            [1, 1, 1, 1],
            [1, 1, 1, 2],  # beaten by the first
            [0, 2, 1, 1],
            [0, 2, 1, 1],  # the same again
            [math.inf, 0, 0, 0],  # mono never flew
            [2, 0, 1, 1],
        ],
        np.float64,
    )
    assert front_of(figures) == [0, 2, 5]


def test_front_is_what_no_other_beats():
    rng = np.random.default_rng(0)
    figures = rng.integers(0, 6, (200, 4)).astype(np.float64)
    front = front_of(figures)
    for k, figure in enumerate(figures):
        beaten = ((figures <= figure).all(axis=1) & (figures < figure).any(axis=1)).any()
        assert not (k in front and beaten)
        assert beaten or any((figures[f] == figure).all() for f in front)


def test_weights_and_limits_are_read():
    goal = goal_of(["missed=3,overrides", "missed=3"], ["time_to_trust<=40", "missed <= 2"])
    assert goal.weights == {"missed": 3.0, "overrides": 1.0}
    assert goal.limits == {"time_to_trust": 40.0, "missed": 2.0}
    assert goal_of([], []).weights == DEFAULT_WEIGHTS


@pytest.mark.parametrize(
    ("objectives", "requirements", "says"),
    [
        (["speed"], [], "no objective 'speed'; there are missed"),
        (["missed=much"], [], "'much' is no number"),
        (["missed=-1"], [], "0 or more"),
        (["missed=0"], [], "minimises nothing"),
        (["missed=1", "missed=2"], [], "two weights: 1, 2"),
        ([], ["missed>=1"], "expected name<=number"),
        ([], ["missed<=nan"], "0 or more"),
        ([], ["missed<=1", "missed<=2"], "limits missed twice: 1, 2"),
        ([], ["speed<=1"], "no objective 'speed'"),
    ],
)
def test_wrong_goals_say_what_would_be_right(objectives, requirements, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        goal_of(objectives, requirements)
