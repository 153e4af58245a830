import dataclasses
import json
import math

import pytest
from bits import bits
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotcases import CONFIG, FRAME_S, TICK_S, Flight, estimate, label, vehicle

from drone.clock import NS_PER_S, ns_from_s
from drone.config import PilotConfig
from drone.errors import UserError
from drone.messages import (
    Asked,
    Cue,
    Eye,
    FrameCheck,
    HealthEvent,
    Mode,
    ModelVersion,
    Tick,
    TrustReport,
)
from drone.onboard.clearance import imminent_m, speed_scale
from drone.onboard.limiter import stop_command
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide
from drone.onboard.pilotstate import Sight

FLYING = (Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO)
SWITCHING = CONFIG.switching
BLACK_PAIR = {"left": "black", "right": "black"}


def modes(decisions):
    """The modes in order, without repeats."""
    changes = [
        d.mode for i, d in enumerate(decisions) if i == 0 or d.mode is not decisions[i - 1].mode
    ]
    return [m.value for m in changes]


# Scenarios: stereo


def test_stereo_flies_and_stops_where_it_must():
    flight = Flight()
    flight.fly(1.0)
    assert flight.state.mode is Mode.STEREO
    free = flight.tick()
    assert (free.cue, free.command.forward_mps, free.blocked) == (Cue.STEREO, 0.5, False)
    flight.tick(stereo_m=0.99)
    near = flight.tick(stereo_m=0.99)
    assert (near.blocked, near.command.forward_mps) == (True, 0.0)
    assert (near.stereo_obstacle_m, near.obstacle_m) == (0.99, 0.99)


@pytest.mark.parametrize("eye", ["left", "right"])
def test_stereo_off_from_the_start_never_flies(eye):
    flight = Flight()
    decisions = flight.fly(8.0, **{eye: "black"})
    assert modes(decisions) == ["stereo", "hold", "land"]
    assert all(d.command.forward_mps == 0 for d in decisions)


def test_without_frames_from_the_start_it_holds_and_lands():
    flight = Flight()
    decisions = flight.fly(8.0, silent=True)
    assert modes(decisions) == ["stereo", "hold", "land"]
    assert all(d.command.forward_mps == 0 for d in decisions)


@pytest.mark.parametrize("eye", ["left", "right"])
def test_stereo_off_midway_without_trust_holds_then_lands(eye):
    flight = Flight()
    flight.fly(2.0)
    hold_s = flight.until(Mode.HOLD, **{eye: "black"})
    assert SWITCHING.blind_s - TICK_S <= hold_s <= 0.5
    land_s = flight.until(Mode.LAND, **{eye: "black"})
    assert land_s == pytest.approx(SWITCHING.hold_s, abs=1.5 * TICK_S)
    landing = flight.tick(**{eye: "black"})
    assert (landing.command.forward_mps, landing.command.down_mps) == (0.0, 0.3)
    assert landing.manoeuvre == "land"


@pytest.mark.parametrize("eye", ["left", "right"])
@pytest.mark.parametrize("trouble", ["black", "white", "missing"])
def test_stereo_off_midway_with_trust_leaves_mono_flying_on_a_frozen_licence(eye, trouble):
    flight = Flight().earn_trust()
    threshold_m = flight.state.trust.report.threshold_m
    lost = {eye: trouble, "mono_m": 3.0}
    switch_s = flight.until(Mode.MONO, **lost)
    assert SWITCHING.stereo_lost_s <= switch_s <= SWITCHING.stereo_lost_s + 2 * FRAME_S
    decisions = flight.fly(5.0, **lost)
    assert modes(decisions) == ["mono"]
    last = decisions[-1]
    assert (last.trust.held, last.trust.frozen) == (True, True)
    assert last.trust.threshold_m == threshold_m
    assert (last.cue, last.command.forward_mps) == (Cue.MONO, 0.5)
    flight.tick(**lost | {"mono_m": 0.5 * threshold_m})
    blocked = flight.tick(**lost | {"mono_m": 0.5 * threshold_m})
    assert (blocked.blocked, blocked.command.forward_mps) == (True, 0.0)


def test_the_frozen_licence_ends():
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, right="black", mono_m=3.0)
    frozen_s = flight.until(Mode.HOLD, right="black", mono_m=3.0)
    assert frozen_s == pytest.approx(CONFIG.trust.max_frozen_s, abs=2 * TICK_S)
    flight.until(Mode.LAND, right="black", mono_m=3.0)


@pytest.mark.parametrize("spoilt", [{"right": "black"}, {"left": "white"}, BLACK_PAIR])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_spike_of_one_frame_changes_no_mode(spoilt, trusted):
    flight = Flight().earn_trust() if trusted else Flight()
    mono = {"mono_m": 3.0 if trusted else None}
    flight.fly(2.0, **mono)
    mode = flight.state.mode
    decisions = [*flight.fly(2 * TICK_S, **spoilt, **mono), *flight.fly(2.0, **mono)]
    assert modes(decisions) == [mode]


def test_a_spoilt_frame_has_no_distance_and_the_next_one_has():
    flight = Flight()
    flight.fly(1.0)
    spoilt = flight.fly(2 * TICK_S, right="black")[-1]
    assert math.isnan(spoilt.stereo_obstacle_m)
    assert spoilt.command.forward_mps == 0.0
    assert flight.fly(2 * TICK_S)[-1].stereo_obstacle_m == 3.0


def test_both_eyes_gone_holds_and_lands_whatever_was_trusted():
    flight = Flight().earn_trust()
    flight.until(Mode.HOLD, **BLACK_PAIR, mono_m=3.0)
    flight.until(Mode.LAND, **BLACK_PAIR, mono_m=3.0)


