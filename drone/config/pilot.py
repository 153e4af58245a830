"""The chain that flies: the pilot's sections, and what must fit among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from drone.config.base import Section
from drone.config.deciding import AvoidanceConfig, LimitsConfig, TrustConfig
from drone.config.health import HealthConfig
from drone.config.seeing import CorridorConfig, GridConfig, LabelConfig, MonoConfig, StereoConfig
from drone.config.switching import SwitchingConfig
from drone.geometry import Corridor, GridSpec


class PilotConfig(Section):
    """The chain match, labels, mono, trust, switching, avoidance, limiter."""

    tick_hz: Annotated[float, Field(ge=2, le=200)] = 20.0
    grid: GridConfig = GridConfig()
    corridor: CorridorConfig = CorridorConfig()
    health: HealthConfig = HealthConfig()
    stereo: StereoConfig = StereoConfig()
    labels: LabelConfig = LabelConfig()
    mono: MonoConfig = MonoConfig()
    trust: TrustConfig = TrustConfig()
    switching: SwitchingConfig = SwitchingConfig()
    avoidance: AvoidanceConfig = AvoidanceConfig()
    limits: LimitsConfig = LimitsConfig()

    @property
    def go_m(self) -> float:
        """Distance by stereo from which the pilot goes on, m."""
        return self.switching.stop_m * self.avoidance.free_ratio

    @property
    def grid_spec(self) -> GridSpec:
        """The grid as geometry."""
        return GridSpec(self.grid.rows, self.grid.cols)

    @property
    def corridor_spec(self) -> Corridor:
        """The corridor as geometry."""
        c = self.corridor
        return Corridor(
            half_width_m=c.hull_width_m / 2 + c.margin_m,
            half_height_m=c.hull_height_m / 2 + c.margin_m,
            percentile=c.percentile,
            min_valid_share=c.min_valid_share,
            reference_m=self.switching.stop_m,
            far_m=c.far_m,
            sectors=c.sectors,
        )

    @model_validator(mode="after")
    def _fits(self) -> PilotConfig:
        if self.mono.width_px % self.grid.cols or self.mono.height_px % self.grid.rows:
            raise ValueError(
                f"mono.width_px x height_px ({self.mono.width_px} x {self.mono.height_px}) must be "
                f"multiples of grid.cols x rows ({self.grid.cols} x {self.grid.rows})"
            )
        if self.switching.override_m > self.switching.stop_m:
            raise ValueError("switching.override_m must not exceed switching.stop_m")
        return self
