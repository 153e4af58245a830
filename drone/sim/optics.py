"""The lens of an eye: from what a wider pinhole draws to a distorted image, and back.

In: the renderer's picture. Out: the raw image that falls on the sensor, bent by Brown-Conrady's
model, and from the raw image the rectified one that the pilot gets. Both are one bilinear look-up;
what they cost is the sharpness that a real rectified camera loses too. The rectifier knows the true
lens, and the true direction of the eye where it is told one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError
from drone.geometry import Intrinsics, Matrix
from drone.messages import Image
from drone.onboard.calibration import CameraModel

_FOLDED_PX = 0.05
"""A ray bent back farther than this from where it came: the lens has no inverse there."""
_WIDEST = 3.0
"""The drawn picture may be this much wider than the raw image."""


class Optics:
    """Lens and rectifier of one eye.

    Attributes:
        drawn: pinhole that the renderer draws: the raw one with a margin of whole pixels.
    """

    def __init__(
        self, pinhole: Intrinsics, distortion: tuple[float, ...], rectified_from_eye: Matrix
    ) -> None:
        """Make the look-up tables.

        Args:
            pinhole: of the raw and of the rectified image.
            distortion: k1, k2, p1, p2 and perhaps k3; empty for none.
            rectified_from_eye: (3, 3) how the rectifier turns the eye.

        Raises:
            UserError: the lens folds the picture, or would need to see almost sideways.
        """
        lens = CameraModel(pinhole, distortion or (0.0, 0.0, 0.0, 0.0))
        wide_px = _undistorted(lens)
        left, top = np.maximum(np.ceil(-wide_px.min(axis=(0, 1))), 0).astype(int)
        size = np.array([pinhole.width, pinhole.height])
        right, bottom = np.maximum(np.ceil(wide_px.max(axis=(0, 1)) - size + 1), 0).astype(int)
        self.drawn = Intrinsics(
            pinhole.width + int(left + right),
            pinhole.height + int(top + bottom),
            *(pinhole.fx, pinhole.fy, pinhole.cx + int(left), pinhole.cy + int(top)),
        )
        if max(self.drawn.width / pinhole.width, self.drawn.height / pinhole.height) > _WIDEST:
            raise UserError(f"sim.camera.distortion = {distortion}: the lens would see sideways")
        self._left, self._top = int(left), int(top)
        self._size = (pinhole.width, pinhole.height)
        self._raw_map = (
            (wide_px + np.array([left, top])).astype(np.float32) if any(distortion) else None
        )
        self._rectified_map = lens.maps(rectified_from_eye, pinhole)

    def raw(self, drawn: Image) -> Image:
        """Return the distorted image of what was drawn, (H, W)."""
        return drawn if self._raw_map is None else _look_up(drawn, self._raw_map)

    def rectified(self, raw: Image) -> Image:
        """Return the rectified image of a raw one, (H, W); black where the eye saw nothing."""
        return _look_up(raw, self._rectified_map)

    def cropped(self, drawn: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the part of what was drawn that an undistorted eye would see."""
        width, height = self._size
        return drawn[self._top : self._top + height, self._left : self._left + width]


def _look_up(image: Image, places_px: NDArray[np.float32]) -> Image:
    return np.asarray(cv2.remap(image, places_px, None, cv2.INTER_LINEAR), np.uint8)


def _undistorted(lens: CameraModel) -> Matrix:
    """Return where a pinhole sees what each raw pixel sees, (H, W, 2) px.

    Raises:
        UserError: the lens has no inverse in the image.
    """
    p = lens.pinhole
    v, u = np.mgrid[0 : p.height, 0 : p.width].astype(np.float64)
    raw_px = np.stack([u, v], axis=-1)
    if not any(lens.distortion):
        return raw_px
    rays = lens.rays(raw_px)
    points = np.column_stack([rays, np.ones(len(rays))])
    back, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), p.matrix, np.array(lens.distortion)
    )
    error = np.abs(back.reshape(raw_px.shape) - raw_px).max()
    if not (math.isfinite(error) and error < _FOLDED_PX):
        raise UserError(
            f"sim.camera.distortion = {lens.distortion}: the lens folds the picture onto itself; "
            "smaller coefficients are right (k1 of a common lens lies within -0.4 and 0.2)"
        )
    return (rays * (p.fx, p.fy) + (p.cx, p.cy)).reshape(raw_px.shape)