@pytest.mark.parametrize("trusted", [False, True])
def test_silence_stops_at_once_then_holds_then_lands(trusted):
    flight = Flight().earn_trust() if trusted else Flight()
    flight.fly(1.0, mono_m=3.0)
    decisions = flight.fly(8.0, silent=True)
    stale = [d for d in decisions if d.stamp_ns - decisions[0].stamp_ns > ns_from_s(0.4)]
    assert all(d.command.forward_mps == 0 for d in stale)
    assert modes(decisions)[-2:] == ["hold", "land"]
    flying_s = sum(d.mode in FLYING for d in decisions) * TICK_S
    assert flying_s <= SWITCHING.stale_s + 0.5


@pytest.mark.parametrize("frozen", [("right",), ("left",), ("left", "right")])
def test_a_frozen_image_is_a_lost_eye(frozen):
    """The pixels of an eye repeat; what stereo makes of such a pair is no label."""
    flight = Flight()
    flight.fly(2.0)
    pairs = len(flight.state.trust.evidence.pairs)
    hold_s = flight.until(Mode.HOLD, frozen=frozen, mono_m=3.0)
    assert hold_s <= 0.5 + FRAME_S, "the first repeat is only known as one when it comes"
    assert "frozen" in flight.decisions[-1].reason
    assert len(flight.state.trust.evidence.pairs) <= pairs + 1
    flight.fly(1.0, frozen=frozen, mono_m=3.0)
    assert len(flight.state.trust.evidence.pairs) <= pairs + 1


def test_mono_never_flies_on_a_frozen_image():
    """Its distance would stay free for ever."""
    flight = Flight().earn_trust()
    decisions = flight.fly(3.0, frozen=("left",), mono_m=3.0)
    settled = decisions[round(1.0 / TICK_S) :]
    assert all(d.command.forward_mps == 0 for d in settled)
    assert modes(settled) == ["hold"]


def test_mono_flies_on_the_left_image_when_the_right_one_is_frozen():
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, frozen=("right",), mono_m=3.0)
    assert modes(flight.fly(3.0, frozen=("right",), mono_m=3.0)) == ["mono"]


def test_a_frozen_pair_stops_the_drone_before_it_is_given_up():
    flight = Flight()
    flight.fly(2.0)
    decisions = flight.fly(0.4, frozen=("right",))
    assert modes(decisions) == ["stereo"]
    assert math.isnan(decisions[-1].stereo_obstacle_m)
    assert decisions[-1].command.forward_mps == 0.0


def test_what_the_camera_driver_reports_is_believed_though_the_images_look_well():
    flight = Flight().earn_trust()
    pairs = len(flight.state.trust.evidence.pairs)

    def event(active):
        return (HealthEvent(0, flight.now_ns, True, Eye.RIGHT, "out of sync", active),)

    flight.tick(mono_m=3.0, health=event(True))
    flight.until(Mode.MONO, mono_m=3.0)
    flight.fly(5.0, mono_m=3.0)
    assert flight.state.mode is Mode.MONO
    assert len(flight.state.trust.evidence.pairs) <= pairs + 1, "no teacher, no test"
    flight.tick(mono_m=3.0, health=event(False))
    back_s = flight.until(Mode.TRAINING_WHEELS, mono_m=3.0)
    assert back_s == pytest.approx(SWITCHING.stereo_back_s, abs=3 * FRAME_S)


def test_stereo_is_believed_again_only_after_a_while():
    flight = Flight()
    flight.fly(1.0)
    flight.fly(1.0, right="black")
    back_s = flight.until(Mode.STEREO)
    assert SWITCHING.stereo_back_s <= back_s <= SWITCHING.stereo_back_s + 3 * FRAME_S


def lost_and_back(config=CONFIG, **frame):
    """Lose the right eye of a flight that mono flies, and get a pair back that says this."""
    flight = Flight(config).earn_trust()
    flight.fly(2.0, right="black", mono_m=3.0)
    assert flight.state.mode is Mode.MONO
    pairs = len(flight.state.trust.evidence.pairs)
    flight.fly(3 * SWITCHING.stereo_back_s, mono_m=3.0, **frame)
    return flight, len(flight.state.trust.evidence.pairs) - pairs


@pytest.mark.parametrize("stereo_m", [1.5, 5.0, math.inf, math.nan])
def test_a_pair_that_comes_back_and_disagrees_with_trusted_mono_is_not_believed(stereo_m):
    """One eye has shifted: nothing is wrong with its images, and its labels are valid."""
    flight, learned = lost_and_back(stereo_m=stereo_m)
    assert flight.state.mode is Mode.MONO
    assert flight.decisions[-1].reason == "eyes unproved"
    assert learned == 0, "no teacher, no test"
    back_s = flight.until(Mode.TRAINING_WHEELS, mono_m=3.0, stereo_m=3.3)
    assert back_s <= 2 * SWITCHING.stereo_back_s + 3 * FRAME_S


def test_negative_control_without_the_proof_the_shifted_pair_flies_and_teaches():
    credulous = CONFIG.model_copy(
        update={"health": CONFIG.health.model_copy(update={"agree_ratio": 1e3})}
    )
    flight, learned = lost_and_back(credulous, stereo_m=5.0)
    assert flight.state.mode is Mode.TRAINING_WHEELS
    assert learned > 0


def test_a_pair_that_agrees_in_most_frames_is_believed_again():
    flight = Flight().earn_trust()
    flight.fly(2.0, right="black", mono_m=3.0)
    for _ in range(round(SWITCHING.stereo_back_s / FRAME_S) + 3):
        outlier = flight.seq % 10 in (0, 4)
        flight.fly(FRAME_S, mono_m=3.0, stereo_m=9.0 if outlier else 3.0)
    assert flight.state.mode is Mode.TRAINING_WHEELS


def test_a_relapse_starts_the_wait_anew():
    flight = Flight()
    flight.fly(1.0)
    flight.fly(0.6, right="black")
    flight.fly(0.6)
    flight.fly(2 * TICK_S, right="black")
    assert flight.until(Mode.STEREO) >= SWITCHING.stereo_back_s


