"""What a moment ago adds to a label, and what it refuses: answers by hand."""

import math

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.config import LabelConfig
from drone.geometry import (
    DistanceMeter,
    GridSpec,
    Intrinsics,
    StereoCalibration,
    quaternion_from_euler,
)
from drone.messages import DistanceLabel, VehicleState
from drone.onboard.fusion import TemporalFusion
from drone.onboard.labels import Why

CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
GRID = GridSpec()
METER = DistanceMeter(CALIBRATION.left, GRID)
LEVEL = (0.0, 1.0, 0.0)
CONFIG = LabelConfig()
CELL = (6, 8)


def fusion(**changes):
    return TemporalFusion(CONFIG.model_copy(update=changes), METER, CALIBRATION)


def label(seq, depth_m, confidence=0.9, valid=True):
    """Every cell at this depth (a number or a grid), NaN unknown because the eyes disagree."""
    depth = np.broadcast_to(np.asarray(depth_m, np.float32), (GRID.rows, GRID.cols))
    inverse = (1 / depth).astype(np.float32)
    known = np.isfinite(inverse)
    return DistanceLabel(
        seq,
        ns_from_s(seq / 10),
        valid,
        "",
        inverse,
        np.where(known, np.float32(confidence), np.float32(0)),
        *METER.distances(inverse, LEVEL),
        3.0,
        1.0,
        np.where(known, np.float32(1e-4), np.float32(np.nan)),
        np.where(known, Why.KNOWN, Why.DISAGREE).astype(np.float32),
    )


def vehicle(seq, forward_mps=0.0, yaw_deg=0.0, turn_degps=0.0, valid=True):
    return VehicleState(
        *(seq, ns_from_s(seq / 10), valid, (0.0, 0.0, -1.0), (forward_mps, 0.0, 0.0)),
        quaternion_from_euler(0.0, 0.0, math.radians(yaw_deg)),
        (0.0, 0.0, math.radians(turn_degps)),
    )


def holed(depth_m, cell=CELL, value=np.nan):
    grid = np.full((GRID.rows, GRID.cols), depth_m, np.float32)
    grid[cell] = value
    return grid


def depth_at(found, cell=CELL):
    return 1 / found.inverse_depth[cell]


def test_a_hole_is_filled_with_what_came_nearer_meanwhile():
    """A wall at 3 m, flown toward at 1 m/s: after 0.1 s it is at 2.9 m."""
    memory = fusion()
    memory.support(label(0, 3.0), vehicle(0, 1.0), LEVEL)
    found = memory.support(label(1, holed(2.9)), vehicle(1, 1.0), LEVEL)
    assert depth_at(found) == pytest.approx(2.9, rel=1e-5)
    assert found.confidence[CELL] == pytest.approx(0.9 * CONFIG.remember_decay)
    assert found.reasons[CELL] == Why.REMEMBERED
    assert found.variance[CELL] == pytest.approx((CONFIG.cell_tolerance / 2.9) ** 2, rel=1e-5)
    assert (found.reasons != Why.KNOWN).sum() == 1


def test_negative_control_without_memory_the_hole_stays():
    forgetful = fusion(remember_s=0.0)
    forgetful.support(label(0, 3.0), vehicle(0), LEVEL)
    found = forgetful.support(label(1, holed(3.0)), vehicle(1), LEVEL)
    assert math.isnan(found.inverse_depth[CELL])


def test_a_turn_moves_what_was_seen_across_the_image():
    """A cell is 4.375 degrees wide at the middle (its centre 2.5 degrees off the axis): turning
    right by one cell moves a thing at column 8 to column 7."""
    column_rad = math.atan(4 / CALIBRATION.left.fx)
    turn_deg = math.degrees(2 * column_rad)
    before = np.full((GRID.rows, GRID.cols), 4.0, np.float32)
    before[:, 8] = 2.0
    now = np.full((GRID.rows, GRID.cols), 4.0, np.float32)
    now[:, 7] = np.nan
    memory = fusion()
    memory.support(label(0, before), vehicle(0), LEVEL)
    found = memory.support(label(1, now), vehicle(1, yaw_deg=turn_deg), LEVEL)
    assert depth_at(found, (6, 7)) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (vehicle(0), vehicle(1, turn_degps=60)),
        (vehicle(0, turn_degps=60), vehicle(1)),
        (vehicle(0), vehicle(1, valid=False)),
        (vehicle(0), None),
        (vehicle(0, forward_mps=math.nan), vehicle(1)),
    ],
)
def test_after_a_fast_turn_or_without_a_vehicle_nothing_is_remembered(then, now):
    memory = fusion()
    memory.support(label(0, 3.0), then, LEVEL)
    found = memory.support(label(1, holed(3.0)), now, LEVEL)
    assert math.isnan(found.inverse_depth[CELL])


