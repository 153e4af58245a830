"""Charts of several flights together: who flew when, paths in one room, courses over time.

In: the sides of a comparison. Out: inline SVG, one colour per flight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drone.messages import Mode
from drone.report.charts import MEDIAN_S, RIGHT, WIDTH, learning_errors, running_median, time_scale
from drone.report.comparison import Side
from drone.report.flight import MODES, Flight, put_there
from drone.report.story import NAMES, seconds
from drone.report.svg import (
    Plot,
    Scale,
    Values,
    box,
    line,
    mark,
    picture,
    round_ticks,
    text,
    ticks_row,
)
from drone.report.track import Map, legend, plan_parts, room_plan

_LEFT, _STEP = 40.0, 36.0


def timelines(sides: Sequence[Side]) -> str:
    """Return one row per flight: who flew, when the licence was held, overrides, collisions."""
    x = Scale(0.0, _longest_s(sides), _LEFT, RIGHT)
    parts = []
    for side in sides:
        y = 6 + _STEP * side.number
        parts.append(text(_LEFT - 10, y + 15, side.letter, f"letter {side.classes}", "end"))
        parts += [_timeline(side.flight, x, y)]
    bottom = 6 + _STEP * len(sides)
    plot = Plot(x, Scale(0, 1, bottom, 0))
    parts.append(plot.x_axis(round_ticks(0, x.high, 9), "flight time, s"))
    return picture(WIDTH, bottom + 36, parts, "Who flew when, one row per flight", "wide")


def _timeline(flight: Flight, x: Scale, y: float) -> str:
    parts = []
    for mode in MODES:
        for span in flight.in_mode(mode):
            words = f"{NAMES[mode]}, {seconds(span.start_s)} to {seconds(span.end_s)}"
            width = x.at(span.end_s) - x.at(span.start_s)
            parts.append(box(x.at(span.start_s), y, width, 14, f"solid m-{mode.value}", words))
    for span in flight.spans(flight.ticks["held"]):
        width = x.at(span.end_s) - x.at(span.start_s)
        parts.append(box(x.at(span.start_s), y + 16, width, 3, "solid m-mono", "licence held"))
    parts.append(ticks_row(x.px([s.start_s for s in flight.overrides]), y + 1, 12, "event"))
    for c in flight.of_kind("collision"):
        title = f"collision at {seconds(c.t_s)}: {c.detail}"
        parts.append(mark(x.at(c.t_s), y + 7, "cross", "collision", title))
    return "".join(parts)


def _longest_s(sides: Sequence[Side]) -> float:
    return max(1e-3, *(side.flight.duration_s for side in sides))


def maps(sides: Sequence[Side]) -> list[tuple[str, str]]:
    """Return letters and picture of every room, with the paths of all flights in it."""
    rooms: dict[str, list[Side]] = {}
    for side in sides:
        if len(side.flight.track):
            rooms.setdefault(side.flight.header.extra.get("plan", ""), []).append(side)
    return [(", ".join(s.letter for s in mine), _map(mine, plan)) for plan, mine in rooms.items()]


def _map(sides: Sequence[Side], plan_text: str) -> str:
    plan = room_plan(plan_text)
    tracks = [side.flight.track for side in sides]
    flown = [place for t in tracks for place in zip(t["north_m"], t["east_m"], strict=True)]
    room = Map.around([*flown, *(corner for polygon in plan for corner in polygon)])
    parts = [plan_parts(room, plan)]
    for side, rows in zip(sides, tracks, strict=True):
        x, y = room.east.px(rows["east_m"]), room.north.px(rows["north_m"])
        parts.append(line(x, y, f"path {side.classes}", put_there(side.flight, rows)))
    for side, rows in zip(sides, tracks, strict=True):
        x0, y0 = room.px((rows["north_m"][0], rows["east_m"][0]))
        parts.append(mark(x0, y0, "dot", f"point {side.classes}", f"start of {side.letter}", 5))
        parts += _contacts(side, rows, room)
    parts.append(legend(room))
    alt = f"Paths of {', '.join(s.letter for s in sides)} seen from above, north up"
    return picture(room.width, room.height + 18, parts, alt, "map")


def _contacts(side: Side, rows: np.ndarray, room: Map) -> list[str]:
    found = []
    for c in side.flight.of_kind("collision"):
        row = rows[max(int(np.searchsorted(rows["t_s"], c.t_s)) - 1, 0)]
        title = f"{side.letter}: collision at {c.t_s:.1f} s"
        where = room.px((row["north_m"], row["east_m"]))
        found.append(mark(*where, "cross", f"contact {side.classes}", title, 4.5))
    return found


def ways(sides: Sequence[Side]) -> str:
    """Return metres flown over time."""
    courses = [way_over_time(side.flight) for side in sides]
    most_m = max(1.0, *(float(way[-1]) for _, way in courses if len(way)))
    plot = _plot(sides, Scale(0.0, most_m, 230, 26))
    lines = [plot.curve(*c, f"line thick {s.classes}") for s, c in zip(sides, courses, strict=True)]
    axis = plot.y_axis(round_ticks(0, most_m, 5), "flown, m")
    return _over_time(plot, [axis, *lines], "Metres flown over time")


def way_over_time(flight: Flight) -> tuple[Values, Values]:
    """Return times and the way flown until then, m, without being put elsewhere."""
    rows = flight.track
    if not len(rows):
        return np.zeros(0), np.zeros(0)
    step_m = np.hypot(
        np.diff(rows["north_m"], prepend=rows["north_m"][0]),
        np.diff(rows["east_m"], prepend=rows["east_m"][0]),
    )
    way: Values = np.cumsum(np.where(put_there(flight, rows), 0.0, step_m))
    return np.asarray(rows["t_s"], np.float64), way


def trust(sides: Sequence[Side]) -> str:
    """Return the needless stops at the licence's operating point, strong while it is held."""
    plot = _plot(sides, Scale(0.0, 1.0, 230, 26))
    parts = [plot.y_axis((0, 0.25, 0.5, 0.75, 1), "free frames stopped", percent=True)]
    for side in sides:
        ticks = side.flight.ticks
        held = np.where(ticks["held"], ticks["fpr"], np.nan)
        parts.append(plot.curve(ticks["t_s"], ticks["fpr"], f"line pale {side.classes}"))
        parts.append(plot.curve(ticks["t_s"], held, f"line thick {side.classes}"))
    allowed = {side.flight.config.pilot.trust.max_fpr for side in sides}
    parts += [plot.level(value, "allowed") for value in sorted(allowed)]
    return _over_time(plot, parts, "Trust over time")


def errors(sides: Sequence[Side]) -> str:
    """Return mono's error over time, before learning from the frame."""
    plot = _plot(sides, Scale(0.0, 0.8, 230, 26))
    label = f"|log error| of distance, median of {MEDIAN_S:.0f} s"
    parts = [plot.y_axis((0, 0.2, 0.4, 0.6, 0.8), label)]
    for side in sides:
        flight = side.flight
        values = learning_errors(flight)["mono"]
        moments, medians = running_median(flight.frames["t_s"], values, MEDIAN_S)
        parts.append(plot.curve(moments, medians, f"line thick {side.classes}"))
    return _over_time(plot, parts, "Error of mono over time")


def _plot(sides: Sequence[Side], y: Scale) -> Plot:
    return Plot(time_scale(0.0, _longest_s(sides)), y)


def _over_time(plot: Plot, parts: Sequence[str], alt: str) -> str:
    axis = plot.x_axis(round_ticks(0, plot.x.high, 9), "flight time, s")
    return picture(WIDTH, 268, [axis, *parts], alt, "wide")


def modes_in(sides: Sequence[Side]) -> list[Mode]:
    """Return the modes that occur in any of the flights."""
    return [mode for mode in Mode if any(side.flight.in_mode(mode) for side in sides)]
