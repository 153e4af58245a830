"""The contract of all that delivers stereo frames: simulator, recorded files, live camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from drone.geometry import StereoCalibration
from drone.messages import HealthEvent, StereoFrame, VehicleState


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that the vehicle did, by its own log: a mode, armed, landed."""

    stamp_ns: int
    detail: str


@dataclass(frozen=True, slots=True)
class CameraSample:
    """One capture, and what the source knows of the vehicle at that moment.

    Attributes:
        frame: rectified, of the size that the source's calibration says.
        vehicle: None where the source does not know the pose.
        health: what went wrong, or right again, with an eye since the sample before.
        fetched_ns: when the source gave it away, by the clock of the stamps; None: at its capture.
        marks: what the vehicle did since the sample before.
    """

    frame: StereoFrame
    vehicle: VehicleState | None
    health: tuple[HealthEvent, ...] = ()
    fetched_ns: int | None = None
    marks: tuple[Mark, ...] = ()


class FrameSource(Protocol):
    """A finite sequence of rectified stereo frames, oldest first."""

    @property
    def calibration(self) -> StereoCalibration:
        """Of the rectified frames."""
        ...

    @property
    def utc_offset_ns(self) -> int:
        """What turns a stamp into UTC: stamps start near 0, and stamp + offset is UTC in ns."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know of this input, in words: left out, cut, ...; may grow as read."""
        ...

    def __len__(self) -> int:
        """Return the number of samples; a damaged recording yields fewer, and its notes say so."""
        ...

    def samples(self) -> Iterator[CameraSample]:
        """Yield the samples in the order of their stamps; each call starts again at the first."""
        ...
