import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drone.clock import NS_PER_S, ns_from_s
from drone.config import AvoidanceConfig
from drone.geometry import wrap_angle
from drone.onboard.avoidance import (
    TURNING,
    AvoidanceInputs,
    AvoidanceState,
    Manoeuvre,
    restart,
    step,
)
from drone.onboard.avoidance_state import blocks
from drone.onboard.obstacle_memory import Look, Memory, Pose, View, around, move, remember

CONFIG = AvoidanceConfig(
    cruise_mps=0.5,
    free_ratio=1.25,
    turn_step_deg=45.0,
    extra_turn_deg=15.0,
    turn_rate_degps=90.0,
    settle_s=0.4,
    brake_s=0.6,
    short_hop_s=3.0,
    look_around_after=3,
    look_around_deg=360.0,
    escape_floor=0.5,
)
TICK_S = 0.05
FREE, BLOCKED = 5.0, 0.5
LEFT_FREER, RIGHT_FREER = (3.0, 3.0, 1.0, 1.0), (1.0, 1.0, 3.0, 3.0)


class Flyer:
    """A drone that turns as told and stops at once, with its own clock."""

    def __init__(self, state=None, yaw_follows=True):
        self.state = state or AvoidanceState()
        self.now_s = 100.0
        self.yaw_rad = 3.0  # so that turning to the right passes the seam at pi
        self.yaw_follows = yaw_follows
        self.speed_mps = 0.0
        self.seen = []

    def tick(self, clearance, sectors=RIGHT_FREER):
        self.now_s += TICK_S
        inputs = AvoidanceInputs(
            ns_from_s(self.now_s), clearance, self.yaw_rad, self.speed_mps, sectors
        )
        self.state, motion = step(self.state, inputs, CONFIG)
        self.speed_mps = motion.forward_mps
        if self.yaw_follows:
            self.yaw_rad = wrap_angle(self.yaw_rad + TICK_S * motion.yaw_rate_radps)
        if not self.seen or self.seen[-1] is not self.state.manoeuvre:
            self.seen.append(self.state.manoeuvre)
        return motion

    def until(self, manoeuvre, clearance, sectors=RIGHT_FREER, limit_s=20.0):
        """Tick until a manoeuvre begins; return how long that took."""
        start_s = self.now_s
        while self.state.manoeuvre is not manoeuvre:
            self.tick(clearance, sectors)
            assert self.now_s - start_s < limit_s, f"no {manoeuvre} in {limit_s} s"
        return self.now_s - start_s


def test_the_speed_scales_with_what_the_cue_is_good_for():
    inputs = AvoidanceInputs(0, FREE, 0.0, 0.5, RIGHT_FREER, speed_scale=0.6)
    _, motion = step(AvoidanceState(), inputs, CONFIG)
    assert motion.forward_mps == pytest.approx(0.3)


def test_free_way_is_flown_straight():
    flyer = Flyer()
    for _ in range(50):
        motion = flyer.tick(FREE)
        assert (motion.forward_mps, motion.yaw_rate_radps) == (0.5, 0.0)


@pytest.mark.parametrize("clearance", [0.999, 0.5, 0.0, -1.0, math.nan, -math.inf])
def test_a_blocked_or_unknown_way_stops_in_the_same_tick(clearance):
    flyer = Flyer()
    flyer.tick(FREE)
    motion = flyer.tick(clearance)
    assert flyer.state.manoeuvre is Manoeuvre.BRAKE
    assert (motion.forward_mps, motion.yaw_rate_radps) == (0.0, 0.0)


@pytest.mark.parametrize("clearance", [1.0, 1.2, math.inf])
def test_a_way_just_free_is_flown_on(clearance):
    flyer = Flyer()
    assert flyer.tick(clearance).forward_mps == 0.5


