"""`drone report`: make the report of a flight anew."""

from __future__ import annotations

import argparse
import sys

from drone.commands.common import command_parser, print_json
from drone.errors import UserError
from drone.runfolder import resolve_input


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "report",
        "Make the report of a flight anew: one HTML file with what happened, where, how well mono "
        "saw, and what it learned. It needs nothing but the run folder, and opens without network.",
        "drone report runs/20260101-120000-room",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a flight log (.mcap)")
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def run(args: argparse.Namespace) -> int:
    """Write the report, and say where it lies."""
    recorded = resolve_input(args.run)
    if recorded.log is None:
        raise UserError(
            f"{args.run}: a recording has no decisions to report on; expected a run folder or a "
            f"flight log; make one first: drone replay {args.run}"
        )
    from drone.report import write_report

    report = write_report(recorded.path)
    if args.json:
        print_json({"report": report, "bytes": report.stat().st_size})
    else:
        sys.stdout.write(f"Report: {report}\n")
    return 0
