"""`run_flight(spec) -> RunResult`: one simulated flight, from its specification to its run folder.

Command line, experiments, tuning and benches all fly through here, in lockstep: simulated clock, a
fixed number of learning steps per frame, one thread. The same seed gives the same flight.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2

from drone import __version__, runfolder
from drone.clock import SIM_EPOCH_NS, s_from_ns
from drone.config import Config
from drone.flightlog import FORMAT_VERSION, FlightLogWriter, LogHeader
from drone.geometry import DistanceMeter, StereoCalibration
from drone.logfiles import Rotation
from drone.messages import Mode, Tick, VelocityCommand
from drone.onboard.limiter import stop_command
from drone.runfolder import FRAME_TO_COMMAND, RunFolder
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput
from drone.web.feed import UNASKED, Scene, Watched
from drone.wholefile import write_whole
from training.interrupts import Interrupts
from training.memory import Remembered
from training.session import Session
from training.teacher import FROM_CONFIGURATION, Opening, Start
from training.tensorfile import file_of_arrays


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a flight stands, for a progress bar."""

    flown_s: float
    duration_s: float
    mode: Mode
    trusted: bool
    collisions: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class FlightSpec:
    """What to fly.

    Attributes:
        config: the whole tree, seed included.
        runs: folder in which the run folder is made.
        start: what the learner starts from.
    """

    config: Config
    runs: Path = Path("runs")
    start: Start = FROM_CONFIGURATION


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a flight.

    Attributes:
        figures: as `drone fly --json` prints them; the same for the same seed, `wall_s` and `run`
            aside.
        timing: seconds per stage; differs from run to run.
        run: its folder.
    """

    figures: dict[str, Any]
    timing: dict[str, Any]
    run: RunFolder


def run_flight(
    spec: FlightSpec, on_progress: OnProgress | None = None, watched: Watched | None = None
) -> RunResult:
    """Fly, and leave log, model, configuration and result in a new run folder.

    Ctrl-C ends the flight early; the folder is complete up to then, and the figures say so. A
    flight that is watched goes by in real time and takes in what is asked for.

    A full disk ends the log, not the flight; the figures say so.

    Raises:
        UserError: nothing can be flown from this configuration.
        WorkFailedError: the simulation diverged, or the disk has no room for the results.
    """
    cv2.setNumThreads(1)  # several would not be repeatable
    config = spec.config
    started_s = time.perf_counter()
    with ExitStack() as stack:
        simulator = stack.enter_context(_simulator(config))
        session = stack.enter_context(closing(Session(config, simulator.calibration, spec.start)))
        folder = runfolder.create(spec.runs, config.flight.name, datetime.now())
        folder.config.write_text(config.to_toml(), encoding="utf-8")
        header = replace(
            log_header(config, simulator.calibration, session, "sim", SIM_EPOCH_NS),
            extra=_for_the_report(simulator, config),
        )
        with _log(folder, header, config, watched) as log:
            if watched is not None:
                session.feed = watched.feed
                watched.feed.scene = _scene(session, simulator)
            interrupted = _fly(session, simulator, log, on_progress, watched)
        figures = {
            "seed": config.flight.seed,
            **session.score.to_dict(),
            "interrupted": interrupted,
            **problem_of(log),
            "wall_s": round(time.perf_counter() - started_s, 2),
            "run": str(folder.path),
        }
        return finish(folder, session, figures)


def _log(
    folder: RunFolder, header: LogHeader, config: Config, watched: Watched | None
) -> FlightLogWriter:
    """Return the flight's log, which tells a stream too where there is one."""
    if watched is None or watched.stream is None:
        return FlightLogWriter(folder.log, header, rotation_of(config), endures=True)
    from drone.foxglovestream import StreamedLogWriter

    return StreamedLogWriter(watched.stream, folder.log, header, rotation_of(config), endures=True)


def rotation_of(config: Config) -> Rotation:
    """Return when a flight's log goes on in a new file."""
    flight = config.flight
    return Rotation(round(1e6 * flight.log_file_mb), round(1e6 * flight.log_most_mb))


def problem_of(log: FlightLogWriter) -> dict[str, str]:
    """Return, as a figure of the flight, why its log ended before it; nothing if it did not."""
    return {"log_problem": log.problem} if log.problem else {}


def finish(folder: RunFolder, session: Session, figures: dict[str, Any]) -> RunResult:
    """Write model and result into the run folder, and let the learner save its memory.

    Raises:
        WorkFailedError: the learner is gone, or the disk is full.
    """
    ending = session.end()
    if session.model is not None:
        write_whole(folder.model, session.model.onnx)
        weights = ending.weights.get(session.model.seq)
        if weights:
            facts = {"model_sha256": session.model.sha256}
            write_whole(folder.weights, file_of_arrays(weights, facts))
    if ending.remembered is not None:
        figures = {**figures, "memory": _memory(session.opening, ending.remembered)}
    timing = _timing(session)
    folder.write_result({**figures, "timing": timing})
    return RunResult(figures, timing, folder)


