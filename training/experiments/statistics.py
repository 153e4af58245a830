"""Figures over seeds, each with its 95 % interval; differences paired over seeds.

Rates have exact Poisson intervals, shares Clopper and Pearson's, everything else a bootstrap over
seeds, from five on: the interval of fewer is little more than their range, and far too narrow.
Differences between arms are bootstrapped over the seeds that both have, and tested by swapping the
arms within seeds; several tests of one question are corrected after Holm (1979). A difference is
clear where both say so: the interval by bootstrap alone is too narrow where seeds are few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 9999
CONFIDENCE = 0.95
LEAST = 5
"""Seeds, for an interval by bootstrap."""
ALPHA = 1 - CONFIDENCE
"""Below it, a p speaks against chance."""
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; unknown is NaN.

    Attributes:
        n: flights, or trials, that it rests on.
    """

    mean: float
    low: float
    high: float
    n: int

    def to_dict(self, digits: int = 4) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        values = {"mean": self.mean, "low": self.low, "high": self.high}
        known = {k: round(v, digits) if math.isfinite(v) else None for k, v in values.items()}
        return {**known, "n": self.n}

    def text(self, digits: int = 2, scale: float = 1.0) -> str:
        """Return it as a person reads it."""
        if not math.isfinite(self.mean):
            return "–"
        parts = [_text(scale * v, digits) for v in (self.mean, self.low, self.high)]
        return f"{parts[0]} [{parts[1]}, {parts[2]}]"


