"""`drone bench sim`: the simulator beside its bare renderer, two workers, and the clock."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.commands.common import need
from drone.commands.display import many_progress
from drone.errors import UserError

HELP = "the simulator beside its bare renderer, in two workers, and beside the clock"
EXAMPLE = "drone bench sim --json"
PARTS = 3
WHAT = {
    "stereo_128x96": ("steps/s, 128 x 96 at 10 Hz", "two bare getCameraImage", 0.85),
    "stereo_64x48": ("steps/s, 64 x 48 at 24 Hz", "two bare getCameraImage", 0.75),
    "vector_speedup_2": ("steps/s of two workers", "one worker", 1.7),
    "real_time_factor": ("simulated seconds per second, 128 x 96", "the clock", None),
}
"""Figure -> what it is, what it is measured against, the ratio aimed at."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the number of rounds."""
    parser.add_argument(
        "--rounds", type=int, default=300, metavar="N", help="how often each step is timed"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures, rates: larger is better.

    Raises:
        UserError: no rounds, or the extra `sim` is missing.
    """
    need("pybullet", "sim")
    need("gymnasium", "sim")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: expected at least 1")
    from drone.sim.simbench import bench_sim

    with many_progress(PARTS, args.json, "measurements") as done:
        figures = bench_sim(args.rounds, done)
    return {name: f.to_dict() for name, f in figures.items()} | {"unit": "1/s"}


def show(record: Mapping[str, Any]) -> None:
    """Print one row a figure."""
    table = Table()
    for column in ("what", "value", "reference", "ratio", "goal", "the reference is"):
        table.add_column(column, justify="left" if "w" in column or "is" in column else "right")
    for name, (what, reference, goal) in WHAT.items():
        figure = record[name]
        value, bare = (f"{figure[key]:.1f}" for key in ("value", "reference"))
        aim = "" if goal is None else f"≥ {goal:g}"
        table.add_row(what, value, bare, f"{figure['ratio']:.2f}", aim, reference)
    Console().print(table)
