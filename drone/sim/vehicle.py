"""The quadrotor: a rigid body with four motors, flown by its own autopilot (default: AR.Drone 2.0).

In: a `VelocityCommand` and the wind. Out: motion, by forces and torques; nothing is teleported but
`put`. Each motor follows its wanted thrust with a first-order lag; the air brakes linearly.

```
 command ─► steer (60 Hz) ─► setpoint ─► hold (every step) ─► motors ─► forces, torques
               ▲ estimate                  ▲ attitude, rates               │
               └──── motion ◄── rigid body (far from things) or PyBullet (near) ◄┘
```

Free flight is integrated here (`rigidbody`); only where the hull may touch something within a step
does PyBullet take over (`contact`).
"""

from __future__ import annotations

import math

from drone.config import VehicleConfig
from drone.errors import DivergedError
from drone.messages import Vector3, VelocityCommand
from drone.sim.autopilot import GRAVITY_MPS2, Autopilot, Motion, Setpoint
from drone.sim.contact import NOTHING, Hull, Touch
from drone.sim.estimator import Estimator
from drone.sim.rigidbody import Kinematics, RigidBody, Rows, rotation
from drone.sim.room import Pose
from drone.sim.world import World

__all__ = ["CALM", "Kinematics", "Quadrotor", "Touch"]

CALM: Vector3 = (0.0, 0.0, 0.0)
STEER_HZ = 60.0
"""The velocity loop's rate, at most: that of the AR.Drone's vision (Bristeau et al. 2011)."""
FASTEST_MPS, FASTEST_RADPS = 100.0, 500.0
"""What no vehicle of ours does: beyond, the simulation has diverged."""


