"""How well mono tells near from free: the ROC over stretches of the flight, and after stereo.

In: a `Flight`. Out: curves of (false positive rate, true positive rate), and their chart. Mono
stops below a distance; the curve is swept by that distance. An unknown estimate stops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drone.config import PilotConfig
from drone.messages import Mode
from drone.report.flight import MODES, Flight, Table
from drone.report.svg import Plot, Scale, Values, line, mark, picture, text

LEAST_FRAMES = 10
"""Of each kind, for a curve to be drawn."""
MOST_STRETCHES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """One curve.

    Attributes:
        name: of what, against what, over which stretch.
        style: CSS class of its line.
        fpr: share of free frames stopped, rising.
        tpr: share of near frames caught.
        positives: near frames.
        negatives: free frames.
        point: (fpr, tpr) with the threshold that flew, frame by frame.
        alone: mono flew without stereo.
    """

    name: str
    style: str
    fpr: Values
    tpr: Values
    positives: int
    negatives: int
    point: tuple[float, float]
    alone: bool

    def needless(self, tpr: float) -> float:
        """Return the least share of free frames stopped with so many near frames caught."""
        return float(self.fpr[self.tpr >= tpr].min(initial=1.0))

    @property
    def area(self) -> float:
        """Under the curve: 1 is perfect, 0.5 is chance."""
        return float(np.trapezoid(self.tpr, self.fpr))


def roc_curves(flight: Flight) -> list[Roc]:
    """Return the curves for which there are frames enough."""
    labelled = _last_labelled(flight)
    alone = flight.frames[flight.frames["mode"] == MODES.index(Mode.MONO)]
    candidates = [
        (f"against stereo, {_stretch(labelled)}", "m-stereo", labelled, "label_m"),
        (f"against truth, {_stretch(labelled)}", "truth-solid", labelled, "true_m"),
        (f"mono alone, against truth, {_stretch(alone)}", "m-mono", alone, "true_m"),
    ]
    curves = [
        _roc(name, style, rows, rows[by], flight.config.pilot)
        for name, style, rows, by in candidates
    ]
    return [curve for curve in curves if curve is not None]


def roc_stretches(flight: Flight) -> list[Roc]:
    """Return one curve against stereo per stretch of the flight, oldest first.

    The stretches are equally long, about a window of trust or more, and cover what mono told of
    frames that stereo labelled; one with too few frames of a kind is left out.
    """
    told = flight.frames[flight.frames["labelled"] & np.isfinite(flight.frames["raw_m"])]
    if not len(told):
        return []
    start_s, end_s = float(told["t_s"][0]), float(told["t_s"][-1])
    window_s = flight.config.pilot.trust.window_s
    count = max(1, min(MOST_STRETCHES, round((end_s - start_s) / window_s)))
    edges = np.linspace(start_s, np.nextafter(end_s, np.inf), count + 1)
    curves = []
    for k, (first_s, last_s) in enumerate(itertools.pairwise(edges)):
        rows = told[(told["t_s"] >= first_s) & (told["t_s"] < last_s)]
        style = f"m-mono age-{MOST_STRETCHES - count + k}"
        curves.append(_roc(_stretch(rows), style, rows, rows["label_m"], flight.config.pilot))
    return [curve for curve in curves if curve is not None]


def _last_labelled(flight: Flight) -> Table:
    """Return the last window of frames that stereo labelled and mono told before learning."""
    pairs: Table = flight.frames[
        flight.frames["labelled"] & np.isfinite(flight.frames["threshold_m"])
    ]
    if not len(pairs):
        return pairs
    recent = pairs["t_s"] >= pairs["t_s"][-1] - flight.config.pilot.trust.window_s
    return pairs[recent]  # type: ignore[no-any-return]


def _stretch(rows: Table) -> str:
    return f"{rows['t_s'][0]:.0f} to {rows['t_s'][-1]:.0f} s" if len(rows) else "no frames"


def _roc(name: str, style: str, rows: Table, reference_m: Values, pilot: PilotConfig) -> Roc | None:
    stop_m = pilot.switching.stop_m
    near, free = reference_m < stop_m, reference_m >= stop_m
    if near.sum() < LEAST_FRAMES or free.sum() < LEAST_FRAMES:
        return None
    told_m = np.where(np.isnan(rows["flown_m"]), 0.0, rows["flown_m"])
    thresholds = np.concatenate([[-1.0], np.unique(told_m), [np.inf]])
    tpr = np.searchsorted(np.sort(told_m[near]), thresholds, side="right") / near.sum()
    fpr = np.searchsorted(np.sort(told_m[free]), thresholds, side="right") / free.sum()
    alone = bool((rows["mode"] == MODES.index(Mode.MONO)).all())
    measured_m = rows["threshold_m"]
    unmeasured_m = stop_m / pilot.trust.safety  # as `clearance.threshold_m` says
    stops = told_m < np.where(np.isnan(measured_m), unmeasured_m, measured_m)
    point = (float(stops[free].mean()), float(stops[near].mean()))
    return Roc(name, style, fpr, tpr, int(near.sum()), int(free.sum()), point, alone)


def roc_chart(flight: Flight, curves: Sequence[Roc]) -> str:
    """Return the chart, with the point that flew on each curve and what the licence asks for."""
    plot = Plot(Scale(0, 1, 52, 420), Scale(0, 1, 388, 24))
    parts = [
        *_frame(flight, plot),
        *(line(plot.x.px(c.fpr), plot.y.px(c.tpr), f"line thick {c.style}") for c in curves),
        *(_point(plot, curve) for curve in curves),
        _licence_point(flight, plot),
    ]
    return picture(440, 424, parts, "ROC of mono's stops", "square")


def stretches_chart(flight: Flight, curves: Sequence[Roc]) -> str:
    """Return the chart of the stretches, the latest strongest."""
    plot = Plot(Scale(0, 1, 52, 420), Scale(0, 1, 388, 24))
    lines = [line(plot.x.px(c.fpr), plot.y.px(c.tpr), f"line thick {c.style}") for c in curves]
    alt = "ROC of mono's stops, one curve per stretch of the flight"
    return picture(440, 424, [*_frame(flight, plot), *lines], alt, "square")


def _frame(flight: Flight, plot: Plot) -> list[str]:
    """Return the axes, what the licence asks for, and the line of chance."""
    trust = flight.config.pilot.trust
    ticks = (0, 0.25, 0.5, 0.75, 1)
    return [
        _asked(plot, trust.max_fpr, trust.min_tpr),
        plot.y_axis(ticks, "near frames caught", percent=True),
        plot.x_axis(ticks, "free frames stopped needlessly", numbers=False),
        *(text(plot.x.at(t), plot.bottom + 15, f"{100 * t:.0f}%", "tick", "middle") for t in ticks),
        line(plot.x.px([0, 1]), plot.y.px([0, 1]), "line chance"),
    ]


def _asked(plot: Plot, max_fpr: float, min_tpr: float) -> str:
    """Return the corner in which the licence is earned."""
    x, y = plot.x.at(max_fpr), plot.y.at(min_tpr)
    return (
        f'<rect class="asked" x="{plot.left:.1f}" y="{plot.top:.1f}" '
        f'width="{x - plot.left:.1f}" height="{y - plot.top:.1f}"/>'
    )


def _licence_point(flight: Flight, plot: Plot) -> str:
    known = np.flatnonzero(np.isfinite(flight.ticks["fpr"]))
    if not len(known):
        return ""
    row = flight.ticks[known[-1]]
    title = f"operating point of the licence: {row['operating_m']:.2f} m"
    return mark(plot.x.at(row["fpr"]), plot.y.at(row["tpr"]), "diamond", "override", title, 5.5)


def _point(plot: Plot, curve: Roc) -> str:
    fpr, tpr = curve.point
    title = f"{curve.name}: {tpr:.0%} of near caught, {fpr:.0%} of free stopped"
    return mark(plot.x.at(fpr), plot.y.at(tpr), "dot", f"point {curve.style}", title, 5.5)
