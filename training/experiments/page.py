"""Findings as a page: Markdown with its pictures (SVG) beside it, and the index of all pages.

Campaign, Findings ─► <folder>/<name>.md, <folder>/<name>/*.svg, <folder>/<name>/figures.json
figures.json of all ─► <folder>/index.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drone import __version__
from drone.runfolder import strict_json
from drone.wholefile import write_whole
from training.experiments import EXPERIMENTS
from training.experiments.campaign import Campaign
from training.experiments.design import Findings, Picture, Row, Table
from training.experiments.statistics import ALPHA, LEAST

FIGURES = "figures.json"


def write_page(campaign: Campaign, findings: Findings, folder: Path, command: str) -> Path:
    """Write an experiment's page, and return its path.

    Args:
        campaign: whose rows the findings are of.
        findings: what they say.
        folder: of the pages; pictures and rows are in a folder of the experiment's name in it.
        command: that makes it.
    """
    name = campaign.experiment.name
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    for picture in findings.pictures:
        _draw(picture, own / f"{picture.name}.svg")
    record = {
        "experiment": name,
        "question": campaign.experiment.question,
        "claim": campaign.experiment.claim,
        "headline": findings.headline,
        "n": len(campaign.rows),
        "tasks": len(campaign.tasks),
        "code": campaign.version,
        "software": __version__,
        "figures": findings.figures,
    }
    write_whole(own / FIGURES, (strict_json(record) + "\n").encode())
    page = folder / f"{name}.md"
    write_whole(page, _text(campaign, findings, command).encode())
    return page


def write_index(folder: Path) -> Path:
    """Write the page that lists all experiments beside what the paper claims, return its path."""
    there = {path.parent.name for path in folder.glob(f"*/{FIGURES}")}
    ours = [name for name in EXPERIMENTS if name in there]
    rows = []
    for name in (*ours, *sorted(there - set(ours))):
        record = json.loads((folder / name / FIGURES).read_text(encoding="utf-8"))
        flown = f"{record['n']} of {record['tasks']}"
        found = (f"[{name}]({name}.md)", record["question"], record["claim"])
        rows.append((*found, record["headline"], flown))
    columns = ("experiment", "question", "the paper", "found here", "tasks done")
    table = _table(Table("", columns, tuple(rows)))
    text = (
        "# Results\n\nEvery page is generated from the rows beside it; "
        "`drone experiment NAME -o docs/results` makes it again, and flies only what is missing.\n"
        f"{table}"
    )
    path = folder / "index.md"
    write_whole(path, text.encode())
    return path


def _text(campaign: Campaign, findings: Findings, command: str) -> str:
    experiment, rows = campaign.experiment, campaign.rows
    parts = [
        f"# {experiment.name}: {experiment.question}\n",
        " ".join(findings.meaning) + "\n" if findings.meaning else "",
        _unfinished(campaign),
        *(_picture(picture, experiment.name) for picture in findings.pictures),
        *(f"## {table.title}\n{_table(table)}" for table in findings.tables),
        "## Protocol\n",
        *(f"{paragraph}\n" for paragraph in experiment.protocol),
        _statistics(),
        f"**The paper:** {experiment.claim}\n",
        f"**What would show this wrong:** {experiment.falsified_by}\n",
        "## Made by\n",
        f"```sh\n{command}\n```\n",
        _provenance(campaign, rows),
    ]
    return "\n".join(part for part in parts if part)


def _unfinished(campaign: Campaign) -> str:
    left = len(campaign.left)
    if not left:
        return ""
    few = len({row.seed for row in campaign.rows}) < LEAST
    told = (
        f" Fewer than {LEAST} seeds give no bootstrap interval, and no difference is called clear."
        if few
        else ""
    )
    return f"> Not finished: {left} of {len(campaign.tasks)} tasks are still to be run.{told}\n"


def _statistics() -> str:
    return (
        "Brackets hold 95 % intervals: exact Poisson for collisions and overrides, Clopper and "
        "Pearson for shares of flights, a bootstrap over seeds for everything else. Differences "
        "are paired over seeds; their p, by swapping the arms within seeds, is corrected for "
        "being several (Holm 1979). Clear is a difference whose interval excludes zero and whose p "
        f"is below {ALPHA:.2f}.\n"
    )


def _provenance(campaign: Campaign, rows: Sequence[Row]) -> str:
    seeds = sorted({row.seed for row in rows})
    machines = "; ".join(sorted({row.machine for row in rows})) or "none"
    hours = sum(row.cpu_s for row in rows) / 3600
    told = f"{seeds[0]}–{seeds[-1]}" if seeds else "none"
    return (
        f"drone {__version__}, code {campaign.version}; {len(rows)} tasks, seeds {told}; "
        f"{hours:.1f} processor hours on {machines}. Raw rows: "
        f"[{campaign.experiment.name}/rows.jsonl]({campaign.experiment.name}/rows.jsonl).\n"
    )


def _picture(picture: Picture, name: str) -> str:
    return f"![{picture.caption}]({name}/{picture.name}.svg)\n\n*{picture.caption}*\n"


def _table(table: Table) -> str:
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    note = f"\n{table.note}\n" if table.note else ""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    body = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"\n{body}\n{note}"


def _draw(picture: Picture, path: Path) -> None:
    """Draw a picture; the same findings give the same file."""
    import io

    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[str, Any] = {
        "svg.hashsalt": "drone",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=picture.size, layout="constrained", facecolor="white")
        picture.draw(figure)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_whole(path, drawn.getvalue())
