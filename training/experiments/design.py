"""What an experiment is: arms and seeds in, one task per flight, findings out. Plain values.

Experiment.tasks ─► Task ─► run (any process, any machine) ─► figures ─┐
rows, by key ◄─────────┘
rows ─► Experiment.analyse ─► Findings (tables, figures, three sentences) ─► page
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from drone.config import Config, launch_folder, load

UNTAUGHT = ("learner.steps_per_frame=0", "learner.start=fresh")
"""A learner that learns nothing: nothing flies but stereo."""
Factors = tuple[tuple[str, str], ...]
"""The arm a task belongs to: (factor, level), in the experiment's order."""


class Task(NamedTuple):
    """One independent piece of work; everything it depends on is in it, or in the code.

    Attributes:
        experiment: its name.
        factors: the arm.
        seed: of room and flight.
        configs: whole configurations (TOML), in the order in which they are used.
        plan: what else there is to know, such as times, s.
    """

    experiment: str
    factors: Factors
    seed: int
    configs: tuple[str, ...]
    plan: tuple[tuple[str, float], ...] = ()

    def key(self, version: str) -> str:
        """Return the name under which the row is kept; it changes with anything that matters."""
        text = json.dumps([version, *self])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def planned(self, name: str) -> float:
        """Return one number of the plan."""
        return dict(self.plan)[name]


class Row(NamedTuple):
    """What came of one task.

    Attributes:
        factors: its arm, factor -> level.
        figures: what `run` returned.
        cpu_s: processor seconds of the process that ran it and of its children.
    """

    key: str
    version: str
    factors: Mapping[str, str]
    seed: int
    figures: Mapping[str, Any]
    cpu_s: float
    machine: str

    def like(self, **factors: str) -> bool:
        """Return whether the row belongs to an arm."""
        return all(self.factors.get(name) == level for name, level in factors.items())


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Attributes:
        note: what a reader needs to know of it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure.

    Attributes:
        name: of its file, without suffix.
        caption: below it.
        draw: draws into a Matplotlib figure.
        size: width and height, inches.
    """

    name: str
    caption: str
    draw: Callable[[Any], None]
    size: tuple[float, float] = (7.0, 3.6)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rows say.

    Attributes:
        headline: one line for the index, with its figures.
        meaning: sentences, made from the figures.
        figures: as `--json` prints them.
    """

    headline: str
    meaning: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question, and all that it takes to answer it.

    Attributes:
        claim: what the paper says, or that it does not.
        protocol: paragraphs.
        falsified_by: what would show that the answer is wrong.
        factors: factor -> its levels.
        seeds: by default.
        quick_seeds: of the smoke version.
        tasks: (seeds, quick) -> tasks.
        run: does one task.
        analyse: rows -> findings.
        cpu_s: processor seconds per task, roughly, before any was timed.
        quick_cpu_s: likewise, of the smoke version.
        where: how any process finds it (`experiment_of`), if that is not by its name.
    """

    name: str
    question: str
    claim: str
    protocol: tuple[str, ...]
    falsified_by: str
    factors: Mapping[str, tuple[str, ...]]
    seeds: Sequence[int]
    quick_seeds: Sequence[int]
    tasks: Callable[[Sequence[int], bool], list[Task]]
    run: Callable[[Task], dict[str, Any]]
    analyse: Callable[[Sequence[Row]], Findings]
    cpu_s: float
    quick_cpu_s: float
    where: str = ""

    def __post_init__(self) -> None:
        """Be found by name where nothing else is said."""
        object.__setattr__(self, "where", self.where or self.name)


def configured(seed: int, duration_s: float, *overrides: str, file: str = "room.toml") -> Config:
    """Return a situation of `launch/`, without its faults, with these changes."""
    base = (f"flight.seed={seed}", f"flight.duration_s={duration_s:g}", "sim.faults=[]")
    return load(launch_folder() / file, [*base, *overrides])
