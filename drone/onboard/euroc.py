"""Reads stereo flights in the layout of the EuRoC MAV data sets.

In: `<folder>/mav0/cam0` and `cam1`, each with `data.csv` (stamp in ns, file name), `sensor.yaml`
and `data/`, and, where there are any, poses in `state_groundtruth_estimate0`, `vicon0` or
`mocap0`. Out: rectified pairs with the vehicle's pose, read one by one as they are asked for.

Frames. The data set's world has z up; NED here is its x, -y, -z. Its body is the sensor unit's own
frame (in EuRoC x up, y right, z forward, and tilted against the vehicle). The body here has the
same origin and is level when the vehicle is: down is the mean direction of gravity over all poses
or, without poses, the axis of the data set's body nearest to the image's down; forward is the left
optical axis projected onto the plane square to it.

Wrong input is a `UserError` at opening; only what is inside the images shows as they are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.geometry import GridSpec, Matrix
from drone.onboard.calibration import RawStereoCalibration, body_from_unit, rigid
from drone.onboard.sensor_yaml import SensorCamera, read_camera, read_mount, read_text
from drone.onboard.sources.images import ImagePairs, Shot, pair_stamps
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.recording import Known, Recording, open_recording
from drone.onboard.track import Track

PAIR_TOLERANCE_NS = ns_from_s(0.001)
"""Stamps of one pair may differ by this much; the eyes are triggered together."""
POSE_FOLDERS = ("state_groundtruth_estimate0", "vicon0", "mocap0")
"""Where poses are looked for, the best first."""
WORLD_UP: Matrix = np.array([0.0, 0.0, 1.0])
"""(3,): up in the data set's world."""
NED_FROM_WORLD: Matrix = np.diag([1.0, -1.0, -1.0])
"""(3, 3): the data set's world has z up; its x is taken as north."""


EurocSource = Recording
"""A recorded flight; its track is that of the body (FRD) in NED, by the stamps of the frames."""


def open_euroc(
    folder: Path, grid: GridSpec | None = None, options: SourceOptions | None = None
) -> EurocSource:
    """Open a flight in the EuRoC layout.

    Args:
        folder: holds `mav0`, or is itself the folder that holds `cam0` and `cam1`.
        grid: cells into which the rectified images must divide.
        options: which part of it, at which size, by which calibration.

    Returns:
        A source whose states have velocity and rates NaN where neither columns nor poses within
        `DIFFERENCE_TOLERANCE_NS` tell them.

    Raises:
        UserError: the folder is not such a flight; one line says what, where, and what is right.
    """
    root = _root(Path(folder))
    cameras = [read_camera(root / name / "sensor.yaml") for name in ("cam0", "cam1")]
    left, right = (_read_shots(root / name) for name in ("cam0", "cam1"))
    pairs = _paired(root, left, right)
    alone = len(left) + len(right) - 2 * len(pairs)
    notes = [f"{root}: {alone} images without a partner are left out"] if alone else []
    track = _read_track(root, pairs[0][0].stamp_ns)
    try:
        down = None if track is None else _mean_down(track)
        body_from_sensors = rigid(body_from_unit(cameras[0].mount, down))
        raw = _calibration(cameras, body_from_sensors)
    except ValueError as error:
        raise UserError(f"{root}: sensor.yaml of cam0 and cam1: {error}") from error
    if track is not None:
        track = track.in_frames(NED_FROM_WORLD, body_from_sensors[:3, :3].T)
    known = Known(raw, "sensor.yaml of its camera", track)
    return open_recording(
        ImagePairs(str(root), pairs, notes), known, options or SourceOptions(), grid
    )


