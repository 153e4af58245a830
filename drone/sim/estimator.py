"""What the vehicle knows of itself: the truth with the errors of sensors and of their fusion.

In: the true motion, at the rate of the velocity loop. Out: a `Motion` for that loop, and a
`VehicleState` for the onboard side. What both see is one estimate, so that the vehicle really flies
wrong where it is wrong: a bias of the velocity makes a hovering vehicle drift.

    wandering bias (Ornstein-Uhlenbeck) ─┐
    white noise ─────────────────────────┼─► errors ─► estimate = truth + errors
    position error = integral of the velocity error

The fast half of the autopilot (attitude, rates) flies on the truth. Position is counted from where
the flight started, on the floor below; a vehicle put back after a collision is told how far.
Errors change 60 times a second and hold in between.
"""

from __future__ import annotations

import math

import numpy as np

from drone.config import EstimatorConfig
from drone.geometry import quaternion_from_euler
from drone.messages import Quaternion, Vector3
from drone.sim.autopilot import Motion
from drone.sim.rigidbody import Kinematics

_DRAWS = 512
_CHANNELS = 15
"""Normal numbers per update: 6 for biases, 9 for noise."""


class Wander:
    """An Ornstein-Uhlenbeck process: noise with a memory, started from its own distribution."""

    def __init__(self, deviation: float, time_s: float, dt_s: float, start: float) -> None:
        """Start it.

        Args:
            deviation: standard deviation, in any unit.
            time_s: time constant.
            dt_s: between two values.
            start: a normal number.
        """
        self._keep = math.exp(-dt_s / time_s)
        self._kick = deviation * math.sqrt(1.0 - self._keep * self._keep)
        self.value = deviation * start

    def step(self, normal: float) -> float:
        """Advance with a normal number and return the value."""
        self.value = value = self._keep * self.value + self._kick * normal
        return value


class Estimator:
    """The estimate of one vehicle.

    State: biases, position error, noise of the last update, and normal numbers drawn ahead.
    """

    def __init__(
        self, config: EstimatorConfig, rng: np.random.Generator, start: Kinematics, dt_s: float
    ) -> None:
        """Start the estimator.

        Args:
            config: sizes of the errors.
            rng: source of randomness, kept.
            start: where; position is counted from the floor below.
            dt_s: between two updates.
        """
        self._config, self._rng, self._dt_s = config, rng, dt_s
        self._origin = start.position_m[:2] if config.enabled else (0.0, 0.0)
        self._drawn: list[list[float]] = []
        self._drift_n = self._drift_e = 0.0
        c, first = config, [float(x) for x in rng.standard_normal(10)]
        tilt, heading = math.radians(c.attitude_bias_deg), math.radians(c.heading_bias_deg)
        self._roll, self._pitch = (Wander(tilt, c.attitude_bias_s, dt_s, first[k]) for k in (0, 1))
        self._yaw = Wander(heading, c.heading_bias_s, dt_s, first[2])
        self._yaw_0 = self._yaw.value
        self._flow = tuple(
            Wander(c.velocity_bias_mps, c.velocity_bias_s, dt_s, first[k]) for k in (3, 4, 5)
        )
        self._scale = 1.0 + c.velocity_scale * first[6]
        self._rate_bias = tuple(c.rate_bias_radps * x for x in first[7:10])
        self._tilt_noise = math.radians(c.attitude_noise_deg)
        self._euler_errors = self._velocity_errors = self._rate_errors = (0.0, 0.0, 0.0)
        self._height_error_m = 0.0

    def update(self, motion: Kinematics, true: Motion) -> Motion:
        """Draw the errors of the next 1/60 s and return what the velocity loop sees.

        Args:
            motion: the truth.
            true: the same, as the velocity loop takes it.
        """
        if not self._config.enabled:
            return true
        c, n = self._config, self._normals()
        self._euler_errors = roll, pitch, yaw = (
            self._roll.step(n[0]) + self._tilt_noise * n[6],
            self._pitch.step(n[1]) + self._tilt_noise * n[7],
            # The heading is counted from the start: there it is right.
            self._yaw.step(n[2]) - self._yaw_0,
        )
        flow = [
            bias.step(n[3 + k]) + c.velocity_noise_mps * n[8 + k]
            for k, bias in enumerate(self._flow)
        ]
        self._velocity_errors = self._flown_wrong(motion.velocity_mps, true.yaw_rad, flow)
        self._drift_n += self._velocity_errors[0] * self._dt_s
        self._drift_e += self._velocity_errors[1] * self._dt_s
        p, q, r = self._rate_bias
        noise = c.rate_noise_radps
        self._rate_errors = (p + noise * n[11], q + noise * n[12], r + noise * n[13])
        self._height_error_m = c.height_noise_m * n[14]
        vn, ve, vd = motion.velocity_mps
        en, ee, ed = self._velocity_errors
        return Motion(
            down_m=true.down_m + self._height_error_m,
            velocity_mps=(vn + en, ve + ee, vd + ed),
            roll_rad=true.roll_rad + roll,
            pitch_rad=true.pitch_rad + pitch,
            yaw_rad=true.yaw_rad + yaw,
        )

    def believed(self, motion: Kinematics, euler_rad: Vector3) -> Kinematics:
        """Return what the vehicle believes of its motion, with the errors that hold now.

        Args:
            motion: the truth.
            euler_rad: roll, pitch and yaw of it.
        """
        if not self._config.enabled:
            return motion
        north, east, down = motion.position_m
        roll, pitch, yaw = (a + b for a, b in zip(euler_rad, self._euler_errors, strict=True))
        attitude: Quaternion = quaternion_from_euler(roll, pitch, yaw)
        return Kinematics(
            (
                north - self._origin[0] + self._drift_n,
                east - self._origin[1] + self._drift_e,
                down + self._height_error_m,
            ),
            _sum(motion.velocity_mps, self._velocity_errors),
            attitude,
            _sum(motion.rates_radps, self._rate_errors),
        )

    def _flown_wrong(self, velocity_mps: Vector3, yaw_rad: float, flow: list[float]) -> Vector3:
        """Return the error of the velocity, NED.

        Measured ahead and to the right, with scale and errors, then turned by the wrong heading.
        """
        c, s = math.cos(yaw_rad), math.sin(yaw_rad)
        north, east, _ = velocity_mps
        ahead = self._scale * (c * north + s * east) + flow[0]
        right = self._scale * (c * east - s * north) + flow[1]
        wrong = yaw_rad + self._euler_errors[2]
        c, s = math.cos(wrong), math.sin(wrong)
        return c * ahead - s * right - north, s * ahead + c * right - east, flow[2]

    def _normals(self) -> list[float]:
        if not self._drawn:
            self._drawn = self._rng.standard_normal((_DRAWS, _CHANNELS)).tolist()
        return self._drawn.pop()


def _sum(a: Vector3, b: Vector3) -> Vector3:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
