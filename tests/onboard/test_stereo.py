import math

import cv2
import numpy as np
import pytest

from drone.config import StereoConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.onboard.stereo import StereoMatcher

WIDTH, HEIGHT = 128, 96
CALIBRATION = StereoCalibration(Intrinsics(WIDTH, HEIGHT, 100.0, 100.0, 63.5, 47.5), 0.06)
CONFIG = StereoConfig(
    near_m=0.36, pre_blur_px=0.8, block_px=5, uniqueness_percent=10, min_texture=2.0, check_px=5
)
PAD = 64


def texture(width=WIDTH + 2 * PAD, seed=0):
    """A random texture that survives sub-pixel shifts: noise with little beyond 3 px."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, width)).astype(np.float32), (0, 0), 1.2)
    return (noise - noise.mean()) * (45 / noise.std()) + 128


def pair(disparity_px):
    """A pair whose left pixel (v, u) shows what the right one shows at u - disparity.

    Args:
        disparity_px: a number, or (HEIGHT, WIDTH) of the left image.
    """
    right = texture()
    u = np.arange(WIDTH, dtype=np.float32)[None] + PAD - np.zeros((HEIGHT, 1), np.float32)
    v = np.repeat(np.arange(HEIGHT, dtype=np.float32)[:, None], WIDTH, axis=1)
    shifted = (u - disparity_px).astype(np.float32)
    left = cv2.remap(right, shifted, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    images = (left, right[:, PAD : PAD + WIDTH])
    return tuple(np.clip(np.rint(i), 0, 255).astype(np.uint8) for i in images)


def match(images, **changes):
    config = CONFIG.model_copy(update=changes)
    return StereoMatcher(config, CALIBRATION).match(*images)


@pytest.mark.parametrize("disparity_px", [0.0, 1.0, 3.0, 3.25, 6.5, 12.75])
def test_a_known_shift_is_found_to_a_quarter_of_a_pixel(disparity_px):
    """The matcher pulls toward whole pixels: 3.25 is found as 3.06."""
    found = match(pair(disparity_px))
    inner = found.disparity_px[8:-8, 24:-8]
    assert np.isfinite(inner).mean() > 0.95
    assert np.nanmedian(inner) == pytest.approx(disparity_px, abs=0.26)
    assert np.nanpercentile(np.abs(inner - disparity_px), 95) < 0.5


def test_a_slanted_plane_keeps_its_slope():
    u = np.arange(WIDTH, dtype=np.float32)[None]
    slope = np.repeat(2.0 + u / 16, HEIGHT, axis=0)
    found = match(pair(slope)).disparity_px[8:-8, 24:-8]
    assert np.isfinite(found).mean() > 0.9
    assert np.nanmedian(np.abs(found - slope[8:-8, 24:-8])) < 1 / 8
    fit = np.polyfit(np.arange(24, WIDTH - 8), np.nanmedian(found, axis=0), 1)
    assert fit[0] == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("images", [pair(6.5), pair(15.0)])
def test_known_and_confident_go_together(images):
    found = match(images)
    known = np.isfinite(found.disparity_px)
    assert (found.disparity_px[known] > 0).all()
    assert (found.confidence[known] > 0).all()
    assert (found.confidence[~known] == 0).all()
    assert found.confidence.max() <= 1
    assert found.answered_share == pytest.approx(known.mean())
    assert (found.disparity_px.dtype, found.confidence.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_no_disparity_reaches_beyond_the_left_edge(seed):
    """Left columns have no partner for near things; what padding invents there is void."""
    rng = np.random.default_rng(seed)
    unrelated = rng.integers(0, 256, (2, HEIGHT, WIDTH), dtype=np.uint8)
    for images in (pair(15.5), unrelated):
        found = match(images, uniqueness_percent=0).disparity_px
        column = np.arange(WIDTH)[None]
        assert not (found > np.maximum(column, 1 / 16)).any()
    assert np.isnan(match(pair(15.5)).disparity_px[:, :15]).all()


def test_far_things_are_known_up_to_the_left_edge():
    """What the padding is for: without it the matcher's whole range would be lost."""
    found = match(pair(2.0)).disparity_px[8:-8]
    assert np.isfinite(found[:, 4:16]).mean() > 0.9
    assert np.nanmedian(found[:, 4:16]) == pytest.approx(2.0, abs=1 / 8)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_without_texture_nothing_is_known(level):
    plain = np.full((HEIGHT, WIDTH), level, np.uint8)
    found = match((plain, plain))
    assert np.isnan(found.disparity_px).all()
    assert (found.confidence == 0).all()
    assert found.answered_share == 0.0