def _root(folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; right is one that holds mav0/cam0 and cam1")
    root = folder / "mav0" if (folder / "mav0").is_dir() else folder
    for name in ("cam0", "cam1"):
        if not (root / name).is_dir():
            raise UserError(
                f"{folder}: no folder mav0/{name}; right is the EuRoC layout: mav0/cam0 and "
                "mav0/cam1, each with data.csv, sensor.yaml and data/"
            )
    return root


def _calibration(
    cameras: Sequence[SensorCamera], body_from_sensors: Matrix
) -> RawStereoCalibration:
    left, right = cameras
    return RawStereoCalibration(
        left.model, right.model, body_from_sensors @ left.mount, body_from_sensors @ right.mount
    )


def _mean_down(track: Track) -> Matrix | None:
    """Return the (3,) mean direction of gravity in the track's body, None where it has none."""
    mean = track.attitude.inv().apply(-WORLD_UP).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0.5 else None


# Images


def _read_shots(camera: Path) -> tuple[Shot, ...]:
    """Read `data.csv` of one eye and check that every image it names is there."""
    path, images = camera / "data.csv", camera / "data"
    if not images.is_dir():
        raise UserError(f"{images}: no such folder; right is a folder with the images of data.csv")
    shots: list[Shot] = []
    for line, fields in _rows(path):
        if len(fields) != 2 or not fields[1]:
            raise UserError(
                f"{path}:{line}: {','.join(fields)!r} is not a stamp in ns and a file name"
            )
        shots.append(Shot(_stamp(fields[0], path, line), images / fields[1]))
    if not shots:
        raise UserError(f"{path}: names no images; right is one line per image: stamp,file name")
    present = set(images.iterdir())
    missing = [shot.path for shot in shots if shot.path not in present]
    if missing:
        raise UserError(
            f"{missing[0]}: no such image, though {path} names it "
            f"({len(missing)} of {len(shots)} images are missing)"
        )
    return tuple(shots)


def _paired(
    root: Path, left: tuple[Shot, ...], right: tuple[Shot, ...]
) -> tuple[tuple[Shot, Shot], ...]:
    """Return the pairs whose stamps agree; an image without partner is left out."""
    left_ns, right_ns = ([shot.stamp_ns for shot in shots] for shots in (left, right))
    found = pair_stamps(left_ns, right_ns, PAIR_TOLERANCE_NS)
    pairs = tuple((left[i], right[j]) for i, j in found)
    if not pairs:
        raise UserError(
            f"{root}: no image of cam0 has a partner in cam1; the stamps of a pair must be equal "
            f"to {PAIR_TOLERANCE_NS / 1e6:g} ms"
        )
    return pairs


# Poses


def _read_track(root: Path, start_ns: int) -> Track | None:
    """Read the poses of the data set's body in its world; stamps count from `start_ns`."""
    folder = next((root / n for n in POSE_FOLDERS if (root / n / "data.csv").is_file()), None)
    if folder is None:
        return None
    path = folder / "data.csv"
    stamps_ns: list[int] = []
    rows: list[list[float]] = []
    for line, fields in _rows(path):
        row = _pose(fields[1:], path, line)
        if rows and len(row) != len(rows[0]):
            raise UserError(
                f"{path}:{line}: {len(fields)} columns, and {len(rows[0]) + 1} in the lines before"
            )
        stamps_ns.append(_stamp(fields[0], path, line) - start_ns)
        rows.append(row)
    sensor = folder / "sensor.yaml"
    mount = read_mount(sensor) if sensor.is_file() else np.eye(4)
    return _track(np.array(stamps_ns, np.int64), np.array(rows), mount) if rows else None


def _track(stamps_ns: NDArray[np.int64], rows: Matrix, mount: Matrix) -> Track:
    """Return the body's track from poses of a sensor that sits at `mount` (body from sensor)."""
    sensor = Rotation.from_quat(rows[:, [4, 5, 6, 3]])
    attitude = sensor * Rotation.from_matrix(mount[:3, :3]).inv()
    position_m = rows[:, :3] - attitude.apply(mount[:3, 3])
    # The velocity of a sensor away from the body's origin is not the body's.
    velocity_mps = rows[:, 7:10] if rows.shape[1] >= 10 and not mount[:3, 3].any() else None
    return Track.from_poses(stamps_ns, position_m, attitude, velocity_mps)


def _pose(fields: list[str], path: Path, line: int) -> list[float]:
    """Return position, quaternion (w, x, y, z) and whatever follows them."""
    try:
        row = [float(field) for field in fields]
    except ValueError:
        row = []
    if len(row) < 7 or not all(math.isfinite(x) for x in row):
        raise UserError(
            f"{path}:{line}: not a pose; right is stamp,x,y,z,qw,qx,qy,qz in finite numbers"
        )
    if abs(math.hypot(*row[3:7]) - 1) > 0.01:
        raise UserError(f"{path}:{line}: the quaternion {tuple(row[3:7])} has not length 1")
    return row


# Text


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each line of a CSV file whose stamps must increase."""
    last = -1
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        fields = [field.strip() for field in text.split(",")]
        stamp_ns = _stamp(fields[0], path, number)
        if stamp_ns <= last:
            raise UserError(
                f"{path}:{number}: stamp {stamp_ns} follows {last}; stamps must increase"
            )
        last = stamp_ns
        yield number, fields


def _stamp(text: str, path: Path, line: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise UserError(f"{path}:{line}: {text!r} is not a stamp; right are whole nanoseconds")
    return int(text)