def test_after_a_pause_nothing_is_remembered():
    memory = fusion()
    memory.support(label(0, 3.0), vehicle(0), LEVEL)
    found = memory.support(label(9, holed(3.0)), vehicle(9), LEVEL)
    assert math.isnan(found.inverse_depth[CELL])


def test_what_was_seen_badly_supports_nothing():
    memory = fusion()
    memory.support(label(0, 3.0, confidence=0.4), vehicle(0), LEVEL)
    found = memory.support(label(1, holed(3.0)), vehicle(1), LEVEL)
    assert math.isnan(found.inverse_depth[CELL])


def test_memory_fades():
    """0.9, then 0.63, then 0.441, which is less than what may support."""
    memory = fusion()
    memory.support(label(0, 3.0), vehicle(0), LEVEL)
    found = [memory.support(label(k, holed(3.0)), vehicle(k), LEVEL) for k in range(1, 5)]
    known = [math.isfinite(f.inverse_depth[CELL]) for f in found]
    assert known == [True, True, False, False]


@pytest.mark.parametrize("why", [Why.OVER_EXPOSED, Why.TOO_NEAR])
def test_where_light_or_range_forbid_an_answer_none_is_remembered(why):
    memory = fusion()
    memory.support(label(0, 3.0), vehicle(0), LEVEL)
    blinded = label(1, holed(3.0))
    blinded.reasons[CELL] = why
    assert math.isnan(memory.support(blinded, vehicle(1), LEVEL).inverse_depth[CELL])


def test_a_near_cell_out_of_nowhere_is_refused_once():
    """A false match is gone in the next frame; a thing is still there, and is believed."""
    memory = fusion()
    memory.support(label(0, 4.0), vehicle(0), LEVEL)
    first = memory.support(label(1, holed(4.0, value=0.8)), vehicle(1), LEVEL)
    assert math.isnan(first.inverse_depth[CELL])
    assert first.confidence[CELL] == 0
    assert first.reasons[CELL] == Why.CONTRADICTED
    second = memory.support(label(2, holed(4.0, value=0.8)), vehicle(2), LEVEL)
    assert depth_at(second) == pytest.approx(0.8)


def test_what_comes_nearer_as_fast_as_the_vehicle_flies_is_never_refused():
    memory = fusion()
    for k in range(30):
        depth_m = 2.0 - 0.05 * k
        found = memory.support(label(k, depth_m), vehicle(k, 0.5), LEVEL)
        assert np.isfinite(found.inverse_depth).all()


def test_a_thing_that_enters_at_the_edge_of_the_view_is_never_refused():
    """Nothing was seen there a moment ago: the turn shows what lay beyond the image."""
    now = np.full((GRID.rows, GRID.cols), 4.0, np.float32)
    now[:, 15] = 0.7
    memory = fusion()
    memory.support(label(0, 4.0), vehicle(0), LEVEL)
    found = memory.support(label(1, now), vehicle(1, yaw_deg=4.0), LEVEL)
    assert found.inverse_depth[:, 15] == pytest.approx(1 / 0.7)


def test_distances_follow_the_supported_grid():
    before = label(0, 0.9)
    lost = np.full((GRID.rows, GRID.cols), 0.9, np.float32)
    lost[3:9, 4:12] = np.nan
    memory = fusion()
    memory.support(before, vehicle(0), LEVEL)
    alone = label(1, lost)
    found = memory.support(alone, vehicle(1), LEVEL)
    assert math.isnan(alone.obstacle_m)
    assert found.obstacle_m == pytest.approx(0.9, rel=1e-5)


def test_an_invalid_label_stays_as_it_is():
    memory = fusion()
    memory.support(label(0, 3.0), vehicle(0), LEVEL)
    invalid = label(1, holed(3.0), valid=False)
    assert memory.support(invalid, vehicle(1), LEVEL) is invalid
