"""The simulated vehicle. Another airframe is another `[sim.vehicle]` table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import NotNegative, Positive, Section


class VehicleConfig(Section):
    """An airframe; the defaults are an AR.Drone 2.0 with its indoor hull.

    Sources of the defaults: [P] Parrot's data sheet; [L] Q. Li, "Grey-Box System Identification of
    a Quadrotor Unmanned Aerial Vehicle", MSc thesis, TU Delft 2014, identified from an AR.Drone
    2.0; [E] J. Engel, J. Sturm, D. Cremers, "Camera-Based Navigation of a Low-Cost Quadrocopter",
    IROS 2012, with the constants of its program tum_ardrone, fitted to flights; [A] assumed.
    """

    mass_kg: Positive = 0.436
    """[P] 0.42 kg with the indoor hull ([L] weighed 0.429 kg); the rest is a stereo camera [A]."""
    inertia_kgm2: tuple[Positive, Positive, Positive] = (2.24e-3, 2.99e-3, 4.80e-3)
    """About forward, right, down [L]."""
    arm_m: Positive = 0.1785
    """From the middle to a motor [L]."""
    yaw_moment_m: Positive = 0.0301
    """Torque about the vertical over thrust of one rotor: 2.423e-7 over 8.048e-6 [L]."""
    hull_length_m: Positive = 0.52
    """[P], as the width."""
    hull_width_m: Positive = 0.52
    hull_height_m: Positive = 0.13
    """[A], from pictures."""
    motor_lag_s: Positive = 0.04
    """Time constant of a motor's thrust [A]; with the autopilot's gains tilt follows with about
    0.1 s, the 1/10 s of [E]."""
    max_thrust_ratio: Annotated[float, Field(gt=1.1, le=10)] = 1.8
    """Full thrust over weight [A]."""
    max_tilt_deg: Annotated[float, Field(gt=1, le=45)] = 15.0
    """[A]; Parrot's application allows 5 to 30 degrees and starts at 12."""
    drag_per_s: NotNegative = 0.58
    """Linear drag: deceleration per speed against the air [E]."""
