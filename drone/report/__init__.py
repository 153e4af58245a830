"""The report of a flight: one HTML file, made from the run folder alone.

flight.mcap ─► Flight (columns) ─► sentences, charts, trajectories ─┐
     └───────► a few shots ─────────────────────────────────────────┴─► report.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drone.errors import WorkFailedError
from drone.flightlog import FlightLog
from drone.report.flight import Flight
from drone.report.moments import choose, choose_overrides, fetch
from drone.report.page import page
from drone.report.reading import read_flight
from drone.runfolder import RunFolder

__all__ = ["write_report"]


def write_report(run: Path) -> Path:
    """Write a run folder's report, in place of an older one.

    Args:
        run: the run folder, or a log, whose report then lies beside it.

    Returns:
        The HTML file: complete in itself, it refers to nothing outside.

    Raises:
        UserError: there is no flight log, or none that this version can read.
        WorkFailedError: the report cannot be written.
    """
    folder = RunFolder(run.parent if run.is_file() else run)
    path = run if run.is_file() else folder.log
    report = run.with_suffix(".html") if run.is_file() else folder.report
    log = FlightLog(path)
    flight = read_flight(log)
    result = _result(folder)
    flight = replace(flight, figures=_figures(flight, result))
    overrides = choose_overrides(flight)
    shots = fetch(log, [*choose(flight), *overrides])
    told = [shot for shot in shots if shot.moment in overrides]
    others = [shot for shot in shots if shot.moment not in overrides]
    _write(report, page(flight, others, told, result, folder.path.resolve().name))
    return report


def _figures(flight: Flight, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the flight's figures; those of a replay leave the first frames out, as its result."""
    measures = flight.figures["measures"]
    errors = measures["obstacle_distance"]
    told = {k: result[k] for k in errors if isinstance(result.get(k), int | float)}
    return {**flight.figures, "measures": {**measures, "obstacle_distance": {**errors, **told}}}


def _result(folder: RunFolder) -> Mapping[str, Any]:
    """Return the run's result; a missing or broken one adds nothing to the report."""
    try:
        result = json.loads(folder.result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return result if isinstance(result, Mapping) else {}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error
