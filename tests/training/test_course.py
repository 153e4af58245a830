import math

import numpy as np
import pytest

from drone.config import launch_folder, load
from drone.sim.labelflight import fpr_at
from training import course

pytestmark = pytest.mark.sim

NAN = math.nan
CONFIG = load(
    launch_folder() / "room.toml",
    [
        "sim.camera.width_px=64",
        "sim.camera.height_px=48",
        "pilot.mono.width_px=64",
        "pilot.mono.height_px=48",
        "pilot.trust.min_positives=1",
        "learner.publish_s=1",
        "learner.batch_size=2",
    ],
)


def test_the_false_positive_rate_by_hand():
    """Both near frames are caught below 1.2, where 1.1 and the unknown stop, of four free."""
    reference = np.array([0.5, 0.9, 2, 2, 2, 2])
    estimate = np.array([0.4, 1.2, 1.1, 3, 4, NAN])
    assert fpr_at(estimate, reference, 1.0, 0.95) == 0.5
    assert fpr_at(estimate, reference, 1.0, 0.5) == 0.25
    assert fpr_at(estimate[:2], reference[:2], 1.0, 0.95) is None
    assert fpr_at(estimate[2:], reference[2:], 1.0, 0.95) is None


def test_the_rates_of_a_threshold_by_hand():
    reference = np.array([0.5, 0.9, 2, 2, NAN])
    estimate = np.array([0.4, 1.2, 0.9, 3, 0.1])
    assert course.rates(reference, estimate, 1.0, 1.0) == (0.5, 0.5)
    assert course.rates(reference, estimate, NAN, 1.0) == (None, None)


def test_the_area_by_hand():
    """Of the four pairs of near and free two are in order and one is a tie."""
    reference = np.array([0.5, 0.9, 2, 2])
    estimate = np.array([1.0, 2.5, 1.5, 2.5])
    assert course.area(reference, estimate, 1.0) == pytest.approx((2 + 0.5) / 4)
    assert course.area(reference, reference, 1.0) == 1.0


@pytest.fixture(scope="module")
def figures():
    learners = {
        name: CONFIG.model_copy(update={"learner": CONFIG.learner.model_copy(update=change)})
        for name, change in {
            "cnn": {},
            "texton-knn": {"kind": "texton-knn"},
            "never": {"steps_per_frame": 0},
        }.items()
    }
    course.SCORED_S, before = 10, course.SCORED_S
    try:
        yield course.run(CONFIG, 30, learners, (4.0, 8.0))
    finally:
        course.SCORED_S = before


def test_every_learner_has_every_figure(figures):
    assert list(figures) == ["cnn", "texton-knn", "never"]
    for learner in figures.values():
        assert list(learner["at_s"]) == ["4", "8"]
    assert figures["cnn"]["sgd_steps_per_s"] > 0
    assert figures["texton-knn"]["sgd_steps_per_s"] is None
    assert figures["cnn"]["at_s"]["8"]["male"] is not None


def test_what_never_learned_stops_always(figures):
    """The negative control: nothing published answers nothing."""
    for row in figures["never"]["at_s"].values():
        assert row["fpr_at_tpr95"] in (None, 1.0)
        assert row["male"] is None


def test_the_scored_frames_come_after_the_copy(figures):
    moments = list(course.stereo_flight(CONFIG, 30, 3.0))
    stamps = [m.frame.stamp_ns / 1e9 for m in course._after(moments, 1.0)]
    assert min(stamps) >= 1.0
    assert len(stamps) == sum(m.frame.stamp_ns >= 1e9 for m in moments)
