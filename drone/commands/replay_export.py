"""`drone replay RUN --to csv DIR` and `--to mcap FILE`: a log for other tools."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from drone.commands.common import print_json
from drone.errors import UserError
from drone.runfolder import Input

FORMATS = ("csv", "mcap")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add what a log is made into."""
    parser.add_argument(
        "--to",
        nargs=2,
        metavar=("FORMAT", "PATH"),
        help="write a flight's log for other tools: csv into a new folder, one table per topic, or "
        "mcap into a new log; --topics, --start and --end choose the part",
    )
    parser.add_argument(
        "--images",
        action="store_true",
        help="with --to csv: the images too, as PNG files that drone replay reads as a folder",
    )


def export_log(found: Input, args: argparse.Namespace) -> int:
    """Write the log as asked.

    Raises:
        UserError: no flight's log, or options that do not go together.
    """
    kind, target = args.to
    if kind not in FORMATS:
        raise UserError(f"--to {kind}: expected {' or '.join(FORMATS)}, then where to write")
    if found.log is None:
        raise UserError(f"{found.path} is no flight: --to needs a run folder or a log")
    if not 0 <= args.start < args.end:
        raise UserError(f"--start {args.start:g} --end {args.end:g}: right is 0 <= start < end")
    from drone.commands.display import time_progress
    from drone.flightlog import FlightLog
    from drone.logexport import Format, Wanted, export

    names = tuple(filter(None, (n.strip() for n in (args.topics or "").split(","))))
    wanted = Wanted(names, args.start, args.end, args.images)
    whole_s = FlightLog(found.log).duration_s
    if args.start > whole_s:
        raise UserError(f"--start {args.start:g}: the log is {whole_s:.1f} s long")
    duration_s = min(whole_s, args.end)
    with time_progress(duration_s, quiet=args.json) as on_progress:
        done = export(found.log, (Format(kind), Path(target)), wanted, on_progress)
    if args.json:
        print_json({"to": kind, "path": target, "messages": done.messages, "notes": done.notes})
        return 0
    for note in done.notes:
        print(f"drone replay: {note}", file=sys.stderr)  # noqa: T201
    total = sum(done.messages.values())
    text = f"{total} messages of {len(done.messages)} topics written to {target}."
    Console().print(text, soft_wrap=True)
    return 0
