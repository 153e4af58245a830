"""The room as a camera and a vehicle: commands in, frames, vehicle states and truth out.

In: a `VelocityCommand` per tick. Out: a `SimOutput`. One seed names everything: room, start,
noise, where the drone is put back after a collision; the same commands then give the same outputs,
bit for bit.

```
 command ─► Quadrotor (240 Hz) ─► contact? ─► put back at a free pose, event
                 │ pose at camera.rate_hz
                 ▼
           StereoCamera ─► light ─► clean frame ─► faults ─► frame
                 └─► true inverse depth ─► Truth
```
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S
from drone.config import FaultConfig, SimConfig
from drone.errors import DivergedError
from drone.geometry import DistanceMeter, StereoCalibration, grid_from_dense
from drone.messages import (
    FlightEvent,
    StereoFrame,
    Truth,
    Vector3,
    VehicleState,
    VelocityCommand,
)
from drone.sim import faults
from drone.sim.appearance import Appearance
from drone.sim.battery import Battery
from drone.sim.cameras import StereoCamera, calibration_of
from drone.sim.disturbed import DisturbedPair
from drone.sim.estimator import Estimator
from drone.sim.furnish import room_of
from drone.sim.imagefaults import ImageFaults
from drone.sim.layout import require_flyable
from drone.sim.room import Pose, Room
from drone.sim.vehicle import Kinematics, Quadrotor
from drone.sim.wind import Wind
from drone.sim.world import World

_LANDING_MPS = 0.02
"""A command that sinks at least so fast means to land once the floor is reached."""
_RESTING_MPS = 0.05
_NOISE, _START, _RESPAWN, _ESTIMATOR, _WIND = 2, 3, 4, 7, 8
"""Random streams; the room's is 1, those of faults begin with 5 and 6."""


@dataclass(frozen=True, slots=True, eq=False)
class SimOutput:
    """Everything since the previous step.

    Attributes:
        frame: what arrives after faults, `camera.delay_s` after its stamp, and with it all that
            belongs to it; None between frames and where the pair is dropped.
        clean: the same before faults, for scoring only.
        true_inverse_depth: (H, W) float32, 1/m, left eye; None between frames.
        vehicle: every tick; what the vehicle believes of its motion, after faults.
        truth: with every clean frame; `stereo_obstacle_m` is NaN, for the flight to fill in.
        events: `collision`, `fault`, `landed`, `room`.
    """

    frame: StereoFrame | None
    clean: StereoFrame | None
    true_inverse_depth: NDArray[np.float32] | None
    vehicle: VehicleState
    truth: Truth | None
    events: tuple[FlightEvent, ...]


class _Shot(NamedTuple):
    """One picture on its way from the camera; without one, nothing."""

    stamp_ns: int
    frame: StereoFrame | None = None
    clean: StereoFrame | None = None
    depth: NDArray[np.float32] | None = None
    truth: Truth | None = None