def test_stop_turn_look_a_bit_more_and_on():
    flyer = Flyer()
    flyer.tick(FREE)
    flyer.until(Manoeuvre.TURN, BLOCKED)
    flyer.until(Manoeuvre.LOOK, BLOCKED)
    assert math.degrees(wrap_angle(flyer.yaw_rad - 3.0)) == pytest.approx(45.0, abs=6.0)
    looked_s = flyer.until(Manoeuvre.EXTRA, FREE)
    assert looked_s == pytest.approx(CONFIG.settle_s, abs=1.5 * TICK_S)
    flyer.until(Manoeuvre.CRUISE, FREE)
    assert math.degrees(wrap_angle(flyer.yaw_rad - 3.0)) == pytest.approx(60.0, abs=8.0)
    names = ["cruise", "brake", "turn", "look", "extra", "cruise"]
    assert [m.value for m in flyer.seen] == names


def test_only_cruising_moves_forward_and_only_turning_turns():
    flyer = Flyer()
    for i in range(600):
        motion = flyer.tick(BLOCKED if i % 150 < 60 else FREE)
        manoeuvre = flyer.state.manoeuvre
        assert (motion.forward_mps > 0) == (manoeuvre is Manoeuvre.CRUISE)
        assert (motion.yaw_rate_radps != 0) == (manoeuvre in (Manoeuvre.TURN, Manoeuvre.EXTRA))


@pytest.mark.parametrize(
    ("sectors", "side"),
    [
        (RIGHT_FREER, 1),
        (LEFT_FREER, -1),
        ((math.nan, math.nan, 1.0, 1.0), 1),  # unknown is not free
        ((1.0, 1.0, math.nan, math.nan), -1),
        ((2.0, 2.0), 1),
        ((), 1),
        ((5.0, 1.0, 2.0), -1),  # an odd middle belongs to neither
    ],
)
def test_it_turns_to_the_freer_side(sectors, side):
    flyer = Flyer()
    flyer.until(Manoeuvre.TURN, BLOCKED, sectors)
    assert flyer.tick(BLOCKED, sectors).yaw_rate_radps * side > 0


def test_a_false_alarm_is_over_after_braking():
    flyer = Flyer()
    flyer.tick(BLOCKED)
    flyer.until(Manoeuvre.CRUISE, FREE)
    assert [m.value for m in flyer.seen] == ["brake", "cruise"]


def test_a_way_that_is_soon_blocked_again_is_left_to_the_same_side():
    """Else the drone swings to and fro in a corner. Negative control: later it chooses anew."""
    for cruised_s, side in ((0.5, 1), (10.0, -1)):
        flyer = Flyer()
        flyer.until(Manoeuvre.TURN, BLOCKED, RIGHT_FREER)
        flyer.until(Manoeuvre.CRUISE, FREE, RIGHT_FREER)
        for _ in range(round(cruised_s / TICK_S)):
            flyer.tick(FREE)
        flyer.until(Manoeuvre.TURN, BLOCKED, LEFT_FREER)
        assert flyer.state.side == side


def clearance_toward(yaw_rad, best_yaw_rad, best, elsewhere):
    """A gap thirty degrees wide to each side, in an otherwise blocked round."""
    gap = abs(wrap_angle(yaw_rad - best_yaw_rad)) < math.radians(30)
    return best if gap else elsewhere


def fly_round(flyer, best_yaw_rad, best, elsewhere, limit_s=40.0):
    """Tick until the drone flies; return how far it turned before, and where it flies then."""
    start_s = flyer.now_s
    while True:
        toward = clearance_toward(flyer.yaw_rad, best_yaw_rad, best, elsewhere)
        if flyer.tick(toward).forward_mps > 0:
            return flyer.now_s - start_s, flyer.yaw_rad
        assert flyer.now_s - start_s < limit_s, "it never gets out"


@pytest.mark.parametrize("best_yaw_rad", [-2.0, 0.0, 1.0, 3.0])
def test_in_a_corner_it_looks_all_around_and_leaves_by_the_freest_way(best_yaw_rad):
    """0.9 is below what is free elsewhere (1.25), yet the best there is."""
    flyer = Flyer()
    flyer.tick(BLOCKED)
    took_s, yaw_rad = fly_round(flyer, best_yaw_rad, best=0.9, elsewhere=0.3)
    assert abs(wrap_angle(yaw_rad - best_yaw_rad)) < math.radians(30)
    assert took_s > 360 / CONFIG.turn_rate_degps
    assert took_s < 15.0, "no endless turning"
    assert flyer.state.demand == pytest.approx(0.9 / CONFIG.free_ratio)
    flyer.tick(CONFIG.free_ratio)
    assert flyer.state.demand == 1.0, "a free way ends the escape"


