"""The page that compares flights: figures side by side, paths and courses together.

In: the sides of a comparison. Out: HTML, as self-contained as a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drone.report import comparecharts, comparison, html
from drone.report.comparison import Row, Side
from drone.report.story import NAMES, headline, plural, seconds

_CONTENTS = (
    ("figures", "figures"),
    ("timeline", "timeline"),
    ("paths", "paths"),
    ("courses", "over time"),
    ("settings", "settings"),
)


def comparison_page(sides: Sequence[Side]) -> str:
    """Return the whole page."""
    sections = [
        _head(sides),
        _figures(sides),
        _timeline(sides),
        _paths(sides),
        _courses(sides),
        _settings(sides),
    ]
    title = f"Flights {', '.join(side.name for side in sides)}"
    return html.document(title, sections, _CONTENTS)


def _head(sides: Sequence[Side]) -> str:
    warnings = "".join(f'<p class="warning">{escape(w)}</p>' for w in comparison.cautions(sides))
    lead = " ".join(comparison.sentences(sides))
    flights = "".join(
        f'<li><span class="letter {side.classes}">{side.letter}</span> <b>{escape(side.name)}</b>'
        f'<br><span class="muted">{escape(headline(side.flight))}; seed '
        f"{side.flight.header.seed}, {seconds(side.flight.duration_s)}</span></li>"
        for side in sides
    )
    return (
        f"<header><h1>{plural(len(sides), 'flight')} compared</h1>{warnings}"
        f'<p class="lead">{escape(lead)}</p></header>\n<ul class="flights">{flights}</ul>\n'
    )


def _figures(sides: Sequence[Side]) -> str:
    table = _table(sides, comparison.figure_rows(sides), "figures side by side")
    words = (
        "In brackets after a rate: its exact 95 % Poisson interval. Overrides are per 100 m under "
        "training wheels. Where intervals overlap, chance alone may be the difference."
    )
    return html.section("Side by side", table, html.note(words), anchor="figures")


def _table(sides: Sequence[Side], groups: Sequence[tuple[str, list[Row]]], name: str) -> str:
    """Return one table with a column per flight, and a heading above each group of rows."""
    head = "".join(
        f'<th scope="col"><span class="letter {s.classes}">{s.letter}</span></th>' for s in sides
    )
    body = "".join(
        f"<tbody>{_heading(heading, len(sides))}{''.join(map(_row, rows))}</tbody>"
        for heading, rows in groups
    )
    table = f'<table class="sides"><thead><tr><td></td>{head}</tr></thead>{body}</table>'
    return html.wide(table, name)


def _heading(words: str, columns: int) -> str:
    if not words:
        return ""
    span = f'colspan="{columns + 1}"'
    return f'<tr><th class="heading" scope="rowgroup" {span}>{escape(words)}</th></tr>'


def _row(row: Row) -> str:
    cells = "".join(f"<td>{escape(value)}</td>" for value in row.values)
    return f'<tr><th scope="row">{escape(row.name)}</th>{cells}</tr>'


def _timeline(sides: Sequence[Side]) -> str:
    modes = [(f"solid m-{m.value}", NAMES[m]) for m in comparecharts.modes_in(sides)]
    keys = html.keys(*modes, ("event", "override"), ("collision", "collision"))
    note = html.note("The thin line beneath a row: mono held its licence.")
    chart = html.wide(comparecharts.timelines(sides), "timelines")
    return html.section("Who flew when", keys, chart, note, anchor="timeline")


def _paths(sides: Sequence[Side]) -> str:
    drawn = comparecharts.maps(sides)
    if not drawn:
        words = html.note("The logs hold no positions.")
        return html.section("Where they flew is unknown", words, anchor="paths")
    figures = "".join(
        f"<figure>{svg}<figcaption>{escape(letters)}</figcaption></figure>"
        for letters, svg in drawn
    )
    title = "Where they flew" if len(drawn) == 1 else f"Where they flew: {len(drawn)} rooms"
    note = html.note("Seen from above, one picture per room. Dots: starts. Crosses: collisions.")
    maps = f'<div class="maps">{figures}</div>'
    return html.section(title, _side_keys(sides), maps, note, anchor="paths")


def _courses(sides: Sequence[Side]) -> str:
    keys = [(f"line thick {s.classes}", f"{s.letter}, {s.name}") for s in sides]
    words = (
        "Trust: the share of free frames stopped needlessly at the licence's operating point, "
        "strong while mono holds it. Error: before the frame is learned from."
    )
    return html.section(
        "Over time",
        html.keys(*keys, ("allowed", "allowed by the licence")),
        html.wide(comparecharts.ways(sides), "metres flown over time"),
        html.wide(comparecharts.trust(sides), "trust over time"),
        html.wide(comparecharts.errors(sides), "error over time"),
        html.note(words),
        anchor="courses",
    )


def _side_keys(sides: Sequence[Side]) -> str:
    return html.keys(*((f"line thick {s.classes}", f"{s.letter}, {s.name}") for s in sides))


def _settings(sides: Sequence[Side]) -> str:
    rows = comparison.setting_rows(sides)
    if not rows:
        return html.section("All settings are the same", anchor="settings")
    title = f"{plural(len(rows), 'setting')} {'differs' if len(rows) == 1 else 'differ'}"
    return html.section(
        title, _table(sides, [("", rows)], "settings that differ"), anchor="settings"
    )
