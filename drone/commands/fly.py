"""`drone fly`: a flight in the simulated room, or many of them in parallel."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drone.commands.common import (
    add_config_options,
    add_output_options,
    command_parser,
    need,
    print_json,
    seed_range,
)
from drone.commands.roomoptions import add_room_options, room_options
from drone.commands.starting import add_start_options, exit_code, start_of
from drone.commands.watching import add_web_options, foxglove_port, watching, web_address
from drone.config import Config, launch_folder, load
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.web.feed import Watched
    from training.flight import RunResult


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "fly",
        "Fly in the simulated room: stereo flies and teaches, mono earns control, stereo is cut, "
        "mono flies on. Leaves a run folder with log, report, model, configuration and result.",
        "drone fly --config launch/room.toml --seed 1",
    )
    add_config_options(p, "room.toml")
    add_room_options(p)
    p.add_argument("--seed", metavar="N", help="of room and flight (default: as configured)")
    p.add_argument("--seeds", metavar="A-B", help="fly one flight per seed, in parallel")
    p.add_argument("--workers", metavar="N", type=int, default=0, help="with --seeds: processes")
    p.add_argument(
        "--mavlink",
        metavar="MANNER",
        nargs="?",
        const="ardupilot",
        help="in real time, as on a vehicle: drone onboard flies the room through an autopilot "
        "that speaks MAVLink over UDP, in the manner of ardupilot (default) or px4",
    )
    p.add_argument(
        "--minutes",
        metavar="N",
        type=float,
        help="with --mavlink: so long from the human pilot's permission on",
    )
    add_start_options(p)
    add_web_options(p)
    p.add_argument("--no-report", action="store_true", help="leave report.html out")
    add_output_options(p)
    return p


def run(args: argparse.Namespace) -> int:
    """Fly, and print what came of it."""
    need("pybullet", "sim")
    need("torch", "train")
    if args.mavlink is not None:
        return _fly_mavlink(args)
    if args.minutes is not None:
        raise UserError("--minutes goes with --mavlink; else --set flight.duration_s=SECONDS")
    address, foxglove = web_address(args), foxglove_port(args)
    if args.workers < 0:
        raise UserError(
            f"--workers {args.workers}: expected a number of processes, or 0 for all cores"
        )
    seeds = _seeds(args)
    overrides = list(args.overrides)
    path = args.config or launch_folder() / "room.toml"
    room = room_options(args)
    configs = [load(path, [*overrides, f"flight.seed={seed}"], room) for seed in seeds] or [
        load(path, overrides, room)
    ]
    if args.seeds is not None and args.memory is not None:
        raise UserError(
            "--memory takes one flight after the other: give --seed, and fly again with the next"
        )
    if args.seeds is None:
        with watching(address, "fly", foxglove) as watched:
            return _fly_one(configs[0], args, watched)
    if address is not None or foxglove is not None:
        option = "--foxglove" if address is None else "--web"
        raise UserError(f"{option} shows one flight: give --seed instead of --seeds")
    return _fly_many(configs, args)


def _fly_mavlink(args: argparse.Namespace) -> int:
    from drone.commands.display import print_mavlink_flight
    from drone.commands.fly_mavlink import check, fly_mavlink

    check(args.mavlink, args)
    if args.minutes is not None and not args.minutes > 0:
        raise UserError(f"--minutes {args.minutes:g}: expected more than 0")
    overrides = [*args.overrides, *(f"flight.seed={seed}" for seed in _seeds(args))]
    path = args.config or launch_folder() / "room.toml"
    config = load(path, overrides, room_options(args))
    figures = fly_mavlink(config, args.mavlink, args.minutes, args)
    if args.json:
        print_json(figures)
    else:
        print_mavlink_flight(figures)
    return 0


def _seeds(args: argparse.Namespace) -> Sequence[int]:
    if args.seed is not None and args.seeds is not None:
        raise UserError("--seed and --seeds exclude each other")
    if args.seed is not None:
        if not re.fullmatch(r"\d+", args.seed):
            raise UserError(f"--seed {args.seed!r}: expected a whole number such as 3")
        return [int(args.seed)]
    if args.seeds is None:
        return []
    return seed_range(args.seeds)


def _fly_one(config: Config, args: argparse.Namespace, watched: Watched | None) -> int:
    from drone.commands.display import flight_progress, print_flight
    from training.flight import FlightSpec, run_flight

    with flight_progress(config, quiet=args.json) as on_progress:
        result = run_flight(FlightSpec(config, args.runs, start_of(args)), on_progress, watched)
    _report([result], args)
    if args.json:
        print_json(result.figures)
    else:
        print_flight(result.figures, result.run)
    return exit_code("fly", result.figures)


def _fly_many(configs: Sequence[Config], args: argparse.Namespace) -> int:
    from drone.commands.display import many_progress, print_flights
    from training.flight import FlightSpec
    from training.runner import fly_many

    start = start_of(args)
    specs = [FlightSpec(config, args.runs, start) for config in configs]
    results: list[RunResult] = []
    with many_progress(len(specs), quiet=args.json) as advance:
        for result in fly_many(specs, args.workers):
            results.append(result)
            advance()
    results.sort(key=lambda r: r.figures["seed"])
    _report(results, args)
    flights: list[dict[str, Any]] = [r.figures for r in results]
    if args.json:
        print_json({"flights": flights})
    else:
        print_flights(flights)
    return max(exit_code("fly", figures) for figures in flights)


def _report(results: Sequence[RunResult], args: argparse.Namespace) -> None:
    if args.no_report:
        return
    from drone.report import write_report

    for result in results:
        write_report(Path(result.run.path))
