"""From the raw pairs of a recording to a source of rectified frames.

    PairReader ─► choose (start, end, rate) ─► check sizes ─► rectify ─► CameraSample

A reader knows its format and nothing else. What every recording has in common is here: which part
is used, that stamps increase, that the calibration fits, that left is left, and what is said when
the recording ends too early.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S
from drone.errors import UserError
from drone.geometry import GridSpec, StereoCalibration
from drone.messages import Image, StereoFrame
from drone.onboard.calibration import RawStereoCalibration
from drone.onboard.calibration_files import read_calibration
from drone.onboard.camera import CameraSample
from drone.onboard.rectification import Rectifier, rectified_size
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.swapped import looks_swapped
from drone.onboard.sources.vehiclelog import VehicleLog, open_vehicle_log
from drone.onboard.track import Track

Indices = NDArray[np.intp]
"""(N,) which pairs of a recording, increasing."""
SWAP_FRAMES = 2
"""Pairs at the start whose sides are checked."""


@dataclass(frozen=True, slots=True, eq=False)
class RawPair:
    """One moment as it was recorded.

    Attributes:
        left: (H, W) uint8, not rectified.
        right: of the same size.
        where: names of the two images, for messages.
    """

    left: Image
    right: Image
    where: tuple[str, str]


class PairReader(Protocol):
    """Reads the raw pairs of one format."""

    @property
    def name(self) -> str:
        """What is read, for messages: a path."""
        ...

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,) time of each pair by the recording's own clock, known without reading images."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know of the files; may grow while they are read."""
        ...

    def pairs(self, chosen: Indices) -> Iterator[RawPair]:
        """Yield the pairs of these indices, which increase; fewer where the recording is damaged.

        Raises:
            UserError: an image cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What a recording, or its user, says about cameras and vehicle.

    Attributes:
        raw: the two eyes; None where nobody says.
        said_by: who says so, for messages.
        track: of the body (FRD) in NED; its time 0 is the recording's first pair.
    """

    raw: RawStereoCalibration | None = None
    said_by: str = "the calibration"
    track: Track | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """Recorded pairs as a `FrameSource`; made by `open_recording`, reads images when asked.

    Attributes:
        reader: of the raw pairs.
        chosen: which of them are used.
        rectifier: for these eyes.
        said_by: who says what the eyes are, for messages.
        track: of the body (FRD) in NED, by the stamps of the frames; None without poses.
        log: the autopilot's own, by the stamps of the frames; it counts more than the track.
        swap: left and right are exchanged.
    """

    reader: PairReader
    chosen: Indices
    rectifier: Rectifier
    said_by: str
    track: Track | None
    swap: bool = False
    log: VehicleLog | None = None
    _cut: list[str] = field(default_factory=list)

    @property
    def calibration(self) -> StereoCalibration:
        """Of the rectified frames."""
        return self.rectifier.calibration

    @property
    def utc_offset_ns(self) -> int:
        """Stamp of the recording's first pair by its own clock."""
        return int(self.reader.stamps_ns[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of this recording."""
        return (*self.reader.notes, *(self.log.notes if self.log else ()), *self._cut)

    def __len__(self) -> int:
        """Return the number of pairs that are used."""
        return len(self.chosen)

    def samples(self) -> Iterator[CameraSample]:
        """Yield every chosen pair, rectified, one in memory at a time.

        Raises:
            UserError: an image cannot be read, or has another size than the calibration says.
        """
        read, before_ns = 0, None
        vehicles = self.log or self.track
        for frame in self._frames(self.chosen):
            vehicle = None if vehicles is None else vehicles.state(frame.stamp_ns, frame.seq)
            marks = self.log.marks_between(before_ns, frame.stamp_ns) if self.log else ()
            yield CameraSample(frame, vehicle, marks=marks)
            read, before_ns = read + 1, frame.stamp_ns
        if read < len(self.chosen):
            self._cut[:] = [
                f"{self.reader.name}: ends after {read} of {len(self.chosen)} pairs: the file is "
                "cut or damaged; what was read before is sound"
            ]

    def check_sides(self) -> None:
        """Read the first frames, and check that left is left.

        Raises:
            UserError: nothing can be read, or the eyes are clearly swapped.
        """
        swapped = [
            frame.left is not None
            and frame.right is not None
            and looks_swapped(frame.left, frame.right)
            for frame in self._frames(self.chosen[:SWAP_FRAMES])
        ]
        if not swapped:
            raise UserError(f"{self.reader.name}: no pair can be read; the file is cut or damaged")
        if all(swapped):
            raise UserError(
                f"{self.reader.name}: left and right look swapped (their images match far better "
                f"the other way round); right is {'without' if self.swap else 'to add'} --swap"
            )

    def _frames(self, chosen: Indices) -> Iterator[StereoFrame]:
        # The reader first: `zip` would otherwise take an index that has no pair.
        for seq, (pair, index) in enumerate(zip(self.reader.pairs(chosen), chosen, strict=False)):
            stamp_ns = int(self.reader.stamps_ns[index]) - self.utc_offset_ns
            left, right = _sides(pair, self.swap)
            self._check_size(pair.where[0], pair.left)
            self._check_size(pair.where[1], pair.right)
            images = (self.rectifier.left(left), self.rectifier.right(right))
            yield StereoFrame(seq, stamp_ns, True, *images)

    def _check_size(self, where: str, image: Image) -> None:
        height, width = image.shape
        pinhole = self.rectifier.raw.left.pinhole
        if (width, height) != (pinhole.width, pinhole.height):
            raise UserError(
                f"{where}: {width} x {height} px, but {self.said_by} says "
                f"{pinhole.width} x {pinhole.height}"
            )


def open_recording(
    reader: PairReader, known: Known, options: SourceOptions, grid: GridSpec | None = None
) -> Recording:
    """Return the source of the wanted part of a recording.

    Args:
        reader: of its pairs.
        known: what its files say about it; what `options` say counts more.
        options: which part, at which size, by which calibration.
        grid: cells into which the rectified images must divide.

    Raises:
        UserError: stamps that do not increase, nothing left to read, no calibration or one that
            does not fit, swapped eyes.
    """
    chosen = choose(reader.name, reader.stamps_ns, options)
    raw, said_by = _raw(reader, chosen, known, options)
    rectifier = rectifier_for(raw, options, grid, f"{reader.name}: {said_by}")
    log = None
    if options.vehicle_log is not None:
        last_ns = int(reader.stamps_ns[-1] - reader.stamps_ns[0])
        log = open_vehicle_log(options.vehicle_log).placed(options.vehicle_offset_s, last_ns)
    recording = Recording(reader, chosen, rectifier, said_by, known.track, options.swap, log)
    recording.check_sides()
    return recording


def choose(name: str, stamps_ns: NDArray[np.int64], options: SourceOptions) -> Indices:
    """Return the indices of the pairs that lie in the window, thinned out to the wanted rate.

    Args:
        name: of the recording, for messages.
        stamps_ns: (N,) of its pairs.
        options: window and rate.

    Raises:
        UserError: stamps that do not increase, or nothing is left.
    """
    _check_stamps(name, stamps_ns)
    time_s = (stamps_ns - stamps_ns[0]) / NS_PER_S
    chosen = np.flatnonzero((time_s >= options.start_s) & (time_s <= options.end_s))
    if not chosen.size:
        raise UserError(
            f"{name}: lasts {time_s[-1]:.2f} s; nothing lies between --start "
            f"{options.start_s:g} and --end {options.end_s:g}"
        )
    if options.rate_hz is None:
        return chosen
    # The first pair of each period; a thousandth of a period forgives stamps that jitter.
    period = np.floor((time_s[chosen] - time_s[chosen[0]]) * options.rate_hz + 1e-3)
    first_of_period: Indices = chosen[np.diff(period, prepend=-1) > 0]
    return first_of_period


def _check_stamps(name: str, stamps_ns: NDArray[np.int64]) -> None:
    if not len(stamps_ns):
        raise UserError(f"{name}: holds no pair of images")
    back = np.flatnonzero(np.diff(stamps_ns) <= 0)
    if back.size:
        i = int(back[0])
        raise UserError(
            f"{name}: pair {i + 1} has the stamp {stamps_ns[i + 1]} ns and follows "
            f"{stamps_ns[i]} ns; stamps must increase"
        )


def _raw(
    reader: PairReader, chosen: Indices, known: Known, options: SourceOptions
) -> tuple[RawStereoCalibration, str]:
    """Return the eyes, and who says so: the user, or else the recording."""
    if options.calibration is not None:
        size_px, _ = _first_image(reader, chosen)
        return read_calibration(options.calibration, size_px), str(options.calibration)
    if options.rectified is not None:
        size_px, where = _first_image(reader, chosen)
        return options.rectified.calibration(*size_px), f"{where}, the first image,"
    if known.raw is None:
        raise UserError(
            f"{reader.name}: does not say how its cameras see; right is --calibration FILE (made "
            "by drone calibrate), or for rectified images --rectified --focal-px F --baseline-m B"
        )
    return known.raw, known.said_by


def _first_image(reader: PairReader, chosen: Indices) -> tuple[tuple[int, int], str]:
    """Return width and height of the first left image, and its name."""
    first = next(reader.pairs(chosen[:1]), None)
    if first is None:
        raise UserError(f"{reader.name}: no pair can be read; the file is cut or damaged")
    height, width = first.left.shape
    return (width, height), first.where[0]


def rectifier_for(
    raw: RawStereoCalibration, options: SourceOptions, grid: GridSpec | None, where: str
) -> Rectifier:
    """Return the rectifier whose images are scaled and divide into the grid's cells.

    Args:
        raw: the two eyes.
        options: scale of the rectified images, and the cache of their maps.
        grid: cells.
        where: who says what the eyes are, for messages.

    Raises:
        UserError: the images are too small, or the eyes see nothing in common.
    """
    pinhole = raw.left.pinhole
    wanted = (round(options.scale * pinhole.width), round(options.scale * pinhole.height))
    try:
        rectifier = Rectifier(raw, *rectified_size(*wanted, grid or GridSpec()), options.cache)
        _ = rectifier.calibration  # raises here, not at the first frame
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    return rectifier


def _sides(pair: RawPair, swap: bool) -> tuple[Image, Image]:
    return (pair.right, pair.left) if swap else (pair.left, pair.right)
