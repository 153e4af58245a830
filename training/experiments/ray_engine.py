"""Runs tasks on a Ray cluster: the same tasks, the same rows, more machines.

    tasks ─► Ray (which runs a lost worker's task again) ─► rows

Every node needs this version of the project installed; a row tells which code made it, and a node
with other code makes none.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from drone.errors import UserError, WorkFailedError
from training.experiments import experiment_of
from training.experiments.codeversion import code_version
from training.experiments.design import Row, Task
from training.experiments.engine import TRIES, Engine, Failure, Tally, attempt, died

ANSWER_S = 10.0
"""How long a cluster may take to answer; Ray itself asks for many minutes."""

SAME_VERSIONS = "install the same versions of Python and of drone on every node"


def cluster(address: str | None = None, workers: int = 0) -> Engine:
    """Return the engine of a cluster.

    Args:
        address: of one that is there; None starts one on this machine.
        workers: tasks at a time; 0 takes as many as the cluster has cores.

    Raises:
        UserError: there is no cluster at the address.
        WorkFailedError: none can be started here; or as any engine.
    """

    def run(tasks: Sequence[Task], version: str) -> Generator[Row, None, None]:
        _connect(address, workers)
        try:
            yield from _rows(tasks, version, workers or int(ray.cluster_resources()["CPU"]))
        finally:
            ray.shutdown()

    return run


def _connect(address: str | None, workers: int) -> None:
    if address:
        _ask(address)
    own = {} if address else {"num_cpus": workers or None, "include_dashboard": False}
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},  # several are not repeatable
            log_to_driver=False,
            logging_level=logging.WARNING,
            **own,
        )
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        if address is None:
            raise WorkFailedError(f"Ray cannot be started on this machine: {error}") from error
        raise _no_cluster(address, error) from error


def _ask(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"--address {address}: no Ray cluster answers there ({error}); give HOST:PORT of one that "
        "was started with `ray start --head`, or leave --address out"
    )


def _rows(tasks: Sequence[Task], version: str, most: int) -> Generator[Row, None, None]:
    """Hand out no more than is worked on, and yield rows as they come."""
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_attempt)
    waiting, running, tally = deque(tasks), dict[Any, Task](), Tally()
    while running or (waiting and not tally.hopeless):
        while waiting and len(running) < most and not tally.hopeless:
            task = waiting.popleft()
            running[remote.remote(task, version)] = task
        for reference in ray.wait(list(running))[0]:
            task = running.pop(reference)
            outcome = _outcome(reference)
            if isinstance(outcome, Row):
                tally.done += 1
                yield outcome
            else:
                tally.failed(task, outcome)
    tally.close()


def _attempt(task: Task, version: str) -> Row | Failure:
    own = code_version(experiment_of(task.experiment).run)
    if own != version:
        return Failure(
            f"a node has other code ({own}) than this machine ({version}): {SAME_VERSIONS}"
        )
    return attempt(task, version)


def _outcome(reference: Any) -> Row | Failure:
    try:
        found: Row | Failure = ray.get(reference)
    except RayTaskError as error:  # `_attempt` raises nothing: it could not be loaded
        why = str(error).strip().splitlines()[-1]
        return Failure(f"a node cannot load the task ({why}): {SAME_VERSIONS}")
    except RayError as error:
        return died(type(error).__name__)
    return found
