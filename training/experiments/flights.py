"""Flights as tasks: fly a task's configurations one after the other, and count what happened.

Task.configs ─► run_flight ─► run_flight (one memory, where there are several) ─► log of the
last ─► counts before and after a time
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drone.config import Config, loads
from drone.errors import WorkFailedError
from drone.flightlog import FlightLog
from drone.logscore import counts_of, scores_of
from training.experiments.design import Task
from training.flight import FlightSpec, run_flight
from training.teacher import Start

FROM_S = "from_s"
"""In a plan: what happens from then on, s of flight, is what is asked about."""
More = Callable[[FlightLog, Config], dict[str, Any]]


def configs_of(task: Task) -> list[Config]:
    """Return a task's configurations."""
    return [loads(text, f"{task.experiment}, seed {task.seed}") for text in task.configs]


def fly(task: Task, more: More | None = None) -> dict[str, Any]:
    """Fly; return the counts of the last flight, `before` and `after` the plan's time.

    Args:
        task: of flights; those before the last are to learn in, and hand on their memory.
        more: what else to read from the last flight's log.
    """
    configs, from_s = configs_of(task), task.planned(FROM_S)
    with tempfile.TemporaryDirectory(prefix="drone-experiment-") as folder:
        start = Start(memory=Path(folder) / "memory") if len(configs) > 1 else Start()
        for config in configs[:-1]:
            _flown(config, Path(folder), start)
        log = _flown(configs[-1], Path(folder), start)
        edges_s = [0.0, from_s] if from_s > 0 else [0.0]
        counts = [counts_of(score) for score in scores_of(log, configs[-1], edges_s)]
        found = {} if more is None else more(log, configs[-1])
    parts = dict(zip(("before", "after"), counts, strict=True)) if from_s > 0 else {}
    return {**(parts or {"after": counts[0]}), **found}


def _flown(config: Config, folder: Path, start: Start) -> FlightLog:
    """Fly once; an interrupted flight is none, nor is one whose log ends before it."""
    result = run_flight(FlightSpec(config, folder, start))
    if result.figures["interrupted"]:
        raise KeyboardInterrupt
    if "log_problem" in result.figures:
        raise WorkFailedError(f"the flight's log ended early: {result.figures['log_problem']}")
    return FlightLog(result.run.log)
