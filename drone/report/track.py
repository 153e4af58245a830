"""Where the drone flew: a plan of the room, one picture per mode, north up and to scale.

In: a `Flight`, whose header may hold the room's plan. Out: inline SVG, 1 m being the same length in
both directions. Where the drone was put elsewhere after a collision no line is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.messages import Mode, Vector3
from drone.report.flight import MODES, Flight, Mask, Table, put_there
from drone.report.story import FLYING, NAMES, metres, plural
from drone.report.svg import Scale, line, mark, picture, text

Indices = NDArray[np.int32]
Polygon = list[tuple[float, float]]
"""Corners (north, east), m."""
SIZE = 330.0
_EDGE = 16.0
_ARROW_EVERY_M = 2.0


def room_plan(extra: str | None) -> list[Polygon]:
    """Return the polygons of a header's plan, the walls first; none if it has no (sound) plan."""
    try:
        polygons = json.loads(extra or "[]")
        return [[(float(north), float(east)) for north, east in p] for p in polygons]
    except (TypeError, ValueError):
        return []


@dataclass(frozen=True, slots=True)
class Map:
    """From metres to pixels: north is up, east is right, the scale is the same."""

    north: Scale
    east: Scale
    width: float
    height: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> Map:
        """Return a map that shows all points (north, east)."""
        north, east = np.array(points, np.float64).reshape(-1, 2).T
        middle = (north.min() + north.max()) / 2, (east.min() + east.max()) / 2
        half = max(float(np.ptp(north)), float(np.ptp(east)), 1.0) / 2
        shown = max(float(np.ptp(north)) / 2, 0.3 * half), max(float(np.ptp(east)) / 2, 0.3 * half)
        px_per_m = (SIZE - 2 * _EDGE) / (2 * half)
        width, height = (2 * s * px_per_m + 2 * _EDGE for s in reversed(shown))
        return cls(
            Scale(middle[0] - shown[0], middle[0] + shown[0], height - _EDGE, _EDGE),
            Scale(middle[1] - shown[1], middle[1] + shown[1], _EDGE, width - _EDGE),
            width,
            height,
        )

    @property
    def px_per_m(self) -> float:
        """Pixels per metre."""
        return (self.east.high_px - self.east.low_px) / (self.east.high - self.east.low)

    def px(self, position_m: Vector3 | tuple[float, float]) -> tuple[float, float]:
        """Return x, y of a position (north, east, ...)."""
        return self.east.at(position_m[1]), self.north.at(position_m[0])


def trajectories(flight: Flight) -> list[tuple[str, str]]:
    """Return a caption and a picture for every mode that flew; none without positions."""
    rows = flight.track
    if not len(rows):
        return []
    plan = room_plan(flight.header.extra.get("plan"))
    flown = list(zip(rows["north_m"], rows["east_m"], strict=True))
    room = Map.around([*flown, *(corner for polygon in plan for corner in polygon)])
    base = plan_parts(room, plan)
    shown = _panels(rows["mode"])
    modes = [m for m in MODES if (shown == MODES.index(m)).sum() > 1]
    return [
        (_caption(flight, m), _panel(flight, rows, shown == MODES.index(m), room, base))
        for m in modes
    ]


def _panels(mode: Indices) -> Indices:
    """Return in whose picture each row belongs: holding and landing in that of who flew before."""
    flies = np.isin(mode, [MODES.index(m) for m in FLYING])
    if not flies.any():
        return mode
    last = np.maximum.accumulate(np.where(flies, np.arange(len(mode)), np.argmax(flies)))
    return mode[last]


def _caption(flight: Flight, mode: Mode) -> str:
    figures = flight.figures
    way_m = figures["distance_m"].get(mode.value, math.nan)
    words = [f"{NAMES[mode]}: {metres(way_m)}" if math.isfinite(way_m) else NAMES[mode]]
    collisions = figures["collisions"].get(mode.value, 0)
    if collisions:
        words.append(plural(collisions, "collision"))
    if mode is Mode.TRAINING_WHEELS and figures["overrides"]:
        words.append(plural(figures["overrides"], "override"))
    return ", ".join(words)