def test_where_nothing_reaches_the_floor_it_stays():
    flyer = Flyer()
    for _ in range(round(60 / TICK_S)):
        assert flyer.tick(0.9 * CONFIG.escape_floor).forward_mps == 0.0


def test_a_free_way_is_taken_at_once_but_after_short_hops_only_the_freest():
    """Negative control first: without hops the first free way ends the turn."""
    for hops, taken in ((0, "first"), (CONFIG.look_around_after, "best")):
        flyer = Flyer()
        flyer.tick(BLOCKED)
        # The brake that ends now counts as one more hop if the flight before it was short.
        recent = ns_from_s(flyer.now_s)
        flyer.state = flyer.state._replace(hops=max(0, hops - 1), cruise_ns=recent if hops else 0)
        flyer.until(Manoeuvre.TURN, BLOCKED)
        start_rad = flyer.yaw_rad
        took_s, yaw_rad = fly_round(flyer, wrap_angle(start_rad + math.pi), 4.0, CONFIG.free_ratio)
        half_round = abs(wrap_angle(yaw_rad - start_rad)) > math.radians(140)
        assert half_round == (taken == "best")
        assert (took_s > 4.0) == (taken == "best")


def test_short_hops_are_counted_and_a_long_flight_ends_the_count():
    flyer = Flyer()
    for hop in range(2):
        flyer.until(Manoeuvre.TURN, BLOCKED)
        assert flyer.state.hops == hop
        flyer.until(Manoeuvre.CRUISE, FREE)
    for _ in range(round(5 / TICK_S)):
        flyer.tick(FREE)
    flyer.until(Manoeuvre.TURN, BLOCKED)
    assert flyer.state.hops == 0


def test_a_way_that_closes_during_the_last_turn_is_not_flown_for_a_single_tick():
    flyer = Flyer()
    flyer.until(Manoeuvre.LOOK, BLOCKED)
    flyer.until(Manoeuvre.EXTRA, FREE)
    while flyer.state.manoeuvre is not Manoeuvre.BRAKE:
        assert flyer.tick(BLOCKED).forward_mps == 0.0
    assert [m.value for m in flyer.seen[-3:]] == ["extra", "back", "brake"]


def test_where_the_bit_more_is_too_much_it_turns_back_to_the_free_way():
    """A gap of seven degrees to each side: the extra fifteen lead out of it."""
    flyer = Flyer()
    flyer.until(Manoeuvre.TURN, BLOCKED)
    gap_rad = wrap_angle(flyer.state.target_yaw_rad + math.radians(41))
    while flyer.state.manoeuvre is not Manoeuvre.CRUISE:
        off_rad = abs(wrap_angle(flyer.yaw_rad - gap_rad))
        flyer.tick(FREE if off_rad < math.radians(7) else BLOCKED)
        assert flyer.now_s < 110.0
    assert flyer.seen[-1] is Manoeuvre.CRUISE
    assert flyer.seen[-3:-1] == [Manoeuvre.EXTRA, Manoeuvre.BACK]
    assert abs(wrap_angle(flyer.yaw_rad - gap_rad)) < math.radians(7)


def test_turning_ends_though_yaw_does_not_follow():
    flyer = Flyer(yaw_follows=False)
    flyer.until(Manoeuvre.TURN, BLOCKED)
    assert flyer.until(Manoeuvre.LOOK, BLOCKED) == pytest.approx(3.0, abs=0.2)


def test_braking_ends_though_the_speed_does_not():
    flyer = Flyer()
    flyer.tick(FREE)
    for _ in range(40):
        flyer.speed_mps = math.nan
        flyer.tick(BLOCKED)
    assert flyer.state.manoeuvre is not Manoeuvre.BRAKE