class RoomSimulator:
    """One drone in one room."""

    def __init__(
        self,
        config: SimConfig,
        meter: DistanceMeter | None,
        *,
        seed: int,
        tick_hz: float,
        put_back: bool = True,
    ) -> None:
        """Build the room and the drone; `reset` starts the flight.

        Args:
            config: the simulator's.
            meter: measures the true obstacle distance, for this camera; None: NaN, and its cost
                is saved.
            seed: names the room and all that is random.
            tick_hz: rate of `step`; divides `physics_hz`, is a multiple of `camera.rate_hz`.
            put_back: a collision puts the drone back at a free pose; else the world stands still
                from then on, as at the moment of contact.

        Raises:
            UserError: a room that cannot be built, or in which no drone can fly.
            WorkFailedError: PyBullet does not start.
            ValueError: rates that do not divide, or a meter for another camera.
        """
        if meter is not None and meter.camera != calibration_of(config.camera).left:
            raise ValueError(f"the meter is for another camera: {meter.camera}")
        self.room: Room = room_of(config.room, seed)
        require_flyable(self.room, config.height_m, config.vehicle.hull_height_m)
        self._config = config
        self._meter = meter
        self._seed = seed
        self._tick_hz = tick_hz
        self._put_back = put_back
        self._flight = 0
        self._substeps = _whole(config.physics_hz / tick_hz, "physics_hz / tick_hz")
        self._ticks_per_frame = _whole(tick_hz / config.camera.rate_hz, "tick_hz / camera.rate_hz")
        self._world = World(self.room, renderer=config.renderer)
        try:
            self._appearance = Appearance(self._world, config.room)
            self._vehicle = Quadrotor(self._world, config.vehicle, config.physics_hz)
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def calibration(self) -> StereoCalibration:
        """Of the stereo pair."""
        return self._camera.calibration

    @property
    def world(self) -> World:
        """The room as PyBullet has it, for more pictures of it."""
        return self._world

    def reset(self, flight: int = 0) -> SimOutput:
        """Start the flight (again): hovering at the start pose, stamp 0, first frame taken.

        Args:
            flight: names, with the seed, another start and other noise in the same room.
        """
        self._flight = flight
        self._start()
        return self._sense([])

    def step(self, command: VelocityCommand) -> SimOutput:
        """Advance one tick under a command, then sense. An invalid command means hover.

        Raises:
            ValueError: the command is not finite.
            DivergedError: physics makes no sense any more.
        """
        command = self._link.send(self._stamp_ns, _checked(command))
        wind = faults.wind_mps(faults.active(self._config.faults, self._stamp_ns))
        self._tick += 1
        events: list[FlightEvent] = []
        try:
            self._fly(command, wind, events)
        except DivergedError as error:
            raise DivergedError(f"{self._stamp_ns / NS_PER_S:.2f} s: {error}") from error
        return self._sense(events)

    @property
    def motion(self) -> Kinematics:
        """How the vehicle truly moves now."""
        return self._vehicle.kinematics()

    def bare_pair(self, motion: Kinematics | None = None) -> list[Callable[[], object]]:
        """Return the two bare renderer calls of both eyes: the floor of a camera period.

        Args:
            motion: from where to look; None: where the vehicle is.
        """
        return self._camera.bare_pair(motion or self.motion)

    def close(self) -> None:
        """End the physics client; a second call does nothing."""
        self._world.close()

    def __enter__(self) -> RoomSimulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        again = [self._flight] if self._flight else []
        noise, start, self._respawn = (
            np.random.default_rng([self._seed, stream, *again])
            for stream in (_NOISE, _START, _RESPAWN)
        )
        self._camera = StereoCamera(self._world, self._config.camera, noise)
        self._start_vehicle(self.room.start or self.room.free_pose(start), again)
        self._tick = self._frames = self._collisions = self._events = 0
        self._in_contact = self._landed = self._stands_still = False
        self._on_the_way: deque[_Shot] = deque()
        self._appearance.reset()
        self._start_faults()

    def _start_vehicle(self, pose: Pose, again: list[int]) -> None:
        config, vehicle = self._config, self._vehicle
        estimator, wind = (
            np.random.default_rng([self._seed, stream, *again]) for stream in (_ESTIMATOR, _WIND)
        )
        vehicle.put(pose, config.height_m)
        start = vehicle.kinematics()
        vehicle.fly_by(Estimator(config.estimator, estimator, start, vehicle.steer_dt_s))
        vehicle.limit_thrust(1.0)
        self._wind = Wind(config.wind, wind, 1.0 / self._tick_hz)
        self._battery = Battery(config.battery)

    def _start_faults(self) -> None:
        schedule, again = self._config.faults, [self._flight] if self._flight else []
        self._faulty: tuple[FaultConfig, ...] = ()
        self._pair = DisturbedPair(self._camera, schedule, [self._seed, *again])
        self._image_faults = ImageFaults(schedule, [self._seed, *again])
        self._link = faults.Link(schedule)
        self._remember_pose(0)

    @property
    def _stamp_ns(self) -> int:
        return round(self._tick * NS_PER_S / self._tick_hz)

    def _remember_pose(self, tick: float) -> None:
        """Keep where the vehicle is, for eyes that are exposed early."""
        if self._pair.remembers:
            stamp_ns = round(tick * NS_PER_S / self._tick_hz)
            self._pair.remember(stamp_ns, self._vehicle.kinematics())

    def _fly(self, command: VelocityCommand, gust: Vector3, events: list[FlightEvent]) -> None:
        """All physics steps of one tick."""
        wind = self._wind.next_mps()
        wind = wind[0] + gust[0], wind[1] + gust[1], wind[2] + gust[2]
        for substep in range(1, self._substeps + 1):
            if self._stands_still:
                break
            self._advance(command, wind, events)
            self._remember_pose(self._tick - 1 + substep / self._substeps)
        self._battery.feed(self._vehicle, 1.0 / self._tick_hz)

    def _advance(self, command: VelocityCommand, wind: Vector3, events: list[FlightEvent]) -> None:
        """One physics step, and what contact means."""
        sinking = command.down_mps >= _LANDING_MPS
        climbing = command.down_mps <= -_LANDING_MPS and not self._battery.flat
        if not self._vehicle.motors_on and climbing:
            self._landed = False
            self._vehicle.start_motors()
        touch = self._vehicle.step(command, wind)
        if touch.floor and sinking:
            self._vehicle.stop_motors()
        on_the_ground = not self._vehicle.motors_on or command.down_mps <= -_LANDING_MPS
        hit = touch.other and self._vehicle.motors_on
        if hit or (touch.floor and not on_the_ground):
            self._collide(events)

    def _collide(self, events: list[FlightEvent]) -> None:
        """Count an episode of contact, and end it: put the drone back, or stand still."""
        self._collisions += 1
        self._in_contact = True
        where = self._vehicle.kinematics()
        events.append(self._event("collision", f"number {self._collisions}", where))
        if self._put_back:
            self._vehicle.put(self.room.free_pose(self._respawn), self._config.height_m)
        else:
            self._stands_still = True

    def _sense(self, events: list[FlightEvent]) -> SimOutput:
        motion = self._vehicle.kinematics()
        if not motion.finite:
            raise DivergedError(f"physics diverged at {self._stamp_ns / NS_PER_S:.2f} s")
        events += self._landing(motion) + self._fault_changes(motion)
        looks = self._appearance.advance(self._stamp_ns)
        events += [self._event("room", words, motion) for words in looks]
        vehicle = VehicleState(
            self._tick,
            self._stamp_ns,
            True,
            *self._vehicle.believed(),
            landed=self._landed,
            battery_share=self._battery.share,
            battery_v=self._battery.volts,
        )
        vehicle = faults.vehicle_state(self._faulty, vehicle)
        if self._tick % self._ticks_per_frame == 0:
            self._on_the_way.append(self._look(motion))
        shot = self._arrived()
        return SimOutput(shot.frame, shot.clean, shot.depth, vehicle, shot.truth, tuple(events))

    def _arrived(self) -> _Shot:
        """Return the picture that arrives in this tick, or an empty one."""
        delay_ns = round(self._config.camera.delay_s * NS_PER_S)
        way = self._on_the_way
        if way and way[0].stamp_ns + delay_ns <= self._stamp_ns:
            return way.popleft()
        return _Shot(self._stamp_ns)

    def _look(self, motion: Kinematics) -> _Shot:
        """Take a picture and measure the truth."""
        shot = self._camera.capture(motion)
        clean = StereoFrame(self._frames, self._stamp_ns, True, shot.left, shot.right)
        frame = self._image_faults.apply(self._pair.disturb(clean, shot.light, motion))
        truth = self._truth(motion, shot.inverse_depth)
        self._frames += 1
        self._in_contact = False
        return _Shot(self._stamp_ns, frame, clean, shot.inverse_depth, truth)

    def _truth(self, motion: Kinematics, inverse_depth: NDArray[np.float32]) -> Truth:
        return Truth(
            seq=self._frames,
            stamp_ns=self._stamp_ns,
            valid=True,
            position_m=motion.position_m,
            velocity_mps=motion.velocity_mps,
            attitude=motion.attitude,
            obstacle_m=self._obstacle_m(motion, inverse_depth),
            stereo_obstacle_m=math.nan,
            in_contact=self._in_contact,
            collisions=self._collisions,
        )

    def _obstacle_m(self, motion: Kinematics, inverse_depth: NDArray[np.float32]) -> float:
        if self._meter is None:
            return math.nan
        cells = grid_from_dense(inverse_depth, self._meter.grid)
        return self._meter.obstacle_m(cells, self.calibration.down_in_camera(motion.attitude))

    def _landing(self, motion: Kinematics) -> list[FlightEvent]:
        resting = math.hypot(*motion.velocity_mps) < _RESTING_MPS
        if self._landed or self._vehicle.motors_on or not resting:
            return []
        self._landed = True
        return [self._event("landed", "at rest on the floor", motion)]

    def _fault_changes(self, motion: Kinematics) -> list[FlightEvent]:
        before, now = self._faulty, faults.active(self._config.faults, self._stamp_ns)
        self._faulty = now
        changes = [(f, "begins") for f in now if f not in before]
        changes += [(f, "ends") for f in before if f not in now]
        return [self._event("fault", f"{f.kind} {f.where} {what}", motion) for f, what in changes]

    def _event(self, kind: str, detail: str, motion: Kinematics) -> FlightEvent:
        self._events += 1
        return FlightEvent(self._events - 1, self._stamp_ns, True, kind, detail, motion.position_m)


def _whole(ratio: float, name: str) -> int:
    if not math.isclose(ratio, round(ratio)) or round(ratio) < 1:
        raise ValueError(f"{name} = {ratio:g} must be a whole number")
    return round(ratio)


def _checked(command: VelocityCommand) -> VelocityCommand:
    """Return the command, or hover for an invalid one."""
    if not command.valid:
        return VelocityCommand(command.seq, command.stamp_ns, True, 0.0, 0.0, 0.0, 0.0)
    speeds = (command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps)
    if not all(map(math.isfinite, speeds)):
        raise ValueError(f"command not finite: {command}")
    return command
