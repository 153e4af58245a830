"""An arm's flights and the measures of them: sums over seeds, with intervals.

rows ─► Arm (counts by seed) ─► MEASURES ─► Estimate
two arms ─► differences ─► Difference, paired over seeds
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from training.experiments.design import Row, Table
from training.experiments.statistics import (
    UNKNOWN,
    Difference,
    Estimate,
    corrected,
    difference,
    quotient,
    rate,
    ratio,
    share,
)


class Measure(NamedTuple):
    """A ratio of sums over flights.

    Attributes:
        title: for a table.
        parts: counts that are summed above the line.
        wholes: and below.
        per: what the ratio is scaled to.
        is_rate: its parts are rare events, so that it has a Poisson interval.
        digits: after the point.
    """

    title: str
    parts: tuple[str, ...]
    wholes: tuple[str, ...]
    per: float = 1.0
    is_rate: bool = False
    digits: int = 2


MEASURES: Mapping[str, Measure] = {
    "collisions_per_100m": Measure("collisions / 100 m", ("collisions",), ("metres",), 100, True),
    "collisions_per_min": Measure(
        "collisions / min", ("collisions",), ("seconds",), 60, True, digits=3
    ),
    "metres_per_min": Measure("m / min", ("metres",), ("seconds",), 60, digits=1),
    "stops_per_100m": Measure("stops / 100 m", ("stops",), ("metres",), 100, digits=0),
    "needless_stops_per_100m": Measure(
        "needless stops / 100 m", ("needless_stops",), ("metres",), 100, digits=0
    ),
    "turning_share": Measure("share turning", ("turning_s",), ("seconds",)),
    "held_share": Measure("share standing", ("held_s",), ("seconds",)),
    "overrides_per_100m": Measure(
        "overrides / 100 m", ("overrides",), ("metres",), 100, True, digits=1
    ),
    "tpr_stereo": Measure(
        "TPR, stereo", ("caught_stereo",), ("caught_stereo", "missed_stereo"), digits=3
    ),
    "fpr_stereo": Measure(
        "FPR, stereo", ("needless_stereo",), ("needless_stereo", "free_stereo"), digits=3
    ),
    "tpr_truth": Measure(
        "TPR, truth", ("caught_truth",), ("caught_truth", "missed_truth"), digits=3
    ),
    "fpr_truth": Measure(
        "FPR, truth", ("needless_truth",), ("needless_truth", "free_truth"), digits=3
    ),
    "male": Measure("log error", ("log_error_sum",), ("log_error_n",), digits=3),
}
"""What is asked of any part of a flight (`drone.logscore.counts_of`)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    Attributes:
        counts: seed -> counts of the part that is asked about.
    """

    name: str
    counts: Mapping[int, Mapping[str, Any]]

    def sums(self, names: Sequence[str], seeds: Sequence[int] | None = None) -> list[float]:
        """Return the sum of some counts, one a seed."""
        chosen = sorted(self.counts) if seeds is None else seeds
        return [float(sum(self.counts[seed][name] for name in names)) for seed in chosen]

    def estimate(self, name: str) -> Estimate:
        """Return a measure with its interval."""
        measure = MEASURES[name]
        parts, wholes = self.sums(measure.parts), self.sums(measure.wholes)
        if not parts:
            return UNKNOWN
        if measure.is_rate:
            return rate(sum(parts), sum(wholes), len(parts), measure.per)
        return scaled(ratio(parts, wholes), measure.per)

    def share_of_flights(self, name: str) -> tuple[int, int]:
        """Return how many flights have a count above 0, and how many there are."""
        return sum(v > 0 for v in self.sums((name,))), len(self.counts)


def arm(name: str, rows: Sequence[Row], part: str = "after", **factors: str) -> Arm:
    """Return the arm of some levels."""
    return Arm(name, {row.seed: row.figures[part] for row in rows if row.like(**factors)})


def collided_share(of: Arm) -> Estimate:
    """Return the share of flights with a collision."""
    return share(*of.share_of_flights("collisions"))


def compared(name: str, ours: Arm, theirs: Arm) -> Difference:
    """Return the difference of a measure over the seeds that both arms have."""
    return difference(*_paired(name, ours, theirs))


def divided(name: str, ours: Arm, theirs: Arm) -> Estimate:
    """Return a measure of ours over theirs, over the seeds that both arms have."""
    return quotient(*_paired(name, ours, theirs))


def _paired(name: str, *sides: Arm) -> list[tuple[list[float], list[float]]]:
    """Return (parts, wholes) of each side, one entry a seed that all have."""
    seeds = sorted(set.intersection(*(set(side.counts) for side in sides)))
    measure = MEASURES[name]
    return [
        (
            [measure.per * v for v in side.sums(measure.parts, seeds)],
            side.sums(measure.wholes, seeds),
        )
        for side in sides
    ]


def all_compared(name: str, pairs: Mapping[str, tuple[Arm, Arm]]) -> dict[str, Difference]:
    """Return several differences of one measure, corrected for being several."""
    found = [compared(name, *pair) for pair in pairs.values()]
    return dict(zip(pairs, corrected(found), strict=True))


def scaled(estimate: Estimate, by: float) -> Estimate:
    """Return an estimate in another unit."""
    return Estimate(by * estimate.mean, by * estimate.low, by * estimate.high, estimate.n)


def measures_table(title: str, arms: Sequence[Arm], names: Sequence[str], note: str = "") -> Table:
    """Return a row per arm, a column per measure."""
    rows = [
        (
            found.name,
            str(len(found.counts)),
            *(found.estimate(name).text(MEASURES[name].digits) for name in names),
        )
        for found in arms
    ]
    return Table(title, ("arm", "n", *(MEASURES[n].title for n in names)), tuple(rows), note)


def differences_table(title: str, found: Mapping[str, Difference], note: str = "") -> Table:
    """Return a row per comparison."""
    rows = [
        (
            name,
            str(d.estimate.n),
            d.estimate.text(2),
            f"{d.effect:.2f}" if d.effect == d.effect else "–",
            probability(d.p),
        )
        for name, d in found.items()
    ]
    columns = ("comparison", "n", "difference [95 %]", "effect (d)", "p (Holm)")
    return Table(title, columns, tuple(rows), note)


def probability(p: float) -> str:
    """Return a p as a person reads it."""
    if p != p:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def measures_json(arms: Sequence[Arm], names: Sequence[str]) -> dict[str, Any]:
    """Return arm -> measure -> figure, as `--json` prints them."""
    return {a.name: {name: a.estimate(name).to_dict() for name in names} for a in arms}
