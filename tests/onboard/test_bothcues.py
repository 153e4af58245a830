import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drone.geometry import DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel
from drone.onboard.bothcues import SURE, nearer, nearer_grid, nearer_m

GRID = GridSpec(6, 8)
METER = DistanceMeter(Intrinsics(64, 48, 46.0, 46.0, 31.5, 23.5), GRID)
LEVEL = (0.0, 1.0, 0.0)
NAN = float("nan")


def stereo_label(inverse_depth, confidence=1.0):
    grid = np.broadcast_to(np.float32(inverse_depth), (6, 8)).copy()
    known = np.isfinite(grid)
    sure = np.where(known, np.broadcast_to(np.float32(confidence), (6, 8)), 0).astype(np.float32)
    obstacle_m, sectors_m = METER.distances(grid, LEVEL)
    return DistanceLabel(1, 0, True, "", grid, sure, obstacle_m, sectors_m, 3.0, 1.0)


def mono_grid(inverse_depth):
    return np.full((6, 8), inverse_depth, np.float32)


@pytest.mark.parametrize(
    ("stereo", "confidence", "mono", "expected"),
    [
        (0.5, 1.0, 2.0, 0.5),  # stereo is sure
        (0.5, SURE, 2.0, 0.5),
        (0.5, 0.3, 2.0, 2.0),  # the nearer of the two
        (2.0, 0.3, 0.5, 2.0),
        (NAN, 0.0, 2.0, 2.0),  # a plain wall
        (NAN, 0.0, NAN, NAN),
        (0.5, 0.3, NAN, 0.5),
    ],
)
def test_cell_by_cell_by_confidence(stereo, confidence, mono, expected):
    cell = nearer_grid(stereo_label(stereo, confidence), mono_grid(mono))
    assert cell.dtype == np.float32
    assert np.array_equal(cell, mono_grid(expected), equal_nan=True)


def test_a_plain_wall_is_as_far_as_mono_says():
    obstacle_m, sectors_m = nearer(stereo_label(NAN), mono_grid(2.0), METER, LEVEL)
    assert obstacle_m == pytest.approx(0.5)
    assert all(math.isfinite(s) for s in sectors_m)


def test_a_plain_thing_beside_a_textured_wall_counts_and_stereo_alone_misses_it():
    """Negative control: stereo knows most cells of the corridor, and says free."""
    grid = np.full((6, 8), 0.25, np.float32)
    grid[:, 4] = NAN
    label = stereo_label(grid)
    assert label.obstacle_m == pytest.approx(4.0)
    near = mono_grid(0.25)
    near[:, 4] = 2.0
    assert nearer(label, near, METER, LEVEL)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(1.0, 2.0, 1.0), (NAN, 2.0, 2.0), (1.0, NAN, 1.0)]
)
def test_of_two_the_nearer_known_one(one, other, expected):
    assert nearer_m(one, other) == expected
    assert math.isnan(nearer_m(NAN, NAN))


cells = st.one_of(st.just(NAN), st.floats(0.0625, 10, width=32))


@given(
    arrays(np.float32, (6, 8), elements=cells),
    arrays(np.float32, (6, 8), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, (6, 8), elements=cells),
)
def test_never_farther_than_stereo(stereo, confidence, near):
    label = stereo_label(stereo, confidence)
    obstacle_m, sectors_m = nearer(label, near, METER, LEVEL)
    assert not obstacle_m > label.obstacle_m
    for by_both, alone in zip(sectors_m, label.sectors_m, strict=True):
        assert not by_both > alone
        assert math.isfinite(by_both) or math.isnan(alone)
    assert math.isfinite(obstacle_m) or math.isnan(label.obstacle_m)
