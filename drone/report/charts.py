"""Charts over the time of a flight: licence and events, distances, learning.

In: a `Flight`. Out: inline SVG. Bands behind a chart show who flew, one fixed colour per mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drone.report.flight import MODES, Flight, Mark, Span
from drone.report.story import NAMES, seconds
from drone.report.svg import (
    Plot,
    Scale,
    Values,
    box,
    mark,
    picture,
    round_ticks,
    segment,
    text,
    ticks_row,
)

WIDTH, LEFT, RIGHT = 1000.0, 56.0, 982.0
NEAR_M, FAR_M = 0.3, 8.0
_DISTANCE_TICKS = (0.3, 0.5, 1.0, 2.0, 4.0, 8.0)
_ROW_S, _MOST_ROWS = 60.0, 3
TICK_CHARACTER_PX = 6.0
"""Width of a character of small print, on the large side."""
MEDIAN_S = 20.0
"""Running medians of errors are taken over so long."""


def time_scale(start_s: float, end_s: float) -> Scale:
    """Return the common time axis."""
    return Scale(start_s, max(end_s, start_s + 1e-3), LEFT, RIGHT)


def _band_parts(flight: Flight, plot: Plot, classes: str = "band") -> str:
    """Return the modes as bands behind a plot."""
    parts = []
    for mode in MODES:
        for span in flight.in_mode(mode):
            if span.end_s < plot.x.low or span.start_s > plot.x.high:
                continue
            x1, x2 = plot.x.at(span.start_s), plot.x.at(span.end_s)
            words = f"{NAMES[mode]}, {seconds(span.start_s)} to {seconds(span.end_s)}"
            height = plot.bottom - plot.top
            parts.append(box(x1, plot.top, x2 - x1, height, f"{classes} m-{mode.value}", words))
    return "".join(parts)


def _within(spans: list[Span], plot: Plot, y: float, height: float, classes: str) -> str:
    return "".join(
        box(
            plot.x.at(s.start_s),
            y,
            max(plot.x.at(s.end_s) - plot.x.at(s.start_s), 1.5),
            height,
            classes,
            f"{seconds(s.start_s)} to {seconds(s.end_s)}",
        )
        for s in spans
        if s.end_s >= plot.x.low and s.start_s <= plot.x.high
    )


def overview(flight: Flight) -> str:
    """Return mode, licence, events and the trust figures over the whole flight."""
    x = time_scale(0.0, flight.duration_s)
    rows = ("who flies", "licence held", "overrides", "collisions", "new models", "faults")
    left = 96.0
    x = Scale(x.low, x.high, left, RIGHT)
    parts = [text(left - 8, 14 + 19 * k + 4, name, "tick", "end") for k, name in enumerate(rows)]
    strips = [Plot(x, Scale(0, 1, 22 + 19 * k, 8 + 19 * k)) for k in range(len(rows))]
    parts.append(_band_parts(flight, strips[0], "solid"))
    parts.append(_within(flight.spans(flight.ticks["held"]), strips[1], 29, 10, "solid m-mono"))
    for k, marks in ((2, [s.start_s for s in flight.overrides]), (4, _swap_times(flight))):
        parts.append(ticks_row(x.px(marks), strips[k].top + 2, 10, "event"))
    for collision in flight.of_kind("collision"):
        title = f"{seconds(collision.t_s)}: {collision.detail}"
        parts.append(mark(x.at(collision.t_s), strips[3].top + 7, "cross", "collision", title))
    parts.append(_fault_parts(flight, strips[5]))
    plot = Plot(x, Scale(0.0, 1.0, 300, 158))
    parts += [
        plot.y_axis((0, 0.25, 0.5, 0.75, 1), "share of frames", percent=True),
        plot.x_axis(round_ticks(0, x.high, 9), "flight time, s"),
        plot.level(flight.config.pilot.trust.max_fpr, "allowed"),
        plot.curve(flight.ticks["t_s"], flight.ticks["tpr"], "line tpr"),
        plot.curve(flight.ticks["t_s"], flight.ticks["fpr"], "line fpr"),
    ]
    return picture(WIDTH, 335, parts, "Modes, licence, events and trust figures over time", "wide")


def _swap_times(flight: Flight) -> list[float]:
    return [swap.t_s for swap in flight.swaps]


def _fault_parts(flight: Flight, plot: Plot) -> str:
    marks = sorted(
        (*flight.of_kind("fault"), *flight.of_kind("camera"), *flight.of_kind("autopilot")),
        key=lambda m: m.t_s,
    )
    strokes = ticks_row(plot.x.px([m.t_s for m in marks]), plot.top + 2, 10, "event")
    return strokes + "".join(_group_text(group, plot) for group in grouped(marks, plot))


def grouped(marks: Sequence[Mark], plot: Plot) -> list[list[Mark]]:
    """Return marks, oldest first, in groups whose texts do not overprint one another."""
    groups: list[list[Mark]] = []
    for one in marks:
        groups.append([one])
        while len(groups) > 1 and _place(groups[-1], plot).begin < _place(groups[-2], plot).end:
            last = groups.pop()
            groups[-1] += last
    return groups


def _group_words(group: Sequence[Mark]) -> str:
    first, more = group[:2], len(group) - 2
    return ", ".join(m.detail for m in first) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a group's strokes and text begin and end, and where its text is anchored, px."""

    begin: float
    end: float
    text_at: float
    anchor: str


