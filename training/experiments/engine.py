"""Runs tasks, on the cores of this machine or on a Ray cluster, and hands over rows as they come.

    tasks ─► engine ─► run_task (a process of its own, one thread) ─► Row

A worker that dies takes nothing along but what it was doing: that runs again, `TRIES` times at
most. The order of rows is that of finishing; their figures do not depend on who ran them.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from drone.errors import WorkFailedError
from training.experiments.design import Row, Task

Engine = Callable[[Sequence[Task], str], Iterator[Row]]
TRIES = 3


def run_task(task: Task, version: str) -> Row:
    """Do one task."""
    from training.experiments import experiment_of

    before_s = _cpu_s()
    figures = experiment_of(task.experiment).run(task)
    return Row(
        task.key(version),
        version,
        dict(task.factors),
        task.seed,
        figures,
        round(_cpu_s() - before_s, 2),
        machine(),
    )


def local(workers: int = 0) -> Engine:
    """Return the engine of this machine.

    Args:
        workers: processes; 0 takes one per core.
    """

    def run(tasks: Sequence[Task], version: str) -> Iterator[Row]:
        os.environ["OMP_NUM_THREADS"] = "1"  # several would not be repeatable
        tries = dict.fromkeys(tasks, 0)
        waiting = list(tasks)
        while waiting:
            count = min(len(waiting), workers or os.cpu_count() or 1)
            left = _Left()
            yield from _generation(waiting, version, count, left)
            for task in left.lost:
                tries[task] += 1
            _give_up([task for task in left.lost if tries[task] >= TRIES])
            waiting = [*left.lost, *left.untried]

    return run


@dataclass
class _Left:
    """What a pool left undone: what died with a worker, and what was not begun."""

    lost: list[Task] = field(default_factory=list)
    untried: list[Task] = field(default_factory=list)


def _generation(tasks: Sequence[Task], version: str, workers: int, left: _Left) -> Iterator[Row]:
    """Run tasks in one pool until all are done or a worker dies.

    No more is handed out than is worked on, so that only what may have killed the worker counts as
    tried.
    """
    context = multiprocessing.get_context("spawn")
    queue, running = list(reversed(tasks)), dict[Future[Row], Task]()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_ctrl_c) as pool:
        processes = pool._processes
        try:
            while queue or running:
                while queue and len(running) < workers:
                    task = queue.pop()
                    running[pool.submit(run_task, task, version)] = task
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    del running[future]
        except BrokenProcessPool:
            left.lost, left.untried = list(running.values()), list(reversed(queue))
        finally:
            if running:  # nobody waits for flights whose rows nobody takes any more
                for process in list((processes or {}).values()):
                    process.terminate()


def _ignore_ctrl_c() -> None:
    """Leave Ctrl-C to the process that was started by hand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _give_up(tasks: Sequence[Task]) -> None:
    if tasks:
        arm = ", ".join(f"{name} {level}" for name, level in tasks[0].factors)
        raise WorkFailedError(
            f"the process of seed {tasks[0].seed} ({arm}) died {TRIES} times, which looks like "
            "too little memory: try --workers 1; what is done is kept"
        )


def machine() -> str:
    """Return what kind of machine this is, without its name."""
    cores = os.cpu_count() or 1
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def _cpu_s() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)
