"""`drone replay`: verify a log, or learn from a recording of any kind."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from drone.commands.common import (
    add_config_options,
    add_output_options,
    command_parser,
    need,
    print_json,
)
from drone.commands.inputs import (
    INPUT_HELP,
    add_input_options,
    add_live_options,
    live_request,
    source_options,
)
from drone.commands.replay_export import add_export_options, export_log
from drone.commands.starting import add_start_options, exit_code, start_of
from drone.config import Config, launch_folder, load, loads
from drone.errors import UserError
from drone.runfolder import Input, resolve_input

if TYPE_CHECKING:
    from drone.onboard.sources.liveopening import LiveRequest
    from training.flight import RunResult


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "replay",
        "On recorded images of any kind, or from a live camera: make labels and learn from them as "
        "if they were flown now, each frame tested before it is learned from; all of it is logged. "
        "With --verify: step the pilot over a flight's log and compare every decision.",
        "drone replay datasets/V1_01_easy --json\n"
        "  drone replay film.avi --calibration stereo.toml --end 60\n"
        "  drone replay film.avi --calibration stereo.toml --vehicle-log flight.ulg "
        "--vehicle-offset 12.4\n"
        "  drone replay --live /dev/video0 --calibration stereo.toml --end 60\n"
        "  drone replay runs/20260101-120000-room --retrain\n"
        "  drone replay runs/20260101-120000-room --verify\n"
        "  drone replay runs/20260101-120000-room --what-if pilot.trust.max_fpr=0.2\n"
        "  drone replay runs/20260101-120000-room --to csv tables/ --images\n"
        "  drone replay runs/20260101-120000-room --to mcap cut.mcap --start 60 --end 90\n"
        "  drone replay runs/20260101-120000-room --view\n"
        "  drone replay --repair damaged.mcap sound.mcap",
    )
    p.add_argument("input", nargs="?", help=INPUT_HELP)
    p.add_argument("--verify", action="store_true", help="replay a log's decisions and compare")
    p.add_argument(
        "--retrain",
        action="store_true",
        help="learn again from a log's images, by its own configuration unless --config is given",
    )
    p.add_argument(
        "--recompute",
        action="store_true",
        help="with --verify: from the images and models instead of the logged estimates",
    )
    p.add_argument(
        "--repair",
        nargs=2,
        type=Path,
        metavar=("IN", "OUT"),
        help="write what is sound of a damaged log as a new log, and say what is lost",
    )
    p.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of a flight: what would have been decided by another setting, such as "
        "pilot.trust.max_fpr=0.2 (repeatable)",
    )
    add_export_options(p)
    p.add_argument(
        "--view",
        metavar="FILE.rrd",
        nargs="?",
        const="",
        help="of a flight: open it in Rerun (extra view), or write what Rerun opens to a file",
    )
    add_start_options(p)
    p.add_argument("--no-report", action="store_true", help="leave report.html out")
    add_input_options(p)
    add_live_options(p)
    add_config_options(p, "replay.toml")
    add_output_options(p)
    return p


def run(args: argparse.Namespace) -> int:
    """Verify or learn."""
    if args.repair is not None:
        return _repair(args)
    request = live_request(args)
    if request is not None:
        return _learn_live(request, args)
    if args.input is None:
        raise UserError("name recorded input (drone replay film.avi), or a camera with --live")
    found = resolve_input(args.input)
    if args.to is not None:
        _refuse_others(args, "--to", "to", "topics", "start", "end", "images")
        return export_log(found, args)
    if args.images:
        raise UserError("--images goes with --to csv")
    if args.view is not None:
        return _view(found.log, args)
    if args.recompute and not args.verify:
        raise UserError("--recompute goes with --verify")
    if args.what_if:
        _refuse_others(args, "--what-if", "what_if")
        if found.log is None:
            raise UserError(f"{args.input} is no flight: --what-if needs a run folder or a log")
        return _what_if(found.log, args)
    if found.log is not None:
        return _of_a_flight(found, found.log, args)
    if args.verify or args.retrain:
        raise UserError(
            f"{args.input} is no flight: --verify and --retrain need a run folder or a log"
        )
    return _learn(found, args)


def _refuse_others(args: argparse.Namespace, mode: str, *takes: str) -> None:
    """Refuse options that a mode would pass over.

    Raises:
        UserError: one was given that is neither the mode's own nor about the output.
    """
    known = {*takes, "input", "json", "runs", "no_report", "help"}
    for action in parser()._actions:
        given = getattr(args, action.dest, action.default)
        if action.dest not in known and given != action.default:
            also = ", ".join(f"--{name.replace('_', '-')}" for name in takes[1:])
            raise UserError(
                f"{action.option_strings[0]} does not go with {mode}"
                f"{f', which takes {also}' if also else ''}"
            )


def _repair(args: argparse.Namespace) -> int:
    if args.input is not None:
        raise UserError("--repair IN OUT names both logs itself: right is no other input")
    _refuse_others(args, "--repair", "repair")
    from drone.commands.display import share_progress
    from drone.logrepair import repair

    source, target = args.repair
    with share_progress("repairing", quiet=args.json) as on_progress:
        found = repair(resolve_input(str(source)).log or source, target, on_progress)
    if args.json:
        print_json({**dataclasses.asdict(found), "repaired": str(target)})
        return 0
    console = Console()
    console.print(f"Damage: {found.damaged or 'none; the log is sound'}.", soft_wrap=True)
    left_out = f"; {found.unknown} of unknown topics left out" if found.unknown else ""
    console.print(f"{found.messages} messages copied to {target}{left_out}.", soft_wrap=True)
    return 0


def _view(log: Path | None, args: argparse.Namespace) -> int:
    if log is None:
        raise UserError(f"{args.input} is no flight: --view needs a run folder or a log")
    _refuse_others(args, "--view", "view")
    if args.view and not args.view.endswith(".rrd"):
        raise UserError(f"--view {args.view}: expected a file .rrd; name the flight before --view")
    need("rerun", "view")
    from drone.commands.display import time_progress
    from drone.flightlog import FlightLog
    from drone.rerunview import need_display, open_view, save_view

    if not args.view:
        need_display(os.environ)
    flight = FlightLog(log)
    with time_progress(flight.duration_s, quiet=args.json) as on_progress:
        if args.view:
            frames = save_view(flight, Path(args.view), on_progress)
        else:
            frames = open_view(flight, on_progress)
    told = {"frames": frames, "damaged": flight.damaged, "view": args.view or None}
    if args.json:
        print_json(told)
        return 0
    console = Console()
    if flight.damaged:
        console.print(f"The log is damaged: {flight.damaged}", soft_wrap=True)
    console.print(f"{frames} frames to {args.view or 'the viewer'}.", soft_wrap=True)
    return 0


def _what_if(log: Path, args: argparse.Namespace) -> int:
    from drone.commands.display import time_progress
    from drone.flightlog import FlightLog
    from drone.whatif import what_if

    with time_progress(FlightLog(log).duration_s, quiet=args.json) as on_progress:
        found = what_if(log, args.what_if, on_progress).to_dict()
    _say(log, found["notes"])
    if args.json:
        print_json(found)
        return 0
    console = Console()
    if found["damaged"]:
        console.print(f"The log is damaged: {found['damaged']}")
    for side in ("flown", "instead"):
        s = found[side]
        modes = ", ".join(f"{m.replace('_', ' ')} {v:.0%}" for m, v in s["mode_share"].items())
        console.print(
            f"{side:>8}: {modes}; trusted {s['trusted_share']:.0%}, stopped "
            f"{s['blocked_share']:.0%} of the time, {s['overrides']} overrides"
        )
    console.print(f"{found['commands_changed']} of {found['ticks']} commands differ.")
    if found["first_change"]:
        console.print(f"First: {found['first_change']}")
    return 0


def _of_a_flight(found: Input, log: Path, args: argparse.Namespace) -> int:
    if args.verify == args.retrain:
        raise UserError(
            f"{args.input} is a flight's log: right is --verify to replay its decisions, or "
            "--retrain to learn again from its images"
        )
    if args.verify:
        _refuse_others(args, "--verify", "verify", "recompute")
    return _verify(log, args) if args.verify else _learn(found, args)


def _verify(path: Path, args: argparse.Namespace) -> int:
    from drone.commands.display import time_progress
    from drone.flightlog import FlightLog
    from drone.replay import verify

    started_s = time.perf_counter()
    with time_progress(FlightLog(path).duration_s, quiet=args.json) as on_progress:
        result = verify(path, args.recompute, on_progress)
    wall_s = time.perf_counter() - started_s
    figures = {
        "ticks": result.ticks,
        "compared_fields": result.compared_fields,
        "mismatches": result.mismatches,
        "first_mismatch": result.first or None,
        "damaged": result.damaged,
        "first_gap": result.gap,
        "notes": list(result.notes),
        "flown_s": round(result.flown_s, 3),
        "wall_s": round(wall_s, 3),
        "real_time_factor": round(result.flown_s / wall_s, 1),
    }
    _say(path, result.notes)
    if args.json:
        print_json(figures)
    else:
        _print_verification(figures)
    return 0 if result.mismatches == 0 else 1


def _say(path: Path, notes: Sequence[str]) -> None:
    for note in notes:
        print(f"drone replay: {path}: {note}", file=sys.stderr)  # noqa: T201


def _print_verification(figures: Mapping[str, object]) -> None:
    console = Console()
    if figures["damaged"]:
        console.print(f"The log is damaged: {figures['damaged']}")
    if figures["first_gap"]:
        console.print(f"Cannot be verified beyond its first gap, {figures['first_gap']}")
    console.print(
        f"{figures['ticks']} ticks, {figures['compared_fields']} values compared, "
        f"{figures['mismatches']} differ ({figures['real_time_factor']} x real time)."
    )
    if figures["first_mismatch"]:
        console.print(f"First difference: {figures['first_mismatch']}")


def _config(found: Input, args: argparse.Namespace) -> Config:
    """Return the given configuration, or a log's own, or that for recordings."""
    if args.config is not None or found.log is None:
        return load(args.config or launch_folder() / "replay.toml", args.overrides)
    from drone.flightlog import FlightLog

    text = FlightLog(found.log).header.config_toml
    overrides = ["flight.name=retrain", *args.overrides]
    return loads(text, f"{found.log} (its configuration)", overrides)


