"""The simulated autopilot: from a velocity command to four motor thrusts.

In: the vehicle's motion and a `VelocityCommand`. Out: thrust of each motor, N. A cascade, as in
common autopilots: velocity (PI, limited tilt) -> tilt (P) -> body rates (P; the second derivative
of tilt makes it the D of a PD) -> mixer. Height and heading are integrated from the command and
held. Plain floats: this runs 240 times per simulated second.

Frames: world NED, body FRD, heading frame (forward, right: the body's yaw, level).

Motors seen from above, nose up: 0 front left, 1 front right, 2 rear right, 3 rear left; 0 and 2
turn clockwise (their drag turns the body to the left), 1 and 3 anticlockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from drone.config import VehicleConfig
from drone.messages import Vector3, VelocityCommand

GRAVITY_MPS2 = 9.81
YAW_MOMENT_M = 0.02
"""Torque over thrust of one rotor, m: assumed, a tenth of a 20 cm propeller's diameter."""

Thrusts = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Gains:
    """Gains of the cascade; bandwidths fall by a factor of two to three from inside out."""

    velocity_per_s: float = 3.2
    velocity_integral_per_s2: float = 0.8
    climb_per_s: float = 6.0
    height_per_s: float = 2.0
    heading_per_s: float = 1.5
    tilt_per_s: float = 9.0
    rate_per_s: float = 18.0
    yaw_rate_per_s: float = 10.0
    height_lead_m: float = 0.25
    """The held height never runs farther ahead of the vehicle than this."""
    heading_lead_rad: float = 0.35
    """The held heading likewise."""


class Motion(NamedTuple):
    """How the vehicle moves.

    Attributes:
        down_m: height below the room's origin (NED z).
        velocity_mps: NED.
        roll_rad: aerospace sequence yaw, pitch, roll.
        pitch_rad: the same.
        yaw_rad: the same.
        rates_radps: body.
    """

    down_m: float
    velocity_mps: Vector3
    roll_rad: float
    pitch_rad: float
    yaw_rad: float
    rates_radps: Vector3


class Autopilot:
    """Cascaded controller of one quadrotor.

    State: the held height and heading, and the integral of the velocity error (an acceleration).
    """

    def __init__(self, config: VehicleConfig, gains: Gains | None = None) -> None:
        self._config = config
        self._gains = gains or Gains()
        self._weight_n = config.mass_kg * GRAVITY_MPS2
        self._motor_max_n = config.max_thrust_ratio * self._weight_n / 4
        self._max_accel_mps2 = GRAVITY_MPS2 * math.tan(math.radians(config.max_tilt_deg))
        self.reset(0.0, 0.0)

    def reset(self, down_m: float, yaw_rad: float) -> None:
        """Hold this height and heading, at rest."""
        self._down_m = down_m
        self._yaw_rad = yaw_rad
        self._integral = (0.0, 0.0)

    def update(self, motion: Motion, command: VelocityCommand, dt_s: float) -> Thrusts:
        """Return the thrust wanted from each motor, N, within what a motor gives."""
        forward, right = self._acceleration(motion, command, dt_s)
        lift = self._lift(motion, command.down_mps, dt_s)
        roll = math.atan2(right, GRAVITY_MPS2)
        pitch = math.atan2(-forward, GRAVITY_MPS2)
        torques = self._torques(motion, roll, pitch, self._yaw_rate(motion, command, dt_s))
        return self._mix(lift, torques)

    def _acceleration(
        self, motion: Motion, command: VelocityCommand, dt_s: float
    ) -> tuple[float, float]:
        """Velocity loop: wanted acceleration forward and right, m/s^2, within the tilt limit."""
        g = self._gains
        c, s = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
        north, east, _ = motion.velocity_mps
        error_forward = command.forward_mps - (c * north + s * east)
        error_right = command.right_mps - (c * east - s * north)
        # The integral lives in the world: it must not turn with the nose.
        integral_n, integral_e = self._integral
        forward = g.velocity_per_s * error_forward + c * integral_n + s * integral_e
        right = g.velocity_per_s * error_right + c * integral_e - s * integral_n
        size = math.hypot(forward, right)
        if size > self._max_accel_mps2:
            scale = self._max_accel_mps2 / size
            return forward * scale, right * scale
        gain = g.velocity_integral_per_s2 * dt_s
        self._integral = (
            integral_n + gain * (c * error_forward - s * error_right),
            integral_e + gain * (s * error_forward + c * error_right),
        )
        return forward, right

    def _lift(self, motion: Motion, down_mps: float, dt_s: float) -> float:
        """Height loop: total thrust, N."""
        g = self._gains
        wanted = self._down_m + down_mps * dt_s
        low, high = motion.down_m - g.height_lead_m, motion.down_m + g.height_lead_m
        self._down_m = min(max(wanted, low), high)
        climb = g.height_per_s * (self._down_m - motion.down_m) + down_mps
        acceleration = g.climb_per_s * (climb - motion.velocity_mps[2])
        upright = max(0.5, math.cos(motion.roll_rad) * math.cos(motion.pitch_rad))
        thrust = self._config.mass_kg * (GRAVITY_MPS2 - acceleration) / upright
        return min(max(thrust, 0.2 * self._weight_n), 4 * self._motor_max_n)

    def _yaw_rate(self, motion: Motion, command: VelocityCommand, dt_s: float) -> float:
        """Heading loop: wanted yaw rate, rad/s."""
        g = self._gains
        ahead = self._yaw_rad + command.yaw_rate_radps * dt_s - motion.yaw_rad
        ahead = math.remainder(ahead, 2 * math.pi)
        ahead = min(max(ahead, -g.heading_lead_rad), g.heading_lead_rad)
        self._yaw_rad = motion.yaw_rad + ahead
        return command.yaw_rate_radps + g.heading_per_s * ahead

    def _torques(self, motion: Motion, roll: float, pitch: float, yaw_rate: float) -> Vector3:
        """Tilt and rate loops: body torques, N m. Small tilts: Euler rates are body rates."""
        g = self._gains
        p, q, r = motion.rates_radps
        ixx, iyy, izz = self._config.inertia_kgm2
        # A level turn has these body rates; without them the nose lags in banked turns.
        level_q = math.sin(motion.roll_rad) * math.cos(motion.pitch_rad) * yaw_rate
        level_p = -math.sin(motion.pitch_rad) * yaw_rate
        return (
            ixx * g.rate_per_s * (g.tilt_per_s * (roll - motion.roll_rad) + level_p - p),
            iyy * g.rate_per_s * (g.tilt_per_s * (pitch - motion.pitch_rad) + level_q - q),
            izz * g.yaw_rate_per_s * (yaw_rate - r),
        )

    def _mix(self, lift: float, torques: Vector3) -> Thrusts:
        """Share lift and torques among the motors, each within 0 and its most."""
        arm = 4 * self._config.arm_m * math.sqrt(0.5)
        share, roll, pitch = lift / 4, torques[0] / arm, torques[1] / arm
        yaw = torques[2] / (4 * YAW_MOMENT_M)
        most = self._motor_max_n
        return (
            min(max(share + roll + pitch - yaw, 0.0), most),
            min(max(share - roll + pitch + yaw, 0.0), most),
            min(max(share - roll - pitch - yaw, 0.0), most),
            min(max(share + roll - pitch + yaw, 0.0), most),
        )
