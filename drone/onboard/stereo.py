"""Rectified pair in, disparity with its unknowns and confidence out.

    left, right ─► pre-blur ─► pad ─► OpenCV's matcher ─► checks ─► DisparityMap

The matcher is OpenCV's; the work here is knowing what it does not know. Unknown is NaN: no match, a
weak left-right agreement, too little texture, over-exposed, neighbours that disagree (the edges of
things, where matches stray), a right image that shows something else there, or a disparity that
reaches beyond the image's left edge (a near match invented in the padding).
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
SUB_PX = 16
"""OpenCV's matchers count disparity in sixteenths of a pixel."""
SPECKLE_AREA_PX = 128 * 96
"""Image area for which `speckle_px` is given."""
UNLOCKING_PX = (
    *(-0.06, 0.06, 0.11, 0.12, 0.11, 0.09, 0.06, 0.03),
    *(-0.01, -0.05, -0.09, -0.12, -0.14, -0.17, -0.18, -0.18),
)
"""What to add to a disparity by its sixteenths. OpenCV's parabola pulls toward whole pixels and a
little up; measured in simulation, seeds 20-41, as the mean of truth minus match."""
NOWHERE = np.iinfo(np.int16).max
"""Stands for an unknown disparity where the least of a window is sought."""
MODES = {
    "semi_global": cv2.STEREO_SGBM_MODE_SGBM,
    "eight_path": cv2.STEREO_SGBM_MODE_HH,
    "three_way": cv2.STEREO_SGBM_MODE_SGBM_3WAY,
}

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DisparityMap:
    """What matching found in one pair.

    Attributes:
        disparity_px: (H, W) float32, px, NaN where unknown, > 0 where known.
        confidence: (H, W) float32, 0-1, 0 where unknown.
        answered_share: share of known pixels, 0-1.
        plain: (H, W) bool, too little texture; None where nobody looked.
        over_exposed: (H, W) bool; None where nobody looked.
        too_near: (H, W) bool, matched at the near end of the range; None where nobody looked.
    """

    disparity_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    answered_share: float
    plain: Mask | None = None
    over_exposed: Mask | None = None
    too_near: Mask | None = None


@dataclass(frozen=True, slots=True)
class DisparityRange:
    """Which disparities are searched.

    Attributes:
        least_px: the farthest thing's.
        count: how many from there on, a multiple of 16.
    """

    least_px: int
    count: int

    @classmethod
    def of(
        cls, config: StereoConfig, calibration: StereoCalibration, doffs_px: float = 0.0
    ) -> DisparityRange:
        """Return the range that covers the distances of interest.

        A disparity beyond its own column is void, so that none need be as large as the image.

        Args:
            config: nearest and farthest distance.
            calibration: of the rectified pair.
            doffs_px: by how much the disparity of every point is less than focal length times
                baseline over depth, because the right principal point lies to the right.
        """
        metres, widest_px = calibration.disparity_metres, calibration.left.width - 1
        nearest_px = min(metres / config.near_m - doffs_px, widest_px)
        farthest_px = 0.0 if config.far_m is None else metres / config.far_m - doffs_px
        least_px = max(0, math.floor(min(farthest_px, nearest_px)))
        return cls(least_px, max(16, 16 * math.ceil((nearest_px - least_px) / 16)))


