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
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from drone import config, topics
from drone.clock import s_from_ns
from drone.config import PilotConfig
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import Decision, DistanceLabel, FrameCheck, LogGap, MonoEstimate, Tick
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilot import Pilot, PilotState, decide

_DOUBLE = struct.Struct("<d")
_Difference = tuple[str, Any, Any]
"""A field, what it was, and what it is now."""
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
        notes: what else is to be known of the log.
        gap: why nothing after the last replayed tick can be verified, None if all was.
    """

    ticks: int = 0
    compared_fields: int = 0
    mismatches: int = 0
    first: str = ""
    flown_s: float = 0.0
    damaged: str | None = None
    gap: str | None = None
    notes: tuple[str, ...] = ()

    def compare(self, tick: Tick, logged: Any, replayed: Any, tolerance: float) -> None:
        """Compare two messages field by field."""
        differences: list[_Difference] = []
        self.compared_fields += _compare(logged, replayed, tolerance, "", differences)
        for field, was, now in differences:
            self.mismatches += 1
            self.first = self.first or (
                f"tick {tick.seq} at {s_from_ns(tick.stamp_ns):.2f} s: {type(logged).__name__}."
                f"{field} was {_short(was)}, replayed {_short(now)}"
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
    if recompute and log.header.file_number:
        raise UserError(
            f"{path}: begins with file {log.header.file_number} of its flight, and labels remember "
            "the frames before: right is the whole flight, or --verify without --recompute"
        )
    pilot = Pilot(tree.pilot, Perception(tree.pilot, log.header.calibration)) if recompute else None
    run = _Verifying(tree.pilot, pilot, on_progress)
    for file in log.alone():
        run.file(file)
    result = run.result
    result.damaged, result.notes = log.damaged, log.notes
    if not result.ticks:
        raise UserError(f"{path}: holds no tick with its decision: there is nothing to verify")
    return result


class _Verifying:
    """Goes through the files of a flight; each begins with the pilot's state at its start."""

    def __init__(
        self,
        config: PilotConfig,
        pilot: Pilot | None,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        self.result = Verification()
        self._config = config
        self._pilot = pilot
        self._on_progress = on_progress
        self._state: PilotState | None = None
        self._first_ns: int | None = None
        self._before: Tick | None = None
        self._number: int | None = None

    def file(self, log: FlightLog) -> None:
        """Replay one file from its own state, also after another one broke off or is missing.

        What labels remember is lost in a gap: recomputing ends there.
        """
        missing = self._number is not None and log.header.file_number != self._number + 1
        if missing:
            self.result.gap = self.result.gap or f"what comes before {log.path.name} is missing"
        self._number = log.header.file_number
        if self._pilot is None or self.result.gap is None:
            self._state = self._replay(log, None if missing else self._state)

    def _replay(self, log: FlightLog, before: PilotState | None) -> PilotState | None:
        """Return the state after a file, None if it was lost in a gap.

        Args:
            log: of the file.
            before: the state after the file before this one, if it is known.
        """
        state = PilotState.from_json(log.header.pilot_state)
        for number, moment in enumerate(_moments(log)):
            if self._pilot is not None and self._before is None and moment.tick.seq > 0:
                raise UserError(
                    f"{log.path}: begins with tick {moment.tick.seq} of its flight, and labels "
                    "remember the frames before: right is the whole flight, or --verify without "
                    "--recompute"
                )
            gap = _gap(self._before, moment)
            self.result.gap = self.result.gap or gap
            if moment.decision is None or (gap and (number or moment.gap)):
                return None  # the log may have been cut before a decision
            if number == 0 and before is not None and not gap:
                self._compare(log, before)
            self._before = moment.tick
            state = self._tick(state, moment, moment.decision)
        return state

    def _tick(self, state: PilotState, moment: _Moment, decision: Decision) -> PilotState:
        tick, result = moment.tick, self.result
        percept = Percept(moment.check, moment.label, moment.estimate)
        if self._pilot is not None:
            percept = _recomputed(self._pilot, state, moment, result)
        state, replayed = decide(state, tick, percept, self._config)
        result.compare(tick, decision, replayed, TOLERANCE if self._pilot is not None else 0.0)
        result.ticks += 1
        self._first_ns = tick.stamp_ns if self._first_ns is None else self._first_ns
        result.flown_s = s_from_ns(tick.stamp_ns - self._first_ns)
        if self._on_progress is not None:
            self._on_progress(result.flown_s)
        return state

    def _compare(self, log: FlightLog, before: PilotState) -> None:
        """Compare the state at the end of one file with that at the beginning of the next."""
        self.result.compared_fields += 1
        if self._pilot is None and before.to_json() != log.header.pilot_state:
            self.result.mismatches += 1
            self.result.first = self.result.first or f"{log.path.name}: the state it begins with"


def flown_moments(log: FlightLog, on_gap: Callable[[str], None] | None = None) -> Iterator[_Moment]:
    """Yield every tick with its decision, up to the first gap or the end.

    Args:
        log: of the flight.
        on_gap: called with what is missing, in words, where it ends at a gap.
    """
    before: Tick | None = None
    for moment in _moments(log):
        gap = _gap(before, moment)
        if gap is not None and on_gap is not None:
            on_gap(gap)
        if gap is not None or moment.decision is None:
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


def _compare(
    was: Any, now: Any, tolerance: float, prefix: str, differences: list[_Difference]
) -> int:
    """Note the fields that differ, parts of parts included; return how many were compared."""
    count = 0
    cls: type = type(was)
    for name in _names(cls):
        a, b = getattr(was, name), getattr(now, name)
        part: type = type(a)
        if _names(part) and type(b) is part:
            count += _compare(a, b, tolerance, f"{prefix}{name}.", differences)
            continue
        count += 1
        if a is not b and not _equal(a, b, tolerance):
            differences.append((prefix + name, a, b))
    return count


@cache
def _names(cls: type) -> tuple[str, ...]:
    """Return the fields of a message's class; none of any other."""
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(field.name for field in dataclasses.fields(cls))


def _equal(was: Any, now: Any, tolerance: float) -> bool:
    if isinstance(was, float) and isinstance(now, float):
        if _DOUBLE.pack(was) == _DOUBLE.pack(now):
            return True
        if math.isnan(was) or math.isnan(now):
            return math.isnan(was) and math.isnan(now)
        return abs(was - now) <= tolerance if tolerance else False
    if isinstance(was, np.ndarray):
        if was.shape != now.shape or was.tobytes() == now.tobytes():
            return bool(was.shape == now.shape)
        return bool(tolerance) and np.allclose(was, now, rtol=0, atol=tolerance, equal_nan=True)
    if isinstance(was, tuple) and isinstance(now, tuple):
        return len(was) == len(now) and all(
            _equal(a, b, tolerance) for a, b in zip(was, now, strict=True)
        )
    if isinstance(was, Enum) or isinstance(now, Enum):
        return str(was) == str(now)
    return bool(was == now)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
