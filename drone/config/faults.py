"""What the simulator makes fail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from drone.config.base import NotNegative, Positive, Section, Share

FaultKind = Literal[
    "black",
    "white",
    "frozen",
    "dropped",
    "delayed",
    "torn",
    "blurred",
    "covered",
    "desynchronised",
    "swapped",
    "miscalibrated",
    "imu_dropout",
    "position_dropout",
    "link_delay",
    "gust",
]
PARAMETERS: dict[str, tuple[str, ...]] = {
    "black": ("eye",),
    "white": ("eye",),
    "frozen": ("eye",),
    "dropped": ("eye", "probability"),
    "delayed": ("eye", "delay_s"),
    "torn": ("eye", "share"),
    "blurred": ("eye", "sigma_px"),
    "covered": ("eye", "share", "level"),
    "desynchronised": ("eye", "offset_s"),
    "swapped": (),
    "miscalibrated": ("eye", "roll_deg", "pitch_deg", "yaw_deg"),
    "imu_dropout": (),
    "position_dropout": (),
    "link_delay": ("delay_s",),
    "gust": ("wind_mps", "toward_deg"),
}
"""What each kind takes beside `kind`, `start_s` and `end_s`."""
_COMMON = ("kind", "start_s", "end_s")
_Angle = Annotated[float, Field(ge=-10, le=10)]


class FaultConfig(Section):
    """One fault of the simulator's inputs and outputs; each kind takes its own parameters."""

    kind: FaultKind
    eye: Literal["left", "right", "pair"] = "right"
    start_s: NotNegative
    end_s: Positive | None = None
    """Missing: for the rest of the flight."""
    probability: Share = 1.0
    """`dropped`: of each frame; a pair drops both images at once."""
    delay_s: Annotated[float, Field(gt=0, le=2)] = 0.2
    """`delayed`: age of the image beside its stamp; `link_delay`: of the command that flies."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """`torn`: share of the image, from above, that is new; `covered`: that is covered."""
    sigma_px: Annotated[float, Field(gt=0, le=20)] = 2.0
    """`blurred`: standard deviation of the Gaussian blur."""
    level: Annotated[float, Field(ge=0, le=255)] = 10.0
    """`covered`: grey level of what covers the lens."""
    offset_s: Annotated[float, Field(gt=0, le=1)] = 0.05
    """`desynchronised`: how long before its stamp the eye was exposed."""
    roll_deg: _Angle = 0.0
    """`miscalibrated`: turn about the optical axis, clockwise as the eye sees."""
    pitch_deg: _Angle = 0.0
    """`miscalibrated`: upward."""
    yaw_deg: _Angle = 0.0
    """`miscalibrated`: to the right."""
    wind_mps: Annotated[float, Field(gt=0, le=20)] = 2.0
    """`gust`: speed of the air."""
    toward_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """`gust`: where the air moves to; 0 is north, 90 east."""

    @property
    def where(self) -> str:
        """`left`, `right` or `pair` for a fault of the camera, `vehicle` otherwise."""
        if self.kind == "swapped":
            return "pair"
        return self.eye if "eye" in PARAMETERS[self.kind] else "vehicle"

    @model_validator(mode="after")
    def _ends_after_start(self) -> FaultConfig:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s = {self.end_s:g} must be later than start_s")
        return self

    @model_validator(mode="after")
    def _takes_its_own_parameters(self) -> FaultConfig:
        own = PARAMETERS[self.kind]
        foreign = [name for name in sorted(self.model_fields_set) if name not in (*own, *_COMMON)]
        if foreign == ["eye"] and self.eye == self.where:
            return self  # swapped eyes may say that they are a pair
        if foreign:
            raise ValueError(
                f"a fault of kind {self.kind!r} takes no {foreign[0]!r}; "
                f"it takes {', '.join((*own, *_COMMON[1:]))}"
            )
        return self

    @model_validator(mode="after")
    def _knocks_turn_something(self) -> FaultConfig:
        if self.kind == "miscalibrated" and not (self.roll_deg or self.pitch_deg or self.yaw_deg):
            raise ValueError("'miscalibrated' needs roll_deg, pitch_deg or yaw_deg other than 0")
        return self

    @model_serializer(mode="wrap")
    def _own_parameters_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what the kind does not take, so that what is written loads again."""
        keep = (*_COMMON, *PARAMETERS[self.kind])
        return {name: value for name, value in handler(self).items() if name in keep}
