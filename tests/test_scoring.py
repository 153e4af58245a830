import math

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    Eye,
    Mode,
    ModelVersion,
    MonoEstimate,
    TrustReport,
    Truth,
)
from drone.onboard.limiter import stop_command
from drone.scoring import Confusion, DistanceErrors, FlightScore

GRID = np.ones((2, 2), np.float32)
NAN = math.nan


def decision(at_s, mode=Mode.STEREO, **changes):
    facts = {
        "manoeuvre": "cruise",
        "mono_obstacle_m": NAN,
        "override": False,
        "trust": TrustReport(),
        **changes,
    }
    return Decision(
        seq=0,
        stamp_ns=ns_from_s(at_s),
        valid=True,
        mode=mode,
        cue=Cue.STEREO,
        reason="",
        obstacle_m=NAN,
        stereo_obstacle_m=NAN,
        blocked=False,
        event="",
        limited="",
        command=stop_command(0, 0),
        **facts,
    )


def label(obstacle_m, valid=True, grid=GRID):
    return DistanceLabel(0, 0, valid, "", grid, grid, obstacle_m, (), 3.0, 1.0)


def estimate(obstacle_m):
    return MonoEstimate(
        0, 0, True, "", 1, Eye.LEFT, GRID, GRID, obstacle_m, (), cautious_m=obstacle_m
    )


def truth(obstacle_m, stereo_m):
    return Truth(
        0, 0, True, (0.0,) * 3, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0), obstacle_m, stereo_m, False, 0
    )


def fly(score, decisions):
    """Feed (decision, north) pairs, the drone moving north."""
    for made, north_m in decisions:
        score.decided(made, (north_m, 0.0, -1.0), False)
    return score


def test_confusion_counts_frames_with_a_reference():
    confusion = Confusion()
    for stops, reference_m in [
        (True, 0.5),
        (True, 0.9),
        (False, 0.9),
        (True, 1.0),
        (False, 3.0),
        (False, 3.0),
        (True, NAN),
        (False, NAN),
    ]:
        confusion.add(stops, reference_m, 1.0)
    assert confusion.to_dict() == {
        "tpr": pytest.approx(2 / 3),
        "fpr": pytest.approx(1 / 3),
        "positives": 3,
        "negatives": 3,
    }


def test_a_confusion_of_nothing_is_unknown():
    figures = Confusion().to_dict()
    assert math.isnan(figures["tpr"])
    assert math.isnan(figures["fpr"])


def test_distance_errors_beside_the_baselines_by_hand():
    """References 1, 2, 4: mean of those before 1, 1.5; the last one 1, 2."""
    errors = DistanceErrors()
    for estimate_m, reference_m in [(9.0, 1.0), (2.2, 2.0), (NAN, NAN), (3.0, 4.0)]:
        errors.add(estimate_m, reference_m)
    figures = errors.to_dict()
    assert figures["n"] == 2, "without a reference before it the first has no baseline"
    assert figures["mono_male"] == pytest.approx((math.log(1.1) + math.log(4 / 3)) / 2)
    assert figures["mean_male"] == pytest.approx((math.log(2) + math.log(4 / 1.5)) / 2)
    assert figures["last_male"] == pytest.approx(math.log(2))
    assert figures["delta_125"] == 0.5


def test_all_three_are_compared_on_the_same_frames():
    errors = DistanceErrors()
    for estimate_m, reference_m in [(NAN, 1.0), (NAN, 2.0), (4.0, 4.0)]:
        errors.add(estimate_m, reference_m)
    assert {len(values) for values in errors.errors.values()} == {1}
    assert errors.to_dict()["last_male"] == pytest.approx(math.log(2))


