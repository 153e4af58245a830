"""`drone bench labels`: labels against the truth of simulated rooms, flown by stereo alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.commands.common import add_config_options, need, seed_range
from drone.commands.display import many_progress
from drone.commands.keptrooms import finished_rooms, keep_rooms
from drone.config import load

HELP = "labels against the truth of simulated rooms, flown by stereo alone"
EXAMPLE = "drone bench labels --seeds 0-19 --set sim.room.difficulty=plain --json"
COLUMNS = {
    "fpr": "needless stops",
    "falsely_near_share": "falsely near",
    "unknown_share": "unknown",
    "cell_bad10_share": "cells > 10 %",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the rooms and where to go on from."""
    add_config_options(parser, None)
    parser.add_argument("--seeds", metavar="A-B", default="0-19", help="rooms (default: 0-19)")
    parser.add_argument(
        "--duration", type=float, default=120.0, metavar="S", help="of each flight (default: 120)"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep finished rooms here, and skip them"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each room, and the median and worst over them.

    Raises:
        UserError: seeds, settings or the file to resume from are wrong.
    """
    need("pybullet", "sim")
    from drone.sim.labelflight import fly_labels

    overrides = [*args.overrides, f"flight.duration_s={args.duration}"]
    config = load(args.config, overrides)
    seeds = list(seed_range(args.seeds))
    settings = {"config": config.to_toml()}
    rooms = finished_rooms(args.resume, settings)
    switching = config.pilot.switching
    with many_progress(len(seeds), quiet=args.json, what="rooms") as advance:
        for seed in seeds:
            if str(seed) not in rooms:
                record = fly_labels(config, seed)
                rooms[str(seed)] = record.figures(switching.stop_m, config.pilot.trust.min_tpr)
                keep_rooms(args.resume, settings, rooms)
            advance()
    flown = {str(seed): rooms[str(seed)] for seed in seeds}
    return {"rooms": flown, "over_rooms": {key: _over(flown, key) for key in COLUMNS}}


def show(record: Mapping[str, Any]) -> None:
    """Print a row a room, and the median."""
    table = Table()
    for title in ("room", *COLUMNS.values()):
        table.add_column(title, justify="right")
    rows = {**record["rooms"], "median": {k: v["median"] for k, v in record["over_rooms"].items()}}
    for name, figures in rows.items():
        values = (figures[key] for key in COLUMNS)
        table.add_row(name, *("-" if v is None else f"{v:.1%}" for v in values))
    Console().print(table)


def _over(rooms: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float | int | None]:
    """Return median and worst over the rooms where it is known."""
    values = sorted(room[key] for room in rooms.values() if room[key] is not None)
    if not values:
        return {"median": None, "worst": None, "n": 0}
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return {"median": round(middle, 4), "worst": values[-1], "n": len(values)}
