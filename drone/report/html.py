"""Pieces of a page: sections, notes, legends, tables, and the document around them.

In: words and inline SVG. Out: HTML that asks nobody for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, body: Sequence[str], contents: Sequence[tuple[str, str]] = ()) -> str:
    """Return a whole page, with the style of all reports.

    Args:
        title: of the page.
        body: what stands in it; what comes first stands above the contents.
        contents: anchor and words of its sections, to jump to.
    """
    links = "".join(f'<a href="#{anchor}">{escape(words)}</a>' for anchor, words in contents)
    jumps = f'<nav aria-label="contents">{links}</nav>' if links else ""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>{''.join(body[:1])}{jumps}{''.join(body[1:])}</main></body></html>\n"
    )


def section(title: str, *content: str, anchor: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(content)}</section>\n'


def note(words: str) -> str:
    """Return a paragraph in small print."""
    return f'<p class="note">{escape(words)}</p>'


def wide(drawing: str, name: str) -> str:
    """Return what may be wider than the page, to be scrolled by keyboard too."""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(name)}">{drawing}</div>'
    )


def keys(*entries: tuple[str, str]) -> str:
    """Return a legend: (CSS classes of the line or area, words)."""
    found = []
    for classes, words in entries:
        shape = '<path class="{}" d="M1 6H25"/>'
        if classes.startswith(("solid", "band")):
            shape = '<rect class="{}" x="1" y="1" width="24" height="10"/>'
        elif classes.startswith("override"):
            shape = '<path class="{}" d="M13 1l5 5l-5 5l-5 -5z"/>'
        elif classes == "event":
            shape = '<path class="{}" d="M13 1v10"/>'
        elif classes == "collision":
            shape = '<path class="{}" d="M8 1l10 10m0 -10l-10 10"/>'
        elif classes.startswith(("held-out", "point")):
            shape = '<circle class="{}" cx="13" cy="6" r="4"/>'
        found.append(
            f'<span><svg viewBox="0 0 26 12" aria-hidden="true">{shape.format(classes)}</svg>'
            f"{escape(words)}</span>"
        )
    return f'<div class="keys">{"".join(found)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: str = "") -> str:
    """Return a table of texts."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    first = f"<tr>{top}</tr>" if head else ""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    name = ", ".join(filter(None, head)) or "facts"
    return wide(f'<table class="{classes}">{first}{body}</table>', f"table: {name}")
