import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import HealthConfig, SwitchingConfig
from drone.messages import (
    DistanceLabel,
    Eye,
    FrameCheck,
    HealthEvent,
    MonoEstimate,
    StereoFrame,
)
from drone.onboard.health import (
    EyeState,
    HealthState,
    bears_out,
    check_frame,
    prove,
    step,
)

CONFIG = SwitchingConfig(stale_s=0.35, stereo_lost_s=0.5, stereo_back_s=2.0)
HEALTH = HealthConfig()
RULES = (CONFIG, HEALTH)
GRID = np.full((2, 2), math.nan, np.float32)
FRAME_S = 0.1


def noise(mean, deviation, shape=(48, 64)):
    values = np.random.default_rng(0).normal(mean, deviation, shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


class Eyes:
    """Frames at 10 Hz."""

    def __init__(self):
        self.state = HealthState()
        self.now_s = 50.0
        self.seq = 0

    def tick(self, left="", right="", crcs=None, events=(), frame=True):
        self.now_s += FRAME_S
        self.seq += 1
        crcs = crcs or (self.seq, self.seq)
        check = FrameCheck(self.seq, 0, True, left, right, *crcs) if frame else None
        self.state = step(self.state, ns_from_s(self.now_s), check, events, RULES)
        return self.state

    def run(self, duration_s, **changes):
        for _ in range(round(duration_s / FRAME_S)):
            self.tick(**changes)
        return self.state

    def until(self, wanted, **changes):
        start_s = self.now_s
        while not wanted(self.state):
            self.tick(**changes)
            assert self.now_s - start_s < 60
        return self.now_s - start_s


def event(kind, active, eye=Eye.RIGHT):
    return (HealthEvent(0, 0, True, eye, kind, active),)


@pytest.mark.parametrize(
    ("image", "verdict"),
    [
        (None, "missing"),
        (np.zeros((0, 0), np.uint8), "missing"),
        (noise(0, 1), "black"),
        (noise(7, 1), "black"),
        (noise(9, 1), ""),  # dark, yet not nothing
        (noise(255, 1), "white"),
        (noise(246, 1), ""),
        (noise(128, 0), ""),  # a plain wall is no fault
        (noise(5, 20), ""),  # a dark room with a lamp
        (noise(128, 40), ""),
    ],
)
def test_images_are_judged_by_themselves(image, verdict):
    good = noise(128, 40)
    check = check_frame(StereoFrame(3, 9, True, image, good))
    assert (check.seq, check.stamp_ns, check.left, check.right) == (3, 9, verdict, "")
    assert check_frame(StereoFrame(3, 9, True, good, image)).right == verdict
    assert (check.left_crc == 0) == (image is None or image.size == 0)


def test_equal_pixels_have_equal_crcs_and_others_do_not():
    a, b = noise(128, 40), noise(128, 40)
    b[0, 0] ^= 1
    crcs = {check_frame(StereoFrame(0, 0, True, i, i)).left_crc for i in (a, a.copy(), b)}
    assert len(crcs) == 2


@pytest.mark.parametrize("eye", ["left", "right"])
def test_an_eye_dies_and_comes_back_with_hysteresis(eye):
    eyes = Eyes()
    eyes.run(1.0)
    dead_s = eyes.until(lambda s: not s.stereo_ok, **{eye: "black"})
    assert dead_s == pytest.approx(CONFIG.stereo_lost_s + FRAME_S, abs=1e-6)
    assert eyes.state.reason == f"{eye} eye black"
    assert getattr(eyes.state, eye).dead
    eyes.tick()
    assert eyes.state.reason == f"{eye} eye recovering"
    back_s = eyes.until(lambda s: s.stereo_ok)
    assert back_s == pytest.approx(CONFIG.stereo_back_s, abs=1e-6)
    assert eyes.state.reason == ""


def test_trouble_of_changing_kind_is_still_trouble():
    eyes = Eyes()
    eyes.run(1.0)
    for verdict in itertools.islice(itertools.cycle(["black", "white", "missing"]), 7):
        eyes.tick(right=verdict)
    assert not eyes.state.stereo_ok


def test_short_trouble_is_seen_at_once_and_believed_never():
    eyes = Eyes()
    for i in range(50):
        state = eyes.tick(right="black" if i % 4 == 0 else "")
        assert state.stereo_ok
        assert state.stereo_sees == (i % 4 != 0)
        assert state.sees(Eye.LEFT)
        assert state.sees(Eye.RIGHT) == state.sees(Eye.PAIR) == state.stereo_sees


def test_repeated_pixels_are_a_frozen_eye():
    eyes = Eyes()
    eyes.run(1.0)
    eyes.run(1.0, crcs=(0x77, 0x88))
    assert eyes.state.reason == "left eye frozen, right eye frozen"
    eyes.tick()
    assert eyes.state.left.verdict == ""


def test_one_frozen_eye_is_told_from_the_other():
    eyes = Eyes()
    for i in range(10):
        eyes.tick(crcs=(i + 1, 0x88))
    assert eyes.state.reason == "right eye frozen"
    assert eyes.state.left.sees


def test_silence_is_missing_after_staleness():
    eyes = Eyes()
    eyes.run(1.0)
    silent_s = eyes.until(lambda s: not s.stereo_ok, frame=False)
    expected_s = CONFIG.stale_s + CONFIG.stereo_lost_s
    assert expected_s <= silent_s <= expected_s + 2 * FRAME_S
    assert eyes.state.reason == "left eye missing, right eye missing"


def test_silence_from_the_start_counts_from_the_first_tick():
    eyes = Eyes()
    assert eyes.until(lambda s: not s.stereo_ok, frame=False) < 1.2


def test_reports_of_the_driver_hold_until_taken_back():
    eyes = Eyes()
    eyes.run(1.0)
    eyes.tick(events=event("unplugged", True))
    eyes.run(1.0)
    assert eyes.state.reason == "right eye unplugged"
    eyes.run(10.0)
    assert not eyes.state.stereo_ok
    eyes.tick(events=event("unplugged", False))
    eyes.run(CONFIG.stereo_back_s)
    assert eyes.state.stereo_ok


def test_a_report_about_both_eyes_takes_both():
    eyes = Eyes()
    eyes.tick(events=event("unplugged", True, Eye.PAIR))
    eyes.run(1.0)
    assert eyes.state.reason == "left eye unplugged, right eye unplugged"


@pytest.mark.parametrize("eye", Eye)
def test_eyes_out_of_sync_cost_stereo_and_neither_eye(eye):
    eyes = Eyes()
    eyes.tick(events=event("out of sync", True, eye))
    assert not eyes.state.stereo_sees
    eyes.run(1.0)
    assert eyes.state.reason == "eyes out of sync"
    assert not eyes.state.stereo_ok
    assert eyes.state.sees(Eye.LEFT)
    assert eyes.state.sees(Eye.RIGHT)


verdicts = st.sampled_from(["", "", "black", "missing"])


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.booleans(), verdicts, verdicts, st.integers(0, 3)),
        max_size=40,
    )
)
def test_an_eye_is_dead_only_after_lasting_trouble_and_alive_only_after_lasting_health(seen):
    state, now_s, since_s, was = HealthState(), 10.0, None, None
    for later_s, frame, left, right, crc in seen:
        now_s += later_s
        check = FrameCheck(0, 0, True, left, right, crc, crc) if frame else None
        before, state = state, step(state, ns_from_s(now_s), check, (), RULES)
        for old, new in ((before.left, state.left), (before.right, state.right)):
            assert isinstance(new, EyeState)
            if new.dead and not old.dead:
                assert new.verdict
            if old.dead and not new.dead:
                assert not new.verdict
            assert new.sees == (not new.dead and not new.verdict)
        bad = bool(state.left.verdict)
        if bad != was:
            was, since_s = bad, now_s
        if state.left.dead != before.left.dead:
            needed_s = CONFIG.stereo_lost_s if state.left.dead else CONFIG.stereo_back_s
            assert now_s - since_s >= needed_s - 1e-6
    assert math.isfinite(now_s)


