"""The calibration formats of others: Kalibr, ROS `camera_info`, EuRoC, OpenCV's FileStorage.

Each function takes parsed files and returns a `RawStereoCalibration`; what is not in the file is
said to be missing, never guessed. `right_from_left` turns left optical coordinates into right ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from drone.errors import UserError
from drone.geometry import Intrinsics, Matrix
from drone.onboard.calibration import (
    DISTORTION_COUNTS,
    CameraModel,
    Lens,
    RawStereoCalibration,
    body_from_unit,
    inverse_rigid,
    is_rigid,
    rigid,
)
from drone.onboard.keyed import KeyedFile
from drone.onboard.sensor_yaml import camera_from

OPENCV_NAMES: Mapping[str, tuple[str, ...]] = {
    "left matrix": ("M1", "K1", "cameraMatrix1", "cameraMatrixLeft", "cameraMatrixL"),
    "left distortion": ("D1", "distCoeffs1", "distCoeffsLeft", "distCoeffsL"),
    "right matrix": ("M2", "K2", "cameraMatrix2", "cameraMatrixRight", "cameraMatrixR"),
    "right distortion": ("D2", "distCoeffs2", "distCoeffsRight", "distCoeffsR"),
    "rotation": ("R",),
    "translation": ("T",),
}
"""What an OpenCV file must hold -> the keys under which it is looked for."""
_ROS_LENSES = {
    "plumb_bob": Lens.RADTAN,
    "rational_polynomial": Lens.RADTAN,
    "equidistant": Lens.EQUIDISTANT,
    "fisheye": Lens.EQUIDISTANT,
}
_KALIBR_LENSES = {"radtan": Lens.RADTAN, "equidistant": Lens.EQUIDISTANT, "none": Lens.RADTAN}


# Kalibr


def from_kalibr(chain: KeyedFile) -> RawStereoCalibration:
    """Return the first two cameras of a Kalibr chain; cam0 is the left eye.

    With `T_cam_imu` the body's origin is the IMU, and the body is level when the axis of the IMU
    that is nearest to the image's down points down; without it the left eye is the body.

    Raises:
        UserError: a key missing or unfit, or a camera or lens model that is not supported.
        ValueError: the eyes do not make a stereo pair.
    """
    left, right = chain.inside("cam0"), chain.inside("cam1")
    right_from_left = _transform(right, "T_cn_cnm1")
    eyes = _kalibr_eye(left), _kalibr_eye(right)
    if "T_cam_imu" not in left:
        return RawStereoCalibration.from_pair(*eyes, right_from_left)
    imu_from_left = inverse_rigid(_transform(left, "T_cam_imu"))
    mount = rigid(body_from_unit(imu_from_left)) @ imu_from_left
    return RawStereoCalibration.from_pair(*eyes, right_from_left, mount)


def _kalibr_eye(camera: KeyedFile) -> CameraModel:
    camera.expect("camera_model", "pinhole")
    model = camera.expect("distortion_model", *_KALIBR_LENSES)
    lens = _KALIBR_LENSES[model]
    width, height = (int(n) for n in camera.numbers("resolution", 2))
    pinhole = Intrinsics(width, height, *camera.numbers("intrinsics", 4))
    none = (0.0, 0.0, 0.0, 0.0)
    return CameraModel(
        pinhole, none if model == "none" else camera.numbers("distortion_coeffs", 4), lens
    )


def _transform(file: KeyedFile, key: str) -> Matrix:
    transform = file.matrix(key, 4, 4)
    if not is_rigid(transform):
        raise UserError(
            f"{file.path}: {file.section}{key} is not a rigid transform "
            "(rotation and translation, 4 x 4)"
        )
    return transform


# ROS


def is_ros(file: KeyedFile) -> bool:
    """Return whether a file is a `camera_info`, as the calibrator saves it or as a message."""
    return "projection_matrix" in file or bool({"P", "p"} & file.values.keys())


def from_ros(left: KeyedFile, right: KeyedFile) -> RawStereoCalibration:
    """Return the pair of two `camera_info` files.

    The files do not say where the eyes sit, but how they are rectified: `R` turns an eye into the
    rectified frame, and the right eye's `P[0, 3]` is -fx times the baseline in m.

    Raises:
        UserError: a key missing or unfit, or the two files are swapped.
        ValueError: the eyes do not make a stereo pair.
    """
    turns = [
        _rotation(file, _first(file, "rectification_matrix", "R", "r")) for file in (left, right)
    ]
    offsets_m = [_ros_offset_m(file) for file in (left, right)]
    if abs(offsets_m[0]) > 1e-9:
        raise UserError(
            f"{left.path}: its projection matrix has an offset of {offsets_m[0]:g} m, as the right "
            "eye's has; name the left eye's file first"
        )
    shift = np.array([offsets_m[1], 0.0, 0.0])
    right_from_left = rigid(turns[1].T @ turns[0], turns[1].T @ shift)
    return RawStereoCalibration.from_pair(_ros_eye(left), _ros_eye(right), right_from_left)


def _ros_eye(file: KeyedFile) -> CameraModel:
    key = _first(file, "distortion_model")
    lens = _ROS_LENSES[file.expect(key, *_ROS_LENSES)]
    k = file.matrix(_first(file, "camera_matrix", "K", "k"), 3, 3)
    size = (
        file.whole(_first(file, "image_width", "width")),
        file.whole(_first(file, "image_height", "height")),
    )
    distortion = _coefficients(file, _first(file, "distortion_coefficients", "D", "d"), lens)
    return CameraModel(_pinhole(k, *size), distortion, lens)


def _ros_offset_m(file: KeyedFile) -> float:
    projection = file.matrix(_first(file, "projection_matrix", "P", "p"), 3, 4)
    if projection[0, 0] <= 0:
        raise UserError(f"{file.path}: the projection matrix has no positive focal length")
    return float(projection[0, 3] / projection[0, 0])


# EuRoC


def from_sensors(left: KeyedFile, right: KeyedFile) -> RawStereoCalibration:
    """Return the pair of two `sensor.yaml` files; the body is level as in `body_from_unit`.

    Raises:
        UserError: a key missing or unfit, or a model that is not supported.
        ValueError: the eyes do not make a stereo pair.
    """
    eyes = camera_from(left), camera_from(right)
    body = rigid(body_from_unit(eyes[0].mount))
    return RawStereoCalibration(
        eyes[0].model, eyes[1].model, body @ eyes[0].mount, body @ eyes[1].mount
    )


# OpenCV


def is_opencv(file: KeyedFile) -> bool:
    """Return whether a file holds a camera matrix or a pair's relation under OpenCV's names."""
    keys = file.values.keys()
    return any(set(OPENCV_NAMES[what]) & keys for what in ("left matrix", "right matrix")) or (
        {"R", "T"} <= keys
    )


def from_opencv(
    files: Sequence[KeyedFile], size_px: tuple[int, int] | None = None
) -> RawStereoCalibration:
    """Return the pair of one FileStorage, or of one for the eyes and one for their relation.

    Raises:
        UserError: a matrix is missing or unfit, or nothing tells the size of the images.
        ValueError: the eyes do not make a stereo pair.
    """
    merged = KeyedFile(files[0].path, {k: v for f in files for k, v in f.values.items()})
    size = _opencv_size(merged) or size_px
    if size is None:
        raise UserError(
            f"{merged.path}: does not say how large the images were; add the lines "
            "image_width: and image_height: (px)"
        )
    eyes = _opencv_eye(merged, "left", size), _opencv_eye(merged, "right", size)
    rotation = _rotation(merged, _opencv_key(merged, "rotation"))
    translation = np.array(merged.numbers(_opencv_key(merged, "translation"), 3))
    return RawStereoCalibration.from_pair(*eyes, rigid(rotation, translation))


def _opencv_eye(file: KeyedFile, eye: str, size_px: tuple[int, int]) -> CameraModel:
    k = file.matrix(_opencv_key(file, f"{eye} matrix"), 3, 3)
    distortion = _coefficients(file, _opencv_key(file, f"{eye} distortion"), Lens.RADTAN)
    return CameraModel(_pinhole(k, *size_px), distortion)


def _opencv_size(file: KeyedFile) -> tuple[int, int] | None:
    for key in ("imageSize", "image_size", "size"):
        if key in file:
            width, height = (int(n) for n in file.numbers(key, 2))
            return width, height
    names = (("image_width", "image_height"), ("image_Width", "image_Height"), ("width", "height"))
    for wide, high in names:
        if wide in file and high in file:
            return file.whole(wide), file.whole(high)
    return None


def _opencv_key(file: KeyedFile, what: str) -> str:
    return _first(file, *OPENCV_NAMES[what])


# What several of them share


def _first(file: KeyedFile, *names: str) -> str:
    """Return the first of the names that the file has."""
    for name in names:
        if name in file:
            return name
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    raise UserError(f"{file.path}: the key {names[0]!r}{others} is missing")


def _pinhole(k: Matrix, width: int, height: int) -> Intrinsics:
    return Intrinsics(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))


def _rotation(file: KeyedFile, key: str) -> Matrix:
    rotation = file.matrix(key, 3, 3)
    if not is_rigid(rigid(rotation)):
        raise UserError(f"{file.path}: {file.section}{key} is not a rotation (3 x 3)")
    return rotation


def _coefficients(file: KeyedFile, key: str, lens: Lens) -> tuple[float, ...]:
    """Return the coefficients; zeros after the last that the lens has are left out.

    Raises:
        UserError: there are others than a lens may have.
    """
    numbers = file.numbers(key, 4, 5, 8, 12, 14)
    most = max(DISTORTION_COUNTS[lens])
    if any(numbers[most:]):
        raise UserError(
            f"{file.path}: {key} has {len(numbers)} coefficients (thin prism or tilt); "
            f"supported are {' or '.join(map(str, DISTORTION_COUNTS[lens]))} of a {lens} lens"
        )
    return numbers[:most]
