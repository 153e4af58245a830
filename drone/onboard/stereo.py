"""Rectified pair in, disparity with its unknowns and confidence out.

    left, right ─► pre-blur ─► pad ─► semi-global matching ─► void what cannot be ─► DisparityMap

The matcher is OpenCV's semi-global one over all eight paths; the work here is knowing what it does
not know. Unknown is NaN: no match, a weak left-right agreement, too little texture, or a disparity
that reaches beyond the image's left edge (a near match invented in the padding).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import StereoConfig
from drone.geometry import StereoCalibration
from drone.messages import Image

FULL_CONFIDENCE_TEXTURE = 4.0
"""Local standard deviation, in multiples of the least one, from which confidence is full."""


@dataclass(frozen=True, slots=True, eq=False)
class DisparityMap:
    """What matching found in one pair.

    Attributes:
        disparity_px: (H, W) float32, px, NaN where unknown, > 0 where known.
        confidence: (H, W) float32, 0-1, 0 where unknown.
        answered_share: share of known pixels, 0-1.
    """

    disparity_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    answered_share: float


class StereoMatcher:
    """Matches rectified pairs of one calibration."""

    def __init__(self, config: StereoConfig, calibration: StereoCalibration) -> None:
        self._config = config
        self._size = (calibration.left.height, calibration.left.width)
        # A disparity beyond its own column is void, so that none can be as large as the image.
        nearest_px = min(calibration.disparity_metres / config.near_m, calibration.left.width - 1)
        self.disparities = max(16, 16 * math.ceil(nearest_px / 16))
        block = config.block_px
        self._matcher = cv2.StereoSGBM.create(
            minDisparity=0,
            numDisparities=self.disparities,
            blockSize=block,
            P1=8 * block * block,
            P2=32 * block * block,
            disp12MaxDiff=round(config.left_right_px),
            uniquenessRatio=config.uniqueness_percent,
            speckleWindowSize=config.speckle_px,
            speckleRange=math.ceil(config.speckle_range_px),
            mode=cv2.STEREO_SGBM_MODE_HH,
        )
        self._column = np.arange(self._size[1], dtype=np.float32)[None, :]

    def match(self, left: Image, right: Image) -> DisparityMap:
        """Match one pair.

        Args:
            left: (H, W) uint8, rectified.
            right: (H, W) uint8, rectified.

        Raises:
            ValueError: an image is not of the calibration's size or not uint8.
        """
        for name, image in (("left", left), ("right", right)):
            if image.shape != self._size or image.dtype != np.uint8:
                height, width = self._size
                raise ValueError(
                    f"{name} image: expected {width} x {height} px uint8, "
                    f"got shape {image.shape} {image.dtype}"
                )
        disparity = self._disparity(self._blurred(left), self._blurred(right))
        texture = _local_deviation(left, self._config.texture_px)
        known = (
            (disparity >= 0) & (disparity <= self._column) & (texture >= self._config.min_texture)
        )
        full = max(self._config.min_texture, 1e-6) * FULL_CONFIDENCE_TEXTURE
        confidence = np.where(known, np.minimum(texture / full, 1.0), 0.0).astype(np.float32)
        # A match at disparity 0 is known to be far, at least beyond a sixteenth of a pixel.
        result = np.where(known, np.maximum(disparity, 1 / 16), np.nan).astype(np.float32)
        return DisparityMap(result, confidence, float(known.mean()))

    def _blurred(self, image: Image) -> Image:
        sigma = self._config.pre_blur_px
        return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image

    def _disparity(self, left: Image, right: Image) -> NDArray[np.float32]:
        """Match with the left edge padded by the whole range, which the matcher would lose."""
        pad = self.disparities
        padded = [
            cv2.copyMakeBorder(image, 0, 0, pad, 0, cv2.BORDER_REPLICATE) for image in (left, right)
        ]
        fixed_point = self._matcher.compute(*padded)[:, pad:]
        return fixed_point.astype(np.float32) / 16.0  # type: ignore[no-any-return]


def _local_deviation(image: Image, window_px: int) -> NDArray[np.float32]:
    """Return the standard deviation over the window around each pixel, (H, W) float32."""
    size = (window_px, window_px)
    mean = cv2.blur(image.astype(np.float32), size)
    mean_of_squares = cv2.sqrBoxFilter(image, cv2.CV_32F, size)
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(mean_of_squares - mean * mean, 0))
    return deviation
