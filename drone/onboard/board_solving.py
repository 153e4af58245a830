"""From corners of a board in many pictures to the calibration of a stereo pair.

First each eye alone, then both together: the eyes' lenses, and where the right one sits, are
refined until the corners of all pictures in both eyes fit best (`cv2.stereoCalibrate`). Lengths are
in squares of the board.

A picture is rejected, aloud, where its error in the pair exceeds `OUTLIER_TIMES` the median over
the pictures *and* `OUTLIER_PX`: a board that moved between the eyes' shutters or bent, or corners
taken for others. Whatever is merely worse than the rest stays in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError, WorkFailedError
from drone.geometry import Intrinsics, Matrix
from drone.onboard.board import Board, Seen
from drone.onboard.calibration import CameraModel, Lens, RawStereoCalibration, inverse_rigid, rigid
from drone.onboard.rectification import WIDEST_TANGENT, Rectifier

FEWEST_PICTURES = 5
"""Three are the least that determine a lens; with five a wrong one can be told."""
OUTLIER_TIMES = 3.0
OUTLIER_PX = 0.5
MOST_REJECTED = 0.25
"""Where more than this share of the pictures are outliers, the fault is not with the pictures."""
LENSES = {
    "radtan": (Lens.RADTAN, 0),
    "rational": (Lens.RADTAN, cv2.CALIB_RATIONAL_MODEL),
    "fisheye": (Lens.EQUIDISTANT, cv2.CALIB_RECOMPUTE_EXTRINSIC | cv2.CALIB_FIX_SKEW),
}
"""Name on the command line -> model, and OpenCV's flags to solve for it."""
_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-9)
_EYES = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class BoardView:
    """The board in one pair of pictures.

    Attributes:
        name: of the pair.
        left: corners in the left eye.
        right: corners in the right eye.
    """

    name: str
    left: Seen
    right: Seen

    @property
    def common(self) -> NDArray[np.int32]:
        """The corners that both eyes see."""
        return np.intersect1d(self.left.ids, self.right.ids)


