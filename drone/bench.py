"""The bench record: a figure beside its floor, both measured in the same run.

Value and reference are timed in turn, so that whatever else the machine does hits both alike; the
medians are compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Figure:
    """One bench figure.

    Attributes:
        value: median of ours: time in ms, or rate in 1/s (`per_second`).
        reference: median of the floor, likewise.
        ratio: value over reference; 1 is the floor itself.
        n: how often each was timed.
    """

    value: float
    reference: float
    ratio: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def compare(
    ours: Callable[[], object],
    floor: Callable[[], object],
    n: int,
    *,
    between: Callable[[], object] = lambda: None,
    clock_s: Callable[[], float] = time.perf_counter,
) -> Figure:
    """Time both in turn, n times each, after one untimed round.

    Args:
        ours: what is measured.
        floor: what it is measured against.
        n: rounds.
        between: done after ours and before the floor, untimed.
        clock_s: what time is read from.

    Raises:
        ValueError: n is less than 1.
    """
    if n < 1:
        raise ValueError(f"a bench needs at least one round, not {n}")
    ours(), between(), floor()
    pairs = [(_ms(ours, clock_s), between(), _ms(floor, clock_s)) for _ in range(n)]
    value = statistics.median(v for v, _, _ in pairs)
    reference = statistics.median(r for _, _, r in pairs)
    return Figure(value, reference, value / reference, n)


def per_second(figure: Figure) -> Figure:
    """Return a figure of times in ms as one of rates in 1/s: the larger ratio is the better."""
    value, reference = 1e3 / figure.value, 1e3 / figure.reference
    return Figure(value, reference, value / reference, figure.n)


def _ms(work: Callable[[], object], clock_s: Callable[[], float]) -> float:
    started_s = clock_s()
    work()
    return 1e3 * (clock_s() - started_s)


def with_interval(values: Sequence[float | None], digits: int = 3) -> dict[str, Any]:
    """Return the mean over seeds with its 95 % bootstrap interval, as it stands in JSON.

    Args:
        values: one a seed; None, where a seed has none, is left out and not counted.
        digits: after the point.
    """
    known = np.array([v for v in values if v is not None], float)
    if not len(known):
        return {"mean": None, "low": None, "high": None, "n": 0}
    rng = np.random.default_rng(0)
    means = known[rng.integers(len(known), size=(_RESAMPLES, len(known)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    figures = {"mean": known.mean(), "low": low, "high": high}
    return {key: round(float(value), digits) for key, value in figures.items()} | {"n": len(known)}
