"""Reads `sensor.yaml` files: the model of an eye, and where a sensor sits in its unit.

The keys are those of the EuRoC data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drone.errors import UserError
from drone.geometry import Intrinsics, Matrix
from drone.onboard import keyed
from drone.onboard.calibration import CameraModel, is_rigid
from drone.onboard.keyed import KeyedFile


@dataclass(frozen=True, slots=True, eq=False)
class SensorCamera:
    """One eye as its file says.

    Attributes:
        model: raw pinhole and distortion.
        mount: (4, 4) rigid transform, unit's body from optical, m (`T_BS`).
    """

    model: CameraModel
    mount: Matrix


def read_camera(path: Path) -> SensorCamera:
    """Return the eye that a `sensor.yaml` describes.

    Raises:
        UserError: no such file, not YAML, a key missing or its value unfit, or another camera or
            distortion model than pinhole and radial-tangential.
    """
    return camera_from(_read(path))


def camera_from(sensor: KeyedFile) -> SensorCamera:
    """Return the eye that the keys of a `sensor.yaml` describe; raises as `read_camera`."""
    sensor.expect("camera_model", "pinhole")
    sensor.expect("distortion_model", "radial-tangential")
    width, height = (int(n) for n in sensor.numbers("resolution", 2))
    fx, fy, cx, cy = sensor.numbers("intrinsics", 4)
    distortion = sensor.numbers("distortion_coefficients", 4, 5)
    try:
        model = CameraModel(Intrinsics(width, height, fx, fy, cx, cy), distortion)
    except ValueError as error:
        raise UserError(f"{sensor.path}: {error}") from error
    return SensorCamera(model, _mount(sensor))


def read_mount(path: Path) -> Matrix:
    """Return where a sensor sits: (4, 4) rigid transform, unit's body from sensor, m (`T_BS`).

    Raises:
        UserError: as `read_camera`.
    """
    return _mount(_read(path))


def read_text(path: Path) -> str:
    """Return a text file's contents.

    Raises:
        UserError: no such file, or no such text.
    """
    return keyed.read_text(path, ", and the EuRoC layout needs it")


def _mount(sensor: KeyedFile) -> Matrix:
    mount = sensor.matrix("T_BS", 4, 4)
    if not is_rigid(mount):
        raise UserError(
            f"{sensor.path}: T_BS is not a rigid transform (rotation and translation, 4 x 4)"
        )
    return mount


def _read(path: Path) -> KeyedFile:
    return keyed.parse_yaml(path, read_text(path))
