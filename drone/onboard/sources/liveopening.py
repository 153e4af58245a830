"""From what a user says of a live camera to the source of its frames; nothing is opened yet."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from drone.errors import UserError
from drone.geometry import GridSpec
from drone.onboard.calibration import RawStereoCalibration
from drone.onboard.calibration_files import read_calibration
from drone.onboard.sources.capture import CameraMode, capture_from, without_password
from drone.onboard.sources.live import LiveCamera, LiveOptions
from drone.onboard.sources.livesource import LiveSource
from drone.onboard.sources.options import OPTIONS, Layout, SourceOptions, Words
from drone.onboard.sources.recording import rectifier_for

RATE_HZ = 30.0
"""Asked of a camera where nothing is said."""
MOST_DELAY_S = 10.0
"""A picture is not older than this when it arrives."""


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """Which camera, and what only a live one needs to be told.

    Attributes:
        names: of one camera that shows both eyes, or of the left and the right one.
        size_px: width and height of one eye's picture; None takes the calibration's.
        max_skew_s: eyes farther apart are out of sync.
        delay_s: time from a picture's exposure to its arrival, where no driver stamps it.
        words: what a user sets all this by.
        alone: one eye is enough for a start.

    Raises:
        UserError: more than two cameras, the same twice, a film, or a value that makes no sense.
    """

    names: tuple[str, ...]
    size_px: tuple[int, int] | None = None
    max_skew_s: float = 0.010
    delay_s: float = 0.0
    words: Words = OPTIONS
    alone: bool = False

    def __post_init__(self) -> None:
        said = self.words.camera
        if len(self.names) not in (1, 2):
            raise UserError(
                f"{said}: {len(self.names)} cameras; right is one with both eyes, or two"
            )
        if len(set(self.names)) < len(self.names):
            raise UserError(f"{said}: {self.names[0]} twice; right are the left and the right one")
        for name in self.names:
            if not name.startswith("/dev/") and os.path.isfile(name):
                right = self.words.films.format(name)
                raise UserError(f"{said} {name}: is a film, not a camera; right is {right}")
        if not 0 < self.max_skew_s <= 1:
            raise UserError(
                f"--max-skew-ms {1000 * self.max_skew_s:g}: right is more than 0 and at most 1000"
            )
        if not 0 <= self.delay_s <= MOST_DELAY_S:
            raise UserError(
                f"--delay {self.delay_s:g}: right is seconds, at least 0 and at most "
                f"{MOST_DELAY_S:g}"
            )


def open_live(
    request: LiveRequest, options: SourceOptions, grid: GridSpec | None = None
) -> LiveSource:
    """Return a live camera as a source; `with` opens it.

    Args:
        request: which camera.
        options: calibration, layout, sides, and which part at which rate and size; map cache.
        grid: cells into which the rectified images must divide.

    Raises:
        UserError: no calibration or one that does not fit, or a name that is no camera.
    """
    raw, said_by = _raw(request, options)
    rectifier = rectifier_for(raw, options, grid, said_by)
    both = len(request.names) == 1
    mode = _mode(raw, options, both)
    names = request.names[::-1] if options.swap and not both else request.names
    camera = LiveCamera(
        [capture_from(name, mode, request.delay_s) for name in names],
        rectifier,
        options.layout,
        LiveOptions(request.max_skew_s, swap=options.swap and both, alone=request.alone),
    )
    name = without_password(" and ".join(request.names))
    return LiveSource(camera, name, options, time.monotonic_ns, request.words)


def _raw(request: LiveRequest, options: SourceOptions) -> tuple[RawStereoCalibration, str]:
    if options.calibration is not None:
        raw = read_calibration(options.calibration, request.size_px)
        pinhole = raw.left.pinhole
        if request.size_px not in (None, (pinhole.width, pinhole.height)):
            raise UserError(
                f"{options.calibration}: is for {pinhole.width} x {pinhole.height} px, but "
                f"{request.words.size_says} {_size(request.size_px)}; right is a calibration made "
                "at that size"
            )
        return raw, str(options.calibration)
    if options.rectified is None:
        raise UserError(
            "--live: nobody says how the cameras see; right is --calibration FILE (made by drone "
            "calibrate --live), or for rectified images --rectified --focal-px F --baseline-m B"
        )
    if request.size_px is None:
        raise UserError("--live with --rectified needs --size, such as --size 640x480 of one eye")
    return options.rectified.calibration(*request.size_px), "--size"


def _mode(raw: RawStereoCalibration, options: SourceOptions, both: bool) -> CameraMode:
    """Return what is asked of each camera: a picture of one eye, or of both."""
    width, height = raw.left.pinhole.width, raw.left.pinhole.height
    if both and options.layout is Layout.SIDE_BY_SIDE:
        width *= 2
    elif both:
        height *= 2
    return CameraMode(width, height, options.rate_hz or RATE_HZ)


def _size(size_px: tuple[int, int] | None) -> str:
    return "nothing" if size_px is None else f"{size_px[0]} x {size_px[1]} px"
