"""The search: Optuna proposes settings, processes replay them on all flights.

    NSGA-II ─► a generation of settings ─► each process: its flights ─► counts ─► NSGA-II

Each process keeps its own flights with their curves. Proposals depend on the seed and on earlier
counts alone, so a search gives the same on any number of processes.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import NSGAIISampler
from optuna.trial import Trial

from training.tuning.goal import OBJECTIVES, figures_of
from training.tuning.recorded import Recorded
from training.tuning.replay import Counts, Flight
from training.tuning.space import Space, Value

Floats = NDArray[np.float64]
Setting = Mapping[str, Value]
GENERATION = 50
WORST = 1e6
"""Stands for an infinite figure, which Optuna does not take."""


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """All that was tried.

    Attributes:
        settings: each once; the first is what flies now.
        counts: (settings, flights, counts).
        wall_s: of the search.
    """

    settings: tuple[dict[str, Value], ...]
    counts: Floats
    wall_s: float


class Bench:
    """Replays settings on flights, and remembers what came of them."""

    def __init__(self, space: Space, replay: Callable[[Sequence[Setting]], Floats]) -> None:
        """Begin with what flies now.

        Args:
            space: what is searched.
            replay: settings -> counts, (settings, flights, counts).
        """
        self._replay = replay
        self._index: dict[tuple[Value, ...], int] = {}
        self.settings: list[dict[str, Value]] = []
        self._counts: list[Floats] = []
        self.add([space.present()])

    @property
    def counts(self) -> Floats:
        """Of all settings, in the order of `settings`."""
        return np.stack(self._counts)

    def add(self, settings: Sequence[dict[str, Value]]) -> list[int]:
        """Replay what is new, and return where each stands."""
        new = {tuple(s.values()): s for s in settings if tuple(s.values()) not in self._index}
        if new:
            self._counts += list(self._replay(list(new.values())))
            for key, setting in new.items():
                self._index[key] = len(self.settings)
                self.settings.append(setting)
        return [self._index[tuple(s.values())] for s in settings]

    def figures(self, indices: Sequence[int]) -> Floats:
        """Return the objectives of some settings."""
        return figures_of(np.stack([self._counts[i] for i in indices]))


def search(
    bench: Bench, space: Space, trials: int, seed: int, on_progress: Callable[[], None]
) -> Tried:
    """Propose and replay settings, generation after generation.

    Args:
        bench: replays them.
        space: what is searched.
        trials: proposals.
        seed: of the proposals.
        on_progress: called after each proposal.
    """
    started_s = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["minimize"] * len(OBJECTIVES),
        sampler=NSGAIISampler(population_size=GENERATION, seed=seed),
    )
    study.enqueue_trial(_position(space))
    done = 0
    while done < trials:
        asked = [study.ask() for _ in range(min(GENERATION, trials - done))]
        indices = bench.add([_proposed(trial, space) for trial in asked])
        for trial, values in zip(asked, bench.figures(indices), strict=True):
            study.tell(trial, np.minimum(values, WORST).tolist())
            on_progress()
        done += len(asked)
    wall_s = time.perf_counter() - started_s
    return Tried(tuple(bench.settings), bench.counts, wall_s)


def _proposed(trial: Trial, space: Space) -> dict[str, Value]:
    return {
        knob.key: knob.values[trial.suggest_int(knob.key, 0, len(knob.values) - 1)]
        for knob in space.knobs
    }


def _position(space: Space) -> dict[str, int]:
    """Return the proposal that is nearest to what flies now."""
    present = space.present()
    return {
        knob.key: int(np.argmin([abs(value - present[knob.key]) for value in knob.values]))
        for knob in space.knobs
    }


@contextmanager
def replayer(
    flights: Sequence[Recorded], space: Space, workers: int
) -> Iterator[Callable[[Sequence[Setting]], Floats]]:
    """Give what replays settings on flights, in some processes or, with one, in this one."""
    if workers <= 1:
        own = _Share(flights, space)
        yield own.counts
        return
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        pools = [
            stack.enter_context(
                ProcessPoolExecutor(1, context, _begin, (flights[k::workers], space))
            )
            for k in range(workers)
        ]

        def counts(settings: Sequence[Setting]) -> Floats:
            futures = [pool.submit(_replay, settings) for pool in pools]
            whole = np.empty((len(settings), len(flights), len(Counts._fields)))
            for k, future in enumerate(futures):
                whole[:, k::workers] = future.result()
            return whole

        yield counts


class _Share:
    """The flights of one process."""

    def __init__(self, flights: Sequence[Recorded], space: Space) -> None:
        self._flights = [Flight(recorded, space.shares) for recorded in flights]
        self._space = space

    def counts(self, settings: Sequence[Setting]) -> Floats:
        """Return what settings come to, (settings, flights, counts)."""
        pilots = [self._space.config(setting).pilot for setting in settings]
        return np.array([[flight.counts(pilot) for flight in self._flights] for pilot in pilots])


_shares: list[_Share] = []
"""Of this process, once it is a worker."""


def _begin(flights: Sequence[Recorded], space: Space) -> None:
    _shares.append(_Share(flights, space))


def _replay(settings: Sequence[Setting]) -> Floats:
    return _shares[0].counts(settings)
