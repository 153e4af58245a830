import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import SwitchingConfig
from drone.messages import Asked, Cue, Mode
from drone.onboard.switching import (
    MEANINGS,
    STRATEGIES,
    Situation,
    SwitchInputs,
    handed_over,
    mono_drawn,
    situation_from_inputs,
    uniform,
)

MAX_HOLD_S = 5.0
FLYING = {Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO}
RESTS_ON = {
    Mode.STEREO: {Cue.STEREO},
    Mode.TRAINING_WHEELS: {Cue.STEREO, Cue.MONO},
    Mode.MONO: {Cue.MONO},
    Mode.HOLD: set(),
    Mode.LAND: set(),
}
"""The cues without which a mode must not fly."""
H, L, S, T, M = Mode.HOLD, Mode.LAND, Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO
EXPECTED = {
    # pilot, asked to land, blind too long, vehicle lost, blind, asked to hold, handed over,
    # mono only, stereo only, drawn, both
    "training_wheels": (H, L, L, H, H, H, M, M, S, T, T),
    "dagger": (H, L, L, H, H, H, M, M, S, M, S),
    "cold_turkey": (H, L, L, H, H, H, M, M, S, S, S),
    "stereo_only": (H, L, L, H, H, H, H, H, S, S, S),
    "mono_only": (H, L, L, H, H, H, M, M, H, M, M),
}
"""From every mode but LAND, in the order of `Situation` by priority."""
BY_PRIORITY = list(Situation)
HOLD_S = (0.0, 4.99, 5.0, 1e9, float("nan"))
ALL_INPUTS = [
    SwitchInputs(*facts, hold_s, MAX_HOLD_S, asked)
    for facts in itertools.product([False, True], repeat=7)
    for asked in Asked
    for hold_s in HOLD_S
]

each_strategy = pytest.mark.parametrize("name", STRATEGIES)


def made(**changes):
    facts = {
        "permitted": True,
        "vehicle_ok": True,
        "stereo_ok": True,
        "mono_ok": True,
        "sighted": True,
        "handed_over": False,
        "mono_drawn": False,
        "hold_s": 0.0,
        "max_hold_s": MAX_HOLD_S,
    }
    return SwitchInputs(**facts | changes)


def test_there_is_a_table_for_every_strategy_that_can_be_configured():
    for name in STRATEGIES:
        assert SwitchingConfig(strategy=name).strategy == name
    assert set(STRATEGIES) == set(EXPECTED)


def test_every_situation_has_a_meaning():
    assert set(MEANINGS) == set(Situation)


@each_strategy
def test_every_mode_has_an_answer_to_every_situation(name):
    assert set(STRATEGIES[name].table) == set(itertools.product(Mode, Situation))


@each_strategy
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("situation", Situation)
def test_where_each_mode_goes_in_each_situation(name, mode, situation):
    after = STRATEGIES[name].table[mode, situation]
    if mode is Mode.LAND:
        assert after is (Mode.HOLD if situation is Situation.PILOT_FLIES else Mode.LAND)
    else:
        assert after is EXPECTED[name][BY_PRIORITY.index(situation)]


@each_strategy
@pytest.mark.parametrize("mode", Mode)
def test_no_mode_flies_on_what_is_absent(name, mode):
    strategy = STRATEGIES[name]
    for inputs in ALL_INPUTS:
        after = strategy.table[mode, situation_from_inputs(inputs, strategy)]
        cues = ((Cue.STEREO, inputs.stereo_ok), (Cue.MONO, inputs.mono_ok))
        present = {cue for cue, ok in cues if ok and inputs.sighted}
        assert RESTS_ON[after] <= present & strategy.cues
        if after in FLYING:
            assert inputs.permitted
            assert inputs.vehicle_ok
            assert inputs.asked is Asked.NOTHING
        if not inputs.permitted:
            assert after is Mode.HOLD
        if inputs.handed_over and after in FLYING:
            assert after is Mode.MONO, "stereo was let go"


@each_strategy
def test_landing_begins_when_asked_or_after_a_long_hold_that_still_has_a_cause(name):
    strategy = STRATEGIES[name]
    for inputs in ALL_INPUTS:
        situation = situation_from_inputs(inputs, strategy)
        lands = strategy.table[Mode.HOLD, situation] is Mode.LAND
        stereo = inputs.stereo_ok and Cue.STEREO in strategy.cues and not inputs.handed_over
        mono = inputs.mono_ok and Cue.MONO in strategy.cues
        has_cause = not (inputs.vehicle_ok and inputs.sighted and (stereo or mono))
        too_long = has_cause and inputs.hold_s >= MAX_HOLD_S
        assert lands == (inputs.permitted and (too_long or inputs.asked is Asked.LAND))


@each_strategy
@pytest.mark.parametrize("mode", Mode)
def test_what_is_asked_only_makes_things_safer(name, mode):
    """It never brings anything but HOLD or LAND, and never takes LAND away."""
    strategy = STRATEGIES[name]
    for inputs in ALL_INPUTS:
        unasked = inputs._replace(asked=Asked.NOTHING)
        after = strategy.table[mode, situation_from_inputs(inputs, strategy)]
        before = strategy.table[mode, situation_from_inputs(unasked, strategy)]
        assert after is before or after in (Mode.HOLD, Mode.LAND)
        assert before is not Mode.LAND or after is Mode.LAND


