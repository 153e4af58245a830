"""What a setting is judged by: four objectives, the goal that weighs them, and the choice.

counts of every setting on every flight ─► figures ─► admissible? ─► least cost ─► choice
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError
from training.tuning.replay import Counts

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

METRES = Counts._fields.index("at_risk_m")
TRUST_S = Counts._fields.index("trust_s")


@dataclass(frozen=True, slots=True)
class Objective:
    """One figure that should be small.

    Attributes:
        name: on the command line and in JSON.
        unit: of the figure.
        words: what is counted.
        leeway: share by which it may get worse where something else is minimised ...
        allowance: ... and this much on top, in events, or in seconds.
    """

    name: str
    unit: str
    words: str
    leeway: float = 0.1
    allowance: float = 1.0

    @property
    def column(self) -> int:
        """Where it stands in the counts."""
        return TRUST_S if self.name == "time_to_trust" else Counts._fields.index(self.name)

    @property
    def is_rate(self) -> bool:
        """It is counted per 100 m."""
        return self.column != TRUST_S


OBJECTIVES = (
    Objective(
        "missed",
        "/100 m",
        "straight stretches under mono in which it flew on, though stereo saw an obstacle nearer "
        "than the stop distance",
    ),
    Objective(
        "needless_stops",
        "/100 m",
        "straight stretches that mono ended although stereo saw the way free: as far as the pilot "
        "asks for to go on after a stop",
    ),
    Objective(
        "overrides",
        "/100 m",
        "straight stretches that stereo ended, since mono would have flown on with a collision "
        "imminent",
    ),
    Objective(
        "time_to_trust",
        "s",
        "seconds of flight until mono first holds its licence; a flight in which it never does "
        "counts with its whole length",
        allowance=2.0,
    ),
)
NAMES = tuple(objective.name for objective in OBJECTIVES)
DEFAULT_WEIGHTS = {"missed": 2.0, "needless_stops": 1.0, "overrides": 10.0, "time_to_trust": 0.1}
LEAST_WAY = 0.8
"""Mono must still fly this share of the way that it flew before."""
LEAST_M = 20.0
"""Over so much way under mono, in all flights together, one event is already 5 per 100 m: over
less, rates are luck."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is minimised, and what must hold.

    Attributes:
        weights: by objective; the cost is their sum of products.
        limits: highest figure by objective, as asked for.
    """

    weights: Mapping[str, float]
    limits: Mapping[str, float]

    @property
    def by_rates(self) -> bool:
        """Something per 100 m is minimised."""
        return any(o.is_rate for o in OBJECTIVES if self.weights.get(o.name))

    @property
    def words(self) -> str:
        """The cost as a formula."""
        parts = [f"{weight:g} x {name}" for name, weight in self.weights.items()]
        return parts[0].removeprefix("1 x ") if len(parts) == 1 else " + ".join(parts)


def figures_of(counts: Floats) -> Floats:
    """Return the objectives for counts, (..., flights, counts) -> (..., objectives).

    A rate is events over metres of all flights; infinite where mono never flew.
    """
    total = counts.sum(axis=-2)
    metres = total[..., METRES]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [
            np.where(metres > 0, 100 * total[..., o.column] / metres, math.inf)
            if o.is_rate
            else counts[..., o.column].mean(axis=-1)
            for o in OBJECTIVES
        ]
    return np.stack(columns, axis=-1)


def cost_of(figures: Floats, goal: Goal) -> Floats:
    """Return what is minimised, for figures (..., objectives)."""
    weights = np.array([goal.weights.get(name, 0.0) for name in NAMES])
    cost: Floats = np.where(weights > 0, figures, 0.0) @ weights
    return cost


def admissible(counts: Floats, goal: Goal) -> Flags:
    """Return which settings may be chosen; the first is what flies now.

    What is neither minimised nor limited may get worse by its leeway, no more.

    Args:
        counts: (settings, flights, counts).
        goal: asked for.
    """
    figures, total = figures_of(counts), counts.sum(axis=1)
    before, metres = figures[0], total[0, METRES]
    fine: Flags = total[:, METRES] >= LEAST_WAY * metres
    for k, objective in enumerate(OBJECTIVES):
        limit = goal.limits.get(objective.name)
        if limit is None:
            if goal.weights.get(objective.name):
                continue
            one = 100 / max(metres, 1.0) if objective.is_rate else 1.0
            limit = before[k] * (1 + objective.leeway) + objective.allowance * one
        fine &= figures[:, k] <= limit
    return fine


def choose(counts: Floats, goal: Goal) -> int:
    """Return the admissible setting of the least cost; of equals the first; -1 if there is none."""
    cost = np.where(admissible(counts, goal), cost_of(figures_of(counts), goal), math.inf)
    best = int(np.argmin(cost))
    return best if math.isfinite(cost[best]) else -1


def front_of(figures: Floats) -> list[int]:
    """Return the settings that no other beats in all objectives, without repeating figures."""
    known = np.flatnonzero(np.isfinite(figures).all(axis=1))
    _, first = np.unique(figures[known].round(9), axis=0, return_index=True)
    candidates = known[np.sort(first)]
    points = figures[candidates]
    front = []
    for index, point in zip(candidates, points, strict=True):
        better = (points <= point).all(axis=1) & (points < point).any(axis=1)
        if not better.any():
            front.append(int(index))
    return front


def goal_of(objectives: Sequence[str], requirements: Sequence[str]) -> Goal:
    """Return the goal that options ask for.

    Args:
        objectives: `name`, or `name=weight`; none takes the default weights.
        requirements: `name<=highest`.

    Raises:
        UserError: not such texts, or they contradict each other.
    """
    weights: dict[str, float] = {}
    for text in (part for entry in objectives for part in entry.split(",")):
        name, _, number = text.partition("=")
        _check_name(name, f"--objective {text!r}")
        weight = _number(number or "1", f"--objective {text!r}")
        if weights.get(name, weight) != weight:
            raise UserError(f"--objective gives {name} two weights: {weights[name]:g}, {weight:g}")
        if weight == 0:
            raise UserError(f"--objective {text!r}: a weight of 0 minimises nothing; leave it out")
        weights[name] = weight
    limits: dict[str, float] = {}
    for text in requirements:
        match = re.fullmatch(r"\s*(\w+)\s*<=\s*(\S+)\s*", text)
        if match is None:
            raise UserError(
                f"--require {text!r}: expected name<=number, such as 'overrides<=1'; all figures "
                "are better the smaller they are"
            )
        name = match[1]
        _check_name(name, f"--require {text!r}")
        limit = _number(match[2], f"--require {text!r}")
        if limits.get(name, limit) != limit:
            raise UserError(f"--require limits {name} twice: {limits[name]:g}, {limit:g}")
        limits[name] = limit
    return Goal(weights or DEFAULT_WEIGHTS, limits)


def _check_name(name: str, where: str) -> None:
    if name not in NAMES:
        raise UserError(f"{where}: no objective {name!r}; there are {', '.join(NAMES)}")


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{where}: {text!r} is no number") from None
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{where}: expected a number of 0 or more")
    return value


def unreachable(counts: Floats, goal: Goal) -> str:
    """Return why no setting can be chosen, with what could be reached, in words."""
    figures = figures_of(counts)
    if not goal.limits:
        return (
            f"too little to tune on: with none of {len(figures)} settings would mono have flown "
            "straight on in these flights, so nothing is known per 100 m; missing: flights in "
            "which mono has learned enough to be trusted, longer ones or from a memory"
        )
    asked = ", ".join(f"{name}<={limit:g}" for name, limit in goal.limits.items())
    each = [f"{name} down to {figures[:, NAMES.index(name)].min():.3g}" for name in goal.limits]
    together = _nearest(figures, goal)
    return (
        f"these contradict each other on these flights: of {len(figures)} settings none reaches "
        f"{asked} (each by itself: {', '.join(each)}); the nearest has {together}; allow more"
    )


def _nearest(figures: Floats, goal: Goal) -> str:
    """Return the setting that exceeds the limits least, as a share of them."""
    columns = [NAMES.index(name) for name in goal.limits]
    limits = np.array(list(goal.limits.values()))
    excess = (figures[:, columns] / np.maximum(limits, 0.1)).max(axis=1)
    best = figures[int(np.argmin(np.where(np.isfinite(excess), excess, np.inf)))]
    return ", ".join(f"{NAMES[k]} {best[k]:.3g}" for k in columns)
