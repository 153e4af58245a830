"""Finds the corners of a calibration board in a picture: chessboard or ChArUco.

In: a grey picture. Out: which corners of the board it shows, and where, to a fraction of a pixel.
A board is named by its *inner* corners, where four squares meet: a chessboard of 10 x 7 squares is
9 x 6. A chessboard is found whole or not at all; a ChArUco board also where only a part shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError
from drone.geometry import Matrix
from drone.messages import Image

FEWEST_CORNERS = 12
"""A view of a ChArUco board with fewer corners says too little."""
_SIDES = range(3, 31)
_LARGEST_WINDOW_PX = 11
_SEARCH = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
_SUBPIXEL_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The corners that one eye sees in one picture.

    Attributes:
        ids: (N,) which corners of the board, increasing.
        px: (N, 2) float32, column and row.
    """

    ids: NDArray[np.int32]
    px: NDArray[np.float32]


@dataclass(frozen=True)
class Board:
    """A flat board.

    Attributes:
        cols: inner corners along a row.
        rows: inner corners along a column.
        dictionary: of a ChArUco board's markers, such as `4X4_50`; empty for a chessboard.
        marker_share: side of a ChArUco marker in sides of a square.

    Raises:
        UserError: a size, dictionary or marker that no board has.
    """

    cols: int
    rows: int
    dictionary: str = ""
    marker_share: float = 0.75

    def __post_init__(self) -> None:
        if self.cols not in _SIDES or self.rows not in _SIDES:
            raise UserError(
                f"--board {self.cols}x{self.rows}: expected inner corners such as 9x6, "
                f"each side {_SIDES[0]} to {_SIDES[-1]}"
            )
        if self.dictionary and not hasattr(cv2.aruco, f"DICT_{self.dictionary}"):
            known = ", ".join(n[5:] for n in dir(cv2.aruco) if n.startswith("DICT_"))
            raise UserError(f"--charuco {self.dictionary}: no such dictionary; known are {known}")
        if not 0.2 <= self.marker_share <= 0.95:
            raise UserError(
                f"--marker-share {self.marker_share:g}: a marker's side is 0.2 to 0.95 of a square"
            )

    @property
    def name(self) -> str:
        """What a person calls it."""
        size = f"{self.cols}x{self.rows}"
        return f"{size} ChArUco ({self.dictionary})" if self.dictionary else f"{size} chessboard"

    @cached_property
    def points(self) -> Matrix:
        """(cols rows, 3) the corners on the board in squares, row by row; z is 0."""
        x, y = np.meshgrid(np.arange(self.cols), np.arange(self.rows))
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1).astype(np.float64)

    @cached_property
    def detectors(self) -> tuple[Any, ...]:
        """OpenCV's ChArUco detectors: of the present layout, and of that before OpenCV 4.6."""
        dictionary = cv2.aruco.getPredefinedDictionary(
            getattr(cv2.aruco, f"DICT_{self.dictionary}")
        )
        detectors = []
        for legacy in (False, True):
            size = (self.cols + 1, self.rows + 1)
            board = cv2.aruco.CharucoBoard(size, 1.0, self.marker_share, dictionary)
            board.setLegacyPattern(legacy)
            detectors.append(cv2.aruco.CharucoDetector(board))
        return tuple(detectors)


def parse_size(text: str) -> tuple[int, int]:
    """Return columns and rows of a text such as 9x6.

    Raises:
        UserError: the text is no such size.
    """
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise UserError(f"--board {text!r}: expected inner corners, columns x rows, such as 9x6")
    return int(sides[0]), int(sides[1])


