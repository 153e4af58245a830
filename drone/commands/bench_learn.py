"""`drone bench learn`: how soon each learner may fly, on the same flights by stereo."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drone.bench import with_interval
from drone.commands.common import add_config_options, need, seed_range
from drone.commands.display import many_progress
from drone.commands.keptrooms import finished_rooms, keep_rooms
from drone.config import launch_folder, load
from drone.errors import UserError

HELP = "how soon each learner may fly, on the same simulated flights by stereo"
EXAMPLE = "drone bench learn --seeds 0-1 --at 15,60 --learners cnn,texton-knn --json"
LEARNERS: dict[str, tuple[str, ...]] = {
    "cnn": (),
    "cnn-fresh": ("learner.start=fresh",),
    "cnn-plain": (
        "learner.start=fresh",
        "learner.both_eyes=false",
        "learner.two_heads=false",
        "learner.balanced=false",
        "learner.augmented=false",
        "learner.average_decay=0",
        "pilot.mono.average_s=0",
    ),
    "texton-knn": ("learner.kind=texton-knn", "learner.buffer_frames=2400"),
}
"""Name -> settings that differ from the configured ones."""
WITHOUT: dict[str, tuple[str, ...]] = {
    "cnn-one-eye": ("learner.both_eyes=false",),
    "cnn-one-head": ("learner.two_heads=false",),
    "cnn-unbalanced": ("learner.balanced=false",),
    "cnn-unaugmented": ("learner.augmented=false",),
    "cnn-last-weights": ("learner.average_decay=0",),
    "cnn-single-frame": ("pilot.mono.average_s=0",),
    "cnn-unlearning": ("learner.warm_learning_rate=1e-9",),
}
"""`cnn` with one of its means switched off."""
AT_S = (15.0, 30.0, 60.0, 120.0, 300.0)
COLUMNS = {
    "fpr_at_tpr95": "needless stops at 95 % caught",
    "fpr_at_trust": "at trust's threshold",
    "fpr_promised": "promised",
    "tpr_at_trust": "caught there",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add rooms, learners, times and where to go on from."""
    add_config_options(parser, "room.toml")
    parser.add_argument("--seeds", metavar="A-B", default="0-9", help="rooms (default: 0-9)")
    parser.add_argument(
        "--learners",
        metavar="NAMES",
        default=",".join(LEARNERS),
        help=f"which of {', '.join(LEARNERS)} (default: these), or {', '.join(WITHOUT)}",
    )
    parser.add_argument(
        "--at",
        metavar="S,S",
        default=",".join(f"{t:g}" for t in AT_S),
        help="seconds of flight at which a copy is frozen and scored on the next 100 s "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep finished rooms here, and skip them"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each learner over the rooms.

    Raises:
        UserError: seeds, learners, times, settings or the file to resume from are wrong.
    """
    need("pybullet", "sim")
    need("torch", "train")
    from training.course import run
    from training.learncost import cost
    from training.online import single_thread

    single_thread()
    file = args.config or launch_folder() / "room.toml"
    config, names, at_s = load(file, args.overrides), _chosen(args.learners), _times(args.at)
    learners = {k: load(file, [*args.overrides, *own]) for k, own in names.items()}
    seeds = list(seed_range(args.seeds))
    settings = {"config": config.to_toml(), "at_s": list(at_s)}
    kept = finished_rooms(args.resume, settings)
    with many_progress(len(seeds), quiet=args.json, what="rooms") as advance:
        for seed in seeds:
            done = kept.setdefault(str(seed), {})
            missing = {k: v for k, v in learners.items() if k not in done}
            if missing:
                done.update(run(config, seed, missing, at_s))
                keep_rooms(args.resume, settings, kept)
            advance()
    rooms = {str(seed): {k: kept[str(seed)][k] for k in learners} for seed in seeds}
    return {
        "learners": {name: _over([r[name] for r in rooms.values()]) for name in learners},
        "cost": {
            **_cost([room["cnn"] for room in rooms.values() if "cnn" in room]),
            **cost(config),
        },
        "rooms": rooms,
    }


def show(record: Mapping[str, Any]) -> None:
    """Print a row per learner and time."""
    table = Table()
    for title in ("learner", "after", *COLUMNS.values(), "trusted after"):
        table.add_column(title, justify="right")
    for name, figures in record["learners"].items():
        trusted = figures["time_to_trust_s"]
        for at, row in figures["at_s"].items():
            cells = [f"{row[key]['mean']:.1%}" if row[key]["n"] else "-" for key in COLUMNS]
            told = f"{trusted['mean']:.0f} s in {trusted['n']}" if trusted["n"] else "never"
            table.add_row(name, f"{at} s", *cells, told)
    Console().print(table)


def _over(rooms: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and 95 % interval over the rooms of every figure."""
    times = rooms[0]["at_s"]
    return {
        "time_to_trust_s": with_interval([r["time_to_trust_s"] for r in rooms]),
        "at_s": {
            at: {key: with_interval([r["at_s"][at][key] for r in rooms]) for key in times[at]}
            for at in times
        },
    }


def _cost(courses: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the network's learning costs."""
    keys = ("sgd_steps_per_s", "core_seconds_per_flight_second")
    return {key: with_interval([c[key] for c in courses]) for key in keys}


def _chosen(names: str) -> dict[str, tuple[str, ...]]:
    wanted, known = names.split(","), {**LEARNERS, **WITHOUT}
    for name in wanted:
        if name not in known:
            raise UserError(f"--learners {name!r}: expected some of {', '.join(known)}")
    return {name: known[name] for name in wanted}


def _times(text: str) -> tuple[float, ...]:
    try:
        times = tuple(float(t) for t in text.split(","))
    except ValueError:
        times = ()
    if not times or list(times) != sorted(set(times)) or not 0 < times[0] <= times[-1] <= 3600:
        raise UserError(f"--at {text!r}: expected rising seconds such as 15,60, 3600 at most")
    return times