def test_a_plain_patch_is_unknown_and_its_surroundings_are_not():
    """Negative control: without the least texture the matcher answers in the patch too."""
    images = tuple(image.copy() for image in pair(4.0))
    for image in images:
        image[30:60, 50:90] = 128
    inside = np.s_[36:54, 58:84]
    found = match(images)
    assert np.isnan(found.disparity_px[inside]).all()
    assert np.isfinite(found.disparity_px[8:22, 24:-8]).mean() > 0.9
    careless = match(images, min_texture=0.0, uniqueness_percent=0)
    assert np.isfinite(careless.disparity_px[inside]).any()


def test_more_texture_is_more_confidence():
    strong = pair(4.0)
    weak = tuple((128 + (i.astype(np.float32) - 128) / 12).astype(np.uint8) for i in strong)
    confidence = [match(images).confidence[8:-8, 24:-8] for images in (strong, weak)]
    assert confidence[0].mean() > 0.8
    assert 0 < confidence[1].mean() < 0.8 * confidence[0].mean()


def test_the_range_covers_the_nearest_distance_of_interest():
    """100 px x 0.06 m / 0.36 m = 16.7 px: two steps of 16."""
    assert StereoMatcher(CONFIG, CALIBRATION).disparities == 32
    near = CONFIG.model_copy(update={"near_m": 6.0 / 16})
    assert StereoMatcher(near, CALIBRATION).disparities == 16


def test_no_range_is_larger_than_the_image():
    """Else a nearest distance of 1 mm would take gigabytes, all of it void."""
    tiny = CONFIG.model_copy(update={"near_m": 0.001})
    assert StereoMatcher(tiny, CALIBRATION).disparities == WIDTH


@pytest.mark.parametrize("block_px", [3, 4, 7, 15])
@pytest.mark.parametrize("left_right_px", [0.0, 0.4, 3.0])
def test_every_allowed_setting_matches(block_px, left_right_px):
    found = match(pair(4.0), block_px=block_px, left_right_px=left_right_px, pre_blur_px=0.0)
    assert np.nanmedian(found.disparity_px) == pytest.approx(4.0, abs=0.25)


@pytest.mark.parametrize(
    ("eye", "image"),
    [
        ("left", np.zeros((HEIGHT, WIDTH - 1), np.uint8)),
        ("right", np.zeros((HEIGHT, WIDTH, 3), np.uint8)),
        ("right", np.zeros((HEIGHT, WIDTH), np.float32)),
        ("left", np.zeros((0, 0), np.uint8)),
    ],
)
def test_other_images_are_refused(eye, image):
    images = {"left": pair(1.0)[0], "right": pair(1.0)[1], eye: image}
    with pytest.raises(ValueError, match=f"{eye} image: expected 128 x 96 px uint8"):
        match((images["left"], images["right"]))


def test_same_pair_same_answer():
    images = pair(7.3)
    matcher = StereoMatcher(CONFIG, CALIBRATION)
    first = matcher.match(*images)
    matcher.match(*pair(2.0))
    again = matcher.match(*images)
    assert first.disparity_px.tobytes() == again.disparity_px.tobytes()
    assert first.confidence.tobytes() == again.confidence.tobytes()
    assert math.isfinite(first.answered_share)