def test_sight_that_was_gone_for_a_moment_must_last_before_it_counts_again():
    """Too short to lose an eye, too long to fly on."""
    flight = Flight()
    flight.fly(1.0)
    flight.until(Mode.HOLD, **BLACK_PAIR)
    assert flight.state.health.stereo_ok
    assert flight.until(Mode.STEREO) == pytest.approx(SWITCHING.back_s, abs=2 * FRAME_S)


def test_a_frozen_licence_becomes_a_live_one_when_stereo_is_back():
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, right="black", mono_m=3.0)
    flight.until(Mode.TRAINING_WHEELS, mono_m=3.0)
    assert flight.decisions[-1].trust.held
    assert not flight.decisions[-1].trust.frozen


# Scenarios: trust and the guard


def test_mono_that_is_wrong_never_flies():
    """It says free where stereo says near, and near where stereo says free."""
    flight = Flight()
    for _ in range(5):
        flight.fly(1.0, stereo_m=0.6, mono_m=3.0)
        flight.fly(1.0, stereo_m=3.0, mono_m=0.6)
    assert modes(flight.decisions) == ["stereo"]
    assert math.isnan(flight.state.trust.report.fpr) or flight.state.trust.report.fpr > 0.4


def test_without_a_model_stereo_flies_on():
    flight = Flight()
    for distance_m in (3.0, 0.6, 3.0):
        flight.fly(3.0, stereo_m=distance_m)
    assert modes(flight.decisions) == ["stereo"]


def test_a_strategy_without_mono_never_lets_it_fly():
    switching = SWITCHING.model_copy(update={"strategy": "stereo_only"})
    flight = Flight(CONFIG.model_copy(update={"switching": switching}))
    for distance_m in (3.0, 0.6, 3.0, 3.0):
        flight.fly(3.0, stereo_m=distance_m, mono_m=distance_m)
    assert modes(flight.decisions) == ["stereo"]
    assert modes(flight.fly(5.0, right="black", mono_m=3.0)) == ["stereo", "hold", "land"]


def flight_by(strategy, **rules):
    switching = {**SWITCHING.model_dump(), "strategy": strategy, **rules}
    return Flight(PilotConfig.model_validate({**CONFIG.model_dump(), "switching": switching}))


def see_alike(flight, duration_s, distances=(3.0, 0.6, 3.0)):
    """Fly, mono seeing what stereo sees."""
    decisions = []
    for distance_m in distances:
        decisions += flight.fly(duration_s / len(distances), stereo_m=distance_m, mono_m=distance_m)
    return decisions


def test_cold_turkey_hands_over_at_its_time_licence_or_not():
    flight = flight_by("cold_turkey", handover_s=6.0)
    decisions = flight.fly(12.0, stereo_m=3.0, mono_m=2.0)
    assert modes(decisions) == ["stereo", "mono"]
    handed = next(d for d in decisions if d.mode is Mode.MONO)
    assert handed.stamp_ns - decisions[0].stamp_ns == ns_from_s(6.0)
    assert not handed.trust.held
    assert "without a licence" in handed.reason
    assert handed.cue is Cue.MONO
    assert handed.command.forward_mps == pytest.approx(SWITCHING.mono_speed * 0.5)


def test_after_the_handover_stereo_neither_guards_nor_comes_back():
    flight = flight_by("cold_turkey", handover_s=1.0)
    flight.fly(2.0, stereo_m=3.0, mono_m=3.0)
    pairs = flight.state.trust.evidence.pairs
    decisions = flight.fly(1.0, stereo_m=0.2, mono_m=3.0)
    assert not any(d.blocked or d.override for d in decisions)
    assert flight.state.trust.evidence.pairs == pairs, "what was let go measures nothing"
    decisions = flight.fly(5.0, stereo_m=3.0, mono_m=math.nan)
    assert modes(decisions) == ["mono", "hold", "land"]
    assert "mono does not answer" in {d.reason for d in decisions if d.mode is Mode.HOLD}


def test_mono_that_was_never_measured_stops_where_stereo_would():
    flight = flight_by("cold_turkey", handover_s=0.0)
    assert not flight.fly(0.1, stereo_m=math.nan, mono_m=1.01)[-1].blocked
    assert flight.fly(0.1, stereo_m=math.nan, mono_m=0.99)[-1].blocked


@pytest.mark.parametrize("strategy", ["training_wheels", "dagger", "cold_turkey"])
def test_every_strategy_can_hand_over_at_the_same_time(strategy):
    flight = flight_by(strategy, handover_s=10.0, dagger_half_s=5.0, dagger_turn_s=1.0)
    decisions = flight.fly(14.0, stereo_m=3.0, mono_m=2.0)
    later = [d.mode for d in decisions if d.stamp_ns - decisions[0].stamp_ns >= ns_from_s(10.0)]
    assert set(later) == {Mode.MONO}
    assert not any(d.trust.held for d in decisions)
    before = {d.mode for d in decisions[: -len(later)]}
    assert (
        before
        == {
            "training_wheels": {Mode.TRAINING_WHEELS},
            "dagger": {Mode.STEREO, Mode.MONO},
            "cold_turkey": {Mode.STEREO},
        }[strategy]
    )


def test_dagger_changes_turns_between_the_two_and_stereo_guards_none():
    flight = flight_by("dagger", dagger_half_s=20.0, dagger_turn_s=2.0)
    see_alike(flight, 9.0)
    flight.fly(4.0, stereo_m=3.0, mono_m=3.0)
    assert flight.state.trust.report.held
    decisions = flight.fly(40.0, stereo_m=3.0, mono_m=3.0)
    assert set(modes(decisions)) == {"stereo", "mono"}
    assert len(modes(decisions)) > 3
    assert all(d.trust.held for d in decisions if d.mode is Mode.MONO)
    flight.until(Mode.STEREO, stereo_m=3.0, mono_m=3.0)
    flight.until(Mode.MONO, stereo_m=3.0, mono_m=3.0)
    unguarded = flight.fly(2 * TICK_S, stereo_m=0.2, mono_m=3.0)[-1]
    assert (unguarded.mode, unguarded.override, unguarded.blocked) == (Mode.MONO, False, False)


