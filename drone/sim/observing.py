"""From what the simulator hands out to what a Gymnasium environment shows its agent.

In: a `SimOutput`. Out: a dict of arrays within finite bounds. A Box must not hold NaN, so here,
and only here, an unknown value reads as a number, with a mask beside it that says so.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from drone.geometry import (
    DistanceMeter,
    StereoCalibration,
    euler_from_quaternion,
    grid_from_dense,
)
from drone.messages import Image, StereoFrame, VehicleState
from drone.sim.simulator import SimOutput

Observation = dict[str, NDArray[Any]]
SCALARS = (
    "height_m",
    "forward_mps",
    "right_mps",
    "down_mps",
    "roll_rad",
    "pitch_rad",
    "yaw_rate_radps",
)
_LOW = np.array([-1, -5, -5, -5, -math.pi, -math.pi / 2, -10], np.float32)
_HIGH = np.array([7, 5, 5, 5, math.pi, math.pi / 2, 10], np.float32)


class Observer:
    """Makes observations of one camera.

    State: the image that each eye delivered last, which a dropped one repeats, and the sectors of
    the last frame, until a late camera delivers the next.
    """

    def __init__(
        self, calibration: StereoCalibration, meter: DistanceMeter, images: dict[str, str]
    ) -> None:
        """Choose what is seen.

        Args:
            calibration: of the stereo pair.
            meter: measures the sectors.
            images: name in the observation -> eye (`left` or `right`).
        """
        self._calibration = calibration
        self._meter = meter
        self._images = images
        self.space = self._space()
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._last: dict[str, Image] = {}
        self._sectors = np.full(self._meter.corridor.sectors, math.nan, np.float32)

    @property
    def nearest_m(self) -> float:
        """Distance of the nearest thing in view; as far as is measured, where nothing is known."""
        return float(np.nanmin(self._sectors, initial=self._meter.corridor.far_m))

    def observe(self, output: SimOutput) -> Observation:
        """Return what the agent gets."""
        observation: Observation = {
            name: self._image(output.frame, eye)[:, :, None] for name, eye in self._images.items()
        }
        if output.true_inverse_depth is not None and output.truth is not None:
            cells = grid_from_dense(output.true_inverse_depth, self._meter.grid)
            down = self._calibration.down_in_camera(output.truth.attitude)
            self._sectors = np.array(self._meter.sectors_m(cells, down), np.float32)
        known = np.isfinite(self._sectors)
        values = _scalars(output.vehicle)
        told = np.isfinite(values)
        values[~told] = 0.0
        far_m = np.float32(self._meter.corridor.far_m)
        observation["sectors"] = np.where(known, self._sectors, far_m)
        observation["sectors_known"] = known.astype(np.int8)
        observation["scalars"] = np.clip(values, _LOW, _HIGH)
        observation["scalars_known"] = told.astype(np.int8)
        return observation

    def _image(self, frame: StereoFrame | None, eye: str) -> Image:
        """Return a copy of what an eye delivered, or delivered last; black before the first."""
        image: Image | None = None if frame is None else getattr(frame, eye)
        if image is None:
            camera = self._calibration.left
            image = self._last.get(eye, np.zeros((camera.height, camera.width), np.uint8))
        self._last[eye] = image
        return image.copy()

    def _space(self) -> spaces.Space[Observation]:
        camera, corridor = self._calibration.left, self._meter.corridor
        shape = (camera.height, camera.width, 1)
        parts: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(0, 255, shape, np.uint8) for name in self._images
        }
        parts["sectors"] = spaces.Box(0.0, corridor.far_m, (corridor.sectors,), np.float32)
        parts["sectors_known"] = spaces.MultiBinary(corridor.sectors)
        parts["scalars"] = spaces.Box(_LOW, _HIGH, dtype=np.float32)
        parts["scalars_known"] = spaces.MultiBinary(len(SCALARS))
        return cast("spaces.Space[Observation]", spaces.Dict(parts))


def _scalars(vehicle: VehicleState) -> NDArray[np.float32]:
    """Return `SCALARS` of what the vehicle says of itself, NaN where it does not know."""
    roll, pitch, yaw = euler_from_quaternion(vehicle.attitude)
    north, east, down = vehicle.velocity_mps
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array(
        [
            -vehicle.position_m[2],
            c * north + s * east,
            c * east - s * north,
            down,
            roll,
            pitch,
            vehicle.rates_radps[2],
        ],
        np.float32,
    )
