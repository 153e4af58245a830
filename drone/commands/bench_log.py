"""`drone bench log`: what it costs to write the flight log, beside a bare MCAP writer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from drone.errors import UserError

HELP = "writing the flight log: drops, share of a core, throughput beside a bare MCAP writer"
EXAMPLE = "drone bench log --seconds 60 --json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how long and how often."""
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="each load is written so long"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="how often throughput is timed"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return drops and share of a core at two loads, and the throughput in MB/s.

    Raises:
        UserError: no time or no rounds.
    """
    if not args.seconds > 0 or args.rounds < 1:
        raise UserError("--seconds must be above 0, and --rounds at least 1")
    from drone.logbench import JPEG, LOSSLESS, paced, throughput

    return {
        "figures": {"throughput": throughput(LOSSLESS, args.rounds).to_dict()},
        "unit": "MB/s",
        "lossless_60hz_128x96": paced(LOSSLESS, args.seconds),
        "jpeg_30hz_640x480": paced(JPEG, args.seconds),
    }


def show(record: Mapping[str, Any]) -> None:
    """Print one line a load, and the throughput."""
    console = Console()
    for name in ("lossless_60hz_128x96", "jpeg_30hz_640x480"):
        load = record[name]
        console.print(
            f"{name.replace('_', ' ')}: {load['dropped']} of {load['frames']} frames dropped, "
            f"{load['core_share']:.1%} of a core, at most {load['longest_wait_ms']} ms waited, "
            f"{load['mb']} MB"
        )
    figure = record["figures"]["throughput"]
    console.print(
        f"throughput: {figure['value']:.0f} MB/s of images, {figure['ratio']:.2f} x a bare MCAP "
        f"writer ({figure['reference']:.0f} MB/s)"
    )
