"""What flies on a vehicle: the pilot and learner of any flight, and what only a vehicle has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import Field, model_validator

from drone.config.autopilot import AutopilotConfig
from drone.config.base import Section
from drone.config.learner import LearnerConfig
from drone.config.pilot import PilotConfig
from drone.config.tree import Config, FlightConfig

_Core = Annotated[int, Field(ge=0, le=255)]
_Nice = Annotated[int, Field(ge=-20, le=19)]


class StereoCameraConfig(Section):
    """The vehicle's stereo camera: one device that shows both eyes, or the left and the right."""

    devices: tuple[str, ...] = ()
    """`/dev/video0`, `/dev/v4l/by-id/...`, an address, or a GStreamer pipeline; empty: the pictures
    come from another process of this machine, as those of the simulated room do."""
    calibration: str = ""
    """A file of `drone calibrate`; a relative name counts from the configuration's folder."""
    width_px: Annotated[int, Field(ge=0, le=8192)] = 0
    """Of one eye's picture; 0 takes the calibration's."""
    height_px: Annotated[int, Field(ge=0, le=8192)] = 0
    layout: Literal["side-by-side", "top-bottom"] = "side-by-side"
    """Of one device that shows both eyes."""
    swap: bool = False
    """Left is right and right is left."""
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the rectified images."""
    rate_hz: Annotated[float, Field(gt=0, le=240)] = 10.0
    max_skew_ms: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """Eyes farther apart in time are out of sync."""
    delay_s: Annotated[float, Field(ge=0, le=10)] = 0.0
    """From a picture's exposure to its arrival, s, so that its age is known; not used where the
    driver stamps it, as a video device's does. How to measure it: docs/sources.md."""

    @model_validator(mode="after")
    def _whole(self) -> StereoCameraConfig:
        if len(self.devices) > 2 or len(set(self.devices)) < len(self.devices):
            raise ValueError("devices: right is one that shows both eyes, or two different ones")
        if (self.width_px > 0) != (self.height_px > 0):
            raise ValueError("width_px and height_px go together")
        return self


class ProcessConfig(Section):
    """How the system runs one process."""

    cores: tuple[_Core, ...] = ()
    """Processor cores it may use; empty: all. Cores that this machine lacks are left out."""
    nice: _Nice = 0
    """Above 0 it gives way to others; below 0 needs the right to."""


class ProcessesConfig(Section):
    """The processes of one vehicle, and when one that ended is started again."""

    link: ProcessConfig = ProcessConfig(nice=-5)
    pilot: ProcessConfig = ProcessConfig(nice=-5)
    camera: ProcessConfig = ProcessConfig()
    trainer: ProcessConfig = ProcessConfig(nice=10)
    recorder: ProcessConfig = ProcessConfig(nice=5)
    web: ProcessConfig = ProcessConfig(nice=10)
    back_off_s: Annotated[float, Field(gt=0, le=10)] = 0.2
    """Before the first start anew; it doubles with each that fails at once, ..."""
    back_off_most_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """... up to this."""
    settled_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """A process that ran so long begins with the first again."""
    silent_s: Annotated[float, Field(gt=0.5, le=120)] = 5.0
    """A process that says nothing for so long is ended and started anew."""


class OnboardConfig(Section):
    """The whole tree of `drone onboard`."""

    flight: FlightConfig = FlightConfig(name="onboard")
    pilot: PilotConfig = PilotConfig()
    learner: LearnerConfig = LearnerConfig()
    camera: StereoCameraConfig = StereoCameraConfig()
    autopilot: AutopilotConfig = AutopilotConfig()
    processes: ProcessesConfig = ProcessesConfig()

    @property
    def as_flight(self) -> Config:
        """What a flight log's header takes: all by which its decisions can be replayed."""
        return Config(flight=self.flight, pilot=self.pilot, learner=self.learner)

    def calibration_path(self, folder: Path) -> Path:
        """Return where the calibration lies.

        Args:
            folder: of the configuration's file.
        """
        return folder / self.camera.calibration

    def to_toml(self) -> str:
        """Return the resolved tree as TOML that reads back equal."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