def test_restart_forgets_the_turn_and_the_escape():
    flyer = Flyer()
    for _ in range(1000):
        flyer.tick(BLOCKED, LEFT_FREER)
    fresh = restart(flyer.state, 7)
    assert (fresh.manoeuvre, fresh.demand, fresh.turned_rad) == (Manoeuvre.CRUISE, 1.0, 0.0)
    assert (fresh.since_ns, fresh.cruise_ns) == (7, 7)


KINDS = ("paper", "sectors")
PAUSE_S = 1.0
unsure = st.one_of(st.floats(-1, 9), st.just(math.nan))
facts = st.tuples(
    st.floats(),
    st.one_of(st.floats(-4, 4), st.just(math.nan)),
    st.floats(),
    st.lists(st.one_of(st.floats(min_value=0), st.just(math.nan)), max_size=8).map(tuple),
    unsure,
    st.lists(st.tuples(unsure, unsure), max_size=3).map(tuple),
    st.lists(st.tuples(unsure, unsure, st.just(0)), max_size=3).map(tuple),
)


def inputs_of(now_ns, drawn):
    clearance, yaw_rad, speed_mps, sectors, seen_m, near, trail = drawn
    looks = (Look(0.1, 0.0, 1.0, 0.0, 0, sectors),) if sectors else ()
    return AvoidanceInputs(
        now_ns,
        clearance,
        yaw_rad,
        speed_mps,
        sectors,
        seen_m=seen_m,
        near=near,
        trail=trail,
        looks=looks,
    )


def of_kind(kind, **changes):
    return CONFIG.model_copy(update={"kind": kind, **changes})


@given(
    st.sampled_from(KINDS),
    st.sampled_from(Manoeuvre),
    st.lists(st.tuples(facts, st.integers(0, 4 * NS_PER_S)), max_size=30),
)
def test_any_inputs_give_finite_motion_that_stops_within_what_is_seen(kind, manoeuvre, ticks):
    config = of_kind(kind, cruise_mps=3.0)
    state, now_ns = AvoidanceState()._replace(manoeuvre=manoeuvre, route=((1.0, 2.0),)), 0
    if manoeuvre is not Manoeuvre.RETREAT:
        state = state._replace(route=())
    for drawn, later_ns in ticks:
        now_ns += later_ns
        inputs = inputs_of(now_ns, drawn)
        state, motion = step(state, inputs, config)
        speed = motion.forward_mps
        assert all(map(math.isfinite, (speed, motion.right_mps, motion.yaw_rate_radps)))
        assert abs(motion.yaw_rate_radps) <= math.radians(config.turn_rate_degps)
        if state.manoeuvre is Manoeuvre.RETREAT:
            assert math.hypot(speed, motion.right_mps) <= config.retreat_mps + 1e-9
            continue
        assert motion.right_mps == 0.0
        assert 0 <= speed <= config.cruise_mps
        if speed > 0:
            stops_in_m = speed**2 / (2 * config.decel_mps2) + speed * config.latency_s
            assert stops_in_m <= inputs.seen_m + 1e-9
            assert inputs.clearance >= config.escape_floor
            assert not any(blocks(f, r, inputs.hull_m, config) for f, r in inputs.near)
        assert config.escape_floor <= state.demand <= 1.0


def longest_turn_s(kind, pieces):
    """Fly pieces of (facts, duration); a turn ends with a second without turning."""
    state, now_s, began_s, turned_s, longest_s = AvoidanceState(), 100.0, None, -9.0, 0.0
    yaw_rad = 0.0
    for drawn, lasts_s in pieces:
        for _ in range(round(lasts_s / TICK_S)):
            now_s += TICK_S
            inputs = inputs_of(ns_from_s(now_s), drawn)
            if not math.isnan(inputs.yaw_rad):
                inputs = inputs._replace(yaw_rad=yaw_rad)
            state, motion = step(state, inputs, of_kind(kind))
            yaw_rad = wrap_angle(yaw_rad + TICK_S * motion.yaw_rate_radps)
            if state.manoeuvre in TURNING:
                began_s = now_s if now_s - turned_s > PAUSE_S + 1e-6 else began_s
                turned_s = now_s
                longest_s = max(longest_s, now_s - began_s)
    return longest_s


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clearance", [0.0, 0.3, math.nan, 0.7])
def test_where_nothing_is_free_turning_is_bounded(kind, clearance):
    blind = (clearance, 0.0, 0.0, (math.nan,) * 8, math.nan, (), ((0.0, 0.0, 0), (0.3, 0.0, 0)))
    longest_s = longest_turn_s(kind, [(blind, 60.0)])
    assert 5.0 < longest_s <= CONFIG.max_turn_s + TICK_S


