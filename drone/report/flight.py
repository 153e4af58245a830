"""A flight as columns of numbers: what a report needs of a log, without its images.

    log ─► record after record ─► one row per tick, one row per frame, the few events ─► Flight

One pass; what is kept per tick is a row of numbers. Images are fetched later, for the few moments
that the report shows (`drone.report.moments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.config import Config, loads
from drone.flightlog import LIVE_SOURCE, FlightLog, LogHeader
from drone.messages import (
    Decision,
    DistanceLabel,
    FlightEvent,
    HealthEvent,
    LearnerReport,
    Mode,
    ModelVersion,
    MonoEstimate,
    Tick,
    Truth,
    Vector3,
    VehicleState,
)
from drone.onboard.avoidance import Manoeuvre
from drone.scoring import JUMP_M, FlightScore

Table: TypeAlias = np.ndarray[Any, np.dtype[np.void]]
"""Rows with named columns."""
Mask = NDArray[np.bool_]
MODES = tuple(Mode)
"""The column `mode` holds positions in here."""

_TICK = np.dtype(
    [
        *[(name, "f8") for name in ("t_s", "mono_m", "stereo_m", "operating_m", "threshold_m")],
        *[(name, "f8") for name in ("tpr", "fpr", "north_m", "east_m")],
        *[(name, "?") for name in ("override", "held", "frozen", "blocked", "brakes", "permitted")],
        *[(name, "i4") for name in ("mode", "positives", "negatives")],
    ]
)
_FRAME = np.dtype(
    [
        ("seq", "i8"),
        *[(name, "f8") for name in ("t_s", "label_m", "raw_m", "flown_m", "threshold_m")],
        *[(name, "f8") for name in ("true_m", "hidden_m", "north_m", "east_m", "relief")],
        *[("labelled", "?"), ("mode", "i4")],
    ]
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment.

    Attributes:
        t_s: since the first tick.
        position_m: NED, NaN where unknown.
    """

    t_s: float
    kind: str
    detail: str
    position_m: Vector3


@dataclass(frozen=True, slots=True)
class Learning:
    """A learner's report, with its time since the first tick."""

    t_s: float
    report: LearnerReport


