"""`drone fly --mavlink`: the room in real time, flown by `drone onboard` over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drone.commands.common import need
from drone.config import Config
from drone.errors import UserError, WorkFailedError

if TYPE_CHECKING:
    from drone.sim.realtime import RoomInRealTime

MANNERS = ("ardupilot", "px4")
BEGIN_S = 60.0
"""The onboard side has so long to fly its first tick."""
END_S = 90.0


def fly_mavlink(config: Config, manner: str, minutes: float | None, args: Any) -> dict[str, Any]:
    """Fly in real time, and return the figures.

    Args:
        config: of the flight.
        manner: how the autopilot behaves.
        minutes: from the human pilot's first permission on; None takes the configured duration.
        args: of the command: runs, memory, model, web, json, no_report.

    Raises:
        UserError: an extra is missing, or an option does not go with it.
        WorkFailedError: the onboard side ended, or never began.
    """
    need("pymavlink", "autopilot")
    from drone.onboard.processes.orders import tree_of
    from drone.sim.realtime import room_in_real_time

    seconds = 60 * minutes if minutes is not None else config.flight.duration_s
    with tempfile.TemporaryDirectory(prefix="drone-") as made:
        folder = Path(made)
        with room_in_real_time(config, manner, folder) as room:
            (folder / "calibration.json").write_text(json.dumps(tree_of(room.calibration)))
            (folder / "vehicle.toml").write_text(vehicle_toml(config, room.url))
            onboard = subprocess.Popen(
                _argv(folder, args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
            try:
                interrupted = _fly(room, onboard, seconds, not args.json)
                figures = room.watcher.figures()
                pace = room.server.pace
                load = [round(v, 2) for v in os.getloadavg()]
            finally:
                told = ended(onboard)
    return {
        "seed": config.flight.seed,
        "manner": manner,
        **figures,
        "room_ticks": pace.ticks,
        "room_ticks_late": pace.late,
        "load": load,
        "interrupted": interrupted,
        "onboard": told,
        "run": told.get("run"),
    }


def vehicle_toml(config: Config, url: str) -> str:
    """Return the onboard side's configuration: of the flight, but the simulator."""
    from drone.config.onboard import OnboardConfig

    tree = OnboardConfig.model_validate(
        {
            "flight": config.flight.model_dump(),
            "pilot": config.pilot.model_dump(),
            "learner": config.learner.model_dump(),
            "camera": {"calibration": "calibration.json", "rate_hz": config.sim.camera.rate_hz},
            "autopilot": {"url": url},
        }
    )
    return tree.to_toml()


def _argv(folder: Path, args: Any) -> list[str]:
    argv = [sys.executable, "-m", "drone", "onboard", "--config", str(folder / "vehicle.toml")]
    argv += ["--bus", str(folder), "--runs", str(args.runs), "--json"]
    for option, value in (
        ("--memory", args.memory),
        ("--model", args.model),
        ("--web", args.web),
        ("--web-host", args.web_host),
        ("--web-token", args.web_token),
    ):
        if value is not None:
            argv += [option, str(value)]
    return [*argv, "--no-report"] if args.no_report else argv


def _fly(
    room: RoomInRealTime, onboard: subprocess.Popen[bytes], seconds: float, shows: bool
) -> bool:
    """Let time go by; return whether it was interrupted.

    Raises:
        WorkFailedError: the onboard side is gone, or never flew a tick.
    """
    begun_s = time.monotonic()
    permitted_s: float | None = None
    with contextlib.suppress(KeyboardInterrupt):
        while permitted_s is None or time.monotonic() - permitted_s < seconds:
            room.tick()
            if onboard.poll() is not None:
                raise WorkFailedError(
                    f"drone onboard ended (exit code {onboard.returncode}); see above for why"
                )
            watcher, now_s = room.watcher, time.monotonic()
            if permitted_s is None and watcher.permitted:
                permitted_s = now_s
            if permitted_s is None and now_s - begun_s > BEGIN_S:
                raise WorkFailedError(
                    f"after {BEGIN_S:g} s no tick was flown with the human pilot's permission"
                )
            if shows and sys.stderr.isatty():
                flown_s = 0.0 if permitted_s is None else now_s - permitted_s
                words = f"{flown_s:5.0f} of {seconds:.0f} s  {watcher.mode or 'taking off'}"
                print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)  # noqa: T201
            if watcher.mode == "land" and room.server.vehicle.landed and permitted_s is not None:
                return False
        return False
    return True


def ended(onboard: subprocess.Popen[bytes]) -> dict[str, Any]:
    """End the onboard side, and return what it tells."""
    if onboard.poll() is None:
        onboard.send_signal(signal.SIGTERM)
    try:
        out, _ = onboard.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        onboard.kill()
        out, _ = onboard.communicate()
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        return {}
    return told


def check(manner: str, args: Any) -> None:
    """Check what the options ask for.

    Raises:
        UserError: an unknown manner, or options that do not go together.
    """
    if manner not in MANNERS:
        raise UserError(f"--mavlink {manner}: expected one of {', '.join(MANNERS)}")
    if args.seeds is not None:
        raise UserError("--mavlink flies in real time, one flight: give --seed instead of --seeds")
    if args.foxglove is not None:
        raise UserError("--foxglove and --mavlink exclude each other: open the log instead")