def bar_before_a_wall(max_step_px):
    """Return the disparity of a bar at 12 px, columns 60-75, before a wall at 3 px."""
    left, right = (image.copy() for image in pair(3.0))
    bar = np.clip(np.rint(texture(seed=9)[:, :16]), 0, 255).astype(np.uint8)
    left[:, 60:76] = bar
    right[:, 48:64] = bar
    found = match((left, right), check_px=7, block_px=3, max_step_px=max_step_px)
    return found.disparity_px[8:-8]


def test_the_near_side_of_a_step_stays_and_the_far_side_goes():
    """A thing narrower than the window would else lose all that is seen of it."""
    found = bar_before_a_wall(max_step_px=1.5)
    on_the_bar = found[:, 62:74]
    assert np.isfinite(on_the_bar).mean() > 0.9
    assert np.nanmedian(on_the_bar) == pytest.approx(12.0, abs=0.26)
    beside = np.concatenate((found[:, 58:60], found[:, 76:78]), axis=1)
    assert np.isnan(beside).mean() > 0.9
    assert np.isfinite(found[:, 85:-8]).mean() > 0.9


def test_the_far_side_goes_only_because_of_the_step():
    """Negative control: with steps allowed, the wall is known up to the bar."""
    found = bar_before_a_wall(max_step_px=30.0)
    assert np.isfinite(found[:, 78:80]).mean() > 0.5


@pytest.mark.parametrize("disparity_px", [3.25, 12.75])
def test_every_second_row_says_what_all_rows_say(disparity_px):
    """The rows that are looked at are the odd ones; their windows have half the rows."""
    images = pair(disparity_px)
    every = StereoMatcher(CONFIG, CALIBRATION).match(*images).disparity_px[1::2]
    second = StereoMatcher(CONFIG, CALIBRATION, row_step=2).match(*images)
    assert second.disparity_px.shape == (HEIGHT // 2, WIDTH)
    both = np.isfinite(every) & np.isfinite(second.disparity_px)
    assert both.mean() > 0.95 * np.isfinite(every).mean()
    assert (every[both] == second.disparity_px[both]).all()
    assert second.plain.shape == second.too_near.shape == second.confidence.shape


@pytest.mark.parametrize("matcher", ["block", "semi_global", "eight_path", "three_way"])
@pytest.mark.parametrize("disparity_px", [3.0, 12.75])
def test_every_matcher_finds_a_known_shift(matcher, disparity_px):
    found = match(pair(disparity_px), matcher=matcher).disparity_px[8:-8, 32:-8]
    answers = {"block": 0.4}.get(matcher, 0.8)  # between whole pixels, block matching is unsure
    assert np.isfinite(found).mean() > answers
    assert np.nanmedian(found) == pytest.approx(disparity_px, abs=0.3)
    assert np.nanpercentile(np.abs(found - disparity_px), 95) < 0.6


@pytest.mark.parametrize("matcher", ["block", "semi_global", "eight_path", "three_way"])
def test_every_matcher_keeps_to_its_range(matcher):
    """Negative control: 12.75 px is nearer than the farthest thing of interest, 2 px is not."""
    far_m = CALIBRATION.disparity_metres / 8.0
    near = match(pair(12.75), matcher=matcher, far_m=far_m).disparity_px[8:-8, 32:-8]
    assert np.nanmedian(near) == pytest.approx(12.75, abs=0.3)
    beyond = match(pair(2.0), matcher=matcher, far_m=far_m).disparity_px[8:-8, 32:-8]
    assert np.isfinite(beyond).mean() < 0.2


@pytest.mark.parametrize("matcher", ["block", "three_way"])
def test_no_matcher_answers_where_nothing_is_to_be_seen(matcher):
    plain = np.full((HEIGHT, WIDTH), 128, np.uint8)
    assert np.isnan(match((plain, plain), matcher=matcher).disparity_px).all()
