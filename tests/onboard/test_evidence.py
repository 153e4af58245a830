import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import TrustConfig
from drone.onboard.evidence import (
    Evidence,
    Pair,
    Point,
    add,
    bounds,
    evidence_of,
    mean_distance,
    operating_point,
    rescored,
)

STOP_M = 1.0
CONFIG = TrustConfig(
    window_s=10.0,
    holdout_window_s=30.0,
    min_tpr=0.75,
    min_positives=4,
    safety=1.0,
)
GOOD = [(3.0, 3.0), (0.5, 0.5)] * 10


def pairs(values, step_s=0.1, held_out=False):
    """Pairs of (label, estimate), one every tenth of a second from 1 s on."""
    return tuple(
        Pair(i, ns_from_s(1.0 + i * step_s), label_m, estimate_m, estimate_m, held_out)
        for i, (label_m, estimate_m) in enumerate(values)
    )


def window_of(values):
    window = Evidence()
    for pair in pairs(values):
        window = add(window, pair, STOP_M, CONFIG)
    return window


def point(values, **changes):
    window = evidence_of(pairs(values), STOP_M)
    return operating_point(window, CONFIG.model_copy(update=changes))


# Positives estimated at 0.3, 0.6, 0.9, 1.5 m; negatives at 0.5, 0.8, 2, 3, 4 m.
ROC = [(0.5, 0.3), (0.6, 0.6), (0.7, 0.9), (0.8, 1.5)] + [
    (2.0, e) for e in (0.5, 0.8, 2.0, 3.0, 4.0)
]


@pytest.mark.parametrize(
    ("min_tpr", "threshold_m", "tpr", "fpr"),
    [
        (0.25, 0.3, 0.25, 0.0),
        (0.26, 0.6, 0.5, 0.2),
        (0.5, 0.6, 0.5, 0.2),
        (0.75, 0.9, 0.75, 0.4),
        (0.76, 1.5, 1.0, 0.4),
        (1.0, 1.5, 1.0, 0.4),
    ],
)
def test_operating_point_of_a_hand_made_roc(min_tpr, threshold_m, tpr, fpr):
    report = point(ROC, min_tpr=min_tpr)
    assert report.operating_m == pytest.approx(threshold_m)
    assert report.operating_m > threshold_m, "a frame at the very threshold must stop"
    assert (report.tpr, report.fpr) == pytest.approx((tpr, fpr))
    assert (report.positives, report.negatives) == (4, 5)


def test_safety_moves_what_flies_and_not_what_is_judged():
    plain, safe = point(ROC), point(ROC, safety=0.5)
    assert safe.threshold_m == pytest.approx(2 * plain.threshold_m)
    assert (safe.operating_m, safe.tpr, safe.fpr) == (plain.operating_m, plain.tpr, plain.fpr)


def test_an_unknown_estimate_stops_the_drone():
    """So it catches a positive, and is a needless stop before free way."""
    report = point([(0.5, math.nan)] * 3 + [(0.5, 0.7), (3.0, math.nan), (3.0, 3.0)], min_tpr=1.0)
    assert report.operating_m == pytest.approx(0.7)
    assert (report.tpr, report.fpr) == (1.0, 0.5)


def test_a_frame_at_the_stop_distance_is_free():
    report = point([(1.0, 3.0), (math.nextafter(1.0, 0.0), 0.5)])
    assert (report.positives, report.negatives) == (1, 1)


@pytest.mark.parametrize("values", [[], [(3.0, 3.0)] * 5, [(math.nan, 1.0)] * 5])
def test_without_positives_there_is_no_threshold(values):
    report = point(values)
    assert math.isnan(report.threshold_m)
    assert math.isnan(report.tpr)
    assert report.episodes == 0


def test_without_negatives_there_is_no_fpr():
    assert math.isnan(point([(0.5, 0.5)] * 3).fpr)


@pytest.mark.parametrize(
    ("labels", "episodes"),
    [
        ([0.5, 0.5, 0.5], 1),
        ([3, 0.5, 0.5, 3], 1),
        ([0.5, 3, 0.5], 2),
        ([0.5, math.nan, 0.5, 3, 0.5], 2),  # an unknown frame ends no approach
        ([3, 3], 0),
    ],
)
def test_episodes_are_runs_of_positives(labels, episodes):
    assert point([(label, 1.0) for label in labels]).episodes == episodes


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(0.05, 8), st.just(math.nan)),
            st.one_of(st.floats(0, 8), st.just(math.nan)),
        ),
        max_size=60,
    ),
    st.floats(0.01, 1.0),
)
def test_the_operating_point_keeps_its_promise_and_no_lower_one_does(values, min_tpr):
    report = point(values, min_tpr=min_tpr)
    if not report.positives:
        return
    assert report.tpr >= min_tpr - 1e-9
    positives = np.array([e for label, e in values if label < STOP_M])
    below = math.nextafter(report.operating_m, 0.0)
    if below > 0:
        caught = int((np.isnan(positives) | (positives < below)).sum())
        assert caught < math.ceil(min_tpr * len(positives))


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [
        (6 / 6, 6, 0.6892, 1.0),
        (5 / 6, 6, 0.4976, 0.9619),
        (19 / 20, 20, 0.8040, 0.9888),
        (5 / 10, 10, 0.2693, 0.7307),
        (0 / 6, 6, 0.0, 0.3108),
        (0.95, 0, math.nan, math.nan),
        (math.nan, 6, math.nan, math.nan),
    ],
)
def test_bounds_of_a_share(share, n, low, high):
    """Known answers: scipy.stats.binomtest(k, n).proportion_ci(0.9, "wilson")."""
    assert bounds(share, n) == pytest.approx((low, high), abs=1e-4, nan_ok=True)


