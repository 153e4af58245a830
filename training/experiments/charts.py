"""Charts of findings, drawn with Matplotlib into a figure that is given.

Colours are of Okabe and Ito's set, which colour-blind readers tell apart.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from training.experiments.statistics import Estimate

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#7f7f7f", "#000000")
MOST_INSIDE = 4
"""Lines whose legend may stand between them."""
Draw = Callable[[Any], None]
Lines = Mapping[str, Sequence[tuple[float, Estimate]]]
"""Name -> points, each with its interval."""


def bars(
    titles: Sequence[str],
    panels: Mapping[str, Sequence[Estimate]],
    signed: bool = False,
    kinds: Sequence[str] = (),
) -> Draw:
    """Return a chart with a panel per measure, and a dot with its interval per arm.

    Args:
        titles: of the arms, from the top down.
        panels: measure -> one figure per arm.
        signed: figures lie on both sides of zero, which gets a line.
        kinds: of each arm; those of a kind have one colour. By default each arm has its own.
    """
    known = list(dict.fromkeys(kinds or titles))
    colours = [COLOURS[known.index(kind) % len(COLOURS)] for kind in kinds or titles]

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        places = range(len(titles), 0, -1)
        for axis, (name, estimates) in zip(axes, panels.items(), strict=True):
            for place, estimate, colour in zip(places, estimates, colours, strict=True):
                _dot(axis, estimate, place, colour)
            axis.set_title(textwrap.fill(name, 96 // len(panels)), fontsize=9, loc="left")
            if signed:
                axis.axvline(0, color="#555555", lw=1)
            else:
                axis.set_xlim(left=0)
            axis.grid(axis="x", alpha=0.3)
            axis.set_ylim(0.4, len(titles) + 0.6)
        axes[0].set_yticks(list(places), titles, fontsize=8)

    return draw


def _dot(axis: Any, estimate: Estimate, place: float, colour: str) -> None:
    if not math.isfinite(estimate.mean):
        return
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        axis.plot([estimate.low, estimate.high], [place, place], color=colour, lw=2, alpha=0.5)
    axis.plot([estimate.mean], [place], "o", color=colour, ms=5, clip_on=False, zorder=5)


def curves(
    x_title: str,
    y_title: str,
    lines: Lines,
    log_x: bool = False,
    y_limits: tuple[float, float] | None = None,
) -> Draw:
    """Return a chart of lines with their intervals as bands."""

    def draw(figure: Any) -> None:
        from matplotlib.ticker import LogFormatter

        axis = figure.subplots()
        for index, (name, points) in enumerate(lines.items()):
            colour = COLOURS[index % len(COLOURS)]
            known = [(x, e) for x, e in points if math.isfinite(e.mean)]
            xs = [x for x, _ in known]
            axis.plot(xs, [e.mean for _, e in known], "o-", color=colour, ms=3, lw=1.5, label=name)
            low, high = [e.low for _, e in known], [e.high for _, e in known]
            axis.fill_between(xs, low, high, color=colour, alpha=0.15, lw=0)
        if log_x:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(LogFormatter())
            axis.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        if y_limits:
            axis.set_ylim(*y_limits)
        finish(axis, x_title, y_title)

    return draw


def finish(axis: Any, x_title: str, y_title: str) -> None:
    """Give an axis its titles, a grid and a legend."""
    axis.set_xlabel(x_title)
    axis.set_ylabel(y_title)
    axis.grid(alpha=0.3)
    lines = len(axis.get_legend_handles_labels()[0])
    if lines > MOST_INSIDE:
        axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    elif lines:
        axis.legend(fontsize=8, frameon=False)
