import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import MemoryConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.onboard.obstacle_memory import (
    MOST_POINTS,
    Memory,
    Pose,
    View,
    around,
    move,
    remember,
    view_of,
    was_seen,
)

CONFIG = MemoryConfig(remember_s=6.0, remember_m=1.5, clear_m=0.3, trail_s=10.0)
VIEW = View(-0.7, 0.7, 0.1, 0.0)
FAR = (8.0,) * 8
ORIGIN = Pose(0.0, 0.0, 0.0)


def seen(sector, range_m):
    """One near sector, the rest far."""
    return tuple(range_m if s == sector else 8.0 for s in range(8))


def after(sectors_m, pose=ORIGIN, memory=None, now_s=1.0):
    memory = move(memory or Memory(), pose, ns_from_s(now_s), CONFIG)
    return remember(memory, pose, sectors_m, ns_from_s(now_s), VIEW, CONFIG)


def near(memory, pose, now_s=1.0):
    return around(memory, pose, ns_from_s(now_s), VIEW, CONFIG)


def test_the_sectors_are_equal_shares_of_the_image():
    tangents = [VIEW.tangent(s, 8) for s in range(8)]
    assert tangents == pytest.approx([-0.6125 + 0.175 * s for s in range(8)])
    assert [VIEW.sector(1.0, t, 8) for t in tangents] == list(range(8))


@pytest.mark.parametrize(
    ("ahead", "aside"), [(1.0, 0.71), (1.0, -0.71), (0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0)]
)
def test_what_is_beside_or_behind_is_out_of_view(ahead, aside):
    assert VIEW.sector(ahead, aside, 8) == -1


def test_the_view_is_the_left_eyes():
    eye = Intrinsics(width=128, height=96, fx=91.4, fy=91.4, cx=63.5, cy=47.5)
    calibration = StereoCalibration(left=eye, baseline_m=0.06, left_in_body_m=(0.12, -0.03, 0.0))
    view = view_of(calibration)
    assert (view.left_tan, view.right_tan) == pytest.approx((-64 / 91.4, 64 / 91.4))
    assert (view.eye_forward_m, view.eye_right_m) == (0.12, -0.03)


def test_a_pillar_that_is_passed_is_remembered_where_it_is():
    """Seen at the right edge of the view, 0.8 m away; then 0.5 m on it is beside the nose."""
    memory = after(seen(7, 0.8))
    ahead = 0.8 / math.hypot(1, 0.6125)
    assert near(memory, ORIGIN) == (), "still in view"
    (point,) = near(memory, Pose(0.5, 0.0, 0.0))
    assert point == pytest.approx((0.1 + ahead - 0.5, 0.6125 * ahead))


def test_it_turns_with_the_drone():
    """Straight ahead at 1 m; turned by 90 degrees to the right it is to the left."""
    memory = remember(Memory(), Pose(2.0, 3.0, 0.0), (1.0,), ns_from_s(1.0), VIEW, CONFIG)
    assert near(memory, Pose(2.0, 3.0, math.pi / 2)) == (pytest.approx((0.0, -1.1)),)
    memory = remember(Memory(), Pose(2.0, 3.0, math.pi / 2), (1.0,), ns_from_s(1.0), VIEW, CONFIG)
    assert near(memory, Pose(2.0, 3.0, 0.0)) == (pytest.approx((0.0, 1.1)),)


@pytest.mark.parametrize(
    ("then_m", "left"), [(8.0, 0), (1.0, 1), (0.65, 1), (0.4, 2), (math.nan, 1)]
)
def test_a_later_view_clears_what_it_sees_through_or_sees_anew(then_m, left):
    """A point at 0.8 m: seen through, seen again, seen again nearer, hidden, not known."""
    memory = after(seen(6, then_m), memory=after(seen(6, 0.8)), now_s=1.1)
    assert len(memory.points) == left


def test_the_edges_of_the_view_clear_nothing():
    """Of a thing on the edge they see a part, and soon what is behind it."""
    for sector, left in ((0, 1), (1, 0), (6, 0), (7, 1)):
        assert len(after(FAR, memory=after(seen(sector, 0.8)), now_s=1.1).points) == left
    for again_m, count in ((0.85, 1), (1.2, 2)):
        memory = after(seen(7, again_m), memory=after(seen(7, 0.8)), now_s=1.1)
        assert len(memory.points) == count, "but what they see again they have once"