def test_skipped_frames_teach_the_baselines_and_do_not_count():
    score = FlightScore(1.0, 1.25, skip_frames=2)
    for mono_m, stereo_m in [(1.0, 1.0), (1.0, 3.0), (2.0, 4.0)]:
        score.see(label(stereo_m), estimate(mono_m), None)
    figures = score.distance_errors.to_dict()
    assert figures["n"] == 1
    assert figures["mono_male"] == pytest.approx(math.log(2))
    assert figures["mean_male"] == pytest.approx(math.log(2))
    assert figures["last_male"] == pytest.approx(math.log(4 / 3))


def test_time_and_way_belong_to_the_mode_that_flew_them():
    score = fly(
        FlightScore(1.0, 1.25),
        [
            (decision(5.0, Mode.STEREO), 0.0),
            (decision(6.0, Mode.STEREO), 0.4),
            (decision(7.0, Mode.MONO), 0.8),
            (decision(9.0, Mode.HOLD), 1.1),
            (decision(10.0, Mode.HOLD), 1.1),
        ],
    )
    assert score.mode_s == {
        "stereo": 2.0,
        "training_wheels": 0.0,
        "mono": 2.0,
        "hold": 1.0,
        "land": 0.0,
    }
    assert score.simulated_s == 5.0
    assert score.distance_m["stereo"] == pytest.approx(0.8)
    assert score.distance_m["mono"] == pytest.approx(0.3)
    assert score.to_dict()["measures"]["metres_per_min"]["mono"] == pytest.approx(9.0)


def test_being_put_elsewhere_is_no_flight():
    score = fly(FlightScore(1.0, 1.25), [(decision(0.0), 0.0), (decision(0.1), 3.0)])
    assert score.distance_m["stereo"] == 0.0


def test_turning_has_a_share_and_a_longest():
    manoeuvres = ["cruise", "turn", "look", "extra", "cruise", "turn", "cruise"]
    score = fly(
        FlightScore(1.0, 1.25),
        [(decision(float(i), manoeuvre=m), 0.0) for i, m in enumerate(manoeuvres)],
    )
    figures = score.to_dict()
    assert figures["turning_share"] == pytest.approx(4 / 6, abs=1e-4)
    assert figures["measures"]["longest_turn_s"] == 3.0


def test_a_hop_of_half_a_second_does_not_end_a_turn():
    """Negative control: one of a second does."""
    for hop_s, longest_s in ((0.5, 4.0), (1.0, 2.0)):
        times_s = [0.0, 2.0, 2.0 + hop_s, 4.0 + hop_s]
        manoeuvres = ["turn", "cruise", "turn", "cruise"]
        ticks = [(decision(t, manoeuvre=m), 0.0) for t, m in zip(times_s, manoeuvres, strict=True)]
        figures = fly(FlightScore(1.0, 1.25), ticks).to_dict()
        assert figures["measures"]["longest_turn_s"] == longest_s
        assert figures["turning_share"] == pytest.approx(4.0 / times_s[-1], abs=1e-4)


def test_an_override_of_many_ticks_is_one():
    overriding = [False, True, True, True, False, True]
    score = fly(
        FlightScore(1.0, 1.25),
        [
            (decision(float(i), Mode.TRAINING_WHEELS, override=o), 0.4 * i)
            for i, o in enumerate(overriding)
        ],
    )
    assert score.overrides == 2
    assert score.to_dict()["measures"]["overrides_per_100m"] == pytest.approx(100 * 2 / 2.0)


def test_collisions_count_in_the_mode_that_flew():
    score = fly(
        FlightScore(1.0, 1.25), [(decision(0.0, Mode.MONO), 0.0), (decision(1.0, Mode.MONO), 0.4)]
    )
    score.collided()
    figures = score.to_dict()
    assert figures["collisions"]["mono"] == 1
    assert figures["measures"]["collisions_per_100m"]["mono"] == pytest.approx(250.0)
    assert math.isnan(figures["measures"]["collisions_per_100m"]["stereo"])


