"""A small kit for charts as inline SVG: scales, ticks, lines, marks.

Plain functions that return text. Colours are CSS classes, so that one picture serves light and
dark; coordinates are pixels of the picture's own view box.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels, linearly or by logarithm, clipped to its ends.

    Attributes:
        low: the value at `low_px`.
        high: the value at `high_px`.
        log: by logarithm.
    """

    low: float
    high: float
    low_px: float
    high_px: float
    log: bool = False

    def px(self, values: Any) -> Values:
        """Return pixels of values; NaN stays NaN."""
        clipped = np.clip(np.asarray(values, np.float64), self.low, self.high)
        low, high = self.low, self.high
        if self.log:
            clipped, low, high = np.log(clipped), math.log(low), math.log(high)
        share = (clipped - low) / ((high - low) or 1.0)
        pixels: Values = self.low_px + share * (self.high_px - self.low_px)
        return pixels

    def at(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self.px(value))


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about so many round values (steps of 1, 2 or 5) in a range."""
    raw = (high - low) / max(count, 1)
    if not raw > 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Return a tick's number as short as it can be."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def line(x: Any, y: Any, classes: str, breaks: Any = None) -> str:
    """Return one path through points, interrupted where one is NaN or `breaks` says so."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known: Flags = np.isfinite(x) & np.isfinite(y)
    starts = known & ~np.concatenate([[False], known[:-1]]) if len(x) else known
    if breaks is not None:
        starts = starts | (known & np.asarray(breaks, bool))
    alone = starts & ~np.concatenate([(known & ~starts)[1:], [False]]) if len(x) else starts
    points = zip(x[known], y[known], starts[known], alone[known], strict=True)
    d = "".join(
        f"{'M' if start else 'L'}{px:.1f} {py:.1f}{'h0' if single else ''}"
        for px, py, start, single in points
    )
    return f'<path class="{classes}" d="{d}"/>' if d else ""


def thinned(x: Values, y: Values, most: int) -> tuple[Values, Values]:
    """Return at most about `most` points that keep the lowest and highest of every stretch."""
    if len(x) <= most:
        return x, y
    size = math.ceil(2 * len(x) / most)
    whole = len(x) // size * size
    blocks = y[:whole].reshape(-1, size)
    empty: Flags = np.all(np.isnan(blocks), axis=1)
    safe = np.where(empty[:, None], 0.0, blocks)
    pair = np.sort(np.stack([np.nanargmin(safe, 1), np.nanargmax(safe, 1)], 1), axis=1)
    index = (pair + size * np.arange(len(blocks))[:, None]).ravel()
    return x[index], y[index]


def segment(x1: float, y1: float, x2: float, y2: float, classes: str) -> str:
    """Return a straight line."""
    return f'<line class="{classes}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def box(x: float, y: float, width: float, height: float, classes: str, title: str = "") -> str:
    """Return a rectangle, with a tool tip if it has a title."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect class="{classes}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{max(height, 0):.1f}">{tip}</rect>'
    )


def text(x: float, y: float, words: str, classes: str = "", anchor: str = "start") -> str:
    """Return a line of text; `anchor` is start, middle or end."""
    return (
        f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def mark(x: float, y: float, shape: str, classes: str, title: str = "", size: float = 5.0) -> str:
    """Return a mark: `cross`, `diamond`, `dot` or `ring`, with a tool tip if it has a title."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    if shape in ("dot", "ring"):
        return f'<circle class="{classes}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}">{tip}</circle>'
    outlines = {
        "cross": f"m{-size} {-size}l{2 * size} {2 * size}m0 {-2 * size}l{-2 * size} {2 * size}",
        "diamond": f"m0 {-size}l{size} {size}l{-size} {size}l{-size} {-size}z",
    }
    return f'<path class="{classes}" d="M{x:.1f} {y:.1f}{outlines[shape]}">{tip}</path>'


def ticks_row(x: Iterable[float], y: float, height: float, classes: str) -> str:
    """Return short upright strokes as one path."""
    d = "".join(f"M{px:.1f} {y:.1f}v{height:.1f}" for px in x)
    return f'<path class="{classes}" d="{d}"/>' if d else ""


def picture(width: float, height: float, parts: Sequence[str], alt: str, classes: str = "") -> str:
    """Return a whole picture with its description."""
    return (
        f'<svg class="{classes}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(alt)}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True, slots=True)
class Plot:
    """The area of one chart between its axes."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        """Pixel of the left edge."""
        return self.x.low_px

    @property
    def right(self) -> float:
        """Pixel of the right edge."""
        return self.x.high_px

    @property
    def top(self) -> float:
        """Pixel of the upper edge."""
        return self.y.high_px

    @property
    def bottom(self) -> float:
        """Pixel of the lower edge."""
        return self.y.low_px

    def x_axis(self, ticks: Sequence[float], label: str = "", numbers: bool = True) -> str:
        """Return grid lines, numbers and label along the bottom."""
        parts = [segment(self.x.at(t), self.top, self.x.at(t), self.bottom, "grid") for t in ticks]
        if numbers:
            parts += [
                text(self.x.at(t), self.bottom + 15, number(t), "tick", "middle") for t in ticks
            ]
        if label:
            parts.append(text(self.right, self.bottom + 30, label, "axis", "end"))
        return "".join(parts)

    def y_axis(self, ticks: Sequence[float], label: str = "", percent: bool = False) -> str:
        """Return grid lines, numbers and label along the left edge."""
        parts = [segment(self.left, self.y.at(t), self.right, self.y.at(t), "grid") for t in ticks]
        for t in ticks:
            words = number(100 * t) + "%" if percent else number(t)
            parts.append(text(self.left - 6, self.y.at(t) + 4, words, "tick", "end"))
        if label:
            parts.append(text(self.left, self.top - 7, label, "axis"))
        return "".join(parts)

    def level(self, value: float, classes: str) -> str:
        """Return a level line over the whole width."""
        return segment(self.left, self.y.at(value), self.right, self.y.at(value), classes)

    def curve(self, x: Any, y: Any, classes: str, most: int = 3000) -> str:
        """Return a curve through values, thinned to what can be seen."""
        seen_x, seen_y = thinned(np.asarray(x, np.float64), np.asarray(y, np.float64), most)
        return line(self.x.px(seen_x), self.y.px(seen_y), classes)
