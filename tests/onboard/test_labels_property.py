"""Whatever two images come in, the label is valid and finite, or invalid with a reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drone.config import PilotConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard.perception import Perception

WIDTH, HEIGHT = 64, 48
GRID = (6, 8)
CONFIG = PilotConfig.model_validate(
    {"grid": {"rows": 6, "cols": 8}, "mono": {"width_px": WIDTH, "height_px": HEIGHT}}
)
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(WIDTH, HEIGHT, math.radians(70)), 0.06)
PERCEPTION = Perception(CONFIG, CALIBRATION)

uint8_images = hnp.arrays(np.uint8, (HEIGHT, WIDTH), elements=st.integers(0, 255))
random_images = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
)
constant_images = st.integers(0, 255).map(lambda level: np.full((HEIGHT, WIDTH), level, np.uint8))
float_images = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    (HEIGHT, WIDTH),
    elements=st.floats(0, 255, width=32),
)
odd_images = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.float32, np.bool_]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=70),
)
images = st.one_of(
    st.none(), uint8_images, random_images, constant_images, float_images, odd_images
)


def check(label: DistanceLabel) -> None:
    """The label has sense, and says why where it has none."""
    known = np.isfinite(label.inverse_depth)
    assert label.valid != bool(label.reason)
    assert ((label.confidence >= 0) & (label.confidence <= 1)).all()
    assert (label.confidence[~known] == 0).all()
    assert (label.inverse_depth[known] > 0).all()
    distances = (label.obstacle_m, *label.sectors_m)
    assert all(math.isnan(d) or 0 < d <= CONFIG.corridor.far_m for d in distances)
    if not label.valid:
        return
    assert known.mean() >= CONFIG.labels.min_valid_share
    assert label.lambda_px > 0
    assert np.isfinite(label.variance[known]).all()
    assert (label.variance[known] > 0).all()
    assert np.isnan(label.variance[~known]).all()
    np.testing.assert_array_equal(label.reasons == 0, known)
    right = np.isfinite(label.right_inverse_depth)
    assert (label.right_inverse_depth[right] > 0).all()
    assert (label.right_confidence[~right] == 0).all()
    assert label.right_inverse_depth.shape == label.variance.shape == GRID


@given(images, images)
@settings(max_examples=60)
def test_two_unrelated_images_have_a_label_or_a_reason(left: Any, right: Any) -> None:
    check(PERCEPTION.perceive(StereoFrame(0, 0, True, left, right), None).label)


@settings(max_examples=40)
@given(random_images, st.integers(-12, 12), st.floats(0.0, 2.0), st.integers(0, 120))
def test_any_shifted_pair_has_a_label_or_a_reason(
    image: Any, shift: int, contrast: float, brightness: int
) -> None:
    left = np.clip(image * contrast + brightness, 0, 255).astype(np.uint8)
    check(PERCEPTION.perceive(StereoFrame(0, 0, True, left, np.roll(left, -shift, 1)), None).label)