@each_strategy
def test_a_hold_that_lasts_is_one_that_is_counted(name):
    """No situation holds a drone in the air for ever without somebody who wants it."""
    strategy = STRATEGIES[name]
    for inputs in ALL_INPUTS:
        if inputs.permitted and inputs.asked is not Asked.HOLD and inputs.hold_s >= MAX_HOLD_S:
            situation = situation_from_inputs(inputs, strategy)
            assert strategy.table[Mode.HOLD, situation] is not Mode.HOLD


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"permitted": False, "vehicle_ok": False, "hold_s": 9.0}, Situation.PILOT_FLIES),
        ({"vehicle_ok": False, "stereo_ok": False, "hold_s": 5.0}, Situation.BLIND_TOO_LONG),
        ({"vehicle_ok": False, "hold_s": 4.9}, Situation.VEHICLE_LOST),
        ({"stereo_ok": False, "mono_ok": False, "hold_s": 4.9}, Situation.BLIND),
        ({"vehicle_ok": False, "asked": Asked.LAND}, Situation.ASKED_TO_LAND),
        ({"permitted": False, "asked": Asked.LAND}, Situation.PILOT_FLIES),
        ({"sighted": False, "asked": Asked.HOLD}, Situation.BLIND),
        ({"handed_over": True, "asked": Asked.HOLD}, Situation.ASKED_TO_HOLD),
        ({"sighted": False}, Situation.BLIND),
        ({"sighted": False, "hold_s": 5.0}, Situation.BLIND_TOO_LONG),
        ({"handed_over": True}, Situation.HANDED_OVER),
        ({"handed_over": True, "mono_ok": False}, Situation.BLIND),
        ({"stereo_ok": False, "hold_s": 9.0}, Situation.MONO_ONLY),
        ({"mono_ok": False, "hold_s": 9.0}, Situation.STEREO_ONLY),
        ({"mono_drawn": True}, Situation.MONO_DRAWN),
        ({"hold_s": 9.0}, Situation.BOTH),
    ],
)
def test_the_most_pressing_situation_counts(changes, expected):
    strategy = STRATEGIES["training_wheels"]
    assert situation_from_inputs(made(**changes), strategy) is expected


# Handing over


@pytest.mark.parametrize(
    ("strategy", "handover_s", "expected_s", "asks"),
    [
        ("training_wheels", None, None, True),
        ("training_wheels", 60.0, 60.0, False),
        ("dagger", None, None, True),
        ("dagger", 60.0, 60.0, False),
        ("cold_turkey", None, 120.0, False),
        ("cold_turkey", 60.0, 60.0, False),
        ("stereo_only", None, None, True),
        ("mono_only", None, 0.0, False),
    ],
)
def test_when_mono_is_given_control(strategy, handover_s, expected_s, asks):
    config = SwitchingConfig(strategy=strategy, handover_s=handover_s)
    assert config.handed_over_s == expected_s
    assert config.asks_for_licence == asks
    times_s = (0.0, 59.9, 60.0, 119.9, 120.0, 1e6)
    after = [handed_over(ns_from_s(t), config) for t in times_s]
    assert after == [expected_s is not None and t >= expected_s for t in times_s]


@pytest.mark.parametrize("strategy", ["stereo_only", "mono_only"])
def test_a_handover_that_never_comes_is_refused(strategy):
    with pytest.raises(ValueError, match=f"which {strategy} never does"):
        SwitchingConfig(strategy=strategy, handover_s=10.0)


# Dagger's draws


def turns(config, count, offset_s=0.0):
    turn_s = config.dagger_turn_s
    return [mono_drawn(ns_from_s(k * turn_s + offset_s), config) for k in range(count)]


def test_stereo_flies_first_and_mono_in_the_end():
    drawn = [
        turns(SwitchingConfig(strategy="dagger", dagger_seed=seed), 400) for seed in range(200)
    ]
    assert not any(flight[0] for flight in drawn)
    shares = [sum(flight[k] for flight in drawn) / len(drawn) for k in range(400)]
    for turn in (12, 24, 36):  # one, two and three half-lives of 60 s
        assert shares[turn] == pytest.approx(1 - 0.5 ** (turn / 12), abs=0.12)
    assert all(flight[399] for flight in drawn)


def test_whoever_is_drawn_stays_for_the_whole_turn():
    config = SwitchingConfig(strategy="dagger", dagger_seed=3)
    assert turns(config, 50) == turns(config, 50, 2.5) == turns(config, 50, 4.999)


def test_a_seed_draws_its_own_turns_again_and_again():
    one, two = (SwitchingConfig(strategy="dagger", dagger_seed=seed) for seed in (1, 2))
    assert turns(one, 50) == turns(one, 50)
    assert turns(one, 50) != turns(two, 50)


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n != "dagger"])
def test_no_other_strategy_draws(name):
    assert not any(turns(SwitchingConfig(strategy=name), 200))


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_a_draw_is_a_share(seed, counter):
    assert 0 <= uniform(seed, counter) < 1


def test_draws_are_those_of_splitmix64():
    """Known answer: the reference code's first outputs for the state that seed 0 gives here."""
    state, expected = 0xE220A8397B1DCDAF, []
    for _ in range(3):
        z = state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        expected.append(((z ^ (z >> 31)) >> 11) / 2**53)
    assert [uniform(0, k) for k in range(3)] == expected


def test_draws_are_even_and_neighbours_are_unrelated():
    values = [uniform(7, k) for k in range(4000)]
    assert sum(values) / len(values) == pytest.approx(0.5, abs=0.02)
    products = [(a - 0.5) * (b - 0.5) for a, b in itertools.pairwise(values)]
    assert sum(products) / len(products) == pytest.approx(0.0, abs=0.005)
