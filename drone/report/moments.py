"""The few moments of a flight that a report shows with their images: which, and fetching them.

    Flight ─► choose ─► frame numbers ─► second pass over the log ─► Shot with left image and grids

Chosen are moments that tell something: the first frame, the last before the licence, the approach
to a collision, a stop in MONO, the end; the rest is spread over the gaps. Overrides come beside.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from drone.clock import s_from_ns
from drone.flightlog import FlightLog
from drone.messages import (
    Decision,
    DistanceLabel,
    FloatGrid,
    Image,
    Mode,
    MonoEstimate,
    Tick,
    Truth,
)
from drone.report.flight import MODES, Flight
from drone.report.story import seconds
from drone.report.svg import Values

MOST = 8
MOST_OVERRIDES = 12
_BEFORE_COLLISION_S = 0.6
_BEFORE_STOP_S = 1.5
_LEAST_APART_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame worth showing, and why.

    Attributes:
        row: in `Flight.frames`.
        seq: the frame's.
        t_s: of the decision that is shown with it, at the frame or soon after.
    """

    row: int
    seq: int
    t_s: float
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A moment with what was seen and told."""

    moment: Moment
    left: Image | None
    label: DistanceLabel | None
    estimate: MonoEstimate | None
    decision: Decision
    truth: Truth | None

    @property
    def stereo_grid(self) -> FloatGrid | None:
        """What stereo says, if it says anything."""
        return self.label.inverse_depth if self.label is not None and self.label.valid else None

    @property
    def mono_grid(self) -> FloatGrid | None:
        """What mono says, if there is a network."""
        told = self.estimate is not None and self.estimate.valid
        return self.estimate.inverse_depth if told and self.estimate is not None else None


def choose(flight: Flight, most: int = MOST) -> list[Moment]:
    """Return telling moments in the order of time, at most so many, never two of one second."""
    frames = flight.frames
    if not len(frames):
        return []
    chosen: dict[int, str] = {}
    wanted = [(0.0, "first frame"), (flight.duration_s, "end"), *_telling(flight)]
    for t_s, why in wanted:
        row = max(int(np.searchsorted(frames["t_s"], t_s + 1e-6)) - 1, 0)
        if len(chosen) < most and _apart(flight, chosen, row):
            chosen[row] = why
    _fill(flight, chosen, most)
    return [
        Moment(row, int(frames["seq"][row]), float(frames["t_s"][row]), why)
        for row, why in sorted(chosen.items())
    ]


def choose_overrides(flight: Flight, most: int = MOST_OVERRIDES) -> list[Moment]:
    """Return the frames at which overrides began; of too many, some spread over the flight."""
    spans, frames = flight.overrides, flight.frames
    if not len(frames) or not spans:
        return []
    kept = np.unique(np.linspace(0, len(spans) - 1, min(most, len(spans))).round().astype(int))
    found = []
    for span in (spans[k] for k in kept):
        row = max(int(np.searchsorted(frames["t_s"], span.start_s + 1e-6)) - 1, 0)
        why = f"stereo overrides mono for {seconds(span.length_s)}"
        found.append(Moment(row, int(frames["seq"][row]), span.start_s, why))
    return found


def _apart(flight: Flight, chosen: dict[int, str], row: int) -> bool:
    t_s = flight.frames["t_s"]
    return all(abs(t_s[row] - t_s[other]) >= _LEAST_APART_S for other in chosen)


def _telling(flight: Flight) -> list[tuple[float, str]]:
    """Return moments by weight, the weightiest first."""
    found = []
    held = flight.spans(flight.ticks["held"])
    if held:
        found.append((held[0].start_s - 0.1, "just before the licence"))
    collisions = sorted(flight.of_kind("collision"), key=lambda c: _weight(flight, c.t_s))
    if collisions:
        t_s = collisions[0].t_s - _BEFORE_COLLISION_S
        found.append((t_s, f"{_BEFORE_COLLISION_S} s before a collision"))
    return found + _mono_stop(flight)


def _weight(flight: Flight, t_s: float) -> int:
    """Order collisions: those of mono alone first."""
    row = max(int(np.searchsorted(flight.ticks["t_s"], t_s)) - 1, 0)
    return 0 if MODES[flight.ticks["mode"][row]] is Mode.MONO else 1


def _mono_stop(flight: Flight) -> list[tuple[float, str]]:
    """Return a stop of mono flying alone, rather one that was due, and the moment before it."""
    ticks = flight.ticks
    alone = ticks["mode"] == MODES.index(Mode.MONO)
    begins = np.flatnonzero(ticks["brakes"] & alone & ~np.roll(ticks["brakes"], 1))
    if not len(begins):
        return []
    reference_m = np.interp(
        ticks["t_s"][begins], *_known(flight.frames["t_s"], flight.frames["hidden_m"])
    )
    due = begins[reference_m < 1.5 * flight.config.pilot.switching.stop_m]
    candidates = due if len(due) else begins
    t_s = float(ticks["t_s"][candidates[len(candidates) // 2]])
    return [
        (t_s, "mono alone stops"),
        (t_s - _BEFORE_STOP_S, f"mono alone, {_BEFORE_STOP_S} s before it stops"),
    ]


def _known(t_s: Values, values: Values) -> tuple[Values, Values]:
    known = np.isfinite(values)
    return (t_s[known], values[known]) if known.any() else (t_s[:1], np.full(1, np.inf))


def _fill(flight: Flight, chosen: dict[int, str], most: int) -> None:
    """Fill up with a frame of varied depth from the middle of the longest gap, and so on."""
    t_s = flight.frames["t_s"]
    while len(chosen) < most:
        rows = sorted(chosen)
        gaps = [(t_s[b] - t_s[a], a, b) for a, b in itertools.pairwise(rows)]
        longest = max(gaps, default=(0.0, 0, 0))
        if longest[0] < 4 * _LEAST_APART_S:
            return
        third = (longest[2] - longest[1]) / 3
        first = round(longest[1] + third)
        relief = flight.frames["relief"][first : max(round(longest[2] - third), first + 1)]
        row = first + int(np.argmax(relief))
        if not _apart(flight, chosen, row):
            return
        chosen[row] = ""


def fetch(log: FlightLog, moments: list[Moment]) -> list[Shot]:
    """Return the moments with their images, by another pass over the log."""
    wanted: dict[int, list[Moment]] = {}
    for moment in moments:
        wanted.setdefault(moment.seq, []).append(moment)
    shots: list[Shot] = []
    now: dict[type, object] = {}
    epoch_ns: int | None = None
    for _, message in log.records():
        if isinstance(message, Tick):
            epoch_ns = message.stamp_ns if epoch_ns is None else epoch_ns
            _keep(shots, wanted, now, epoch_ns)
            if not wanted:
                break
            now = now if message.frame is None else {Tick: message}
        else:
            now[type(message)] = message
    _keep(shots, wanted, now, epoch_ns or 0)
    return sorted(shots, key=lambda shot: shot.moment.t_s)


def _keep(
    shots: list[Shot], wanted: dict[int, list[Moment]], now: dict[type, object], epoch_ns: int
) -> None:
    """Keep the wanted moments of the latest frame whose decision has been taken."""
    tick, decision = now.get(Tick), now.get(Decision)
    if not isinstance(tick, Tick) or tick.frame is None or not isinstance(decision, Decision):
        return
    seq, t_s = tick.frame.seq, s_from_ns(decision.stamp_ns - epoch_ns)
    label, estimate, truth = now.get(DistanceLabel), now.get(MonoEstimate), now.get(Truth)
    for moment in [m for m in wanted.get(seq, ()) if t_s >= m.t_s - 1e-6]:
        wanted[seq].remove(moment)
        shots.append(
            Shot(
                moment,
                tick.frame.left,
                label if isinstance(label, DistanceLabel) else None,
                estimate if isinstance(estimate, MonoEstimate) else None,
                decision,
                truth if isinstance(truth, Truth) else None,
            )
        )
    if not wanted.get(seq, [decision]):
        del wanted[seq]
