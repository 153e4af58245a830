"""From two raw, distorted eyes to one rectified pair.

In: the `RawStereoCalibration`. Out: lookup maps, made once, that turn raw images into rectified
ones, and the `StereoCalibration` of the result.

Rectified means: both eyes look in the same direction, square to the baseline, so that a point lies
on the same row of both images; pixels are square; every pixel of both images was seen by its eye.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from drone.geometry import GridSpec, Intrinsics, Matrix, StereoCalibration
from drone.messages import Image
from drone.onboard.calibration import CameraModel, PixelMap, RawStereoCalibration
from drone.onboard.map_cache import MapCache

WIDEST_TANGENT = math.tan(math.radians(60))
"""A rectified view ends 60 degrees off its axis: beyond, a pinhole image is mostly rim."""
_BORDER_STEP_PX = 4
_NO_RAY = 1e5
"""OpenCV's fisheye answers -1e6 for a pixel whose ray points backwards."""


@dataclass(frozen=True, eq=False)
class Rectifier:
    """Turns raw pairs into rectified ones; the maps are made once, at first use.

    Attributes:
        raw: the two eyes.
        width_px: of the rectified images.
        height_px: of the rectified images.
        cache: where maps outlast the program; None keeps them in memory only.
    """

    raw: RawStereoCalibration
    width_px: int
    height_px: int
    cache: MapCache | None = None

    @classmethod
    def fitting(
        cls,
        raw: RawStereoCalibration,
        grid: GridSpec | None = None,
        cache: MapCache | None = None,
    ) -> Rectifier:
        """Return the rectifier whose images have the size that `rectified_size` chooses."""
        pinhole = raw.left.pinhole
        size = rectified_size(pinhole.width, pinhole.height, grid or GridSpec())
        return cls(raw, *size, cache)

    @cached_property
    def calibration(self) -> StereoCalibration:
        """Of the rectified pair: the widest view that both eyes fill, square pixels."""
        (x0, y0), (x1, y1) = (corner.tolist() for corner in self._seen_by_both)
        w, h = self.width_px - 1, self.height_px - 1
        f = max(w / (x1 - x0), h / (y1 - y0))
        cx, cy = w / 2 - f * (x0 + x1) / 2, h / 2 - f * (y0 + y1) / 2
        mount = self.raw.body_from_left
        rotation = mount[:3, :3] @ self.rotations[0].T
        return StereoCalibration(
            left=Intrinsics(self.width_px, self.height_px, f, f, cx, cy),
            baseline_m=self.raw.baseline_m,
            body_from_left=tuple(float(x) for x in rotation.ravel()),
            left_in_body_m=(float(mount[0, 3]), float(mount[1, 3]), float(mount[2, 3])),
        )

    def left(self, image: Image) -> Image:
        """Return the rectified left image.

        Args:
            image: raw, (H, W) uint8.

        Raises:
            ValueError: the image has another size than the raw calibration says.
        """
        return self._remap(image, self.left_map)

    def right(self, image: Image) -> Image:
        """Return the rectified right image; see `left`."""
        return self._remap(image, self.right_map)

    @property
    def left_map(self) -> PixelMap:
        """(height_px, width_px, 2) float32: raw column and row that each rectified pixel shows."""
        return self._maps["left"]

    @property
    def right_map(self) -> PixelMap:
        """As `left_map`, for the right eye."""
        return self._maps["right"]

    @cached_property
    def _maps(self) -> Mapping[str, PixelMap]:
        key = f"{self.raw.hash}-{self.width_px}x{self.height_px}-{self._view}-cv{cv2.__version__}"
        kept = None if self.cache is None else self.cache.load(key)
        if kept is not None and self._are_maps(kept):
            return kept
        target, turns = self.calibration.left, self.rotations
        maps = {
            "left": self.raw.left.maps(turns[0], target),
            "right": self.raw.right.maps(turns[1], target),
        }
        if self.cache is not None:
            self.cache.store(key, maps)
        return maps

    @property
    def _view(self) -> str:
        """Eight hex digits that name how the eyes are turned and cut."""
        numbers = np.concatenate([*self.rotations, self.calibration.left.matrix])
        return hashlib.sha256(numbers.tobytes()).hexdigest()[:8]

    def _are_maps(self, arrays: Mapping[str, PixelMap]) -> bool:
        shape = (self.height_px, self.width_px, 2)
        return arrays.keys() == {"left", "right"} and all(
            array.shape == shape and array.dtype == np.float32 for array in arrays.values()
        )

    @cached_property
    def rotations(self) -> tuple[Matrix, Matrix]:
        """(3, 3) rectified from raw, of each eye (Bouguet: each eye turns half of the way)."""
        size = (self.raw.left.pinhole.width, self.raw.left.pinhole.height)
        t = self.raw.right_from_left
        # The rotations hang on the eyes' relation alone, not on their lenses.
        result = cv2.stereoRectify(
            *(self.raw.left.pinhole.matrix, np.zeros(4)),
            *(self.raw.right.pinhole.matrix, np.zeros(4)),
            *(size, np.ascontiguousarray(t[:3, :3]), np.ascontiguousarray(t[:3, 3:])),
        )
        return np.asarray(result[0], np.float64), np.asarray(result[1], np.float64)

    @cached_property
    def _seen_by_both(self) -> tuple[Matrix, Matrix]:
        """Least and greatest (x, y) at unit depth of a rectangle that lies inside both images."""
        eyes = zip((self.raw.left, self.raw.right), self.rotations, strict=True)
        inner = [_inner_rectangle(eye, rotation) for eye, rotation in eyes]
        least = np.maximum(np.maximum(inner[0][0], inner[1][0]), -WIDEST_TANGENT)
        greatest = np.minimum(np.minimum(inner[0][1], inner[1][1]), WIDEST_TANGENT)
        if not (least < greatest).all():
            raise ValueError("the two eyes see no common rectangle; is the calibration right?")
        return least, greatest

    def _remap(self, image: Image, raw_px: PixelMap) -> Image:
        pinhole = self.raw.left.pinhole
        if image.shape != (pinhole.height, pinhole.width):
            raise ValueError(
                f"an image of shape {image.shape} where the calibration says "
                f"({pinhole.height}, {pinhole.width})"
            )
        # The map stays inside the image; BORDER_REPLICATE only absorbs its rounding at the edge.
        rectified = cv2.remap(
            image, raw_px, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(rectified, np.uint8)


def rectified_size(width_px: int, height_px: int, grid: GridSpec) -> tuple[int, int]:
    """Return the largest 4:3 size within the raw image that divides into the grid's cells.

    4:3 is the aspect of the network's input, so that a resize keeps the pixels square.

    Raises:
        ValueError: the raw image is too small for the grid.
    """
    step = math.lcm(grid.cols // math.gcd(grid.cols, 4), grid.rows // math.gcd(grid.rows, 3))
    n = min(width_px // (4 * step), height_px // (3 * step)) * step
    if n == 0:
        raise ValueError(
            f"{width_px} x {height_px} px are too few for {grid.cols} x {grid.rows} cells"
        )
    return 4 * n, 3 * n


def _inner_rectangle(eye: CameraModel, rotation: Matrix) -> tuple[Matrix, Matrix]:
    """Return the least and greatest (x, y) of a rectangle that the image's border never enters."""
    w, h = eye.pinhole.width - 1, eye.pinhole.height - 1
    u = np.linspace(0, w, w // _BORDER_STEP_PX + 2)
    v = np.linspace(0, h, h // _BORDER_STEP_PX + 2)
    left, right = (_side(eye, np.column_stack([0 * v + x, v]), rotation, 0, x) for x in (0, w))
    top, bottom = (_side(eye, np.column_stack([u, 0 * u + y]), rotation, 1, y) for y in (0, h))
    return np.array([left.max(), top.max()]), np.array([right.min(), bottom.min()])


def _side(
    eye: CameraModel, border_px: Matrix, rotation: Matrix, axis: int, outwards: float
) -> Matrix:
    """Return x (axis 0) or y (1) of a border's rays; what lies behind the eye bounds nothing."""
    along = eye.rays(border_px, rotation)[:, axis]
    beyond = math.inf if outwards > 0 else -math.inf
    return np.where(np.abs(along) < _NO_RAY, along, beyond)
