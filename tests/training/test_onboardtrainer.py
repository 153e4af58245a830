"""The trainer's process on a vehicle: why it cannot begin is said, not lost."""

import math
import signal

import pytest

from drone.config.onboard import OnboardConfig
from drone.errors import UserError, WorkFailedError
from drone.geometry import Intrinsics, StereoCalibration
from drone.onboard.processes.orders import Orders, write
from training import onboardtrainer
from training.teacher import Opening

CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)


class Refusing:
    """A pipe whose other end refuses, then closes."""

    def __init__(self):
        self.said = [Opening(UserError("a memory of another camera"))]

    def poll(self):
        return True  # the end of the file too is something to read

    def recv(self):
        if not self.said:
            raise EOFError
        return self.said.pop()


def test_what_comes_after_a_refusal_is_left_alone():
    tutor = onboardtrainer.Tutor(Refusing(), None, CALIBRATION, 1.0)
    tutor.collect()
    assert str(tutor.failure) == "a memory of another camera"
    assert tutor.end() is None


def test_a_memory_that_cannot_be_used_is_the_reason_that_is_told(tmp_path):
    (tmp_path / "memory").touch()
    write(Orders(OnboardConfig(), CALIBRATION, 0, tmp_path, memory=tmp_path / "memory"), tmp_path)
    before = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    try:
        with pytest.raises(WorkFailedError, match="memory: is a file; expected a folder"):
            onboardtrainer.run(tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