@given(st.integers(1, 200), st.floats(0, 1))
def test_bounds_hold_the_share_and_narrow_with_what_was_seen(n, share):
    low, high = bounds(share, n)
    wider = bounds(share, n + 1)
    assert -1e-12 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1 + 1e-12
    assert wider[1] - wider[0] <= high - low + 1e-12


def test_the_lower_bound_is_one_that_holds():
    """Of a thousand times six approaches, caught with 0.8, few bounds are above 0.8."""
    rng = random.Random(0)
    shares = [sum(rng.random() < 0.8 for _ in range(6)) / 6 for _ in range(1000)]
    assert sum(bounds(share, 6)[0] > 0.8 for share in shares) <= 50
    assert sum(share > 0.8 for share in shares) > 500, "negative control: without a bound"


def test_it_is_approaches_and_not_frames_that_make_certain():
    """Negative control: the same frames in one long approach are one trial."""
    one = point([(0.5, 0.5)] * 60 + [(3.0, 3.0)] * 60)
    many = point(([(0.5, 0.5)] * 5 + [(3.0, 3.0)] * 5) * 12)
    assert (one.tpr, one.positives, one.negatives) == (many.tpr, 60, 60)
    assert one.tpr_low < 0.3 < 0.8 < many.tpr_low
    assert many.fpr_high < 0.2 < 0.7 < one.fpr_high


def test_mean_distance_is_harmonic_over_what_is_known():
    assert mean_distance([1.0, 3.0]) == pytest.approx(1.5)
    assert mean_distance([2.0, math.nan, 2.0]) == pytest.approx(2.0)
    for nothing in ([], [math.nan], [0.0], [-1.0], [math.inf]):
        assert math.isnan(mean_distance(nothing))


# The window


def test_old_pairs_are_forgotten():
    late = Pair(99, ns_from_s(1.0 + 10.0 + 0.95), 3.0, 3.0, 3.0)
    window = add(window_of(GOOD), late, STOP_M, CONFIG)
    assert [p.seq for p in window.pairs] == [*range(10, 20), 99]
    assert len(window.near_m) + len(window.free_m) == 11


def test_held_out_pairs_stay_longer_and_go_in_the_end():
    window = evidence_of([p._replace(held_out=p.seq < 5) for p in pairs(GOOD)], STOP_M)
    near_frames = [13, 15, 17, 19]
    for later_s, kept in ((20.0, [*range(5), *near_frames]), (40.0, [])):
        late = Pair(99, ns_from_s(later_s), 3.0, 3.0, 3.0)
        assert [p.seq for p in add(window, late, STOP_M, CONFIG).pairs] == [*kept, 99]


def test_the_latest_near_frames_stay_so_that_flying_well_costs_no_licence():
    """Twenty seconds without an obstacle: the four latest near frames still bear witness."""
    window = window_of(GOOD)
    for later_s in range(4, 32):
        free = Pair(100 + later_s, ns_from_s(later_s), 3.0, 3.0, 3.0)
        window = add(window, free, STOP_M, CONFIG)
        near = [p.seq for p in window.pairs if p.label_m < STOP_M]
        assert near[-4:] == [13, 15, 17, 19]
        assert len(near) == 4 or later_s < 13


def test_a_frame_without_a_label_changes_nothing():
    window = window_of(GOOD)
    late = Pair(99, ns_from_s(500.0), math.nan, 3.0, 3.0)
    assert add(window, late, STOP_M, CONFIG) is window
    assert evidence_of([late], STOP_M) == Evidence()