@dataclass(frozen=True, slots=True)
class PictureError:
    """How well one pair of pictures fits.

    Attributes:
        name: of the pair.
        left_px: root mean square distance of the corners in the left picture.
        right_px: in the right picture.
    """

    name: str
    left_px: float
    right_px: float

    @property
    def pair_px(self) -> float:
        """Of both pictures together."""
        return float(np.hypot(self.left_px, self.right_px) / np.sqrt(2))


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A calibration, and how well it fits.

    Attributes:
        raw: the pair; its lengths are in squares of the board.
        left_px: reprojection error of the left eye calibrated alone, root mean square.
        right_px: of the right eye alone.
        pair_px: of both together.
        row_px: root mean square of how far the rows of a corner differ once rectified.
        focal_std_px: standard deviation of the left eye's focal length.
        pictures: error of each picture that was used.
        rejected: error of each picture that was not.
    """

    raw: RawStereoCalibration
    left_px: float
    right_px: float
    pair_px: float
    row_px: float
    focal_std_px: float
    pictures: tuple[PictureError, ...]
    rejected: tuple[PictureError, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Eye:
    """One eye calibrated alone."""

    matrix: Matrix
    distortion: Matrix
    error_px: float
    focal_std_px: float


@dataclass(frozen=True, slots=True)
class _Task:
    """What is solved for."""

    board: Board
    size_px: tuple[int, int]
    lens: Lens
    flags: int


def solve(
    views: Sequence[BoardView], board: Board, size_px: tuple[int, int], lens: str = "radtan"
) -> Solution:
    """Return the calibration that fits the views best.

    Args:
        views: the pairs of pictures in which both eyes see the board.
        board: what they show.
        size_px: width and height of a picture.
        lens: one of `LENSES`.

    Raises:
        UserError: too few pictures, or the eyes are swapped.
        WorkFailedError: the pictures do not agree with each other.
    """
    task = _Task(board, size_px, *LENSES[lens])
    kept, rejected = list(views), list[PictureError]()
    while True:
        if len(kept) < FEWEST_PICTURES:
            raise UserError(
                f"{len(kept)} usable pairs of pictures; {FEWEST_PICTURES} are the fewest, "
                "15 to 30 from all over the view are right"
            )
        solution = _solve_once(kept, task)
        outliers = _outliers(solution.pictures)
        if not outliers:
            break
        rejected += outliers
        if len(rejected) > MOST_REJECTED * len(views):
            raise WorkFailedError(_disagreement(rejected, len(views)))
        names = {outlier.name for outlier in outliers}
        kept = [view for view in kept if view.name not in names]
    return replace(solution, rejected=tuple(rejected))


def row_differences(views: Sequence[BoardView], raw: RawStereoCalibration) -> Matrix:
    """Return by how many rows each common corner differs between the rectified eyes, px."""
    rectifier = Rectifier(raw, raw.left.pinhole.width, raw.left.pinhole.height)
    focal_px = rectifier.calibration.left.fy
    turns = rectifier.rotations
    rows = []
    for view in views:
        left = raw.left.rays(common_px(view, "left"), turns[0])
        right = raw.right.rays(common_px(view, "right"), turns[1])
        rows.append(focal_px * (left - right)[:, 1])
    return np.concatenate(rows)


def _solve_once(views: Sequence[BoardView], task: _Task) -> Solution:
    try:
        left = _solve_eye([view.left for view in views], task)
        right = _solve_eye([view.right for view in views], task)
        raw, errors = _solve_pair(views, (left, right), task)
    except cv2.error as error:
        raise WorkFailedError(
            f"OpenCV finds no solution for these pictures ({error.err}); "
            "show the board tilted, from more sides and distances"
        ) from error
    counts = np.array([len(view.common) for view in views])
    squares = np.array([error.pair_px**2 for error in errors])
    return Solution(
        raw=raw,
        left_px=left.error_px,
        right_px=right.error_px,
        pair_px=float(np.sqrt(np.average(squares, weights=counts))),
        row_px=float(np.sqrt(np.mean(row_differences(views, raw) ** 2))),
        focal_std_px=left.focal_std_px,
        pictures=errors,
        rejected=(),
    )


def _solve_eye(seen: Sequence[Seen], task: _Task) -> _Eye:
    if task.lens is Lens.EQUIDISTANT:
        points = [task.board.points[s.ids].reshape(1, -1, 3) for s in seen]
        px = [s.px.astype(np.float64).reshape(1, -1, 2) for s in seen]
        error_px, matrix, distortion, _, _ = cv2.fisheye.calibrate(
            points, px, task.size_px, None, None, flags=task.flags, criteria=_UNTIL
        )
        return _Eye(matrix, np.ravel(distortion), float(error_px), float("nan"))
    points = [task.board.points[s.ids].astype(np.float32) for s in seen]
    error_px, matrix, distortion, _, _, std, *_ = cv2.calibrateCameraExtended(
        points, [s.px for s in seen], task.size_px, None, None, flags=task.flags
    )
    return _Eye(matrix, np.ravel(distortion), float(error_px), float(std[0, 0]))


def _solve_pair(
    views: Sequence[BoardView], eyes: tuple[_Eye, _Eye], task: _Task
) -> tuple[RawStereoCalibration, tuple[PictureError, ...]]:
    if task.lens is Lens.EQUIDISTANT:
        models, result = _solve_fisheye_pair(views, eyes, task)
    else:
        k0, d0, k1, d1 = (n for eye in eyes for n in (eye.matrix, eye.distortion))
        result = cv2.stereoCalibrateExtended(
            [task.board.points[view.common].astype(np.float32) for view in views],
            [common_px(view, "left").astype(np.float32) for view in views],
            [common_px(view, "right").astype(np.float32) for view in views],
            *(k0, d0, k1, d1, task.size_px, np.eye(3), np.zeros((3, 1))),
            flags=task.flags | cv2.CALIB_USE_INTRINSIC_GUESS,
            criteria=_UNTIL,
        )
        _, k0, d0, k1, d1, *_ = result
        models = _model(k0, d0, task), _model(k1, d1, task)
    right_from_left = rigid(result[5], np.ravel(result[6]))
    boards = [
        rigid(cv2.Rodrigues(turn)[0], np.ravel(place))
        for turn, place in zip(result[9], result[10], strict=True)
    ]
    raw = _placed(models, right_from_left)
    return raw, tuple(
        _picture_error(view, task.board.points[view.common], raw, left_from_board)
        for view, left_from_board in zip(views, boards, strict=True)
    )


def _solve_fisheye_pair(
    views: Sequence[BoardView], eyes: tuple[_Eye, _Eye], task: _Task
) -> tuple[tuple[CameraModel, CameraModel], tuple[Any, ...]]:
    """Place the eyes by the rays of their corners; the lenses stay as each eye alone has them.

    OpenCV's own function for pairs of fisheyes wants as many corners in each picture as in any
    other, which a ChArUco board does not give.
    """
    left, right = (_model(eye.matrix, eye.distortion, task) for eye in eyes)
    focal_px = left.pinhole.fx
    pinhole = np.diag([focal_px, focal_px, 1.0])
    points, lefts, rights = list[Any](), list[Any](), list[Any]()
    for view in views:
        a, b = left.rays(common_px(view, "left")), right.rays(common_px(view, "right"))
        ahead = (np.abs(np.hstack([a, b])) < WIDEST_TANGENT).all(axis=1)
        points.append(task.board.points[view.common][ahead].astype(np.float32))
        lefts.append((focal_px * a[ahead]).astype(np.float32))
        rights.append((focal_px * b[ahead]).astype(np.float32))
    result = cv2.stereoCalibrateExtended(
        *(points, lefts, rights, pinhole, np.zeros(5), pinhole, np.zeros(5)),
        *(task.size_px, np.eye(3), np.zeros((3, 1))),
        flags=cv2.CALIB_FIX_INTRINSIC,
        criteria=_UNTIL,
    )
    return (left, right), tuple(result)


def _picture_error(
    view: BoardView, points: Matrix, raw: RawStereoCalibration, left_from_board: Matrix
) -> PictureError:
    in_left = points @ left_from_board[:3, :3].T + left_from_board[:3, 3]
    in_right = in_left @ raw.right_from_left[:3, :3].T + raw.right_from_left[:3, 3]
    errors = [
        eye.project(where) - common_px(view, name)
        for eye, where, name in zip((raw.left, raw.right), (in_left, in_right), _EYES, strict=True)
    ]
    left_px, right_px = (float(np.sqrt(np.mean(np.sum(e**2, axis=1)))) for e in errors)
    return PictureError(view.name, left_px, right_px)


def _placed(
    models: tuple[CameraModel, CameraModel], right_from_left: Matrix
) -> RawStereoCalibration:
    x, y, z = inverse_rigid(right_from_left)[:3, 3]
    if x < 0 and -x > max(abs(y), abs(z)):
        raise UserError(
            "left and right are swapped: the eye of the right pictures sits left of the other one"
        )
    try:
        return RawStereoCalibration.from_pair(*models, right_from_left)
    except ValueError as error:
        raise WorkFailedError(
            f"the right eye comes out {x:.2f} squares right, {y:.2f} down and {z:.2f} forward of "
            "the left one, and not beside it; were both pictures of each pair taken at the same "
            "moment?"
        ) from error


def _model(matrix: Matrix, distortion: Matrix, task: _Task) -> CameraModel:
    k = np.asarray(matrix, np.float64)
    pinhole = Intrinsics(
        *task.size_px, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
    )
    count = 8 if task.flags & cv2.CALIB_RATIONAL_MODEL else 5
    numbers = np.ravel(distortion)[: 4 if task.lens is Lens.EQUIDISTANT else count]
    return CameraModel(pinhole, tuple(float(n) for n in numbers), task.lens)


def common_px(view: BoardView, eye: str) -> Matrix:
    """Return (N, 2) where an eye sees the corners that both see."""
    seen = view.left if eye == "left" else view.right
    return seen.px[np.isin(seen.ids, view.common)].astype(np.float64)


def _outliers(pictures: Sequence[PictureError]) -> list[PictureError]:
    errors = np.array([picture.pair_px for picture in pictures])
    limit = max(OUTLIER_TIMES * float(np.median(errors)), OUTLIER_PX)
    return [picture for picture in pictures if picture.pair_px > limit]


def _disagreement(rejected: Sequence[PictureError], total: int) -> str:
    worst = max(rejected, key=lambda picture: picture.pair_px)
    return (
        f"{len(rejected)} of {total} pairs of pictures do not agree with the rest (the worst is "
        f"{worst.name}, {worst.pair_px:.1f} px); were both pictures of each pair taken at the same "
        "moment, and is the board flat?"
    )