def test_dagger_without_a_licence_leaves_mono_out():
    flight = flight_by("dagger", dagger_half_s=0.1, dagger_turn_s=1.0)
    assert modes(flight.fly(20.0, stereo_m=3.0, mono_m=2.0)) == ["stereo"]


def test_one_eye_and_a_model_fly_by_mono_alone():
    flight = flight_by("mono_only")
    decisions = flight.fly(5.0, right="missing", mono_m=3.0)
    assert modes(decisions) == ["mono"]
    assert decisions[-1].command.forward_mps == pytest.approx(SWITCHING.mono_speed * 0.5)
    assert modes(flight.fly(5.0, left="black", right="missing", mono_m=3.0)) == [
        "mono",
        "hold",
        "land",
    ]


def test_mono_only_without_a_model_holds_and_lands():
    flight = flight_by("mono_only")
    assert modes(flight.fly(6.0, stereo_m=3.0)) == ["hold", "land"]


def test_mono_only_holds_where_the_images_are_strange():
    flight = flight_by("mono_only", hold_s=10.0)
    flight.fly(1.0, mono_m=3.0)
    strange = flight.fly(0.3, mono_m=3.0, unfamiliarity=9.0)[-1]
    assert strange.mode is Mode.HOLD
    assert strange.reason == "images unlike what was learned"
    flight.fly(4.0, mono_m=3.0, unfamiliarity=0.5)
    assert flight.state.mode is Mode.MONO


LOST = {"right": "black", "mono_m": 3.0}


def test_out_of_its_depth_alone_it_turns_to_see_something_else_and_flies_on():
    flight = Flight().earn_trust()
    flight.fly(2.0, **LOST)
    assert flight.state.mode is Mode.MONO
    flight.until(Mode.HOLD, **LOST, unfamiliarity=9.0)
    held = flight.fly(2.0, **LOST, unfamiliarity=9.0)
    assert {d.manoeuvre for d in held} == {"search"}
    rate = flight.state.avoidance.side * math.radians(SWITCHING.search_rate_degps)
    assert {d.command.yaw_rate_radps for d in held} == {rate}
    assert {(d.command.forward_mps, d.command.right_mps) for d in held} == {(0.0, 0.0)}
    known = flight.fly(SWITCHING.search_s, **LOST, unfamiliarity=0.5)
    still = [d for d in known if d.mode is Mode.HOLD][-20:]
    assert {d.command.yaw_rate_radps for d in still} == {0.0}, "what is known stays in view"
    assert modes(known) == ["hold", "mono"]


def test_a_search_that_finds_nothing_ends_in_landing():
    flight = Flight().earn_trust()
    flight.fly(2.0, **LOST)
    flight.until(Mode.HOLD, **LOST, unfamiliarity=9.0)
    lands_s = flight.until(Mode.LAND, **LOST, unfamiliarity=9.0)
    assert lands_s == pytest.approx(SWITCHING.search_s, abs=2 * TICK_S)
    assert flight.decisions[-1].command.yaw_rate_radps == 0


def test_it_searches_only_where_an_eye_sees_and_mono_had_earned_control():
    flight = Flight().earn_trust()
    flight.fly(2.0, **LOST)
    flight.until(Mode.HOLD, **LOST, unfamiliarity=9.0)
    flight.fly(6.0, **LOST, unfamiliarity=9.0)
    blind = {"left": "black", "right": "black", "mono_m": 3.0}
    assert flight.until(Mode.LAND, **blind) <= SWITCHING.stale_s + 2 * TICK_S
    lost = Flight().earn_trust()
    lost.fly(2.0, **LOST)
    lost.until(Mode.HOLD, **LOST, unfamiliarity=9.0)
    lost.fly(6.0, **LOST, unfamiliarity=9.0)
    lands_s = lost.until(Mode.LAND, **LOST, unfamiliarity=9.0, alive=None)
    assert lands_s <= SWITCHING.stale_s + 2 * TICK_S, "nobody knows where it turns to"
    never = Flight()
    never.fly(3.0, stereo_m=3.0, mono_m=3.0)
    held = never.fly(4.0, **LOST, unfamiliarity=9.0)
    assert {d.command.yaw_rate_radps for d in held if d.mode is Mode.HOLD} == {0.0}


def test_with_training_wheels_mono_decides():
    flight = Flight().earn_trust()
    assert flight.decisions[-1].cue is Cue.MONO
    flight.fly(0.2, stereo_m=3.0, mono_m=0.3)
    stopped = flight.decisions[-1]
    assert (stopped.cue, stopped.blocked, stopped.override) == (Cue.MONO, True, False)
    assert stopped.command.forward_mps == 0.0


@pytest.mark.parametrize(
    ("stereo_m", "mono_m", "blocked", "override"),
    [
        (3.0, 3.0, False, False),
        (0.9, 3.0, False, False),  # near, yet no imminent collision: mono's to judge
        (0.7, 3.0, True, True),
        (0.7, 0.3, True, False),  # mono stops by itself
        (3.0, 0.3, True, False),
        (math.nan, 3.0, False, False),
        (0.7, math.nan, True, False),  # mono says nothing: stereo flies, that is no override
    ],
)
def test_stereo_overrides_only_where_mono_would_fly_on(stereo_m, mono_m, blocked, override):
    flight = Flight().earn_trust()
    decision = next(
        d
        for d in (flight.tick(stereo_m=stereo_m, mono_m=mono_m) for _ in range(2))
        if flight.seq % 2
    )
    assert decision.mode is Mode.TRAINING_WHEELS
    assert (decision.blocked, decision.override) == (blocked, override)
    assert (decision.command.forward_mps == 0) == blocked


