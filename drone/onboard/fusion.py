"""What was seen a moment ago supports what is seen badly now.

    label of now ─────────────────────────────┬─► supported label
    label of a moment ago ─► moved along ─────┘         │
             ▲               with the vehicle           │ what it knows
             └──────────────────────────────────────────┘

A cell that is unknown now takes what a cell seen well a moment ago says, moved by the vehicle's
rotation and velocity; its confidence falls with each frame. A near cell where a moment ago all
around was much farther is refused once: a false match seldom comes twice, a thing does. After a
fast turn, a pause, or without a vehicle state, nothing is remembered: each frame then stands for
itself. The scene is taken to stand still. All of it is stereo's: mono never enters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.config import LabelConfig
from drone.geometry import DistanceMeter, Matrix, StereoCalibration, rotation_from_quaternion
from drone.messages import DistanceLabel, FloatGrid, Vector3, VehicleState
from drone.onboard.labels import Why

LEAST_DEPTH_M = 0.1
"""What has come nearer than this to the eye is forgotten."""
NEIGHBOURS = 6
"""Of the nine cells around, so many must have been seen for a near cell to be refused."""
SUPPORTABLE = (Why.DISAGREE, Why.PLAIN, Why.EDGE)
"""Why a cell may be unknown and yet be supported: not where light or range forbid an answer."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The supported label of a moment ago.

    Attributes:
        inverse_depth: (rows, cols) float32, 1/m, NaN where unknown.
        confidence: (rows, cols) float32.
        refused: (rows, cols): near cells that were refused.
        vehicle: when it was seen.
    """

    inverse_depth: FloatGrid
    confidence: FloatGrid
    refused: Mask
    vehicle: VehicleState
    stamp_ns: int


class TemporalFusion:
    """Supports labels of one camera; remembers one label."""

    def __init__(
        self, config: LabelConfig, meter: DistanceMeter, calibration: StereoCalibration
    ) -> None:
        self._config = config
        self._meter = meter
        self._calibration = calibration
        self._rays = meter.grid.rays(calibration.left).reshape(-1, 3)
        self._memory: Memory | None = None

    def support(
        self, label: DistanceLabel, vehicle: VehicleState | None, down: Vector3
    ) -> DistanceLabel:
        """Return the label with what a moment ago adds and refuses; remember the result.

        Args:
            label: of this frame; an invalid one is returned as it is, and ends the memory.
            vehicle: at this frame.
            down: unit vector along gravity in the left optical frame.
        """
        memory, self._memory = self._memory, None
        if not label.valid or label.reasons is None or not self._steady(vehicle):
            return label
        assert vehicle is not None
        refused = np.zeros(label.inverse_depth.shape, bool)
        if memory is not None and self._recent(memory, label):
            label, refused = self._fused(label, memory, vehicle, down)
        self._memory = Memory(
            label.inverse_depth, label.confidence, refused, vehicle, label.stamp_ns
        )
        return label

    def _steady(self, vehicle: VehicleState | None) -> bool:
        if vehicle is None or not vehicle.valid:
            return False
        numbers = (*vehicle.attitude, *vehicle.velocity_mps, *vehicle.rates_radps)
        turn = math.hypot(*vehicle.rates_radps)
        return all(map(math.isfinite, numbers)) and turn <= math.radians(
            self._config.remember_turn_degps
        )

    def _recent(self, memory: Memory, label: DistanceLabel) -> bool:
        return 0 < s_from_ns(label.stamp_ns - memory.stamp_ns) <= self._config.remember_s

    def _fused(
        self, label: DistanceLabel, memory: Memory, vehicle: VehicleState, down: Vector3
    ) -> tuple[DistanceLabel, Mask]:
        assert label.reasons is not None
        assert label.variance is not None
        expected, confidence = self._moved(memory, vehicle, label.stamp_ns)
        refused = self._contradicted(label, expected) & ~memory.refused
        filled = np.isin(label.reasons, SUPPORTABLE) & np.isfinite(expected)
        filled &= confidence >= self._config.remember_confidence
        if not (filled.any() or refused.any()):
            return label, refused
        decay = np.float32(self._config.remember_decay)
        spread = np.square(np.float32(self._config.cell_tolerance) * expected)
        changes = ((filled, expected, decay * confidence, spread, Why.REMEMBERED),
                   (refused, np.nan, 0.0, np.nan, Why.CONTRADICTED))  # fmt: skip
        grids = [label.inverse_depth, label.confidence, label.variance, label.reasons]
        for where, *values in changes:
            grids = [
                np.where(where, value, grid).astype(np.float32)
                for grid, value in zip(grids, values, strict=True)
            ]
        obstacle_m, sectors_m = self._meter.distances(grids[0], down)
        supported = replace(
            label,
            inverse_depth=grids[0],
            confidence=grids[1],
            variance=grids[2],
            reasons=grids[3],
            obstacle_m=obstacle_m,
            sectors_m=sectors_m,
        )
        return supported, refused

    def _contradicted(self, label: DistanceLabel, expected: FloatGrid) -> Mask:
        """Return the near cells around which a moment ago everything was much farther."""
        now = np.nan_to_num(label.inverse_depth)
        seen = np.isfinite(expected)
        around = cv2.dilate(np.where(seen, expected, 0).astype(np.float32), np.ones((3, 3)))
        count = cv2.boxFilter(
            seen.astype(np.float32), -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
        )
        near = now > 1 / self._config.refuse_below_m
        mask: Mask = near & (count >= NEIGHBOURS) & (now > self._config.refuse_ratio * around)
        return mask

    def _moved(
        self, memory: Memory, vehicle: VehicleState, stamp_ns: int
    ) -> tuple[FloatGrid, FloatGrid]:
        """Return what is expected now, and its confidence, (rows, cols) each.

        Where several cells meet, the nearest hides the others.
        """
        inverse = memory.inverse_depth.reshape(-1)
        known = np.flatnonzero(np.isfinite(inverse))
        points = self._rays[known] / inverse[known, None]
        points = points @ self._now_from_then(memory, vehicle).T
        points += self._shift_m(memory, vehicle, stamp_ns)
        grid, camera = self._meter.grid, self._calibration.left
        ahead = points[:, 2] > LEAST_DEPTH_M
        depth = np.where(ahead, points[:, 2], 1.0)
        column = (camera.fx * points[:, 0] / depth + camera.cx + 0.5) * grid.cols / camera.width
        row = (camera.fy * points[:, 1] / depth + camera.cy + 0.5) * grid.rows / camera.height
        ahead &= (column >= 0) & (column < grid.cols) & (row >= 0) & (row < grid.rows)
        nearest_last = np.flatnonzero(ahead)[np.argsort(-depth[ahead], kind="stable")]
        to = row[nearest_last].astype(int) * grid.cols + column[nearest_last].astype(int)
        expected, confidence = grid.unknown(), np.zeros((grid.rows, grid.cols), np.float32)
        expected.reshape(-1)[to] = 1 / depth[nearest_last]
        confidence.reshape(-1)[to] = memory.confidence.reshape(-1)[known[nearest_last]]
        return expected, confidence

    def _now_from_then(self, memory: Memory, vehicle: VehicleState) -> Matrix:
        """Return the (3, 3) rotation from the left optical frame of then into that of now."""
        return self._world_from_optical(vehicle).T @ self._world_from_optical(memory.vehicle)

    def _shift_m(self, memory: Memory, vehicle: VehicleState, stamp_ns: int) -> Matrix:
        """Return where the eye of then lies in the left optical frame of now, (3,), m."""
        then, now = (rotation_from_quaternion(v.attitude) for v in (memory.vehicle, vehicle))
        velocity = (np.array(memory.vehicle.velocity_mps) + np.array(vehicle.velocity_mps)) / 2
        mount = np.array(self._calibration.left_in_body_m)
        moved = velocity * s_from_ns(stamp_ns - memory.stamp_ns) + (now - then) @ mount
        shift: Matrix = -self._world_from_optical(vehicle).T @ moved
        return shift

    def _world_from_optical(self, vehicle: VehicleState) -> Matrix:
        rotation: Matrix = rotation_from_quaternion(vehicle.attitude) @ self._calibration.rotation
        return rotation
