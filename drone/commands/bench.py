"""`drone bench`: this stack against its floors, measured in the same run."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

from drone import __version__
from drone.commands.common import add_config_options, command_parser, need, print_json
from drone.config import launch_folder, load
from drone.errors import UserError

WHAT = {
    "simulator": ("one camera period of the room", "two bare renders"),
    "stereo_label": ("match, checks and label", "the bare matcher"),
    "mono": ("one-eyed frame to distances", "the bare session"),
    "pilot_tick": ("a whole tick with a frame", "seeing alone"),
    "learning_step": ("sample, augment, learn, average", "a bare SGD step"),
}


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "bench",
        "Measure each part in the path of a frame beside its floor; trust the ratios.",
        "drone bench --json",
    )
    add_config_options(p, "room.toml")
    p.add_argument("--rounds", type=int, default=200, metavar="N", help="how often each is timed")
    p.add_argument("--save", type=Path, metavar="FILE", help="also write the JSON here")
    p.add_argument("--json", action="store_true", help="print one JSON object, else nothing")
    return p


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    need("pybullet", "sim")
    need("torch", "train")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: expected at least 1")
    config = load(args.config or launch_folder() / "room.toml", args.overrides)
    from training.bench import bench_stack

    figures = bench_stack(config, args.rounds)
    record = {
        "figures": {name: figure.to_dict() for name, figure in figures.items()},
        "unit": "ms",
        "version": __version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    if args.save is not None:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print_json(record)
        return 0
    table = Table()
    for column in ("what", "ours", "floor", "ratio", "the floor is"):
        table.add_column(column, justify="left" if "w" in column or "is" in column else "right")
    for name, figure in figures.items():
        what, floor = WHAT[name]
        cells = (f"{figure.value:.2f} ms", f"{figure.reference:.2f} ms", f"{figure.ratio:.2f}")
        table.add_row(what, *cells, floor)
    Console().print(table)
    return 0
