"""Tuning from logs to a recommendation, without reading or writing files.

flights ─► checks ─► search ─► choice, made simple ─► what it was, is, and will be ─► Tuning
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.config import Config
from drone.errors import UserError
from training.tuning import expected as outlook
from training.tuning.checks import (
    check_before,
    check_classes,
    check_enough,
    check_replays,
    check_strategy,
)
from training.tuning.expected import Figures
from training.tuning.goal import (
    LEAST_M,
    METRES,
    Goal,
    choose,
    cost_of,
    figures_of,
    front_of,
    unreachable,
)
from training.tuning.recorded import Recorded
from training.tuning.replay import Flight
from training.tuning.search import Bench, Tried, replayer, search
from training.tuning.space import Space, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Request:
    """What to tune, and how.

    Attributes:
        goal: of the choice.
        trials: proposals of the search.
        seed: of the search.
        workers: processes.
    """

    goal: Goal
    trials: int = 2000
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """What came of tuning.

    Attributes:
        flights: that it rests on.
        space: that was searched.
        goal: of the choice.
        tried: settings and their counts; the first is what flies now.
        chosen: position of the recommended setting.
        front: positions of those that no other beats.
        unseen: per flight, what the choice of the other flights came to on it.
        before: figures of what flies now.
        after: figures of the choice on the flights it was made on.
        expected: figures of one more flight.
        gain: change of the cost, judged on flights that a choice had not seen.
        withheld: by how much the cost rose on those, or 0 where it did not fall, so that nothing
            is recommended; else None.
        short_m: way under mono by choices on those, where it is too little to recommend by; else
            None.
    """

    flights: tuple[Recorded, ...]
    space: Space
    goal: Goal
    tried: Tried
    chosen: int
    front: tuple[int, ...]
    unseen: Floats
    before: Figures
    after: Figures
    expected: Figures
    gain: dict[str, float | int | None]
    withheld: float | None = None
    short_m: float | None = None

    @property
    def setting(self) -> dict[str, Value]:
        """The recommended values."""
        return self.tried.settings[self.chosen]

    @property
    def changed(self) -> dict[str, tuple[Value, Value]]:
        """What the recommendation changes: key -> before, after."""
        was = self.tried.settings[0]
        return {k: (was[k], v) for k, v in self.setting.items() if v != was[k]}

    @property
    def config(self) -> Config:
        """The recommended configuration."""
        return self.space.config(self.setting)

    @property
    def notes(self) -> list[str]:
        """What a reader should know before flying with it."""
        notes = [f"{f.path}: {f.damaged}" for f in self.flights if f.damaged]
        high = self.gain["high"]
        if self.short_m is not None:
            notes.append(
                "nothing is recommended: by the best setting mono would have flown straight on for "
                f"{self.short_m:.1f} m in all flights together, and over less than {LEAST_M:g} m "
                "rates per 100 m are luck; flights in which mono is trusted for longer are needed"
            )
        elif self.withheld is not None:
            did = f"raised the cost by {self.withheld:.3g}" if self.withheld else "saved nothing"
            notes.append(
                f"nothing is recommended: what is best on {len(self.unseen)} flights {did} on "
                "flights that the choice had not seen; they are too few to tell settings apart, "
                "more or longer flights are needed"
            )
        elif not self.changed:
            notes.append("no setting tried is better than what flies now: nothing is changed")
        elif high is None or high >= 0:
            notes.append(
                "the gain is not certain: judged on flights that the choice had not seen, the cost "
                "may also rise; more flights would tell"
            )
        without = int(np.count_nonzero(self.unseen[:, METRES] == 0))
        if without:
            notes.append(
                f"in {without} of {len(self.unseen)} flights mono never flew straight on: what is "
                "per 100 m, and the cost by it, rests on the others"
            )
        return notes


OnProgress = Callable[[], None]


def tune(
    flights: Sequence[Recorded], space: Space, request: Request, on_progress: OnProgress
) -> Tuning:
    """Search, choose, and say what to expect.

    Args:
        flights: to judge settings by.
        space: what is searched, and what flies now.
        request: goal and size of the search.
        on_progress: called after each proposal.

    Raises:
        UserError: the flights cannot be tuned on, or nothing reaches what is required.
    """
    check_strategy(flights)
    check_classes(flights)
    check_before(space.before, flights)
    check_enough(flights)
    for flight in flights:
        check_replays(Flight(flight, (flight.config.pilot.trust.min_tpr,)))
    with replayer(flights, space, min(request.workers, len(flights))) as replay:
        bench = Bench(space, replay)
        tried = search(bench, space, request.trials, request.seed, on_progress)
        if choose(tried.counts, request.goal) < 0:
            raise UserError(unreachable(tried.counts, request.goal))
        chosen = simplified(bench, choose(tried.counts, request.goal), request.goal)
    tried = Tried(tuple(bench.settings), bench.counts, tried.wall_s)
    return put_together(flights, space, request.goal, tried, chosen)


def put_together(
    flights: Sequence[Recorded], space: Space, goal: Goal, tried: Tried, chosen: int
) -> Tuning:
    """Return what was found; a choice that does no better on flights it had not seen is none.

    Args:
        flights: that were tuned on.
        space: that was searched.
        goal: of the choice.
        tried: every setting, what flies now first.
        chosen: position of the best.
    """
    unseen = outlook.judged_by_others(tried.counts, goal)
    was, withheld, short_m = tried.counts[0], None, None
    way_m = float(unseen[:, METRES].sum())
    change = outlook.gain(was, unseen, goal)["mean"]
    if goal.by_rates and way_m < LEAST_M:
        chosen, unseen, short_m = 0, was, way_m
    elif chosen and change is not None and change >= 0:
        chosen, unseen, withheld = 0, was, change
    return Tuning(
        flights=tuple(flights),
        space=space,
        goal=goal,
        tried=tried,
        chosen=chosen,
        front=tuple(front_of(figures_of(tried.counts))),
        unseen=unseen,
        before=outlook.figures_with_intervals(was, goal),
        after=outlook.figures_with_intervals(tried.counts[chosen], goal),
        expected=outlook.expected(unseen, goal, [float(f.t_s[-1]) for f in flights]),
        gain=outlook.gain(was, unseen, goal),
        withheld=withheld,
        short_m=short_m,
    )


def simplified(bench: Bench, chosen: int, goal: Goal) -> int:
    """Return a setting as good as the chosen one that changes as little as can be."""
    before = bench.settings[0]
    for key, present in before.items():
        setting = bench.settings[chosen]
        if setting[key] == present:
            continue
        [simpler] = bench.add([{**setting, key: present}])
        counts = bench.counts[[0, chosen, simpler]]
        costs = cost_of(figures_of(counts), goal)
        if choose(counts[[0, 2]], goal) == 1 and costs[2] <= costs[1]:
            chosen = simpler
    return chosen
