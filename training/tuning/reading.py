"""Reading many logs, side by side."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from training.tuning.checks import check_together
from training.tuning.recorded import Recorded, read_recorded


def read_all(
    logs: Sequence[Path], workers: int, on_read: Callable[[], None]
) -> tuple[list[Recorded], list[str]]:
    """Read logs, and check that they belong together.

    Args:
        logs: of flights.
        workers: processes.
        on_read: called after each.

    Returns:
        The flights, and why others, without any estimate, were left out. If all are without, none
        is left out.

    Raises:
        UserError: a log cannot be read, or they do not belong together.
    """
    flights: list[Recorded] = []
    for flight in _read(logs, workers):
        flights.append(flight)
        on_read()
    empty = [f for f in flights if not len(f.estimates)]
    if len(empty) == len(flights):
        return flights, []
    kept = [f for f in flights if len(f.estimates)]
    check_together(kept)
    return kept, [f"{f.path}: holds no estimate by mono, and is left out" for f in empty]


def _read(logs: Sequence[Path], workers: int) -> Iterator[Recorded]:
    if min(workers, len(logs)) <= 1:
        yield from map(read_recorded, logs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(logs)), context) as pool:
        yield from pool.map(read_recorded, logs)
