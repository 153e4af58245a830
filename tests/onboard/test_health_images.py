"""Faults of eyes found from images: made scenes, known answers, and scenes that are no fault."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.config import CameraConfig, HealthConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import Eye, StereoFrame, VehicleState
from drone.onboard import checker as names
from drone.onboard import health, imagechecks, pairchecks
from drone.onboard.checker import PairChecker
from drone.onboard.euroc import open_euroc
from drone.onboard.health import EFFECTS, Effect, EyeState, HealthState
from drone.onboard.pairchecks import Matches, Motion

WIDTH, HEIGHT = 128, 96
CALIBRATION = StereoCalibration(
    Intrinsics.from_hfov(WIDTH, HEIGHT, math.radians(CameraConfig().hfov_deg)), 0.06
)
SHIFT_PX, STEP_PX = 3, 2
FRAME_NS = 100_000_000
STILL = VehicleState(0, 0, True, (0, 0, 0), (0, 0, 0), (1, 0, 0, 0))


def scene(seed=0, contrast=40.0):
    rng = np.random.default_rng(seed)
    fine, coarse = (cv2.GaussianBlur(rng.normal(size=(160, 400)), (0, 0), s) for s in (1.2, 6))
    return 120 + contrast * (fine / fine.std() + coarse / coarse.std()) / 1.4


def noisy(picture, rng):
    return np.clip(np.rint(picture + rng.normal(0, 1.5, picture.shape)), 0, 255).astype(np.uint8)


def views(frames, seed=0, contrast=40.0):
    """Pairs of a wall 1.8 m away that passes by."""
    wall, rng = scene(seed, contrast), np.random.default_rng(seed + 1)
    return [
        tuple(
            noisy(wall[30 : 30 + HEIGHT, x : x + WIDTH], rng)
            for x in (40 + k * STEP_PX, 40 + k * STEP_PX + SHIFT_PX)
        )
        for k in range(frames)
    ]


def checks(pairs, config=None):
    checker = PairChecker(config or HealthConfig(), CALIBRATION)
    return [
        checker.check(StereoFrame(k, (k + 1) * FRAME_NS, True, *pair), STILL)
        for k, pair in enumerate(pairs)
    ]


def found(results):
    return {
        f"{eye} {getattr(check, eye)}"
        for check in results
        for eye in ("left", "right", "pair")
        if getattr(check, eye)
    }


def blurred(image, before):
    return noisy(cv2.GaussianBlur(image, (0, 0), 2.0), np.random.default_rng(7))


def covered(image, before):
    image = image.copy()
    image[30:, :70] = noisy(np.full((HEIGHT - 30, 70), 10.0), np.random.default_rng(8))
    return image


def bright(image, before):
    return np.clip(image.astype(int) * 4 - 150, 0, 255).astype(np.uint8)


def torn(image, before):
    return np.vstack([image[:48], before[48:]])


def turned(image, before):
    turn = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), 2.0, 1.0)
    return cv2.warpAffine(image, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def with_fault(pairs, fault, eye, start):
    result = []
    for k, pair in enumerate(pairs):
        images = list(pair)
        if k >= start:
            images[eye] = fault(images[eye], pairs[k - 1][eye])
        result.append(tuple(images))
    return result


@pytest.mark.parametrize("eye", [0, 1])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (blurred, "blurred"),
        (covered, "covered"),
        (bright, "over-exposed"),
        (torn, "torn"),
        (lambda image, before: np.zeros_like(image), "black"),
        (lambda image, before: None, "missing"),
        (lambda image, before: image[:, :-1], "of another size"),
    ],
)
def test_a_fault_of_one_eye_is_found_within_half_a_second_and_only_there(fault, kind, eye):
    for start in (6, 7):  # whichever frames are compared
        results = checks(with_fault(views(start + 5), fault, eye, start))
        assert found(results[:start]) == set()
        assert f"{('left', 'right')[eye]} {kind}" in found(results[start:])
        assert found(results[start:]) <= {f"{('left', 'right')[eye]} {kind}"}


def test_a_turned_eye_is_lost_calibration_by_its_turn():
    results = checks(with_fault(views(12), turned, 1, 6))
    assert found(results) == {"pair lost calibration"}
    assert results[-1].turn_deg == pytest.approx(2.0, abs=0.1)


def test_swapped_eyes_see_everything_behind_infinity():
    assert found(checks([(right, left) for left, right in views(8)])) == {"pair swapped"}


@pytest.mark.parametrize("contrast", [40.0, 10.0, 3.0, 0.0])
def test_a_sound_pair_is_no_fault_however_poor_the_scene(contrast):
    for seed in range(3):
        assert found(checks(views(30, seed, contrast))) == set()


def test_what_both_eyes_lack_is_the_scenes():
    both = [(blurred(left, None), blurred(right, None)) for left, right in views(12)]
    rng = np.random.default_rng(3)
    fresh = [tuple(noisy(image.astype(float), rng) for image in pair) for pair in both]
    assert found(checks(fresh)) == set()


def test_eyes_exposed_differently_are_no_fault():
    darker = [(left, (right * 0.8).astype(np.uint8)) for left, right in views(20)]
    assert found(checks(darker)) == set()


def test_a_fault_that_ends_is_over():
    pairs = views(24)
    results = checks([*with_fault(pairs[:12], blurred, 1, 6), *pairs[12:]])
    assert found(results[6:12]) == {"right blurred"}
    assert found(results[16:]) == set()


def test_a_single_odd_frame_is_not_confirmed():
    pairs = with_fault(views(12), blurred, 1, 6)
    clean = views(12)
    assert found(checks([*pairs[:7], *clean[7:]])) == set()


def test_the_same_frames_say_the_same_again():
    pairs = with_fault(views(14), covered, 0, 7)
    assert repr(checks(pairs)) == repr(checks(pairs))


def matches(rows_px, camera=CALIBRATION.left):
    """Corners all over the image whose rows are off by a function of place (u, v)."""
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(10, 118, 8), np.linspace(8, 88, 6)))
    u, v = (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy
    left = np.column_stack([x, y]).astype(np.float32)
    right = np.column_stack([x - SHIFT_PX, y + rows_px(u, v)]).astype(np.float32)
    return Matches(left, right, len(left))


ERROR = 0.15 / CALIBRATION.left.fy
DRIVING = Motion(np.zeros(3), np.array([0.0, 0.0, 1.0]))


def test_a_pitched_eye_is_measured():
    turn_rad = 0.02
    off = matches(lambda u, v: CALIBRATION.left.fy * turn_rad * (1 + v * v))
    rows = pairchecks.row_errors(off, DRIVING, CALIBRATION.left, 0.06)
    result = pairchecks.findings(rows, ERROR)
    assert result.turn.size == pytest.approx(turn_rad, rel=0.02)
    assert result.turn.gain > 10 * max(result.skew.gain, 1)


def test_a_late_eye_is_measured_by_the_motion():
    late_s = -0.05
    depth_m = CALIBRATION.disparity_metres / SHIFT_PX
    off = matches(lambda u, v: CALIBRATION.left.fy * late_s * v / depth_m)
    rows = pairchecks.row_errors(off, DRIVING, CALIBRATION.left, 0.06)
    result = pairchecks.findings(rows, ERROR)
    assert result.skew.size == pytest.approx(late_s, rel=0.05)
    assert result.skew.gain > max(result.turn.gain, result.tear.gain)
    still = Motion(np.zeros(3), np.zeros(3))
    unmoved = pairchecks.row_errors(off, still, CALIBRATION.left, 0.06)
    assert pairchecks.findings(unmoved, ERROR).skew.gain == pytest.approx(0)


def test_a_few_false_corners_are_not_taken_for_a_fault():
    off = matches(lambda u, v: np.where((u > 0.4) & (v > 0), 1.0, 0.0))
    rows = pairchecks.row_errors(off, DRIVING, CALIBRATION.left, 0.06)
    assert pairchecks.findings(rows, ERROR).turn.gain < HealthConfig().evidence


def test_columns_tell_how_far_an_eye_looks_aside():
    wall = scene()
    left, right = (wall[:HEIGHT, x : x + WIDTH].astype(np.uint8) for x in (100, 120))
    assert pairchecks.column_shift_px(left, right) == -20


def test_rows_that_came_before_are_counted_only_where_they_have_texture():
    (first, _), (second, _) = views(2)
    torn_image = np.vstack([second[:48], first[48:]])
    assert imagechecks.repeated_share(torn_image, first) == pytest.approx(0.5)
    assert imagechecks.repeated_share(second, first) == 0
    border = np.zeros_like(first)
    assert imagechecks.repeated_share(border, border) == 0


def test_every_name_the_checker_uses_has_its_effect():
    used = {getattr(names, name) for name in ("TORN", "DELAYED", "SWAPPED", "TURNED", "FOREIGN")}
    used |= {names.OUT_OF_SYNC, names.DISAGREE, "missing", "black", "white", "frozen"}
    used |= {"over-exposed", "covered", "blurred"}
    assert used <= set(EFFECTS)
    pair = {names.SWAPPED, names.TURNED, names.OUT_OF_SYNC, names.DISAGREE}
    assert {kind for kind in used if EFFECTS[kind] is Effect.STEREO} == pair


def test_events_say_what_begins_and_what_ends():
    before = HealthState(right=EyeState(standing="blurred"))
    after = HealthState(right=EyeState(standing="covered"), pair=EyeState(standing="swapped"))
    said = [(e.seq, e.eye, e.kind, e.active) for e in health.events(before, after, 5, 3)]
    assert said == [
        (3, Eye.RIGHT, "blurred", False),
        (4, Eye.RIGHT, "covered", True),
        (5, Eye.PAIR, "swapped", True),
    ]
    assert health.events(after, after, 6, 6) == []


kinds_of_image = st.sampled_from(["noise", "flat", "black", "white", "missing", "small", "ramp"])


def image_of(kind, seed):
    rng = np.random.default_rng(seed)
    made = {
        "noise": rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8),
        "flat": np.full((HEIGHT, WIDTH), 90, np.uint8),
        "black": np.zeros((HEIGHT, WIDTH), np.uint8),
        "white": np.full((HEIGHT, WIDTH), 255, np.uint8),
        "small": np.zeros((5, 5), np.uint8),
        "ramp": np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1)),
    }
    return made.get(kind)


@given(st.lists(st.tuples(kinds_of_image, kinds_of_image, st.integers(-1, 8)), max_size=12))
def test_whatever_comes_in_a_known_verdict_comes_out(frames):
    checker, stamp_ns = PairChecker(HealthConfig(), CALIBRATION), 0
    for k, (left, right, later) in enumerate(frames):
        stamp_ns += later * FRAME_NS
        frame = StereoFrame(k, stamp_ns, True, image_of(left, k), image_of(right, k + 100))
        check = checker.check(frame, None)
        assert {check.left, check.right, check.pair} <= {"", *EFFECTS}
        assert check.left or left not in ("missing", "black", "white", "small")


def test_a_real_flight_is_no_fault_of_the_eyes(real_data: Path):
    folder = real_data / "euroc_v1_01_sparse"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the folder of real data")
    source = open_euroc(folder)
    checker = PairChecker(HealthConfig(compare_every=1), source.calibration)
    for sample in source.samples():
        check = checker.check(sample.frame, sample.vehicle)
        assert {check.left, check.right, check.pair} <= {"", "over-exposed"}
