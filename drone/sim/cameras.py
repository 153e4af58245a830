"""The simulated stereo pair: pinhole projection, depth, lens, grey image, sensor.

In: a `World` and the body's motion. Out: two grey images and the true inverse depth of the left
one. Pixel centres lie at whole numbers (OpenCV). The pair is rigid to the body, in roll and pitch
too; each eye may sit off its nominal place, which the pilot's calibration does not know unless
asked for.

```
 scene ─► drawn (pinhole, motion blur) ─► lens ─► light on the sensor ─► sensor ─► raw ─► rectified
            └─► inverse depth of the left eye                           (drone.sim.sensor)
```

The lens (`drone.sim.optics`) and the rectifier are passed over where there is neither distortion
nor `calibration = "true"`: raw is then what arrives.

Renderers sample a pixel at different places (`World.pixel_middle`): TinyRenderer (column i, row j
from below) at i and j of the viewport, EGL at i + 1/2 and j + 1/2; `projection_matrix` makes up
for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import CameraConfig
from drone.config.camera import EyeOffsetConfig
from drone.geometry import (
    BODY_FROM_OPTICAL,
    Intrinsics,
    Matrix,
    StereoCalibration,
    optical_rotation,
    rotation_from_quaternion,
)
from drone.messages import Image
from drone.sim.optics import Optics
from drone.sim.sensor import Sensor, SensorNoise
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

NEAR_M = 0.05
"""Nearer than anything can come to an eye: the hull's front is 14 cm ahead of it."""
FAR_M = 40.0
"""Farther than the diagonal of the largest room."""


class StereoCapture(NamedTuple):
    """What the pair sees at one moment.

    Attributes:
        left: (H, W) uint8.
        right: (H, W) uint8; None where only the left eye is drawn.
        inverse_depth: (H, W) float32, 1/m along the left optical axis, without noise.
        light: what fell on the left and on the right sensor, (H, W) uint8, without noise.
    """

    left: Image
    right: Image | None
    inverse_depth: NDArray[np.float32]
    light: tuple[Image, Image | None]


@dataclass(frozen=True, eq=False)
class Eye:
    """Where one eye truly sits.

    Attributes:
        body_from_optical: (3, 3).
        in_body_m: (3,) position in the body (FRD).
    """

    body_from_optical: Matrix
    in_body_m: Matrix


def intrinsics_of(config: CameraConfig) -> Intrinsics:
    """Return the pinhole of both eyes."""
    width, height, given = config.width_px, config.height_px, config.intrinsics
    if given is None:
        return Intrinsics.from_hfov(width, height, math.radians(config.hfov_deg))
    return Intrinsics(
        width,
        height,
        given.fx_px,
        given.fx_px if given.fy_px is None else given.fy_px,
        (width - 1) / 2 if given.cx_px is None else given.cx_px,
        (height - 1) / 2 if given.cy_px is None else given.cy_px,
    )


def eyes_of(config: CameraConfig) -> tuple[Eye, Eye]:
    """Return where the left and the right eye truly sit."""
    mount = BODY_FROM_OPTICAL @ optical_rotation(0.0, config.pitch_deg, 0.0)
    middle = np.array([config.forward_m, config.right_m, config.down_m])
    half = np.array([0.0, config.baseline_m / 2, 0.0])
    return (
        _moved(Eye(mount, middle - half), config.left_off),
        _moved(Eye(mount, middle + half), config.right_off),
    )


def calibration_of(config: CameraConfig) -> StereoCalibration:
    """Return the calibration that the pilot gets.

    Nominal: both eyes look straight ahead along the mount. True: that of the images rectified by
    where the eyes truly sit; their x axis is the true baseline, they look as nearly as that allows
    along the mount, and their centre is the left eye's.
    """
    if config.calibration == "nominal":
        unmoved = config.model_copy(
            update={"left_off": EyeOffsetConfig(), "right_off": EyeOffsetConfig()}
        )
        left, right = eyes_of(unmoved)
        rotation = left.body_from_optical
    else:
        left, right = eyes_of(config)
        rotation = _along_baseline(config, right.in_body_m - left.in_body_m)
    north, east, down = (float(x) for x in left.in_body_m)
    return StereoCalibration(
        left=intrinsics_of(config),
        baseline_m=float(np.linalg.norm(right.in_body_m - left.in_body_m)),
        body_from_left=tuple(float(x) for x in rotation.ravel()),
        left_in_body_m=(north, east, down),
    )