class StereoMatcher:
    """Matches rectified pairs of one calibration."""

    def __init__(
        self, config: StereoConfig, calibration: StereoCalibration, doffs_px: float = 0.0
    ) -> None:
        """Prepare the matcher.

        Args:
            config: matcher, range and checks.
            calibration: of the rectified pair.
            doffs_px: see `DisparityRange.of`.
        """
        self._config = config
        self._size = (calibration.left.height, calibration.left.width)
        self.range = DisparityRange.of(config, calibration, doffs_px)
        self._matcher = bare_matcher(config, self.range, self._size)
        self._disparity_px = _table(self.range)
        column, row = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self._size[::-1]))
        self._column, self._row = column, row

    @property
    def disparities(self) -> int:
        """Number of disparities searched."""
        return self.range.count

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
        eyes = self._blurred(left), self._blurred(right)
        fixed_point = self._fixed_point(*eyes)
        return self._checked(left, eyes, fixed_point)

    def _blurred(self, image: Image) -> Image:
        sigma = self._config.pre_blur_px
        return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image

    def _fixed_point(self, left: Image, right: Image) -> NDArray[np.int16]:
        """Match with the left edge padded by the whole range, which the matcher would lose."""
        pad = self.range.least_px + self.range.count
        padded = [
            cv2.copyMakeBorder(image, 0, 0, pad, 0, cv2.BORDER_REPLICATE) for image in (left, right)
        ]
        return np.ascontiguousarray(self._matcher.compute(*padded)[:, pad:])

    def _checked(
        self, left: Image, eyes: tuple[Image, Image], fixed_point: NDArray[np.int16]
    ) -> DisparityMap:
        """Return what stands up to the checks, with how sure it is."""
        c = self._config
        answered = fixed_point >= SUB_PX * self.range.least_px
        disparity = self._disparity_px[fixed_point]
        texture = _local_deviation(eyes[0], c.texture_px)
        plain = texture < c.min_texture
        over_exposed = eyes[0] >= c.over_exposed
        too_near = fixed_point >= SUB_PX * (self.range.least_px + self.range.count - 1)
        sureness = self._agreement(answered, fixed_point)
        cv2.min(sureness, self._likeness(eyes, disparity), dst=sureness)
        known = answered & (sureness > 0) & (disparity <= self._column)
        known &= ~(plain | over_exposed | too_near)
        full = max(c.min_texture, 1e-6) * FULL_CONFIDENCE_TEXTURE
        confidence = np.minimum(texture * np.float32(1 / full), sureness)
        confidence[~known] = 0
        disparity[~known] = np.nan
        share = np.count_nonzero(known) / known.size
        return DisparityMap(disparity, confidence, share, plain, over_exposed, too_near)

    def _agreement(self, answered: Mask, fixed_point: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return how well the neighbours of each match agree, (H, W) float32, 1 fully, <= 0 not."""
        c = self._config
        size = (c.check_px, c.check_px)
        window = np.ones(size, np.uint8)
        lowest = cv2.erode(np.where(answered, fixed_point, NOWHERE), window)
        step = (cv2.dilate(fixed_point, window) - lowest).astype(np.float32)
        neighbours = cv2.boxFilter(answered.view(np.uint8), cv2.CV_32F, size, normalize=False)
        smooth = 1 - step * np.float32(1 / (SUB_PX * c.max_step_px))
        least = np.float32(c.min_neighbours * c.check_px**2)
        dense = (neighbours - least) * np.float32(1 / max(c.check_px**2 - float(least), 1e-6))
        agreement: NDArray[np.float32] = np.minimum(smooth, dense)
        return agreement

    def _likeness(
        self, eyes: tuple[Image, Image], disparity: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return how alike both images are at the match, (H, W) float32, 1 equal, <= 0 not."""
        left, right = eyes
        c = self._config
        there = cv2.remap(
            right, self._column - disparity, self._row, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        size = (c.check_px, c.check_px)
        residual = cv2.boxFilter(cv2.absdiff(left, there), cv2.CV_32F, size, normalize=False)
        likeness: NDArray[np.float32] = 1 - residual * np.float32(
            1 / (c.max_residual * c.check_px**2)
        )
        return likeness


def _table(disparities: DisparityRange) -> NDArray[np.float32]:
    """Return the disparity, px, of each fixed-point one; unknown ones, below 0, index from the end.

    A match at disparity 0 is known to be far, at least beyond a sixteenth of a pixel.
    """
    steps = np.arange(SUB_PX * (disparities.least_px + disparities.count + 2))
    px = steps / SUB_PX + np.array(UNLOCKING_PX)[steps % SUB_PX]
    table: NDArray[np.float32] = np.maximum(px, 1 / SUB_PX).astype(np.float32)
    return table


def bare_matcher(
    config: StereoConfig, disparities: DisparityRange, size: tuple[int, int]
) -> cv2.StereoMatcher:
    """Return OpenCV's matcher for these settings; size is (height, width), px."""
    speckle_px = round(config.speckle_px * size[0] * size[1] / SPECKLE_AREA_PX)
    speckle_range_px = math.ceil(config.speckle_range_px)
    block = config.block_px
    if config.matcher == "block":
        matcher = cv2.StereoBM.create(disparities.count, max(5, block | 1))
        matcher.setMinDisparity(disparities.least_px)
        matcher.setUniquenessRatio(config.uniqueness_percent)
        matcher.setDisp12MaxDiff(round(config.left_right_px))
        matcher.setSpeckleWindowSize(speckle_px)
        matcher.setSpeckleRange(speckle_range_px)
        return matcher
    return cv2.StereoSGBM.create(
        minDisparity=disparities.least_px,
        numDisparities=disparities.count,
        blockSize=block,
        P1=8 * block * block,
        P2=32 * block * block,
        disp12MaxDiff=round(config.left_right_px),
        uniquenessRatio=config.uniqueness_percent,
        speckleWindowSize=speckle_px,
        speckleRange=speckle_range_px,
        mode=MODES[config.matcher],
    )


def _local_deviation(image: Image, window_px: int) -> NDArray[np.float32]:
    """Return the standard deviation over the window around each pixel, (H, W) float32."""
    size = (window_px, window_px)
    mean = cv2.blur(image.astype(np.float32), size)
    mean_of_squares = cv2.sqrBoxFilter(image, cv2.CV_32F, size)
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(mean_of_squares - mean * mean, 0))
    return deviation
