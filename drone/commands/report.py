"""`drone report`: make the report of a flight anew, or compare flights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from drone.commands.common import command_parser, print_json
from drone.errors import UserError
from drone.runfolder import resolve_input


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "report",
        "Make the report of a flight anew: one HTML file with what happened, where, how well mono "
        "saw, and what it learned. It needs nothing but the run folder, and opens without network. "
        "Of two or more flights: one HTML file that compares them.",
        "drone report runs/20260101-120000-room\n"
        "  drone report runs/20260101-120000-room runs/20260101-121500-room --out both.html",
    )
    p.add_argument(
        "runs", metavar="RUN", nargs="+", help="a run folder, or a flight log (.mcap); or several"
    )
    p.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="of several flights: where to write (default: comparison.html beside the first run)",
    )
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def run(args: argparse.Namespace) -> int:
    """Write the report, and say where it lies."""
    runs = [_run(argument) for argument in args.runs]
    from drone.report import write_comparison

    if len(runs) > 1:
        told = write_comparison(runs, args.out)
    else:
        if args.out is not None:
            raise UserError("--out goes with several flights: the report of one lies in its folder")
        report = _write_one(runs[0], args.json)
        told = {"report": report, "bytes": report.stat().st_size}
    if args.json:
        print_json(told)
    else:
        sys.stdout.write(f"{'Comparison' if len(runs) > 1 else 'Report'}: {told['report']}\n")
    return 0


def _write_one(run: Path, quiet: bool) -> Path:
    from drone.commands.display import time_progress
    from drone.flightlog import FlightLog
    from drone.report import write_report
    from drone.runfolder import RunFolder

    log = run if run.is_file() else RunFolder(run).log
    with time_progress(FlightLog(log).duration_s, quiet) as on_progress:
        return write_report(run, on_progress)


def _run(argument: str) -> Path:
    recorded = resolve_input(argument)
    if recorded.log is None:
        raise UserError(
            f"{argument}: a recording has no decisions to report on; expected a run folder or a "
            f"flight log; make one first: drone replay {argument}"
        )
    return recorded.path
