"""Runs tasks, on the cores of this machine or on a Ray cluster, and hands over rows as they come.

    tasks ─► engine ─► attempt (a process of its own, one thread) ─► Row, or why there is none

A worker that dies takes nothing along but its own task: that runs again, `TRIES` times at most. A
task that fails stops no other; the failures are told at the end. The order of rows is that of
finishing; their figures do not depend on who ran them.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drone.errors import DroneError, WorkFailedError
from training.experiments.design import Row, Task

Engine = Callable[[Sequence[Task], str], Generator[Row, None, None]]
"""(tasks, code version) -> rows; closing it ends what is still at work."""
TRIES = 3


class Failure(NamedTuple):
    """Why a task has no row.

    Attributes:
        why: in words.
        trace: where in the code, if it is the code that is wrong.
    """

    why: str
    trace: str = ""


def attempt(task: Task, version: str) -> Row | Failure:
    """Do one task, or say why it cannot be done."""
    try:
        return run_task(task, version)
    except DroneError as error:
        return Failure(str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, other tasks may still be done
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())


def run_task(task: Task, version: str) -> Row:
    """Do one task.

    Raises:
        WorkFailedError: its figures cannot be kept.
        Exception: whatever its experiment raises.
    """
    from training.experiments import experiment_of

    before_s = _cpu_s()
    figures = _as_kept(experiment_of(task.experiment).run(task))
    return Row(
        task.key(version),
        version,
        dict(task.factors),
        task.seed,
        figures,
        round(_cpu_s() - before_s, 2),
        machine(),
    )


@dataclass
class Tally:
    """What was done, and what failed."""

    done: int = 0
    failures: list[str] = field(default_factory=list)

    def failed(self, task: Task, failure: Failure) -> None:
        """Take in why a task has no row."""
        arm = ", ".join(f"{name} {level}" for name, level in task.factors)
        self.failures.append(f"seed {task.seed} ({arm}): {failure.why}")
        sys.stderr.write(failure.trace)

    @property
    def hopeless(self) -> bool:
        """More fails than is done: no more need be tried."""
        return len(self.failures) >= TRIES and len(self.failures) > self.done

    def close(self) -> None:
        """Say what failed.

        Raises:
            WorkFailedError: something did.
        """
        if self.failures:
            raise WorkFailedError(
                f"{len(self.failures)} of {self.done + len(self.failures)} tasks failed; the "
                f"first: {self.failures[0]}; what is done is kept, and the rest runs when this is "
                "started again"
            )


def local(workers: int = 0) -> Engine:
    """Return the engine of this machine.

    Args:
        workers: processes; 0 takes one per core.
    """

    def run(tasks: Sequence[Task], version: str) -> Generator[Row, None, None]:
        from training.experiments.workers import Crew

        waiting, tries, tally = deque(tasks), Counter[Task](), Tally()
        with Crew(workers or os.cpu_count() or 1) as crew:
            while crew.busy or (waiting and not tally.hopeless):
                while waiting and crew.has_room and not tally.hopeless:
                    crew.begin(waiting.popleft(), version)
                for task, outcome in crew.finished():
                    if isinstance(outcome, Row):
                        tally.done += 1
                        yield outcome
                    elif isinstance(outcome, Failure):
                        tally.failed(task, outcome)
                    else:
                        tries[task] += 1
                        if tries[task] < TRIES:
                            waiting.appendleft(task)
                        else:
                            tally.failed(task, died(f"exit code {outcome}"))
        tally.close()

    return run


def died(how: str) -> Failure:
    """Return the failure of a task whose process died each time."""
    return Failure(
        f"its process died {TRIES} times ({how}), which looks like too little memory: try "
        "--workers 1"
    )


def machine() -> str:
    """Return what kind of machine this is, without its name."""
    cores = os.cpu_count() or 1
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def _as_kept(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as they are read back from their file."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(figures, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise WorkFailedError(
            f"its figures are not plain JSON ({error}); unknown is None, not NaN"
        ) from error
    return kept


def _cpu_s() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)
