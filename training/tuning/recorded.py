"""A logged flight as arrays: all that trust and switching consumed, and what was decided.

    flight.mcap ─► tick, check, label, estimate, version ─► Recorded

One pass without images. Everything in a `Recorded` is independent of the settings that are tuned:
which eyes were believed is replayed by the pilot's own rules, and so is what makes a pair.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone import topics
from drone.clock import NS_PER_S, ns_from_s
from drone.config import Config, loads
from drone.flightlog import FlightLog, LogHeader
from drone.logfiles import number_of
from drone.logformat import TickRecord
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    FrameCheck,
    HealthEvent,
    LogGap,
    Mode,
    ModelVersion,
    MonoEstimate,
    Vector3,
    VehicleState,
)
from drone.onboard import health, trust
from drone.onboard.avoidance import Manoeuvre
from drone.onboard.clearance import imminent_m
from drone.onboard.evidence import Evidence
from drone.onboard.pilotstate import PilotState
from drone.onboard.trust import Glance, Lately
from drone.report.flight import MODES, Table
from drone.runfolder import LOG_NAME
from drone.scoring import JUMP_M

_WANTED = (
    *(topics.TICK, topics.VEHICLE, topics.HEALTH, topics.MODEL, topics.CHECK),
    *(topics.LABEL, topics.MONO, topics.DECISION),
)
_FLYING = (Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO)
_TICK = np.dtype(
    [
        ("t_ns", "i8"),
        *[(name, "?") for name in ("stereo_ok", "flying", "cruising")],
        *[("flown_m", "f8"), ("label_m", "f8"), ("latest", "i8"), ("mono_fresh", "?")],
        *[("imminent_m", "f8"), ("guarded", "?"), ("unfamiliarity", "f8"), ("uncertainty", "f8")],
        *[("held", "?"), ("threshold_m", "f8"), ("override", "?")],
        *[("blocked", "?"), ("mode", "i4")],
    ]
)
_ESTIMATE = np.dtype([("stamp_ns", "i8"), ("m", "f8"), ("part", "i8")])
_NOTHING = (-1, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Told:
    """What one estimate told of a frame that stereo labelled.

    Attributes:
        tick: position of the tick.
        estimate: position of the estimate.
        label_m: stereo's obstacle distance.
    """

    tick: int
    estimate: int
    seq: int
    stamp_ns: int
    label_m: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A version took over and scored the held-out frames.

    Attributes:
        tick: position of the tick.
        scores: obstacle distance by the frame's number, m.
    """

    tick: int
    scores: Mapping[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A flight as trust and switching saw it.

    Attributes:
        path: of the log.
        ticks: one row per tick: `t_ns`; `stereo_ok`, both eyes were believed; `flying`, the stack
            flew; `cruising`, the drone went straight on when this tick was decided; `flown_m` since
            the tick before; `label_m`, stereo's obstacle distance, NaN where unknown or stale;
            `latest`, position of the estimate that is fresh and known, -1 if none is;
            `mono_fresh`, mono told a distance a moment ago; `imminent_m`, nearer than which
            stereo overrides; `guarded`, both cues together stopped the drone; `unfamiliarity` and
            `uncertainty`, medians over the latest images; and as it was decided: `held`,
            `threshold_m`, `override`, `blocked`, `mode`.
        estimates: one row per estimate: `stamp_ns`; `m`, the cautious distance by that frame alone;
            `part`, which counts the stretches that are averaged over.
        remembered: evidence of earlier flights.
        begun_ns: since when figures and licence can differ.
        told: frames that both told of, and versions that took over, in order.
        damaged: what the log lost, None if nothing.
    """

    path: Path
    header: LogHeader
    config: Config
    ticks: Table
    estimates: Table
    remembered: Evidence
    begun_ns: int
    told: tuple[Told | Scored, ...]
    damaged: str | None

    @property
    def name(self) -> str:
        """The run folder's, or the log's."""
        path = self.path.resolve()
        return path.parent.name if number_of(path)[0].name == LOG_NAME else path.stem

    @property
    def t_s(self) -> NDArray[np.float64]:
        """Of each tick, since the first."""
        t_ns = self.ticks["t_ns"]
        seconds: NDArray[np.float64] = (t_ns - t_ns[:1]) / NS_PER_S
        return seconds

    @property
    def pairs(self) -> list[Told]:
        """Frames of which both cues told."""
        return [entry for entry in self.told if isinstance(entry, Told)]


def read_recorded(path: Path) -> Recorded:
    """Read a log, without its images.

    Raises:
        UserError: no flight log, or its configuration is not one of this version.
    """
    log = FlightLog(path)
    config = loads(log.header.config_toml, f"{path}: the configuration in its header")
    reader = _Reader(config, PilotState.from_json(log.header.pilot_state))
    for _, message in log.slim(*_WANTED):
        if isinstance(message, LogGap):
            break  # what trust had seen by then is lost
        reader.take(message)
    return reader.recorded(path, log)


@dataclass(slots=True)
class _Now:
    """What came with one tick."""

    tick: TickRecord | None = None
    vehicle: VehicleState | None = None
    health: list[HealthEvent] = field(default_factory=list)
    model: ModelVersion | None = None
    check: FrameCheck | None = None
    label: DistanceLabel | None = None
    estimate: MonoEstimate | None = None


_SLOTS = {
    TickRecord: "tick",
    VehicleState: "vehicle",
    ModelVersion: "model",
    FrameCheck: "check",
    DistanceLabel: "label",
    MonoEstimate: "estimate",
}


class _Reader:
    """Replays who was believed, tick by tick, and keeps what trust took in."""

    def __init__(self, config: Config, start: PilotState) -> None:
        self._config = config
        self._pilot = config.pilot
        self._health = start.health
        self._trust = start.trust
        self._remembered, self._begun_ns = start.trust.evidence, start.trust.changed_ns
        self._now = _Now()
        self._label_ns, self._label_m = -1, math.nan
        self._latest, self._known_ns, self._part = -1, -1, 0
        self._vehicle: VehicleState | None = None
        self._position_m: Vector3 | None = None
        self._before: Decision | None = None
        self._ticks: list[tuple[Any, ...]] = []
        self._estimates: list[tuple[int, float, int]] = []
        self._told: list[Told | Scored] = []

    def take(self, message: Any) -> None:
        """Take in the next message of the log."""
        now = self._now
        if isinstance(message, HealthEvent):
            now.health.append(message)
        elif isinstance(message, Decision):
            self._now = _Now()
            if now.tick is not None:
                self._close(now, now.tick.stamp_ns, message)
        else:
            setattr(now, _SLOTS[type(message)], message)

    def recorded(self, path: Path, log: FlightLog) -> Recorded:
        """Return the arrays, after the last message."""
        return Recorded(
            path=path,
            header=log.header,
            config=self._config,
            ticks=np.array(self._ticks, _TICK),
            estimates=np.array(self._estimates, _ESTIMATE),
            remembered=self._remembered,
            begun_ns=self._begun_ns,
            told=tuple(self._told),
            damaged=log.damaged,
        )

    def _close(self, now: _Now, now_ns: int, decision: Decision) -> None:
        """Take in a whole tick, in the order of `drone.onboard.pilot.decide`."""
        rules = (self._pilot.switching, self._pilot.health)
        self._health = health.step(self._health, now_ns, now.check, tuple(now.health), rules)
        held = self._before is not None and self._before.trust.held
        borne_out = None
        if now.check is not None:
            borne_out = health.bears_out(now.label, now.estimate, held, self._pilot.health)
        self._health = health.prove(self._health, now_ns, borne_out, self._pilot.switching)
        if self._trust.waits:
            self._trust = trust.begun(self._trust, now_ns)
            self._remembered, self._begun_ns = self._trust.evidence, self._trust.changed_ns
        self._swap(now)
        if now.label is not None:
            believed = now.label.valid and self._health.stereo_sees
            self._label_ns = now.label.stamp_ns
            self._label_m = _known(now.label.obstacle_m) if believed else math.nan
        if now.estimate is not None:
            self._estimate(now, now.estimate)
        self._ticks.append(self._row(now, now_ns, decision))
        self._before = decision

    def _swap(self, now: _Now) -> None:
        model, estimate = now.model, now.estimate
        if model is None or not model.valid or (estimate and estimate.version != model.seq):
            return
        self._part, self._latest = self._part + 1, -1
        rules, average_s = self._pilot.trust, self._pilot.mono.average_s
        stop_m = self._pilot.switching.stop_m
        self._trust = trust.rescore(self._trust, model, stop_m, average_s, rules)
        scores = dict(zip(model.holdout_seq, model.holdout_obstacle_m, strict=True))
        self._told.append(Scored(len(self._ticks), scores))

    def _estimate(self, now: _Now, estimate: MonoEstimate) -> None:
        seen = estimate.valid and self._health.sees(estimate.eye)
        told_m = _known(estimate.cautious_m) if seen else math.nan
        self._estimates.append((estimate.stamp_ns, told_m, self._part))
        self._latest = len(self._estimates) - 1
        if math.isfinite(told_m):
            self._known_ns = estimate.stamp_ns
        unsure = trust.uncertainty(estimate.obstacle_m, estimate.cautious_m)
        glance = Glance(estimate.stamp_ns, estimate.unfamiliarity, unsure)
        self._trust = trust.see(self._trust, glance, self._pilot.trust)
        label = now.label
        if label is None or math.isnan(self._label_m) or not self._health.stereo_sees:
            return
        at = len(self._ticks), self._latest
        self._told.append(Told(*at, label.seq, label.stamp_ns, label.obstacle_m))

    def _row(self, now: _Now, now_ns: int, decision: Decision) -> tuple[Any, ...]:
        stale_ns = ns_from_s(self._pilot.switching.stale_s)
        told_ns, told_m, _ = self._estimates[self._latest] if self._latest >= 0 else _NOTHING
        known = math.isfinite(told_m) and told_ns >= 0 and abs(now_ns - told_ns) <= stale_ns
        labelled = self._label_ns >= 0 and abs(now_ns - self._label_ns) <= stale_ns
        fresh = self._known_ns >= 0 and abs(now_ns - self._known_ns) <= stale_ns
        before = self._before
        return (
            *(now_ns, self._health.stereo_ok, decision.mode in _FLYING),
            before is not None and before.mode in _FLYING and before.manoeuvre == Manoeuvre.CRUISE,
            self._flown_m(now.vehicle),
            self._label_m if labelled else math.nan,
            *(self._latest if known else -1, fresh, self._imminent_m(now.vehicle)),
            decision.blocked and decision.cue is Cue.BOTH,
            *(_median(self._trust.unfamiliarity), _median(self._trust.uncertainty)),
            *(decision.trust.held, decision.trust.threshold_m, decision.override),
            *(decision.blocked, MODES.index(decision.mode)),
        )

    def _imminent_m(self, vehicle: VehicleState | None) -> float:
        """Return the distance below which a collision is imminent at the present speed."""
        self._vehicle = vehicle or self._vehicle
        return imminent_m(PilotState(vehicle=self._vehicle), self._pilot)

    def _flown_m(self, vehicle: VehicleState | None) -> float:
        """Return how far the drone came since it last said where it is."""
        if vehicle is None or not vehicle.valid:
            return 0.0
        before, self._position_m = self._position_m, vehicle.position_m
        step_m = 0.0 if before is None else math.dist(before[:2], vehicle.position_m[:2])
        return step_m if step_m < JUMP_M else 0.0


def _median(lately: Lately) -> float:
    """Return the median; where nothing is said, all is normal."""
    return statistics.median([value for _, value in lately]) if lately else 0.0


def _known(distance_m: float) -> float:
    return distance_m if math.isfinite(distance_m) else math.nan
