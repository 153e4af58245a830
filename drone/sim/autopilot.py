"""The simulated autopilot: from a velocity command to four motor thrusts.

In: the vehicle's motion and a `VelocityCommand`. Out: thrust of each motor, N. A cascade, as in
common autopilots: velocity (PI, limited tilt) -> tilt (P) -> body rates (P; the second derivative
of tilt makes it the D of a PD) -> mixer. Height and heading are integrated from the command and
held.

`steer` is the slow half, from motion and command to a `Setpoint`; `hold` the fast one, from there
to thrusts. Parrot's own cascade is built likewise: attitude at 200 Hz, velocity at the 60 Hz of the
camera that looks down (Bristeau et al. 2011, "The Navigation and Control technology inside the
AR.Drone micro UAV", IFAC). Plain floats: `hold` runs 240 times per simulated second.

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
    """How the vehicle moves, as the slow half knows it.

    Attributes:
        down_m: height below the room's origin (NED z).
        velocity_mps: NED.
        roll_rad: aerospace sequence yaw, pitch, roll.
        pitch_rad: the same.
        yaw_rad: the same.
    """

    down_m: float
    velocity_mps: Vector3
    roll_rad: float
    pitch_rad: float
    yaw_rad: float


class Setpoint(NamedTuple):
    """What the fast half holds: total thrust, tilt, yaw rate."""

    lift_n: float
    roll_rad: float
    pitch_rad: float
    yaw_rate_radps: float


class Autopilot:
    """Cascaded controller of one quadrotor.

    State: the held height and heading, and the integral of the velocity error (an acceleration).
    """

    def __init__(self, config: VehicleConfig, gains: Gains | None = None) -> None:
        self._config = config
        self._gains = g = gains or Gains()
        self._weight_n = config.mass_kg * GRAVITY_MPS2
        self.limit_thrust(1.0)
        self._max_accel_mps2 = GRAVITY_MPS2 * math.tan(math.radians(config.max_tilt_deg))
        ixx, iyy, izz = config.inertia_kgm2
        # Torque per motor thrust: the lever of a motor on the diagonal, all four taking part.
        lever_m = 4 * config.arm_m * math.sqrt(0.5)
        self._roll_gain = ixx * g.rate_per_s / lever_m
        self._pitch_gain = iyy * g.rate_per_s / lever_m
        self._yaw_gain = izz * g.yaw_rate_per_s / (4 * config.yaw_moment_m)
        self.reset(0.0, 0.0)

    def reset(self, down_m: float, yaw_rad: float) -> None:
        """Hold this height and heading, at rest."""
        self._down_m = down_m
        self._yaw_rad = yaw_rad
        self._integral = (0.0, 0.0)

    def limit_thrust(self, share: float) -> None:
        """Let full throttle give only a share of what the airframe's table says."""
        self._motor_max_n = share * self._config.max_thrust_ratio * self._weight_n / 4

    def steer(self, motion: Motion, command: VelocityCommand, dt_s: float) -> Setpoint:
        """Return what to hold for the next `dt_s`."""
        forward, right = self._acceleration(motion, command, dt_s)
        return Setpoint(
            self._lift(motion, command.down_mps, dt_s),
            math.atan2(right, GRAVITY_MPS2),
            math.atan2(-forward, GRAVITY_MPS2),
            self._yaw_rate(motion, command, dt_s),
        )

    def hold(self, setpoint: Setpoint, down_row: Vector3, rates_radps: Vector3) -> Thrusts:
        """Return the thrust wanted from each motor, N, within what a motor gives.

        Args:
            setpoint: from `steer`.
            down_row: the world's down in the body, the last row of world from body.
            rates_radps: body.
        """
        lift, roll, pitch, yaw_rate = setpoint
        x, y, z = down_row
        p, q, r = rates_radps
        tilt = self._gains.tilt_per_s
        x = max(-1.0, min(1.0, x))
        # A level turn has the body rates `down_row * yaw_rate`; without them the nose lags in
        # banked turns. Small tilts: Euler rates are body rates.
        roll_n = self._roll_gain * (tilt * (roll - math.atan2(y, z)) + x * yaw_rate - p)
        pitch_n = self._pitch_gain * (tilt * (pitch + math.asin(x)) + y * yaw_rate - q)
        return self._mix(0.25 * lift, roll_n, pitch_n, self._yaw_gain * (yaw_rate - r))

    def _acceleration(
        self, motion: Motion, command: VelocityCommand, dt_s: float
    ) -> tuple[float, float]:
        """Velocity loop: wanted acceleration forward and right, m/s^2, within the tilt limit."""
        g, drag, turn = self._gains, self._config.drag_per_s, command.yaw_rate_radps
        c, s = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
        north, east, _ = motion.velocity_mps
        error_forward = command.forward_mps - (c * north + s * east)
        error_right = command.right_mps - (c * east - s * north)
        # The integral lives in the world: it must not turn with the nose.
        integral_n, integral_e = self._integral
        forward = g.velocity_per_s * error_forward + c * integral_n + s * integral_e
        right = g.velocity_per_s * error_right + c * integral_e - s * integral_n
        # What flying on like this takes, known beforehand: against the air, and into the turn.
        forward += drag * command.forward_mps - turn * command.right_mps
        right += drag * command.right_mps + turn * command.forward_mps
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

    def _mix(self, share: float, roll: float, pitch: float, yaw: float) -> Thrusts:
        """Share out among the motors, N each, within 0 and a motor's most."""
        most = self._motor_max_n
        front_left, front_right = share + roll + pitch - yaw, share - roll + pitch + yaw
        rear_right, rear_left = share - roll - pitch - yaw, share + roll - pitch + yaw
        if (
            0.0 <= front_left <= most
            and 0.0 <= front_right <= most
            and 0.0 <= rear_right <= most
            and 0.0 <= rear_left <= most
        ):
            return front_left, front_right, rear_right, rear_left
        return (
            min(max(front_left, 0.0), most),
            min(max(front_right, 0.0), most),
            min(max(rear_right, 0.0), most),
            min(max(rear_left, 0.0), most),
        )
