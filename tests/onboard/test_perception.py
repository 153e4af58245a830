import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinymodel import tiny_model

from drone.config import PilotConfig
from drone.errors import UserError
from drone.geometry import Intrinsics, StereoCalibration, quaternion_from_euler
from drone.messages import Eye, Mode, StereoFrame, Tick, VehicleState
from drone.onboard.health import EyeState, HealthState
from drone.onboard.perception import Perception
from drone.onboard.pilot import Pilot, PilotState

WIDTH, HEIGHT = 64, 48
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(WIDTH, HEIGHT, math.radians(70)), 0.06)
CONFIG = PilotConfig.model_validate(
    {
        "grid": {"rows": 6, "cols": 8},
        "mono": {"width_px": WIDTH, "height_px": HEIGHT, "caution": 1.0},
        "labels": {"min_valid_share": 0.25, "min_cell_share": 0.4},
    }
)


def perception(with_model=True):
    made = Perception(CONFIG, CALIBRATION)
    if with_model:
        made.load(tiny_model(made.spec, offset=0.3))
    return made


PERCEPTION = perception()


def vehicle(roll=0.0, pitch=0.0, attitude=None, valid=True, stamp_ns=0):
    attitude = attitude or quaternion_from_euler(roll, pitch, 0.5)
    return VehicleState(0, stamp_ns, valid, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), attitude)


def noise(seed=0, low=0, high=256, shape=(HEIGHT, WIDTH)):
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint8)


def shifted(image, px=3):
    return np.roll(image, -px, axis=1)


def frame(left, right, seq=0, stamp_ns=5):
    return StereoFrame(seq, stamp_ns, True, left, right)


GOOD = noise()
IMAGES = {
    "good": GOOD,
    "shifted": shifted(GOOD),
    "other": noise(7),
    "black": np.zeros((HEIGHT, WIDTH), np.uint8),
    "dark noise": noise(3, 0, 4),
    "grey": np.full((HEIGHT, WIDTH), 128, np.uint8),
    "white": np.full((HEIGHT, WIDTH), 255, np.uint8),
    "missing": None,
    "empty": np.zeros((0, 0), np.uint8),
    "larger": noise(1, shape=(96, 128)),
    "odd": noise(1, shape=(37, 53)),
    "colour": noise(1, shape=(HEIGHT, WIDTH, 3)),
    "float": np.full((HEIGHT, WIDTH), 0.5, np.float32),
    "nan": np.full((HEIGHT, WIDTH), math.nan, np.float32),
}


def check_percept(percept, seen):
    label, estimate = percept.label, percept.estimate
    assert (label.seq, label.stamp_ns) == (seen.seq, seen.stamp_ns)
    known = np.isfinite(label.inverse_depth)
    assert label.valid or label.reason
    if label.valid:
        assert known.mean() >= CONFIG.labels.min_valid_share
        assert (label.inverse_depth[known] > 0).all()
        assert label.lambda_px > 0
    for distance in (label.obstacle_m, *label.sectors_m, *estimate.sectors_m):
        assert math.isnan(distance) or 0 < distance <= 8
    assert estimate.valid or (estimate.reason and math.isnan(estimate.obstacle_m))
    assert not estimate.valid or np.isfinite(estimate.inverse_depth).all()


@pytest.mark.parametrize(("left", "right"), list(itertools.product(IMAGES, IMAGES)))
def test_whatever_two_images_come_in_the_answer_has_sense(left, right):
    seen = frame(IMAGES[left], IMAGES[right])
    percept = PERCEPTION.perceive(seen, vehicle())
    check_percept(percept, seen)
    usable = {"good", "shifted", "other", "grey"}
    assert bool(percept.check.left) == (left not in usable)
    assert bool(percept.check.right) == (right not in usable)
    if left not in usable or right not in usable:
        assert not percept.label.valid
    assert percept.estimate.valid == (left in usable or right in usable)
    assert percept.estimate.eye is (
        Eye.RIGHT if left not in usable and right in usable else Eye.LEFT
    )


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(1, 256),
    st.integers(-20, 20),
    st.floats(-7, 7),
    st.floats(-7, 7),
)
@settings(max_examples=60)
def test_any_texture_and_attitude_have_an_answer(seed, low, contrast, shift, roll, pitch):
    left = noise(seed, low, min(256, low + contrast))
    seen = frame(left, shifted(left, shift))
    check_percept(PERCEPTION.perceive(seen, vehicle(roll, pitch)), seen)


