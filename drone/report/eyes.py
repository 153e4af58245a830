"""Health: when an eye was found wanting, what stereo could not label, how new the images were.

In: a `Flight`. Out: the section of the page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drone.messages import Eye
from drone.report import html
from drone.report.charts import RIGHT, TICK_CHARACTER_PX, WIDTH
from drone.report.flight import Ailment, Flight, Span
from drone.report.story import plural, seconds, share
from drone.report.svg import Plot, Scale, box, picture, round_ticks, text

_LEFT = 96.0
_ROWS = (("left eye", Eye.LEFT), ("right eye", Eye.RIGHT), ("the pair", Eye.PAIR))
_STEP, _BAR = 22.0, 14.0
_TOP_UNFAMILIAR = 3.0
_MOST_ROWS = 12


def health_section(flight: Flight) -> str:
    """Return how the eyes were, and what stereo could not label and why."""
    notes = [gap.detail for gap in flight.of_kind("gap")]
    words = (
        "Bars: trouble with an eye or the pair, as the camera or the checks of its images told; "
        "frames without a label. Unfamiliarity: how unlike an image is to what was learned; above "
        "the line the licence is withheld."
    )
    lost = html.note(f"The log has gaps: {'; '.join(notes[:3])}.") if notes else ""
    return html.section(
        _title(flight),
        html.wide(_chart(flight), "health over time"),
        html.note(words),
        lost,
        _reasons(flight),
        anchor="health",
    )


def _title(flight: Flight) -> str:
    labelled = flight.frames["labelled"]
    part = f"; {share(float(labelled.mean()))} of the frames labelled" if len(labelled) else ""
    if not flight.ailments:
        return f"Nothing was wrong with the eyes{part}"
    first, more = flight.ailments[0], len(flight.ailments) - 1
    rest = f" and {more} more" if more else ""
    return f"{_told(first, flight)}{rest}{part}"


def _told(ailment: Ailment, flight: Flight) -> str:
    where = "the pair" if ailment.eye is Eye.PAIR else f"{ailment.eye} eye"
    begin, end = ailment.span.start_s, ailment.span.end_s
    until = "on" if end >= flight.duration_s else f"to {seconds(end)}"
    words = f"{where} {ailment.kind} from {seconds(begin)} {until}"
    return words[0].upper() + words[1:]


def _chart(flight: Flight) -> str:
    x = Scale(0.0, max(flight.duration_s, 1e-3), _LEFT, RIGHT)
    parts = []
    for k, (name, eye) in enumerate(_ROWS):
        parts.append(text(_LEFT - 8, _y(k) + 11, name, "tick", "end"))
        parts.append(box(_LEFT, _y(k), RIGHT - _LEFT, _BAR, "rail"))
        mine = [a for a in flight.ailments if a.eye is eye]
        parts += [_bar(x, a.span, _y(k), "trouble", f"{a.kind}, {_span(a.span)}") for a in mine]
        parts += _names(x, mine, _y(k))
    k = len(_ROWS)
    parts.append(text(_LEFT - 8, _y(k) + 11, "no label", "tick", "end"))
    parts += [_bar(x, s, _y(k), "unlabelled", _span(s)) for s in _unlabelled(flight)]
    plot = Plot(x, Scale(0.0, _TOP_UNFAMILIAR, _y(k + 1) + 100, _y(k + 1) + 24))
    frames = flight.frames
    parts += [
        plot.y_axis((0, 1, 2, 3), "unfamiliarity of the image"),
        plot.x_axis(round_ticks(0, x.high, 9), "flight time, s"),
        plot.level(flight.config.pilot.trust.max_unfamiliarity, "allowed"),
        plot.curve(frames["t_s"], frames["unfamiliarity"], "line m-mono"),
    ]
    return picture(WIDTH, plot.bottom + 36, parts, "Health of the eyes over time", "wide")


def _y(row: int) -> float:
    return 4 + _STEP * row


def _span(span: Span) -> str:
    return f"{seconds(span.start_s)} to {seconds(span.end_s)}"


def _bar(x: Scale, span: Span, y: float, classes: str, title: str) -> str:
    left = x.at(span.start_s)
    return box(left, y, max(x.at(span.end_s) - left, 1.5), _BAR, classes, title)


def _names(x: Scale, ailments: Sequence[Ailment], y: float) -> list[str]:
    """Return the kinds beside their bars, as far as there is room between them."""
    found, free_to = [], RIGHT
    for ailment in reversed(ailments):
        begin, end = x.at(ailment.span.start_s), x.at(ailment.span.end_s)
        width = TICK_CHARACTER_PX * len(ailment.kind)
        if end + 5 + width <= free_to:
            found.append(text(end + 5, y + 11, ailment.kind, "tick"))
        elif begin - 5 - width >= _LEFT and ailment is ailments[0]:
            found.append(text(begin - 5, y + 11, ailment.kind, "tick", "end"))
        free_to = begin
    return found


def _unlabelled(flight: Flight) -> list[Span]:
    """Return the stretches of frames without a label, each to the next frame that has one."""
    t_s, missing = flight.frames["t_s"], ~flight.frames["labelled"]
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    ends_s = np.append(t_s, flight.duration_s)
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [Span(float(ends_s[a]), float(ends_s[b])) for a, b in pairs]


def _reasons(flight: Flight) -> str:
    """Return how often which reason left a frame without a label."""
    count = np.bincount(flight.frames["why"], minlength=len(flight.reasons))
    most = [int(k) for k in np.argsort(-count, kind="stable") if k and count[k]]
    if not most:
        return ""
    rows = [[flight.reasons[k], str(count[k]), share(count[k] / count.sum())] for k in most]
    more = len(rows) - _MOST_ROWS
    rest = html.note(f"and {plural(more, 'reason')} more") if more > 0 else ""
    table = html.table(("why there was no label", "frames", "share"), rows[:_MOST_ROWS], "numbers")
    return f"{table}{rest}"
