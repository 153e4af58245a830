"""Reads a log into a `Flight`, in one pass.

    log ─► record after record ─► one row per tick, one row per frame, the few events ─► Flight

What is kept per tick is a row of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from drone.clock import s_from_ns
from drone.config import Config, loads
from drone.flightlog import FlightLog
from drone.messages import (
    Decision,
    DistanceLabel,
    Eye,
    FlightEvent,
    HealthEvent,
    LearnerReport,
    LogGap,
    ModelVersion,
    MonoEstimate,
    Tick,
    Truth,
    Vector3,
    VehicleState,
)
from drone.onboard.avoidance import Manoeuvre
from drone.report.flight import MODES, Ailment, Flight, Learning, Mark, Span, Swap
from drone.scoring import FlightScore

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
        *[("unfamiliarity", "f8"), ("labelled", "?"), ("mode", "i4"), ("why", "i4")],
    ]
)


def read_flight(log: FlightLog, on_progress: Callable[[float], None] | None = None) -> Flight:
    """Read a log in one pass.

    Args:
        log: of the flight.
        on_progress: called with the seconds of flight read so far.

    Raises:
        UserError: its configuration is not one of this version, or inputs were taken out of it.
    """
    config = loads(log.header.config_toml, f"{log.path}: the configuration in its header")
    reader = _Reader(config)
    for _, message in log.records():
        reader.take(message)
        if on_progress is not None and isinstance(message, Tick):
            on_progress(reader.read_s(message))
    return reader.flight(log)


class _Reader:
    """Gathers what belongs to one tick, and keeps its row when the next one begins."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._score = FlightScore(config.pilot.switching.stop_m, config.pilot.go_m)
        self._epoch_ns: int | None = None
        self._first_tick = 0
        self._ticks: list[tuple[Any, ...]] = []
        self._frames: list[tuple[Any, ...]] = []
        self._reasons = {"": 0}
        self._marks: list[Mark] = []
        self._health_events: list[tuple[float, HealthEvent]] = []
        self._learning: list[Learning] = []
        self._swaps: list[Swap] = []
        self._vehicle: VehicleState | None = None
        self._true_m: Vector3 | None = None
        self._licence = ""
        self._now: dict[type, Any] = {}

    def read_s(self, tick: Tick) -> float:
        """Return how much of the flight was read up to a tick, s."""
        return self._t_s(tick.stamp_ns)

    def take(self, message: Any) -> None:
        """Take in the next message of the log."""
        if isinstance(message, Tick):
            self._close()
            if self._epoch_ns is None:
                self._epoch_ns, self._first_tick = message.stamp_ns, message.seq
            self._tick(message)
        elif isinstance(message, DistanceLabel | MonoEstimate | Decision | Truth):
            self._now[type(message)] = message
        elif isinstance(message, FlightEvent):
            self._close()
            self._event(message)
        elif isinstance(message, HealthEvent):
            self._health(message)
        elif isinstance(message, LogGap):
            self._gap(message)
        elif isinstance(message, ModelVersion):
            self._flies(message, self._ticks[-1][0] if self._ticks else 0.0)
        elif isinstance(message, LearnerReport):
            self._score.model_versions += self._publishes(message)
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
            reasons=tuple(self._reasons),
            ailments=_ailments(self._health_events, self._ticks[-1][0] if self._ticks else 0.0),
            marks=tuple(self._marks),
            learning=tuple(self._learning),
            swaps=tuple(self._swaps),
            figures=self._score.to_dict(),
            licence=self._licence,
            epoch_ns=self._epoch_ns or 0,
            first_tick=self._first_tick,
        )

    def _publishes(self, report: LearnerReport) -> bool:
        """Return whether a candidate flies from here on, or an earlier version does again."""
        before = self._learning[-1].report.rolled_back if self._learning else 0
        return not report.reason or report.rolled_back > before

    def _t_s(self, stamp_ns: int) -> float:
        return s_from_ns(stamp_ns - (stamp_ns if self._epoch_ns is None else self._epoch_ns))

    def _tick(self, tick: Tick) -> None:
        self._now[Tick] = tick
        if tick.vehicle is not None and tick.vehicle.valid:
            self._vehicle = tick.vehicle
        if tick.model is not None:
            self._flies(tick.model, self._t_s(tick.stamp_ns))
        for event in tick.health:
            self._health(event)

    def _flies(self, model: ModelVersion, t_s: float) -> None:
        """Note which version flies; the files of one log repeat it."""
        if not self._swaps or self._swaps[-1].sha256 != model.sha256:
            self._swaps.append(Swap(t_s, model.seq, model.sha256, len(model.onnx)))

    def _event(self, event: FlightEvent) -> None:
        if event.kind == "collision":
            self._score.collided()
        t_s = self._t_s(event.stamp_ns)
        self._marks.append(Mark(t_s, event.kind, event.detail, event.position_m))

    def _health(self, event: HealthEvent) -> None:
        detail = f"{event.eye} {event.kind} {'begins' if event.active else 'ends'}"
        self._health_events.append((self._t_s(event.stamp_ns), event))
        self._marks.append(Mark(self._t_s(event.stamp_ns), "camera", detail, (math.nan,) * 3))

    def _gap(self, gap: LogGap) -> None:
        missing = f"{gap.messages} messages" if gap.messages else "messages"
        detail = f"{missing} missing ({gap.kind})"
        self._marks.append(Mark(self._t_s(gap.stamp_ns), "gap", detail, (math.nan,) * 3))

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
            *(math.nan if estimate is None else estimate.unfamiliarity, _is_sound(label)),
            *(MODES.index(decision.mode), self._why(label)),
        )

    def _why(self, label: DistanceLabel | None) -> int:
        """Return the number of the reason for which there is no label, 0 where there is one."""
        reason = "" if _is_sound(label) else "nothing matched"
        if label is not None and not label.valid:
            reason = label.reason or reason
        return self._reasons.setdefault(reason, len(self._reasons))


def _is_sound(label: DistanceLabel | None) -> bool:
    return label is not None and label.valid


def _ailments(events: list[tuple[float, HealthEvent]], end_s: float) -> tuple[Ailment, ...]:
    """Return what was wrong from when to when; what did not end lasts to the end."""
    begun: dict[tuple[Eye, str], float] = {}
    found = []
    for t_s, event in events:
        what = (event.eye, event.kind)
        if event.active:
            begun.setdefault(what, t_s)
        elif what in begun:
            found.append(Ailment(*what, Span(begun.pop(what), t_s)))
    found += [Ailment(*what, Span(start_s, max(end_s, start_s))) for what, start_s in begun.items()]
    return tuple(sorted(found, key=lambda a: (a.span.start_s, a.eye, a.kind)))


def _relief(label: DistanceLabel | None, estimate: MonoEstimate | None) -> float:
    """Return the standard deviation of log inverse depth: a wall has little, a pillar much."""
    grid = None if estimate is None else estimate.inverse_depth
    if label is not None and label.valid:
        grid = label.inverse_depth
    known = None if grid is None else grid[grid > 0]
    return 0.0 if known is None or not len(known) else float(np.std(np.log(known)))
