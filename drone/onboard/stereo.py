"""Rectified pair in, disparity with its unknowns and confidence out.

    left, right ─► pre-blur ─► pad ─► OpenCV's matcher ─► checks ─► DisparityMap

The matcher is OpenCV's; the work here is knowing what it does not know. Unknown is NaN: no match, a
weak left-right agreement, too little texture, over-exposed, neighbours that disagree (the far side
of the edges of things, where matches stray), a right image that shows something else there, or a
disparity that reaches beyond the image's left edge (a near match invented in the padding).
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
BLUR_REACH = 2.5
"""Of the blur, in standard deviations: 1 % of the weight lies beyond."""
BESIDE_PX = 3
"""Window of a match and those next to it."""
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
MODES = {
    "semi_global": cv2.STEREO_SGBM_MODE_SGBM,
    "eight_path": cv2.STEREO_SGBM_MODE_HH,
    "three_way": cv2.STEREO_SGBM_MODE_SGBM_3WAY,
}

Mask = NDArray[np.bool_]
FixedPoint = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class DisparityMap:
    """What matching found in one pair, in all rows of the image or in some; H counts those.

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
        self,
        config: StereoConfig,
        calibration: StereoCalibration,
        doffs_px: float = 0.0,
        row_step: int = 1,
    ) -> None:
        """Prepare the matcher.

        Args:
            config: matcher, range and checks.
            calibration: of the rectified pair.
            doffs_px: see `DisparityRange.of`.
            row_step: all rows are matched; of so many the middle one is checked and answered for.
                The windows of the checks cover as much of the image with fewer rows.
        """
        self._config = config
        self._size = (calibration.left.height, calibration.left.width)
        self.range = DisparityRange.of(config, calibration, doffs_px)
        self._matcher = bare_matcher(config, self.range, self._size)
        self._check = config.check_px, math.ceil(config.check_px / row_step)
        self._texture = config.texture_px, math.ceil(config.texture_px / row_step)
        self._over_exposed = math.ceil(config.over_exposed)  # a whole number compares faster
        self._blur = (2 * math.ceil(BLUR_REACH * config.pre_blur_px) + 1,) * 2
        self._window = np.ones(self._check[::-1], np.uint8)
        self._beside = np.ones((math.ceil(BESIDE_PX / row_step), BESIDE_PX), np.uint8)
        self._rows = slice(row_step // 2, None, row_step)
        self._disparity_px = _table(self.range)
        column, row = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self._size[::-1]))
        self._column, self._row = column[self._rows], row[self._rows]
        self._limit = _limits(self.range, self._disparity_px, column[:1])

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
        return self._checked(eyes, self._fixed_point(*eyes))

    def _blurred(self, image: Image) -> Image:
        sigma = self._config.pre_blur_px
        return cv2.GaussianBlur(image, self._blur, sigma) if sigma > 0 else image

    def _fixed_point(self, left: Image, right: Image) -> FixedPoint:
        """Match with the left edge padded by the whole range, which the matcher would lose.

        Returns:
            (H, W) int16, sixteenths of a px from the range's least on, below 0 where unanswered.
        """
        pad = self.range.least_px + self.range.count
        padded = [
            cv2.copyMakeBorder(image, 0, 0, pad, 0, cv2.BORDER_REPLICATE) for image in (left, right)
        ]
        inner = self._matcher.compute(*padded)[:, pad:]
        found: FixedPoint = np.subtract(
            inner[self._rows], np.int16(SUB_PX * self.range.least_px), order="C"
        )
        return found

    def _checked(self, eyes: tuple[Image, Image], found: FixedPoint) -> DisparityMap:
        """Return what stands up to the checks, with how sure it is."""
        c = self._config
        left = eyes[0][self._rows]
        disparity_px = self._disparity_px.take(found, mode="wrap")
        sureness = self._agreement(found)
        cv2.min(sureness, self._likeness(left, eyes[1], disparity_px), dst=sureness)
        texture = _local_deviation(left, self._texture)
        plain = texture < c.min_texture
        over_exposed = left >= self._over_exposed
        too_near = found >= SUB_PX * (self.range.count - 1)
        known = found.view(np.uint16) < self._limit  # unanswered ones are the largest
        known &= sureness > 0
        known &= ~(plain | over_exposed)
        texture *= np.float32(1 / (max(c.min_texture, 1e-6) * FULL_CONFIDENCE_TEXTURE))
        confidence = cv2.min(texture, sureness, dst=sureness)
        confidence *= known
        disparity_px[~known] = np.nan
        share = np.count_nonzero(known) / known.size
        return DisparityMap(disparity_px, confidence, share, plain, over_exposed, too_near)

    def _agreement(self, found: FixedPoint) -> NDArray[np.float32]:
        """Return how well the neighbours of each match agree, (H, W) float32, 1 fully, <= 0 not.

        Next to it nothing may be at another distance; farther off nothing may be nearer: matches
        stray on the far side of a step, where one eye sees what the other does not.
        """
        nearest = cv2.dilate(found, self._window)
        farthest_beside = cv2.erode(found.view(np.uint16), self._beside).view(np.int16)
        beside = cv2.subtract(cv2.dilate(found, self._beside), farthest_beside)
        step = cv2.max(beside, cv2.subtract(nearest, found))
        per_step = np.float32(-1 / (SUB_PX * self._config.max_step_px))
        agreement: NDArray[np.float32] = np.multiply(step, per_step)
        agreement += np.float32(1)
        return agreement

    def _likeness(
        self, left: Image, right: Image, disparity_px: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return how alike both images are at the match, (H, W) float32, 1 equal, <= 0 not."""
        column = self._column - disparity_px
        there = cv2.remap(right, column, self._row, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        likeness = cv2.boxFilter(cv2.absdiff(left, there), cv2.CV_32F, self._check)
        likeness *= np.float32(-1 / self._config.max_residual)
        likeness += np.float32(1)
        return np.asarray(likeness, np.float32)


def _table(disparities: DisparityRange) -> NDArray[np.float32]:
    """Return the disparity, px, of each sixteenth from the range's least on.

    A match at disparity 0 is known to be far, at least beyond a sixteenth of a pixel.
    """
    steps = np.arange(SUB_PX * (disparities.count + 2))
    px = disparities.least_px + steps / SUB_PX + np.array(UNLOCKING_PX)[steps % SUB_PX]
    table: NDArray[np.float32] = np.maximum(px, 1 / SUB_PX).astype(np.float32)
    return table


def _limits(
    disparities: DisparityRange, table_px: NDArray[np.float32], column: NDArray[np.float32]
) -> NDArray[np.uint16]:
    """Return for each column, (1, W), the first match, in sixteenths from the least, that is void.

    It reaches beyond the image's left edge, or the end of the range, where anything nearer ends.
    """
    inside = np.searchsorted(table_px, column, side="right")
    limits = np.minimum(inside, SUB_PX * (disparities.count - 1))
    return limits.astype(np.uint16)


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


def _local_deviation(image: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the standard deviation over the window around each pixel, (H, W) float32."""
    mean = cv2.boxFilter(image, cv2.CV_32F, size)
    variance = cv2.sqrBoxFilter(image, cv2.CV_32F, size)
    mean *= mean
    variance -= mean
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(variance, 0, out=variance), out=variance)
    return deviation
