"""Exact replay: steps the pilot over a log and compares what it does with what it did.

    log ─► tick, percept ─► decide ─► Decision ─┬─ equal, field by field?
    log ─► Decision ────────────────────────────┘

By default decisions are replayed from the logged labels and estimates, bit for bit on any machine.
With `recompute` labels and estimates are made anew from images and model versions; on another
machine they agree to `TOLERANCE`, so numbers are then compared to that.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from drone import config, topics
from drone.clock import s_from_ns
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import Decision, DistanceLabel, FrameCheck, LogGap, MonoEstimate, Tick
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilot import Pilot, PilotState, decide

TOLERANCE = 1e-4


@dataclass
class Verification:
    """What comparing found.

    Attributes:
        ticks: replayed.
        compared_fields: values compared.
        mismatches: values that differ.
        first: the first difference, in words, empty if none.
        flown_s: time between the first and the last tick.
        damaged: what the log lost, None if nothing.
        gap: why nothing after the last replayed tick can be verified, None if all was.
    """

    ticks: int = 0
    compared_fields: int = 0
    mismatches: int = 0
    first: str = ""
    flown_s: float = 0.0
    damaged: str | None = None
    gap: str | None = None

    def compare(self, tick: Tick, logged: Any, replayed: Any, tolerance: float) -> None:
        """Compare two messages field by field."""
        name = type(logged).__name__
        for (field, was), (_, now) in zip(_fields(logged), _fields(replayed), strict=True):
            self.compared_fields += 1
            if not _equal(was, now, tolerance):
                self.mismatches += 1
                self.first = self.first or (
                    f"tick {tick.seq} at {s_from_ns(tick.stamp_ns):.2f} s: {name}.{field} "
                    f"was {_short(was)}, replayed {_short(now)}"
                )


@dataclass
class _Moment:
    """One tick of the log, as its records come in."""

    tick: Tick
    gap: LogGap | None = None
    check: FrameCheck | None = None
    label: DistanceLabel | None = None
    estimate: MonoEstimate | None = None
    decision: Decision | None = None


def verify(
    path: Path, recompute: bool = False, on_progress: Callable[[float], None] | None = None
) -> Verification:
    """Replay a log and compare every decision (and, recomputed, every label and estimate).

    Args:
        path: of the log.
        recompute: make labels and estimates anew from the images.
        on_progress: called with the seconds of flight replayed so far.

    Raises:
        UserError: not a flight log, or one of another version's pilot.
    """
    log = FlightLog(path)
    if recompute and log.header.jpeg_quality:
        raise UserError(
            f"{path}: its images are lossy from the first frame on (JPEG "
            f"{log.header.jpeg_quality}): labels and estimates cannot be made again from them; "
            "--verify without --recompute replays the decisions"
        )
    tree = config.loads(log.header.config_toml, f"{path} (its configuration)")
    pilot = Pilot(tree.pilot, Perception(tree.pilot, log.header.calibration)) if recompute else None
    state = PilotState.from_json(log.header.pilot_state)
    result = Verification()
    first_ns: int | None = None
    before: Tick | None = None
    for moment in _moments(log):
        result.gap = _gap(before, moment)
        if result.gap is not None or moment.decision is None:
            break  # the pilot's state is lost in the gap; or the log was cut before a decision
        tick = before = moment.tick
        first_ns = tick.stamp_ns if first_ns is None else first_ns
        percept = Percept(moment.check, moment.label, moment.estimate)
        if pilot is not None:
            percept = _recomputed(pilot, state, moment, result)
        state, decision = decide(state, tick, percept, tree.pilot)
        result.compare(tick, moment.decision, decision, TOLERANCE if recompute else 0.0)
        result.ticks += 1
        result.flown_s = s_from_ns(tick.stamp_ns - first_ns)
        if on_progress is not None:
            on_progress(result.flown_s)
    result.damaged = log.damaged
    if not result.ticks:
        raise UserError(f"{path}: holds no tick with its decision: there is nothing to verify")
    return result


def flown_moments(log: FlightLog) -> Iterator[_Moment]:
    """Yield every tick with its decision, up to the first gap or the end."""
    before: Tick | None = None
    for moment in _moments(log):
        if _gap(before, moment) is not None or moment.decision is None:
            return
        before = moment.tick
        yield moment


def _gap(before: Tick | None, moment: _Moment) -> str | None:
    """Return what is missing between two ticks, in words."""
    if moment.gap is not None:
        gap = moment.gap
        many = f"{gap.messages} messages " if gap.messages else ""
        return f"after {s_from_ns(gap.stamp_ns):.2f} s: {many}{gap.kind} ({gap.detail})"
    if before is not None and moment.tick.seq != before.seq + 1:
        after = f"after {s_from_ns(before.stamp_ns):.2f} s"
        return f"{after}: tick {moment.tick.seq} follows tick {before.seq}"
    return None


def _moments(log: FlightLog) -> Iterator[_Moment]:
    moment: _Moment | None = None
    gap: LogGap | None = None
    for topic, message in log.records():
        if topic == topics.TICK:
            if moment is not None:
                yield moment
            moment, gap = _Moment(message, gap), None
        elif topic == topics.GAP:
            gap = gap or message
        elif moment is None:
            continue
        elif topic == topics.CHECK:
            moment.check = message
        elif topic == topics.LABEL:
            moment.label = message
        elif topic == topics.MONO:
            moment.estimate = message
        elif topic == topics.DECISION:
            moment.decision = message
    if moment is not None:
        yield moment


def _recomputed(pilot: Pilot, state: PilotState, moment: _Moment, result: Verification) -> Percept:
    percept = pilot.perceive(state, moment.tick)
    pairs = (
        (moment.check, percept.check),
        (moment.label, percept.label),
        (moment.estimate, percept.estimate),
    )
    for logged, replayed in pairs:
        if logged is not None and replayed is not None:
            result.compare(moment.tick, logged, replayed, TOLERANCE)
        elif logged is not replayed:
            result.mismatches += 1
            what = type(logged or replayed).__name__
            result.first = result.first or (
                f"tick {moment.tick.seq}: {what} {'missing' if replayed is None else 'added'}"
            )
    return percept


def _fields(message: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        if dataclasses.is_dataclass(value):
            yield from _fields(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _equal(was: Any, now: Any, tolerance: float) -> bool:
    if isinstance(was, np.ndarray):
        if tolerance:
            return bool(np.allclose(was, now, rtol=0, atol=tolerance, equal_nan=True))
        return bool(was.shape == now.shape and was.tobytes() == now.tobytes())
    if isinstance(was, tuple) and isinstance(now, tuple):
        same = (_equal(a, b, tolerance) for a, b in zip(was, now, strict=False))
        return len(was) == len(now) and all(same)
    if isinstance(was, float) and isinstance(now, float):
        if math.isnan(was) or math.isnan(now):
            return math.isnan(was) and math.isnan(now)
        if tolerance:
            return abs(was - now) <= tolerance
        return struct.pack("<d", was) == struct.pack("<d", now)
    if isinstance(was, Enum) or isinstance(now, Enum):
        return str(was) == str(now)
    return bool(was == now)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
