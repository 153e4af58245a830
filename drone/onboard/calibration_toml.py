"""The calibration file of this project: one TOML in which every field is explained.

Distances are in metres. A board whose squares nobody measured gives the distance between the eyes
in squares; such a file is complete but for `square_mm`, and is refused until that is filled in.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drone.errors import UserError, WorkFailedError
from drone.geometry import (
    BODY_FROM_OPTICAL,
    Intrinsics,
    Matrix,
    euler_from_quaternion,
    quaternion_from_euler,
    quaternion_from_rotation,
    rotation_from_quaternion,
)
from drone.onboard.calibration import CameraModel, Lens, RawStereoCalibration, is_rigid, rigid
from drone.onboard.keyed import KeyedFile

FORMAT = "drone-stereo-calibration"
VERSION = 1
_EYE_KEYS = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "lens", "distortion")
_PAIR_KEYS = ("rotation", "translation_m", "translation_squares", "square_mm")
_MOUNT_KEYS = ("left_in_body_m", "roll_pitch_yaw_deg")


@dataclass(frozen=True, slots=True)
class CalibrationNotes:
    """What a file says beside the calibration itself.

    Attributes:
        made: what it was made from, and when; one line each.
        quality: name (with unit) -> figure, and what it means.
        in_squares: the translation is in board squares, not in metres.
    """

    made: tuple[str, ...] = ()
    quality: tuple[tuple[str, float, str], ...] = ()
    in_squares: bool = False


def write_calibration(
    path: Path, raw: RawStereoCalibration, notes: CalibrationNotes | None = None
) -> None:
    """Write a calibration, all or nothing.

    Raises:
        WorkFailedError: the file cannot be written.
    """
    text = to_toml(raw, notes or CalibrationNotes())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error


def to_toml(raw: RawStereoCalibration, notes: CalibrationNotes) -> str:
    """Return the text of a calibration file."""
    return "\n".join(
        [
            "# A stereo calibration. Optical frame: x right, y down, z forward. Body frame: x",
            "# forward, y right, z down. Pixel centres lie at whole numbers, (0, 0) is top left.",
            *(f"# {line}" for line in notes.made),
            f'format = "{FORMAT}"',
            f"version = {VERSION}",
            "# Names the numbers of [left], [right] and [pair]; checked when the file is read.",
            "# Delete this line if you change them by hand.",
            f'hash = "{raw.hash}"',
            "",
            "[left]",
            *_eye_lines(raw.left),
            "",
            "[right]",
            *_eye_lines(raw.right),
            "",
            "[pair]",
            *_pair_lines(raw, notes.in_squares),
            "",
            "[mount]",
            *_mount_lines(raw.body_from_left),
            "",
            *_quality_lines(notes),
        ]
    )


def from_toml(file: KeyedFile) -> RawStereoCalibration:
    """Return the calibration of a parsed file.

    Raises:
        UserError: another version, a key missing, unknown or unfit, an unknown length of the
            squares, or numbers that do not belong to the hash.
        ValueError: the eyes do not make a stereo pair.
    """
    if file.value("version") != VERSION:
        raise UserError(f"{file.path}: version {file.value('version')!r}; known is {VERSION}")
    eyes = _eye(file.inside("left")), _eye(file.inside("right"))
    pair, mount = file.inside("pair"), file.inside("mount")
    _only(pair, _PAIR_KEYS)
    rotation = pair.matrix("rotation", 3, 3)
    if not is_rigid(rigid(rotation)):
        raise UserError(f"{file.path}: pair.rotation is not a rotation (3 x 3)")
    translation, unit_m = _translation(pair)
    as_written = RawStereoCalibration.from_pair(*eyes, rigid(rotation, translation))
    if "hash" in file and file.value("hash") != as_written.hash:
        raise UserError(
            f"{file.path}: [left], [right] or [pair] was changed since the file was made; "
            "delete the line with the hash if that was meant"
        )
    return RawStereoCalibration.from_pair(
        *eyes, rigid(rotation, unit_m * translation), _mount(mount)
    )


# Writing


def _eye_lines(eye: CameraModel) -> Iterable[str]:
    p = eye.pinhole
    names = "k1, k2, k3, k4" if eye.lens is Lens.EQUIDISTANT else "k1, k2, p1, p2, k3, k4, k5, k6"
    return (
        "# Size of the raw image.",
        f"width_px = {p.width}",
        f"height_px = {p.height}",
        "# Focal lengths and principal point of the raw image.",
        *(f"{name}_px = {_number(getattr(p, name))}" for name in ("fx", "fy", "cx", "cy")),
        '# "radtan" (Brown-Conrady, also called plumb_bob) or "equidistant" (fisheye).',
        f'lens = "{eye.lens}"',
        f"# {names}, as many as there are, in OpenCV's order; no unit.",
        f"distortion = {_list(eye.distortion)}",
    )


def _pair_lines(raw: RawStereoCalibration, in_squares: bool) -> Iterable[str]:
    rotation, translation = raw.right_from_left[:3, :3], raw.right_from_left[:3, 3]
    yield "# A point p of the left optical frame is rotation p + translation in the right one."
    yield f"rotation = {_rows(rotation)}"
    if in_squares:
        yield "# In squares of the board. Measure one, and say how long its side is, in mm:"
        yield f"translation_squares = {_list(translation)}"
        yield "# square_mm = 25.0"
    else:
        yield f"translation_m = {_list(translation)}"


def _mount_lines(body_from_left: Matrix) -> Iterable[str]:
    turn = body_from_left[:3, :3] @ BODY_FROM_OPTICAL.T
    angles = euler_from_quaternion(quaternion_from_rotation(turn))
    return (
        "# Where the left eye sits in the body, and how it is turned against one that looks",
        "# straight ahead (yaw to the right, then pitch up, then roll clockwise). Yours to edit.",
        f"left_in_body_m = {_list(body_from_left[:3, 3])}",
        f"roll_pitch_yaw_deg = {_list([math.degrees(a) for a in angles])}",
    )


def _quality_lines(notes: CalibrationNotes) -> Iterable[str]:
    if notes.quality:
        yield "[quality]"
    for name, figure, meaning in notes.quality:
        yield f"# {meaning}"
        yield f"{name} = {_number(figure)}"
    yield ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value) + 0.0)


def _list(values: Iterable[float]) -> str:
    return f"[{', '.join(_number(v) for v in values)}]"


def _rows(matrix: Matrix) -> str:
    rows = ",\n".join(f"  {_list(row)}" for row in matrix)
    return f"[\n{rows},\n]"


# Reading


def _eye(file: KeyedFile) -> CameraModel:
    _only(file, _EYE_KEYS)
    size = file.whole("width_px"), file.whole("height_px")
    numbers = [_one(file, f"{name}_px") for name in ("fx", "fy", "cx", "cy")]
    lens = Lens(file.expect("lens", *Lens))
    try:
        return CameraModel(
            Intrinsics(*size, *numbers), file.numbers("distortion", *range(32)), lens
        )
    except ValueError as error:
        raise UserError(f"{file.path}: [{file.section.rstrip('.')}]: {error}") from error


def _translation(pair: KeyedFile) -> tuple[Matrix, float]:
    """Return the translation as written, and how long its unit is in m."""
    if "translation_m" in pair:
        return np.array(pair.numbers("translation_m", 3)), 1.0
    if "translation_squares" in pair and "square_mm" not in pair:
        raise UserError(
            f"{pair.path}: the distance of the eyes is known in board squares only; measure a "
            "square, and add its length under [pair] as square_mm (such as square_mm = 25.0)"
        )
    square_mm = _one(pair, "square_mm")
    if square_mm <= 0:
        raise UserError(f"{pair.path}: pair.square_mm must be more than 0, not {square_mm:g}")
    return np.array(pair.numbers("translation_squares", 3)), square_mm / 1000


def _mount(file: KeyedFile) -> Matrix:
    _only(file, _MOUNT_KEYS)
    roll, pitch, yaw = (math.radians(a) for a in file.numbers("roll_pitch_yaw_deg", 3))
    turn = rotation_from_quaternion(quaternion_from_euler(roll, pitch, yaw))
    return rigid(turn @ BODY_FROM_OPTICAL, np.array(file.numbers("left_in_body_m", 3)))


def _one(file: KeyedFile, key: str) -> float:
    value = file.value(key)
    wrapped = KeyedFile(file.path, {key: [value]}, file.section)
    return wrapped.numbers(key, 1)[0]


def _only(file: KeyedFile, known: tuple[str, ...]) -> None:
    unknown = [key for key in file.values if key not in known]
    if unknown:
        raise UserError(
            f"{file.path}: unknown key {file.section}{unknown[0]}; known are {', '.join(known)}"
        )
