"""Runs tasks on a Ray cluster: the same tasks, the same rows, more machines.

    tasks ─► Ray (which runs a lost worker's task again) ─► rows

Every node needs this version of the project installed; a row tells which code made it, and one of
other code is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from drone.errors import DroneError, UserError, WorkFailedError
from training.experiments import experiment_of
from training.experiments.codeversion import code_version
from training.experiments.design import Row, Task
from training.experiments.engine import TRIES, Engine, run_task

ENVIRONMENT = {"env_vars": {"OMP_NUM_THREADS": "1"}}
"""Of the workers: several threads would not be repeatable."""


def cluster(address: str | None = None, workers: int = 0) -> Engine:
    """Return the engine of a cluster.

    Args:
        address: of one that is there; None starts one on this machine.
        workers: tasks at a time; 0 takes as many as the cluster has cores.

    Raises:
        UserError: there is no cluster at the address.
    """

    def run(tasks: Sequence[Task], version: str) -> Iterator[Row]:
        _connect(address, workers)
        try:
            yield from _rows(tasks, version, workers or int(ray.cluster_resources()["CPU"]))
        finally:
            ray.shutdown()

    return run


def _connect(address: str | None, workers: int) -> None:
    own = {} if address else {"num_cpus": workers or None, "include_dashboard": False}
    try:
        ray.init(address=address, runtime_env=ENVIRONMENT, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RayError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({error}); start one with "
            "`ray start --head`, or leave --address out"
        ) from error


def _rows(tasks: Sequence[Task], version: str, at_once: int) -> Iterator[Row]:
    """Hand out no more than is worked on, and yield rows as they come."""
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_run)
    queue, running = list(reversed(tasks)), dict[Any, Task]()
    while queue or running:
        while queue and len(running) < at_once:
            task = queue.pop()
            running[remote.remote(task, version)] = task
        done, _ = ray.wait(list(running))
        for reference in done:
            yield _row(reference, running.pop(reference))


def _run(task: Task, version: str) -> Row:
    own = code_version(experiment_of(task.experiment).run)
    if own != version:
        raise WorkFailedError(
            f"a node has other code ({own}) than this machine ({version}): install the same "
            "versions of Python and of drone on every node"
        )
    return run_task(task, version)


def _row(reference: Any, task: Task) -> Row:
    try:
        row: Row = ray.get(reference)
    except RayError as error:
        if isinstance(error.__cause__, DroneError):
            raise error.__cause__ from error
        raise WorkFailedError(
            f"seed {task.seed} of {task.experiment} failed on the cluster: {error}; what is done "
            "is kept"
        ) from error
    return row
