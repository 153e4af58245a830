"""What a user may say about recorded input: which part of it, and what its files do not tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from drone.errors import UserError
from drone.geometry import Intrinsics
from drone.onboard.calibration import CameraModel, RawStereoCalibration, rigid
from drone.onboard.map_cache import MapCache


class Layout(StrEnum):
    """How two eyes lie in one picture; the left eye comes first."""

    SIDE_BY_SIDE = "side-by-side"
    TOP_BOTTOM = "top-bottom"


@dataclass(frozen=True, slots=True)
class Words:
    """What a user sets a live camera by, for messages.

    Attributes:
        camera: which one.
        size_says: of its pictures.
        films: what is right for a film of this name.
        swap: what is right where left is right.
        no_swap: what is right where it was said so, and is not.
    """

    camera: str
    size_says: str
    films: str
    swap: str
    no_swap: str


OPTIONS = Words(
    "--live",
    "--size says",
    "drone replay {}, which takes every frame of it",
    "to add --swap",
    "without --swap",
)
"""Of commands."""
KEYS = Words(
    "camera.devices",
    "camera.width_px and camera.height_px say",
    "a camera; drone onboard --rehearse {} plays it",
    "camera.swap = true",
    "camera.swap = false",
)
"""Of a vehicle's configuration."""


@dataclass(frozen=True, slots=True)
class RectifiedPair:
    """Images that are rectified already: all that is left to say about them.

    Attributes:
        focal_px: of both images, px.
        baseline_m: > 0.
    """

    focal_px: float
    baseline_m: float

    def calibration(self, width_px: int, height_px: int) -> RawStereoCalibration:
        """Return two eyes without distortion whose axes go through the middle of the image."""
        middle = ((width_px - 1) / 2, (height_px - 1) / 2)
        pinhole = Intrinsics(width_px, height_px, self.focal_px, self.focal_px, *middle)
        return side_by_side(CameraModel(pinhole), CameraModel(pinhole), self.baseline_m)


def side_by_side(left: CameraModel, right: CameraModel, baseline_m: float) -> RawStereoCalibration:
    """Return the calibration of two eyes that look in the same direction, square to the baseline.

    Raises:
        ValueError: the images differ in size, or the baseline is not positive.
    """
    right_from_left = rigid(np.eye(3), np.array([-baseline_m, 0.0, 0.0]))
    return RawStereoCalibration.from_pair(left, right, right_from_left)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to read a recording.

    Attributes:
        start_s: skip what lies before, seconds from the first pair.
        end_s: skip what lies after.
        rate_hz: use at most so many pairs per second; for pictures without times, the rate at which
            they were taken. None takes all.
        scale: of the rectified images, more than 0 and at most 1.
        calibration: a calibration file; it overrides what the recording says.
        rectified: said instead, where the images are rectified already.
        layout: of one picture that holds both eyes.
        right: the film of the right eye, where the input is that of the left.
        topics: of the left and the right image in a bag.
        pose_topic: of the vehicle's pose in a bag; None takes the only one there is.
        swap: left is right and right is left.
        vehicle_log: the autopilot's own log of the same flight, for state and modes.
        vehicle_offset_s: second of that log at which the recording's first pair was taken.
        cache: where rectification maps outlast the program; None keeps them in memory only.

    Raises:
        UserError: a value that makes no sense.
    """

    start_s: float = 0.0
    end_s: float = math.inf
    rate_hz: float | None = None
    scale: float = 1.0
    calibration: Path | None = None
    rectified: RectifiedPair | None = None
    layout: Layout = Layout.SIDE_BY_SIDE
    right: Path | None = None
    topics: tuple[str, str] | None = None
    pose_topic: str | None = None
    swap: bool = False
    vehicle_log: Path | None = None
    vehicle_offset_s: float = 0.0
    cache: MapCache | None = None

    def __post_init__(self) -> None:
        _require(0 <= self.start_s < math.inf, f"--start {self.start_s:g}", "at least 0 seconds")
        _require(
            self.end_s > self.start_s,
            f"--end {self.end_s:g}",
            f"later than --start ({self.start_s:g} s)",
        )
        rate = self.rate_hz
        if rate is not None:
            _require(0 < rate < 10_000, f"--rate {rate:g}", "pairs per second, more than 0")
        _require(
            math.isfinite(self.vehicle_offset_s),
            f"--vehicle-offset {self.vehicle_offset_s:g}",
            "a number of seconds",
        )
        _require(0 < self.scale <= 1, f"--scale {self.scale:g}", "more than 0 and at most 1")
        if self.rectified is not None:
            focal, baseline = self.rectified.focal_px, self.rectified.baseline_m
            _require(0 < focal < math.inf, f"--focal-px {focal:g}", "more than 0 px")
            _require(0 < baseline < math.inf, f"--baseline-m {baseline:g}", "more than 0 m")
            if self.calibration is not None:
                raise UserError("--calibration and --rectified exclude each other")


def _require(holds: bool, what: str, right: str) -> None:
    if not holds:
        raise UserError(f"{what}: right is {right}")
