from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from boardscene import BOARD, SIZE_PX, pair, pictures, poses

from drone.errors import UserError
from drone.onboard.board import Seen, find_pair
from drone.onboard.coverage import corner_counts, covered_share, figure, lacking_regions
from drone.onboard.guided import guide
from drone.onboard.raw_capture import captures_from, raw_pairs

EMPTY = (np.full((240, 320), 90, np.uint8),) * 2


@pytest.fixture(scope="module")
def shots() -> list[tuple[np.ndarray, np.ndarray]]:
    raw = pair()
    drawn = [pictures(raw, pose) for pose in poses(6, 1)]
    return [shot for shot in drawn if None not in find_pair(*shot, BOARD, fast=True)]


def test_a_pair_is_taken_once_the_board_is_still_and_only_at_new_places(shots: list) -> None:
    stream = [EMPTY, shots[0], shots[1], shots[1], shots[1], shots[0], shots[0]]
    steps = list(guide(stream, BOARD))
    assert [step.taken is not None for step in steps] == [False] * 3 + [True, False, False, True]
    assert steps[0].say == "no board in either eye"
    assert steps[1].say == "hold the board still"
    assert steps[4].say == "move or tilt the board"
    assert steps[6].say.startswith("taken; still lacking: ")
    assert [step.count for step in steps] == [0, 0, 0, 1, 1, 1, 2]


def test_it_is_said_which_eye_sees_no_board(shots: list) -> None:
    left, right = shots[0]
    steps = list(guide([(left, EMPTY[0]), (EMPTY[0], right)], BOARD))
    assert [step.say for step in steps] == ["no board in the right eye", "no board in the left eye"]


def test_it_ends_at_twice_the_pairs_where_regions_stay_empty(shots: list) -> None:
    stream = [shot for shot in shots for _ in range(2)] * 3
    steps = list(guide(stream, BOARD, wanted=1))
    assert steps[-1].done
    assert steps[-1].count == 2
    assert steps[-1].lacking
    assert len(steps) < len(stream)


# Coverage


def seen(*px: tuple[float, float]) -> Seen:
    return Seen(np.arange(len(px), dtype=np.int32), np.array(px, np.float32))


def test_corners_are_counted_by_cell() -> None:
    counts = corner_counts([seen((0, 0), (319.4, 239.4), (-3, 999))], 320, 240)
    assert counts.sum() == 3
    assert (counts[0, 0], counts[5, 7], counts[5, 0]) == (1, 1, 1)
    assert covered_share(counts) == pytest.approx(3 / 48)


def test_empty_regions_are_named() -> None:
    counts = np.ones((6, 8), int)
    assert lacking_regions(counts) == ()
    counts[:2, :3] = 0
    counts[2:4, 3:6] = 0
    counts[4:, 3:6] = 0
    assert lacking_regions(counts) == ("upper left", "centre", "lower")


def test_the_figure_has_a_mark_for_each_cell() -> None:
    counts = np.array([[0, 3], [10, 0]])
    assert figure(counts) == (". +", "# .")


# Raw pairs


def film(path: Path, images: list[np.ndarray]) -> str:
    size = images[0].shape[1], images[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size, False)
    for image in images:
        writer.write(image)
    writer.release()
    return str(path)


def live(names: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return raw_pairs(captures_from(names))


def test_one_film_with_both_eyes_and_two_films_give_the_same(tmp_path: Path, shots: list) -> None:
    both = film(tmp_path / "both.avi", [np.hstack(shot) for shot in shots])
    single = [film(tmp_path / f"{i}.avi", [shot[i] for shot in shots]) for i in (0, 1)]
    from_both, from_two = list(live([both])), list(live(single))
    assert len(from_both) == len(from_two) == len(shots)
    for a, b, shot in zip(from_both, from_two, shots, strict=True):
        for i in (0, 1):
            assert a[i].shape == (SIZE_PX[1], SIZE_PX[0])
            assert np.abs(a[i].astype(int) - b[i]).mean() < 2
            assert np.abs(a[i].astype(int) - shot[i]).mean() < 4


def test_films_that_do_not_fit(tmp_path: Path, shots: list) -> None:
    whole = film(tmp_path / "whole.avi", [shots[0][0]])
    small = film(tmp_path / "small.avi", [shots[0][0][:120, :160]])
    (tmp_path / "text.avi").write_text("no film")
    with pytest.raises(UserError, match="both eyes must have the same size"):
        list(live([whole, small]))
    with pytest.raises(UserError, match="cannot be opened"):
        list(live([str(tmp_path / "text.avi")]))
    with pytest.raises(UserError, match="no such camera or film; cameras here:"):
        list(live([str(tmp_path / "missing.avi")]))
