"""Two raw eyes: how each one's lens bends its image, and where each sits in the body (FRD).

`drone.onboard.rectification` makes one rectified pair of them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.geometry import (
    BODY_FROM_OPTICAL,
    Intrinsics,
    Matrix,
    level_from_camera,
)

PixelMap = NDArray[np.float32]
_UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)


class Lens(StrEnum):
    """How a lens bends rays; coefficients as OpenCV orders them."""

    RADTAN = "radtan"
    """Brown-Conrady: k1, k2, p1, p2, then perhaps k3, then perhaps k4, k5, k6 (rational)."""
    EQUIDISTANT = "equidistant"
    """Fisheye of Kannala and Brandt: k1, k2, k3, k4."""


DISTORTION_COUNTS = {Lens.RADTAN: (4, 5, 8), Lens.EQUIDISTANT: (4,)}
"""How many coefficients a lens may have."""


@dataclass(frozen=True)
class CameraModel:
    """One raw eye: pinhole behind a lens that bends rays.

    Attributes:
        pinhole: size and camera matrix of the raw image.
        distortion: coefficients of the lens, see `Lens`; without unit.
        lens: the model of the lens.

    Raises:
        ValueError: another number of coefficients, or a focal length that is not positive.
    """

    pinhole: Intrinsics
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    lens: Lens = Lens.RADTAN

    def __post_init__(self) -> None:
        if len(self.distortion) not in DISTORTION_COUNTS[self.lens]:
            raise ValueError(
                f"{len(self.distortion)} distortion coefficients; right are 4 (k1, k2, p1, p2), "
                "5 (and k3) or 8 (and k4, k5, k6), or 4 (k1, k2, k3, k4) of an equidistant lens"
            )
        p = self.pinhole
        if not all(math.isfinite(x) for x in (p.cx, p.cy, *self.distortion)):
            raise ValueError("intrinsics and distortion coefficients must be finite numbers")
        if not (0 < p.fx < math.inf and 0 < p.fy < math.inf and p.width > 0 and p.height > 0):
            raise ValueError("focal lengths and image size must be positive")

    def rays(self, points_px: Matrix, rotation: Matrix | None = None) -> Matrix:
        """Return the undistorted rays through raw pixels, at unit depth.

        Args:
            points_px: (N, 2), column and row in the raw image.
            rotation: (3, 3) applied to the rays before they are brought to unit depth.

        Returns:
            (N, 2), x and y where z is 1, in the (turned) optical frame.
        """
        undistort = cv2.undistortPoints if self.lens is Lens.RADTAN else cv2.fisheye.undistortPoints
        undistorted = undistort(
            np.asarray(points_px, np.float64).reshape(-1, 1, 2),
            self.pinhole.matrix,
            np.array(self.distortion),
            R=np.eye(3) if rotation is None else rotation,
            criteria=_UNDISTORT_UNTIL,
        )
        return np.asarray(undistorted, np.float64).reshape(-1, 2)

    def project(self, points: Matrix) -> Matrix:
        """Return where the raw image shows points.

        Args:
            points: (N, 3) in the optical frame, z > 0.

        Returns:
            (N, 2), column and row in px.
        """
        project = cv2.projectPoints if self.lens is Lens.RADTAN else cv2.fisheye.projectPoints
        px, _ = project(
            np.asarray(points, np.float64).reshape(-1, 1, 3),
            *(np.zeros(3), np.zeros(3), self.pinhole.matrix, np.array(self.distortion)),
        )
        return np.asarray(px, np.float64).reshape(-1, 2)

    def maps(self, rotation: Matrix, target: Intrinsics) -> PixelMap:
        """Return where each pixel of a turned, undistorted image lies in the raw image.

        Args:
            rotation: (3, 3) target from raw optical frame.
            target: pinhole and size of the undistorted image.

        Returns:
            (height, width, 2) float32: raw column and row.
        """
        make = (
            cv2.initUndistortRectifyMap
            if self.lens is Lens.RADTAN
            else cv2.fisheye.initUndistortRectifyMap
        )
        columns, rows = make(
            *(self.pinhole.matrix, np.array(self.distortion), rotation, target.matrix),
            *((target.width, target.height), cv2.CV_32FC1),
        )
        return np.stack([columns, rows], axis=-1).astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class RawStereoCalibration:
    """Two raw eyes and where they sit.

    Attributes:
        left: raw model of the left eye.
        right: raw model of the right eye.
        body_from_left: (4, 4) rigid transform, left optical into body (FRD), m.
        body_from_right: (4, 4) rigid transform, right optical into body (FRD), m.

    Raises:
        ValueError: the images differ in size, a transform is not rigid, or the right eye is not to
            the right of the left one.
    """

    left: CameraModel
    right: CameraModel
    body_from_left: Matrix
    body_from_right: Matrix

    def __post_init__(self) -> None:
        a, b = self.left.pinhole, self.right.pinhole
        if (a.width, a.height) != (b.width, b.height):
            raise ValueError(
                f"the left image has {a.width} x {a.height} px, the right one "
                f"{b.width} x {b.height} px; both must have the same size"
            )
        for name in ("body_from_left", "body_from_right"):
            if not is_rigid(getattr(self, name)):
                raise ValueError(f"{name} is not a rigid 4 x 4 transform (rotation, translation)")
        x, y, z = inverse_rigid(self.right_from_left)[:3, 3]
        if x <= 1e-6 or x < abs(y) or x < abs(z):
            raise ValueError(
                f"the right eye sits at ({x:.3f}, {y:.3f}, {z:.3f}) m in the left eye's frame; "
                "it must sit to the right of it (are left and right swapped?)"
            )

    @classmethod
    def from_pair(
        cls,
        left: CameraModel,
        right: CameraModel,
        right_from_left: Matrix,
        body_from_left: Matrix | None = None,
    ) -> RawStereoCalibration:
        """Return the calibration of a pair calibrated by itself, as `cv2.stereoCalibrate` does.

        Args:
            left: raw model of the left eye.
            right: raw model of the right eye.
            right_from_left: (4, 4) rigid transform, m.
            body_from_left: (4, 4); by default the left eye is the body's origin and looks forward.
        """
        mount = rigid(BODY_FROM_OPTICAL) if body_from_left is None else body_from_left
        return cls(left, right, mount, mount @ inverse_rigid(right_from_left))

    @cached_property
    def right_from_left(self) -> Matrix:
        """(4, 4) rigid transform, left optical into right optical, m."""
        return inverse_rigid(self.body_from_right) @ self.body_from_left

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that name the eyes and their relation, whatever their mount."""
        numbers = [*self.right_from_left[:3].ravel()]
        for eye in (self.left, self.right):
            p = eye.pinhole
            numbers += [p.width, p.height, p.fx, p.fy, p.cx, p.cy, *eye.distortion]
        text = " ".join(f"{n:.9g}" for n in np.round(numbers, 9) + 0.0)
        words = f"{self.left.lens} {self.right.lens} {text}"
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    @property
    def baseline_m(self) -> float:
        """Distance between the eyes."""
        return float(np.linalg.norm(self.right_from_left[:3, 3]))