def _panel(flight: Flight, rows: Table, here: Mask, room: Map, base: str) -> str:
    others = np.where(here, np.nan, rows["east_m"])
    modes = [MODES[k] for k in np.unique(rows["mode"][here])]
    y, apart = room.north.px(rows["north_m"]), put_there(flight, rows)
    parts = [
        base,
        line(room.east.px(others), y, "path others", apart),
        *(_flown(rows, mode, here, apart, room) for mode in modes),
        _end_parts(rows, here, room),
        *(_marks(flight, rows, mode, room) for mode in modes),
        legend(room),
    ]
    alt = "Trajectory seen from above, north up: " + " and ".join(NAMES[mode] for mode in modes)
    return picture(room.width, room.height + 18, parts, alt, "map")


def _flown(rows: Table, mode: Mode, here: Mask, apart: Mask, room: Map) -> str:
    mine = here & (rows["mode"] == MODES.index(mode))
    x = room.east.px(np.where(mine, rows["east_m"], np.nan))
    path = line(x, room.north.px(rows["north_m"]), f"path m-{mode.value}", apart)
    return path + _arrows(rows, mine & ~apart, room, mode)


def plan_parts(room: Map, plan: list[Polygon]) -> str:
    """Return walls and things."""
    parts = []
    for k, polygon in enumerate(plan):
        points = " ".join("{:.1f},{:.1f}".format(*room.px(corner)) for corner in polygon)
        parts.append(f'<polygon class="{"thing" if k else "walls"}" points="{points}"/>')
    return "".join(parts)


def _arrows(rows: Table, flows: Mask, room: Map, mode: Mode) -> str:
    """Return an arrow head every so many metres of way, pointing where it goes."""
    north, east = rows["north_m"], rows["east_m"]
    step_n, step_e = np.diff(north, prepend=north[0]), np.diff(east, prepend=east[0])
    way_m = np.cumsum(np.where(flows, np.hypot(step_n, step_e), 0.0))
    every_m = max(_ARROW_EVERY_M, float(way_m[-1]) / 25)
    at = np.flatnonzero(np.diff(way_m // every_m, prepend=0.0) > 0)
    parts = []
    for k in at[flows[at]]:
        x, y = room.px((north[k], east[k]))
        turn = math.degrees(math.atan2(step_e[k], step_n[k]))
        parts.append(
            f'<path class="arrow m-{mode.value}" d="M0 -5L3.6 4L0 2L-3.6 4z" '
            f'transform="translate({x:.1f} {y:.1f}) rotate({turn:.0f})"/>'
        )
    return "".join(parts)


def _end_parts(rows: Table, here: Mask, room: Map) -> str:
    parts = []
    for k, name in ((0, "start"), (len(rows) - 1, "end")):
        if here[k]:
            x, y = room.px((rows["north_m"][k], rows["east_m"][k]))
            parts.append(mark(x, y, "dot", f"pin {name}", name, 5))
            parts.append(text(x + 8, y - 6, name, "pin-name"))
    return "".join(parts)


def _marks(flight: Flight, rows: Table, mode: Mode, room: Map) -> str:
    """Return collisions and overrides of a mode where they happened."""
    parts = []
    for c in flight.of_kind("collision"):
        row = rows[max(int(np.searchsorted(rows["t_s"], c.t_s)) - 1, 0)]
        if MODES[row["mode"]] is mode:
            known = math.isfinite(c.position_m[0]) and math.isfinite(c.position_m[1])
            where = c.position_m if known else (row["north_m"], row["east_m"])
            parts.append(mark(*room.px(where), "cross", "collision", f"collision at {c.t_s:.1f} s"))
    if mode is Mode.TRAINING_WHEELS:
        for span in flight.overrides:
            row = rows[max(int(np.searchsorted(rows["t_s"], span.start_s, side="right")) - 1, 0)]
            where = (row["north_m"], row["east_m"])
            title = f"override at {span.start_s:.1f} s"
            parts.append(mark(*room.px(where), "diamond", "override", title))
    return "".join(parts)


def legend(room: Map) -> str:
    """Return the scale bar and where north is."""
    y, x = room.height + 8, _EDGE
    end = x + room.px_per_m
    return (
        f'<path class="event" d="M{x:.1f} {y - 3:.1f}v6m0 -3H{end:.1f}m0 -3v6"/>'
        + text(end + 6, y + 4, "1 m", "tick")
        + text(room.width - _EDGE, y + 4, "north is up", "tick", "end")
    )
