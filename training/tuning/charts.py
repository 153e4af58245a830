"""Charts of a tuning: ROC with the chosen point, Pareto front, and each flight before and after.

In: a `Tuning`. Out: inline SVG. What flies now is blue, what is recommended is green.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.config import PilotConfig
from drone.report.charts import FAR_M, NEAR_M, WIDTH
from drone.report.svg import (
    Plot,
    Scale,
    box,
    line,
    mark,
    picture,
    round_ticks,
    segment,
    text,
    ticks_row,
)
from training.tuning.goal import METRES, NAMES, OBJECTIVES, figures_of
from training.tuning.replay import Course, Flight, Stretches
from training.tuning.tuning import Tuning

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BEFORE, AFTER = "m-stereo", "m-training_wheels"
_MOST_DOTS = 600
_LEFT = 118.0


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """How mono's distance and threshold did against stereo, frame by frame, under one setting.

    Attributes:
        fpr: of the curve, rising.
        tpr: of the curve.
        point: (fpr, tpr) with the threshold of each moment.
    """

    fpr: Floats
    tpr: Floats
    point: tuple[float, float]


def told(flights: list[Flight], pilot: PilotConfig) -> Told | None:
    """Return the ROC over the frames of all flights in which a threshold stood; None without."""
    parts = [_frames(flight, pilot) for flight in flights]
    label_m, mono_m, threshold_m = (np.concatenate(column) for column in zip(*parts, strict=True))
    near, free = label_m < pilot.switching.stop_m, label_m >= pilot.switching.stop_m
    if not near.any() or not free.any():
        return None
    steps = np.concatenate([[-1.0], np.unique(mono_m), [np.inf]])
    tpr, fpr = (
        np.searchsorted(np.sort(mono_m[kind]), steps, side="right") / kind.sum()
        for kind in (near, free)
    )
    stops = mono_m < threshold_m
    return Told(fpr, tpr, (float(stops[free].mean()), float(stops[near].mean())))


def _frames(flight: Flight, pilot: PilotConfig) -> tuple[Floats, Floats, Floats]:
    course = flight.course(pilot)
    pairs = flight.recorded.pairs
    tick = np.array([pair.tick for pair in pairs], np.int64)
    label_m = np.array([pair.label_m for pair in pairs], np.float64)
    mono_m = np.nan_to_num(course.mono_m[tick], nan=0.0)
    known = np.isfinite(course.threshold_m[tick])
    return label_m[known], mono_m[known], course.threshold_m[tick][known]


def roc_chart(before: Told, after: Told, asked: PilotConfig) -> str:
    """Return both curves with what was and what will be flown, and the corner that is asked for."""
    plot = Plot(Scale(0, 1, 52, 420), Scale(0, 1, 388, 24))
    ticks = (0, 0.25, 0.5, 0.75, 1)
    x, y = plot.x.at(asked.trust.max_fpr), plot.y.at(asked.trust.min_tpr)
    parts = [
        box(plot.left, plot.top, x - plot.left, y - plot.top, "asked"),
        plot.y_axis(ticks, "near frames caught", percent=True),
        plot.x_axis(ticks, "free frames stopped needlessly", numbers=False),
        *(text(plot.x.at(t), plot.bottom + 15, f"{100 * t:.0f}%", "tick", "middle") for t in ticks),
        line(plot.x.px([0, 1]), plot.y.px([0, 1]), "line chance"),
    ]
    for name, curve, style in (("before", before, BEFORE), ("after", after, AFTER)):
        parts.append(line(plot.x.px(curve.fpr), plot.y.px(curve.tpr), f"line thick {style}"))
        fpr, tpr = curve.point
        title = f"{name}: {tpr:.0%} of near caught, {fpr:.0%} of free stopped"
        parts.append(mark(plot.x.at(fpr), plot.y.at(tpr), "dot", f"point {style}", title, 6.0))
    return picture(440, 424, parts, "ROC of mono's stops, before and after", "square")


def front_chart(tuning: Tuning, across: str, up: str) -> str:
    """Return settings by two objectives: all, the front, what flies now, and the chosen one.

    A setting under which mono never flies has no place in it.
    """
    figures = figures_of(tuning.tried.counts)
    columns = [NAMES.index(across), NAMES.index(up)]
    points = figures[:, columns]
    named = [("before", 0, BEFORE), ("chosen", tuning.chosen, AFTER)]
    named = [entry for entry in named if np.isfinite(points[entry[1]]).all()]
    there = points[[*tuning.front, *(k for _, k, _ in named)]]
    high = [_round_high(float(there[:, k].max(initial=0.0))) for k in (0, 1)]
    plot = Plot(Scale(0, high[0], 52, 420), Scale(0, high[1], 300, 26))
    shown = np.flatnonzero((points <= high).all(axis=1))
    shown = shown[:: max(1, len(shown) // _MOST_DOTS)]
    x, y = plot.x.px(points[:, 0]), plot.y.px(points[:, 1])
    parts = [
        plot.y_axis(round_ticks(0, high[1], 5), _axis(up)),
        plot.x_axis(round_ticks(0, high[0], 6), _axis(across)),
        *(mark(x[k], y[k], "dot", "tried", "", 1.6) for k in shown),
        *(mark(x[k], y[k], "dot", "front", _title(figures[k]), 3.2) for k in tuning.front),
        *(
            mark(x[k], y[k], "dot", f"point {style}", f"{name}: {_title(figures[k])}", 6.5)
            for name, k, style in named
        ),
    ]
    return picture(440, 336, parts, f"Settings by {across} and {up}", "square")


def _round_high(value: float) -> float:
    step = max(round_ticks(0, max(value, 1.0), 5)[-1] / 5, 0.1)
    return float(np.ceil(max(value, 1e-9) * 1.05 / step) * step)


def _axis(name: str) -> str:
    objective = OBJECTIVES[NAMES.index(name)]
    unit = objective.unit if objective.is_rate else f", {objective.unit}"
    return f"{name.replace('_', ' ')}{' ' if objective.is_rate else ''}{unit}"


def _title(figures: Floats) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" for name, value in zip(NAMES, figures, strict=True)
    )


def timeline(flight: Flight, before: PilotConfig, after: PilotConfig) -> str:
    """Return licence and decisions of one flight under both settings, over time."""
    recorded = flight.recorded
    t_s = recorded.t_s
    x = Scale(0.0, float(t_s[-1]), _LEFT, WIDTH - 18)
    parts = []
    for k, (name, pilot, style) in enumerate((("before", before, BEFORE), ("after", after, AFTER))):
        course = flight.course(pilot)
        top = 8.0 + 40 * k
        parts.append(text(_LEFT - 8, top + 10, f"licence {name}", "tick", "end"))
        parts.append(text(_LEFT - 8, top + 27, "stops", "tick", "end"))
        parts += _licence(course, t_s, x, top, f"solid {style}")
        parts += _stops(flight.stretches(course, pilot), t_s, x, top + 18)
    parts += _distances(flight, before, after, x)
    alt = f"{recorded.name}: licence, stops and thresholds before and after"
    return picture(WIDTH, 286, parts, alt, "wide")


def _licence(course: Course, t_s: Floats, x: Scale, top: float, classes: str) -> list[str]:
    edges = np.flatnonzero(np.diff(course.held, prepend=False, append=False))
    ends_s = np.append(t_s, t_s[-1])
    spans = [(ends_s[a], ends_s[b]) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [segment(x.low_px, top + 12, x.high_px, top + 12, "grid")] + [
        box(x.at(a), top, x.at(b) - x.at(a), 12, classes, f"held from {a:.1f} to {b:.1f} s")
        for a, b in spans
    ]


def _stops(flown: Stretches, t_s: Floats, x: Scale, top: float) -> list[str]:
    at_s = t_s[flown.last]
    parts = [ticks_row(x.px(at_s[flown.needless]), top, 11, "event")]
    parts += [
        mark(x.at(s), top + 5, "cross", "collision", f"{s:.1f} s: missed", 4.0)
        for s in at_s[flown.missed & ~flown.override]
    ]
    parts += [
        mark(x.at(s), top + 5, "diamond", "override", f"{s:.1f} s: override", 5.0)
        for s in at_s[flown.override]
    ]
    return parts


def _distances(flight: Flight, before: PilotConfig, after: PilotConfig, x: Scale) -> list[str]:
    plot = Plot(x, Scale(NEAR_M, FAR_M, 248, 108, log=True))
    t_s, label_m = flight.recorded.t_s, flight.recorded.ticks["label_m"]
    parts = [
        plot.y_axis((0.3, 0.5, 1, 2, 4, 8), "obstacle distance, m"),
        plot.x_axis(round_ticks(0, x.high, 9), "flight time, s"),
        plot.level(before.switching.stop_m, "stop"),
        plot.curve(t_s, label_m, "line truth-solid", 1500),
    ]
    for pilot, style in ((before, BEFORE), (after, AFTER)):
        parts.append(plot.curve(t_s, flight.course(pilot).threshold_m, f"line {style}", 1500))
    return parts


def way_under_mono(tuning: Tuning, position: int) -> float:
    """Return the metres that mono flew straight on under a setting."""
    return float(tuning.tried.counts[position].sum(axis=0)[METRES])
