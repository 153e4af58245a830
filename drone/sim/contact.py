"""Where the hull may touch something: PyBullet's share of the vehicle's physics.

In: the hull's motion. Out: how far the nearest thing is, and, close to things, one step of
PyBullet's dynamics with contact. Far from things the body waits below the floor, out of the way.

How far it is need not be asked at every step: between two questions no point of the hull moves
farther than its middle plus what turning adds, so the gap is at least what is left of the last
answer. That bound is conservative; `tests/sim/test_contact.py` compares it with asking every time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pybullet

from drone.config import VehicleConfig
from drone.messages import Vector3
from drone.sim.rigidbody import Kinematics, Rows, rotation
from drone.sim.world import World

LOOK_M = 1.5
"""Things farther away than this are not asked for."""
MARGIN_M = 0.02
"""PyBullet takes over at this distance beyond what one step can cover. Its contacts begin within
that, and what speeding up adds in one step stays below it."""
_TOLERANCE_M = 1e-3
"""PyBullet's answer for two boxes was seen 0.3 mm too far."""
_SLACK_M = 1e-5
"""More than rounding adds to one step."""
_PARKED = (0.0, 0.0, 100.0), (0.0, 0.0, 0.0, 1.0)


class Touch(NamedTuple):
    """What the hull touched during a physics step."""

    floor: bool
    other: bool


NOTHING = Touch(False, False)


class Hull:
    """The hull as a body in PyBullet.

    State: the body, and a lower bound on its distance from everything.
    """

    def __init__(self, world: World, config: VehicleConfig, dt_s: float) -> None:
        self._client, self._floor, self._dt_s = world.client, world.floor, dt_s
        half = config.hull_length_m / 2, config.hull_width_m / 2, config.hull_height_m / 2
        self._radius_m = math.hypot(*half)
        self._gap_m = 0.0
        pybullet.setTimeStep(dt_s, physicsClientId=self._client)
        self.body = self._create(world, config, half)

    def _create(self, world: World, config: VehicleConfig, half: Vector3) -> int:
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_BOX, halfExtents=half, physicsClientId=self._client
        )
        body = pybullet.createMultiBody(
            config.mass_kg, shape, world.invisible(), *_PARKED, physicsClientId=self._client
        )
        pybullet.changeDynamics(
            body,
            -1,
            localInertiaDiagonal=config.inertia_kgm2,
            linearDamping=0.0,
            angularDamping=0.0,
            restitution=0.0,
            # Sleeping bodies would not feel a command.
            activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            physicsClientId=self._client,
        )
        return int(body)

    def forget(self) -> None:
        """The hull was put elsewhere: nothing is known of the gap."""
        self._gap_m = 0.0
        self._park()

    def moved(self, before: Kinematics, after: Kinematics, spin_radps: float) -> None:
        """Take in one step of free flight, with the greater of its two spins."""
        self._gap_m -= (
            math.dist(before.position_m, after.position_m)
            + self._radius_m * spin_radps * self._dt_s
            + _SLACK_M
        )

    def may_touch(self, motion: Kinematics, speed_mps: float, spin_radps: float) -> bool:
        """Return whether the next step may bring the hull to something."""
        reach_m = MARGIN_M + self._dt_s * (speed_mps + self._radius_m * spin_radps)
        if self._gap_m > reach_m:
            return False
        gap_m = self.gap_m(motion)
        self._gap_m = gap_m - _TOLERANCE_M
        near = gap_m <= reach_m
        if not near:
            self._park()
        return near

    def gap_m(self, motion: Kinematics) -> float:
        """Return the distance from the hull to the nearest thing, m, at most `LOOK_M`.

        The body is left at this place, at rest.
        """
        self._place(motion)
        client, gap_m = self._client, LOOK_M
        for index in range(pybullet.getNumBodies(physicsClientId=client)):
            other = pybullet.getBodyUniqueId(index, physicsClientId=client)
            if other != self.body:
                points = pybullet.getClosestPoints(self.body, other, gap_m, physicsClientId=client)
                gap_m = min([gap_m, *(point[8] for point in points)])
        return gap_m

    def step(
        self, motion: Kinematics, rows: Rows, force_n: Vector3, torque_nm: Vector3
    ) -> tuple[Kinematics, Touch]:
        """Advance by one step of PyBullet's dynamics.

        Args:
            motion: now.
            rows: world from body.
            force_n: without gravity, world.
            torque_nm: body; turned into the world here (PyBullet's frame flags are not trusted).
        """
        self._place(motion)
        (a, b, c), (d, e, f), (g, h, i) = rows
        p, q, r = motion.rates_radps
        spin = (a * p + b * q + c * r, d * p + e * q + f * r, g * p + h * q + i * r)
        pybullet.resetBaseVelocity(
            self.body, motion.velocity_mps, spin, physicsClientId=self._client
        )
        self._push(motion, rows, force_n, torque_nm)
        pybullet.stepSimulation(physicsClientId=self._client)
        return self._motion(), self._touched()

    def _place(self, motion: Kinematics) -> None:
        """Put the body there; PyBullet brings it to rest."""
        w, x, y, z = motion.attitude
        pybullet.resetBasePositionAndOrientation(
            self.body, motion.position_m, (x, y, z, w), physicsClientId=self._client
        )

    def _park(self) -> None:
        pybullet.resetBasePositionAndOrientation(self.body, *_PARKED, physicsClientId=self._client)

    def _push(self, motion: Kinematics, rows: Rows, force_n: Vector3, torque_nm: Vector3) -> None:
        (a, b, c), (d, e, f), (g, h, i) = rows
        tx, ty, tz = torque_nm
        torque = (a * tx + b * ty + c * tz, d * tx + e * ty + f * tz, g * tx + h * ty + i * tz)
        world = pybullet.WORLD_FRAME
        pybullet.applyExternalForce(
            self.body, -1, force_n, motion.position_m, world, physicsClientId=self._client
        )
        pybullet.applyExternalTorque(self.body, -1, torque, world, physicsClientId=self._client)

    def _motion(self) -> Kinematics:
        """Read the motion back, rates turned into the body."""
        client = self._client
        position, (x, y, z, w) = pybullet.getBasePositionAndOrientation(
            self.body, physicsClientId=client
        )
        velocity, (wx, wy, wz) = pybullet.getBaseVelocity(self.body, physicsClientId=client)
        attitude = (w, x, y, z) if w >= 0 else (-w, -x, -y, -z)
        (a, b, c), (d, e, f), (g, h, i) = rotation(attitude)
        rates = (
            a * wx + d * wy + g * wz,
            b * wx + e * wy + h * wz,
            c * wx + f * wy + i * wz,
        )
        return Kinematics(position, velocity, attitude, rates)

    def _touched(self) -> Touch:
        floor = other = False
        for contact in pybullet.getContactPoints(self.body, physicsClientId=self._client):
            # Bullet lists near misses too: a touch has no gap (8) or carries force (9).
            if contact[8] <= 0.0 or contact[9] > 0.0:
                if contact[2] == self._floor:
                    floor = True
                else:
                    other = True
        return Touch(floor, other)
