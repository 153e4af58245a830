"""`drone tune`: which thresholds would have served better, from your own flights."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
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
from drone.config import SEEDS, Config, load, loads
from drone.errors import UserError, WorkFailedError
from drone.runfolder import RunFolder, resolve_input
from drone.wholefile import write_whole

if TYPE_CHECKING:
    from training.tuning.recorded import Recorded
    from training.tuning.space import Space
    from training.tuning.tuning import Tuning

MOST_TRIALS = 1_000_000


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "tune",
        "Tune the thresholds of trust on flights of your own: replays what thousands of settings "
        "would have done on the logged labels and estimates, without images, and recommends one, "
        "with what to expect of it. Writes tuned.toml (for drone fly --config), tuning.html and "
        "tuning.json. What each threshold does: drone tune --explain (docs/tuning.md).",
        "drone tune runs\n"
        "  drone tune runs --objective needless_stops --require 'overrides<=1'\n"
        "  drone tune runs --range pilot.trust.max_fpr=0.1:0.3 --sim --sim-seeds 40-44",
    )
    p.add_argument(
        "runs_to_tune_on",
        metavar="RUN",
        nargs="*",
        help="run folders, flight logs (.mcap), or folders of run folders",
    )
    p.add_argument("--explain", action="store_true", help="say what each threshold does, and end")
    p.add_argument(
        "--objective",
        metavar="NAME[=WEIGHT]",
        action="append",
        default=[],
        help="what to minimise: missed, needless_stops, overrides, time_to_trust; several are "
        "weighed and summed (default: missed=2,needless_stops=1,overrides=10,time_to_trust=0.1). "
        "What is not minimised may hardly get worse",
    )
    p.add_argument(
        "--require",
        metavar="NAME<=NUMBER",
        action="append",
        default=[],
        help="what must hold, such as 'overrides<=1' (repeatable)",
    )
    p.add_argument(
        "--range",
        metavar="KEY=LOW:HIGH",
        action="append",
        default=[],
        dest="ranges",
        help="search a setting between other bounds (repeatable)",
    )
    p.add_argument("--trials", metavar="N", type=int, default=2000, help="settings to propose")
    p.add_argument("--seed", metavar="N", type=int, default=0, help="of the search")
    p.add_argument("--workers", metavar="N", type=int, default=0, help="processes; 0: all cores")
    p.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path(), help="where the files go"
    )
    p.add_argument("--sim", action="store_true", help="fly the best few in the simulator")
    p.add_argument("--sim-seeds", metavar="A-B", help="with --sim: rooms to fly (default: 40-44)")
    p.add_argument(
        "--sim-best", metavar="N", type=int, default=2, help="with --sim: settings to fly"
    )
    add_config_options(p, None)
    add_output_options(p)
    p.epilog = f"{p.epilog}\n\n--config and --set say what flies now (default: as the flights were"
    p.epilog += " flown); what --set sets is not tuned."
    return p


def run(args: argparse.Namespace) -> int:
    """Tune, or explain."""
    _check_numbers(args)
    if args.explain:
        return _explain(args)
    if not args.runs_to_tune_on:
        raise UserError("name flights to tune on, such as: drone tune runs (or --explain)")
    need("optuna", "tune")
    seeds = _sim_seeds(args)
    from training.tuning.goal import goal_of

    goal = goal_of(args.objective, args.require)
    logs = _logs(args.runs_to_tune_on)
    flights = _read(logs, args)
    space = _space(_before(args, flights), args)
    _make_folder(args.output)
    tuning = _tune(flights, space, goal, args)
    result = _write(tuning, seeds, args)
    if args.json:
        print_json(result)
    else:
        from drone.commands.tunedisplay import print_tuning

        print_tuning(tuning, result)
    return 0


def _check_numbers(args: argparse.Namespace) -> None:
    if not 1 <= args.trials <= MOST_TRIALS:
        raise UserError(f"--trials {args.trials}: expected 1 to {MOST_TRIALS}")
    if not 0 <= args.seed < SEEDS:
        raise UserError(f"--seed {args.seed}: expected 0 or more, and less than {SEEDS}")
    if args.workers < 0:
        raise UserError(f"--workers {args.workers}: expected a number of processes, or 0 for all")
    if args.sim_best < 1:
        raise UserError(f"--sim-best {args.sim_best}: expected 1 or more")


def _sim_seeds(args: argparse.Namespace) -> Sequence[int]:
    if not args.sim:
        if args.sim_seeds is not None:
            raise UserError("--sim-seeds goes with --sim")
        return ()
    need("pybullet", "sim")
    need("torch", "train")
    return seed_range(args.sim_seeds or "40-44")


def _explain(args: argparse.Namespace) -> int:
    from training.tuning.explain import explained, in_words

    space = _space(load(args.config, args.overrides), args)
    if args.json:
        print_json({"settings": explained(space)})
    else:
        sys.stdout.write(in_words(space))
    return 0


def _logs(arguments: Sequence[str]) -> list[Path]:
    """Return the logs that arguments name, each once; a folder of run folders names them all."""
    logs: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        inside = [] if RunFolder(path).log.is_file() else _logs_inside(path)
        if inside:
            logs += inside
            continue
        log = resolve_input(argument).log
        if log is None:
            raise UserError(
                f"{argument}: a recording has no decisions to tune; expected a run folder or a "
                f"flight log; make one first: drone replay {argument}"
            )
        logs.append(log)
    return list({log.resolve(): log for log in logs}.values())


def _logs_inside(path: Path) -> list[Path]:
    """Return the logs of a folder's run folders, also of those whose oldest file was removed."""
    folders = sorted(path.iterdir()) if path.is_dir() else []
    found = [RunFolder(folder).log for folder in folders if folder.is_dir()]
    return [log for log in found if log.is_file()]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkFailedError(f"{folder}: cannot be made: {error.strerror}") from error


