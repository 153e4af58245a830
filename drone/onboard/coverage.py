"""Which part of an eye's view the corners of a calibration board have covered.

A lens is known only where corners were seen; the rest is extrapolated, and the rim bends most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drone.onboard.board import Seen

CELLS = (6, 8)
"""Rows and columns of cells into which the view is cut."""
_SIDES = (("upper", "middle", "lower"), ("left", "centre", "right"))


def corner_counts(
    views: Sequence[Seen], width_px: int, height_px: int, cells: tuple[int, int] = CELLS
) -> NDArray[np.int64]:
    """Return how many corners fell into each cell of the view, (rows, cols)."""
    rows, cols = cells
    counts = np.zeros(cells, np.int64)
    for seen in views:
        col = np.clip(seen.px[:, 0] * cols / width_px, 0, cols - 1).astype(int)
        row = np.clip(seen.px[:, 1] * rows / height_px, 0, rows - 1).astype(int)
        np.add.at(counts, (row, col), 1)
    return counts


def covered_share(counts: NDArray[np.int64]) -> float:
    """Return the share of cells with at least one corner, 0 to 1."""
    return float((counts > 0).mean())


def lacking_regions(counts: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the ninths of the view of which half of the cells or more have no corner.

    Such as `upper left`; read row by row. The centre is called `centre`.
    """
    lacking = []
    for v, high in zip(_SIDES[0], np.array_split(counts, 3, axis=0), strict=True):
        for h, block in zip(_SIDES[1], np.array_split(high, 3, axis=1), strict=True):
            if (block == 0).mean() >= 0.5:
                lacking.append(_region(v, h))
    return tuple(lacking)


def figure(counts: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the view as lines of text: `.` no corner, `+` fewer than ten, `#` ten or more."""
    marks = np.where(counts == 0, ".", np.where(counts < 10, "+", "#"))
    return tuple(" ".join(row) for row in marks)


def _region(vertical: str, horizontal: str) -> str:
    if vertical == "middle":
        return horizontal
    return vertical if horizontal == "centre" else f"{vertical} {horizontal}"
