"""A flight log is a camera too: its frames, with the vehicle's state and the driver's events.

In: a `FlightLog`. Out: the frames that its pilot consumed, rectified as they are, so that labels
and learning can be made anew. An eye that had failed in that flight stays without an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.geometry import GridSpec, StereoCalibration
from drone.messages import HealthEvent, Image, StereoFrame, VehicleState
from drone.onboard.camera import CameraSample
from drone.onboard.rectification import rectified_size
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.recording import choose


@dataclass(frozen=True, eq=False)
class LogSource:
    """The frames of a log as a `FrameSource`; made by `open_log`.

    Attributes:
        log: that is read.
        calibration: of the frames as they are given out.
        wanted: `seq` of the frames that are used.
    """

    log: FlightLog
    calibration: StereoCalibration
    wanted: frozenset[int]

    @property
    def utc_offset_ns(self) -> int:
        """As in the log."""
        return self.log.header.utc_offset_ns

    @property
    def notes(self) -> tuple[str, ...]:
        """What the log lost, if anything, and what else is to be known of it."""
        damaged = self.log.damaged
        lost = () if damaged is None else (f"the log is damaged: {damaged}",)
        return tuple(f"{self.log.path}: {note}" for note in (*lost, *self.log.notes))

    def __len__(self) -> int:
        """Return the number of frames that are used."""
        return len(self.wanted)

    def samples(self) -> Iterator[CameraSample]:
        """Yield the frames, each with the latest state before it and the events since the last."""
        vehicle: VehicleState | None = None
        health: tuple[HealthEvent, ...] = ()
        for tick in self.log.ticks():
            vehicle = tick.vehicle or vehicle
            health += tick.health
            if tick.frame is not None and tick.frame.seq in self.wanted:
                yield CameraSample(self._resized(tick.frame), vehicle, health)
                health = ()

    def _resized(self, frame: StereoFrame) -> StereoFrame:
        if self._as_it_is:
            return frame
        return replace(frame, left=self._small(frame.left), right=self._small(frame.right))

    def _small(self, image: Image | None) -> Image | None:
        if image is None:
            return None
        size = (self.calibration.left.width, self.calibration.left.height)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    @cached_property
    def _as_it_is(self) -> bool:
        return self.calibration == self.log.header.calibration


def open_log(path: Path, options: SourceOptions, grid: GridSpec) -> LogSource:
    """Return a flight log as a source of frames.

    Args:
        path: of the log.
        options: which part of it, at which size.
        grid: cells into which scaled images must divide.

    Raises:
        UserError: not a flight log, or nothing is left of it.
    """
    if options.calibration or options.rectified or options.swap:
        raise UserError(
            f"{path}: a log holds rectified images with their calibration; --calibration, "
            "--rectified and --swap do not go with it"
        )
    if options.vehicle_log is not None:
        raise UserError(f"{path}: a log holds the vehicle's state; --vehicle-log is for films")
    log = FlightLog(path)
    frames = [(frame.seq, frame.stamp_ns) for frame in log.frames()]
    stamps_ns = np.array([stamp_ns for _, stamp_ns in frames], np.int64)
    chosen = choose(str(path), stamps_ns, options)
    calibration = _scaled(path, log.header.calibration, options.scale, grid)
    return LogSource(log, calibration, frozenset(frames[i][0] for i in chosen))


def _scaled(
    path: Path, calibration: StereoCalibration, scale: float, grid: GridSpec
) -> StereoCalibration:
    if scale == 1:
        return calibration
    left = calibration.left
    try:
        size = rectified_size(round(scale * left.width), round(scale * left.height), grid)
    except ValueError as error:
        raise UserError(f"{path}: --scale {scale:g}: {error}") from error
    if abs(size[0] * left.height - size[1] * left.width) > 0:
        raise UserError(
            f"{path}: --scale {scale:g} of {left.width} x {left.height} px would distort it: "
            f"{size[0]} x {size[1]} px divide into the grid"
        )
    return replace(calibration, left=left.scaled(*size))
