import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import TrustConfig
from drone.messages import ModelVersion
from drone.onboard.trust import (
    OVERRIDE_GAP_S,
    Glance,
    Pair,
    TrustState,
    add_pair,
    begun,
    overridden,
    remembering,
    rescore,
    see,
    step,
    uncertainty,
)

STOP_M = 1.0
CONFIG = TrustConfig(
    window_s=10.0,
    holdout_window_s=30.0,
    min_tpr=0.75,
    max_fpr=0.4,
    min_positives=4,
    min_negatives=4,
    min_episodes=1,
    min_tpr_low=0.0,
    safety=1.0,
    earn_s=1.0,
    lose_s=2.0,
    max_frozen_s=20.0,
    unlabelled_s=1000.0,
    max_unlabelled_s=1000.0,
)
GOOD = [(3.0, 3.0), (0.5, 0.5)] * 10
BAD = [(3.0, 0.4), (0.5, 4.0)] * 10


def pairs(values, step_s=0.1, held_out=False):
    """Pairs of (label, estimate), one every tenth of a second from 1 s on."""
    return tuple(
        Pair(i, ns_from_s(1.0 + i * step_s), label_m, estimate_m, estimate_m, held_out)
        for i, (label_m, estimate_m) in enumerate(values)
    )


def state_of(values, config=CONFIG, state=None):
    state = state or TrustState()
    for pair in pairs(values):
        state = add_pair(state, pair, STOP_M, config)
    return state


def test_a_new_version_is_judged_by_its_own_scores():
    """The held-out near frames, seen at 0.5 m before, are seen at 0.8 m from now on."""
    near = {p.seq: 0.8 for p in pairs(GOOD) if p.label_m < STOP_M}
    model = ModelVersion(2, 0, True, b"", "", tuple(near), tuple(near.values()))
    before = state_of(GOOD)
    after = rescore(before, model, STOP_M, 0.0, CONFIG)
    assert before.point.operating_m == pytest.approx(0.5)
    assert after.point.operating_m == pytest.approx(0.8)


# What an earlier flight left

OLD = pairs([(3.0, math.nan), (0.5, math.nan)] * 10, held_out=True)


def second_flight(score_of, now_s, config=CONFIG):
    """A flight that begins at some time with frames of an earlier one; ticks at 10 Hz for 3 s.

    Returns:
        The state, and when the licence was first held, s after the beginning, None if never.
    """
    labels = [p._replace(seq=p.seq - 100, stamp_ns=p.stamp_ns - ns_from_s(5.0)) for p in OLD]
    scores = {p.seq: score_of(p.label_m) for p in labels}
    state = begun(remembering(labels, STOP_M), ns_from_s(now_s))
    state = rescore(
        state,
        ModelVersion(7, 0, True, b"", "", tuple(scores), tuple(scores.values())),
        STOP_M,
        0.0,
        config,
    )
    held_s = None
    for i in range(31):
        state = begun(state, ns_from_s(now_s + i / 10))
        state = step(state, ns_from_s(now_s + i / 10), True, True, config)
        held_s = i / 10 if held_s is None and state.report.held else held_s
    return state, held_s


@pytest.mark.parametrize("now_s", [0.0, 1e6])
def test_who_comes_back_needs_only_the_time_to_earn(now_s):
    """Whatever the clock says. Negative control: a version that is bad at those frames earns
    nothing."""
    state, held_s = second_flight(lambda label_m: label_m, now_s)
    assert held_s == pytest.approx(CONFIG.earn_s)
    assert state.report.threshold_m == pytest.approx(0.5)
    newest = state.evidence.pairs[-1].stamp_ns
    assert newest == ns_from_s(now_s + 2.9 - 5.0)
    assert second_flight(lambda _: 0.4, now_s)[1] is None


def test_before_a_version_scores_them_frames_of_before_speak_for_nothing():
    state = begun(remembering(OLD, STOP_M), 0)
    assert not run(state, 10.0, 0.0)[0].report.held