# Proof


def label(obstacle_m=2.0, valid=True):
    return DistanceLabel(0, 0, valid, "", GRID, GRID, obstacle_m, (), 3.0, 1.0)


def estimate(obstacle_m):
    return MonoEstimate(0, 0, True, "", 1, Eye.LEFT, GRID, GRID, obstacle_m, ())


@pytest.mark.parametrize(
    ("seen", "mono_m", "trusted", "expected"),
    [
        (label(2.0), 2.0, True, True),
        (label(2.0), 2.7, True, True),
        (label(2.0), 2.9, True, False),
        (label(2.0), 1.4, True, False),
        (label(2.0), math.nan, True, False),
        (label(2.0), 0.0, True, False),
        (label(math.inf), math.inf, True, False),
        (label(math.nan), 2.0, True, False),
        (label(2.0), 9.0, False, True),
        (label(math.nan), 9.0, False, True),
        (label(2.0, valid=False), 2.0, True, False),
        (label(2.0, valid=False), 2.0, False, False),
        (label(2.0), None, True, True),
        (None, 2.0, False, False),
    ],
)
def test_what_bears_a_pair_out(seen, mono_m, trusted, expected):
    mono = None if mono_m is None else estimate(mono_m)
    assert bears_out(seen, mono, trusted, HEALTH) is expected


def proved_after_s(bears, limit_s=30.0):
    """Return when a pair that was lost is believed, the k-th frame saying `bears(k)`."""
    dead = EyeState(dead=True, verdict="black", crc=1)
    state, now_s = HealthState(right=dead, frame_ns=0), 100.0
    state = prove(state, ns_from_s(now_s), None, CONFIG)
    began_s, k = now_s, 0
    while not state.stereo_ok and now_s - began_s < limit_s:
        now_s, k = now_s + 0.1, k + 1
        now_ns = ns_from_s(now_s)
        check = FrameCheck(k, now_ns, True, "", "", 2 * k, 2 * k + 1)
        state = step(state, now_ns, check, (), (CONFIG, HEALTH))
        state = prove(state, now_ns, bears(k), CONFIG)
    return now_s - began_s


def test_a_pair_is_proved_when_it_has_been_well_and_most_frames_bear_it_out():
    assert proved_after_s(lambda k: True) == pytest.approx(CONFIG.stereo_back_s, abs=0.21)
    assert proved_after_s(lambda k: k % 3 > 0) == pytest.approx(CONFIG.stereo_back_s, abs=0.21)


def test_a_pair_that_a_third_of_the_frames_bear_out_stays_unproved():
    assert proved_after_s(lambda k: k % 3 == 0) == pytest.approx(30.0, abs=0.2)
    assert proved_after_s(lambda k: False) == pytest.approx(30.0, abs=0.2)


def test_a_pair_proves_itself_later():
    waited_s = proved_after_s(lambda k: k > 30)
    assert 3.0 < waited_s <= 3.0 + 2 * CONFIG.stereo_back_s


def test_who_was_never_lost_owes_nothing():
    assert prove(HealthState(), 5, False, CONFIG) == HealthState()