def test_rescoring_replaces_the_scores_of_held_out_frames_alone():
    window = rescored(window_of(GOOD), {1: 0.7, 3: 0.8, 555: 9.0}, 0.0, STOP_M)
    by_seq = {p.seq: p for p in window.pairs}
    assert (by_seq[1].raw_m, by_seq[1].estimate_m, by_seq[1].held_out) == (0.7, 0.7, True)
    assert (by_seq[3].estimate_m, by_seq[3].held_out) == (0.8, True)
    assert (by_seq[5].estimate_m, by_seq[5].held_out) == (0.5, False)
    assert len(window.pairs) == 20
    assert window.near_m == (0.5,) * 8 + (0.7, 0.8)
    assert window.pairs[1]._replace(raw_m=0.5, estimate_m=0.5, held_out=False) == pairs(GOOD)[1]


def test_rescored_frames_are_averaged_as_in_flight():
    """Frames 2, 3, 4 were held out in a row; 3 and 4 average with those up to 0.1 s before."""
    window = rescored(window_of(GOOD), {2: 1.0, 3: 3.0, 4: 3.0, 9: 0.5}, 0.1, STOP_M)
    by_seq = {p.seq: p.estimate_m for p in window.pairs}
    assert by_seq[2] == pytest.approx(1.0)
    assert by_seq[3] == pytest.approx(1.5)
    assert by_seq[4] == pytest.approx(3.0)
    assert by_seq[9] == pytest.approx(0.5)


def test_a_score_of_nan_is_an_unknown_estimate():
    assert math.isnan(rescored(window_of(GOOD), {0: math.nan}, 0.2, STOP_M).pairs[0].estimate_m)


# The same by brute force


def plain_window(before, pair, config):
    """The pairs that count, each asked anew."""
    near = [p.seq for p in before if p.label_m < STOP_M][-config.min_positives :]
    recent_ns = pair.stamp_ns - ns_from_s(config.window_s)
    oldest_ns = pair.stamp_ns - ns_from_s(config.holdout_window_s)
    kept = [
        p
        for p in before
        if p.stamp_ns >= recent_ns or (p.stamp_ns >= oldest_ns and (p.held_out or p.seq in near))
    ]
    return [*kept, pair]


def plain_point(pairs, config):
    """The operating point by the whole ROC."""
    label = np.array([p.label_m for p in pairs])
    estimate = np.nan_to_num([p.estimate_m for p in pairs], nan=0.0)
    near, free = label < STOP_M, label >= STOP_M
    episodes = int(np.count_nonzero(np.diff(near.astype(int), prepend=0) == 1))
    if not near.any():
        return Point(negatives=int(free.sum()))
    thresholds = [math.nextafter(e, math.inf) for e in sorted(set(estimate[near]))]
    operating_m = min(t for t in thresholds if (estimate[near] < t).mean() >= config.min_tpr)
    return Point(
        operating_m,
        operating_m / config.safety,
        float((estimate[near] < operating_m).mean()),
        float((estimate[free] < operating_m).mean()) if free.any() else math.nan,
        int(near.sum()),
        int(free.sum()),
        episodes,
        bounds(float((estimate[near] < operating_m).mean()), episodes)[0],
        bounds(float((estimate[free] < operating_m).mean()), episodes)[1]
        if free.any()
        else math.nan,
    )


def distance_m(rng):
    """Often the same, sometimes unknown."""
    return rng.choice([math.nan, 0.0, 0.5, 0.9, 1.0, rng.uniform(0.1, 3.0), rng.uniform(0.1, 3.0)])


@pytest.mark.parametrize("seed", range(8))
def test_the_window_and_its_point_are_those_of_the_whole_roc(seed):
    """Random streams with gaps, without labels, scored anew now and then, in runs of one class."""
    rng = random.Random(seed)
    config = TrustConfig(
        window_s=rng.choice([2.0, 6.0]),
        holdout_window_s=rng.choice([6.0, 20.0]),
        min_tpr=rng.choice([0.5, 0.95, 1.0]),
        min_positives=rng.choice([1, 5, 30]),
    )
    window, plain, now_s, near = Evidence(), [], 0.0, False
    for seq in range(600):
        now_s += rng.choice([0.0, 0.1, 0.1, 0.1, 0.1, rng.choice([0.1, 3.0])])
        near = rng.random() < 0.5 if rng.random() < 0.2 else near
        label_m = rng.choice([rng.uniform(0, 1) if near else rng.uniform(1, 4), math.nan])
        pair = Pair(seq, ns_from_s(now_s), label_m, 1.0, distance_m(rng))
        window = add(window, pair, STOP_M, config)
        if not math.isnan(label_m):
            plain = plain_window(plain, pair, config)
        if rng.random() < 0.05:
            scores = {p.seq: distance_m(rng) for p in plain if p.seq // 20 % 5 == 4}
            window = rescored(window, scores, 0.2, STOP_M)
            plain = list(window.pairs)
        assert [p.seq for p in window.pairs] == [p.seq for p in plain]
        assert evidence_of(plain, STOP_M) == window
        found = operating_point(window, config)
        assert repr(found) == repr(plain_point(plain, config)), "to the last bit"
