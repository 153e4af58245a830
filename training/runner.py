"""Many flights in parallel: one process per flight, one thread per process."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from training.flight import FlightSpec, RunResult, run_flight


def fly_many(specs: Sequence[FlightSpec], workers: int = 0) -> Iterator[RunResult]:
    """Fly all, and yield each result as it comes in; the order is that of finishing.

    Args:
        specs: the flights.
        workers: processes; 0 takes one per core.

    Raises:
        UserError: as `run_flight`.
        WorkFailedError: as `run_flight`.
    """
    count = min(len(specs), workers or os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, count), mp_context=context) as pool:
        futures = [pool.submit(run_flight, spec) for spec in specs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
