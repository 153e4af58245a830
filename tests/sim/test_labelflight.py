"""Labels against truth: the figures by hand, and a short flight."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drone.config import load
from drone.sim.labelflight import LabelRecord, fly_labels, fpr_at

NAN = math.nan


def test_without_a_mistake_nothing_is_stopped_needlessly() -> None:
    truth = np.array([0.5, 0.8, 2.0, 3.0])
    assert fpr_at(truth, truth, 1.0, 0.95) == 0.0


def test_a_near_frame_seen_as_far_costs_needless_stops() -> None:
    """To catch the frame that is said to be at 2.5 m, all up to 2.5 m must stop."""
    truth = np.array([0.5, 0.8, 2.0, 3.0])
    label = np.array([0.5, 2.5, 2.0, 3.0])
    assert fpr_at(label, truth, 1.0, 0.95) == 0.5
    assert fpr_at(label, truth, 1.0, 0.5) == 0.0, "one of two may be missed"


def test_an_unknown_label_stops() -> None:
    truth = np.array([0.5, 0.8, 2.0, 3.0])
    assert fpr_at(np.array([NAN, NAN, NAN, 3.0]), truth, 1.0, 0.95) == 0.5


@pytest.mark.parametrize("truth", [[0.5, 0.6], [2.0, 3.0]])
def test_without_near_or_free_frames_there_is_no_share(truth: list[float]) -> None:
    assert fpr_at(np.array(truth), np.array(truth), 1.0, 0.95) is None


def test_the_figures_of_a_record_by_hand() -> None:
    """Falsely near is what stops and is under 0.8 of the truth: the second; the third is close."""
    record = LabelRecord(
        label_m=[0.5, 0.9, 0.95, NAN, 3.0],
        truth_m=[0.5, 2.0, 1.1, 2.0, 5.0],
        known_share=[1.0, 0.5, 0.5, 0.0, 1.0],
        confidence=[np.array([0.5, 0.6])],
        log_error=[np.array([0.0, 0.2]), np.array([0.05, 0.09])],
        collisions=2,
    )
    figures = record.figures(1.0, 0.95)
    assert figures["falsely_near_share"] == 0.2
    assert figures["unknown_share"] == 0.2
    assert figures["known_cells_share"] == 0.6
    assert figures["cell_bad10_share"] == 0.25, "e to the 0.09 is 1.094"
    assert figures["cell_log_error"] == pytest.approx(0.085)
    assert (figures["positives"], figures["negatives"], figures["collisions"]) == (1, 4, 2)
    assert figures["fpr"] == 0.25, "the frame that is unknown"


def test_a_record_without_cells_has_no_figure_of_them() -> None:
    figures = LabelRecord(label_m=[2.0], truth_m=[2.0], known_share=[1.0]).figures(1.0, 0.95)
    assert (figures["cell_bad10_share"], figures["cell_log_error"], figures["fpr"]) == (None,) * 3


@pytest.mark.sim
def test_a_short_flight_by_stereo_is_recorded_and_repeats() -> None:
    settings = ["flight.duration_s=3", "sim.room.difficulty=textured"]
    first, again = (fly_labels(load(None, settings), 21, cells_every=5) for _ in range(2))
    tick_hz = load(None, settings).pilot.tick_hz
    assert 0 < len(first.truth_m) <= 3 * tick_hz
    assert len(first.label_m) == len(first.truth_m) == len(first.known_share)
    assert len(first.confidence) == len(first.log_error) == len(first.truth_m) // 5
    assert all(np.isfinite(e).all() for e in first.log_error)
    assert np.mean(first.known_share) > 0.5
    assert np.median(np.concatenate(first.log_error)) < 0.1
    assert repr(first.label_m) == repr(again.label_m)


@pytest.mark.sim
def test_another_seed_is_another_room() -> None:
    settings = ["flight.duration_s=1", "sim.room.difficulty=textured"]
    first, other = (fly_labels(load(None, settings), seed) for seed in (21, 22))
    assert first.truth_m != other.truth_m
