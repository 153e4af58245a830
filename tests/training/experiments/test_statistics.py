"""Figures and their intervals against textbooks, by hand, and on numbers whose truth is known."""

import math

import numpy as np
import pytest

from training.experiments import statistics
from training.experiments.statistics import (
    UNKNOWN,
    Difference,
    Estimate,
    corrected,
    difference,
    mean,
    quotient,
    rate,
    ratio,
    seeds_to_be_clear,
    share,
)


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_rates_have_garwoods_interval(events, low, high):
    """Tables of the exact Poisson interval, such as Garwood's (1936)."""
    found = rate(events, 1.0, 20)
    assert (found.mean, found.n) == (events, 20)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)


def test_a_rate_is_per_its_unit():
    """Three collisions on 200 m are 1.5 on 100 m, and so are the bounds."""
    plain, per_100m = rate(3, 200.0, 4), rate(3, 200.0, 4, per=100)
    assert per_100m.mean == 1.5
    assert (per_100m.low, per_100m.high) == pytest.approx((100 * plain.low, 100 * plain.high))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (1, 20, 0.0013, 0.2487), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)],
)
def test_shares_have_the_interval_of_clopper_and_pearson(hits, trials, low, high):
    found = share(hits, trials)
    assert (found.mean, found.n) == (hits / trials, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


def test_of_nothing_nothing_is_known():
    for found in (rate(0, 0.0, 0), rate(3, math.nan, 1), share(0, 0), mean([]), ratio([], [])):
        assert math.isnan(found.mean)
        assert found.text() == "–"
        assert found.to_dict() == {"mean": None, "low": None, "high": None, "n": found.n}
    assert ratio([1.0, 2.0], [0.0, 0.0]) == UNKNOWN or math.isnan(ratio([1.0], [0.0]).mean)


def test_a_single_flight_has_no_interval():
    found = ratio([3.0], [2.0])
    assert (found.mean, found.n) == (1.5, 1)
    assert math.isnan(found.low)
    assert found.text() == "1.50 [–, –]"


def test_unknown_values_are_left_out_of_a_mean():
    found = mean([1.0, None, 3.0, math.nan])
    assert (found.mean, found.n) == (2.0, 2)


def test_a_ratio_is_of_sums_not_a_mean_of_ratios():
    assert ratio([1.0, 9.0], [1.0, 3.0]).mean == 2.5, "the mean of the ratios would be 2"


def covered(seed, n=20):
    """Whether the interval of metres over minutes has the truth in it, on flights drawn anew."""
    rng = np.random.default_rng(seed)
    minutes = rng.uniform(1, 3, n)
    metres = minutes * rng.normal(15, 3, n)
    found = ratio(metres, minutes)
    return found.low <= 15 <= found.high


def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    hits = sum(covered(seed) for seed in range(200))
    assert 0.88 <= hits / 200 <= 0.99, "95 % is asked for; of 20 flights a bootstrap gives less"


def rooms(seed=0, n=20, apart=0.3):
    """Collisions and metres of two arms: rooms differ much, arms little."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(1, 6, n)
    metres = rng.uniform(20, 30, n)
    ours = (hard - apart + rng.normal(0, 0.2, n)) * metres
    theirs = (hard + rng.normal(0, 0.2, n)) * metres
    return ours, theirs, metres


def test_pairing_over_seeds_shows_what_chance_would_hide():
    """The same figures with the pairs broken up, which is the negative control."""
    ours, theirs, metres = rooms()
    paired = difference((ours, metres), (theirs, metres))
    order = np.random.default_rng(1).permutation(len(ours))
    broken = difference((ours, metres), (theirs[order], metres[order]))
    assert paired.estimate.mean == pytest.approx(broken.estimate.mean)
    assert paired.is_clear
    assert paired.p < 0.01
    assert not broken.is_clear
    assert broken.p > 0.2
    width = [d.estimate.high - d.estimate.low for d in (paired, broken)]
    assert width[0] < 0.3 * width[1]


def test_of_the_same_arm_twice_there_is_no_difference():
    ours, _, metres = rooms()
    found = difference((ours, metres), (ours, metres))
    assert (found.estimate.mean, found.estimate.low, found.estimate.high) == (0.0, 0.0, 0.0)
    assert not found.is_clear
    assert found.p == 1.0
    assert math.isnan(found.effect)


def test_arms_that_do_not_differ_are_seldom_called_different(monkeypatch):
    """The negative control of the verdict: about one in twenty, not more."""
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    pairs = [rooms(seed, apart=0.0) for seed in range(100)]
    found = [difference((a, metres), (b, metres)) for a, b, metres in pairs]
    assert sum(d.is_clear for d in found) <= 14
    assert sum(d.p < 0.05 for d in found) <= 12


@pytest.mark.parametrize(("tests", "least"), [(1, 6), (2, 7), (6, 8), (10, 9)])
def test_of_too_few_seeds_no_difference_is_clear_however_large(tests, least):
    """One sign in all: the interval excludes zero, and swapping gives the least p there is."""

    def found(n):
        ours = ([1.0 + 0.01 * i for i in range(n)], [1.0] * n)
        return corrected([difference(ours, ([0.0] * n, [1.0] * n))] * tests)[0]

    assert seeds_to_be_clear(tests) == least
    assert found(least).can_be_clear
    assert found(least).is_clear
    assert not found(least - 1).can_be_clear
    assert not found(least - 1).is_clear
    assert found(least - 1).estimate.low > 0
    assert found(least - 1).p >= 0.05


def test_effect_by_hand():
    """Differences 1, 2, 3: mean 2 over a standard deviation of 1."""
    found = difference(([2.0, 4.0, 6.0], [1.0] * 3), ([1.0, 2.0, 3.0], [1.0] * 3))
    assert found.effect == pytest.approx(2.0)
    assert found.estimate.mean == pytest.approx(2.0)
    assert found.p == pytest.approx(2 / 8), "of the eight ways to swap, two lie as far apart"


def test_other_seeds_are_no_pairs():
    with pytest.raises(ValueError, match="same seeds"):
        difference(([1.0, 2.0], [1.0, 1.0]), ([1.0], [1.0]))


def test_a_difference_to_what_never_flew_is_unknown():
    found = difference(([1.0, 2.0], [1.0, 1.0]), ([0.0, 0.0], [0.0, 0.0]))
    assert math.isnan(found.estimate.mean)
    assert not found.is_clear
    assert found.to_dict()["p"] is None


def test_where_nothing_happened_in_either_arm_the_interval_is_unknown_and_not_nothing():
    never, metres = [0.0] * 8, [20.0] * 8
    found = difference((never, metres), (never, metres))
    assert found.estimate.text() == "0.00 [–, –]"
    assert not found.is_clear
    assert difference(([1.0, *never[1:]], metres), (never, metres)).estimate.high > 0


def with_p(p):
    return Difference(Estimate(1.0, 0.5, 1.5, 20), 1.0, p)


def test_holm_by_hand():
    """0.01 x 4; 0.02 x 3; 0.03 x 2 is as much; 0.04 x 1 is raised to the one before."""
    found = [d.p for d in corrected([with_p(p) for p in (0.04, 0.01, 0.03, 0.02)])]
    assert found == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_is_never_over_one_and_leaves_one_test_alone():
    assert [d.p for d in corrected([with_p(0.4), with_p(0.9)])] == pytest.approx([0.8, 0.9])
    assert [d.p for d in corrected([with_p(0.7), with_p(0.9)])] == pytest.approx([1.0, 1.0])
    assert corrected([with_p(0.03)]) == [with_p(0.03)]
    assert corrected([]) == []


def test_holm_counts_what_could_not_be_tested_and_leaves_it_unknown():
    found = [d.p for d in corrected([with_p(math.nan), with_p(0.01)])]
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(0.02)


def test_the_same_rows_give_the_same_figures():
    ours, theirs, metres = rooms()
    assert difference((ours, metres), (theirs, metres)) == difference(
        (ours, metres), (theirs, metres)
    )
    assert ratio(ours, metres) == ratio(ours, metres)


def test_what_could_have_been_seen_is_what_the_textbook_says():
    """Cohen (1988): 34 pairs show d = 0.5 with a power of 0.8; by the normal distribution 31.4."""
    n, d = 34, 0.5
    error = 1 / math.sqrt(n)
    half = 1.959964 * error
    found = Difference(Estimate(d, d - half, d + half, n), d, 0.01)
    assert found.least_seen == pytest.approx(2.8016 * error, rel=1e-3)
    assert found.seeds_needed == pytest.approx(31.4, rel=1e-2)


def test_where_nothing_was_found_no_number_of_seeds_shows_it():
    assert Difference(Estimate(0.0, -1.0, 1.0, 9), 0.0, 1.0).seeds_needed == math.inf


def test_a_quotient_counts_what_is_unsure_of_both_sides():
    rng = np.random.default_rng(5)
    ours = rng.poisson(30, 40).astype(float), np.full(40, 1.0)
    theirs = rng.poisson(10, 40).astype(float), np.full(40, 1.0)
    exact = np.full(40, theirs[0].mean()), np.full(40, 1.0)
    found, half_known = quotient(ours, theirs), quotient(ours, exact)
    assert found.mean == pytest.approx(half_known.mean)
    assert found.low < 3 < found.high
    assert found.high - found.low > 1.3 * (half_known.high - half_known.low)
    assert found.n == 40


def test_a_quotient_by_nothing_is_unknown():
    none = ([0.0, 0.0], [1.0, 1.0])
    assert math.isnan(quotient(([1.0, 2.0], [1.0, 1.0]), none).mean)
    with pytest.raises(ValueError, match="same seeds"):
        quotient(([1.0], [1.0]), none)