def _moved(eye: Eye, off: EyeOffsetConfig) -> Eye:
    step_m = np.array([off.right_m, off.down_m, off.forward_m])
    turn = optical_rotation(off.roll_deg, off.pitch_deg, off.yaw_deg)
    place = eye.in_body_m + eye.body_from_optical @ step_m
    return Eye(eye.body_from_optical @ turn, place)


def _along_baseline(config: CameraConfig, baseline: Matrix) -> Matrix:
    """Return body from optical, (3, 3), with x along the baseline and z near the mount's."""
    x = baseline / np.linalg.norm(baseline)
    y = np.cross(BODY_FROM_OPTICAL @ optical_rotation(0.0, config.pitch_deg, 0.0)[:, 2], x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def projection_matrix(camera: Intrinsics, pixel_middle: float = 0.0) -> list[float]:
    """Return OpenGL's projection matrix, 16 numbers, column by column.

    Args:
        camera: the pinhole.
        pixel_middle: where within a pixel the renderer samples (`World.pixel_middle`).
    """
    m = np.zeros((4, 4))
    m[0, 0] = 2 * camera.fx / camera.width
    m[1, 1] = 2 * camera.fy / camera.height
    # Column i is sampled at i + middle, so that i = cx must land at 2 (cx + middle) / W - 1 (and
    # likewise for rows, which count from below: row v is H - 1 - v).
    m[0, 2] = 1 - 2 * (camera.cx + pixel_middle) / camera.width
    m[1, 2] = 2 * (camera.cy + 1 - pixel_middle) / camera.height - 1
    m[2, 2] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    m[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    m[3, 2] = -1
    return [float(x) for x in m.T.ravel()]


def view_matrix(world_from_optical: Matrix, position_m: NDArray[np.float64]) -> list[float]:
    """Return OpenGL's view matrix, 16 numbers, column by column.

    Args:
        world_from_optical: (3, 3).
        position_m: of the eye, (3,), world.
    """
    # In plain floats: twice a frame, NumPy's calls would cost more than the numbers.
    (a, b, c), (d, e, f), (g, h, i) = world_from_optical.tolist()
    x, y, z = position_m.tolist()
    # OpenGL's camera has y up and z backward.
    return [
        *(a, -b, -c, 0.0),
        *(d, -e, -f, 0.0),
        *(g, -h, -i, 0.0),
        *(-(a * x + d * y + g * z), b * x + e * y + h * z, c * x + f * y + i * z, 1.0),
    ]


def inverse_depth(z_buffer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse depth along the axis, 1/m, of a z-buffer: it is linear in it."""
    return np.float32(1 / NEAR_M) - z_buffer * np.float32(1 / NEAR_M - 1 / FAR_M)


class StereoCamera:
    """The pair, mounted on the body.

    State: the exposure and the noise's random stream.
    """

    def __init__(self, world: World, config: CameraConfig, rng: np.random.Generator) -> None:
        """Mount the pair.

        Args:
            world: what is seen.
            config: the camera's.
            rng: source of the sensor noise, kept.

        Raises:
            UserError: the lens has no inverse.
        """
        self.calibration = calibration_of(config)
        self._world = world
        self._config = config
        self._eyes = eyes_of(config)
        camera = self.calibration.left
        self._optics = _optics_of(config, self._eyes, self.calibration)
        self._drawn = camera if self._optics is None else self._optics[0].drawn
        self._size = (self._drawn.width, self._drawn.height)
        self._projection = projection_matrix(self._drawn, world.pixel_middle)
        self._sensor = Sensor(config, camera.width, camera.height)
        self._noise = self.noise(rng)

    @property
    def exposure(self) -> float:
        """Of the next picture: grey levels over the renderer's."""
        return self._sensor.exposure

    def noise(self, rng: np.random.Generator) -> SensorNoise:
        """Return this camera's sensor noise from another random stream."""
        return SensorNoise(self._config.noise_levels, rng, self._config.shot_noise_levels)

    def capture(self, motion: Kinematics) -> StereoCapture:
        """Take one stereo picture where the body is, while it moves as it does."""
        left, z_buffer = self._look(0, motion, None)
        right = self._look(1, motion, None)[0] if self._config.eyes == "pair" else None
        if self._config.calibration == "true":
            z_buffer = self._rectified_z_buffer(motion)
        images = (
            self.develop(0, left, self._noise),
            None if right is None else self.develop(1, right, self._noise),
        )
        self._sensor.meter(left, 1 / self._config.rate_hz)
        return StereoCapture(*images, inverse_depth(z_buffer), (left, right))

    def look(self, eye: int, motion: Kinematics, turn: Matrix | None) -> Image:
        """Return the light that falls on one eye's sensor, (H, W) uint8.

        Args:
            eye: 0 left, 1 right.
            motion: of the body.
            turn: (3, 3) from the eye, knocked out of place, to where it was; None: in place.
        """
        return self._look(eye, motion, turn)[0]

    def develop(self, eye: int, light: Image, noise: SensorNoise) -> Image:
        """Return the image that an eye delivers, (H, W) uint8: read out and rectified.

        Args:
            eye: 0 left, 1 right.
            light: on the sensor.
            noise: of the sensor.
        """
        raw = self._sensor.read_out(light, noise)
        return raw if self._optics is None else self._optics[eye].rectified(raw)

    def bare_pair(self, motion: Kinematics) -> list[Callable[[], object]]:
        """Return the two bare calls of the renderer that draw both eyes: the floor of `capture`."""
        return [
            self._world.bare_call(self._view(eye, motion, None), self._projection, self._size)
            for eye in (0, 1)
        ]

    def _look(
        self, eye: int, motion: Kinematics, turn: Matrix | None
    ) -> tuple[Image, NDArray[np.float32]]:
        """Return the light on a sensor and the undistorted eye's z-buffer."""
        drawn, z_buffer = self._draw(eye, motion, turn)
        if self._optics is None:
            return drawn, z_buffer
        optics = self._optics[eye]
        return optics.raw(drawn), optics.cropped(z_buffer)

    def _draw(
        self, eye: int, motion: Kinematics, turn: Matrix | None
    ) -> tuple[Image, NDArray[np.float32]]:
        """Draw a picture, or average several over the time that the shutter is open."""
        shutter_s, samples = self._config.shutter_s, self._config.shutter_samples
        if not shutter_s:
            return self._render(self._view(eye, motion, turn))
        total = np.zeros((self._drawn.height, self._drawn.width), np.float32)
        # Each sample stands for the middle of its share of the time.
        for k in range(samples):
            late_s = shutter_s * ((k + 0.5) / samples - 0.5)
            grey, z_buffer = self._render(self._view(eye, motion, turn, late_s))
            total += grey
            if 2 * k + 1 == samples:
                middle = z_buffer
        return np.rint(total / samples).astype(np.uint8), middle

    def _view(
        self, eye: int, motion: Kinematics, turn: Matrix | None, late_s: float = 0.0
    ) -> list[float]:
        """Return the view matrix of an eye, some time before or after the moment of the motion."""
        position, world_from_body = _pose(motion, late_s)
        place = self._eyes[eye]
        rotation = world_from_body @ place.body_from_optical
        return view_matrix(
            rotation if turn is None else rotation @ turn,
            position + world_from_body @ place.in_body_m,
        )

    def _rectified_z_buffer(self, motion: Kinematics) -> NDArray[np.float32]:
        """Return the z-buffer of the rectified left eye."""
        position, world_from_body = _pose(motion, 0.0)
        calibration = self.calibration
        view = view_matrix(
            world_from_body @ calibration.rotation,
            position + world_from_body @ np.array(calibration.left_in_body_m),
        )
        camera = calibration.left
        projection = projection_matrix(camera, self._world.pixel_middle)
        return self._world.render(view, projection, (camera.width, camera.height)).z_buffer

    def _render(self, view: list[float]) -> tuple[Image, NDArray[np.float32]]:
        """Draw one eye: grey, and its z-buffer."""
        picture = self._world.render(view, self._projection, self._size)
        grey = np.asarray(cv2.cvtColor(picture.rgba, cv2.COLOR_RGBA2GRAY), np.uint8)
        return grey, picture.z_buffer


def _pose(motion: Kinematics, late_s: float) -> tuple[Matrix, Matrix]:
    """Return position (3,) and world from body (3, 3), with velocity and rates held."""
    position, rotation = np.array(motion.position_m), rotation_from_quaternion(motion.attitude)
    if late_s:
        position = position + late_s * np.array(motion.velocity_mps)
        rotation = rotation @ cv2.Rodrigues(late_s * np.array(motion.rates_radps))[0]
    return position, rotation


def _optics_of(
    config: CameraConfig, eyes: tuple[Eye, Eye], calibration: StereoCalibration
) -> tuple[Optics, Optics] | None:
    """Return lens and rectifier of each eye; None where there is nothing to do."""
    true = config.calibration == "true"
    if not true and not any(config.distortion):
        return None
    left, right = (
        Optics(
            calibration.left,
            config.distortion,
            calibration.rotation.T @ eye.body_from_optical if true else np.eye(3),
        )
        for eye in eyes
    )
    return left, right
