"""What to expect of a choice on another flight, with its interval; and how sure the gain is.

    for each flight: choose on all the others ─► what that choice came to on this one ─► figures

A choice looks better on the flights it was made on than on others. So nothing here is taken from
flights that a choice had seen: each flight is judged by the choice that the others alone make.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from training.tuning.goal import METRES, OBJECTIVES, Goal, choose, cost_of, figures_of

Floats = NDArray[np.float64]
Figures = dict[str, dict[str, float | int | None]]

DRAWS = 4000
TAILS = (0.025, 0.975)
"""Of 95 % intervals."""
MOST_SPREAD = 4.0
"""Variance between flights, as a share of the squared rate, is not believed to be more."""


def judged_by_others(counts: Floats, goal: Goal) -> Floats:
    """Return per flight what the choice made on all other flights came to, (flights, counts).

    Args:
        counts: (settings, flights, counts); the first setting is what flies now.
        goal: of the choice.
    """
    flights = range(counts.shape[1])
    others = [[k for k in flights if k != left_out] for left_out in flights]
    chosen = [max(choose(counts[:, rest], goal), 0) for rest in others]
    return counts[chosen, list(flights)]


def figures_with_intervals(counts: Floats, goal: Goal) -> Figures:
    """Return each objective over some flights, with its 95 % interval; and the cost.

    Args:
        counts: (flights, counts).
        goal: what the cost is.
    """
    rng = np.random.default_rng(0)
    drawn = figures_of(_resampled(counts, rng))
    figures: Figures = {}
    for k, objective in enumerate(OBJECTIVES):
        mean = float(figures_of(counts)[k])
        interval = _interval(drawn[:, k])
        if objective.is_rate:
            interval = _poisson(counts[:, objective.column].sum(), counts[:, METRES].sum())
        figures[objective.name] = _figure(mean, interval, len(counts))
    costs = cost_of(drawn, goal)
    figures["cost"] = _figure(
        float(cost_of(figures_of(counts), goal)), _interval(costs), len(counts)
    )
    return figures


def expected(counts: Floats, goal: Goal, lengths_s: Sequence[float] = ()) -> Figures:
    """Return what one more flight will come to, with the interval in which 95 % of such lie.

    Args:
        counts: by choices that did not see the flight, (flights, counts).
        goal: what the cost is.
        lengths_s: of each flight, which its time to trust cannot exceed; none: not known.
    """
    rng = np.random.default_rng(1)
    flights = _new_flights(counts, np.array(lengths_s or [math.inf] * len(counts)), rng)
    means = figures_with_intervals(counts, goal)
    drawn = figures_of(flights[:, None, :])
    values = {o.name: drawn[:, k] for k, o in enumerate(OBJECTIVES)} | {
        "cost": cost_of(drawn, goal)
    }
    result: Figures = {}
    for name, figure in means.items():
        low, high = _interval(values[name])
        result[name] = {
            **_figure(_float(figure["mean"]), (low, high), len(counts)),
            "mean_low": figure["low"],
            "mean_high": figure["high"],
        }
    return result


def gain(before: Floats, after: Floats, goal: Goal) -> dict[str, float | int | None]:
    """Return by how much the cost falls, after minus before, paired over flights.

    Draws in which mono never flew, before or after, have no cost and are left out.

    Args:
        before: (flights, counts).
        after: of the same flights, by choices that did not see them.
        goal: what the cost is.
    """
    rng = np.random.default_rng(2)
    drawn = rng.integers(len(before), size=(DRAWS, len(before)))
    with np.errstate(invalid="ignore"):  # infinite minus infinite is unknown
        change, mean = (
            cost_of(figures_of(now), goal) - cost_of(figures_of(was), goal)
            for now, was in ((after[drawn], before[drawn]), (after, before))
        )
    return _figure(float(mean), _interval(change), len(before))


def _resampled(counts: Floats, rng: np.random.Generator) -> Floats:
    drawn: Floats = counts[rng.integers(len(counts), size=(DRAWS, len(counts)))]
    return drawn


def _new_flights(counts: Floats, lengths_s: Floats, rng: np.random.Generator) -> Floats:
    """Return draws of one more flight, (draws, counts): of its length, its luck, and ours.

    Events come by chance (Poisson) at a rate that differs from flight to flight (gamma) around a
    mean that is itself known from few flights only (bootstrap, and half an event that was not
    seen); seconds are log-normal, with Student's t for the unknown spread, and no more than the
    flight has. Events are NaN in draws whose mean is of flights in which mono never flew.
    """
    like = rng.integers(len(counts), size=DRAWS)
    new = counts[like].copy()
    total = _resampled(counts, rng).sum(axis=1)
    known = total[:, METRES] > 0
    metres = np.where(known, total[:, METRES], 1.0)
    for objective in OBJECTIVES:
        column = objective.column
        if objective.is_rate:
            mean = rng.gamma(total[:, column] + 0.5) / metres
            spread = _spread(counts[:, column], counts[:, METRES])
            luck = rng.gamma(1 / spread, spread, DRAWS) if spread > 0 else 1.0
            events = rng.poisson(mean * luck * new[:, METRES])
            new[:, column] = np.where(known, events, np.nan)
        else:
            new[:, column] = np.minimum(_log_normal(counts[:, column], rng), lengths_s[like])
    return new


def _spread(events: Floats, metres: Floats) -> float:
    """Return by how much rates differ between flights: variance over squared mean, by moments."""
    if not events.sum() or not metres.sum():
        return 0.0
    awaited = metres * events.sum() / metres.sum()
    excess = ((events - awaited) ** 2 - awaited).sum() * len(events) / max(len(events) - 1, 1)
    return float(np.clip(excess / (awaited**2).sum(), 0.0, MOST_SPREAD))


def _log_normal(values: Floats, rng: np.random.Generator) -> Floats:
    logs = np.log(np.maximum(values, 1e-3))
    n = len(logs)
    spread = float(logs.std(ddof=1)) * math.sqrt(1 + 1 / n) if n > 1 else 0.0
    drawn: Floats = np.exp(logs.mean() + spread * rng.standard_t(max(n - 1, 1), DRAWS))
    return drawn


def _poisson(events: float, metres: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate per 100 m."""
    if metres <= 0:
        return math.nan, math.nan
    low = chi2.ppf(TAILS[0], 2 * events) / 2 if events else 0.0
    return 100 * float(low) / metres, 100 * float(chi2.ppf(TAILS[1], 2 * events + 2)) / 2 / metres


def _interval(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, TAILS)
    return float(low), float(high)


def _figure(mean: float, interval: tuple[float, float], n: int) -> dict[str, float | int | None]:
    known = {"mean": mean, "low": interval[0], "high": interval[1]}
    return {
        **{key: round(v, 4) if math.isfinite(v) else None for key, v in known.items()},
        "n": n,
    }


def _float(value: float | int | None) -> float:
    return math.nan if value is None else float(value)


def per_flight(counts: Floats, goal: Goal) -> list[Mapping[str, Any]]:
    """Return the objectives of each flight by itself, unknown as None."""
    figures = figures_of(counts[:, None, :])
    costs = cost_of(figures, goal)
    return [
        {
            **{o.name: _known(float(row[k])) for k, o in enumerate(OBJECTIVES)},
            "cost": _known(float(cost)),
        }
        for row, cost in zip(figures, costs, strict=True)
    ]


def _known(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
