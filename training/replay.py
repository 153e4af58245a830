"""Learning from a recorded stereo flight or a live camera, test-then-train, as if flown now.

The recorded flight (or whoever holds the camera) has its own pilot: nothing is permitted, so
nothing is commanded; labels, online learning, model versions and trust are those of a flight, and
so are log and run folder.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cv2

from drone import runfolder
from drone.flightlog import FlightLogWriter
from drone.logqueue import QueuedLogWriter
from drone.messages import Decision, HealthEvent, Tick, VehicleState
from drone.onboard.camera import CameraSample, FrameSource
from drone.onboard.health import events
from drone.onboard.healthnotes import HealthNotes
from drone.onboard.sources.livesource import LiveSource
from training.flight import (
    FlightSpec,
    RunResult,
    finish,
    log_header,
    problem_of,
    rotation_of,
)
from training.interrupts import Interrupts
from training.session import Session

SKIP_FRAMES = 30
"""Frames at the start that do not count for the errors: every learner needs a beginning."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one sample, for who watches.

    Attributes:
        decision: of its tick.
        events: of the eyes, as their driver reported or the images showed; each is told once.
    """

    decision: Decision
    events: tuple[HealthEvent, ...]


def replay_dataset(
    source: FrameSource | LiveSource,
    name: str,
    spec: FlightSpec,
    on_progress: Callable[[Replayed], None] | None = None,
) -> RunResult:
    """Learn from every frame of a source after having been tested on it.

    Args:
        source: the recorded flight, or an open live camera: then nothing waits for the learner.
        name: what the log says it came from.
        spec: pilot, learner, where the run folder goes; the simulator's part is not used.
        on_progress: called after every sample.

    Raises:
        UserError: an image cannot be read, or the learner cannot start from this; nothing is left
            behind.
        WorkFailedError: the disk has no room for the results, or the memory's folder cannot be
            used.
    """
    config = spec.config
    cv2.setNumThreads(1)  # several would not be repeatable
    started_s = time.perf_counter()
    waits = not isinstance(source, LiveSource)
    with closing(Session(config, source.calibration, spec.start, waits)) as session:
        session.score.skip_frames = SKIP_FRAMES
        folder = runfolder.create(spec.runs, config.flight.name, datetime.now())
        folder.config.write_text(config.to_toml(), encoding="utf-8")
        header = log_header(config, source.calibration, session, name, source.utc_offset_ns)
        health = HealthNotes()
        try:
            writer = FlightLogWriter if waits else QueuedLogWriter
            log = writer(folder.log, header, rotation_of(config), endures=True)
            with log:
                interrupted = _learn(session, log, source, health, on_progress)
        except BaseException:
            folder.discard()
            raise
        figures = {
            **_figures(session),
            **({"camera": source.measures} if isinstance(source, LiveSource) else {}),
            "notes": [*source.notes, *_seen(session, health)],
            "interrupted": interrupted,
            **problem_of(log),
            "wall_s": round(time.perf_counter() - started_s, 2),
            "run": str(folder.path),
        }
        return finish(folder, session, figures)


def _learn(
    session: Session,
    log: FlightLogWriter,
    source: FrameSource | LiveSource,
    health: HealthNotes,
    on_progress: Callable[[Replayed], None] | None,
) -> bool:
    """Go through every frame; return whether it was interrupted before the last."""
    with Interrupts() as interrupts:
        for seq, sample in enumerate(source.samples()):
            for mark in sample.marks:
                session.event(log, mark.stamp_ns, "autopilot", mark.detail)
            before = session.state.health
            decision = session.tick(log, _tick(seq, sample))
            found = events(before, session.state.health, decision.stamp_ns, 0)
            news = health.add((*sample.health, *found))
            if on_progress is not None:
                on_progress(Replayed(decision, news))
            if interrupts.asked:
                return True
    return False


def _seen(session: Session, health: HealthNotes) -> list[str]:
    """Return what a user must hear of the eyes, lest a recording without labels go unnoticed."""
    score = session.score
    nothing = score.frames and not score.labelled_frames
    return [*(["no frame has a valid label"] if nothing else []), *health.lines]


def _tick(seq: int, sample: CameraSample) -> Tick:
    stamp_ns = sample.frame.stamp_ns if sample.fetched_ns is None else sample.fetched_ns
    zero = (0.0, 0.0, 0.0)
    unknown = VehicleState(seq, stamp_ns, False, zero, zero, (1.0, 0.0, 0.0, 0.0))
    vehicle = sample.vehicle or unknown
    frame = sample.frame if sample.frame.valid else None
    return Tick(seq, stamp_ns, True, False, frame, vehicle, sample.health)


def _figures(session: Session) -> dict[str, Any]:
    score = session.score
    errors = score.distance_errors.to_dict()
    shares = score.known_shares
    return {
        "seed": session.config.flight.seed,
        "flown_s": round(score.simulated_s, 3),
        "frames": score.frames,
        "labelled": score.labelled_frames,
        "valid_share": round(statistics.fmean(shares), 4) if shares else float("nan"),
        **{k: round(v, 4) if isinstance(v, float) else v for k, v in errors.items()},
        "model_versions": score.model_versions,
        "time_to_trust_s": score.time_to_trust_s,
    }
