import itertools

import pytest

from drone.messages import Mode
from drone.onboard.switching import TABLE, Situation, SwitchInputs, situation_from_inputs

MAX_HOLD_S = 5.0
FLYING = {Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO}
RESTS_ON = {
    Mode.STEREO: {"stereo"},
    Mode.TRAINING_WHEELS: {"stereo", "mono"},
    Mode.MONO: {"mono"},
    Mode.HOLD: set(),
    Mode.LAND: set(),
}
"""The cues without which a mode must not fly."""

ALL_INPUTS = [
    SwitchInputs(*facts, hold_s, MAX_HOLD_S)
    for facts in itertools.product([False, True], repeat=4)
    for hold_s in (0.0, 4.99, 5.0, 1e9, float("nan"))
]


def test_every_mode_has_an_answer_to_every_situation():
    assert set(TABLE) == set(itertools.product(Mode, Situation))
    assert set(TABLE.values()) == set(Mode)


@pytest.mark.parametrize("mode", Mode)
def test_the_pilot_always_wins_and_gets_a_hover(mode):
    assert TABLE[mode, Situation.PILOT_FLIES] is Mode.HOLD


@pytest.mark.parametrize("situation", [s for s in Situation if s is not Situation.PILOT_FLIES])
def test_only_the_pilot_ends_a_landing(situation):
    assert TABLE[Mode.LAND, situation] is Mode.LAND


@pytest.mark.parametrize("mode", [m for m in Mode if m is not Mode.LAND])
@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (Situation.VEHICLE_LOST, Mode.HOLD),
        (Situation.BLIND, Mode.HOLD),
        (Situation.BLIND_TOO_LONG, Mode.LAND),
        (Situation.MONO_ONLY, Mode.MONO),
        (Situation.STEREO_ONLY, Mode.STEREO),
        (Situation.BOTH, Mode.TRAINING_WHEELS),
    ],
)
def test_who_flies_depends_on_what_there_is_alone(mode, situation, expected):
    assert TABLE[mode, situation] is expected


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("inputs", ALL_INPUTS)
def test_no_mode_flies_on_what_is_absent(mode, inputs):
    after = TABLE[mode, situation_from_inputs(inputs)]
    present = {cue for cue, ok in (("stereo", inputs.stereo_ok), ("mono", inputs.mono_ok)) if ok}
    assert RESTS_ON[after] <= present
    if after in FLYING:
        assert inputs.permitted
        assert inputs.vehicle_ok
    if not inputs.permitted:
        assert after is Mode.HOLD


@pytest.mark.parametrize("inputs", ALL_INPUTS)
def test_landing_begins_only_after_a_long_hold_that_still_has_a_cause(inputs):
    lands = TABLE[Mode.HOLD, situation_from_inputs(inputs)] is Mode.LAND
    has_cause = not inputs.vehicle_ok or not (inputs.stereo_ok or inputs.mono_ok)
    assert lands == (inputs.permitted and has_cause and inputs.hold_s >= MAX_HOLD_S)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (SwitchInputs(False, False, False, False, 9.0, MAX_HOLD_S), Situation.PILOT_FLIES),
        (SwitchInputs(True, False, False, False, 5.0, MAX_HOLD_S), Situation.BLIND_TOO_LONG),
        (SwitchInputs(True, False, True, True, 4.9, MAX_HOLD_S), Situation.VEHICLE_LOST),
        (SwitchInputs(True, True, False, False, 4.9, MAX_HOLD_S), Situation.BLIND),
        (SwitchInputs(True, True, False, True, 9.0, MAX_HOLD_S), Situation.MONO_ONLY),
        (SwitchInputs(True, True, True, False, 9.0, MAX_HOLD_S), Situation.STEREO_ONLY),
        (SwitchInputs(True, True, True, True, 9.0, MAX_HOLD_S), Situation.BOTH),
    ],
)
def test_the_most_pressing_situation_counts(inputs, expected):
    assert situation_from_inputs(inputs) is expected