def test_old_frames_leave_as_held_out_ones_do():
    state, _ = second_flight(lambda label_m: label_m, 0.0)
    for i in range(60):
        pair = Pair(i, ns_from_s(3.0 + i), 3.0, 3.0, 3.0)
        state = add_pair(state, pair, STOP_M, CONFIG)
    assert min(p.seq for p in state.evidence.pairs) >= 0


def test_a_flight_without_memory_begins_with_nothing():
    assert remembering((), STOP_M) == TrustState()
    assert begun(TrustState(), 5) == TrustState()


# The licence


def run(state, duration_s, start_s=100.0, stereo_ok=True, allowed=True, config=CONFIG):
    """Tick at 10 Hz; return the state and when each change of the licence came."""
    changes = []
    for i in range(round(duration_s * 10) + 1):
        held = state.report.held
        state = step(state, ns_from_s(start_s + i / 10), stereo_ok, allowed, config)
        if state.report.held != held:
            changes.append(i / 10)
    return state, changes


def licensed():
    state, changes = run(state_of(GOOD)._replace(changed_ns=ns_from_s(100.0)), 2.0)
    assert changes == [1.0]
    return state


def test_the_licence_is_earned_after_the_figures_have_stood():
    assert licensed().report.held
    assert licensed().report.reason == "figures hold"


def test_it_is_lost_after_they_have_been_missed():
    state = state_of(BAD, state=licensed())
    state, changes = run(state, 5.0, 102.0)
    assert changes == [pytest.approx(CONFIG.lose_s, abs=0.11)]
    assert not state.report.held
    assert "stops needlessly" in state.report.reason


def test_a_flicker_of_the_figures_changes_nothing():
    good = licensed()
    bad, state = state_of(BAD, state=good), good
    for i in range(40):
        figures = (bad if i % 2 else good).evidence, (bad if i % 2 else good).point
        state = state._replace(evidence=figures[0], point=figures[1])
        state = step(state, ns_from_s(102.0 + i), True, True, CONFIG)
        assert state.report.held
        assert ("stops needlessly" in state.report.reason) == bool(i % 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_positives": 11}, "10 near and 10 free frames seen, 11 and 4 needed"),
        ({"min_negatives": 11}, "10 near and 10 free frames seen, 4 and 11 needed"),
        ({"min_episodes": 11}, "10 approaches seen, 11 needed"),
        (
            {"min_tpr_low": 0.8},
            "10 approaches seen: 79% of near frames caught for certain, 80% needed",
        ),
    ],
)
def test_without_evidence_there_is_no_licence(changes, reason):
    config = CONFIG.model_copy(update=changes)
    state, _ = run(state_of(GOOD, config), 30.0, config=config)
    assert not state.report.held
    assert state.report.reason == reason


def test_a_bad_learner_gets_none_and_a_permissive_bound_gives_it_one():
    """Negative control: the same pairs pass where every frame may be stopped needlessly."""
    assert not run(state_of(BAD), 30.0)[0].report.held
    permissive = CONFIG.model_copy(update={"max_fpr": 1.0})
    assert run(state_of(BAD, permissive), 30.0, config=permissive)[0].report.held


def test_a_strategy_without_mono_holds_none():
    state, _ = run(licensed(), 1.0, 102.0, allowed=False)
    assert not state.report.held
    assert state.report.reason == "mono not allowed"


def test_a_lost_stereo_freezes_the_licence_for_a_while():
    before = licensed().report
    state, changes = run(licensed(), 25.0, 110.0, stereo_ok=False)
    assert changes == [pytest.approx(CONFIG.max_frozen_s, abs=0.11)]
    assert "frozen licence over after 20 s" in state.report.reason
    state, _ = run(licensed(), 10.0, 110.0, stereo_ok=False)
    assert (state.report.held, state.report.frozen) == (True, True)
    assert state.report.threshold_m == before.threshold_m


