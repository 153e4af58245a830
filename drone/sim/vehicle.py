"""The quadrotor: an AR.Drone 2.0 as a rigid body with four motors, flown by its own autopilot.

In: a `VelocityCommand`. Out: motion, by forces and torques on a body in PyBullet; nothing is
teleported but `put`. Each motor follows its wanted thrust with a first-order lag; the air brakes
linearly. PyBullet's own damping is off.

Numbers (`drone.config.VehicleConfig`): Parrot gives 0.38 kg with the outdoor and 0.42 kg with the
indoor hull, which spans 0.52 m; 0.436 kg leaves 16 g for a stereo camera. Inertia, motor lag,
thrust and drag are assumed, of the order usual for quadrotors of this size, not identified from
flights; the autopilot knows mass and inertia, so that its response hardly depends on them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pybullet

from drone.config import VehicleConfig
from drone.messages import Quaternion, Vector3, VelocityCommand
from drone.sim.autopilot import YAW_MOMENT_M, Autopilot, Motion
from drone.sim.room import Pose
from drone.sim.world import World


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
        return all(map(math.isfinite, (*self.position_m, *self.velocity_mps, *self.rates_radps)))


class Touch(NamedTuple):
    """What the hull touched during a physics step."""

    floor: bool
    other: bool


class Quadrotor:
    """One vehicle in a world.

    State: the body in PyBullet, the thrust of each motor, the autopilot, whether motors run.
    """

    def __init__(self, world: World, config: VehicleConfig, physics_hz: int) -> None:
        self._client = world.client
        self._floor = world.floor
        self._config = config
        self._dt_s = 1.0 / physics_hz
        self._lag_share = 1.0 - math.exp(-self._dt_s / config.motor_lag_s)
        self._hover_n = config.mass_kg * 9.81 / 4
        self._arm_m = config.arm_m * math.sqrt(0.5)
        self._drag = config.drag_per_s * config.mass_kg
        self._autopilot = Autopilot(config)
        self._thrusts = [self._hover_n] * 4
        self.motors_on = True
        self._body = self._create(world)

    def _create(self, world: World) -> int:
        c, client = self._config, self._client
        pybullet.setTimeStep(self._dt_s, physicsClientId=client)
        half = (c.hull_length_m / 2, c.hull_width_m / 2, c.hull_height_m / 2)
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_BOX, halfExtents=half, physicsClientId=client
        )
        body = pybullet.createMultiBody(
            c.mass_kg, shape, world.invisible(), basePosition=(0, 0, -1), physicsClientId=client
        )
        pybullet.changeDynamics(
            body,
            -1,
            localInertiaDiagonal=c.inertia_kgm2,
            linearDamping=0.0,
            angularDamping=0.0,
            restitution=0.0,
            # Sleeping bodies would not feel a command.
            activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            physicsClientId=client,
        )
        return int(body)

    def put(self, pose: Pose, height_m: float) -> None:
        """Place the vehicle at a pose, hovering at rest."""
        half = pose.yaw_rad / 2
        pybullet.resetBasePositionAndOrientation(
            self._body,
            (pose.north_m, pose.east_m, -height_m),
            (0.0, 0.0, math.sin(half), math.cos(half)),
            physicsClientId=self._client,
        )
        pybullet.resetBaseVelocity(self._body, (0, 0, 0), (0, 0, 0), physicsClientId=self._client)
        self._autopilot.reset(-height_m, pose.yaw_rad)
        self._thrusts = [self._hover_n] * 4
        self.motors_on = True

    def step(self, command: VelocityCommand, wind_mps: Vector3 = (0.0, 0.0, 0.0)) -> Touch:
        """Advance physics by one step and return what the hull touched.

        Args:
            command: what the autopilot shall do.
            wind_mps: how the air moves, NED.
        """
        motion = self.kinematics()
        rows = _rotation(motion.attitude)
        if self.motors_on:
            wanted = self._autopilot.update(_motion(motion, rows), command, self._dt_s)
            for k in range(4):
                self._thrusts[k] += self._lag_share * (wanted[k] - self._thrusts[k])
            self._push(motion, rows, wind_mps)
        pybullet.stepSimulation(physicsClientId=self._client)
        return self._touched()

    def stop_motors(self) -> None:
        """Cut the motors; `put` starts them again."""
        self.motors_on = False
        self._thrusts = [0.0] * 4

    def start_motors(self) -> None:
        """Start the motors where the vehicle stands."""
        motion = self.kinematics()
        yaw_rad = _motion(motion, _rotation(motion.attitude)).yaw_rad
        self._autopilot.reset(motion.position_m[2], yaw_rad)
        self.motors_on = True

    def kinematics(self) -> Kinematics:
        """Return the true motion."""
        position, (x, y, z, w) = pybullet.getBasePositionAndOrientation(
            self._body, physicsClientId=self._client
        )
        velocity, (wx, wy, wz) = pybullet.getBaseVelocity(self._body, physicsClientId=self._client)
        attitude = (w, x, y, z) if w >= 0 else (-w, -x, -y, -z)
        (a, b, c), (d, e, f), (g, h, i) = _rotation(attitude)
        rates = (
            a * wx + d * wy + g * wz,
            b * wx + e * wy + h * wz,
            c * wx + f * wy + i * wz,
        )
        return Kinematics(position, velocity, attitude, rates)

    def _push(
        self, motion: Kinematics, rows: tuple[Vector3, Vector3, Vector3], wind_mps: Vector3
    ) -> None:
        """Apply thrust, drag and torques, turned into the world by ourselves."""
        front_left, front_right, rear_right, rear_left = self._thrusts
        lift = front_left + front_right + rear_right + rear_left
        tx = self._arm_m * (front_left + rear_left - front_right - rear_right)
        ty = self._arm_m * (front_left + front_right - rear_right - rear_left)
        tz = YAW_MOMENT_M * (front_right + rear_left - front_left - rear_right)
        (a, b, c), (d, e, f), (g, h, i) = rows
        vx, vy, vz = motion.velocity_mps
        north, east, down = wind_mps
        force = (
            -c * lift - self._drag * (vx - north),
            -f * lift - self._drag * (vy - east),
            -i * lift - self._drag * (vz - down),
        )
        torque = (a * tx + b * ty + c * tz, d * tx + e * ty + f * tz, g * tx + h * ty + i * tz)
        world = pybullet.WORLD_FRAME
        pybullet.applyExternalForce(
            self._body, -1, force, motion.position_m, world, physicsClientId=self._client
        )
        pybullet.applyExternalTorque(self._body, -1, torque, world, physicsClientId=self._client)

    def _touched(self) -> Touch:
        floor = other = False
        for contact in pybullet.getContactPoints(self._body, physicsClientId=self._client):
            # Bullet lists near misses too: a touch has no gap (8) or carries force (9).
            if contact[8] <= 0.0 or contact[9] > 0.0:
                if contact[2] == self._floor:
                    floor = True
                else:
                    other = True
        return Touch(floor, other)


def _rotation(attitude: Quaternion) -> tuple[Vector3, Vector3, Vector3]:
    """Return the rows of world from body (`drone.geometry`, in plain floats for speed)."""
    w, x, y, z = attitude
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def _motion(motion: Kinematics, rows: tuple[Vector3, Vector3, Vector3]) -> Motion:
    (a, _, _), (d, _, _), (g, h, i) = rows
    return Motion(
        down_m=motion.position_m[2],
        velocity_mps=motion.velocity_mps,
        roll_rad=math.atan2(h, i),
        pitch_rad=-math.asin(max(-1.0, min(1.0, g))),
        yaw_rad=math.atan2(d, a),
        rates_radps=motion.rates_radps,
    )
