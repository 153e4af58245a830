"""`drone bench env`: what a random and a scripted policy score in the Gymnasium environment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.commands.common import need
from drone.commands.display import many_progress
from drone.errors import UserError

HELP = "what a random and a scripted policy score in RoomFlight-v0"
EXAMPLE = "drone bench env --episodes 20 --json"
UNITS = {"reward": "", "flown_m": " m", "flown_s": " s", "crashed": ""}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the number of episodes and the reward."""
    parser.add_argument(
        "--episodes", type=int, default=20, metavar="N", help="one in each of rooms 0 to N - 1"
    )
    parser.add_argument(
        "--reward", choices=("progress", "explore", "survive"), default="progress", help="which"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return each policy's score.

    Raises:
        UserError: no episodes, more than there are test rooms, or the extra `sim` is missing.
    """
    need("pybullet", "sim")
    need("gymnasium", "sim")
    if not 1 <= args.episodes <= 100:
        raise UserError(f"--episodes {args.episodes}: expected 1 to 100, the number of test rooms")
    from drone.sim.envscore import POLICIES, baseline

    rooms = range(args.episodes)
    with many_progress(len(rooms) * len(POLICIES), args.json, "episodes") as done:
        policies = {name: baseline(name, rooms, args.reward, done) for name in POLICIES}
    return {"policies": policies, "reward": args.reward}


def show(record: Mapping[str, Any]) -> None:
    """Print one row a policy."""
    table = Table()
    table.add_column("policy")
    for name in UNITS:
        table.add_column(name, justify="right")
    for policy, scores in record["policies"].items():
        cells = [
            f"{s['mean']:.2f}{UNITS[name]} ({s['low']:.2f} to {s['high']:.2f})"
            for name, s in scores.items()
        ]
        table.add_row(policy, *cells)
    Console().print(table)
