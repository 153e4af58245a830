"""Reads sequences in the layout of the KITTI odometry benchmark.

In: `sequences/XX` with `image_0` and `image_1` (grey; or the coloured `image_2` and `image_3`),
`calib.txt`, `times.txt`, and, where there are any, poses in `poses/XX.txt` beside `sequences`, or
in `poses.txt` in the folder itself. The images are rectified.

Frames. A pose is that of the left grey camera in the first one's optical frame (x right, y down, z
forward). Here the body is that camera turned into FRD, and the world is NED with north where the
first camera looked: level if that camera was, for the data set does not say where gravity points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.eyefiles import is_image
from drone.geometry import BODY_FROM_OPTICAL, Intrinsics, Matrix
from drone.onboard.calibration import CameraModel, RawStereoCalibration
from drone.onboard.keyed import read_text
from drone.onboard.sources.folder import read_times
from drone.onboard.sources.images import ImagePairs, Shot, read_grey
from drone.onboard.sources.options import side_by_side
from drone.onboard.sources.recording import Known
from drone.onboard.track import Track

EYES = ((0, 1), (2, 3))
"""Left and right: the grey cameras, or else the coloured ones."""
FRAME_GAP_NS = ns_from_s(0.25)
"""Poses come with the frames, at 10 Hz; neighbours farther apart than this give no velocity."""


def open_kitti(folder: Path) -> tuple[ImagePairs, Known]:
    """Return the reader of a sequence, and what it says about cameras and vehicle.

    Raises:
        UserError: the folder is not such a sequence; one line says what, where, and what is right.
    """
    left, right = _eyes(folder)
    names = (_images(folder / f"image_{left}"), _images(folder / f"image_{right}"))
    both = sorted(names[0] & names[1])
    if not both:
        raise UserError(f"{folder}: no image of image_{left} has a partner in image_{right}")
    times = folder / "times.txt"
    if not times.is_file():
        raise UserError(f"{times}: no such file; right is one time in s per image")
    stamps_ns = dict(zip(sorted(names[0]), read_times(times, len(names[0])), strict=True))
    shots = tuple(
        (
            Shot(stamps_ns[name], folder / f"image_{left}" / name),
            Shot(stamps_ns[name], folder / f"image_{right}" / name),
        )
        for name in both
    )
    alone = len(names[0] ^ names[1])
    notes = [f"{folder}: {alone} images without a partner are left out"] if alone else []
    raw = _calibration(folder / "calib.txt", (left, right), shots[0][0].path)
    track = _track(folder, list(stamps_ns.values()), shots[0][0].stamp_ns)
    return ImagePairs(str(folder), shots, notes), Known(raw, f"{folder / 'calib.txt'}", track)


def _eyes(folder: Path) -> tuple[int, int]:
    for eyes in EYES:
        if all((folder / f"image_{i}").is_dir() for i in eyes):
            return eyes
    raise UserError(f"{folder}: no folders image_0 and image_1, as the KITTI odometry layout has")


def _images(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if is_image(path.name)}


def _calibration(path: Path, eyes: tuple[int, int], image: Path) -> RawStereoCalibration:
    """Return the eyes from the projections `P0` to `P3` (3 x 4, row by row) of `calib.txt`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file, and the KITTI odometry layout needs it")
    rows = dict(_projection(path, line) for line in read_text(path).splitlines() if line.strip())
    missing = [f"P{i}" for i in eyes if f"P{i}" not in rows]
    if missing:
        raise UserError(f"{path}: no line {missing[0]}: with the projection of that camera")
    height, width = read_grey(image).shape
    # P = K [I | t], t the offset of the camera against the left grey one: P[0, 3] = f t_x.
    a, b = (rows[f"P{i}"] for i in eyes)
    try:
        models = [
            CameraModel(Intrinsics(width, height, p[0, 0], p[1, 1], p[0, 2], p[1, 2]))
            for p in (a, b)
        ]
        return side_by_side(models[0], models[1], float(a[0, 3] / a[0, 0] - b[0, 3] / b[0, 0]))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _projection(path: Path, line: str) -> tuple[str, Matrix]:
    name, _, text = line.partition(":")
    numbers = _numbers(text)
    if name.startswith("P") and (len(numbers) != 12 or not numbers[0] > 0):
        raise UserError(f"{path}: {name}: not 12 finite numbers, a 3 x 4 projection")
    matrix = np.array(numbers).reshape(3, 4) if len(numbers) == 12 else np.empty((3, 4))
    return name.strip(), matrix


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []


def _turns(matrix: Matrix) -> bool:
    """Return whether a (3, 3) matrix is a rotation, as far as few digits can say."""
    return bool(abs(np.linalg.det(matrix) - 1) < 0.1)


def _track(folder: Path, stamps_ns: list[int], start_ns: int) -> Track | None:
    """Return the body's track, None where there are no poses."""
    beside = folder.resolve().parent.parent / "poses" / f"{folder.resolve().name}.txt"
    path = next((p for p in (folder / "poses.txt", beside) if p.is_file()), None)
    if path is None:
        return None
    rows = [_numbers(line) for line in read_text(path).splitlines() if line.strip()]
    if len(rows) != len(stamps_ns):
        raise UserError(f"{path}: {len(rows)} poses for {len(stamps_ns)} images; right is one each")
    wrong = next((i for i, row in enumerate(rows, start=1) if len(row) != 12), None)
    if wrong is not None:
        raise UserError(f"{path}:{wrong}: not 12 finite numbers, a 3 x 4 pose")
    poses = np.array(rows).reshape(-1, 3, 4)
    wrong = next((i for i, p in enumerate(poses, start=1) if not _turns(p[:, :3])), None)
    if wrong is not None:
        raise UserError(f"{path}:{wrong}: not a pose: its first three columns are no rotation")
    stamps = np.array(stamps_ns, np.int64) - start_ns
    attitude = Rotation.from_matrix(poses[:, :, :3])
    track = Track.from_poses(stamps, poses[:, :, 3], attitude, gap_ns=FRAME_GAP_NS)
    return track.in_frames(BODY_FROM_OPTICAL, BODY_FROM_OPTICAL.T)