def test_what_was_looked_at_was_seen_and_what_is_beside_was_not():
    memory = after(seen(3, math.nan))
    assert was_seen(memory.looks, 2.0, 0.5, VIEW)
    assert not was_seen(memory.looks, 2.0, -0.2, VIEW), "an unknown sector is not seen"
    assert not was_seen(memory.looks, 0.3, 0.3, VIEW), "beside the view"
    memory = after(FAR, Pose(0.0, 0.0, 0.8), memory, 1.1)
    assert was_seen(memory.looks, 0.3, 0.3, VIEW), "after a turn to the right"
    memory = after(FAR, Pose(0.0, 0.0, 2.0), memory, 1.2)
    assert was_seen(memory.looks, 0.3, 0.3, VIEW), "and later still"
    assert not was_seen((), 2.0, 0.0, VIEW)


def test_looks_alike_take_each_others_place_and_are_few():
    memory = Memory()
    for i in range(200):
        memory = after(FAR, Pose(0.0, 0.0, 0.001 * i), memory, 1.0 + 0.01 * i)
        assert len(memory.looks) <= 3
    for i in range(60):
        memory = after(FAR, Pose(0.0, 0.0, 0.3 * i), memory, 4.0 + 0.01 * i)
    assert len(memory.looks) == 16


@pytest.mark.parametrize(("later_s", "count"), [(5.9, 1), (6.1, 0)])
def test_it_is_forgotten_after_seconds(later_s, count):
    memory, aside = after(seen(7, 0.8)), Pose(0.45, 0.0, 0.0)
    assert len(near(memory, aside, 1.0 + later_s)) == count
    assert len(after(FAR, aside, memory, 1.0 + later_s).points) == count


def test_it_is_forgotten_after_metres_and_what_is_far_is_not_remembered():
    memory = after(seen(7, 0.8))
    assert near(memory, Pose(2.5, 0.0, 0.0)) == ()
    assert after(seen(3, 1.6)).points == ()


def test_after_a_jump_nothing_is_known():
    """Negative control: a step of flight keeps all."""
    for step_m, kept in ((0.4, 1), (0.6, 0)):
        memory = move(after(seen(7, 0.8)), Pose(step_m, 0.0, 0.0), ns_from_s(1.1), CONFIG)
        assert len(memory.points) == kept
        assert len(memory.trail) == 1 + kept
    assert move(after(seen(7, 0.8)), Pose(math.nan, 0.0, 0.0), ns_from_s(1.1), CONFIG).points == ()


def test_a_frame_is_taken_in_once_and_no_frame_changes_nothing():
    memory = after(seen(7, 0.8))
    assert remember(memory, Pose(0.3, 0.0, 0.0), FAR, ns_from_s(1.0), VIEW, CONFIG) is memory
    assert remember(memory, ORIGIN, (), ns_from_s(2.0), VIEW, CONFIG) is memory


def test_the_way_flown_is_short_and_of_late():
    memory = Memory()
    for i in range(400):
        memory = move(memory, Pose(0.025 * i, 0.0, 0.0), ns_from_s(1.0 + 0.05 * i), CONFIG)
    steps = [a[0] - b[0] for a, b in zip(memory.trail[1:], memory.trail, strict=False)]
    assert len(steps) == 11
    assert min(steps) >= 0.08 - 1e-9
    later = move(memory, Pose(11.0, 0.0, 0.0), ns_from_s(60.0), CONFIG)
    assert len(later.trail) == 1, "a jump"
    hover = move(memory, Pose(10.1, 0.0, 0.0), ns_from_s(60.0), CONFIG)
    assert len(hover.trail) == 1


numbers = st.floats(-3, 3)


@given(
    st.lists(
        st.tuples(
            numbers,
            numbers,
            numbers,
            st.lists(st.one_of(st.floats(0, 9), st.just(math.nan)), max_size=8).map(tuple),
        ),
        max_size=40,
    )
)
def test_whatever_is_seen_it_is_finite_bounded_and_of_late(frames):
    memory, now_ns = Memory(), 0
    for north, east, yaw, sectors in frames:
        now_ns += ns_from_s(0.1)
        pose = Pose(north / 10, east / 10, yaw)
        memory = move(memory, pose, now_ns, CONFIG)
        memory = remember(memory, pose, sectors, now_ns, VIEW, CONFIG)
        assert len(memory.points) <= MOST_POINTS
        assert all(math.isfinite(x) for p in memory.points for x in p)
        for forward, right in around(memory, pose, now_ns, VIEW, CONFIG):
            assert math.hypot(forward, right) <= CONFIG.remember_m
            assert VIEW.sector(forward - VIEW.eye_forward_m, right, 1) == -1
