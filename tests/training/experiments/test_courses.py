"""Figures of learners on moments made by hand, with known answers; and one small flight."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from drone.messages import DistanceLabel, StereoFrame
from training.course import Moment, Seen, Student
from training.experiments import courses
from training.experiments.courses import AT_S, UNTIL_S
from training.experiments.design import Task, configured

NAN = math.nan
SMALL = (
    *("sim.camera.width_px=64", "sim.camera.height_px=48", "learner.batch_size=2"),
    *("pilot.mono.width_px=64", "pilot.mono.height_px=48", "learner.publish_s=1"),
)


def moment(seq, lambda_px=3.0, obstacle_m=1.0, valid=True):
    image = np.full((48, 64), seq % 200, np.uint8)
    frame = StereoFrame(seq, seq * 100_000_000, True, image, image + 1)
    grid = np.full((2, 2), 0.5, np.float32)
    grid[0, 0] = NAN
    label = DistanceLabel(
        seq, frame.stamp_ns, valid, "", grid, np.ones_like(grid), obstacle_m, (), lambda_px, 1.0
    )
    return Moment(frame, label, (0.0, 1.0, 0.0), obstacle_m)


def test_a_flight_is_split_in_time():
    before, after = courses.split([moment(i) for i in range(5)], 0.2)
    assert [m.frame.seq for m in before] == [0, 1]
    assert [m.frame.seq for m in after] == [2, 3, 4]


def test_the_roc_by_hand():
    """Near at 0.4 and 0.8; of the four free ones 0.4 costs none and 0.8 one; unknown stops."""
    label = np.array([0.5, 0.9, 2, 2, 2, 2])
    found = courses.roc(label, np.array([0.4, 0.8, 0.7, 3, 4, 5]), 1.0)
    assert dict(zip(np.round(courses.CAUGHT, 3).tolist(), found, strict=True)) == {
        c: 0.0 if c <= 0.5 else 0.25 for c in np.round(courses.CAUGHT, 3).tolist()
    }
    unknown = courses.roc(label, np.array([0.4, 0.8, NAN, 3, 4, 5]), 1.0)
    assert unknown[1] == 0.25
    assert courses.roc(label[:2], label[:2], 1.0) is None


def test_the_errors_of_lambda_by_hand():
    found = courses.errors(np.array([1.0, 2, 3, NAN]), np.array([2.0, 3, 4, 5]))
    assert found == {"lambda_mae_px": 1.0, "lambda_correlation": 1.0}
    constant = courses.errors(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    assert constant == {"lambda_mae_px": 0.5, "lambda_correlation": None}
    assert courses.errors(np.array([NAN]), np.array([1.0]))["lambda_mae_px"] is None


def test_the_blind_answer_is_the_mean_of_the_past():
    lessons = [moment(i, lambda_px=v) for i, v in enumerate((1.0, 3.0, 11.0))]
    test = [moment(9, lambda_px=4.0)]
    assert courses.blind(lessons, 0.2, test)["lambda_mae_px"] == 2.0
    assert courses.blind(lessons, 0.3, test)["lambda_mae_px"] == 1.0
    assert courses.blind([moment(0, valid=False)], 0.3, test)["lambda_mae_px"] is None


def test_a_network_answers_lambda_by_the_cells_that_stereo_knows():
    wide = SimpleNamespace(calibration=SimpleNamespace(disparity_metres=6.0))
    seen = Seen(1.0, 1.0, NAN, NAN, np.array([[9.0, 1.0], [1.0, 1.0]], np.float32))
    assert courses.given([moment(0)], [seen], wide) == [6.0]


def test_the_log_error_by_hand():
    assert courses.log_error(np.array([2.0, NAN, 1.0]), np.array([1.0, 1.0, NAN])) == 0.6931
    assert courses.log_error(np.array([0.0]), np.array([1.0])) is None


def test_three_labels_in_ten_are_another_frames():
    moments = [moment(i, lambda_px=float(i)) for i in range(400)]
    found = courses.mislabelled(moments, 20.0, 3)
    wrong = [m.label.lambda_px != m.frame.seq for m in found]
    assert not any(wrong[:200])
    assert 0.2 < sum(wrong[200:]) / 200 < 0.4
    assert [m.label.seq for m in found] == [m.frame.seq for m in found]
    assert [m.label.stamp_ns for m in found] == [m.frame.stamp_ns for m in found]
    again = courses.mislabelled(moments, 20.0, 3)
    assert [m.label.lambda_px for m in again] == [m.label.lambda_px for m in found]


def test_a_licence_around_a_change_by_hand():
    """Held from 1 s, lost at 3 s, which is 1 s after the change, back at 4 s."""
    held = [False, True, True, False, True]
    trace = [(float(i), h, 1.0, 0.5 if i < 4 else 2.0, 0.8) for i, h in enumerate(held)]
    found = courses.licence_figures(trace, 2.0, 1.0)
    assert (found["withdrawn_after_s"], found["regained_after_s"]) == (1.0, 2.0)
    assert (found["held_before"], found["held_before_n"], found["withdrawn_before"]) == (True, 1, 0)
    assert found["held"] == {"-2": 0.0, "-1": 1.0, "0": 1.0, "1": 0.0, "2": 1.0}
    assert found["after"] == {"caught": 1, "missed": 1, "needless": 0, "passed": 0}


def test_a_licence_that_was_never_lost_has_no_times():
    found = courses.licence_figures([(float(i), True, 1.0, 2.0, NAN) for i in range(4)], 2.0, 1.0)
    assert found["withdrawn_after_s"] is None
    assert found["regained_after_s"] is None
    assert sum(found["after"].values()) == 0


def small(name, *changes):
    return configured(30, 8.0, *SMALL, f"flight.name={name}", *changes).to_toml()


@pytest.mark.sim
def test_learners_on_one_flight_have_every_figure():
    flown = (small("flight"), small("cnn"), small("never", "learner.steps_per_frame=0"))
    plan = ((AT_S, 4.0), (AT_S, 6.0), (UNTIL_S, 8.0), (courses.RIGHT_EYE, 1.0))
    found = courses.run(Task("x", (), 30, flown, plan))
    assert list(found) == [courses.BLIND, "cnn", "never"]
    assert list(found["cnn"][AT_S]) == ["4", "6"]
    assert found["cnn"][AT_S]["6"]["lambda_mae_px"] > 0
    assert found["cnn"]["right_eye"]["male"] > 0
    assert found["never"][AT_S]["6"]["fpr_at_tpr95"] in (None, 1.0)
    assert found["never"][AT_S]["6"]["lambda_mae_px"] is None
    assert "core_s_per_s" not in found["cnn"]  # rows are alike from run to run
    json.dumps(found, allow_nan=False)


@pytest.mark.sim
def test_a_room_is_visited_with_and_without_the_memory_of_others():
    plan = (
        *((AT_S, 1.0), (AT_S, 4.0), (UNTIL_S, 6.0), (courses.ROOM_S, 5.0)),
        *((courses.BEFORE, 31.0), (courses.VISITED, 0.0), (courses.VISITED, 1.0)),
    )
    found = courses.run(Task("x", (), 30, (small("cnn"),), plan))
    assert list(found["visits"]) == ["0", "1"]
    # after 1 s only the one that remembers has anything to fly
    assert found["visits"]["0"][AT_S]["1"]["male"] is None
    assert found["visits"]["1"][AT_S]["1"]["male"] is not None
    assert list(found["first_room"]) == ["1"]
    json.dumps(found, allow_nan=False)


@pytest.mark.sim
def test_a_licence_is_watched_through_a_change():
    dark = "sim.room.changes=[{at_s=3,kind='light',level=0.3}]"
    plan = ((courses.CHANGE_S, 3.0), (UNTIL_S, 5.0))
    found = courses.run(Task("x", (), 30, (small("flight", dark), small("cnn")), plan))
    assert list(found["cnn"]["held"]) == ["-3", "-2", "-1", "0", "1"]
    json.dumps(found, allow_nan=False)


@pytest.mark.sim
def test_a_student_goes_on_from_anothers_memory():
    config = configured(30, 8.0, *SMALL)
    first = Student(config, 30)
    flown = list(courses.stereo_flight(config, 30, 6.0))
    for m in flown:
        first.take(m)
    assert first.model is not None
    second = Student(config, 30, first.remembered())
    assert second.model is not None
    assert second.model.onnx == first.model.onnx
    later = replace(flown[0].frame)
    assert math.isfinite(second.take(flown[0]._replace(frame=later)))
