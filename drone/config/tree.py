"""The whole tree, and what must fit between its parts."""

from __future__ import annotations

import math
from typing import Annotated

import tomli_w
from pydantic import Field, model_validator

from drone.config.base import SEEDS, Section
from drone.config.learner import LearnerConfig
from drone.config.pilot import PilotConfig
from drone.config.sim import SimConfig


class FlightConfig(Section):
    """One flight."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "room"
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0
    duration_s: Annotated[float, Field(gt=0, le=86400)] = 360.0
    jpeg_quality: Annotated[int, Field(ge=0, le=100)] = 0
    """Of the images in the log; 0 keeps them exact, and only then labels can be made again."""
    log_file_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """After so much a file of the log is full, and a new one goes on; 0 makes one file."""
    log_most_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Of all files of the log; for more, the oldest are removed. 0 keeps all."""

    @model_validator(mode="after")
    def _room_for_two(self) -> FlightConfig:
        most, file = self.log_most_mb, self.log_file_mb
        if most and not 0 < file <= most / 2:
            raise ValueError(
                f"log_most_mb = {most:g} removes whole files: log_file_mb ({file:g}) must be above "
                f"0 and at most half of it, {most / 2:g}"
            )
        return self


class Config(Section):
    """The whole tree."""

    flight: FlightConfig = FlightConfig()
    pilot: PilotConfig = PilotConfig()
    learner: LearnerConfig = LearnerConfig()
    sim: SimConfig = SimConfig()

    @model_validator(mode="after")
    def _camera_divides(self) -> Config:
        camera, grid = self.sim.camera, self.pilot.grid
        if camera.width_px % grid.cols or camera.height_px % grid.rows:
            raise ValueError(
                f"sim.camera.width_px x height_px ({camera.width_px} x {camera.height_px}) must be "
                f"multiples of pilot.grid.cols x rows ({grid.cols} x {grid.rows})"
            )
        return self

    @model_validator(mode="after")
    def _rates_divide(self) -> Config:
        physics, tick, camera = (
            float(self.sim.physics_hz),
            self.pilot.tick_hz,
            self.sim.camera.rate_hz,
        )
        for name, whole, part in (
            ("pilot.tick_hz", physics, tick),
            ("sim.camera.rate_hz", tick, camera),
        ):
            if not math.isclose(whole / part, round(whole / part)):
                raise ValueError(f"{name} = {part:g} must divide {whole:g} Hz")
        return self

    def to_toml(self) -> str:
        """Return the resolved tree as TOML that `load` reads back equal."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
