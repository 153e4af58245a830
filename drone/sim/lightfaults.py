"""Faults of the eyes before the sensor: what changes the light that reaches it.

In: the schedule and a moment. Out, per eye, what the camera draws again (`Disturbance`): when the
eye was exposed, how far it was knocked out of its place, and what the lens does to the picture.
The clean picture stays as it is; the sensor's noise comes on top of the disturbed one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S
from drone.config import FaultConfig
from drone.geometry import Matrix, optical_rotation
from drone.messages import Image
from drone.sim.faults import concerns, holds, rng_of

EYES = ("left", "right")
_LIGHT = ("desynchronised", "miscalibrated", "blurred", "covered")
_SOFT = 0.1
"""Width of the soft edge of what covers a lens, in widths of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Disturbance:
    """What changes the light that reaches one eye.

    Attributes:
        early_ns: how long before the frame's stamp this eye is exposed.
        turn: (3, 3), from the knocked eye's to its proper optical frame; None where in place.
        lens: faults of the lens, in order, with their place in the schedule.
    """

    early_ns: int
    turn: Matrix | None
    lens: tuple[tuple[int, FaultConfig], ...]

    @property
    def moves(self) -> bool:
        """Whether the eye saw from another place or in another direction."""
        return self.early_ns > 0 or self.turn is not None


class LightFaults:
    """The faults of the light of one flight.

    State: the random patches of covered lenses, made when first needed.
    """

    def __init__(self, schedule: Sequence[FaultConfig], seed: Sequence[int]) -> None:
        self._faults = [(k, f) for k, f in enumerate(schedule) if f.kind in _LIGHT]
        self._seed = seed
        self._patches: dict[tuple[int, str], NDArray[np.float32]] = {}

    @property
    def any(self) -> bool:
        """Whether any fault of the light is scheduled."""
        return bool(self._faults)

    @property
    def longest_early_s(self) -> float:
        """How far back poses must be remembered, s."""
        return _early_s([f for _, f in self._faults])

    def at(self, eye: str, stamp_ns: int) -> Disturbance | None:
        """Return what disturbs an eye (`left` or `right`) at a moment; None where nothing does."""
        now = [(k, f) for k, f in self._faults if concerns(f, eye) and holds(f, stamp_ns)]
        if not now:
            return None
        faults = [f for _, f in now]
        lens = tuple((k, f) for k, f in now if f.kind in ("blurred", "covered"))
        return Disturbance(round(_early_s(faults) * NS_PER_S), _turn(faults), lens)

    def through_lens(self, eye: str, light: Image, disturbance: Disturbance) -> Image:
        """Return the picture of an eye behind its disturbed lens, (H, W) uint8, without noise."""
        for place, fault in disturbance.lens:
            if fault.kind == "blurred":
                light = np.asarray(cv2.GaussianBlur(light, (0, 0), fault.sigma_px), np.uint8)
            else:
                cover = self._patch(place, eye, fault, light.shape)
                mixed = light + cover * (np.float32(fault.level) - light)
                light = np.rint(mixed).astype(np.uint8)
        return light

    def _patch(
        self, place: int, eye: str, fault: FaultConfig, shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        key = (place, eye)
        if key not in self._patches:
            rng = rng_of(self._seed, place, EYES.index(eye))
            self._patches[key] = patch(shape, fault.share, rng)
        return self._patches[key]


def patch(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return how much of each pixel is covered, (H, W) float32 in 0-1: a finger from the edge.

    A disc about a random place on the image's edge, with a soft rim whose middle encloses `share`
    of the pixels.
    """
    height, width = shape
    angle = rng.uniform(-math.pi, math.pi)
    x, y = width / 2 * math.cos(angle), height / 2 * math.sin(angle)
    stretch = 1 / max(abs(x) / (width / 2), abs(y) / (height / 2))
    rows, cols = np.mgrid[0:height, 0:width] + 0.5
    away = np.hypot(cols - width / 2 - x * stretch, rows - height / 2 - y * stretch)
    rim = (np.quantile(away, share) - away) / (_SOFT * width) + 0.5
    t = np.clip(rim, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _early_s(faults: Sequence[FaultConfig]) -> float:
    return max((f.offset_s for f in faults if f.kind == "desynchronised"), default=0.0)


def _turn(faults: Sequence[FaultConfig]) -> Matrix | None:
    """Return the knocks one after the other, (3, 3); None where there are none."""
    knocks = [f for f in faults if f.kind == "miscalibrated"]
    turn = np.eye(3)
    for f in knocks:
        turn = turn @ optical_rotation(f.roll_deg, f.pitch_deg, f.yaw_deg)
    return turn if knocks else None
