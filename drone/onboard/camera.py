"""The contract of all that delivers stereo frames: simulator, recorded files, live camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from drone.geometry import StereoCalibration
from drone.messages import StereoFrame, VehicleState


@dataclass(frozen=True, slots=True)
class CameraSample:
    """One capture, and what the source knows of the vehicle at that moment.

    Attributes:
        frame: rectified, of the size that the source's calibration says.
        vehicle: None where the source does not know the pose.
    """

    frame: StereoFrame
    vehicle: VehicleState | None


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

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def samples(self) -> Iterator[CameraSample]:
        """Yield the samples in the order of their stamps; each call starts again at the first."""
        ...