@settings(max_examples=25)
@given(st.sampled_from(KINDS), st.lists(st.tuples(facts, st.floats(0.1, 8)), max_size=12))
def test_whatever_is_seen_no_turn_lasts_twenty_seconds(kind, pieces):
    assert longest_turn_s(kind, pieces) <= 20.0


@pytest.mark.parametrize("kind", KINDS)
def test_out_of_a_corner_it_goes_back_the_way_it_came(kind):
    """Negative control: where there is no way back it waits, and both look again afterwards."""
    for trail in (((-0.6, 0.0, 0), (-0.3, 0.0, 0), (0.0, 0.0, 0)), ()):
        state, at, now_s, seen = AvoidanceState(), (0.0, 0.0), 100.0, []
        for _ in range(round(20 / TICK_S)):
            now_s += TICK_S
            inputs = AvoidanceInputs(
                ns_from_s(now_s), 0.1, 0.0, 0.0, (), position_m=at, trail=trail
            )
            state, motion = step(state, inputs, of_kind(kind, retreat_m=0.4))
            at = (at[0] + TICK_S * motion.forward_mps, at[1] + TICK_S * motion.right_mps)
            if not seen or seen[-1] is not state.manoeuvre:
                seen.append(state.manoeuvre)
        assert at[0] == pytest.approx(-0.3 if trail else 0.0, abs=0.08)
        assert (Manoeuvre.RETREAT in seen) == bool(trail)
        assert seen.index(Manoeuvre.WAIT) < len(seen) - 1, "and looks again"


