"""The sensor behind each lens: vignetting, exposure, noise.

In: the light on the sensor, an image as the renderer draws it. Out: the image that is read out.
Grey levels grow linearly with the light: exposure multiplies them, 255 is full. Both eyes have the
same exposure, as a pair with a common trigger has.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import CameraConfig
from drone.messages import Image

_NOISE_BANK = 1 << 20


class SensorNoise:
    """Gaussian noise from a bank drawn once: a random stretch of it per image."""

    def __init__(self, levels: float, rng: np.random.Generator, shot_levels: float = 0.0) -> None:
        """Draw the bank.

        Args:
            levels: standard deviation, grey levels; 0 for none.
            rng: source of randomness, kept.
            shot_levels: standard deviation at level 255 of shot noise, whose variance is
                proportional to the level; 0 for none.
        """
        self._rng = rng
        size = _NOISE_BANK if levels > 0 or shot_levels > 0 else 0
        unit = rng.standard_normal(size, dtype=np.float32)
        self._deviation: NDArray[np.float32] | None = None
        if shot_levels > 0:
            variance = levels**2 + shot_levels**2 * np.arange(256) / 255
            self._deviation = np.sqrt(variance).astype(np.float32)
            self._bank: NDArray[Any] = unit
        else:
            self._bank = np.rint(levels * unit).astype(np.int16)

    def add_to(self, image: Image) -> Image:
        """Return a copy of an image with fresh noise, clipped to 0-255."""
        if not len(self._bank):
            return image.copy()
        if image.size >= len(self._bank):
            self._bank = np.tile(self._bank, image.size // len(self._bank) + 2)
        start = int(self._rng.integers(len(self._bank) - image.size))
        noise = self._bank[start : start + image.size].reshape(image.shape)
        if self._deviation is not None:
            noise = noise * self._deviation[image]
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


class Sensor:
    """Both eyes' vignetting and common exposure.

    State: the exposure.
    """

    def __init__(self, config: CameraConfig, width_px: int, height_px: int) -> None:
        """Start at the configured exposure.

        Args:
            config: exposure, auto-exposure and vignetting.
            width_px: of the raw image.
            height_px: of the raw image.
        """
        self.exposure = config.exposure
        self._start = config.exposure
        self._auto = config.auto_exposure
        share = config.vignetting
        self._kept = vignette(share, width_px, height_px) if share else None

    def read_out(self, light: Image, noise: SensorNoise) -> Image:
        """Return the image of the light on the sensor."""
        if self._kept is not None:
            light = _as_image(cv2.multiply(light, self._kept, scale=self.exposure, dtype=cv2.CV_8U))
        elif self.exposure != 1.0:
            light = _as_image(cv2.convertScaleAbs(light, alpha=self.exposure))
        return noise.add_to(light)

    def meter(self, light: Image, period_s: float) -> None:
        """Let the exposure follow the light of a picture for the pictures after it.

        Args:
            light: on the left sensor.
            period_s: until the next picture.
        """
        if self._auto is None:
            return
        seen = light if self._kept is None else light * self._kept
        wanted = self._auto.level / max(float(seen.mean()), 1.0)
        self.exposure += (1 - math.exp(-period_s / self._auto.lag_s)) * (wanted - self.exposure)
        least, most = self._start / self._auto.most, self._start * self._auto.most
        self.exposure = min(max(self.exposure, least), most)


def vignette(share: float, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Return which share of the light is left in each pixel, (H, W) float32.

    1 - share (r / r_corner)^2: the first term of the cosine law's series, scaled to the corners.
    """
    rows, cols = np.mgrid[0:height_px, 0:width_px]
    x, y = cols - (width_px - 1) / 2, rows - (height_px - 1) / 2
    corner = (width_px - 1) ** 2 / 4 + (height_px - 1) ** 2 / 4
    return np.asarray(1 - share * (x**2 + y**2) / corner, np.float32)


def _as_image(image: object) -> Image:
    return np.asarray(image, np.uint8)
