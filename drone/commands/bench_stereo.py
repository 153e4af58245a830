"""`drone bench stereo`: labels against ground truth, and their time beside the bare matcher's."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.commands.common import add_config_options
from drone.config import load
from drone.errors import UserError

HELP = "labels against pictures with known disparity, and their time beside the bare matcher's"
EXAMPLE = "drone bench stereo --data ../shared/data/stereo_pairs --json"
COLUMNS = {
    "answered_share": "seen",
    "bad3_answered": "wrong of seen",
    "bad3_all": "wrong or unseen",
    "epe_px": "error, px",
    "label_abs_rel": "label error",
    "label_bad10_share": "labels > 10 %",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the number of rounds."""
    add_config_options(parser, None)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder of pairs: DIR/NAME/left.png, right.png and disparity.npz or disparity.png, "
        "or Middlebury's im0.png, im1.png, disp0.pfm and calib.txt",
    )
    parser.add_argument(
        "--rounds", type=int, default=40, metavar="N", help="how often each is timed"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the accuracy of each pair (shares 0-1) and the latency, ms.

    Raises:
        UserError: the folder has no such pairs, or there are no rounds.
    """
    from drone.stereobench import accuracy, latency
    from drone.stereopairs import open_pairs

    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: expected at least 1")
    pilot = load(args.config, args.overrides).pilot
    pairs = open_pairs(args.data)
    return {
        "pairs": {pair.name: accuracy(pair.read(), pilot) for pair in pairs},
        "latency": latency(pairs[0].read(), pilot, args.rounds),
        "unit": "ms",
    }


def show(record: Mapping[str, Any]) -> None:
    """Print a row a pair, and a row a size."""
    table = Table()
    table.add_column("pair", no_wrap=True)
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for name, figures in record["pairs"].items():
        table.add_row(name, *(_cell(key, figures[key]) for key in COLUMNS))
    Console().print(table)
    times = Table()
    for title in ("size", "match and both labels", "bare matcher", "ratio"):
        times.add_column(title, justify="right")
    for size, figure in record["latency"].items():
        ours, bare = (f"{figure[key]:.2f} ms" for key in ("value", "reference"))
        times.add_row(size, ours, bare, f"{figure['ratio']:.2f}")
    Console().print(times)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if key == "epe_px" else f"{value:.1%}"
