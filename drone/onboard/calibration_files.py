"""Reads a stereo calibration from whatever file a user has.

In: one path, or the two files of a pair. Out: a `RawStereoCalibration` in metres. Known are

* the TOML file of `drone calibrate` (`drone.onboard.calibration_toml`),
* Kalibr's camera chain (`camchain.yaml`),
* a pair of ROS `camera_info` files (`left.yaml`, `right.yaml`),
* a pair of EuRoC `sensor.yaml`, or the data set's folder,
* OpenCV's FileStorage, XML or YAML, in one file or as `intrinsics.yml` and `extrinsics.yml`.

Where a format comes in two files, one of them is enough if the other lies beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drone.errors import UserError
from drone.onboard.calibration import RawStereoCalibration
from drone.onboard.calibration_formats import (
    from_kalibr,
    from_opencv,
    from_ros,
    from_sensors,
    is_opencv,
    is_ros,
)
from drone.onboard.calibration_toml import FORMAT, from_toml
from drone.onboard.keyed import KeyedFile, read_keyed

KNOWN = (
    "a TOML file of `drone calibrate`, a Kalibr camchain, ROS camera_info files (left.yaml and "
    "right.yaml), EuRoC sensor.yaml files or their folder, or an OpenCV XML or YAML file with "
    "M1, D1, M2, D2, R, T"
)
PLAUSIBLE_BASELINE_M = (0.005, 5.0)
"""A baseline outside is taken for one in another unit than metres."""
LARGEST_PX = 32767
"""Most px of a side that OpenCV maps."""
_PARTNERS = (("left", "right"), ("cam0", "cam1"), ("intrinsics", "extrinsics"))
_IN_FOLDER = ("calibration.toml", "camchain.yaml", "left.yaml", "intrinsics.yml", "intrinsics.xml")


def read_calibration(
    path: Path | Sequence[Path], size_px: tuple[int, int] | None = None
) -> RawStereoCalibration:
    """Return the calibration that one file, two files or a folder hold.

    Args:
        path: a file, its folder, or the files of the left and the right eye in this order.
        size_px: width and height of the images, for files that do not tell (OpenCV's).

    Raises:
        UserError: no such file, an unknown format, a missing or unfit value, or eyes that are
            swapped; one line says what, where, and what is right.
    """
    given = [Path(path)] if isinstance(path, (str, Path)) else [Path(p) for p in path]
    paths = _both(_in_folder(given[0]) if len(given) == 1 else given)
    files = [read_keyed(p) for p in paths]
    names = " and ".join(str(p) for p in paths)
    try:
        raw = _recognised(files, names, size_px)
    except ValueError as error:
        raise UserError(f"{names}: {error}") from error
    width, height = raw.left.pinhole.width, raw.left.pinhole.height
    if max(width, height) > LARGEST_PX:
        raise UserError(
            f"{names}: pictures of {width} x {height} px; right are at most {LARGEST_PX} px a side"
        )
    least, most = PLAUSIBLE_BASELINE_M
    if not least <= raw.baseline_m <= most:
        raise UserError(
            f"{names}: the eyes are {raw.baseline_m:g} m apart; right are {least} to {most:g} m "
            "(is the translation in another unit than metres?)"
        )
    return raw


def _recognised(
    files: list[KeyedFile], names: str, size_px: tuple[int, int] | None
) -> RawStereoCalibration:
    first = files[0]
    if first.values.get("format") == FORMAT:
        return from_toml(first)
    if "cam0" in first:
        return from_kalibr(first)
    if is_opencv(first):
        return from_opencv(files, size_px)
    for knows, read in ((is_ros, from_ros), (_is_sensor, from_sensors)):
        if knows(first):
            if len(files) != 2 or not knows(files[1]):
                raise UserError(
                    f"{names}: one eye only; name the files of the left and of the right eye"
                )
            return read(files[0], files[1])
    raise UserError(f"{names}: no calibration known here; right is {KNOWN}")


def _is_sensor(file: KeyedFile) -> bool:
    return "T_BS" in file


def _in_folder(path: Path) -> list[Path]:
    """Return the file itself, or the calibration files that a folder holds."""
    if not path.is_dir():
        return [path]
    root = path / "mav0" if (path / "mav0").is_dir() else path
    sensors = [root / eye / "sensor.yaml" for eye in ("cam0", "cam1")]
    if sensors[0].is_file():
        return sensors
    found = [path / name for name in _IN_FOLDER if (path / name).is_file()]
    if not found:
        raise UserError(f"{path}: no calibration file in this folder; right is {KNOWN}")
    return found[:1]


def _both(paths: list[Path]) -> list[Path]:
    """Return the paths, and beside a single one the file that belongs to it, if there is one."""
    if len(paths) > 2:
        raise UserError(f"{len(paths)} files; right are one, or one for each eye")
    if len(paths) == 2:
        return paths
    path = paths[0]
    for first, second in _PARTNERS:
        later = _renamed(path, first, second)
        if later is not None:
            return [path, later]
        earlier = _renamed(path, second, first)
        if earlier is not None:
            return [earlier, path]
    return paths


def _renamed(path: Path, old: str, new: str) -> Path | None:
    """Return the file whose name, or whose folder's name, has the new word for the old one."""
    beside = path.parent / path.name.replace(old, new)
    in_other = path.parent.parent / path.parent.name.replace(old, new) / path.name
    return next((p for p in (beside, in_other) if p != path and p.is_file()), None)
