"""Labelled pictures of generated rooms, to pre-train the network on.

    seed ─► room, size, light, field of view ─► free poses ─► stereo pairs ─► labels of both eyes

The poses are drawn all over the room, not flown, so that no two pictures are neighbours. The labels
are stereo's, as in flight: truth is not asked. One file per room; a room that has its file is not
made again. The seeds begin at 10,000: no test and no flight uses them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import Config, load
from drone.geometry import DistanceMeter, GridSpec, quaternion_from_euler
from drone.messages import StereoFrame
from drone.onboard.labels import Labeller
from drone.onboard.stereo import StereoMatcher
from drone.sim.cameras import StereoCamera, calibration_of
from drone.sim.furnish import room_of
from drone.sim.rigidbody import Kinematics
from drone.sim.room import Pose, Room
from drone.sim.world import World
from training.networks import tangents

LEAST_SEED = 10_000
_STREAM = 31
_DIFFICULTIES = {"mixed": 0.5, "cluttered": 0.2, "textured": 0.15, "plain": 0.1, "corridor": 0.05}
_CLEARANCE_M = 0.3
"""The hull's half width and a little: a drone can be so near to things, but no nearer."""
_TILT_DEG = 6.0
"""Standard deviation of roll and pitch."""
_HEIGHT_M = (0.7, 1.4)
_STILL = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Pictures of one room, left eyes before right ones.

    Attributes:
        image: (N, H, W) uint8.
        inverse_depth: (N, rows, cols) float32, 1/m, NaN where unknown.
        confidence: (N, rows, cols) float32, 0-1, 0 where unknown.
        obstacle_m: (N,) float32, m, NaN where unknown.
        tangents: (2, rows, cols) float32, row and column of each cell as tangents of its ray.
    """

    image: NDArray[np.uint8]
    inverse_depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    obstacle_m: NDArray[np.float32]
    tangents: NDArray[np.float32]

    def save(self, file: Path) -> None:
        """Write a compressed file, whole or not at all."""
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.savez_compressed(
                out,
                image=self.image,
                inverse_depth=self.inverse_depth.astype(np.float16),
                confidence=self.confidence.astype(np.float16),
                obstacle_m=self.obstacle_m,
                tangents=self.tangents,
            )
        os.replace(part, file)

    @classmethod
    def load(cls, file: Path) -> Sightings:
        """Read one file back."""
        with np.load(file, allow_pickle=False) as found:
            return cls(
                found["image"],
                found["inverse_depth"].astype(np.float32),
                found["confidence"].astype(np.float32),
                found["obstacle_m"],
                found["tangents"],
            )


def sightings(seed: int, count: int) -> Sightings:
    """Return what stereo sees from random free poses of the room that a seed names.

    Args:
        seed: of room, camera and poses, at least `LEAST_SEED`.
        count: poses; poses without a valid label are left out.
    """
    if seed < LEAST_SEED:
        raise ValueError(f"seed {seed}: pre-training begins at {LEAST_SEED}")
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, _STREAM])
    config = _config(rng)
    calibration = calibration_of(config.sim.camera)
    meter = DistanceMeter(calibration.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    matcher = StereoMatcher(config.pilot.stereo, calibration)
    labeller = Labeller(config.pilot.labels, meter, calibration.disparity_metres)
    room = room_of(config.sim.room, seed)
    found: list[tuple[Any, ...]] = []
    with World(room) as world:
        camera = StereoCamera(world, config.sim.camera, rng)
        for seq in range(count):
            motion = _anywhere(room, rng)
            left, right, *_ = camera.capture(motion)
            assert right is not None
            down = calibration.down_in_camera(motion.attitude)
            frame = StereoFrame(seq, seq, True, left, right)
            label = labeller.label(frame, matcher.match(left, right), down)
            if not label.valid or label.right_inverse_depth is None:
                continue
            right_m = meter.obstacle_m(label.right_inverse_depth, down)
            found.append((left, label.inverse_depth, label.confidence, label.obstacle_m))
            found.append((right, label.right_inverse_depth, label.right_confidence, right_m))
    return _stacked(found[::2] + found[1::2], meter)


def _stacked(found: list[tuple[Any, ...]], meter: DistanceMeter) -> Sightings:
    grid: GridSpec = meter.grid
    if not found:
        size = (0, meter.camera.height, meter.camera.width)
        empty = np.zeros((0, grid.rows, grid.cols), np.float32)
        return Sightings(
            np.zeros(size, np.uint8), empty, empty, np.zeros(0, np.float32), _tangents(meter)
        )
    image, inverse_depth, confidence, obstacle_m = zip(*found, strict=True)
    return Sightings(
        np.stack(image),
        np.stack(inverse_depth),
        np.stack(confidence),
        np.array(obstacle_m, np.float32),
        _tangents(meter),
    )


def _tangents(meter: DistanceMeter) -> NDArray[np.float32]:
    return np.asarray(tangents(meter.grid, meter.camera).numpy(), np.float32)


def _config(rng: np.random.Generator) -> Config:
    """Return a room's and a camera's configuration, drawn widely."""
    difficulty = str(rng.choice(list(_DIFFICULTIES), p=list(_DIFFICULTIES.values())))
    overrides = [
        f'sim.room.difficulty="{difficulty}"',
        f"sim.camera.hfov_deg={rng.uniform(58, 86):.2f}",
        f"sim.camera.exposure={rng.uniform(0.7, 1.25):.3f}",
    ]
    if difficulty != "corridor":
        overrides += [
            f"sim.room.{side}={rng.uniform(4, 7):.2f}" for side in ("length_m", "width_m")
        ]
        overrides.append(f"sim.room.height_m={rng.uniform(2.3, 3.2):.2f}")
    return load(None, overrides)


def _anywhere(room: Room, rng: np.random.Generator) -> Kinematics:
    """Return a still vehicle somewhere in the room where it touches nothing."""
    half = room.length_m / 2, room.width_m / 2
    while True:
        north, east, turn = rng.uniform(-1, 1, 3)
        pose = Pose(float(north * half[0]), float(east * half[1]), float(turn * math.pi))
        if room.clearance_m(pose.north_m, pose.east_m) >= _CLEARANCE_M:
            break
    roll, pitch = (float(a) for a in np.radians(np.clip(rng.normal(0, _TILT_DEG, 2), -20, 20)))
    height_m = float(rng.uniform(*_HEIGHT_M))
    attitude = quaternion_from_euler(roll, pitch, pose.yaw_rad)
    return Kinematics((pose.north_m, pose.east_m, -height_m), _STILL, attitude, _STILL)
