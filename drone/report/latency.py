"""How long things took: from a frame to its command, and stage by stage.

In: the timing of a run's result. Out: the section of the page. A log alone holds no such times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drone.report import html
from drone.report.story import share
from drone.report.svg import Plot, Scale, box, picture, segment, text
from drone.runfolder import FRAME_TO_COMMAND

_WORDS = {
    FRAME_TO_COMMAND: "frame to command",
    "check": "check the images",
    "stereo": "match and label",
    "mono": "network",
    "decide": "decide",
    "learn": "learn (beside the flight)",
}
_LEFT, _RIGHT, _STEP = 150.0, 540.0, 26.0
_DECADES_MS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


@dataclass(frozen=True, slots=True)
class Stage:
    """Durations of one stage, ms; `share` of all stages' time, NaN of the whole."""

    name: str
    p50_ms: float
    p99_ms: float
    share: float
    runs: int


def latency_section(timing: Any) -> str:
    """Return the section, whatever stands in the result."""
    stages = _stages(timing)
    if not stages:
        words = "The run's result holds no times, as where only a log is left."
        return html.section("Latency is unknown", html.note(words), anchor="latency")
    rows = [
        [_WORDS.get(s.name, s.name), _ms(s.p50_ms), _ms(s.p99_ms), share(s.share), str(s.runs)]
        for s in stages
    ]
    head = ("stage", "median", "99th percentile", "share", "runs")
    keys = html.keys(("solid m-stereo", "median"), ("whisker", "99th percentile"))
    words = "Measured while it flew, on the machine that flew it, with what else ran there."
    side = f"<div>{html.table(head, rows, 'numbers')}{html.note(words)}</div>"
    chart = f"<div>{keys}{_chart(stages)}</div>"
    return html.section(_title(stages), f'<div class="two">{chart}{side}</div>', anchor="latency")


def _title(stages: list[Stage]) -> str:
    whole = next((s for s in stages if s.name == FRAME_TO_COMMAND), None)
    if whole is None:
        return "Time per stage"
    return (
        f"From frame to command {_ms(whole.p50_ms)} in the median, "
        f"{_ms(whole.p99_ms)} at the 99th percentile"
    )


def _ms(value_ms: float) -> str:
    return f"{value_ms:.2f} ms" if value_ms < 10 else f"{value_ms:.0f} ms"


def _stages(timing: Any) -> list[Stage]:
    """Return what is sound in a result's timing, the whole first."""
    if not isinstance(timing, Mapping):
        return []
    found = [_stage(str(name), entry) for name, entry in timing.items()]
    return sorted((s for s in found if s is not None), key=lambda s: s.name != FRAME_TO_COMMAND)


def _stage(name: str, entry: Any) -> Stage | None:
    if not isinstance(entry, Mapping):
        return None
    p50_ms, p99_ms, runs = (_number(entry.get(key)) for key in ("p50_ms", "p99_ms", "n"))
    if not math.isfinite(p50_ms + p99_ms + runs):
        return None
    return Stage(name, p50_ms, p99_ms, _number(entry.get("share")), int(runs))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _chart(stages: list[Stage]) -> str:
    most = max(s.p99_ms for s in stages)
    least = min(s.p50_ms for s in stages)
    decades = [d for d in _DECADES_MS if least / 10 < d < most * 10] or list(_DECADES_MS[2:4])
    x = Scale(decades[0], max(decades[-1], decades[0] * 10), _LEFT, _RIGHT, log=True)
    bottom = 8 + _STEP * len(stages)
    plot = Plot(x, Scale(0, 1, bottom, 4))
    parts = [plot.x_axis(decades, "ms")]
    for k, stage in enumerate(stages):
        y = 8 + _STEP * k
        name, title = _WORDS.get(stage.name, stage.name), f"{stage.name}: {_ms(stage.p50_ms)}"
        middle = y + 8
        parts += [
            text(_LEFT - 8, y + 12, name, "tick", "end"),
            box(_LEFT, y, x.at(stage.p50_ms) - _LEFT, 16, "solid m-stereo", title),
            segment(x.at(stage.p50_ms), middle, x.at(stage.p99_ms), middle, "whisker"),
            segment(x.at(stage.p99_ms), y + 3, x.at(stage.p99_ms), y + 13, "whisker"),
        ]
    return picture(560, bottom + 36, parts, "Time per stage, median and 99th percentile")