def body_from_unit(unit_from_left: Matrix, down: Matrix | None = None) -> Matrix:
    """Return the (3, 3) rotation from a sensor unit's own frame to a body (FRD) that is level.

    Args:
        unit_from_left: (4, 4) where the left eye sits in the unit.
        down: (3,) unit vector along gravity in the unit when the vehicle is level; by default the
            axis of the unit that is nearest to the image's down. Forward is the left optical axis
            projected onto the plane square to it.

    Raises:
        ValueError: the left eye looks straight up or down.
    """
    left_from_unit = unit_from_left[:3, :3].T
    if down is None:
        axes = np.concatenate([np.eye(3), -np.eye(3)])
        down = axes[np.argmax(axes @ unit_from_left[:3, 1])]
    x, y, z = left_from_unit @ down
    return BODY_FROM_OPTICAL @ level_from_camera((x, y, z)) @ left_from_unit


def rigid(rotation: Matrix, translation_m: Matrix | None = None) -> Matrix:
    """Return the (4, 4) rigid transform of a (3, 3) rotation and a (3,) translation in m."""
    transform = np.eye(4)
    transform[:3, :3] = rotation
    if translation_m is not None:
        transform[:3, 3] = translation_m
    return transform


def inverse_rigid(transform: Matrix) -> Matrix:
    """Return the inverse of a (4, 4) rigid transform."""
    back = transform[:3, :3].T
    return rigid(back, -back @ transform[:3, 3])


def is_rigid(transform: Matrix) -> bool:
    """Return whether a matrix is (4, 4): a proper rotation (to 1e-4) and a finite translation."""
    if transform.shape != (4, 4) or not np.isfinite(transform).all():
        return False
    r = transform[:3, :3]
    orthonormal = np.allclose(r @ r.T, np.eye(3), atol=1e-4) and np.linalg.det(r) > 0
    return bool(orthonormal and np.allclose(transform[3], (0, 0, 0, 1)))
