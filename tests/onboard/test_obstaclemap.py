"""OBSTACLE_DISTANCE: what is near, what was seen free, and what nobody knows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkcases import CONFIG, decision

from drone.clock import ns_from_s
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import Cue, DistanceLabel, Eye, Mode, MonoEstimate, TrustReport
from drone.onboard.obstaclemap import (
    BINS,
    UNKNOWN_CM,
    View,
    distances_cm,
    trusted_sectors_m,
    view_of,
)

NAN = math.nan
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
VIEW = view_of(CALIBRATION, 16, 8, 8.0, CONFIG)
FREE_CM = 601
NOW_NS = ns_from_s(50)
GRID = np.full((2, 2), NAN, np.float32)


def seen(index):
    """Where the bins of 70 degrees are: 0 is ahead, 71 is 5 degrees to the left."""
    return index <= 6 or index >= BINS - 6


def test_the_view_is_the_cameras():
    degrees = [math.degrees(e) for e in VIEW.edges_rad]
    assert degrees[0] == pytest.approx(-35, abs=1e-6)
    assert degrees[-1] == pytest.approx(35, abs=1e-6)
    assert degrees[4] == pytest.approx(0, abs=1e-6)
    assert degrees[7] == pytest.approx(math.degrees(math.atan(0.75 * math.tan(math.radians(35)))))
    assert (VIEW.min_cm, VIEW.max_cm) == (20, 600)


def test_free_is_one_more_than_the_most_and_outside_the_view_is_unknown():
    ring = distances_cm(VIEW, (8.0,) * 8)
    assert len(ring) == BINS
    for index, distance in enumerate(ring):
        assert distance == (FREE_CM if seen(index) else UNKNOWN_CM), index


def test_a_thing_on_the_right_is_on_the_right():
    ring = distances_cm(VIEW, (8.0,) * 7 + (1.239,))
    assert {i for i, d in enumerate(ring) if d == 123} == {6, 7}  # 27.7 to 35 degrees
    assert ring[0] == FREE_CM
    left = distances_cm(VIEW, (1.239,) + (8.0,) * 7)
    assert {i for i, d in enumerate(left) if d == 123} == {BINS - 6, BINS - 7}


def test_what_is_unknown_is_not_free():
    ring = distances_cm(VIEW, (8.0,) * 3 + (NAN, NAN) + (8.0,) * 3)
    assert ring[0] == UNKNOWN_CM
    assert ring[5] == FREE_CM
    assert set(distances_cm(VIEW, (NAN,) * 8)) == {UNKNOWN_CM}
    assert set(distances_cm(VIEW, ())) == {UNKNOWN_CM}


def test_very_near_is_sent_as_the_least_and_the_edge_of_range_as_there():
    assert distances_cm(VIEW, (0.05,) * 8)[0] == 20
    assert distances_cm(VIEW, (6.0,) * 8)[0] == 600
    assert distances_cm(VIEW, (6.01,) * 8)[0] == FREE_CM


def test_a_range_beyond_what_is_seen_is_not_claimed():
    far = view_of(CALIBRATION, 16, 8, 3.0, CONFIG)
    assert far.max_cm == 300
    assert distances_cm(far, (3.0,) * 8)[0] == 300


@given(st.lists(st.floats(0.01, 8.0) | st.just(NAN), min_size=8, max_size=8))
def test_a_ring_is_always_one_that_may_be_sent(sectors):
    ring = distances_cm(VIEW, sectors)
    assert all(20 <= d <= FREE_CM or d == UNKNOWN_CM for d in ring)
    nearest = min((s for s in sectors if s <= 6.0), default=NAN)
    if math.isfinite(nearest):
        assert min(ring) == max(20, int(100 * nearest))


# Whose distances


def label(stamp_ns=NOW_NS, valid=True):
    return DistanceLabel(1, stamp_ns, valid, "", GRID, GRID, 1.0, (1.0, NAN), 3.0, 0.9)


def estimate(stamp_ns=NOW_NS, valid=True):
    return MonoEstimate(1, stamp_ns, valid, "", 1, Eye.LEFT, GRID, GRID, 2.0, (2.0, 2.0))


def by(cue, held, stamp_ns=NOW_NS):
    return decision(stamp_ns, cue=cue, trust=TrustReport(held=held))


def test_eyes_that_the_pilot_chain_has_given_up_are_not_believed():
    alone = replace(by(Cue.MONO, True), mode=Mode.MONO, stereo_obstacle_m=NAN)
    assert trusted_sectors_m(alone, label(), estimate(), NOW_NS) == (2.0, 2.0)
    holds = replace(by(Cue.NONE, False), mode=Mode.HOLD, stereo_obstacle_m=NAN)
    assert trusted_sectors_m(holds, label(), estimate(), NOW_NS) == ()
    assert trusted_sectors_m(None, label(), estimate(), NOW_NS) == ()


OLD_NS = NOW_NS - ns_from_s(0.6)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("cue", Cue)
def test_stereo_counts_while_it_answers_and_mono_only_while_it_is_trusted_and_decides(cue, held):
    whose = trusted_sectors_m(by(cue, held), label(), estimate(), NOW_NS)
    assert whose == (1.0, NAN)
    for lost in (None, label(valid=False), label(OLD_NS)):
        trusted = held and cue in (Cue.MONO, Cue.BOTH)
        found = trusted_sectors_m(by(cue, held), lost, estimate(), NOW_NS)
        assert found == ((2.0, 2.0) if trusted else ())


@pytest.mark.parametrize(
    ("decided", "estimated"),
    [
        (None, estimate()),
        (by(Cue.MONO, True, OLD_NS), estimate()),
        (by(Cue.MONO, True), None),
        (by(Cue.MONO, True), estimate(OLD_NS)),
        (by(Cue.MONO, True), replace(estimate(), valid=False)),
    ],
)
def test_what_is_old_or_missing_is_unknown(decided, estimated):
    assert trusted_sectors_m(decided, None, estimated, NOW_NS) == ()


def test_a_camera_that_looks_aside_sees_aside():
    turned = View(tuple(e + math.pi / 2 for e in VIEW.edges_rad), 20, 600)
    ring = distances_cm(turned, (8.0,) * 8)
    assert ring[18] == FREE_CM
    assert ring[0] == UNKNOWN_CM