def test_a_shifted_pair_is_a_wall():
    """4 px of 45.7 px x 0.06 m is 0.685 m; the matcher does not know the wrapped left columns."""
    label = PERCEPTION.perceive(frame(GOOD, shifted(GOOD, 4)), None).label
    expected_m = CALIBRATION.disparity_metres / 4
    assert label.valid
    assert label.obstacle_m == pytest.approx(expected_m, rel=0.05)
    assert label.lambda_px == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize("attitude", [(math.nan,) * 4, (0.0, 0.0, 0.0, 0.0), (1e200,) * 4])
def test_a_mad_attitude_does_not_stop_the_eyes(attitude):
    with np.errstate(all="ignore"):
        percept = PERCEPTION.perceive(frame(GOOD, shifted(GOOD)), vehicle(attitude=attitude))
    assert percept.label is not None


def test_without_a_valid_vehicle_state_the_camera_counts_as_level():
    seen = frame(GOOD, shifted(GOOD))
    level = PERCEPTION.perceive(seen, None).label
    tilted = PERCEPTION.perceive(seen, vehicle(pitch=1.2, valid=False)).label
    assert tilted.obstacle_m == level.obstacle_m
    assert PERCEPTION.perceive(seen, vehicle(pitch=1.2)).label.obstacle_m != level.obstacle_m


@pytest.mark.parametrize("seen", [None, StereoFrame(1, 2, False, GOOD, GOOD)])
def test_no_frame_or_an_invalid_one_is_nothing(seen):
    percept = PERCEPTION.perceive(seen, None)
    assert (percept.check, percept.label, percept.estimate) == (None, None, None)


def test_before_the_first_model_there_is_no_estimate():
    assert perception(with_model=False).perceive(frame(GOOD, GOOD), None).estimate is None


def test_a_refused_model_leaves_the_present_one_flying():
    eyes = perception()
    before = eyes.perceive(frame(GOOD, GOOD), None).estimate
    foreign = dataclasses.replace(eyes.spec, calibration="0" * 16)
    with pytest.raises(UserError):
        eyes.load(tiny_model(foreign, version=2))
    after = eyes.perceive(frame(GOOD, GOOD), None).estimate
    assert after.version == before.version == 1


def test_a_network_that_says_nan_is_no_estimate():
    eyes = Perception(CONFIG, CALIBRATION)
    eyes.load(tiny_model(eyes.spec, offset=math.nan))
    estimate = eyes.perceive(frame(GOOD, GOOD), None).estimate
    assert not estimate.valid
    assert "not finite" in estimate.reason
    assert math.isnan(estimate.obstacle_m)
    assert math.isnan(estimate.cautious_m)


def test_the_cautious_distance_is_nearer():
    estimate = PERCEPTION.perceive(frame(GOOD, GOOD), None).estimate
    assert 0 < estimate.cautious_m < estimate.obstacle_m


@pytest.mark.parametrize(
    ("left", "right", "eye"),
    [
        (EyeState(), EyeState(), Eye.LEFT),
        (EyeState(verdict="frozen"), EyeState(), Eye.RIGHT),
        (EyeState(dead=True), EyeState(), Eye.RIGHT),
        (EyeState(), EyeState(dead=True), Eye.LEFT),
        (EyeState(verdict="frozen"), EyeState(dead=True), Eye.LEFT),
    ],
)
def test_mono_looks_through_an_eye_that_sees(left, right, eye):
    seen = PERCEPTION.perceive(frame(GOOD, noise(9)), None, HealthState(left, right))
    assert seen.estimate.eye is eye
    alone = PERCEPTION.perceive(frame(GOOD if eye is Eye.LEFT else noise(9), None), None)
    np.testing.assert_array_equal(seen.estimate.inverse_depth, alone.estimate.inverse_depth)


def test_when_the_left_image_freezes_the_pilot_sees_with_the_right_one():
    pilot, state = Pilot(CONFIG, PERCEPTION), PilotState()
    eyes = []
    for i in range(20):
        now_ns = i * 100_000_000
        left = noise(i if i < 5 else 5)
        tick = Tick(
            i, now_ns, True, True, frame(left, noise(100 + i), i, now_ns), vehicle(stamp_ns=now_ns)
        )
        percept = pilot.perceive(state, tick)
        eyes.append(percept.estimate.eye)
        state, decision = pilot.step(state, tick)
    assert eyes[:6] == [Eye.LEFT] * 6
    assert eyes[8:] == [Eye.RIGHT] * 12
    assert math.isfinite(decision.mono_obstacle_m)
    assert decision.mode is Mode.HOLD


def test_the_same_frame_gives_the_same_percept():
    seen = frame(GOOD, shifted(GOOD))
    first, again = (PERCEPTION.perceive(seen, vehicle(0.1, 0.1)) for _ in range(2))
    assert first.label.inverse_depth.tobytes() == again.label.inverse_depth.tobytes()
    assert first.estimate.inverse_depth.tobytes() == again.estimate.inverse_depth.tobytes()
    assert first.label.obstacle_m == again.label.obstacle_m