@pytest.mark.parametrize("start_s", [0.0, 1.7e9])
def test_time_to_trust_counts_from_the_start_of_the_flight(start_s):
    """The stamps of a recorded flight do not start at zero."""
    held = TrustReport(held=True)
    score = fly(
        FlightScore(1.0, 1.25),
        [
            (decision(start_s), 0.0),
            (decision(start_s + 30.0, trust=held), 0.0),
            (decision(start_s + 40.0), 0.0),
            (decision(start_s + 50.0, trust=held), 0.0),
        ],
    )
    assert score.time_to_trust_s == pytest.approx(30.0)


def test_never_trusted_is_unknown():
    assert math.isnan(
        fly(FlightScore(1.0, 1.25), [(decision(1.0), 0.0)]).to_dict()["time_to_trust_s"]
    )


@pytest.mark.parametrize(
    ("true_m", "stereo_m", "needless", "in_the_open"),
    [
        (3.0, 0.5, 1, 1),
        (0.5, 3.0, 0, 0),
        (NAN, 3.0, 1, 1),
        (NAN, 0.5, 0, 0),
        (NAN, NAN, 0, 0),
        (1.0, 0.5, 1, 0),
        (1.25, 0.5, 1, 1),
    ],
)
def test_a_stop_is_needless_where_truth_says_free_and_without_truth_stereo(
    true_m, stereo_m, needless, in_the_open
):
    score = FlightScore(1.0, 1.25)
    score.see(label(stereo_m), None, truth(true_m, stereo_m))
    fly(
        score,
        [
            (decision(0.0), 0.0),
            (decision(1.0, manoeuvre="brake"), 0.4),
            (decision(2.0, manoeuvre="brake"), 0.4),
        ],
    )
    assert score.stops["stereo"] == 1
    assert score.needless_stops["stereo"] == needless
    assert score.open_stops["stereo"] == in_the_open


def test_mono_is_judged_at_its_threshold_on_new_frames_alone():
    score = FlightScore(1.0, 1.25)
    trust = TrustReport(threshold_m=1.5)
    for true_m, stereo_m, mono_m, new in [
        (0.5, 0.6, 1.4, True),  # stops, rightly
        (0.5, 0.6, 1.4, False),  # the same frame again
        (3.0, 0.9, 1.5, True),  # flies on: missed by stereo's word, right by truth
        (3.0, 3.0, NAN, True),  # unknown stops, needlessly
    ]:
        if new:
            score.see(label(stereo_m), estimate(mono_m), truth(true_m, stereo_m))
        score.decided(decision(1.0, mono_obstacle_m=mono_m, trust=trust), (0.0,) * 3, new)
    assert vars(score.against_stereo) == {"caught": 1, "missed": 1, "needless": 1, "free": 0}
    assert vars(score.against_truth) == {"caught": 1, "missed": 0, "needless": 1, "free": 1}


def test_stereo_is_judged_against_truth():
    score = FlightScore(1.0, 1.25)
    for true_m, stereo_m in [(0.5, 0.5), (0.5, 2.0), (3.0, NAN), (3.0, 3.0), (NAN, 0.5)]:
        score.see(None, None, truth(true_m, stereo_m))
    assert vars(score.stereo_against_truth) == {
        "caught": 1,
        "missed": 1,
        "needless": 1,
        "free": 1,
    }


def test_labels_and_versions_are_counted():
    half = GRID.copy()
    half[0] = NAN
    score = FlightScore(1.0, 1.25)
    for seen in (label(1.0), label(1.0, grid=half), label(NAN, valid=False), None):
        score.see(seen, None, None)
    for valid in (True, False):
        score.published(ModelVersion(1, 0, valid, b"", ""))
    assert (score.frames, score.labelled_frames, score.model_versions) == (4, 2, 1)
    assert score.known_shares == [1.0, 0.5]


def test_a_flight_of_nothing_has_figures():
    figures = FlightScore(1.0, 1.25).to_dict()
    assert figures["simulated_s"] == 0.0
    assert math.isnan(figures["turning_share"])
