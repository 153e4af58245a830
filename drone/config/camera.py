"""The simulated stereo camera."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import NotNegative, Positive, Section


class CameraConfig(Section):
    """The simulated stereo camera."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    hfov_deg: Annotated[float, Field(ge=30, le=120)] = 70.0
    baseline_m: Positive = 0.06
    rate_hz: Positive = 10.0
    noise_levels: NotNegative = 1.5
    """Standard deviation of the sensor noise, grey levels."""
    forward_m: float = 0.12
    """Position of the pair ahead of the body's middle."""