class Passing:
    """A drone beside a pillar that the deciding distance misses and the sectors see."""

    PILLAR, RADIUS_M, HULL_M = (1.6, 0.3), 0.1, 0.26

    def __init__(self, kind, remember_s):
        memory = CONFIG.memory.model_copy(update={"remember_s": remember_s})
        self.config = of_kind(kind, memory=memory)
        self.memory, self.state = Memory(), AvoidanceState()
        self.at = [0.0, 0.0, 0.0]
        self.speed_mps = 0.0
        self.now_s = 100.0

    def sectors(self):
        pose, view = Pose(*self.at), View()
        north, east = self.PILLAR[0] - pose.north_m, self.PILLAR[1] - pose.east_m
        c, s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
        ahead = c * north + s * east - view.eye_forward_m
        aside = c * east - s * north - view.eye_right_m
        sector = view.sector(ahead, aside, 8)
        near_m = math.hypot(ahead, aside) - self.RADIUS_M
        return tuple(near_m if i == sector else 4.0 for i in range(8))

    @property
    def touches(self):
        c, s = math.cos(self.at[2]), math.sin(self.at[2])
        north, east = self.PILLAR[0] - self.at[0], self.PILLAR[1] - self.at[1]
        forward, right = c * north + s * east, c * east - s * north
        outside = [max(0.0, abs(x) - self.HULL_M) for x in (forward, right)]
        return math.hypot(*outside) < self.RADIUS_M

    def tick(self):
        self.now_s += TICK_S
        now_ns, pose, rules, view = (
            ns_from_s(self.now_s),
            Pose(*self.at),
            self.config.memory,
            View(),
        )
        self.memory = move(self.memory, pose, now_ns, rules)
        sectors_m = self.sectors()
        self.memory = remember(self.memory, pose, sectors_m, now_ns, view, rules)
        near = around(self.memory, pose, now_ns, view, rules)
        inputs = AvoidanceInputs(
            now_ns, FREE, pose.yaw_rad, self.speed_mps, (4.0,) * 8, near=near, view=view
        )
        self.state, motion = step(self.state, inputs, self.config)
        slower = self.speed_mps - TICK_S * self.config.decel_mps2
        self.speed_mps = max(motion.forward_mps, slower)
        self.at[2] += TICK_S * motion.yaw_rate_radps
        self.at[0] += TICK_S * self.speed_mps * math.cos(self.at[2])
        self.at[1] += TICK_S * self.speed_mps * math.sin(self.at[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_missed_pillar_beside_is_not_touched_but_without_memory_it_is(kind):
    for remember_s, touched in ((0.0, True), (6.0, False)):
        flight = Passing(kind, remember_s)
        hits = 0
        for _ in range(round(6 / TICK_S)):
            flight.tick()
            hits += flight.touches
        assert (hits > 0) == touched
        assert flight.at[0] > 0.8, "and it flew"


def test_after_a_turn_it_looks_at_what_its_corner_will_pass_before_it_flies():
    """Negative control: told not to, or having seen it, it flies at once."""
    ahead_alone = (Look(0.12, -0.03, 1.0, 0.0, 0, (4.0,) * 8),)
    wide = (*ahead_alone, Look(0.12, -0.03, math.cos(0.6), math.sin(0.6), 0, (4.0,) * 8))
    for looks, look_at_corners, peeks in (
        (ahead_alone, True, True),
        (ahead_alone, False, False),
        (wide, True, False),
    ):
        state, yaw_rad, seen = AvoidanceState(Manoeuvre.EXTRA, side=1), 0.0, []
        for tick in range(100):
            inputs = AvoidanceInputs(
                ns_from_s(100 + tick * TICK_S), FREE, yaw_rad, 0.0, (4.0,) * 8, looks=looks
            )
            state, motion = step(state, inputs, of_kind("paper", look_at_corners=look_at_corners))
            yaw_rad += TICK_S * motion.yaw_rate_radps
            seen.append(state.manoeuvre)
            if motion.forward_mps > 0:
                break
        assert (Manoeuvre.PEEK in seen) == peeks
        assert abs(yaw_rad) < math.radians(4.0), "and flies where the way was free"


def test_it_turns_away_from_what_is_remembered_beside():
    """Negative control: nothing remembered, it turns to the freer side."""
    for near, side in ((((0.4, 0.2),), -1), ((), 1)):
        flyer = Flyer()
        for _ in range(30):
            flyer.now_s += TICK_S
            inputs = AvoidanceInputs(ns_from_s(flyer.now_s), 0.2, 0.0, 0.0, RIGHT_FREER, near=near)
            flyer.state, motion = step(flyer.state, inputs, CONFIG)
        assert motion.yaw_rate_radps * side > 0


def test_speed_falls_toward_an_obstacle_and_is_scaled():
    speeds = []
    for clearance in (3.0, 1.5, 1.2, 1.01):
        inputs = AvoidanceInputs(ns_from_s(9.0), clearance, 0.0, 0.0, (4.0,) * 8)
        speeds.append(step(AvoidanceState(), inputs, of_kind("sectors"))[1].forward_mps)
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] == 0.5 > speeds[2]
    for kind in KINDS:
        inputs = AvoidanceInputs(ns_from_s(9.0), 3.0, 0.0, 0.0, (4.0,) * 8, speed_scale=0.4)
        assert step(AvoidanceState(), inputs, of_kind(kind))[1].forward_mps == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("sectors", "sign"),
    [
        ((4.0,) * 8, 0),
        ((1.2, 1.2, 1.2, 1.2, 3.0, 4.0, 4.0, 4.0), 1),
        ((4.0, 4.0, 4.0, 3.0, 1.2, 1.2, 1.2, 1.2), -1),
        ((math.nan, math.nan, math.nan, 1.3, 1.3, 3.0, 4.0, 4.0), 1),
    ],
)
def test_sectors_steers_toward_the_freer_side(sectors, sign):
    inputs = AvoidanceInputs(ns_from_s(9.0), 1.4, 0.0, 0.3, sectors)
    _, motion = step(AvoidanceState(), inputs, of_kind("sectors"))
    assert motion.forward_mps > 0
    assert (motion.yaw_rate_radps > 0) - (motion.yaw_rate_radps < 0) == sign
