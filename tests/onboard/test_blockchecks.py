"""Faults of a pair found in rooms of bare walls, where there are edges but hardly any corners."""

import math

import cv2
import numpy as np
import pytest

from drone.config import CameraConfig, HealthConfig
from drone.geometry import Intrinsics
from drone.onboard.blockchecks import BlockChecker
from drone.onboard.blockwatch import BlockWatch

WIDTH, HEIGHT = 128, 96
CAMERA = Intrinsics.from_hfov(WIDTH, HEIGHT, math.radians(CameraConfig().hfov_deg))
CHECKER = BlockChecker(CAMERA)
DISPARITY_PX = 4
FRAME_NS = 100_000_000


def room(seed=0):
    """A wide view of flat surfaces with slanted edges between them, as floors and walls have."""
    picture = np.full((HEIGHT + 40, 400), 120.0, np.float32)
    rng = np.random.default_rng(seed)
    for x in range(-20, 420, 20):
        corners = np.array([x, rng.integers(HEIGHT)]) + rng.integers(-50, 50, (3, 2))
        cv2.fillPoly(picture, [corners.astype(np.int32)], float(rng.integers(60, 200)))
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def pair(shift_px=0.0, down_px=0.0, roll_deg=0.0, at_px=60, seed=0):
    """Left and right eye before the room; the right one looks aside, down or is rolled."""
    wide, rng = room(), np.random.default_rng(seed)
    left = wide[20 : 20 + HEIGHT, at_px : at_px + WIDTH]
    moved = np.array([[1, 0, -at_px - DISPARITY_PX - shift_px], [0, 1, down_px - 20]], np.float32)
    turn = cv2.getRotationMatrix2D((at_px + WIDTH / 2, 20 + HEIGHT / 2), roll_deg, 1.0)
    whole = np.vstack([moved, [0, 0, 1]]) @ np.vstack([turn, [0, 0, 1]])
    right = cv2.warpAffine(wide, whole[:2], (WIDTH, HEIGHT))
    return tuple(
        np.clip(np.rint(image + rng.normal(0, 2, image.shape)), 0, 255).astype(np.uint8)
        for image in (left, right)
    )


def gain(**fault):
    return CHECKER.turn([CHECKER.evidence(*pair(**fault))]).gain


def test_a_sound_pair_of_edges_alone_is_no_turned_eye():
    assert gain() < 5


def test_plain_images_say_nothing():
    rng = np.random.default_rng(5)
    for level in (0.0, 3.0):
        images = (90 + rng.normal(0, level, (2, HEIGHT, WIDTH))).astype(np.uint8)
        found = CHECKER.evidence(*images)
        assert CHECKER.turn([found]).gain < 20
        assert found.behind < 20


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_eye_turned_down_is_measured(sign):
    down_px = sign * CAMERA.fy * math.radians(2)
    found = CHECKER.turn([CHECKER.evidence(*pair(down_px=down_px))])
    assert found.gain > HealthConfig().block_evidence
    assert math.degrees(found.size) == pytest.approx(2, abs=1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_eye_turned_about_its_axis_is_found(sign):
    assert gain(roll_deg=2.0 * sign) > 10 * max(1, gain())


def test_swapped_eyes_see_most_blocks_behind_infinity():
    sound, swapped = CHECKER.evidence(*pair()), CHECKER.evidence(*pair()[::-1])
    assert 3 * swapped.behind > HealthConfig().behind_evidence > 3 * sound.behind
    assert swapped.mostly_behind
    assert not sound.mostly_behind


@pytest.mark.parametrize("aside_px", [-4.0, 4.0])
def test_an_eye_that_turns_aside_jumps_though_it_keeps_its_rows(aside_px):
    before, after = pair(at_px=60, seed=1), pair(shift_px=aside_px, at_px=64, seed=2)
    jump = CHECKER.jump(CHECKER.evidence(*before), CHECKER.evidence(*after))
    assert jump.gain > HealthConfig().jump_evidence
    assert abs(jump.size) == pytest.approx(4 / CAMERA.fx, rel=0.3)
    assert gain(shift_px=aside_px) < HealthConfig().block_evidence


def test_eyes_that_turn_together_do_not_jump():
    first, second = (CHECKER.evidence(*pair(at_px=x, seed=x)) for x in (60, 68))
    assert CHECKER.jump(first, second).gain < 5


def watched(pairs):
    watch = BlockWatch(HealthConfig(), CAMERA)
    return [watch.see(images, k * FRAME_NS, turns=False) for k, images in enumerate(pairs)]


def test_a_jump_stands_until_the_eye_jumps_back_or_time_is_over():
    aside = [pair(shift_px=4.0, seed=k) for k in range(30)]
    sound = [pair(seed=k + 50) for k in range(10)]
    stands_ns = HealthConfig().jump_stands_s * 1e9
    lasting = watched([*sound[:3], *aside[:20]])
    assert [v.jumped for v in lasting[:5]] == [False, False, False, True, True]
    until = 3 + int(stands_ns // FRAME_NS)
    assert [v.jumped for v in lasting[until : until + 2]] == [True, False]
    back = watched([*sound[:3], *aside[:4], *sound[3:]])
    assert [v.jumped for v in back[5:8]] == [True, True, False]


def test_after_a_frame_that_could_not_be_compared_there_is_no_jump():
    watch = BlockWatch(HealthConfig(), CAMERA)
    watch.see(pair(seed=1), 0, turns=False)
    watch.miss()
    assert not watch.see(pair(shift_px=4.0, seed=2), FRAME_NS, turns=False).jumped


def test_a_jump_in_a_turn_says_so():
    watch = BlockWatch(HealthConfig(), CAMERA)
    watch.see(pair(seed=1), 0, turns=True)
    verdict = watch.see(pair(shift_px=4.0, seed=2), FRAME_NS, turns=True)
    assert verdict.jumped
    assert verdict.in_a_turn


def test_half_the_evidence_alerts():
    sound = watched([pair(seed=k) for k in range(4)])
    assert not any(verdict.alert for verdict in sound)
    turned = watched([pair(down_px=3.0, seed=k) for k in range(2)])
    assert turned[0].alert
    assert turned[1].turned
