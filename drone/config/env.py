"""The Gymnasium environments: what `gymnasium.make` takes as keywords."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import Count, Section
from drone.config.camera import CameraConfig
from drone.config.pilot import PilotConfig
from drone.config.sim import SimConfig

_SEEING = PilotConfig()
_SMALL = SimConfig(camera=CameraConfig(width_px=64, height_px=48))


class EnvConfig(Section):
    """One environment of `drone.sim.env`; what does not fit together is refused at the start."""

    reward: Literal["progress", "explore", "survive"] = "progress"
    """What is rewarded (`drone.sim.rewards`)."""
    split: Literal["train", "test"] = "train"
    """Rooms of seeds 10,000 and up, or of seeds 0-99."""
    duration_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Of an episode without a crash."""
    episodes_per_room: Count = 5
    """How many episodes, each from a new place, are flown in a room before the next is built."""
    sim: SimConfig = _SMALL
    """Room, vehicle, camera, faults; one step is one camera period."""

    @property
    def rate_hz(self) -> float:
        """Steps per simulated second."""
        return self.sim.camera.rate_hz

    @model_validator(mode="after")
    def _fits(self) -> EnvConfig:
        camera, grid = self.sim.camera, _SEEING.grid
        substeps = self.sim.physics_hz / camera.rate_hz
        if abs(substeps - round(substeps)) > 1e-9 or round(substeps) < 1:
            raise ValueError(
                f"sim.camera.rate_hz = {camera.rate_hz:g} must divide "
                f"sim.physics_hz = {self.sim.physics_hz}"
            )
        if camera.width_px % grid.cols or camera.height_px % grid.rows:
            raise ValueError(
                f"sim.camera.width_px x height_px ({camera.width_px} x {camera.height_px}) must be "
                f"multiples of {grid.cols} x {grid.rows}, the cells in which distance is measured"
            )
        return self