def _place(group: Sequence[Mark], plot: Plot) -> _Place:
    """Return the place of a group: its text after the strokes, or before, or else over them."""
    width = TICK_CHARACTER_PX * len(_group_words(group)) + 5
    first, last = plot.x.at(group[0].t_s), plot.x.at(group[-1].t_s)
    if last + width <= plot.right:
        return _Place(first, last + width, last + 5, "start")
    if first - width >= plot.left:
        return _Place(first - width, last, first - 5, "end")
    return _Place(min(first, plot.right - width), plot.right, plot.right, "end")


def _group_text(group: Sequence[Mark], plot: Plot) -> str:
    place = _place(group, plot)
    return text(place.text_at, plot.top + 11, _group_words(group), "tick", place.anchor)


def distances(flight: Flight) -> str:
    """Return stereo, mono, truth and what mono stops by, in rows so that each second is seen."""
    rows = min(_MOST_ROWS, 1 + int(flight.duration_s / _ROW_S))
    row_s = flight.duration_s / rows
    return "".join(_distance_row(flight, k * row_s, (k + 1) * row_s) for k in range(rows))


def _distance_row(flight: Flight, start_s: float, end_s: float) -> str:
    plot = Plot(time_scale(start_s, end_s), Scale(NEAR_M, FAR_M, 190, 26, log=True))
    frames = flight.frames
    frames = frames[(frames["t_s"] >= start_s) & (frames["t_s"] <= end_s)]
    hidden_m = np.where(frames["labelled"], np.nan, frames["hidden_m"])
    overriding = _within(flight.overrides, plot, plot.bottom + 1, 5, "event-bar")
    parts = [
        _band_parts(flight, plot),
        plot.y_axis(_DISTANCE_TICKS, "obstacle distance, m"),
        plot.x_axis(round_ticks(start_s, end_s, 12), "flight time, s"),
        plot.level(flight.config.pilot.switching.stop_m, "stop"),
        plot.curve(frames["t_s"], frames["true_m"], "line truth"),
        plot.curve(frames["t_s"], hidden_m, "line hidden"),
        plot.curve(frames["t_s"], frames["label_m"], "line m-stereo"),
        plot.curve(frames["t_s"], frames["threshold_m"], "line threshold"),
        plot.curve(frames["t_s"], frames["flown_m"], "line cautious"),
        plot.curve(frames["t_s"], frames["raw_m"], "line m-mono"),
        overriding,
        _collision_parts(flight, plot),
    ]
    alt = f"Obstacle distances from {start_s:.0f} to {end_s:.0f} s"
    return picture(WIDTH, 228, parts, alt, "wide")