@dataclass(frozen=True, slots=True)
class Swap:
    """A model version began to fly."""

    t_s: float
    version: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which something held, s since the first tick."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """What a log says, as columns.

    Attributes:
        header: of the log.
        config: the resolved configuration.
        damaged: what is wrong with the file, None if nothing.
        ticks: one row per tick: `t_s`; `mono_m`, `stereo_m`, `threshold_m` as decided on, m;
            `operating_m`, `tpr`, `fpr`, `positives`, `negatives`, `held`, `frozen` of the licence;
            `north_m`, `east_m` by the vehicle; `override`, `blocked`, `brakes`; `permitted` by
            the human pilot; `mode`, an index of `MODES`.
        frames: one row per frame: `label_m` and `labelled`; `raw_m`, mono's for this image alone;
            `flown_m` (cautious, averaged) and `threshold_m` as decided on; `true_m`; `hidden_m` of
            healthy stereo; `north_m` and `east_m` in truth; NaN where unknown; `relief`, how much
            depth varies over the image.
        marks: what was logged as an event, of the flight or of the cameras.
        learning: how learning stood.
        swaps: which version flew from when on.
        figures: of the whole flight, as `FlightScore` counts them.
        licence: what was said of mono's licence last, in words.
        epoch_ns: stamp of the first tick, where `t_s` is 0.
    """

    header: LogHeader
    config: Config
    damaged: str | None
    ticks: Table
    frames: Table
    marks: tuple[Mark, ...]
    learning: tuple[Learning, ...]
    swaps: tuple[Swap, ...]
    figures: Mapping[str, Any]
    licence: str
    epoch_ns: int

    @property
    def duration_s(self) -> float:
        """From the first to the last tick, s."""
        return float(self.ticks["t_s"][-1]) if len(self.ticks) else 0.0

    @property
    def has_truth(self) -> bool:
        """The log knows what the pilot did not see."""
        return bool(np.isfinite(self.frames["true_m"]).any())

    @property
    def live(self) -> bool:
        """A live camera was watched, by `drone replay --live`."""
        return self.header.source.startswith(LIVE_SOURCE)

    @property
    def watched(self) -> bool:
        """The human pilot had control throughout: a recorded flight, or a vehicle carried."""
        return bool(len(self.ticks)) and not self.ticks["permitted"].any()

    @property
    def track(self) -> Table:
        """The rows, of frames or of ticks, that say best where the drone was; may be empty."""
        for rows in (self.frames, self.ticks):
            known: Table = rows[np.isfinite(rows["north_m"]) & np.isfinite(rows["east_m"])]
            if len(known):
                return known
        return self.ticks[:0]

    def of_kind(self, kind: str) -> list[Mark]:
        """Return the marks of one kind."""
        return [mark for mark in self.marks if mark.kind == kind]

    def spans(self, holds: Mask) -> list[Span]:
        """Return when something held, for a mask over the ticks."""
        edges = np.flatnonzero(np.diff(holds, prepend=False, append=False))
        ends_s = np.append(self.ticks["t_s"], self.duration_s)
        return [
            Span(float(ends_s[a]), float(ends_s[b]))
            for a, b in zip(edges[::2], edges[1::2], strict=True)
        ]

    def in_mode(self, mode: Mode) -> list[Span]:
        """Return when a mode flew."""
        return self.spans(self.ticks["mode"] == MODES.index(mode))

    @property
    def overrides(self) -> list[Span]:
        """When stereo stopped a drone that mono would have let fly on."""
        return self.spans(self.ticks["override"])


def read_flight(log: FlightLog) -> Flight:
    """Read a log in one pass.

    Raises:
        UserError: its configuration is not one of this version, or inputs were taken out of it.
    """
    config = loads(log.header.config_toml, f"{log.path}: the configuration in its header")
    reader = _Reader(config)
    for _, message in log.records():
        reader.take(message)
    return reader.flight(log)


class _Reader:
    """Gathers what belongs to one tick, and keeps its row when the next one begins."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._score = FlightScore(config.pilot.switching.stop_m, config.pilot.go_m)
        self._epoch_ns: int | None = None
        self._ticks: list[tuple[Any, ...]] = []
        self._frames: list[tuple[Any, ...]] = []
        self._marks: list[Mark] = []
        self._learning: list[Learning] = []
        self._swaps: list[Swap] = []
        self._vehicle: VehicleState | None = None
        self._true_m: Vector3 | None = None
        self._licence = ""
        self._now: dict[type, Any] = {}

    def take(self, message: Any) -> None:
        """Take in the next message of the log."""
        if isinstance(message, Tick):
            self._close()
            if self._epoch_ns is None:
                self._epoch_ns = message.stamp_ns
            self._tick(message)
        elif isinstance(message, DistanceLabel | MonoEstimate | Decision | Truth):
            self._now[type(message)] = message
        elif isinstance(message, FlightEvent):
            self._close()
            self._event(message)
        elif isinstance(message, HealthEvent):
            self._health(message)
        elif isinstance(message, LearnerReport):
            self._score.model_versions += 1
            self._learning.append(Learning(self._t_s(message.stamp_ns), message))

    def flight(self, log: FlightLog) -> Flight:
        """Return everything, after the last message."""
        self._close()
        return Flight(
            header=log.header,
            config=self._config,
            damaged=log.damaged,
            ticks=np.array(self._ticks, _TICK),
            frames=np.array(self._frames, _FRAME),
            marks=tuple(self._marks),
            learning=tuple(self._learning),
            swaps=tuple(self._swaps),
            figures=self._score.to_dict(),
            licence=self._licence,
            epoch_ns=self._epoch_ns or 0,
        )

    def _t_s(self, stamp_ns: int) -> float:
        return s_from_ns(stamp_ns - (stamp_ns if self._epoch_ns is None else self._epoch_ns))

    def _tick(self, tick: Tick) -> None:
        self._now[Tick] = tick
        if tick.vehicle is not None and tick.vehicle.valid:
            self._vehicle = tick.vehicle
        model: ModelVersion | None = tick.model
        if model is not None:
            swap = Swap(self._t_s(tick.stamp_ns), model.seq, model.sha256, len(model.onnx))
            self._swaps.append(swap)
        for event in tick.health:
            self._health(event)

    def _event(self, event: FlightEvent) -> None:
        if event.kind == "collision":
            self._score.collided()
        t_s = self._t_s(event.stamp_ns)
        self._marks.append(Mark(t_s, event.kind, event.detail, event.position_m))

    def _health(self, event: HealthEvent) -> None:
        detail = f"{event.eye} {event.kind} {'begins' if event.active else 'ends'}"
        self._marks.append(Mark(self._t_s(event.stamp_ns), "camera", detail, (math.nan,) * 3))

    def _close(self) -> None:
        """Count and keep the tick that is open, if a decision was taken in it."""
        now, self._now = self._now, {}
        tick, decision = now.get(Tick), now.get(Decision)
        if tick is None or decision is None:
            return
        truth: Truth | None = now.get(Truth)
        label, estimate = now.get(DistanceLabel), now.get(MonoEstimate)
        if tick.frame is not None:
            self._score.see(label, estimate, truth)
            self._frames.append(self._frame_row(tick, now))
        position_m = self._position_m(truth)
        self._score.decided(decision, position_m, tick.frame is not None)
        self._licence = decision.trust.reason
        self._ticks.append(self._tick_row(decision, tick.permitted, position_m))

    def _position_m(self, truth: Truth | None) -> Vector3:
        """Return where the drone is: by truth, of the latest frame, where there is any."""
        if truth is not None:
            self._true_m = truth.position_m
        if self._true_m is not None:
            return self._true_m
        return (math.nan,) * 3 if self._vehicle is None else self._vehicle.position_m

    def _tick_row(
        self, decision: Decision, permitted: bool, position_m: Vector3
    ) -> tuple[Any, ...]:
        trust = decision.trust
        return (
            *(self._t_s(decision.stamp_ns), decision.mono_obstacle_m, decision.stereo_obstacle_m),
            *(trust.operating_m, trust.threshold_m, trust.tpr, trust.fpr, *position_m[:2]),
            *(decision.override, trust.held, trust.frozen, decision.blocked),
            *(decision.manoeuvre == Manoeuvre.BRAKE, permitted),
            *(MODES.index(decision.mode), trust.positives, trust.negatives),
        )

    def _frame_row(self, tick: Tick, now: Mapping[type, Any]) -> tuple[Any, ...]:
        decision: Decision = now[Decision]
        label: DistanceLabel | None = now.get(DistanceLabel)
        estimate: MonoEstimate | None = now.get(MonoEstimate)
        truth: Truth | None = now.get(Truth)
        label_m = label.obstacle_m if label is not None and label.valid else math.nan
        raw_m = estimate.obstacle_m if estimate is not None and estimate.valid else math.nan
        true_m, hidden_m, where_m = math.nan, label_m, (math.nan,) * 3
        if truth is not None:
            true_m, hidden_m, where_m = truth.obstacle_m, truth.stereo_obstacle_m, truth.position_m
        assert tick.frame is not None
        return (
            *(tick.frame.seq, self._t_s(tick.stamp_ns)),
            *(label_m, raw_m, decision.mono_obstacle_m),
            *(decision.trust.threshold_m, true_m, hidden_m, *where_m[:2], _relief(label, estimate)),
            *(label is not None and label.valid, MODES.index(decision.mode)),
        )


def _relief(label: DistanceLabel | None, estimate: MonoEstimate | None) -> float:
    """Return the standard deviation of log inverse depth: a wall has little, a pillar much."""
    grid = None if estimate is None else estimate.inverse_depth
    if label is not None and label.valid:
        grid = label.inverse_depth
    known = None if grid is None else grid[grid > 0]
    return 0.0 if known is None or not len(known) else float(np.std(np.log(known)))


def put_there(flight: Flight, rows: Table) -> Mask:
    """Return, per row of a track, whether the drone was put there (in simulation), not flown."""
    step_m = np.hypot(np.diff(rows["north_m"]), np.diff(rows["east_m"]))
    jump_m = JUMP_M if flight.header.source == "sim" else math.inf
    return np.concatenate([[True], step_m >= jump_m]) if len(rows) else np.zeros(0, bool)
