"""Logs of a scripted flight, for the tests of reports."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drone import topics
from drone.clock import SIM_EPOCH_NS, ns_from_s
from drone.config import Config
from drone.flightlog import FORMAT_VERSION, FlightLog, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    Eye,
    FlightEvent,
    LearnerReport,
    Mode,
    ModelVersion,
    MonoEstimate,
    StereoFrame,
    Tick,
    TrustReport,
    Truth,
    VehicleState,
    VelocityCommand,
)
from drone.report import write_report
from drone.report.flight import Flight
from drone.report.reading import read_flight

STEP_S, STEP_M = 0.1, 0.05
PLAN = [[[12, 4], [-1, 4], [-1, -4], [12, -4]], [[3, 1], [2, 1], [2, 2], [3, 2]]]


@dataclass(frozen=True)
class Script:
    """A flight of 20 s: licence at 8 s, stereo gone at 12 s, a collision at 15 s."""

    end_s: float = 20.0
    network: bool = True
    truth: bool = True
    frames: bool = True
    positions: bool = True
    vehicle: bool = True
    permitted: bool = True
    trusted: bool = True
    end: str = "time is over"
    source: str = "sim"
    detail: str = "touched a wall"


def mode_at(t_s: float, script: Script) -> Mode:
    if not (script.network and script.trusted):
        return Mode.STEREO
    return Mode.MONO if t_s >= 12 else Mode.TRAINING_WHEELS if t_s >= 8 else Mode.STEREO


def obstacle_m(t_s: float) -> float:
    """Approaches: from 3 m down to 0.5 m, every 2.5 s."""
    return 3.0 - t_s % 2.5


def decision_at(k: int, script: Script) -> Decision:
    t_s, now_ns = k * STEP_S, ns_from_s(k * STEP_S)
    mode, told = mode_at(t_s, script), script.network and t_s >= 2
    distance_m = obstacle_m(t_s)
    trust = TrustReport(reason="no estimates yet")
    if told:
        held = script.trusted and t_s >= 8
        trust = TrustReport(
            *(held, mode is Mode.MONO, "too few approaches" if not held else "figures hold"),
            *(1.0, 1.1, 0.95, 0.2, 70, 90, 7),
        )
    return Decision(
        *(k, now_ns, True, mode, Cue.MONO if mode is Mode.MONO else Cue.STEREO),
        *("brake" if distance_m < 1 else "cruise", "reason", distance_m),
        *(distance_m if t_s < 12 or not script.trusted else math.nan,),
        *(distance_m if told else math.nan, distance_m < 1),
        override=mode is Mode.TRAINING_WHEELS and 9.0 <= t_s < 9.3,
        event="",
        limited="",
        command=VelocityCommand(k, now_ns, True, 0.5, 0.0, 0.0, 0.0),
        trust=trust,
    )


def position_at(k: int, script: Script) -> tuple[float, float, float]:
    """North at 0.5 m/s; after the collision at 15 s the drone is put 3 m to the east."""
    if not script.positions:
        return (math.nan, math.nan, math.nan)
    jumped = script.trusted and script.network and k * STEP_S >= 15
    if not script.vehicle:
        return (0.0, 0.0, 0.0)
    return (k * STEP_M, 3.0 if jumped else 0.0, -1.1)


def write_tick(log: FlightLogWriter, k: int, script: Script) -> None:
    t_s, now_ns = k * STEP_S, ns_from_s(k * STEP_S)
    where = position_at(k, script)
    vehicle = VehicleState(k, now_ns, script.vehicle, where, (0.5, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    image = np.full((24, 32), 10 + k % 200, np.uint8)
    frame = StereoFrame(k, now_ns, True, image, image) if script.frames else None
    model = None
    if script.network and k == 20:
        model = ModelVersion(1, now_ns, True, b"onnx", "abcdef0123456789")
    log.write_tick(Tick(k, now_ns, True, script.permitted, frame, vehicle, (), model))
    decision = decision_at(k, script)
    if script.frames:
        write_frame(log, k, script, decision)
    log.write(topics.DECISION, decision)
    if script.truth and script.frames:
        true_m = obstacle_m(t_s)
        attitude = (1.0, 0.0, 0.0, 0.0)
        truth = (where, (0.5, 0.0, 0.0), attitude, true_m, true_m, False, 0)
        log.write(topics.TRUTH, Truth(k, now_ns, True, *truth))


def write_frame(log: FlightLogWriter, k: int, script: Script, decision: Decision) -> None:
    now_ns, distance_m = ns_from_s(k * STEP_S), obstacle_m(k * STEP_S)
    seen = decision.mode is not Mode.MONO
    grid = np.full((12, 16), 1 / distance_m, np.float32)
    label = (grid, np.ones_like(grid), distance_m if seen else math.nan, (), 9.0, 1.0)
    reason = "" if seen else "right eye black"
    log.write(topics.LABEL, DistanceLabel(k, now_ns, seen, reason, *label))
    if script.network and k >= 20:
        told = (grid, grid, 1.1 * distance_m, ())
        log.write(topics.MONO, MonoEstimate(k, now_ns, True, "", 1, Eye.LEFT, *told))


def header_of(script: Script, jpeg_quality: int = 0) -> LogHeader:
    camera = Intrinsics.from_hfov(128, 96, math.radians(70))
    return LogHeader(
        *(FORMAT_VERSION, "0.1.0", Config().to_toml(), 3, SIM_EPOCH_NS),
        *(StereoCalibration(camera, 0.06), "{}", script.source, {"plan": json.dumps(PLAN)}),
        jpeg_quality=jpeg_quality,
    )


def write_log(path: Path, script: Script, jpeg_quality: int = 0) -> Path:
    header = header_of(script, jpeg_quality)
    events = {
        80: ("mode", "training_wheels: mono is trusted"),
        120: ("mode", "mono: right eye black"),
        150: ("collision", script.detail),
    }
    with FlightLogWriter(path, header) as log:
        count = round(script.end_s / STEP_S) + 1
        for k in range(count):
            write_tick(log, k, script)
            if script.network and script.trusted and k + 1 in events:
                stamp_ns = ns_from_s((k + 1) * STEP_S)
                log.write(topics.EVENT, FlightEvent(k, stamp_ns, True, *events[k + 1]))
            if script.network and k == 19:
                report = LearnerReport(1, ns_from_s(1.9), True, 30, 20, 5, -1.5, 0.2, 1)
                log.write(topics.LEARNER, report)
        if script.end:
            stamp_ns = ns_from_s(script.end_s)
            log.write(topics.EVENT, FlightEvent(9, stamp_ns, True, "end", script.end))
    return path


def a_run(tmp_path: Path, script: Script) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    write_log(run / "flight.mcap", script)
    return run


def flight_of(tmp_path: Path, script: Script) -> Flight:
    return read_flight(FlightLog(write_log(tmp_path / "flight.mcap", script)))


def report_of(tmp_path: Path, script: Script) -> str:
    return write_report(a_run(tmp_path, script)).read_text(encoding="utf-8")
