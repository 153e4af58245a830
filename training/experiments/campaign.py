"""An experiment from its tasks to its findings: what is done, what is left, what that costs.

tasks ─► done (store) | left ─► engine ─► store ─► rows of these tasks alone ─► analyse
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from drone.errors import UserError
from training.experiments.codeversion import code_version
from training.experiments.design import Experiment, Row, Task
from training.experiments.engine import Engine
from training.experiments.store import Store


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of an experiment.

    Attributes:
        seeds: None for the experiment's own.
        only: factor -> levels that are wanted.
        quick: the smoke version.
    """

    seeds: Sequence[int] | None = None
    only: Mapping[str, tuple[str, ...]] | None = None
    quick: bool = False


class Campaign:
    """One experiment's tasks, and the folder with their rows."""

    def __init__(
        self, experiment: Experiment, scope: Scope, folder: Path, version: str | None = None
    ) -> None:
        """Plan; nothing is run.

        Args:
            experiment: which.
            scope: which part of it.
            folder: where its rows are.
            version: of the code whose rows count; by default of the present.

        Raises:
            UserError: an unknown factor or level; a file in the folder that is not one of rows.
        """
        self.experiment, self.scope = experiment, scope
        self.version = version or code_version(experiment.run)
        self.store = Store(folder, self.version)
        seeds = scope.seeds
        if seeds is None:
            seeds = experiment.quick_seeds if scope.quick else experiment.seeds
        self.tasks = _chosen(experiment, seeds, scope)

    @property
    def rows(self) -> list[Row]:
        """What is done, in the tasks' order."""
        found = [self.store.get(task.key(self.version)) for task in self.tasks]
        return [row for row in found if row is not None]

    @property
    def left(self) -> list[Task]:
        """What is not."""
        return [t for t in self.tasks if self.store.get(t.key(self.version)) is None]

    def cost_s(self) -> float:
        """Return the processor seconds that what is left will take, by what was timed so far."""
        guess = self.experiment.quick_cpu_s if self.scope.quick else self.experiment.cpu_s
        timed: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for row in self.rows:
            timed.setdefault(tuple(row.factors.items()), []).append(row.cpu_s)
        known = [s for arm in timed.values() for s in arm]
        guess = sum(known) / len(known) if known else guess
        means = {arm: sum(found) / len(found) for arm, found in timed.items()}
        return sum(means.get(task.factors, guess) for task in self.left)

    def run(self, engine: Engine, on_row: Callable[[Row], None] = lambda row: None) -> None:
        """Do what is left; every row is on the disk before the next is waited for.

        Raises:
            DroneError: a task cannot be done; what is done is kept.
        """
        with self.store.writing(), closing(engine(self.left, self.version)) as rows:
            for row in rows:
                self.store.add(row)
                on_row(row)


def _chosen(experiment: Experiment, seeds: Sequence[int], scope: Scope) -> list[Task]:
    only = scope.only or {}
    for factor, levels in only.items():
        known = experiment.factors.get(factor)
        if known is None:
            there = ", ".join(experiment.factors) or "none"
            raise UserError(f"{experiment.name} has no factor {factor!r}; its factors: {there}")
        for level in levels:
            if level not in known:
                raise UserError(f"{factor} has no level {level!r}; there are: {', '.join(known)}")
    tasks = [t._replace(experiment=experiment.where) for t in experiment.tasks(seeds, scope.quick)]
    if not tasks:
        raise UserError(f"{experiment.name}: there is nothing to run for these seeds")
    chosen = [t for t in tasks if all(dict(t.factors)[f] in only[f] for f in only)]
    if not chosen:
        raise UserError(f"{experiment.name}: no arm has these levels together; see --list")
    return chosen


def versions_in(folder: Path) -> list[str]:
    """Return the code versions of which a folder has rows, the most rows first."""
    store = Store(folder, "")
    return sorted(store.foreign, key=lambda v: len(store.foreign[v]), reverse=True)
