from __future__ import annotations

import numpy as np
import pytest
from boardscene import BOARD, SIZE_PX, draw, moved, pair, pictures, poses, views

from drone.errors import UserError
from drone.onboard.board import Board, Seen, find_board, find_pair, parse_size, suggested_size

CHARUCO = Board(9, 6, "4X4_50", 0.7)
GREY = np.full((240, 320), 128, np.uint8)


def distance_px(seen: Seen | None, truth: np.ndarray) -> np.ndarray:
    assert seen is not None
    return np.linalg.norm(seen.px - truth[seen.ids], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_corners_are_found_to_a_fraction_of_a_pixel(seed: int) -> None:
    raw, pose = pair(), poses(3, 0)[seed]
    left, right = find_pair(*pictures(raw, pose), BOARD)
    truth = views(raw, [pose], 0.0, 0)[0]
    assert distance_px(left, truth.left.px).max() < 0.2
    assert distance_px(right, truth.right.px).max() < 0.2


def test_a_charuco_board_is_found_where_only_a_part_shows() -> None:
    raw, pose = pair(), poses(1, 0)[0]
    shifted = pose.copy()
    shifted[0, 3] = -9.0
    truth = raw.left.project(moved(shifted, BOARD.points))
    image = draw(raw.left, shifted, CHARUCO)
    seen = find_board(image, CHARUCO)
    assert seen is not None
    inside = ((truth > 0) & (truth < SIZE_PX)).all(axis=1)
    assert not inside.all()
    assert inside[seen.ids].all()
    assert np.sqrt(np.mean(distance_px(seen, truth) ** 2)) < 0.2
    assert find_board(draw(raw.left, shifted), BOARD) is None  # a chessboard is not


def test_a_charuco_board_of_the_layout_before_opencv_4_6_is_found() -> None:
    board = Board(9, 7, "4X4_50", 0.7)
    legacy = board.detectors[1].getBoard().generateImage((800, 640), marginSize=40)
    present = board.detectors[0].getBoard().generateImage((800, 640), marginSize=40)
    assert (legacy != present).any()
    for image in (legacy, present):
        seen = find_board(image, board)
        assert seen is not None
        assert len(seen.ids) == 63


@pytest.mark.parametrize("board", [BOARD, CHARUCO])
@pytest.mark.parametrize("image", [GREY, np.random.default_rng(0).integers(0, 255, (240, 320))])
def test_no_board_is_no_answer(board: Board, image: np.ndarray) -> None:
    assert find_pair(image.astype(np.uint8), GREY, board) == (None, None)


def test_the_board_that_is_there_is_suggested() -> None:
    image = draw(pair().left, poses(1, 0)[0])
    assert find_board(image, Board(10, 7)) is None
    assert suggested_size(image) == (9, 6)
    assert suggested_size(GREY) is None


@pytest.mark.parametrize(("cols", "rows", "turn"), [(8, 6, 2), (6, 6, 2), (6, 6, 1)])
def test_both_eyes_number_a_symmetric_board_alike(
    monkeypatch: pytest.MonkeyPatch, cols: int, rows: int, turn: int
) -> None:
    board = Board(cols, rows)
    grid = board.points[:, :2].reshape(rows, cols, 2).astype(np.float32) * 20 + 30
    ids = np.arange(cols * rows, dtype=np.int32)
    turned = np.rot90(grid, turn).reshape(-1, 2) - [15, 2]
    seen = [Seen(ids, grid.reshape(-1, 2)), Seen(ids, turned.astype(np.float32))]
    monkeypatch.setattr("drone.onboard.board.find_board", lambda *_: seen.pop(0))
    left, right = find_pair(GREY, GREY, board)
    assert left is not None
    assert right is not None
    np.testing.assert_allclose(left.px - right.px, np.tile([15.0, 2.0], (len(ids), 1)), atol=1e-4)


@pytest.mark.parametrize("text", ["", "9", "9x", "x6", "9x6x2", "-9x6", "9.5x6", "axb"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match="such as 9x6"):
        parse_size(text)


def test_sizes() -> None:
    assert parse_size("9x6") == parse_size("9X6") == parse_size("9×6") == (9, 6)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2, 6), "each side 3 to 30"),
        ((9, 31), "each side 3 to 30"),
        ((9, 6, "9X9_50"), "no such dictionary; known are .*4X4_50"),
        ((9, 6, "4X4_50", 1.5), "a marker's side is 0.2 to 0.95"),
        ((9, 6, "4X4_50", float("nan")), "a marker's side"),
    ],
)
def test_boards_that_are_none(arguments: tuple, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        Board(*arguments)