def test_what_was_not_held_cannot_be_earned_without_stereo():
    state, changes = run(state_of(GOOD), 30.0, stereo_ok=False)
    assert (state.report.held, state.report.frozen, changes) == (False, False, [])


def test_a_frozen_licence_thaws():
    state, _ = run(licensed(), 10.0, 110.0, stereo_ok=False)
    state, changes = run(state, 5.0, 121.0)
    assert (state.report.held, state.report.frozen, changes) == (True, False, [])


def test_the_time_of_freezing_starts_anew_with_each_loss():
    state, _ = run(licensed(), 15.0, 110.0, stereo_ok=False)
    state, _ = run(state, 1.0, 126.0)
    state, changes = run(state, 15.0, 128.0, stereo_ok=False)
    assert changes == []
    assert state.report.held


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("pair"),
                st.one_of(st.floats(0.05, 8), st.just(math.nan)),
                st.one_of(st.floats(0, 8), st.just(math.nan)),
            ),
            st.tuples(st.just("tick"), st.floats(0, 5), st.booleans()),
        ),
        max_size=60,
    )
)
def test_the_licence_is_given_only_on_figures_that_hold(events):
    state, now_s = TrustState(), 10.0
    for seq, (kind, a, b) in enumerate(events):
        held = state.report.held
        if kind == "pair":
            state = add_pair(state, Pair(seq, ns_from_s(now_s), a, b, b), STOP_M, CONFIG)
            assert state.report.held == held
        else:
            now_s += a
            state = step(state, ns_from_s(now_s), b, True, CONFIG)
        report = state.report
        if report.held and not held:
            assert b, "never without stereo"
            assert report.fpr <= CONFIG.max_fpr
            assert report.tpr >= CONFIG.min_tpr
            assert report.positives >= CONFIG.min_positives
            assert report.negatives >= CONFIG.min_negatives
            assert math.isfinite(report.threshold_m)
        assert not report.frozen or report.held


# What goes on without figures

SILENT = CONFIG.model_copy(update={"unlabelled_s": 5.0, "max_unlabelled_s": 60.0})


def fly_on(state, start_s, duration_s, config, label_every_s=None, label_m=3.0):
    """Tick at 1 Hz, with a label now and then; return the state and how long it was held."""
    held_s = 0.0
    for now_s in range(start_s, start_s + duration_s):
        if label_every_s and now_s % label_every_s == 0:
            pair = Pair(100 + now_s, ns_from_s(now_s), label_m, label_m, label_m)
            state = add_pair(state, pair, STOP_M, config)
        state = step(state, ns_from_s(now_s), True, True, config)
        held_s += state.report.held
    return state, held_s


def test_nothing_is_earned_by_figures_without_new_labels():
    """Negative control: with labels that go on coming, it is."""
    without, with_labels = SILENT, SILENT.model_copy(update={"window_s": 100.0})
    assert fly_on(state_of(GOOD, without), 20, 30, without)[1] == 0
    assert fly_on(state_of(GOOD, with_labels), 20, 30, with_labels, 1)[1] > 20


def test_where_stereo_has_no_answer_the_licence_goes_on_for_a_while():
    before = licensed()
    state, held_s = fly_on(before, 103, 40, SILENT)
    assert held_s == 40
    assert state.report.reason == "goes on as it was: no label for 5 s"
    assert state.report.threshold_m == before.report.threshold_m
    state, held_s = fly_on(state, 143, 60, SILENT)
    assert held_s == pytest.approx(60 - 41, abs=2)
    assert "no label for 5 s; over after 60 s" in fly_on(before, 103, 61, SILENT)[0].report.reason
    assert "no label for 5 s" in state.report.reason
    assert not fly_on(state, 203, 30, SILENT)[1], "nor is it earned anew"


