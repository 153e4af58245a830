"""A rigid body in free flight: one physics step, in plain floats.

In: motion, the force in the world and the torque in the body. Out: the motion one step later.
Used between the vehicle's brushes with things; contact is PyBullet's (`drone.sim.contact`).

The centre follows constant acceleration exactly. Euler's equation, with its gyroscopic term, is
stepped by the midpoint rule; attitude turns about the midpoint's rates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drone.messages import Quaternion, Vector3

Rows = tuple[Vector3, Vector3, Vector3]
"""A rotation matrix, row by row."""


class Kinematics(NamedTuple):
    """The vehicle's true motion.

    Attributes:
        position_m: NED, room.
        velocity_mps: NED.
        attitude: world from body, (w, x, y, z).
        rates_radps: body, FRD.
    """

    position_m: Vector3
    velocity_mps: Vector3
    attitude: Quaternion
    rates_radps: Vector3

    @property
    def finite(self) -> bool:
        """Whether physics still makes sense."""
        return all(
            map(
                math.isfinite,
                (*self.position_m, *self.velocity_mps, *self.attitude, *self.rates_radps),
            )
        )


class RigidBody:
    """Mass and inertia about the body's axes, and the step."""

    def __init__(self, mass_kg: float, inertia_kgm2: Vector3, dt_s: float) -> None:
        ixx, iyy, izz = inertia_kgm2
        self._per_kg = 1.0 / mass_kg
        self._per_kgm2 = 1.0 / ixx, 1.0 / iyy, 1.0 / izz
        self._couplings = (iyy - izz) / ixx, (izz - ixx) / iyy, (ixx - iyy) / izz
        self._dt_s = dt_s

    def step(self, motion: Kinematics, force_n: Vector3, torque_nm: Vector3) -> Kinematics:
        """Return the motion one step later.

        Args:
            motion: now.
            force_n: all of it, gravity too, world.
            torque_nm: body.
        """
        dt = self._dt_s
        (px, py, pz), (vx, vy, vz), attitude, rates = motion
        step_mps = dt * self._per_kg
        dvx, dvy, dvz = force_n[0] * step_mps, force_n[1] * step_mps, force_n[2] * step_mps
        half = 0.5 * dt
        middle = self._spun(rates, rates, torque_nm, half)
        return Kinematics(
            (px + dt * vx + half * dvx, py + dt * vy + half * dvy, pz + dt * vz + half * dvz),
            (vx + dvx, vy + dvy, vz + dvz),
            turned(attitude, middle, dt),
            self._spun(rates, middle, torque_nm, dt),
        )

    def _spun(self, rates: Vector3, at: Vector3, torque_nm: Vector3, dt_s: float) -> Vector3:
        """Return rates after a time under the acceleration that holds at other rates."""
        p, q, r = at
        cx, cy, cz = self._couplings
        jx, jy, jz = self._per_kgm2
        return (
            rates[0] + dt_s * (cx * q * r + jx * torque_nm[0]),
            rates[1] + dt_s * (cy * r * p + jy * torque_nm[1]),
            rates[2] + dt_s * (cz * p * q + jz * torque_nm[2]),
        )


def turned(attitude: Quaternion, rates_radps: Vector3, dt_s: float) -> Quaternion:
    """Return an attitude, turned with constant body rates for a time.

    Sine and cosine of the half angle are series: at 1 rad a step they are wrong by 2e-5, and the
    length is set back to 1.
    """
    w, x, y, z = attitude
    half = 0.5 * dt_s
    a, b, c = rates_radps[0] * half, rates_radps[1] * half, rates_radps[2] * half
    square = a * a + b * b + c * c
    sine = 1.0 - square * (1.0 - square / 20.0) / 6.0
    cosine = 1.0 - square * (1.0 - square / 12.0) / 2.0
    a, b, c = a * sine, b * sine, c * sine
    nw = w * cosine - x * a - y * b - z * c
    nx = x * cosine + w * a + y * c - z * b
    ny = y * cosine + w * b + z * a - x * c
    nz = z * cosine + w * c + x * b - y * a
    length = math.sqrt(nw * nw + nx * nx + ny * ny + nz * nz)
    if nw < 0.0:
        length = -length
    return nw / length, nx / length, ny / length, nz / length


def rotation(attitude: Quaternion) -> Rows:
    """Return world from body (`drone.geometry`, in plain floats for speed)."""
    w, x, y, z = attitude
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz = x * y, x * z, y * z
    wx, wy, wz = w * x, w * y, w * z
    return (
        (1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy)),
        (2 * (xy + wz), 1 - 2 * (xx + zz), 2 * (yz - wx)),
        (2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy)),
    )