def _memory(opening: Opening, remembered: Remembered) -> dict[str, Any]:
    saved = remembered.saved
    return {
        "from": opening.facts.get("memory"),
        "saved": None if saved is None else saved.version,
        "bytes": None if saved is None else saved.size_bytes,
        "notes": list(opening.notes),
        "problem": remembered.problem or None,
    }


def log_header(
    config: Config, calibration: StereoCalibration, session: Session, source: str, utc_ns: int
) -> LogHeader:
    """Return the first record of a flight's log."""
    return LogHeader(
        format_version=FORMAT_VERSION,
        software=__version__,
        config_toml=config.to_toml(),
        seed=config.flight.seed,
        utc_offset_ns=utc_ns,
        calibration=calibration,
        pilot_state=session.state.to_json(),
        source=source,
        extra={},
        jpeg_quality=config.flight.jpeg_quality,
    )


def _for_the_report(simulator: RoomSimulator, config: Config) -> dict[str, str]:
    """Return the room's plan, polygons of (north, east) in m, and what was made to fail."""
    return {
        "plan": json.dumps(simulator.room.plan()),
        "faults": json.dumps([f.model_dump() for f in config.sim.faults]),
    }


def _simulator(config: Config) -> RoomSimulator:
    camera = calibration_of(config.sim.camera)
    meter = DistanceMeter(camera.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    return RoomSimulator(config.sim, meter, seed=config.flight.seed, tick_hz=config.pilot.tick_hz)


def _fly(
    session: Session,
    simulator: RoomSimulator,
    log: FlightLogWriter,
    on_progress: OnProgress | None,
    watched: Watched | None,
) -> bool:
    """Fly to the end; return whether it was interrupted before."""
    ticks = round(session.config.flight.duration_s * session.config.pilot.tick_hz)
    output = simulator.reset()
    seq = 0
    with Interrupts() as interrupts:
        for seq in range(ticks + 1):
            command = _tick(session, log, output, seq, watched)
            if on_progress is not None and seq % round(session.config.pilot.tick_hz) == 0:
                on_progress(_progress(session, output))
            if seq == ticks or (output.vehicle.landed and session.state.mode is Mode.LAND):
                break
            if interrupts.asked:
                _end(session, log, output, "interrupted")
                return True
            output = simulator.step(command)
    _end(session, log, output, "landed" if seq < ticks else "time is over")
    return False


def _tick(
    session: Session,
    log: FlightLogWriter,
    output: SimOutput,
    seq: int,
    watched: Watched | None,
) -> VelocityCommand:
    stamp_ns = output.vehicle.stamp_ns
    wishes = UNASKED
    if watched is not None:
        watched.pace.wait(stamp_ns)
        wishes = watched.controls.take()
    for kind, detail in wishes.events:
        session.event(log, stamp_ns, kind, detail)
    for event in output.events:
        session.event(log, event.stamp_ns, event.kind, event.detail, event.position_m)
    seen = (output.frame, output.vehicle)
    tick = Tick(seq, stamp_ns, True, wishes.permitted, *seen, asked=wishes.asked)
    decision = session.tick(log, tick, output.truth, output.clean)
    return decision.command if decision.valid else stop_command(seq, stamp_ns)


def _end(session: Session, log: FlightLogWriter, output: SimOutput, why: str) -> None:
    session.event(log, output.vehicle.stamp_ns, "end", why)
    if session.feed is not None:
        session.feed.end(why)


def _scene(session: Session, simulator: RoomSimulator) -> Scene:
    perception, view = session.perception, session.state.view
    return Scene(
        session.config.flight.name,
        simulator.room.plan(),
        (view.left_tan, view.right_tan),
        perception.calibration.disparity_metres,
        perception.disparities,
    )


def _progress(session: Session, output: SimOutput) -> Progress:
    return Progress(
        flown_s=s_from_ns(output.vehicle.stamp_ns),
        duration_s=session.config.flight.duration_s,
        mode=session.state.mode,
        trusted=session.state.trust.report.held,
        collisions=sum(session.score.collisions.values()),
    )


def _timing(session: Session) -> dict[str, Any]:
    """Return the median and 99th percentile per stage, ms, and the share of each.

    From frame to command is no stage but spans several, so it has no share.
    """
    seconds = session.perception.times.seconds
    sums = {k: math.fsum(v) if k != FRAME_TO_COMMAND else math.nan for k, v in seconds.items()}
    total = math.fsum(s for s in sums.values() if math.isfinite(s)) or 1.0
    return {
        stage: {
            "p50_ms": _percentile_ms(values, 0.5),
            "p99_ms": _percentile_ms(values, 0.99),
            "share": round(sums[stage] / total, 4),
            "n": len(values),
        }
        for stage, values in seconds.items()
    }


def _percentile_ms(values: list[float], q: float) -> float:
    return round(1e3 * sorted(values)[min(len(values) - 1, int(q * len(values)))], 4)