def _collision_parts(flight: Flight, plot: Plot) -> str:
    return "".join(
        segment(plot.x.at(c.t_s), plot.top, plot.x.at(c.t_s), plot.bottom, "collision")
        + mark(plot.x.at(c.t_s), plot.top - 6, "cross", "collision", f"collision: {c.detail}")
        for c in flight.of_kind("collision")
        if plot.x.low <= c.t_s <= plot.x.high
    )


def learning_errors(flight: Flight) -> dict[str, Values]:
    """Return |log(told / stereo)| per frame: mono's, and of two baselines; NaN where unknown.

    Each is told before the frame is learned from: the mean of all labels so far, the last label.
    The reference is healthy stereo, also after it was cut (as `drone.scoring.DistanceErrors`).
    """
    reference = flight.frames["hidden_m"]
    known = np.isfinite(reference)
    count = np.cumsum(known)
    total = np.cumsum(np.where(known, reference, 0.0))
    seen_before = known & (count > 1)
    mean = np.full(len(reference), np.nan)
    mean[seen_before] = ((total - reference) / np.maximum(count - 1, 1))[seen_before]
    last = np.full(len(reference), np.nan)
    index = np.flatnonzero(known)
    last[index[1:]] = reference[index[:-1]]
    told = {"mono": flight.frames["raw_m"], "mean": mean, "last": last}
    return {name: np.abs(np.log(values / reference)) for name, values in told.items()}


def running_median(t_s: Values, values: Values, window_s: float) -> tuple[Values, Values]:
    """Return times and medians over the window before each, at up to 1000 moments."""
    moments = t_s[:: max(1, len(t_s) // 1000)]
    first = np.searchsorted(t_s, moments - window_s)
    last = np.searchsorted(t_s, moments, side="right")
    medians = np.full(len(moments), np.nan)
    for k, (a, b) in enumerate(zip(first, last, strict=True)):
        known = values[a:b][np.isfinite(values[a:b])]
        if 3 * len(known) >= b - a > 0:
            medians[k] = np.median(known)
    return moments, medians


def learning(flight: Flight) -> str:
    """Return errors before learning beside two baselines, held-out error and training loss."""
    x = time_scale(0.0, flight.duration_s)
    plot = Plot(x, Scale(0.0, 0.8, 190, 26))
    parts = [
        _band_parts(flight, plot),
        plot.y_axis(
            (0, 0.2, 0.4, 0.6, 0.8), f"|log error| of distance, median of {MEDIAN_S:.0f} s"
        ),
        plot.x_axis(round_ticks(0, x.high, 9), numbers=False),
    ]
    for name, errors in reversed(learning_errors(flight).items()):
        moments, medians = running_median(flight.frames["t_s"], errors, MEDIAN_S)
        parts.append(plot.curve(moments, medians, f"line told-{name}"))
    for entry in flight.learning:
        if math.isfinite(entry.report.holdout_male):
            y = plot.y.at(entry.report.holdout_male)
            title = f"version {entry.report.version}: {entry.report.holdout_male:.3f}"
            parts.append(mark(x.at(entry.t_s), y, "ring", "held-out", title, 2.5))
    return picture(WIDTH, 335, [*parts, _loss(flight, x)], "Learning over flight time", "wide")


def _loss(flight: Flight, x: Scale) -> str:
    t_s = np.array([entry.t_s for entry in flight.learning])
    loss = np.array([entry.report.train_loss for entry in flight.learning])
    known = loss[np.isfinite(loss)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    plot = Plot(x, Scale(low - 0.05, high + 0.05, 300, 226))
    return "".join(
        [
            plot.y_axis(round_ticks(plot.y.low, plot.y.high, 3), "training loss"),
            plot.x_axis(round_ticks(0, x.high, 9), "flight time, s"),
            plot.curve(t_s, loss, "line truth-solid"),
        ]
    )