@pytest.mark.parametrize(
    ("stereo_m", "both_m", "cue", "blocked", "override"),
    [
        (3.0, 3.0, Cue.MONO, False, False),
        (3.0, 0.5, Cue.BOTH, True, False),  # a plain thing beside what stereo sees
        (math.nan, 0.5, Cue.BOTH, True, False),  # a plain wall
        (0.5, 0.4, Cue.STEREO, True, True),  # stereo would have stopped it by itself
        (0.5, math.nan, Cue.STEREO, True, True),
        (0.5, 3.0, Cue.STEREO, True, True),  # never the farther
    ],
)
def test_where_stereo_is_silent_the_nearer_of_the_two_decides(
    stereo_m, both_m, cue, blocked, override
):
    flight = Flight().earn_trust()
    decision = flight.fly(2 * TICK_S, stereo_m=stereo_m, mono_m=3.0, both_m=both_m)[-1]
    assert (decision.cue, decision.blocked, decision.override) == (cue, blocked, override)


def test_both_cues_count_only_while_mono_is_trusted():
    flight = Flight()
    decision = flight.fly(2 * TICK_S, stereo_m=3.0, mono_m=3.0, both_m=0.5)[-1]
    assert (decision.mode, decision.cue, decision.blocked) == (Mode.STEREO, Cue.STEREO, False)


def test_a_collision_is_imminent_sooner_the_faster_the_drone_is():
    standing, flying = (
        PilotState()._replace(vehicle=vehicle(0, velocity_mps=(v, 0.0, 0.0))) for v in (0.0, 0.9)
    )
    assert imminent_m(standing, CONFIG) == SWITCHING.override_m
    braking_m = 0.9 * SWITCHING.react_s + 0.9**2 / (2 * SWITCHING.brake_mps2)
    assert imminent_m(flying, CONFIG) == pytest.approx(SWITCHING.override_m + braking_m)
    turned = flying._replace(vehicle=vehicle(0, yaw_rad=2.0, velocity_mps=(0.9, 0.0, 0.0)))
    assert imminent_m(turned, CONFIG) == SWITCHING.override_m, "it flies away from it"
    unknown = flying._replace(vehicle=vehicle(0, velocity_mps=(math.nan, 0.0, 0.0)))
    assert imminent_m(unknown, CONFIG) == SWITCHING.override_m


def test_stereo_overrides_a_fast_drone_where_it_leaves_a_slow_one_alone():
    overridden = []
    for speed_mps in (0.0, 0.9):
        flight = Flight().earn_trust()
        for _ in range(2):
            car = vehicle(flight.now_ns, velocity_mps=(speed_mps, 0.0, 0.0))
            decision = flight.tick(alive=car, stereo_m=1.0, mono_m=3.0)
        overridden.append(decision.override)
    assert overridden == [False, True]


@pytest.mark.parametrize(("answered_m", "free"), [(8.0, True), (0.6, False), (math.nan, False)])
def test_silence_is_free_way_only_where_that_is_configured(answered_m, free):
    """A baseline of common planners; by default what is unknown stops the drone."""
    for policy, expected in (("stop", False), ("free", free)):
        flight = flight_by("stereo_only", unknown=policy)
        decision = flight.fly(2 * TICK_S, stereo_m=math.nan, answered_m=answered_m)[-1]
        assert (not decision.blocked) == expected
        assert (decision.command.forward_mps > 0) == expected


def test_silence_of_a_dead_pair_is_never_free_way():
    flight = flight_by("stereo_only", unknown="free")
    decision = flight.fly(0.2, left="black", answered_m=8.0)[-1]
    assert (decision.blocked, decision.command.forward_mps) == (True, 0.0)


def mono_state(fpr, certainty, mode=Mode.MONO):
    report = TrustReport(held=True, fpr=fpr)
    trusted = PilotState().trust._replace(report=report)
    return PilotState()._replace(mode=mode, mono=Sight(certainty=certainty), trust=trusted)


@pytest.mark.parametrize(
    ("fpr", "certainty", "expected"),
    [
        (0.0, 1.0, 1.0),
        (0.2, 1.0, 0.8),  # half of the allowed needless stops
        (0.0, 0.5, 0.8),
        (0.4, 1.0, 0.6),
        (0.9, 1.0, 0.6),
        (math.nan, 1.0, 0.6),
        (0.0, math.nan, 0.6),
        (0.0, 7.0, 1.0),
    ],
)
def test_mono_alone_flies_faster_the_more_it_is_trusted(fpr, certainty, expected):
    assert speed_scale(mono_state(fpr, certainty), CONFIG) == pytest.approx(expected)


@pytest.mark.parametrize("mode", [m for m in Mode if m is not Mode.MONO])
def test_guarded_flight_is_not_slowed(mode):
    assert speed_scale(mono_state(0.4, 0.1, mode), CONFIG) == 1.0


def test_the_command_is_slower_where_mono_alone_is_unsure():
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, right="black", mono_m=3.0)
    sure = flight.fly(2 * TICK_S, right="black", mono_m=3.0)[-1]
    unsure = flight.fly(2 * TICK_S, right="black", mono_m=3.0, plain_m=6.0)[-1]
    assert unsure.command.forward_mps < sure.command.forward_mps
    assert unsure.command.forward_mps >= SWITCHING.mono_speed * sure.command.forward_mps


def speeds_nearing(flight, **sees):
    """Return the speed asked for before things ever nearer to where mono stops, m/s."""
    stop_m = flight.decisions[-1].trust.threshold_m
    return [
        flight.fly(4 * TICK_S, mono_m=share * stop_m, **sees)[-1].command.forward_mps
        for share in (3.0, 1.3, 1.15, 1.05, 1.005)
    ]