def _learn(found: Input, args: argparse.Namespace) -> int:
    need("torch", "train")
    options = source_options(args)
    config = _config(found, args)
    from drone.commands.display import many_progress
    from drone.onboard.sources.opening import open_source
    from training.flight import FlightSpec
    from training.replay import replay_dataset

    source = open_source(found, options, config.pilot.grid_spec)
    with many_progress(len(source), quiet=args.json, what="frames") as advance:
        spec = FlightSpec(config, args.runs, start_of(args))
        result = replay_dataset(source, found.path.name, spec, lambda _: advance())
    return _finish(result, args)


def _learn_live(request: LiveRequest, args: argparse.Namespace) -> int:
    """Label, learn and log what a camera shows, until --end or Ctrl-C."""
    if args.input is not None or args.verify or args.retrain or args.recompute:
        raise UserError("--live goes without recorded input, and without --verify and --retrain")
    need("torch", "train")
    options = source_options(args)
    config = load(args.config or launch_folder() / "live.toml", args.overrides)
    from drone.commands.display import live_progress
    from drone.flightlog import LIVE_SOURCE
    from drone.onboard.sources.liveopening import open_live
    from training.flight import FlightSpec
    from training.replay import replay_dataset

    camera = open_live(request, options, config.pilot.grid_spec)
    with camera as source, live_progress(options.end_s, quiet=args.json) as on_progress:
        spec = FlightSpec(config, args.runs, start_of(args))
        result = replay_dataset(source, f"{LIVE_SOURCE}{source.name}", spec, on_progress)
    return _finish(result, args)


def _finish(result: RunResult, args: argparse.Namespace) -> int:
    """Write the report, and print what came of it."""
    from drone.commands.display import print_replay

    if not args.no_report:
        from drone.report import write_report

        write_report(result.run.path)
    for note in result.figures["notes"]:
        print(f"drone replay: {note}", file=sys.stderr)  # noqa: T201
    if args.json:
        print_json(result.figures)
    else:
        print_replay(result.figures, result.run)
    return exit_code("replay", result.figures)
