from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import StereoFrame
from drone.onboard.camera import CameraSample, FrameSource


@dataclass(frozen=True)
class ListSource:
    """The least that a source must be."""

    frames: tuple[StereoFrame, ...]
    calibration: StereoCalibration
    utc_offset_ns: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def samples(self) -> Iterator[CameraSample]:
        return (CameraSample(frame, None) for frame in self.frames)


def stamps_of(source: FrameSource) -> list[int]:
    return [sample.frame.stamp_ns + source.utc_offset_ns for sample in source.samples()]


def test_any_class_with_these_five_members_is_a_source() -> None:
    image = np.zeros((3, 4), np.uint8)
    frames = tuple(StereoFrame(i, 100 * i, True, image, image) for i in range(3))
    camera = StereoCalibration(Intrinsics(4, 3, 4.0, 4.0, 1.5, 1.0), 0.1)
    source = ListSource(frames, camera, utc_offset_ns=7)
    assert stamps_of(source) == [7, 107, 207]
    assert stamps_of(source) == [7, 107, 207]  # from the start again
    assert len(source) == 3


def test_a_sample_is_never_changed() -> None:
    sample = CameraSample(StereoFrame(0, 0, False, None, None), None)
    with pytest.raises(FrozenInstanceError):
        sample.vehicle = None  # type: ignore[misc]