@pytest.mark.parametrize(
    ("mode", "sees"), [(Mode.TRAINING_WHEELS, {"stereo_m": 3.0}), (Mode.MONO, {"right": "black"})]
)
def test_where_mono_decides_the_drone_comes_slowly_to_where_it_stops(mode, sees):
    flight = Flight().earn_trust()
    flight.until(mode, mono_m=3.0, **sees)
    nearing = speeds_nearing(flight, **sees)
    assert nearing == sorted(nearing, reverse=True)
    assert nearing[0] > 0.4
    assert SWITCHING.mono_stop_mps <= nearing[-1] < 1.1 * SWITCHING.mono_stop_mps
    stop_m = flight.decisions[-1].trust.threshold_m
    assert flight.fly(2 * TICK_S, mono_m=0.99 * stop_m, **sees)[-1].command.forward_mps == 0


def test_where_stereo_decides_it_does_not():
    speeds = [Flight().fly(10 * TICK_S, stereo_m=m)[-1].command.forward_mps for m in (3.0, 1.05)]
    assert speeds == pytest.approx([0.5, 0.5])


def test_overrides_are_fed_back_and_too_many_end_the_licence():
    """Mono misses one approach after the other; negative control: with a high limit it may."""
    for limit, held in ((2, False), (50, True)):
        rules = {"max_overrides": limit, "min_tpr": 0.05}
        rules |= {"window_s": 600.0, "holdout_window_s": 600.0}
        trust = CONFIG.trust.model_copy(update=rules)
        flight = Flight(CONFIG.model_copy(update={"trust": trust})).earn_trust()
        for _ in range(4):
            flight.fly(0.3, stereo_m=0.7, mono_m=3.0)
            flight.fly(12.0, stereo_m=3.0, mono_m=3.0)
        assert flight.state.trust.report.held == held
        assert ("stereo overrode mono" in flight.state.trust.report.reason) == (not held)
        assert len(flight.state.trust.overrides) == min(4, limit + 1)


def test_an_unknown_distance_of_both_stops():
    flight = Flight().earn_trust()
    decision = flight.fly(2 * TICK_S, stereo_m=math.nan, mono_m=math.nan)[-1]
    assert (decision.blocked, decision.command.forward_mps) == (True, 0.0)


def test_mono_without_an_answer_stops_then_holds():
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, right="black", mono_m=3.0)
    decisions = flight.fly(1.0, right="black", mono_m=math.nan)
    assert all(d.command.forward_mps == 0 for d in decisions[1:])
    assert decisions[-1].mode is Mode.HOLD


def test_a_frame_from_the_future_does_not_stay_fresh():
    """A camera whose clock runs ahead, then falls silent."""
    flight = Flight().earn_trust()
    flight.until(Mode.MONO, right="black", mono_m=3.0)
    ahead_ns = flight.now_ns + 3600 * NS_PER_S
    percept = Percept(
        FrameCheck(1, ahead_ns, True, "", "black", 5, 6), None, estimate(1, ahead_ns, 3.0)
    )
    tick = Tick(1, flight.now_ns + 1, True, True, vehicle=vehicle(flight.now_ns))
    flight.state, _ = decide(flight.state, tick, percept, CONFIG)
    decisions = flight.fly(2.0, silent=True)
    assert decisions[-1].mode is Mode.HOLD
    assert all(d.command.forward_mps == 0 for d in decisions[12:])


# Scenarios: vehicle and pilot


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {"valid": False},
        {"position_m": (math.nan, 0.0, 0.0)},
        {"velocity_mps": (0.0, math.inf, 0.0)},
        {"attitude": (math.nan,) * 4},
    ],
)
def test_without_a_vehicle_state_it_holds_and_with_it_flies_on(bad):
    flight = Flight()
    flight.fly(1.0)
    for _ in range(20):
        flight.tick(alive=None if bad is None else vehicle(flight.now_ns, **bad))
    held = flight.decisions[-1]
    assert held.mode is Mode.HOLD
    assert "vehicle" in held.reason
    assert (held.command.forward_mps, held.command.yaw_rate_radps) == (0.0, 0.0)
    assert flight.until(Mode.STEREO) == pytest.approx(SWITCHING.back_s, abs=2 * TICK_S)


def test_a_stale_vehicle_state_is_lost():
    flight = Flight()
    flight.fly(1.0)
    lost_s = flight.until(Mode.HOLD, alive=None)
    assert lost_s == pytest.approx(SWITCHING.stale_s, abs=1.5 * TICK_S)
    flight.until(Mode.LAND, alive=None)
    assert flight.tick().mode is Mode.LAND, "a landing is not broken off by a sensor"


@pytest.mark.parametrize("before", FLYING)
def test_the_pilot_takes_over_in_the_same_tick_and_gives_back(before):
    flight = Flight()
    lost = {}
    if before is not Mode.STEREO:
        flight.earn_trust()
    if before is Mode.MONO:
        lost = {"right": "black"}
    flight.until(before, mono_m=3.0, **lost)
    flight.fly(0.5, mono_m=3.0, **lost)
    assert flight.decisions[-1].command.forward_mps > 0
    taken = flight.tick(permitted=False, mono_m=3.0, **lost)
    assert taken.mode is Mode.HOLD
    assert taken.command == stop_command(taken.seq, taken.stamp_ns)
    assert taken.limited == "not permitted"
    flight.fly(10.0, permitted=False, mono_m=3.0, **lost)
    assert flight.state.mode is Mode.HOLD
    assert flight.tick(mono_m=3.0, **lost).mode is before


def test_the_pilot_ends_a_landing():
    flight = Flight()
    flight.until(Mode.LAND, silent=True)
    flight.fly(3.0)
    assert flight.state.mode is Mode.LAND
    assert flight.tick(permitted=False).mode is Mode.HOLD
    assert flight.tick().mode is Mode.STEREO