UNKNOWN = Estimate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm less another.

    Attributes:
        estimate: of the difference.
        effect: its size: the mean difference of a seed over its standard deviation (Cohen's d_z).
        p: that the arms do not differ, two-sided, after correction.
        tests: how many differences it was corrected for.
    """

    estimate: Estimate
    effect: float
    p: float
    tests: int = 1

    @property
    def is_clear(self) -> bool:
        """The interval excludes zero, and the corrected p is below `ALPHA`."""
        excludes = self.estimate.low > 0 or self.estimate.high < 0
        return excludes and self.p < ALPHA

    @property
    def can_be_clear(self) -> bool:
        """There are seeds enough: of fewer, no outcome is clear."""
        return self.estimate.n >= seeds_to_be_clear(self.tests)

    @property
    def least_seen(self) -> float:
        """The smallest true difference that so many seeds show in four of five repeats.

        The normal approximation for a power of 0.8 at a two-sided 5 % (Cohen 1988, chapter 2), with
        the standard error that the interval's width says.
        """
        errors = stats.norm.ppf(0.8) + stats.norm.ppf((1 + CONFIDENCE) / 2)
        width = (self.estimate.high - self.estimate.low) / 2
        return float(errors * width / stats.norm.ppf((1 + CONFIDENCE) / 2))

    @property
    def seeds_needed(self) -> float:
        """How many seeds would show a difference as large as was found, likewise."""
        size = abs(self.estimate.mean)
        return self.estimate.n * (self.least_seen / size) ** 2 if size > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        effect, p = (round(v, 4) if math.isfinite(v) else None for v in (self.effect, self.p))
        return {**self.estimate.to_dict(), "effect": effect, "p": p}


def rate(events: float, exposure: float, n: int, per: float = 1.0) -> Estimate:
    """Return events per `per` units of exposure, with the exact Poisson interval (Garwood 1936)."""
    if not exposure > 0:
        return UNKNOWN
    tail, scale = (1 - CONFIDENCE) / 2, per / exposure
    low = stats.chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * events + 2) / 2
    return Estimate(events * scale, float(low) * scale, float(high) * scale, n)


def share(hits: int, trials: int) -> Estimate:
    """Return a share with its exact interval (Clopper and Pearson 1934)."""
    if not trials:
        return UNKNOWN
    found = stats.binomtest(hits, trials).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(hits / trials, float(found.low), float(found.high), trials)


def mean(values: Sequence[float | None]) -> Estimate:
    """Return the mean over seeds, those without a value left out."""
    known = np.array([v for v in values if v is not None and math.isfinite(v)], np.float64)
    return ratio(known, np.ones(len(known)))


def ratio(parts: Sequence[float] | Values, wholes: Sequence[float] | Values) -> Estimate:
    """Return a ratio of sums over seeds, such as metres over minutes."""
    a, b = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    if not b.sum() > 0:
        return UNKNOWN
    value = float(a.sum() / b.sum())
    low, high = _interval((a, b), _ratio_of_sums)
    return Estimate(value, low, high, len(a))


def difference(
    ours: tuple[Sequence[float], Sequence[float]], theirs: tuple[Sequence[float], Sequence[float]]
) -> Difference:
    """Return the difference of two ratios of sums, ours less theirs.

    Where nothing happened in either arm there is no interval: a bootstrap has nothing to draw.

    Args:
        ours: (parts, wholes), one entry a seed.
        theirs: of the same seeds, in the same order.

    Raises:
        ValueError: they are not of the same seeds.
    """
    a, b, c, d = _paired(ours, theirs)
    if not (b.sum() > 0 and d.sum() > 0):
        return Difference(UNKNOWN, math.nan, math.nan)
    value = float(a.sum() / b.sum() - c.sum() / d.sum())
    happened = a.any() or c.any()
    low, high = _interval((a, b, c, d), _difference_of_ratios) if happened else (math.nan, math.nan)
    both = (b > 0) & (d > 0)
    apart = a[both] / b[both] - c[both] / d[both]
    spread = float(apart.std(ddof=1)) if len(apart) > 1 else 0.0
    effect = float(apart.mean() / spread) if spread > 0 else math.nan
    return Difference(Estimate(value, low, high, len(a)), effect, _swap_test(apart))


def quotient(
    ours: tuple[Sequence[float], Sequence[float]], theirs: tuple[Sequence[float], Sequence[float]]
) -> Estimate:
    """Return one ratio of sums over another; arguments and errors as of `difference`."""
    a, b, c, d = _paired(ours, theirs)
    if not all(v.sum() > 0 for v in (b, c, d)):
        return UNKNOWN
    low, high = _interval((a, b, c, d), _quotient_of_ratios)
    return Estimate(float(_quotient_of_ratios(a, b, c, d)), low, high, len(a))


def _paired(
    ours: tuple[Sequence[float], Sequence[float]], theirs: tuple[Sequence[float], Sequence[float]]
) -> list[Values]:
    found = [np.asarray(v, np.float64) for v in (*ours, *theirs)]
    if len({len(v) for v in found}) != 1:
        raise ValueError("what is compared in pairs needs the same seeds in both arms")
    return found


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences with their p corrected for being several (Holm 1979)."""
    order = sorted(range(len(found)), key=lambda i: (math.isnan(found[i].p), found[i].p))
    result, worst = list(found), 0.0
    for rank, i in enumerate(order):
        if not math.isnan(found[i].p):
            worst = max(worst, min(1.0, (len(found) - rank) * found[i].p))
            result[i] = replace(found[i], p=worst, tests=len(found))
    return result


def seeds_to_be_clear(tests: int = 1) -> int:
    """Return of how many seeds a difference can be clear at all.

    Swapping the arms within n seeds gives no p below 2 / 2^n, which the correction of the first of
    several multiplies by their number.
    """
    return max(LEAST, math.floor(1 + math.log2(tests / ALPHA)) + 1)


def _swap_test(apart: Values) -> float:
    """Return the p of a mean paired difference: how often swapped arms lie as far apart."""
    if len(apart) < 2:
        return math.nan
    found = stats.permutation_test(
        (apart,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _interval(samples: tuple[Values, ...], statistic: Any) -> tuple[float, float]:
    if len(samples[0]) < LEAST:
        return math.nan, math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = stats.bootstrap(
            samples,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        ).bootstrap_distribution
    low, high = np.nanquantile(drawn, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def _ratio_of_sums(a: Values, b: Values, axis: int = -1) -> Any:
    return a.sum(axis=axis) / b.sum(axis=axis)


def _difference_of_ratios(a: Values, b: Values, c: Values, d: Values, axis: int = -1) -> Any:
    return _ratio_of_sums(a, b, axis) - _ratio_of_sums(c, d, axis)


def _quotient_of_ratios(a: Values, b: Values, c: Values, d: Values, axis: int = -1) -> Any:
    return _ratio_of_sums(a, b, axis) / _ratio_of_sums(c, d, axis)


def _text(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}" if math.isfinite(value) else "–"
