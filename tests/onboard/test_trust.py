import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import TrustConfig
from drone.messages import ModelVersion
from drone.onboard.trust import (
    Pair,
    TrustState,
    add_pair,
    rescore,
    see,
    step,
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
    state, changes = run(replace(state_of(GOOD), changed_ns=ns_from_s(100.0)), 2.0)
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
        state = replace(state, evidence=figures[0], point=figures[1])
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


def test_figures_without_new_labels_count_no_more():
    """Negative control: with labels that go on coming, the licence stays."""
    config = CONFIG.model_copy(update={"max_unlabelled_s": 5.0})
    for labels_go_on in (True, False):
        state = state_of(GOOD, config)
        for now_s in range(3, 20):
            if labels_go_on:
                free = Pair(100 + now_s, ns_from_s(now_s), 3.0, 3.0, 3.0)
                state = add_pair(state, free, STOP_M, config)
            state = step(state, ns_from_s(now_s), True, True, config)
        assert state.report.held == labels_go_on
    assert "no label for 5 s" in state.report.reason


# Familiarity

FAMILIAR = TrustConfig(**{**CONFIG.model_dump(), "max_unfamiliarity": 1.5, "familiar_again_s": 2.0})


def look(state, values, start_s, stereo_ok=True):
    """Tick at 10 Hz with an image each; return the state and whether the licence was held."""
    held = []
    for i, value in enumerate(values):
        state = see(state, ns_from_s(start_s + i / 10), value, FAMILIAR)
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
        state = see(state, ns_from_s(102.0 + i / 10), 4.0, config)
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
        state = see(state, ns_from_s(102.0 + i / 10), value, FAMILIAR)
        state = step(state, ns_from_s(102.0 + i / 10), stereo_ok, True, FAMILIAR)
        lately = [v for v in values[max(0, i - 9) : i + 1] if math.isfinite(v)]
        if len(lately) == 10 and np.median(lately) > FAMILIAR.max_unfamiliarity:
            assert not state.report.held
        if state.report.held and not before:
            quiet_s = (ns_from_s(102.0 + i / 10) - state.strange_ns) / 1e9
            assert quiet_s >= FAMILIAR.familiar_again_s - 1e-9
        assert not state.report.frozen or state.report.held
