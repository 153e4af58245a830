"""The report of a flight, or the comparison of several: one HTML file, made from run folders alone.

flight.mcap ─► Flight (columns) ─► sentences, charts, trajectories ─┐
     └───────► a few shots ─────────────────────────────────────────┴─► report.html
Flight, Flight, ... ─► figures side by side, charts together ───────────► comparison.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog
from drone.report.comparepage import comparison_page
from drone.report.comparison import MOST_FLIGHTS, Side, side_figures
from drone.report.flight import Flight
from drone.report.moments import choose, choose_overrides, fetch
from drone.report.page import page
from drone.report.reading import read_flight
from drone.runfolder import RunFolder

__all__ = ["write_comparison", "write_report"]

COMPARISON_NAME = "comparison.html"


def write_report(run: Path, on_progress: Callable[[float], None] | None = None) -> Path:
    """Write a run folder's report, in place of an older one.

    Args:
        run: the run folder, or a log, whose report then lies beside it.
        on_progress: called with the seconds of flight read so far.

    Returns:
        The HTML file: complete in itself, it refers to nothing outside.

    Raises:
        UserError: there is no flight log, or none that this version can read.
        WorkFailedError: the report cannot be written.
    """
    path = run if run.is_file() else RunFolder(run).log
    report = run.with_suffix(".html") if run.is_file() else RunFolder(run).report
    log = FlightLog(path)
    flight = read_flight(log, on_progress)
    result = _result(run)
    flight = replace(flight, figures=_figures(flight, result))
    overrides = choose_overrides(flight)
    shots = fetch(log, [*choose(flight), *overrides])
    told = [shot for shot in shots if shot.moment in overrides]
    others = [shot for shot in shots if shot.moment not in overrides]
    _write(report, page(flight, others, told, result, _name(run)))
    return report


def write_comparison(runs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
    """Write the page that compares flights, in place of an older one.

    Args:
        runs: two or more run folders or logs.
        out: the HTML file; by default `comparison.html` in the folder that holds the first run.

    Returns:
        `report`, its `bytes`, and the `figures` of each flight.

    Raises:
        UserError: one is no flight log, none flew, or they are too many.
        WorkFailedError: the page cannot be written.
    """
    if not 2 <= len(runs) <= MOST_FLIGHTS:
        raise UserError(f"{len(runs)} flights: expected 2 to {MOST_FLIGHTS} to compare")
    sides = [_side(number, run) for number, run in enumerate(runs)]
    report = out or runs[0].resolve().parent / COMPARISON_NAME
    _write(report, comparison_page(sides))
    figures = [side_figures(side) for side in sides]
    return {"report": report, "bytes": report.stat().st_size, "figures": figures}


def _side(number: int, run: Path) -> Side:
    path = run if run.is_file() else RunFolder(run).log
    flight = read_flight(FlightLog(path))
    if not len(flight.ticks):
        raise UserError(f"{run}: holds no tick: there is nothing to compare")
    return Side(number, _name(run), replace(flight, figures=_figures(flight, _result(run))))


def _name(run: Path) -> str:
    """Return what a flight is called: after its run folder, a log by itself after its file."""
    return run.stem if _is_alone(run) else _folder(run).path.resolve().name


def _folder(run: Path) -> RunFolder:
    return RunFolder(run.parent if run.is_file() else run)


def _is_alone(run: Path) -> bool:
    """Return whether this is a log that is not that of the folder it lies in."""
    return run.is_file() and run.resolve() != RunFolder(run.parent).log.resolve()


def _figures(flight: Flight, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the flight's figures; those of a replay leave the first frames out, as its result."""
    measures = flight.figures["measures"]
    errors = measures["obstacle_distance"]
    told = {k: result[k] for k in errors if isinstance(result.get(k), int | float)}
    return {**flight.figures, "measures": {**measures, "obstacle_distance": {**errors, **told}}}


def _result(run: Path) -> Mapping[str, Any]:
    """Return the run's result; a missing or broken one, or another flight's, adds nothing."""
    if _is_alone(run):
        return {}
    try:
        result = json.loads(_folder(run).result.read_text(encoding="utf-8"))
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
