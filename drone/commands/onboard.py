"""`drone onboard`: fly a vehicle."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drone.commands.common import (
    add_config_options,
    add_output_options,
    command_parser,
    need,
    print_json,
)
from drone.commands.starting import add_start_options
from drone.commands.watching import add_page_options, web_address
from drone.config import launch_folder, load_as
from drone.errors import DroneError, UserError

if TYPE_CHECKING:
    from drone.config.onboard import OnboardConfig
    from drone.geometry import StereoCalibration
    from drone.onboard.processes.orders import Orders
    from drone.onboard.processes.supervisor import Supervisor
    from drone.runfolder import RunFolder

DEFAULT = "companion_rpi5.toml"


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "onboard",
        "Fly a vehicle: camera, pilot, trainer, recorder and the link to the autopilot, each a "
        "process of its own. The human pilot's permission is an RC channel; without it nothing "
        "moves (docs/companion.md). Ends at Ctrl-C; leaves a run folder.",
        "drone onboard --config launch/companion_rpi5.toml --shadow",
    )
    add_config_options(p, DEFAULT)
    how = p.add_mutually_exclusive_group()
    how.add_argument(
        "--shadow",
        action="store_true",
        help="see, learn and log, and command nothing: how everybody starts",
    )
    how.add_argument(
        "--rehearse",
        metavar="INPUT",
        type=Path,
        help="a recording instead of the camera, in its own time, with the real autopilot: on the "
        "bench, props off",
    )
    add_start_options(p)
    add_page_options(p)
    p.add_argument("--minutes", metavar="N", type=float, help="end after so long")
    p.add_argument(
        "--bus",
        metavar="DIR",
        type=Path,
        help="private folder in which the processes meet (default: a new one)",
    )
    p.add_argument("--no-report", action="store_true", help="leave report.html out")
    add_output_options(p)
    return p


def run(args: argparse.Namespace) -> int:
    """Fly until told to end, and tell what came of it."""
    need("pymavlink", "autopilot")
    page = web_address(args)
    if args.minutes is not None and not args.minutes > 0:
        raise UserError(f"--minutes {args.minutes:g}: expected more than 0")
    path = Path(args.config) if args.config else launch_folder() / DEFAULT
    from drone.config.onboard import OnboardConfig

    config = _absolute(load_as(OnboardConfig, path, args.overrides), path.parent)
    if learns(config):
        _need_to_learn()
    if args.memory is not None and args.model is not None:
        raise UserError("--memory and --model exclude each other: a memory has its own model")
    calibration = calibration_of(config, path.parent, args.rehearse)
    model = _model(args.model)
    _check_memory(args.memory, learns(config))
    with _folder(args.bus) as folder:
        from drone import runfolder
        from drone.onboard.processes import orders as paper

        run_folder = runfolder.create(args.runs, config.flight.name, datetime.now())
        run_folder.config.write_text(config.as_flight.to_toml(), encoding="utf-8")
        orders = paper.Orders(
            config=config,
            calibration=calibration,
            epoch_ns=time.monotonic_ns(),
            run=run_folder.path,
            shadow=args.shadow,
            rehearse=args.rehearse,
            memory=args.memory,
            model=model,
            page=None if page is None else (page.host, page.port, page.token),
        )
        try:
            paper.write(orders, folder)
        except DroneError:
            run_folder.discard()
            raise
        flown = _fly(orders, folder, args)
        return _tell(run_folder, flown, args)


def learns(config: OnboardConfig) -> bool:
    """Return whether a trainer runs."""
    return config.learner.steps_per_frame > 0


def _need_to_learn() -> None:
    try:
        need("torch", "train")
    except UserError as error:
        raise UserError(
            f"learning in flight: {error}; or fly a model as it is, without learning: "
            "--model FILE --set learner.steps_per_frame=0"
        ) from None


def roles_of(orders: Orders) -> tuple[str, ...]:
    """Return the processes that a flight needs."""
    roles = ["link", "pilot", "recorder", "camera"]
    if learns(orders.config):
        roles.append("trainer")
    if orders.page is not None:
        roles.append("web")
    return tuple(roles)


def calibration_of(config: OnboardConfig, folder: Path, rehearse: Path | None) -> StereoCalibration:
    """Return the calibration of the rectified frames that will come.

    Args:
        config: says where they come from.
        folder: of the configuration's file, from which its names count.
        rehearse: a recording instead.

    Raises:
        UserError: nobody says how the cameras see, or what says it does not fit.
    """
    if rehearse is not None:
        from drone.onboard.sources.opening import open_source
        from drone.runfolder import resolve_input

        return open_source(resolve_input(str(rehearse)), None, config.pilot.grid_spec).calibration
    path = config.calibration_path(folder)
    if not config.camera.calibration:
        raise UserError(
            "camera.calibration is empty: nobody says how the cameras see; right is a file of "
            "drone calibrate"
        )
    if not path.is_file():
        raise UserError(
            f"{path}: no such calibration; right is camera.calibration with the name of a file "
            "that drone calibrate made"
        )
    if config.camera.devices:
        from drone.onboard.processes.camera import live_source

        return live_source(config, path).calibration
    from drone.onboard.processes.orders import calibration_from

    try:
        return calibration_from(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: no calibration of rectified frames ({error}); without camera.devices the "
            "frames come from another process, which leaves it as JSON"
        ) from error


def _absolute(config: OnboardConfig, folder: Path) -> OnboardConfig:
    """Return the configuration with its files named from the root, free of links."""
    if not config.camera.calibration:
        return config
    path = os.path.realpath(config.calibration_path(folder))
    camera = config.camera.model_copy(update={"calibration": path})
    return config.model_copy(update={"camera": camera})


def _model(path: Path | None) -> Path | None:
    """Check a given model before anything is started, and return its file, free of links."""
    if path is None:
        return None
    from drone.onboard.mono import model_from_bytes

    file = Path(os.path.realpath(path))
    try:
        model_from_bytes(file.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"--model {path}: cannot be read: {error.strerror}") from error
    return file


def _check_memory(path: Path | None, learning: bool) -> None:
    """Check where a memory is kept before anything is started; say if none is."""
    if path is None:
        return
    if not learning:
        print(  # noqa: T201
            f"drone onboard: --memory {path}: is neither read nor kept, since nothing is learned "
            "(learner.steps_per_frame = 0)",
            file=sys.stderr,
        )
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--memory {path}: no folder can be made here ({error.strerror}); right is a folder "
            "for the memory of flights"
        ) from error


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Yield where the processes meet.

    Raises:
        UserError: they cannot meet there.
    """
    from drone.bus import address

    if given is not None:
        address(given, "recorder")  # the longest of the names there
        try:
            given.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--bus {given}: no folder can be made here ({error.strerror}); right is a private "
                "folder such as /run/user/1000/drone"
            ) from error
        yield given
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    place = runtime if runtime and Path(runtime).is_dir() else None
    with tempfile.TemporaryDirectory(prefix="drone-", dir=place) as made:
        address(Path(made), "recorder")
        yield Path(made)


