"""`drone bench stack`: each part in the path of a frame beside its floor."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.commands.common import add_config_options, need
from drone.config import launch_folder, load
from drone.errors import UserError

HELP = "each part in the path of a frame beside its floor"
EXAMPLE = "drone bench stack --json"
WHAT = {
    "simulator": ("one camera period of the room", "two bare renders"),
    "stereo_label": ("match, checks and label", "the bare matcher"),
    "mono": ("one-eyed frame to distances", "the bare session"),
    "pilot_tick": ("a whole tick with a frame", "seeing alone"),
    "decision": ("trust to limiter, a full window", "the bare messages"),
    "learning_step": ("sample, augment, learn, average", "a bare SGD step"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the room and the number of rounds."""
    add_config_options(parser, "room.toml")
    parser.add_argument(
        "--rounds", type=int, default=200, metavar="N", help="how often each is timed"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures, in ms.

    Raises:
        UserError: no rounds, or an extra is missing.
    """
    need("pybullet", "sim")
    need("torch", "train")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: expected at least 1")
    config = load(args.config or launch_folder() / "room.toml", args.overrides)
    from training.bench import bench_stack

    figures = bench_stack(config, args.rounds)
    return {"figures": {name: f.to_dict() for name, f in figures.items()}, "unit": "ms"}


def show(record: Mapping[str, Any]) -> None:
    """Print one row a part."""
    table = Table()
    for column in ("what", "ours", "floor", "ratio", "the floor is"):
        table.add_column(column, justify="left" if "w" in column or "is" in column else "right")
    for name, figure in record["figures"].items():
        what, floor = WHAT[name]
        ours, bare = (f"{figure[key]:.3f} ms" for key in ("value", "reference"))
        table.add_row(what, ours, bare, f"{figure['ratio']:.2f}", floor)
    Console().print(table)
