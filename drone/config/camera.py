"""The simulated stereo camera."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import NotNegative, Positive, Section, Share

_SmallAngle = Annotated[float, Field(ge=-10, le=10)]
_SmallStep = Annotated[float, Field(ge=-0.05, le=0.05)]


class IntrinsicsConfig(Section):
    """A pinhole by its numbers; pixel centres lie at whole numbers."""

    fx_px: Positive
    fy_px: Positive | None = None
    """Missing: as fx, square pixels."""
    cx_px: float | None = None
    """Missing: the middle of the image."""
    cy_px: float | None = None
    """Missing: the middle of the image."""


class EyeOffsetConfig(Section):
    """How an eye sits off its nominal place, in its own axes."""

    right_m: _SmallStep = 0.0
    down_m: _SmallStep = 0.0
    forward_m: _SmallStep = 0.0
    roll_deg: _SmallAngle = 0.0
    """About the optical axis, clockwise as the eye sees."""
    pitch_deg: _SmallAngle = 0.0
    """Upward."""
    yaw_deg: _SmallAngle = 0.0
    """To the right."""


class AutoExposureConfig(Section):
    """Exposure follows the picture's mean grey, with a lag."""

    level: Annotated[float, Field(gt=0, lt=255)] = 110.0
    """Mean grey that is aimed at."""
    lag_s: Positive = 0.3
    """Time constant."""
    most: Annotated[float, Field(ge=1, le=16)] = 4.0
    """Exposure stays within `exposure` divided by this and times this."""


class CameraConfig(Section):
    """The simulated stereo camera."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    hfov_deg: Annotated[float, Field(ge=30, le=120)] = 70.0
    """Square pixels with the axis in the middle; `intrinsics` goes over it."""
    intrinsics: IntrinsicsConfig | None = None
    baseline_m: Positive = 0.06
    eyes: Literal["pair", "left"] = "pair"
    """`left` saves the time of drawing the right one, which then never delivers."""
    rate_hz: Positive = 10.0
    delay_s: Annotated[float, Field(ge=0, le=1)] = 0.0
    """From a frame's stamp until it arrives, at the first tick that is late enough."""
    noise_levels: NotNegative = 1.5
    """Standard deviation of the sensor noise, grey levels."""
    shot_noise_levels: NotNegative = 0.0
    """Standard deviation of the shot noise at full white; its variance falls with brightness."""
    forward_m: float = 0.12
    """Position of the pair ahead of the body's middle."""
    right_m: float = 0.0
    down_m: float = 0.0
    pitch_deg: Annotated[float, Field(ge=-45, le=45)] = 0.0
    """The pair looks up by this."""
    left_off: EyeOffsetConfig = EyeOffsetConfig()
    right_off: EyeOffsetConfig = EyeOffsetConfig()
    calibration: Literal["nominal", "true"] = "nominal"
    """What the pilot is told: that nothing is off its place, or images rectified by the truth."""
    exposure: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Grey levels over the renderer's; 1 is its picture as it is. What exceeds 255 is lost."""
    auto_exposure: AutoExposureConfig | None = None
    """Missing: exposure stays."""
    vignetting: Share = 0.0
    """Share of the light that the corners lose; it grows with the square of the radius."""
    shutter_s: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Motion blur: the exposure time, the stamp in its middle; 0 for none."""
    shutter_samples: Annotated[int, Field(ge=3, le=31)] = 5
    """Pictures drawn and averaged per eye where there is motion blur; odd."""
    distortion: tuple[float, ...] = ()
    """Brown-Conrady's k1, k2, p1, p2 and perhaps k3 of both lenses; images arrive rectified."""

    @model_validator(mode="after")
    def _samples_have_a_middle(self) -> CameraConfig:
        if self.shutter_samples % 2 == 0:
            raise ValueError(f"shutter_samples = {self.shutter_samples} must be odd")
        return self

    @model_validator(mode="after")
    def _lens_is_known(self) -> CameraConfig:
        if len(self.distortion) not in (0, 4, 5):
            raise ValueError(
                f"distortion has {len(self.distortion)} numbers; expected none, or "
                "k1, k2, p1, p2, or k1, k2, p1, p2, k3"
            )
        return self