def test_a_camera_that_does_not_divide_into_the_grid_is_refused():
    odd = StereoCalibration(Intrinsics.from_hfov(65, HEIGHT, 1.2), 0.06)
    with pytest.raises(UserError, match=r"65 x 48 px do not divide into pilot\.grid's 8 x 6 cells"):
        Perception(CONFIG, odd)


def test_stages_are_timed_only_with_a_clock():
    assert PERCEPTION.times.seconds == {}
    clock = iter(range(100))
    timed = Perception(CONFIG, CALIBRATION, lambda: float(next(clock)))
    timed.perceive(frame(GOOD, GOOD), None)
    assert timed.times.seconds == {"check": [1.0], "stereo": [1.0], "mono": [1.0]}


@pytest.mark.parametrize("late_ms", [0, 349, 350])
def test_a_frame_of_just_now_is_labelled_as_without_a_clock(late_ms):
    seen = frame(GOOD, shifted(GOOD), stamp_ns=5)
    eyes = perception(with_model=False)
    label = eyes.perceive(seen, None, now_ns=5 + late_ms * 1_000_000).label
    without = perception(with_model=False).perceive(seen, None).label
    assert label.valid
    assert label.inverse_depth.tobytes() == without.inverse_depth.tobytes()


@pytest.mark.parametrize("late_ms", [351, 1000, 100_000])
def test_a_stale_frame_has_no_valid_label_and_says_why(late_ms):
    seen = frame(GOOD, shifted(GOOD), seq=4, stamp_ns=5)
    percept = perception().perceive(seen, vehicle(), now_ns=5 + late_ms * 1_000_000)
    assert (percept.label.valid, percept.label.reason) == (False, "frame stale")
    assert np.isnan(percept.label.inverse_depth).all()
    assert math.isnan(percept.label.obstacle_m)
    check_percept(percept, seen)


def test_the_pilot_tells_perception_what_time_it_is():
    pilot = Pilot(CONFIG, perception(with_model=False))
    for now_ns, reason in ((100_000_000, ""), (500_000_000, "frame stale")):
        seen = frame(GOOD, shifted(GOOD), stamp_ns=100_000_000)
        tick = Tick(0, now_ns, True, True, seen, vehicle(stamp_ns=now_ns))
        assert pilot.perceive(PilotState(), tick).label.reason == reason


# Both cues


def test_a_plain_pair_is_as_far_as_mono_says_in_stereos_measure():
    """Stereo is silent on grey; mono takes brightness for nearness."""
    seen = frame(IMAGES["grey"], IMAGES["grey"])
    for scale in (1.0, 0.8):
        percept = PERCEPTION.perceive(seen, vehicle(), mono_scale=scale)
        assert not percept.label.valid
        assert math.isnan(percept.label.obstacle_m)
        estimate = percept.estimate
        assert estimate.both_m == pytest.approx(scale * estimate.cautious_m, rel=1e-5)
        assert len(estimate.both_sectors_m) == len(estimate.sectors_m)


@pytest.mark.parametrize(("left", "right"), [("black", "good"), ("good", "missing")])
def test_without_a_pair_nothing_is_said_by_both(left, right):
    estimate = PERCEPTION.perceive(frame(IMAGES[left], IMAGES[right]), vehicle()).estimate
    assert estimate.valid
    assert math.isnan(estimate.both_m)
    assert estimate.both_sectors_m == ()


def test_labels_are_stereos_alone():
    """The invariant: mono cannot confirm itself."""
    seen = frame(shifted(GOOD), GOOD)
    with_mono, without = (
        perception(with_model).perceive(seen, vehicle()).label for with_model in (True, False)
    )
    for field in dataclasses.fields(with_mono):
        one, other = getattr(with_mono, field.name), getattr(without, field.name)
        assert np.array_equal(one, other, equal_nan=not isinstance(one, str)), field.name


@pytest.mark.parametrize(("policy", "answered_m"), [("stop", math.nan), ("free", 8.0)])
def test_what_has_no_answer_is_free_only_where_that_is_configured(policy, answered_m):
    config = PilotConfig.model_validate(
        {**CONFIG.model_dump(), "switching": {"strategy": "stereo_only", "unknown": policy}}
    )
    label = (
        Perception(config, CALIBRATION).perceive(frame(IMAGES["grey"], IMAGES["grey"]), None).label
    )
    assert label.answered_m == pytest.approx(answered_m, nan_ok=True)
    assert math.isnan(label.obstacle_m), "what teaches and is measured stays unknown"
    dead = Perception(config, CALIBRATION).perceive(frame(IMAGES["black"], GOOD), None).label
    assert math.isnan(dead.answered_m)
