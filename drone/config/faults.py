"""What the simulator makes fail."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from drone.config.base import NotNegative, Positive, Section


class FaultConfig(Section):
    """One fault of the simulator's outputs."""

    kind: Literal["black", "white", "frozen", "dropped"]
    eye: Literal["left", "right", "pair"] = "right"
    start_s: NotNegative
    end_s: Positive | None = None
    """Missing: for the rest of the flight."""

    @model_validator(mode="after")
    def _ends_after_start(self) -> FaultConfig:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s = {self.end_s:g} must be later than start_s")
        return self