def test_a_licence_goes_on_where_labels_are_few_and_earns_itself_again():
    """A label in four seconds: the window runs empty, but nothing speaks against mono."""
    config = SILENT.model_copy(update={"max_unlabelled_s": 1000.0, "holdout_window_s": 20.0})
    state, held_s = fly_on(licensed(), 103, 100, config, label_every_s=4)
    assert held_s == 100
    assert "goes on as it was: 0 near" in state.report.reason
    assert state.report.threshold_m == licensed().report.threshold_m
    for pair in pairs(GOOD):
        late = pair._replace(seq=pair.seq + 900, stamp_ns=pair.stamp_ns + ns_from_s(203.0))
        state = add_pair(state, late, STOP_M, config)
    assert step(state, ns_from_s(207.0), True, True, config).report.reason == "figures hold"


def test_what_speaks_against_it_ends_it_even_where_labels_are_few():
    """Negative control to the one before."""
    state, _ = run(state_of(BAD, state=licensed()), 5.0, 102.0)
    assert not state.report.held


def test_what_was_missed_since_counts_for_the_threshold_that_stands():
    """Near frames seen at 2 m while labels are few: mono stops there from now on."""
    config = SILENT.model_copy(update={"min_negatives": 15})
    few = state_of([(0.5, 2.0)] * 12, config, licensed()._replace(evidence=TrustState().evidence))
    state = step(few, ns_from_s(103.0), True, True, config)
    assert "goes on as it was: 12 near and 0 free" in state.report.reason
    assert licensed().report.threshold_m == pytest.approx(0.5)
    assert state.report.threshold_m == pytest.approx(2.0)


@pytest.mark.parametrize("lost", [True, False])
def test_a_licence_on_notice_freezes_with_what_it_must_catch_and_no_more(lost):
    """Figures were missed for a second when stereo was lost; their margin is not asked for."""
    config = CONFIG.model_copy(update={"safety": 0.5})
    good = state_of(GOOD, config)._replace(changed_ns=ns_from_s(100.0))
    good, _ = run(good, 2.0, config=config)
    assert good.report.threshold_m == pytest.approx(1.0)
    worse = state_of(
        [(3.0, 0.7), (0.5, 1.2)] * 10, config, good._replace(evidence=TrustState().evidence)
    )
    noticed, _ = run(worse, 1.0, 102.0, config=config)
    assert noticed.report.held
    assert noticed.report.threshold_m == pytest.approx(2.4)
    state, _ = run(noticed, 0.5, 103.0, stereo_ok=not lost, config=config)
    assert state.report.held
    assert state.report.threshold_m == pytest.approx(1.2 if lost else 2.4)


# Overrides

STRICT = CONFIG.model_copy(update={"max_overrides": 2, "overrides_s": 30.0})


def override(state, start_s, duration_s=1.0, config=STRICT):
    """Tick at 10 Hz, stereo overriding at each; return the state."""
    for i in range(round(duration_s * 10)):
        now_ns = ns_from_s(start_s + i / 10)
        state = step(overridden(state, now_ns, config), now_ns, True, True, config)
    return state


def test_too_many_overrides_withdraw_trust_until_they_are_past():
    state = licensed()
    for start_s in (103.0, 108.0):
        state = override(state, start_s)
        assert state.report.held
    state = override(state, 113.0, 0.1)
    assert not state.report.held
    assert state.report.reason == "stereo overrode mono more than 2 times within 30 s"
    state, changes = run(state, 30.0, 114.0, config=STRICT)
    assert changes == [pytest.approx(103.0 + 30.0 + CONFIG.earn_s - 114.0, abs=0.2)]


def test_overrides_far_apart_or_of_one_obstacle_withdraw_nothing():
    """Negative control."""
    state = licensed()
    for start_s in range(103, 203, 20):
        state = override(state, float(start_s))
        assert state.report.held
    state = licensed()
    for i in range(20):
        state = override(state, 103.0 + i * (OVERRIDE_GAP_S - 0.5), 0.5)
        assert state.report.held


