"""The page: sections from top to bottom, in one HTML file that asks nobody for anything.

In: a `Flight`, its shots, and the run's result. Out: HTML with inline style, SVG and PNG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np

from drone.clock import s_from_ns
from drone.config import Config
from drone.messages import Mode
from drone.report import charts, html, story
from drone.report.flight import Flight
from drone.report.moments import Shot
from drone.report.pictures import card, colour_bar
from drone.report.roc import Roc, roc_chart, roc_curves
from drone.report.story import NAMES, metres, plural, seconds, share
from drone.report.track import trajectories

_MOST_EVENTS = 200


def page(flight: Flight, shots: Sequence[Shot], result: Mapping[str, Any], name: str) -> str:
    """Return the whole page."""
    sections = [_headline(flight, name)]
    if len(flight.ticks):
        sections += [
            _trajectory(flight),
            _licence(flight),
            _distances(flight),
            _roc(flight, roc_curves(flight)),
            _learning(flight),
            _moments(shots),
            _events(flight),
        ]
    sections.append(_particulars(flight, result))
    return html.document(f"Flight {name}", sections)


def _mode_keys(flight: Flight) -> list[tuple[str, str]]:
    return [(f"solid m-{m.value}", NAMES[m]) for m in Mode if flight.in_mode(m)]


def _headline(flight: Flight, name: str) -> str:
    warnings = "".join(f'<p class="warning">{escape(w)}</p>' for w in story.warnings(flight))
    lead = " ".join(story.sentences(flight))
    figures = "".join(
        f"<div><span>{escape(f.name)}</span><b>{escape(f.value)}</b>"
        f"<span>{escape(f.note)}</span></div>"
        for f in (story.key_figures(flight) if len(flight.ticks) else ())
    )
    header = (
        f'<header><p class="muted">{escape(name)}, {escape(_origin(flight))}</p>{warnings}'
        f'<h1>{escape(story.headline(flight))}</h1><p class="lead">{escape(lead)}</p></header>\n'
    )
    if not figures:
        return header
    tables = f'<div class="figures">{figures}</div>{_modes(flight)}'
    return f'{header}<section id="figures">{tables}</section>\n'


def _origin(flight: Flight) -> str:
    if flight.header.source == "sim":
        return f"simulated flight, seed {flight.header.seed}"
    return f"from {flight.header.source}"


def _modes(flight: Flight) -> str:
    if flight.watched:
        return ""
    head = ("mode", "time", "flown", "per minute", "turning", "needless stops /100 m", "collisions")
    return f"<br>{html.table(head, story.mode_table(flight), 'numbers')}"


def _trajectory(flight: Flight) -> str:
    drawn = trajectories(flight)
    if not drawn:
        return html.section(
            "Where it flew is unknown", html.note("The log holds no position."), anchor="trajectory"
        )
    figures = "".join(
        f"<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>" for words, svg in drawn
    )
    alone_m = flight.figures["distance_m"][Mode.MONO.value]
    by_mono = f", {metres(alone_m)} of them with mono alone" if alone_m else ""
    marks = [("collision", "collision")] if flight.of_kind("collision") else []
    marks += [("override", "override")] if flight.overrides else []
    keys = html.keys(*_mode_keys(flight), *marks)
    return html.section(
        f"{metres(story.way_m(flight))} flown{by_mono}",
        keys,
        f'<div class="maps">{figures}</div>',
        html.note(
            "Seen from above, one picture per mode; arrows show the direction, thin lines what the "
            "other modes flew. No line leads to where the drone was put after a collision."
        ),
        anchor="trajectory",
    )


def _licence(flight: Flight) -> str:
    trust = flight.config.pilot.trust
    held_s = sum(span.length_s for span in flight.spans(flight.ticks["held"]))
    part = share(held_s / flight.duration_s) if flight.duration_s else ""
    title = f"Mono held its licence in {part} of the time" if held_s else "Mono held no licence"
    keys = html.keys(
        ("line tpr", f"near frames caught by mono ({trust.min_tpr:.0%} asked)"),
        ("line fpr", "free frames stopped needlessly"),
        ("allowed", f"allowed: {trust.max_fpr:.0%}"),
        *_mode_keys(flight),
    )
    note = (
        f"The licence is earned with at most {trust.max_fpr:.0%} needless stops at the distance "
        f"that catches {trust.min_tpr:.0%} of the near frames, over frames not yet learned from; "
        "when stereo is lost, it is frozen as it stands."
    )
    chart = f'<div class="scroll">{charts.overview(flight)}</div>'
    return html.section(title, keys, chart, html.note(note), anchor="licence")


def _distances(flight: Flight) -> str:
    close = flight.figures["measures"]["obstacle_distance"]
    title = "What stereo measured; there was no mono estimate"
    if close["n"]:
        part = share(close["delta_125"])
        title = f"Mono is within a factor of 1.25 of stereo in {part} of the frames"
    keys = [("line m-stereo", "stereo (label)")]
    if close["n"]:
        keys += [("line m-mono", "mono"), ("line cautious", "mono, cautious and averaged")]
        keys.append(("threshold", "cautious mono stops below"))
    if flight.has_truth:
        keys += [("line truth", "true"), ("line hidden", "stereo, hidden (for scoring only)")]
    keys.append(("stop", f"must stop ({flight.config.pilot.switching.stop_m:g} m)"))
    chart = f'<div class="scroll">{charts.distances(flight)}</div>'
    note = (
        f"Distances beyond {charts.FAR_M:g} m and below {charts.NEAR_M:g} m are drawn at the edge. "
        "Bands: who flew. Bars beneath: overrides; crosses: collisions."
    )
    return html.section(title, html.keys(*keys), chart, html.note(note), anchor="distances")


def _roc(flight: Flight, curves: Sequence[Roc]) -> str:
    if not curves:
        words = "There were too few near or free frames with a mono estimate for a curve."
        return html.section("No ROC", html.note(words), anchor="roc")
    first, last = curves[0], curves[-1]
    title = (
        f"{_caught(first, 'Mono caught')}{_caught(last, '; flying alone,') if last.alone else ''}"
    )
    rows = [
        [c.name, str(c.positives), str(c.negatives), share(c.point[1]), share(c.point[0])]
        for c in curves
    ]
    rows += _licence_row(flight)
    head = ("curve", "near", "free", "caught", "needless")
    keys = html.keys(*((f"line thick {c.style}", c.name) for c in curves))
    words = (
        f"Frames of the last {flight.config.pilot.trust.window_s:g} s in which stereo labelled, "
        "each told by mono before it was learned from, by the cautious distance that flies. "
        "Shaded: where the licence is earned. Diamond: its operating point, over its own window "
        "with held-out frames. Dots: what flew, which stops at that distance divided by "
        f"{flight.config.pilot.trust.safety:g}."
    )
    side = f"<div>{keys}{html.table(head, rows, 'numbers')}{html.note(words)}</div>"
    return html.section(
        title, f'<div class="two">{roc_chart(flight, list(curves))}{side}</div>', anchor="roc"
    )


def _caught(curve: Roc, who: str) -> str:
    needless, caught = (share(value) for value in curve.point)
    return f"{who} {caught} of the near frames and stopped in {needless} of the free ones"


def _licence_row(flight: Flight) -> list[list[str]]:
    rows = flight.ticks[np.isfinite(flight.ticks["fpr"])]
    if not len(rows):
        return []
    last = rows[-1]
    name = f"licence, at {metres(float(last['operating_m']))}"
    counts = [str(last["positives"]), str(last["negatives"])]
    return [[name, *counts, share(float(last["tpr"])), share(float(last["fpr"]))]]


def _learning(flight: Flight) -> str:
    errors = charts.learning_errors(flight)
    known = flight.frames["t_s"][np.isfinite(errors["mono"])]
    if not len(known):
        words = "No estimate met a label: there is no error to show."
        return html.section("Nothing was learned in flight", html.note(words), anchor="learning")
    early = _median_between(flight, errors["mono"], known[0], known[0] + charts.MEDIAN_S)
    late = _median_between(flight, errors["mono"], known[-1] - 3 * charts.MEDIAN_S, known[-1])
    mean = story.known_median(errors["mean"])
    title = (
        f"Mono's median distance error went from {early:.2f} to {late:.2f}; "
        f"always telling the mean gives {mean:.2f}"
    )
    keys = html.keys(
        ("line told-mono", "mono, before learning from the frame"),
        ("line told-mean", "running mean of the labels"),
        ("line told-last", "the last label"),
        ("held-out", "held-out frames, per model version (mean)"),
    )
    chart = f'<div class="scroll">{charts.learning(flight)}</div>'
    note = (
        "Absolute log error: 0.10 is ten percent off. The last label is told a frame later and "
        "knows what stereo saw then; it cannot fly without stereo. After stereo is lost the "
        "reference is hidden stereo, in simulation only."
    )
    return html.section(title, keys, chart, html.note(note), anchor="learning")


def _median_between(flight: Flight, values: np.ndarray, start_s: float, end_s: float) -> float:
    t_s = flight.frames["t_s"]
    return story.known_median(values[(t_s >= start_s) & (t_s <= end_s)])


def _moments(shots: Sequence[Shot]) -> str:
    if not shots:
        return html.section("No images", html.note("The log holds no frame."), anchor="moments")
    cards = "".join(card(shot) for shot in shots)
    note = html.note(
        "From left to right: left image, depth by stereo, depth by mono from the left image alone. "
        "Grey cells are unknown."
    )
    return html.section(
        "What the eyes saw", note, colour_bar(), f'<div class="shots">{cards}</div>',
        anchor="moments",
    )  # fmt: skip


def _events(flight: Flight) -> str:
    rows = story.happenings(flight)
    shown = [[f"{t_s:.1f} s", kind, words] for t_s, kind, words in rows[:_MOST_EVENTS]]
    more = len(rows) - len(shown)
    rest = html.note(f"and {more} more in the log") if more > 0 else ""
    table = html.table(("time", "event", ""), shown) if shown else html.note("Nothing was marked.")
    if len(shown) > 12:
        table = f"<details><summary>Show them</summary>{table}{rest}</details>"
    return html.section(plural(len(rows), "event"), table, anchor="events")


def _particulars(flight: Flight, result: Mapping[str, Any]) -> str:
    changed = _changed(flight.config)
    settings = html.table(("setting", "value", "default"), changed) if changed else ""
    parts = [f"<p>{escape(plural(len(changed), 'setting'))} unlike the default.</p>{settings}"]
    timing = _timing(result.get("timing"))
    if timing:
        head = ("stage", "median", "99th percentile", "share", "runs")
        parts.append(f"<br><p>Time per stage.</p>{html.table(head, timing, 'numbers')}")
    parts.append(f"<br>{html.table(('', ''), _versions_table(flight, result))}")
    return html.section("Settings, timing, versions", *parts, anchor="particulars")


def _changed(config: Config) -> list[list[str]]:
    """Return key, value and default of every setting that is not as it comes."""
    mine, default = (_flat(c.model_dump(mode="json")) for c in (config, Config()))
    return [
        [key, str(value), str(default.get(key) or "none")]
        for key, value in mine.items()
        if default.get(key) != value
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            flat[prefix + key] = "; ".join(_entry(item) for item in value)
        else:
            flat[prefix + key] = value
    return flat


def _entry(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in item.items() if value is not None)


def _timing(timing: Any) -> list[list[str]]:
    if not isinstance(timing, Mapping):
        return []
    return [
        [
            stage,
            f"{t['p50_ms']:.2f} ms",
            f"{t['p99_ms']:.2f} ms",
            share(t["share"]),
            str(t["n"]),
        ]
        for stage, t in timing.items()
        if isinstance(t, Mapping) and all(_is_number(t.get(k)) for k in _STAGE_KEYS)
    ]


_STAGE_KEYS = ("p50_ms", "p99_ms", "share", "n")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _versions_table(flight: Flight, result: Mapping[str, Any]) -> list[list[str]]:
    header = flight.header
    began = datetime.fromtimestamp(s_from_ns(flight.epoch_ns + header.utc_offset_ns), UTC)
    rows = [
        ["source", header.source],
        ["written by", f"drone {header.software}, log format {header.format_version}"],
        ["seed", str(header.seed)],
        ["stamps begin at", f"{began:%Y-%m-%d %H:%M:%S} UTC"],
        ["camera", _camera(flight)],
    ]
    if flight.swaps:
        last = flight.swaps[-1]
        size_kb = last.size_bytes / 1000
        rows.append(["last model", f"version {last.version}, {size_kb:.0f} kB, {last.sha256[:12]}"])
    if _is_number(result.get("wall_s")):
        rows.append(["computed in", seconds(float(result["wall_s"]))])
    return rows


def _camera(flight: Flight) -> str:
    c = flight.header.calibration
    return f"{c.left.width} x {c.left.height} px, baseline {1000 * c.baseline_m:.0f} mm"
