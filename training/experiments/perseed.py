"""Figures that each room gives one of: mean and interval over rooms, arms compared room by room.

rows ─► values (seed -> figure, NaN if unknown) ─► estimate; two of them ─► paired difference
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from training.experiments.design import Row, Table
from training.experiments.statistics import (
    Difference,
    Estimate,
    corrected,
    difference,
    mean,
    seeds_to_be_clear,
)

Values = Mapping[int, float]
"""Seed -> figure; NaN where it is unknown."""


def values(rows: Sequence[Row], *path: str, **factors: str) -> Values:
    """Return the figure that lies under a path in each row of an arm."""
    return {row.seed: _under(row.figures, path) for row in rows if row.like(**factors)}


def _under(figures: object, path: Sequence[str]) -> float:
    for name in path:
        figures = figures.get(name) if isinstance(figures, Mapping) else None
    return float(figures) if isinstance(figures, int | float) else math.nan


def estimate(found: Values) -> Estimate:
    """Return the mean over the rooms that have the figure."""
    return mean(list(found.values()))


def until(found: Values, limit_s: float) -> Values:
    """Return times with the limit where the time is later, or never came."""
    return {seed: limit_s if math.isnan(v) else min(v, limit_s) for seed, v in found.items()}


def reached(found: Values) -> tuple[int, int]:
    """Return in how many rooms there is a figure at all, and how many rooms there are."""
    return sum(math.isfinite(v) for v in found.values()), len(found)


def paired(ours: Values, theirs: Values) -> Difference:
    """Return ours less theirs over the rooms in which both are known."""
    known = [
        seed
        for seed in sorted(ours.keys() & theirs.keys())
        if math.isfinite(ours[seed]) and math.isfinite(theirs[seed])
    ]
    ones = [1.0] * len(known)
    return difference(
        ([ours[seed] for seed in known], ones), ([theirs[seed] for seed in known], ones)
    )


def all_paired(pairs: Mapping[str, tuple[Values, Values]]) -> dict[str, Difference]:
    """Return several differences, corrected for being several; without those of no common room."""
    found = {name: paired(*pair) for name, pair in pairs.items()}
    there = {name: d for name, d in found.items() if d.estimate.n}
    return dict(zip(there, corrected(list(there.values())), strict=True))


def figures_table(
    title: str,
    arms: Mapping[str, Mapping[str, Values]],
    columns: Mapping[str, int],
    note: str = "",
) -> Table:
    """Return a row per arm.

    Args:
        title: of the table.
        arms: name -> column -> figures.
        columns: its title -> digits after the point.
        note: below it.
    """
    rows = tuple(
        (
            name,
            str(max((len(v) for v in found.values()), default=0)),
            *(estimate(found[c]).text(digits) for c, digits in columns.items()),
        )
        for name, found in arms.items()
    )
    return Table(title, ("arm", "n", *columns), rows, note)


def verdict(found: Difference, less: str, more: str, alike: str, unknown: str = "") -> str:
    """Return which text a difference says; `unknown`, else `alike`, if seeds are too few."""
    if not found.can_be_clear:
        return unknown or alike
    if not found.is_clear:
        return alike
    return less if found.estimate.mean < 0 else more


def too_few(found: Mapping[str, Difference]) -> str:
    """Return, in words, that seeds are too few for any of several differences to be clear."""
    if not found or any(d.can_be_clear for d in found.values()):
        return ""
    n = max(d.estimate.n for d in found.values())
    tests = max(d.tests for d in found.values())
    return f"too few rooms, {n}, where {tests} comparisons need {seeds_to_be_clear(tests)}"