def test_overrides_end_a_licence_where_stereo_seldom_answers():
    state = fly_on(licensed(), 103, 20, SILENT)[0]
    assert "goes on" in state.report.reason
    config = SILENT.model_copy(update={"max_overrides": 1})
    state = override(override(state, 123.0, config=config), 128.0, config=config)
    assert "overrode" in state.report.reason
    assert not state.report.held


# Familiarity

LIMITS = {"max_unfamiliarity": 1.5, "max_uncertainty": 1.5, "familiar_again_s": 2.0}
FAMILIAR = TrustConfig(**{**CONFIG.model_dump(), **LIMITS})


def glance(now_s, unfamiliarity=math.nan, unsure=math.nan):
    return Glance(ns_from_s(now_s), unfamiliarity, unsure)


def look(state, values, start_s, stereo_ok=True):
    """Tick at 10 Hz with an image each; return the state and whether the licence was held."""
    held = []
    for i, value in enumerate(values):
        state = see(state, glance(start_s + i / 10, value), FAMILIAR)
        state = step(state, ns_from_s(start_s + i / 10), stereo_ok, True, FAMILIAR)
        held.append(state.report.held)
    return state, held


@pytest.mark.parametrize("stereo_ok", [True, False])
def test_unfamiliar_images_withhold_the_licence_within_two_seconds_and_give_it_back(stereo_ok):
    state, held = look(licensed(), [0.5] * 20, 102.0, stereo_ok)
    assert all(held)
    state, held = look(state, [4.0] * 30, 104.0, stereo_ok)
    lost_s = held.index(False) / 10
    assert 0.2 <= lost_s <= 2.0, "a single image does not do it"
    assert not any(held[held.index(False) :])
    assert state.report.reason == "images unlike what was learned (4.0, 1.5 allowed)"
    assert not state.report.frozen
    waiting, held = look(state, [0.5] * 15, 107.0, stereo_ok)
    assert not held[-1]
    assert waiting.report.reason == "mono was out of its depth less than 2 s ago"
    state, held = look(state, [0.5] * 60, 107.0, stereo_ok)
    regained_s = held.index(True) / 10
    assert FAMILIAR.familiar_again_s <= regained_s <= FAMILIAR.familiar_again_s + 1.0
    assert all(held[held.index(True) :])
    assert state.report.frozen == (not stereo_ok)
    assert "unlike" not in state.report.reason


def test_with_a_high_limit_the_same_images_withhold_nothing():
    """Negative control."""
    config = FAMILIAR.model_copy(update={"max_unfamiliarity": 10.0})
    state = licensed()
    for i in range(30):
        state = see(state, glance(102.0 + i / 10, 4.0), config)
        state = step(state, ns_from_s(102.0 + i / 10), True, True, config)
        assert state.report.held


def test_a_glimpse_of_something_strange_withholds_nothing():
    values = ([0.5] * 7 + [9.0] * 3) * 5
    assert all(look(licensed(), values, 102.0)[1])


def test_without_new_images_it_stays_withheld():
    state, _ = look(licensed(), [4.0] * 20, 102.0)
    for later_s in range(1, 15):
        state = step(state, ns_from_s(104.0 + later_s), True, True, FAMILIAR)
        assert not state.report.held


def test_a_model_that_does_not_say_is_not_asked():
    assert all(look(licensed(), [math.nan] * 30, 102.0)[1])


def test_a_licence_that_is_withheld_still_ends_for_want_of_figures():
    state, _ = look(licensed(), [4.0] * 20, 102.0)
    state = state_of(BAD, FAMILIAR, state)
    state, held = look(state, [0.5] * 80, 105.0)
    assert not any(held[40:])
    assert "stops needlessly" in state.report.reason
    assert not state.earned