def find_board(image: Image, board: Board, fast: bool = False) -> Seen | None:
    """Return the corners of the board in a picture, None where it is not found.

    Args:
        image: grey, (H, W) uint8.
        board: what to look for.
        fast: give up early where nothing looks like a chessboard.
    """
    if board.dictionary:
        return _find_charuco(image, board)
    size, flags = (board.cols, board.rows), _SEARCH | (cv2.CALIB_CB_FAST_CHECK if fast else 0)
    found, corners = cv2.findChessboardCorners(image, size, flags=flags)
    if not found and not fast:
        # Slower, and finds boards that are small or dim.
        found, corners = cv2.findChessboardCornersSB(
            image, size, flags=cv2.CALIB_CB_NORMALIZE_IMAGE
        )
    if not found:
        return None
    return Seen(np.arange(board.cols * board.rows, dtype=np.int32), _refined(image, corners, board))


def find_pair(
    left: Image, right: Image, board: Board, fast: bool = False
) -> tuple[Seen | None, Seen | None]:
    """Return what both eyes see of the board, numbered alike; see `find_board`.

    A chessboard looks the same upside down, a square one also from the side, so that the search may
    start to number it elsewhere in each eye. The eyes are near each other: the numbering is right
    with which the corners of both lie most alike.
    """
    a, b = find_board(left, board, fast), find_board(right, board, fast)
    if a is None or b is None or board.dictionary:
        return a, b
    grid = b.px.reshape(board.rows, board.cols, 2)
    turns = (0, 1, 2, 3) if board.rows == board.cols else (0, 2)
    variants = [np.rot90(grid, turn).reshape(-1, 2) for turn in turns]
    centred = a.px - a.px.mean(axis=0)
    unlike = [np.abs(v - v.mean(axis=0) - centred).sum() for v in variants]
    return a, Seen(b.ids, np.ascontiguousarray(variants[int(np.argmin(unlike))]))


def suggested_size(image: Image) -> tuple[int, int] | None:
    """Return the inner corners of whatever chessboard a picture shows, the longer side first."""
    found, _, kind = cv2.findChessboardCornersSBWithMeta(
        image, (3, 3), cv2.CALIB_CB_LARGER | cv2.CALIB_CB_NORMALIZE_IMAGE
    )
    if not found or kind is None:
        return None
    return max(kind.shape), min(kind.shape)


def _refined(image: Image, corners: Matrix, board: Board) -> NDArray[np.float32]:
    """Return (N, 2) chessboard corners to a fraction of a pixel.

    The window in which gradients are gathered must hold one corner only. Its own corners, 1.41
    half-widths away, reach at most half of the way to the nearest neighbour.
    """
    grid = corners.reshape(board.rows, board.cols, 2)
    gaps = [np.linalg.norm(np.diff(grid, axis=axis), axis=2).min() for axis in (0, 1)]
    return _subpixel(image, corners, float(min(gaps)) / (2 * math.sqrt(2)))


def _subpixel(image: Image, corners: Matrix, half_window_px: float) -> NDArray[np.float32]:
    """Return (N, 2) corners where the gradients of a window around each meet."""
    half_px = min(max(math.floor(half_window_px), 2), _LARGEST_WINDOW_PX)
    start = np.ascontiguousarray(corners, np.float32).reshape(-1, 1, 2)
    refined = cv2.cornerSubPix(image, start, (half_px, half_px), (-1, -1), _SUBPIXEL_UNTIL)
    return np.asarray(refined, np.float32).reshape(-1, 2)


def _find_charuco(image: Image, board: Board) -> Seen | None:
    for detector in board.detectors:
        corners, ids, _, _ = detector.detectBoard(image)
        if ids is None or len(ids) < FEWEST_CORNERS:
            continue
        order = np.argsort(np.ravel(ids))
        px = np.asarray(corners, np.float64).reshape(-1, 2)[order]
        # The window must not reach into the markers, which begin at their share of a square.
        apart = np.linalg.norm(px[:, None] - px[None], axis=2) + np.diag(np.full(len(px), np.inf))
        half_px = float(apart.min()) * (1 - board.marker_share) / 2
        return Seen(np.ravel(ids)[order].astype(np.int32), _subpixel(image, px, half_px))
    return None
