"""The page: sections from top to bottom, in one HTML file that asks nobody for anything.

In: a `Flight`, its shots, and the run's result. Out: HTML with inline style, SVG and PNG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from drone.messages import Mode
from drone.report import charts, html, story
from drone.report.eyes import health_section
from drone.report.flight import Flight
from drone.report.latency import latency_section
from drone.report.moments import Shot
from drone.report.particulars import particulars
from drone.report.pictures import card, colour_bar
from drone.report.roc import Roc, roc_chart, roc_curves, roc_stretches, stretches_chart
from drone.report.story import NAMES, metres, plural, share
from drone.report.track import trajectories

_MOST_EVENTS = 200


def page(
    flight: Flight,
    shots: Sequence[Shot],
    overrides: Sequence[Shot],
    result: Mapping[str, Any],
    name: str,
) -> str:
    """Return the whole page.

    Args:
        flight: as read from the log.
        shots: telling moments.
        overrides: the moments at which overrides began.
        result: of the run, empty if there is none.
        name: of the run.
    """
    sections = [_headline(flight, name)]
    if len(flight.ticks):
        sections += [
            _trajectory(flight),
            _licence(flight),
            _distances(flight),
            _roc(flight, roc_curves(flight)),
            _overrides(flight, overrides),
            _learning(flight),
            health_section(flight),
            _moments(flight, shots),
            latency_section(result.get("timing")),
            _events(flight),
        ]
    sections.append(particulars(flight, result))
    return html.document(f"Flight {name}", sections, _CONTENTS if len(flight.ticks) else ())


_CONTENTS = (
    ("trajectory", "path"),
    ("licence", "timeline"),
    ("distances", "distances"),
    ("roc", "ROC"),
    ("overrides", "overrides"),
    ("learning", "learning"),
    ("health", "health"),
    ("moments", "pictures"),
    ("latency", "latency"),
    ("events", "events"),
    ("particulars", "settings"),
)


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
    chart = html.wide(charts.overview(flight), "modes and trust over time")
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
    chart = html.wide(charts.distances(flight), "distances over time")
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
    title = _caught(first, "Flying alone, mono caught" if first.alone else "Mono caught")
    if last.alone and not first.alone:
        title += _caught(last, "; flying alone,")
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
        f"with held-out frames. Dots: what flew, which stops at that distance{_earlier(flight)}."
    )
    side = f"<div>{keys}{html.table(head, rows, 'numbers')}{html.note(words)}</div>"
    last_stretch = f'<div class="two">{roc_chart(flight, curves)}{side}</div>'
    return html.section(title, last_stretch, _roc_over_time(flight), anchor="roc")


def _roc_over_time(flight: Flight) -> str:
    """Return the curves stretch by stretch, if there are two or more."""
    curves, caught = roc_stretches(flight), flight.config.pilot.trust.min_tpr
    if len(curves) < 2:
        return ""
    rows = [
        [c.name, str(c.positives), str(c.negatives), share(c.needless(caught)), f"{c.area:.3f}"]
        for c in curves
    ]
    head = ("stretch", "near", "free", f"needless at {caught:.0%} caught", "area")
    first, last = (share(c.needless(caught)) for c in (curves[0], curves[-1]))
    title = f"Over the flight: needless stops at {caught:.0%} caught, from {first} to {last}"
    words = (
        "The same against stereo, one curve per stretch of the flight, the latest strongest. The "
        "area under the curve is 1 for a perfect eye and 0.5 for chance."
    )
    keys = html.keys(*((f"line thick {c.style}", c.name) for c in curves))
    side = f"<div>{keys}{html.table(head, rows, 'numbers')}{html.note(words)}</div>"
    chart = f'<div class="two">{stretches_chart(flight, curves)}{side}</div>'
    return f"<h3>{escape(title)}</h3>{chart}"


def _overrides(flight: Flight, shots: Sequence[Shot]) -> str:
    count = len(flight.overrides)
    if not count:
        words = "Stereo never stopped a drone that mono would have let fly on."
        return html.section("No overrides", html.note(words), anchor="overrides")
    cards = "".join(card(flight, shot) for shot in shots)
    fewer = f" {len(shots)} of them are shown." if len(shots) < count else ""
    note = html.note(f"The moments at which mono would have let the drone fly on.{fewer} {_STRIP}")
    title = f"Stereo overrode mono {story.times(count)}"
    strips = f'<div class="strips">{cards}</div>'
    return html.section(title, note, colour_bar(), strips, anchor="overrides")


_STRIP = (
    "In this order: left image, depth by stereo, depth by mono from the left image alone, and "
    "the decision, seen from above: blue is free by stereo, the orange bows are how far it is free "
    "by mono, dotted is where the drone must stop, dashed where cautious mono stops, and the arrow "
    "is the command. Grey cells are unknown."
)


def _caught(curve: Roc, who: str) -> str:
    needless, caught = (share(value) for value in curve.point)
    return f"{who} {caught} of the near frames and stopped in {needless} of the free ones"


def _earlier(flight: Flight) -> str:
    """Return, in words, how much earlier than at its operating point mono stops."""
    safety = flight.config.pilot.trust.safety
    return f" divided by {safety:g}" if safety < 1 else ""


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
    chart = html.wide(charts.learning(flight), "learning over time")
    note = (
        "Absolute log error: 0.10 is ten percent off. The last label is told a frame later and "
        "knows what stereo saw then; it cannot fly without stereo. After stereo is lost the "
        "reference is hidden stereo, in simulation only."
    )
    return html.section(title, keys, chart, html.note(note), anchor="learning")


def _median_between(flight: Flight, values: np.ndarray, start_s: float, end_s: float) -> float:
    t_s = flight.frames["t_s"]
    return story.known_median(values[(t_s >= start_s) & (t_s <= end_s)])


def _moments(flight: Flight, shots: Sequence[Shot]) -> str:
    if not shots:
        return html.section("No images", html.note("The log holds no frame."), anchor="moments")
    cards = "".join(card(flight, shot) for shot in shots)
    strips = f'<div class="shots">{cards}</div>'
    return html.section(
        "What the eyes saw", html.note(_STRIP), colour_bar(), strips, anchor="moments"
    )


def _events(flight: Flight) -> str:
    rows = story.happenings(flight)
    shown = [[f"{t_s:.1f} s", kind, words] for t_s, kind, words in rows[:_MOST_EVENTS]]
    more = len(rows) - len(shown)
    rest = html.note(f"and {more} more in the log") if more > 0 else ""
    table = html.table(("time", "event", ""), shown) if shown else html.note("Nothing was marked.")
    if len(shown) > 12:
        table = f"<details><summary>Show them</summary>{table}{rest}</details>"
    return html.section(plural(len(rows), "event"), table, anchor="events")
