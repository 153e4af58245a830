"""`drone runs [DIR]`: what runs there are; `drone runs pull user@host`: those of a companion."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drone.commands.common import command_parser, print_json
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.deploy.pulling import Pulled
    from drone.runlist import RunSummary

_UNITS = ("B", "kB", "MB", "GB", "TB")
_MODES = ("stereo", "training_wheels", "mono", "hold")


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "runs",
        "List the run folders: when, what was flown, how long, the share of each mode, collisions, "
        "size, and what is damaged. Oldest first. With pull: bring those of a companion home; what "
        "is here stays as it is, and what broke off goes on.",
        "drone runs\n  drone runs elsewhere/runs --json\n  drone runs pull pi@drone",
    )
    p.add_argument(
        "runs", nargs="?", metavar="DIR", type=Path, default=Path("runs"), help="default: runs"
    )
    p.add_argument("host", nargs="?", metavar="user@host", help="with pull: the companion")
    p.add_argument(
        "--to", metavar="DIR", type=Path, default=Path("runs"), help="with pull; default: runs"
    )
    p.add_argument(
        "--ssh", metavar="COMMAND", default="ssh", help="with pull, such as 'ssh -p 2222 -i key'"
    )
    p.add_argument("--json", action="store_true", help="print one JSON object, else nothing")
    return p


def run(args: argparse.Namespace) -> int:
    """List them, or bring them home."""
    if args.host is not None or str(args.runs) == "pull":
        return _pull(args)
    from drone.runlist import list_runs

    runs = list(list_runs(args.runs))
    if args.json:
        print_json({"runs": [summary.to_dict() for summary in runs]})
    else:
        _print(args.runs, runs)
    return 0


def _pull(args: argparse.Namespace) -> int:
    if args.host is None or str(args.runs) != "pull":
        raise UserError("expected drone runs [DIR], or drone runs pull user@host")
    from functools import partial

    from drone.commands.display import bytes_progress
    from drone.deploy.pulling import pull
    from drone.deploy.ssh import Host

    pulled = pull(Host(args.host, args.ssh), args.to, partial(bytes_progress, quiet=args.json))
    if args.json:
        print_json(pulled.to_dict())
    else:
        _print_pulled(pulled)
    return 1 if pulled.problems or pulled.kept else 0


def _print_pulled(pulled: Pulled) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{len(pulled.fetched)} files came ({readable(pulled.fetched_bytes)}), "
        f"{len(pulled.skipped)} are here already, in {pulled.folder}."
    )
    for run in pulled.busy:
        console.print(f"{run}: is still being written there; pull again later.")
    for path in pulled.kept:
        console.print(f"{path}: is here with another content, and was left alone; move it away.")
    for path, problem in pulled.problems.items():
        console.print(f"{path}: {problem}")


def _print(folder: Path, runs: Sequence[RunSummary]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not runs:
        console.print(f"{folder}: no runs yet; drone fly makes one.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("when", "run", "from"):
        table.add_column(name, no_wrap=name == "when", overflow="fold", min_width=len(name))
    for name in ("seed", "time", "s/w/m/h %", "collisions", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for r in runs:
        table.add_row(*_cells(r))
    console.print(table)
    for r in runs:
        if r.damaged:
            console.print(f"{r.path.name}: {r.damaged}", soft_wrap=True, style="yellow")


def _cells(r: RunSummary) -> tuple[str, ...]:
    return (
        f"{r.when:%Y-%m-%d %H:%M:%S}",
        r.name + (" !" if r.damaged else ""),
        r.source or "–",
        "–" if r.seed is None else str(r.seed),
        "–" if math.isnan(r.duration_s) else f"{r.duration_s:.0f} s",
        _modes(r),
        "–" if r.collisions is None else str(r.collisions),
        readable(r.size_bytes),
    )


def _modes(r: RunSummary) -> str:
    """Return the shares of stereo, training wheels, mono and hold (landing included)."""
    if not r.mode_share:
        return "–"
    share = dict(r.mode_share)
    share["hold"] = share.get("hold", 0.0) + share.pop("land", 0.0)
    return "/".join(f"{100 * share.get(mode, 0.0):.0f}" for mode in _MODES)


def readable(size_bytes: float) -> str:
    """Return a size as a person reads it, in decimal units."""
    power = 0
    while size_bytes >= 1000 and power < len(_UNITS) - 1:
        size_bytes, power = size_bytes / 1000, power + 1
    return (
        f"{size_bytes:.0f} {_UNITS[power]}" if power == 0 else f"{size_bytes:.1f} {_UNITS[power]}"
    )