def test_time_under_the_pilot_does_not_count_as_holding():
    """Else a drone that is given back without a fresh state would land at once."""
    flight = Flight()
    flight.fly(1.0)
    flight.fly(60.0, permitted=False, alive=None)
    assert flight.tick(alive=None).mode is Mode.HOLD
    assert flight.until(Mode.LAND, alive=None) == pytest.approx(SWITCHING.hold_s, abs=2 * TICK_S)


def test_it_holds_as_long_as_it_is_asked_to_and_lands_when_asked():
    flight = Flight()
    flight.fly(1.0)
    held = flight.tick(asked=Asked.HOLD)
    assert (held.mode, held.reason, held.event) == (Mode.HOLD, "asked to hold", "asked_to_hold")
    assert held.command == stop_command(held.seq, held.stamp_ns)
    flight.fly(60.0, asked=Asked.HOLD)
    assert flight.state.mode is Mode.HOLD
    assert flight.tick(asked=Asked.HOLD, alive=None).mode is Mode.HOLD
    assert flight.tick().mode is Mode.STEREO
    landing = flight.tick(asked=Asked.LAND)
    assert (landing.mode, landing.reason) == (Mode.LAND, "asked to land")
    assert landing.command.down_mps > 0
    assert flight.tick().mode is Mode.LAND
    assert flight.tick(asked=Asked.HOLD).mode is Mode.LAND


def test_time_held_at_will_does_not_count_as_holding_blind():
    flight = Flight()
    flight.fly(1.0)
    flight.fly(60.0, asked=Asked.HOLD)
    assert flight.tick(asked=Asked.HOLD, alive=None).mode is Mode.HOLD
    lands_s = flight.until(Mode.LAND, asked=Asked.HOLD, alive=None)
    assert lands_s == pytest.approx(SWITCHING.hold_s, abs=SWITCHING.stale_s + 2 * TICK_S)


def test_after_holding_it_begins_anew():
    flight = Flight()
    flight.fly(1.0)
    flight.fly(2.0, stereo_m=0.5)
    assert flight.decisions[-1].manoeuvre != "cruise"
    flight.tick(permitted=False)
    assert flight.tick().manoeuvre == "cruise"


# Model versions


def version(seq, holdout=()):
    seqs, distances = zip(*holdout, strict=True) if holdout else ((), ())
    return ModelVersion(seq, 0, True, b"", "", tuple(seqs), tuple(distances))


def test_a_new_version_forgets_the_average_of_the_old_one():
    config = CONFIG.model_copy(update={"mono": CONFIG.mono.model_copy(update={"average_s": 1.0})})
    flight = Flight(config)
    flight.fly(1.0, mono_m=3.0)
    assert flight.fly(2 * TICK_S, mono_m=1.0)[-1].mono_obstacle_m > 2.0
    flight.tick(silent=True, model=version(2))
    assert flight.fly(2 * TICK_S, mono_m=1.0)[-1].mono_obstacle_m == pytest.approx(1.0)
    assert flight.state.model == 2


def test_mono_distance_is_the_harmonic_mean_over_the_configured_time():
    config = CONFIG.model_copy(update={"mono": CONFIG.mono.model_copy(update={"average_s": 0.1})})
    flight = Flight(config)
    flight.fly(2 * TICK_S, mono_m=1.0)
    decision = flight.fly(2 * TICK_S, mono_m=3.0)[-1]
    assert decision.mono_obstacle_m == pytest.approx(2 / (1 / 1.0 + 1 / 3.0))


def test_a_version_that_scores_its_held_out_frames_badly_costs_the_licence():
    flight = Flight().earn_trust()
    bad = {p.seq: 0.3 if p.label_m > 1 else 3.0 for p in flight.state.trust.evidence.pairs}
    flight.tick(silent=True, model=version(2, tuple(bad.items())))
    lost_s = flight.until(Mode.STEREO, mono_m=3.0)
    assert lost_s <= CONFIG.trust.lose_s + 2 * TICK_S


def test_a_version_that_was_refused_changes_nothing():
    """The estimate of the same tick is an older version's: these scores are not those that fly."""
    flight = Flight().earn_trust()
    before = flight.state.trust.report
    bad = {p.seq: 0.3 if p.label_m > 1 else 3.0 for p in flight.state.trust.evidence.pairs}
    flight.tick(mono_m=3.0, model=version(99, tuple(bad.items())))
    assert flight.state.model != 99
    assert flight.state.trust.report.threshold_m == before.threshold_m


# Properties

distances = st.one_of(st.floats(0.05, 8.0), st.sampled_from([math.nan, math.inf, 0.0, 0.5, 3.0]))
verdicts = st.sampled_from(["", "", "", "black", "missing"])
vehicles = st.one_of(
    st.none(),
    st.builds(
        lambda age, valid, numbers: (age, valid, numbers),
        st.sampled_from([0.0, 0.1, 1.0, -1.0]),
        st.booleans(),
        st.one_of(st.none(), st.lists(st.floats(), min_size=10, max_size=10)),
    ),
)
frames = st.one_of(
    st.none(),
    st.tuples(verdicts, verdicts, st.booleans(), distances, distances, st.booleans()),
)
events = st.lists(
    st.tuples(st.sampled_from(Eye), st.sampled_from(["dead", "late"]), st.booleans()), max_size=2
)
steps = st.tuples(
    st.sampled_from([0.05, 0.05, 0.05, 0.3, 2.0]),
    st.sampled_from([True, True, True, False]),
    frames,
    vehicles,
    events,
    st.sampled_from([False, False, False, True]),
    st.sampled_from([*[Asked.NOTHING] * 6, Asked.HOLD, Asked.LAND]),
)