def test_nothing_is_earned_by_familiar_images_alone():
    assert not any(look(TrustState(), [0.5] * 60, 100.0)[1])


@given(st.lists(st.floats(0, 5) | st.just(math.nan), min_size=1, max_size=80), st.booleans())
def test_no_licence_is_held_on_a_second_of_strange_images(values, stereo_ok):
    state = licensed()
    for i, value in enumerate(values):
        before = state.report.held
        state = see(state, glance(102.0 + i / 10, value), FAMILIAR)
        state = step(state, ns_from_s(102.0 + i / 10), stereo_ok, True, FAMILIAR)
        lately = [v for v in values[max(0, i - 9) : i + 1] if math.isfinite(v)]
        if len(lately) == 10 and np.median(lately) > FAMILIAR.max_unfamiliarity:
            assert not state.report.held
        if state.report.held and not before:
            quiet_s = (ns_from_s(102.0 + i / 10) - state.strange_ns) / 1e9
            assert quiet_s >= FAMILIAR.familiar_again_s - 1e-9
        assert not state.report.frozen or state.report.held


# Uncertainty


def test_uncertainty_is_the_share_by_which_caution_brings_an_obstacle_nearer():
    assert uncertainty(1.5, 1.2) == pytest.approx(0.25)
    for unknown in ((math.nan, 1.0), (1.0, math.nan), (1.0, 0.0)):
        assert math.isnan(uncertainty(*unknown))


def sure_by(normal, state):
    """The state once a version flies that is normally unsure by this share."""
    model = ModelVersion(3, 0, True, b"", "", normal_uncertainty=normal)
    return rescore(state, model, STOP_M, 0.0, CONFIG)


def doubt(state, shares, start_s, stereo_ok=True, config=FAMILIAR):
    """Tick at 10 Hz with an image each; return the state and whether the licence was held."""
    held = []
    for i, share in enumerate(shares):
        state = see(state, glance(start_s + i / 10, 0.5, share), config)
        state = step(state, ns_from_s(start_s + i / 10), stereo_ok, True, config)
        held.append(state.report.held)
    return state, held


@pytest.mark.parametrize("stereo_ok", [True, False])
def test_a_network_that_is_unsure_is_withheld_its_licence_until_it_is_sure_again(stereo_ok):
    state, held = doubt(sure_by(0.2, licensed()), [0.1] * 20, 102.0, stereo_ok)
    assert all(held)
    state, held = doubt(state, [0.5] * 30, 104.0, stereo_ok)
    assert 0.2 <= held.index(False) / 10 <= 2.0, "a single image does not do it"
    assert not any(held[held.index(False) :])
    assert state.report.reason == "mono is unsure (2.5, 1.5 allowed)"
    state, held = doubt(state, [0.1] * 60, 107.0, stereo_ok)
    again_s = held.index(True) / 10
    assert FAMILIAR.familiar_again_s <= again_s <= FAMILIAR.familiar_again_s + 1.0
    assert state.report.frozen == (not stereo_ok)


def test_what_is_normal_for_the_version_withholds_nothing():
    """Negative control: the same shares, of a version that is always so unsure, or that is silent,
    or with a high limit."""
    assert all(doubt(sure_by(0.5, licensed()), [0.5] * 30, 102.0)[1])
    assert all(doubt(sure_by(math.nan, licensed()), [0.5] * 30, 102.0)[1])
    high = FAMILIAR.model_copy(update={"max_uncertainty": 3.0})
    assert all(doubt(sure_by(0.2, licensed()), [0.5] * 30, 102.0, config=high)[1])


def test_a_version_that_does_not_say_is_not_held_to_what_the_last_one_said():
    state, held = doubt(sure_by(0.2, licensed()), [0.5] * 20, 102.0)
    assert not held[-1]
    state, held = doubt(sure_by(math.nan, state), [0.5] * 40, 104.0)
    assert held[-1]