class Quadrotor:
    """One vehicle in a world.

    State: its motion, the thrust of each motor, the autopilot with its setpoint, whether motors
    run, and the estimator that the velocity loop believes (none: it knows the truth).
    """

    def __init__(self, world: World, config: VehicleConfig, physics_hz: int) -> None:
        self._config = config
        self._dt_s = 1.0 / physics_hz
        self._steer_every = max(1, round(physics_hz / STEER_HZ))
        self._lag_share = 1.0 - math.exp(-self._dt_s / config.motor_lag_s)
        self._weight_n = config.mass_kg * GRAVITY_MPS2
        self._lever_m = config.arm_m * math.sqrt(0.5)
        self._drag = config.drag_per_s * config.mass_kg
        self._autopilot = Autopilot(config)
        self._estimator: Estimator | None = None
        self._hull = Hull(world, config, self._dt_s)
        self._body = RigidBody(config.mass_kg, config.inertia_kgm2, self._dt_s)
        self.put(Pose(0.0, 0.0, 0.0), 1.0)

    def put(self, pose: Pose, height_m: float) -> None:
        """Place the vehicle at a pose, hovering at rest."""
        half = pose.yaw_rad / 2
        attitude = (math.cos(half), 0.0, 0.0, math.sin(half))
        self.set_motion(
            Kinematics((pose.north_m, pose.east_m, -height_m), CALM, attitude, (0.0, 0.0, 0.0))
        )
        self._hold()
        self._start_motors(self._weight_n / 4)

    def set_motion(self, motion: Kinematics) -> None:
        """Let the vehicle move like this from now on."""
        self._motion = motion
        self._spin_radps = math.hypot(*motion.rates_radps)
        self._hull.forget()

    def kinematics(self) -> Kinematics:
        """Return the true motion."""
        return self._motion

    def believed(self) -> Kinematics:
        """Return the motion as the vehicle knows it."""
        if self._estimator is None:
            return self._motion
        true = _motion(self._motion, rotation(self._motion.attitude))
        return self._estimator.believed(self._motion, (true.roll_rad, true.pitch_rad, true.yaw_rad))

    def fly_by(self, estimator: Estimator) -> None:
        """Let the velocity loop believe this estimator from now on, and hold height and heading."""
        self._estimator = estimator
        self._hold()

    @property
    def steer_dt_s(self) -> float:
        """Between two runs of the velocity loop, s."""
        return self._dt_s * self._steer_every

    @property
    def load(self) -> float:
        """Lift over weight."""
        return sum(self._thrusts) / self._weight_n

    def limit_thrust(self, share: float) -> None:
        """Let full throttle give only a share of what the airframe's table says."""
        self._autopilot.limit_thrust(share)

    def step(self, command: VelocityCommand, wind_mps: Vector3 = CALM) -> Touch:
        """Advance physics by one step and return what the hull touched.

        Args:
            command: what the autopilot shall do.
            wind_mps: how the air moves, NED.

        Raises:
            DivergedError: the motion is not finite, or beyond all reason.
        """
        motion, hull = self._motion, self._hull
        rows = rotation(motion.attitude)
        if self.motors_on:
            self._control(motion, rows, command)
            force, torque = self._push(motion, rows, wind_mps)
        else:
            # What brakes are the rotors: standing still, they hardly do.
            force, torque = CALM, CALM
        speed, spin = math.hypot(*motion.velocity_mps), self._spin_radps
        if not (speed < FASTEST_MPS and spin < FASTEST_RADPS):
            raise DivergedError(
                f"physics diverged: {speed:.3g} m/s and {spin:.3g} rad/s at {motion.position_m}"
            )
        touch = NOTHING
        if hull.may_touch(motion, speed, spin):
            self._motion, touch = hull.step(motion, rows, force, torque)
            self._spin_radps = math.hypot(*self._motion.rates_radps)
        else:
            self._fly(motion, force, torque)
        return touch

    def stop_motors(self) -> None:
        """Cut the motors; `put` starts them again."""
        self.motors_on = False
        self._thrusts = (0.0, 0.0, 0.0, 0.0)

    def start_motors(self) -> None:
        """Start the motors where the vehicle stands."""
        self._hold()
        self._start_motors(0.0)

    def _start_motors(self, thrust_n: float) -> None:
        self.motors_on = True
        self._thrusts = (thrust_n,) * 4
        self._until_steering = 0
        self._setpoint = Setpoint(self._weight_n, 0.0, 0.0, 0.0)

    def _hold(self) -> None:
        """Hold this height, the true one, and the heading that the vehicle believes in."""
        motion = self._motion
        known = self._known(motion, rotation(motion.attitude))
        self._autopilot.reset(motion.position_m[2], known.yaw_rad)

    def _known(self, motion: Kinematics, rows: Rows) -> Motion:
        """Return what the velocity loop sees of the motion."""
        true = _motion(motion, rows)
        return true if self._estimator is None else self._estimator.update(motion, true)

    def _control(self, motion: Kinematics, rows: Rows, command: VelocityCommand) -> None:
        """Let the autopilot fly, and the motors follow."""
        if self._until_steering <= 0:
            self._until_steering = self._steer_every
            known = self._known(motion, rows)
            self._setpoint = self._autopilot.steer(known, command, self.steer_dt_s)
        self._until_steering -= 1
        a, b, c, d = self._thrusts
        e, f, g, h = self._autopilot.hold(self._setpoint, rows[2], motion.rates_radps)
        k = self._lag_share
        self._thrusts = (a + k * (e - a), b + k * (f - b), c + k * (g - c), d + k * (h - d))

    def _push(self, motion: Kinematics, rows: Rows, wind_mps: Vector3) -> tuple[Vector3, Vector3]:
        """Return force of rotors and air, N, world, and torque, N m, body."""
        front_left, front_right, rear_right, rear_left = self._thrusts
        left, right = front_left + rear_left, front_right + rear_right
        lift, drag = left + right, self._drag
        vx, vy, vz = motion.velocity_mps
        force = (
            -rows[0][2] * lift - drag * (vx - wind_mps[0]),
            -rows[1][2] * lift - drag * (vy - wind_mps[1]),
            -rows[2][2] * lift - drag * (vz - wind_mps[2]),
        )
        torque = (
            self._lever_m * (left - right),
            self._lever_m * (front_left + front_right - rear_right - rear_left),
            self._config.yaw_moment_m * (front_right + rear_left - front_left - rear_right),
        )
        return force, torque

    def _fly(self, motion: Kinematics, force_n: Vector3, torque_nm: Vector3) -> None:
        """Take one step far from everything."""
        fx, fy, fz = force_n
        after = self._body.step(motion, (fx, fy, fz + self._weight_n), torque_nm)
        spin = math.hypot(*after.rates_radps)
        self._hull.moved(motion, after, max(spin, self._spin_radps))
        self._motion, self._spin_radps = after, spin


def _motion(motion: Kinematics, rows: Rows) -> Motion:
    (a, _, _), (d, _, _), (g, h, i) = rows
    return Motion(
        down_m=motion.position_m[2],
        velocity_mps=motion.velocity_mps,
        roll_rad=math.atan2(h, i),
        pitch_rad=-math.asin(max(-1.0, min(1.0, g))),
        yaw_rad=math.atan2(d, a),
    )
