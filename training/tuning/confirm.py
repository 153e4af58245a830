"""Flying the best few settings in the simulator: is it as the replay says?

    settings x seeds ─► run_flight ─► logs ─► counts, by each flight's own setting ─► figures

In a replay the drone goes where it went; flown, it goes where the setting takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone.config import Config
from drone.runfolder import RunFolder
from training.tuning.expected import figures_with_intervals, per_flight
from training.tuning.goal import Goal, cost_of, figures_of
from training.tuning.recorded import read_recorded
from training.tuning.replay import Flight
from training.tuning.search import Setting
from training.tuning.tuning import Tuning

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Flown:
    """One setting, flown.

    Attributes:
        setting: its values.
        counts: per flight, (flights, counts).
        runs: where the flights are.
    """

    setting: Setting
    counts: Floats
    runs: tuple[Path, ...]


FlyMany = Callable[[Sequence[Config]], Iterator[tuple[int, Path]]]
"""Flies configurations, and yields (seed, run folder) as they come in."""


def best_few(tuning: Tuning, count: int) -> Sequence[Setting]:
    """Return what flies now, then the chosen setting, then the next best of the front."""
    figures = figures_of(tuning.tried.counts[list(tuning.front)])
    order = np.argsort(cost_of(figures, tuning.goal), kind="stable")
    next_best = [tuning.front[k] for k in order]
    picked = [0, tuning.chosen]
    picked += [k for k in next_best if k not in picked]
    return [tuning.tried.settings[k] for k in dict.fromkeys(picked)][: 1 + count]


def fly(
    tuning: Tuning, settings: Sequence[Setting], seeds: Sequence[int], fly_many: FlyMany
) -> list[Flown]:
    """Fly each setting with each seed, and count.

    Args:
        tuning: what was recommended.
        settings: to fly.
        seeds: of the rooms.
        fly_many: flies.
    """
    flown = []
    for setting in settings:
        runs = dict(fly_many([_seeded(tuning.space.config(setting), seed) for seed in seeds]))
        folders = tuple(runs[seed] for seed in seeds)
        counts = np.array([counts_of(RunFolder(folder).log) for folder in folders])
        flown.append(Flown(setting, counts, folders))
    return flown


def _seeded(config: Config, seed: int) -> Config:
    flight = config.flight.model_copy(update={"seed": seed, "name": "tuning"})
    return config.model_copy(update={"flight": flight})


def counts_of(log: Path) -> Floats:
    """Return what a flight came to by the setting that it flew with."""
    recorded = read_recorded(log)
    pilot = recorded.config.pilot
    return np.array(Flight(recorded, (pilot.trust.min_tpr,)).counts(pilot))


def confirmation(tuning: Tuning, flown: Sequence[Flown], seeds: Sequence[int]) -> dict[str, Any]:
    """Return how the flights went beside what was expected, as one JSON object."""
    goal = tuning.goal
    settings = [
        {
            "setting": dict(f.setting),
            **figures_with_intervals(f.counts, goal),
            "per_flight": per_flight(f.counts, goal),
            "runs": [str(run) for run in f.runs],
        }
        for f in flown
    ]
    chosen = flown[1] if len(flown) > 1 else flown[0]
    best = int(np.argmin([float(cost_of(figures_of(f.counts), goal)) for f in flown]))
    return {
        "seeds": list(seeds),
        "before": settings[0],
        "chosen": settings[1] if len(flown) > 1 else settings[0],
        "others": settings[2:],
        "best": dict(flown[best].setting),
        "better_than_before": _better(flown[0], chosen, goal),
        "within_expected": within(tuning, chosen, goal),
    }


def _better(before: Flown, after: Flown, goal: Goal) -> bool:
    costs = [float(cost_of(figures_of(f.counts), goal)) for f in (before, after)]
    return costs[1] < costs[0]


def within(tuning: Tuning, flown: Flown, goal: Goal) -> dict[str, int]:
    """Return in how many flights each figure lay in its expected interval, and all of them."""
    flights = per_flight(flown.counts, goal)
    inside = {
        name: [_inside(flight[name], figure) for flight in flights]
        for name, figure in tuning.expected.items()
    }
    counts = {name: sum(there) for name, there in inside.items()}
    return {**counts, "all": sum(map(all, zip(*inside.values(), strict=True))), "n": len(flights)}


def _inside(value: float | None, figure: dict[str, float | int | None]) -> bool:
    low, high = figure["low"], figure["high"]
    return value is not None and low is not None and high is not None and low <= value <= high
