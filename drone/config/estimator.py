"""What the simulated vehicle knows of itself, and what drains its battery and pushes it about."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import NotNegative, Positive, Section


class EstimatorConfig(Section):
    """Errors of the vehicle's own estimate; every deviation is a standard deviation, 0 for none.

    Sources: [B] P.-J. Bristeau et al., "The Navigation and Control technology inside the AR.Drone
    micro UAV", IFAC 2011, for what is measured and how; [E] tum_ardrone's filter (Engel et al.
    2012), which takes the AR.Drone's own roll and pitch as good to 1 degree and its height to
    0.1 m; [A] assumed.
    """

    enabled: bool = True
    """False: the vehicle knows the truth, in the room's coordinates."""
    attitude_noise_deg: NotNegative = 0.1
    """Roll and pitch, white [A]."""
    attitude_bias_deg: NotNegative = 0.5
    """Roll and pitch, wandering; with noise within [E]'s degree."""
    attitude_bias_s: Positive = 30.0
    """Time constant of the wandering [A]."""
    heading_bias_deg: NotNegative = 3.0
    """Wandering of the heading: gyro held by a magnetometer, indoors [A]."""
    heading_bias_s: Positive = 60.0
    """[A]"""
    rate_noise_radps: NotNegative = 0.005
    """Gyro, white [A]."""
    rate_bias_radps: NotNegative = 0.002
    """Gyro, constant for a flight: it is calibrated on the ground [B], the rest stays [A]."""
    velocity_noise_mps: NotNegative = 0.02
    """White, per estimate: optical flow of the camera that looks down [B], size [A]."""
    velocity_bias_mps: NotNegative = 0.03
    """Wandering [A]; the velocity loop believes it, so that a hovering vehicle drifts."""
    velocity_bias_s: Positive = 20.0
    """[A]"""
    velocity_scale: Annotated[float, Field(ge=0, le=0.3)] = 0.02
    """Constant for a flight: flow times height, both a little wrong [A]."""
    height_noise_m: NotNegative = 0.01
    """Ultrasound [B], white [A]."""


class WindConfig(Section):
    """Air that moves: a steady wind and gusts, off by default."""

    speed_mps: NotNegative = 0.0
    """Steady wind."""
    toward_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Where it moves to; 0 is north, 90 east."""
    gust_mps: NotNegative = 0.0
    """Standard deviation of the gusts, north and east each; half of it up and down."""
    gust_s: Annotated[float, Field(ge=0.1, le=60)] = 1.5
    """Time constant of the gusts: the order of Dryden's model low above ground at 2 m/s."""


class BatteryConfig(Section):
    """The battery, off by default: experiments fly for longer than it lasts.

    Defaults: AR.Drone 2.0, three cells in series, 1000 mAh, about 12 minutes (Parrot's data
    sheet), hence 11.1 Wh in 12 min; voltages, resistance and shares of power are assumed.
    """

    enabled: bool = False
    """False: full thrust for ever, and the share left is unknown."""
    capacity_ah: Positive = 1.0
    full_v: Positive = 12.45
    """At rest, full."""
    empty_v: Positive = 10.2
    """At rest, empty; linear between."""
    resistance_ohm: NotNegative = 0.12
    """What makes the voltage sag under load."""
    electronics_w: NotNegative = 5.0
    hover_w: Positive = 50.0
    """Of the motors, in hover; grows with thrust to the power of 1.5 (momentum theory)."""