def _fly(orders: Orders, folder: Path, args: argparse.Namespace) -> Supervisor:
    from drone.onboard.processes.supervisor import Supervisor

    end_s = time.monotonic() + 60 * args.minutes if args.minutes else None
    supervisor = Supervisor(folder, roles_of(orders), orders.config.processes)
    shown = ""

    def turn(flying: Supervisor) -> bool:
        nonlocal shown
        words = "; ".join(f"{role}: {flying.details[role]}" for role in sorted(flying.details))
        if words != shown and not args.json and sys.stderr.isatty():
            with suppress(OSError):  # the terminal is gone: fly on
                print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)  # noqa: T201
            shown = words
        return end_s is None or time.monotonic() < end_s

    supervisor.run(turn)
    return supervisor


def _tell(folder: RunFolder, flown: Supervisor, args: argparse.Namespace) -> int:
    from drone.flightlog import FlightLog
    from drone.onboard.processes.summary import summary_of

    figures: dict[str, Any] = {
        "restarts": {role: count - 1 for role, count in flown.starts.items() if count > 1},
        "processes": {role: usage.to_dict() for role, usage in flown.usage.items()},
        "run": str(folder.path),
    }
    if folder.log.is_file():
        figures = {**summary_of(FlightLog(folder.log)), **figures}
    folder.write_result(figures)
    if not args.no_report and folder.log.is_file():
        from drone.report import write_report

        write_report(folder.path)
    if args.json:
        print_json(figures)
    else:
        modes = ", ".join(f"{name} {s:.0f} s" for name, s in figures.get("mode_s", {}).items() if s)
        print(f"flown {figures.get('flown_s', 0.0):.0f} s ({modes}); {folder.path}")  # noqa: T201
    if not folder.log.is_file():
        print("drone onboard: no tick was logged; see above for why", file=sys.stderr)  # noqa: T201
        return 1
    return 0