def _read(logs: Sequence[Path], args: argparse.Namespace) -> list[Recorded]:
    from drone.commands.display import many_progress
    from training.tuning.reading import read_all

    with many_progress(len(logs), quiet=args.json, what="flights read") as advance:
        flights, left_out = read_all(logs, _workers(args), advance)
    for note in left_out:
        print(f"drone tune: {note}", file=sys.stderr)  # noqa: T201
    return flights


def _workers(args: argparse.Namespace) -> int:
    count: int = args.workers or len(os.sched_getaffinity(0))
    return count


def _before(args: argparse.Namespace, flights: Sequence[Recorded]) -> Config:
    """Return what flies now: as asked for, or as the flights were flown."""
    if args.config is not None:
        return load(args.config, args.overrides)
    from training.tuning.checks import check_same_settings

    check_same_settings(flights)
    return loads(flights[0].header.config_toml, str(flights[0].path), args.overrides)


def _space(before: Config, args: argparse.Namespace) -> Space:
    from training.tuning.space import space_of

    fixed = [override.partition("=")[0].strip() for override in args.overrides]
    return space_of(before, fixed, args.ranges)


def _tune(flights: Sequence[Recorded], space: Space, goal: Any, args: argparse.Namespace) -> Tuning:
    from drone.commands.display import many_progress
    from training.tuning.tuning import Request, tune

    request = Request(goal, args.trials, args.seed, _workers(args))
    with many_progress(args.trials, quiet=args.json, what="settings") as advance:
        return tune(flights, space, request, advance)


def _write(tuning: Tuning, seeds: Sequence[int], args: argparse.Namespace) -> dict[str, Any]:
    """Write the three files, flying before if asked for, and return the result."""
    from drone.runfolder import strict_json
    from training.tuning.page import page
    from training.tuning.written import as_json, tuned_toml

    folder: Path = args.output
    result = as_json(tuning)
    if seeds:
        result["confirmed"] = _confirm(tuning, seeds, args)
    names = {"tuned_toml": "tuned.toml", "report": "tuning.html", "result": "tuning.json"}
    result |= {key: str(folder / name) for key, name in names.items()}
    write_whole(folder / "tuned.toml", tuned_toml(tuning).encode())
    write_whole(folder / "tuning.html", page(tuning, result.get("confirmed")).encode())
    write_whole(folder / "tuning.json", (strict_json(result) + "\n").encode())
    return result


def _confirm(tuning: Tuning, seeds: Sequence[int], args: argparse.Namespace) -> dict[str, Any]:
    from drone.commands.display import many_progress
    from training.flight import FlightSpec
    from training.runner import fly_many
    from training.tuning.confirm import best_few, confirmation, fly

    settings = best_few(tuning, args.sim_best)
    total = len(settings) * len(seeds)
    with many_progress(total, quiet=args.json, what="flights") as advance:

        def flying(configs: Sequence[Config]) -> Iterator[tuple[int, Path]]:
            specs = [FlightSpec(config, args.runs) for config in configs]
            for result in fly_many(specs, args.workers):
                advance()
                yield result.figures["seed"], result.run.path

        return confirmation(tuning, fly(tuning, settings, seeds, flying), seeds)
