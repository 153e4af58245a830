"""Boards before known cameras: where their corners are seen, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from drone.geometry import Intrinsics, Matrix
from drone.onboard.board import Board, Seen
from drone.onboard.board_solving import BoardView
from drone.onboard.calibration import CameraModel, Lens, RawStereoCalibration, rigid

BOARD = Board(9, 6)
SIZE_PX = (320, 240)
FINE = 3
SQUARE_PX = 40
"""Of the flat pattern that pictures are drawn from."""

LEFT = CameraModel(Intrinsics(*SIZE_PX, 262.0, 264.0, 163.0, 117.0), (-0.2, 0.04, 1e-3, -5e-4, 0.0))
RIGHT = CameraModel(Intrinsics(*SIZE_PX, 258.0, 259.0, 158.0, 122.0), (-0.22, 0.05, -1e-3, 3e-4, 0))
TURN = Rotation.from_euler("xyz", [0.8, -1.0, 0.5], degrees=True).as_matrix()
RIGHT_FROM_LEFT = rigid(TURN, -TURN @ [3.0, 0.02, -0.03])
"""In squares."""


def pair(left: CameraModel = LEFT, right: CameraModel = RIGHT) -> RawStereoCalibration:
    return RawStereoCalibration.from_pair(left, right, RIGHT_FROM_LEFT)


def fisheye_pair() -> RawStereoCalibration:
    size = Intrinsics(*SIZE_PX, 160.0, 161.0, 160.5, 118.0)
    return pair(*2 * [CameraModel(size, (0.05, -0.01, 0.004, -0.002), Lens.EQUIDISTANT)])


def poses(count: int, seed: int, board: Board = BOARD) -> list[Matrix]:
    """Return (4, 4) left optical from board, in squares: tilted boards all over the view."""
    rng = np.random.default_rng(seed)
    middle = np.array([(board.cols - 1) / 2, (board.rows - 1) / 2, 0])
    found = []
    for _ in range(count):
        turn = Rotation.from_euler("xyz", rng.uniform([-35, -35, -15], [35, 35, 15]), degrees=True)
        depth = rng.uniform(12, 17)
        place = np.array([rng.uniform(-2.0, 5.0), rng.uniform(-2.0, 2.0), depth])
        found.append(rigid(turn.as_matrix(), place - turn.as_matrix() @ middle))
    return found


def moved(transform: Matrix, points: Matrix) -> Matrix:
    return points @ transform[:3, :3].T + transform[:3, 3]


def views(
    raw: RawStereoCalibration, left_from_boards: Sequence[Matrix], noise_px: float, seed: int
) -> list[BoardView]:
    """Return where both eyes see the corners, with noise."""
    rng = np.random.default_rng(seed)
    ids = np.arange(len(BOARD.points), dtype=np.int32)
    found = []
    for i, left_from_board in enumerate(left_from_boards):
        in_left = moved(left_from_board, BOARD.points)
        px = [raw.left.project(in_left), raw.right.project(moved(raw.right_from_left, in_left))]
        noisy = [(p + rng.normal(0, noise_px, p.shape)).astype(np.float32) for p in px]
        found.append(BoardView(f"{i:02d}", Seen(ids, noisy[0]), Seen(ids, noisy[1])))
    return found


def pattern(board: Board) -> np.ndarray:
    """Return the flat board with a white rim, one square wide."""
    cells = np.indices((board.rows + 1, board.cols + 1)).sum(axis=0) % 2
    flat = np.kron(255 * cells, np.ones((SQUARE_PX, SQUARE_PX))).astype(np.uint8)
    if board.dictionary:
        flat = np.asarray(board.detectors[0].getBoard().generateImage(flat.shape[::-1]), np.uint8)
    return np.pad(flat, SQUARE_PX, constant_values=255)


@cache
def fine_rays(eye: CameraModel) -> Matrix:
    """Return the rays of a picture `FINE` times as fine."""
    size = FINE * SIZE_PX[0], FINE * SIZE_PX[1]
    fine = CameraModel(eye.pinhole.scaled(*size), eye.distortion, eye.lens)
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return fine.rays(np.column_stack([u.ravel(), v.ravel()]).astype(float))


def draw(eye: CameraModel, eye_from_board: Matrix, board: Board = BOARD) -> np.ndarray:
    """Return what an eye sees: the board before a grey wall, (H, W) uint8."""
    rays = fine_rays(eye)
    # A point a + s b of the board's plane, from the eye: board_from_eye applied to the ray.
    turn, place = eye_from_board[:3, :3].T, -eye_from_board[:3, :3].T @ eye_from_board[:3, 3]
    ahead = np.column_stack([rays, np.ones(len(rays))]) @ turn.T
    scale = -place[2] / ahead[:, 2]
    on_board = place[:2] + scale[:, None] * ahead[:, :2]
    # Corner (0, 0) lies two squares from the picture's corner, between two of its pixels.
    at = ((on_board + 2) * SQUARE_PX - 0.5).astype(np.float32)
    at = at.reshape(FINE * SIZE_PX[1], FINE * SIZE_PX[0], 2)
    seen = cv2.remap(
        pattern(board), at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=90
    )
    return np.asarray(cv2.resize(seen, SIZE_PX, interpolation=cv2.INTER_AREA), np.uint8)


def pictures(
    raw: RawStereoCalibration, left_from_board: Matrix, board: Board = BOARD
) -> tuple[np.ndarray, np.ndarray]:
    return (
        draw(raw.left, left_from_board, board),
        draw(raw.right, raw.right_from_left @ left_from_board, board),
    )
