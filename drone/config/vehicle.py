"""The simulated vehicle."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import NotNegative, Positive, Section


class VehicleConfig(Section):
    """AR.Drone 2.0 with its indoor hull; sources in `drone/sim/vehicle.py`."""

    mass_kg: Positive = 0.436
    inertia_kgm2: tuple[Positive, Positive, Positive] = (2.1e-3, 1.85e-3, 3.4e-3)
    arm_m: Positive = 0.178
    hull_length_m: Positive = 0.52
    hull_width_m: Positive = 0.52
    hull_height_m: Positive = 0.13
    motor_lag_s: Positive = 0.04
    max_thrust_ratio: Annotated[float, Field(gt=1.1, le=5)] = 1.8
    """Full thrust over weight."""
    max_tilt_deg: Annotated[float, Field(gt=1, le=45)] = 15.0
    drag_per_s: NotNegative = 0.3
    """Linear drag: deceleration per speed."""
