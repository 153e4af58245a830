"""Guided capture: which pairs of a live stream are worth keeping, and what to show next.

In: raw pairs, one after the other, from a camera or a film. Out: for each pair whether it is taken,
and one line for the person who holds the board. A pair is taken when both eyes see the board, the
board is still (the eyes need not be triggered together then) and not where it was taken before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from drone.messages import Image
from drone.onboard.board import Board, Seen, find_pair
from drone.onboard.board_solving import BoardView
from drone.onboard.coverage import corner_counts, covered_share, lacking_regions

STILL_PX = 1.0
"""A board whose corners moved less since the frame before is still (median corner)."""
NEW_SHARE = 0.06
"""A board is elsewhere when its corners moved by this share of the picture's width on average."""


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """What one pair led to.

    Attributes:
        say: one line for the person who holds the board.
        taken: the board in this pair, None where the pair is not kept.
        images: the pair itself, left and right.
        count: pairs taken so far.
        lacking: regions of the view, of either eye, that still lack corners.
        done: enough pairs from all over the view.
    """

    say: str
    taken: BoardView | None
    images: tuple[Image, Image]
    count: int
    lacking: tuple[str, ...]
    done: bool


def guide(
    pairs: Iterable[tuple[Image, Image]], board: Board, wanted: int = 20
) -> Iterator[Guidance]:
    """Yield what each pair leads to; ends when enough are taken or no more come.

    Enough are `wanted` pairs and corners in every region, or twice as many pairs.

    Args:
        pairs: raw left and right pictures, (H, W) uint8.
        board: what the person shows.
        wanted: pairs to take.
    """
    views: list[BoardView] = []
    before: Seen | None = None
    lacking: tuple[str, ...] = ("all of the view",)
    for images in pairs:
        left, right = find_pair(*images, board, fast=True)
        complaint = _complaint(left, right, before, views, images[0].shape[1])
        taken = None
        if complaint is None and left is not None and right is not None:
            taken = BoardView(f"{len(views) + 1:02d}", left, right)
            views.append(taken)
            lacking = _lacking(views, images[0])
        before = left
        done = len(views) >= (wanted if not lacking else 2 * wanted)
        say = complaint or f"taken{'' if done else _next(lacking)}"
        yield Guidance(say, taken, images, len(views), lacking, done)
        if done:
            return


def _complaint(
    left: Seen | None,
    right: Seen | None,
    before: Seen | None,
    views: list[BoardView],
    width_px: int,
) -> str | None:
    """Return why a pair is not taken, None where it is."""
    if left is None or right is None:
        blind = "either eye" if left is None and right is None else "the left eye"
        return f"no board in {blind if left is None else 'the right eye'}"
    if before is None or _moved_px(before, left) > STILL_PX:
        return "hold the board still"
    if any(_moved_px(view.left, left) < NEW_SHARE * width_px for view in views):
        return "move or tilt the board"
    return None


def _moved_px(a: Seen, b: Seen) -> float:
    """Return how far the board's corners moved (median); infinite without common corners."""
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    if len(in_a) == 0:
        return float("inf")
    return float(np.median(np.linalg.norm(a.px[in_a] - b.px[in_b], axis=1)))


def _lacking(views: list[BoardView], image: Image) -> tuple[str, ...]:
    height, width = image.shape
    eyes = ([view.left for view in views], [view.right for view in views])
    counts = [corner_counts(seen, width, height) for seen in eyes]
    worst = min(counts, key=covered_share)
    return lacking_regions(worst)


def _next(lacking: tuple[str, ...]) -> str:
    return f"; still lacking: {', '.join(lacking)}" if lacking else "; move or tilt the board"
