"""Reads `sensor.yaml` files: the model of an eye, and where a sensor sits in its unit.

The keys are those of the EuRoC data sets, the syntax is YAML with the habits of OpenCV: a first
line `%YAML:1.0`, matrices with the tag `!!opencv-matrix`, numbers such as `1e-05`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from drone.errors import UserError
from drone.geometry import Intrinsics, Matrix
from drone.onboard.calibration import DISTORTION_COUNTS, CameraModel, is_rigid


@dataclass(frozen=True, slots=True, eq=False)
class SensorCamera:
    """One eye as its file says.

    Attributes:
        model: raw pinhole and distortion.
        mount: (4, 4) rigid transform, unit's body from optical, m (`T_BS`).
    """

    model: CameraModel
    mount: Matrix


class _Loader(yaml.SafeLoader):
    """YAML as OpenCV writes it: matrices carry the tag `!!opencv-matrix`."""


def _matrix_node(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix_node)


@dataclass(frozen=True, slots=True)
class _SensorFile:
    """The keys and values of one file; every complaint names the file."""

    path: Path
    values: dict[Any, Any]

    def value(self, key: str) -> Any:
        if key not in self.values:
            raise UserError(f"{self.path}: the key {key!r} is missing")
        return self.values[key]

    def expect(self, key: str, supported: str) -> None:
        found = self.value(key)
        if found != supported:
            raise UserError(
                f"{self.path}: {key} {found!r} is not supported; supported is {supported!r}"
            )

    def numbers(self, key: str, *counts: int) -> tuple[float, ...]:
        found = self.value(key)
        if isinstance(found, dict):
            found = found.get("data")
        try:
            numbers = tuple(float(n) for n in found)  # YAML 1.1 takes 1e-05 for text
        except (TypeError, ValueError, OverflowError):
            numbers = ()
        if len(numbers) not in counts or not all(math.isfinite(n) for n in numbers):
            expected = " or ".join(str(n) for n in counts)
            raise UserError(
                f"{self.path}: {key} must be a list of {expected} finite numbers, not {found!r}"
            )
        return numbers

    def mount(self) -> Matrix:
        mount = np.array(self.numbers("T_BS", 16)).reshape(4, 4)
        if not is_rigid(mount):
            raise UserError(
                f"{self.path}: T_BS is not a rigid transform (rotation and translation, 4 x 4)"
            )
        return mount


def read_camera(path: Path) -> SensorCamera:
    """Return the eye that a `sensor.yaml` describes.

    Raises:
        UserError: no such file, not YAML, a key missing or its value unfit, or another camera or
            distortion model than pinhole and radial-tangential.
    """
    sensor = _read(path)
    sensor.expect("camera_model", "pinhole")
    sensor.expect("distortion_model", "radial-tangential")
    width, height = (int(n) for n in sensor.numbers("resolution", 2))
    fx, fy, cx, cy = sensor.numbers("intrinsics", 4)
    distortion = sensor.numbers("distortion_coefficients", *DISTORTION_COUNTS)
    try:
        model = CameraModel(Intrinsics(width, height, fx, fy, cx, cy), distortion)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return SensorCamera(model, sensor.mount())


def read_mount(path: Path) -> Matrix:
    """Return where a sensor sits: (4, 4) rigid transform, unit's body from sensor, m (`T_BS`).

    Raises:
        UserError: as `read_camera`.
    """
    return _read(path).mount()


def read_text(path: Path) -> str:
    """Return a text file's contents.

    Raises:
        UserError: no such file, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file, and the EuRoC layout needs it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def _read(path: Path) -> _SensorFile:
    lines = read_text(path).splitlines()
    text = "\n".join("" if line.startswith("%") else line for line in lines)
    try:
        found = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "unreadable characters"
        raise UserError(f"{where}: not YAML ({problem})") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: no keys and values, as a sensor.yaml must have")
    return _SensorFile(path, found)
