"""Known cameras come out of the corners that they see."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from boardscene import (
    BOARD,
    LEFT,
    RIGHT,
    RIGHT_FROM_LEFT,
    SIZE_PX,
    fisheye_pair,
    pair,
    poses,
    views,
)

from drone.errors import UserError, WorkFailedError
from drone.onboard.board import Seen
from drone.onboard.board_solving import BoardView, Solution, row_differences, solve
from drone.onboard.calibration import CameraModel, RawStereoCalibration, rigid

NOISE_PX = 0.1
VIEWS = views(pair(), poses(15, 1), NOISE_PX, 2)


def shifted(view: BoardView, by_px: tuple[float, float]) -> BoardView:
    """Return the view with the right eye's corners elsewhere: the board moved in between."""
    return replace(view, right=Seen(view.right.ids, view.right.px + np.float32(by_px)))


def solved(raw: RawStereoCalibration, lens: str) -> Solution:
    return solve(views(raw, poses(25, 1), NOISE_PX, 2), BOARD, SIZE_PX, lens)


@pytest.mark.parametrize(
    ("raw", "lens"), [(pair(), "radtan"), (pair(), "rational"), (fisheye_pair(), "fisheye")]
)
def test_the_known_pair_comes_out(raw: RawStereoCalibration, lens: str) -> None:
    solution = solved(raw, lens)
    found = solution.raw
    for a, b in ((found.left, raw.left), (found.right, raw.right)):
        np.testing.assert_allclose(a.pinhole.matrix, b.pinhole.matrix, atol=2.0)
        assert a.lens is b.lens
    np.testing.assert_allclose(found.right_from_left[:3, :3], RIGHT_FROM_LEFT[:3, :3], atol=0.01)
    np.testing.assert_allclose(found.right_from_left[:3, 3], RIGHT_FROM_LEFT[:3, 3], atol=0.03)
    noise_2d_px = NOISE_PX * np.sqrt(2)
    for error_px in (solution.left_px, solution.right_px, solution.pair_px):
        assert error_px == pytest.approx(noise_2d_px, rel=0.1)
    assert solution.row_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.3)
    assert solution.rejected == ()


def test_rows_meet_in_views_that_were_not_used() -> None:
    others = views(pair(), poses(10, 7), 0.0, 0)
    good = row_differences(others, solved(pair(), "radtan").raw)
    assert np.sqrt(np.mean(good**2)) < 0.1


def test_control_without_the_lens_rows_do_not_meet() -> None:
    raw = solved(pair(), "radtan").raw
    flat = RawStereoCalibration.from_pair(
        CameraModel(raw.left.pinhole), CameraModel(raw.right.pinhole), raw.right_from_left
    )
    rows = row_differences(views(pair(), poses(10, 7), 0.0, 0), flat)
    assert np.sqrt(np.mean(rows**2)) > 0.5


def test_the_pair_error_is_that_of_opencv() -> None:
    points = [BOARD.points.astype(np.float32)] * len(VIEWS)
    left, right = [v.left.px for v in VIEWS], [v.right.px for v in VIEWS]
    eyes = [cv2.calibrateCamera(points, px, SIZE_PX, None, None) for px in (left, right)]
    error_px, *_ = cv2.stereoCalibrate(
        *(points, left, right, *eyes[0][1:3], *eyes[1][1:3], SIZE_PX),
        flags=cv2.CALIB_USE_INTRINSIC_GUESS,
        criteria=(3, 200, 1e-9),
    )
    solution = solve(VIEWS, BOARD, SIZE_PX)
    assert solution.pair_px == pytest.approx(error_px, rel=1e-3)
    assert solution.left_px == pytest.approx(eyes[0][0], rel=1e-6)
    assert solution.right_px == pytest.approx(eyes[1][0], rel=1e-6)


def test_a_picture_in_which_the_board_moved_is_rejected_and_named() -> None:
    moved = [*VIEWS[:4], shifted(VIEWS[4], (0.0, 6.0)), *VIEWS[5:]]
    solution = solve(moved, BOARD, SIZE_PX)
    assert [picture.name for picture in solution.rejected] == ["04"]
    assert solution.rejected[0].pair_px > 0.5
    assert len(solution.pictures) == len(VIEWS) - 1
    assert solution.pair_px < 0.2


def test_merely_worse_pictures_stay() -> None:
    noisy = views(pair(), poses(15, 1), 2.5 * NOISE_PX, 3)
    mixed = [*noisy[:3], *VIEWS[3:]]
    solution = solve(mixed, BOARD, SIZE_PX)
    assert solution.rejected == ()
    assert len(solution.pictures) == len(mixed)


def test_where_many_pictures_disagree_none_are_thrown_away_quietly() -> None:
    rng = np.random.default_rng(0)
    mixed = [shifted(v, tuple(rng.normal(0, 20, 2))) if i % 3 else v for i, v in enumerate(VIEWS)]
    with pytest.raises((WorkFailedError, UserError)):
        solve(mixed, BOARD, SIZE_PX)


def test_swapped_eyes_are_said() -> None:
    swapped = [replace(view, left=view.right, right=view.left) for view in VIEWS]
    with pytest.raises(UserError, match="left and right are swapped"):
        solve(swapped, BOARD, SIZE_PX)


def test_eyes_one_above_the_other_are_refused() -> None:
    raw = RawStereoCalibration.__new__(RawStereoCalibration)  # only a pair seen by projection
    object.__setattr__(raw, "left", LEFT)
    object.__setattr__(raw, "right", RIGHT)
    object.__setattr__(raw, "body_from_left", np.eye(4))
    object.__setattr__(raw, "body_from_right", rigid(np.eye(3), np.array([0.1, 2.0, 0.0])))
    with pytest.raises(WorkFailedError, match="not beside it"):
        solve(views(raw, poses(15, 1), NOISE_PX, 2), BOARD, SIZE_PX)


def test_too_few_views() -> None:
    with pytest.raises(UserError, match="4 usable pairs of pictures; 5 are the fewest"):
        solve(VIEWS[:4], BOARD, SIZE_PX)


@pytest.mark.parametrize(("raw", "lens"), [(pair(), "radtan"), (fisheye_pair(), "fisheye")])
def test_views_of_parts_of_a_board(raw: RawStereoCalibration, lens: str) -> None:
    """As a ChArUco board gives them: other corners in each eye and picture."""
    rng = np.random.default_rng(5)

    def part(seen: Seen) -> Seen:
        keep = np.sort(rng.choice(len(seen.ids), 40, replace=False))
        return Seen(seen.ids[keep], seen.px[keep])

    whole = views(raw, poses(25, 1), NOISE_PX, 2)
    parts = [replace(view, left=part(view.left), right=part(view.right)) for view in whole]
    solution = solve(parts, BOARD, SIZE_PX, lens)
    assert solution.pair_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.15)
    assert solution.raw.baseline_m == pytest.approx(raw.baseline_m, rel=0.01)