def unfold(step, seq, now_ns, trust_pairs):
    """Return the tick and the percept of a drawn step."""
    _, permitted, frame, car, raised, new_model, asked = step
    percept, state, model = Percept(), None, None
    if frame is not None:
        left, right, frozen, stereo_m, mono_m, valid = frame
        crcs = (7, 7) if frozen else (seq + 1, seq + 1)
        percept = Percept(
            FrameCheck(seq, now_ns, True, left, right, *crcs),
            label(seq, now_ns, stereo_m, valid and not (left or right)),
            estimate(seq, now_ns, mono_m, valid, Eye.RIGHT if left else Eye.LEFT),
        )
    if car is not None:
        age_s, valid, numbers = car
        fields = {}
        if numbers is not None:
            fields = {
                "position_m": tuple(numbers[:3]),
                "velocity_mps": tuple(numbers[3:6]),
                "attitude": tuple(numbers[6:]),
            }
        state = vehicle(now_ns - ns_from_s(age_s), seq, valid, **fields)
    if new_model:
        held_out = tuple((p.seq, p.label_m) for p in trust_pairs[::2])
        model = version(seq, held_out)
    health = tuple(HealthEvent(0, now_ns, True, *event) for event in raised)
    return Tick(seq, now_ns, True, permitted, None, state, health, model, asked), percept


def check_decision(tick, decision, state):
    command = decision.command
    axes = (
        command.forward_mps,
        command.right_mps,
        command.down_mps,
        command.yaw_rate_radps,
    )
    assert all(math.isfinite(a) for a in axes)
    assert math.hypot(*axes[:2]) <= CONFIG.limits.max_speed_mps + 1e-12
    assert abs(command.down_mps) <= CONFIG.limits.max_vertical_mps
    assert abs(command.yaw_rate_radps) <= math.radians(CONFIG.limits.max_yaw_rate_degps)
    assert (decision.seq, decision.stamp_ns) == (tick.seq, tick.stamp_ns)
    if not tick.permitted:
        assert command == stop_command(tick.seq, tick.stamp_ns)
        assert decision.mode is Mode.HOLD
    if tick.asked is not Asked.NOTHING:
        assert decision.mode in (Mode.HOLD, Mode.LAND)
    if decision.mode in (Mode.MONO, Mode.TRAINING_WHEELS):
        assert decision.trust.held
    if decision.mode in (Mode.STEREO, Mode.TRAINING_WHEELS):
        assert state.health.stereo_ok
    if decision.mode in (Mode.HOLD, Mode.LAND):
        assert (command.forward_mps, command.yaw_rate_radps) == (0.0, 0.0)
    if decision.blocked:
        assert command.forward_mps == 0.0
    if decision.override:
        assert decision.mode is Mode.TRAINING_WHEELS
        assert decision.blocked
        assert decision.stereo_obstacle_m < imminent_m(state, CONFIG)
        assert decision.mono_obstacle_m >= state.avoidance.demand * decision.trust.threshold_m


def same(a, b):
    """Equal to the bit; a NaN is a NaN, whatever its sign."""
    if dataclasses.is_dataclass(a):
        pairs = zip(_values(a), _values(b), strict=True)
        return type(a) is type(b) and all(same(x, y) for x, y in pairs)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return bits(a) == bits(b)


def _values(message):
    return [getattr(message, field.name) for field in dataclasses.fields(message)]


def fly_drawn(start, drawn):
    """Fly drawn steps, and beside them the same from a state that was saved and restored."""
    state = restored = start.state
    now_ns, seq = start.now_ns, start.seq
    for step in drawn:
        seq += 1
        now_ns += ns_from_s(step[0])
        tick, percept = unfold(step, seq, now_ns, state.trust.evidence.pairs)
        state, decision = decide(state, tick, percept, CONFIG)
        check_decision(tick, decision, state)
        text = restored.to_json()
        assert PilotState.from_json(text).to_json() == text
        restored, again = decide(PilotState.from_json(text), tick, percept, CONFIG)
        assert same(again, decision)
        assert same(restored, state)


@given(st.lists(steps, max_size=30))
@settings(max_examples=60)
def test_whatever_happens_is_safe_and_repeatable(drawn):
    fly_drawn(Flight(), drawn)


TRUSTED = Flight().earn_trust()


@given(st.lists(steps, max_size=30))
@settings(max_examples=60)
def test_whatever_happens_to_a_trusted_mono_is_safe_and_repeatable(drawn):
    fly_drawn(TRUSTED, drawn)


@pytest.mark.slow
@given(st.lists(steps, max_size=150), st.booleans())
@settings(max_examples=1500)
def test_whatever_happens_for_long_is_safe_and_repeatable(drawn, trusted):
    fly_drawn(TRUSTED if trusted else Flight(), drawn)


# State


def test_a_fresh_state_and_a_flown_one_survive_json():
    for state in (PilotState(), TRUSTED.state):
        assert bits(PilotState.from_json(state.to_json())) == bits(state)


def test_a_state_of_another_version_is_read_as_far_as_it_is_known():
    told = json.loads(TRUSTED.state.to_json())
    told["trust"]["point"] = list(told["trust"]["point"].values())  # once it was an array
    told["memory"]["at"] = None
    told["trust"]["evidence"]["pairs"][0]["weather"] = "fine"
    told["dreams"] = []
    assert bits(PilotState.from_json(json.dumps(told))) == bits(TRUSTED.state)
    del told["watch"]["blind_ns"]
    assert PilotState.from_json(json.dumps(told)).watch.blind_ns == -1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mode": "fly"}', '{"mode": 3}', "null"])
def test_another_state_is_refused_in_one_line(text):
    with pytest.raises(UserError, match="not the state") as caught:
        PilotState.from_json(text)
    assert "\n" not in str(caught.value)


def test_the_state_is_a_value():
    assert hash(PilotState()) == hash(PilotState())
