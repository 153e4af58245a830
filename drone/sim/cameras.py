"""The simulated stereo pair: pinhole projection, depth, grey image, sensor noise.

In: a `World` and the body's pose. Out: two grey images and the true inverse depth of the left one.
Pixel centres lie at whole numbers (OpenCV). The pair is rigid to the body, in roll and pitch too.

TinyRenderer samples pixel (column i, row j from below) at i and j of the viewport, not at its
middle (i + 1/2, j + 1/2); `projection_matrix` makes up for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import CameraConfig
from drone.geometry import (
    Intrinsics,
    Matrix,
    StereoCalibration,
    rotation_from_quaternion,
)
from drone.messages import Image, Quaternion, Vector3
from drone.sim.world import Picture, World

NEAR_M = 0.05
"""Nearer than anything can come to an eye: the hull's front is 14 cm ahead of it."""
FAR_M = 40.0
"""Farther than the diagonal of the largest room."""
_NOISE_BANK = 1 << 20


class StereoCapture(NamedTuple):
    """What the pair sees at one moment.

    Attributes:
        left: (H, W) uint8.
        right: (H, W) uint8.
        inverse_depth: (H, W) float32, 1/m along the left optical axis, without noise.
        light: what fell on the left and on the right sensor: the images without noise.
    """

    left: Image
    right: Image
    inverse_depth: NDArray[np.float32]
    light: tuple[Image, Image]


def calibration_of(config: CameraConfig) -> StereoCalibration:
    """Return the calibration of the simulated pair: level, symmetric about the body's x axis."""
    hfov_rad = math.radians(config.hfov_deg)
    return StereoCalibration(
        left=Intrinsics.from_hfov(config.width_px, config.height_px, hfov_rad),
        baseline_m=config.baseline_m,
        left_in_body_m=(config.forward_m, -config.baseline_m / 2, 0.0),
    )


def projection_matrix(camera: Intrinsics) -> list[float]:
    """Return OpenGL's projection matrix, 16 numbers, column by column."""
    m = np.zeros((4, 4))
    m[0, 0] = 2 * camera.fx / camera.width
    m[1, 1] = 2 * camera.fy / camera.height
    # Column i is sampled at i, so that i = cx must land at 2 cx / W - 1 (and likewise for rows,
    # which count from below: row v is H - 1 - v).
    m[0, 2] = 1 - 2 * camera.cx / camera.width
    m[1, 2] = 2 * (camera.cy + 1) / camera.height - 1
    m[2, 2] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    m[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    m[3, 2] = -1
    return [float(x) for x in m.T.ravel()]


def view_matrix(world_from_optical: Matrix, position_m: NDArray[np.float64]) -> list[float]:
    """Return OpenGL's view matrix, 16 numbers, column by column.

    Args:
        world_from_optical: (3, 3).
        position_m: of the eye, (3,), world.
    """
    m = np.eye(4)
    # OpenGL's camera has y up and z backward.
    m[:3, :3] = (world_from_optical * (1.0, -1.0, -1.0)).T
    m[:3, 3] = -m[:3, :3] @ position_m
    return [float(x) for x in m.T.ravel()]


def inverse_depth(z_buffer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse depth along the axis, 1/m, of a z-buffer: it is linear in it."""
    return np.float32(1 / NEAR_M) - z_buffer * np.float32(1 / NEAR_M - 1 / FAR_M)


class SensorNoise:
    """Gaussian noise from a bank drawn once: a random stretch of it per image."""

    def __init__(self, levels: float, rng: np.random.Generator) -> None:
        """Draw the bank.

        Args:
            levels: standard deviation, grey levels; 0 for none.
            rng: source of randomness, kept.
        """
        self._rng = rng
        self._bank = np.rint(
            levels * rng.standard_normal(_NOISE_BANK if levels > 0 else 0, dtype=np.float32)
        ).astype(np.int16)

    def add_to(self, image: Image) -> Image:
        """Return a copy of an image with fresh noise, clipped to 0-255."""
        if not len(self._bank):
            return image.copy()
        if image.size >= len(self._bank):
            self._bank = np.tile(self._bank, image.size // len(self._bank) + 2)
        start = int(self._rng.integers(len(self._bank) - image.size))
        noise = self._bank[start : start + image.size].reshape(image.shape)
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


class StereoCamera:
    """The pair, mounted on the body."""

    def __init__(self, world: World, config: CameraConfig, rng: np.random.Generator) -> None:
        self.calibration = calibration_of(config)
        self._world = world
        self._noise = SensorNoise(config.noise_levels, rng)
        self._projection = projection_matrix(self.calibration.left)

    def capture(self, position_m: Vector3, attitude: Quaternion) -> StereoCapture:
        """Take one stereo picture.

        Args:
            position_m: of the body, world.
            attitude: world from body.
        """
        views = self._views(position_m, attitude)
        (left, z_buffer), (right, _) = (self._look(view) for view in views)
        images = (self._noise.add_to(left), self._noise.add_to(right))
        return StereoCapture(*images, inverse_depth(z_buffer), (left, right))

    def look(
        self, eye: int, position_m: Vector3, attitude: Quaternion, turn: Matrix | None
    ) -> Image:
        """Return what one eye sees without noise, (H, W) uint8.

        Args:
            eye: 0 left, 1 right.
            position_m: of the body, world.
            attitude: world from body.
            turn: (3, 3) from the eye, knocked out of place, to where it should be; None: in place.
        """
        return self._look(self._views(position_m, attitude, turn)[eye])[0]

    def render_bare_pair(self, position_m: Vector3, attitude: Quaternion) -> None:
        """Draw both eyes and make nothing of them: the floor of `capture`."""
        for view in self._views(position_m, attitude):
            self._render(view)

    def _views(
        self, position_m: Vector3, attitude: Quaternion, turn: Matrix | None = None
    ) -> list[list[float]]:
        """Return the view matrices of the left and the right eye, each turned in its place."""
        world_from_body = rotation_from_quaternion(attitude)
        world_from_optical = world_from_body @ self.calibration.rotation
        left = np.array(position_m) + world_from_body @ np.array(self.calibration.left_in_body_m)
        right = left + self.calibration.baseline_m * world_from_optical[:, 0]
        turned = world_from_optical if turn is None else world_from_optical @ turn
        return [view_matrix(turned, eye_m) for eye_m in (left, right)]

    def _render(self, view: list[float]) -> Picture:
        camera = self.calibration.left
        return self._world.render(view, self._projection, (camera.width, camera.height))

    def _look(self, view: list[float]) -> tuple[Image, NDArray[np.float32]]:
        picture = self._render(view)
        grey = np.asarray(cv2.cvtColor(picture.rgba, cv2.COLOR_RGBA2GRAY), np.uint8)
        return grey, picture.z_buffer
