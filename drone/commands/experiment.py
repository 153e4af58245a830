"""`drone experiment`: questions with arms and seeds, answered with intervals, page by page."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table

from drone.commands.common import command_parser, need, print_json, seed_range
from drone.commands.display import many_progress
from drone.errors import UserError

if TYPE_CHECKING:
    from training.experiments.campaign import Campaign, Scope
    from training.experiments.design import Findings
    from training.experiments.engine import Engine


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "experiment",
        "Repeat the paper's experiments, and others, with many seeds and intervals. Each makes a "
        "page with tables and figures. What was run is kept and not run again; an experiment that "
        "was stopped, by whatever, goes on where it was (docs/experiments.md).",
        "drone experiment strategies --quick\n  drone experiment strategies --seeds 0-4 "
        "--only learner=texton-knn\n  drone experiment --list",
    )
    p.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="which; 'all' for all of them; module:ATTRIBUTE for one of your own",
    )
    p.add_argument("--list", action="store_true", help="say which there are, and end")
    p.add_argument("--quick", action="store_true", help="a smoke version, in a minute")
    p.add_argument("--seeds", metavar="A-B", help="other seeds than the experiment's own")
    p.add_argument(
        "--only",
        metavar="FACTOR=LEVEL[,LEVEL]",
        action="append",
        default=[],
        help="these arms alone (repeatable)",
    )
    p.add_argument("--engine", choices=("local", "ray"), default="local", help="who runs it")
    p.add_argument(
        "--address", metavar="HOST:PORT", help="with --engine ray: of a cluster that is there"
    )
    p.add_argument("--workers", metavar="N", type=int, default=0, help="processes; 0: all cores")
    p.add_argument(
        "--no-fly", action="store_true", help="run nothing: make the pages of what is there"
    )
    p.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("results"),
        help="where pages and rows go, and where rows are looked for (default: results)",
    )
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def run(args: argparse.Namespace) -> int:
    """Run what is left of each experiment, and write its page."""
    from training.experiments import EXPERIMENTS

    if args.list:
        _list(args.json)
        return 0
    names = list(EXPERIMENTS) if args.names == ["all"] else list(dict.fromkeys(args.names))
    if not names:
        raise UserError(f"which experiment? there are: {', '.join(EXPERIMENTS)}; or all")
    need("matplotlib", "logs")
    need("pybullet", "sim")
    need("torch", "train")
    if args.workers < 0:
        raise UserError(f"--workers {args.workers}: expected a number, or 0 for all cores")
    if args.address is not None and args.engine != "ray":
        raise UserError("--address is of a Ray cluster: give --engine ray too")
    folder = args.output / "quick" if args.quick else args.output
    scope = _scope(args)
    campaigns = [_campaign(name, scope, folder, args.no_fly) for name in names]
    if not args.no_fly:
        _announce(campaigns, args)
    found = {c.experiment.name: _one(c, folder, args) for c in campaigns}
    from training.experiments.page import write_index

    index = write_index(folder)
    if args.json:
        print_json({"experiments": found})
    else:
        Console().print(f"[dim]index[/] {index}", soft_wrap=True, highlight=False)
    return 0


def _scope(args: argparse.Namespace) -> Scope:
    from training.experiments.campaign import Scope

    seeds = None if args.seeds is None else seed_range(args.seeds)
    only: dict[str, tuple[str, ...]] = {}
    for text in args.only:
        found = re.fullmatch(r"([\w-]+)=(.+)", text)
        if not found:
            raise UserError(f"--only {text!r}: expected FACTOR=LEVEL, such as learner=cnn")
        only[found[1]] = (*only.get(found[1], ()), *found[2].split(","))
    return Scope(seeds, only, args.quick)


def _campaign(name: str, scope: Scope, folder: Path, as_flown: bool) -> Campaign:
    from training.experiments import experiment_of
    from training.experiments.campaign import Campaign, versions_in

    experiment = experiment_of(name)
    own = folder / experiment.name
    version = None
    if as_flown:
        version = next(iter(versions_in(own)), None)
        if version is None:
            raise UserError(f"{own}: no rows there; leave --no-fly out, and they are made")
    campaign = Campaign(experiment, scope, own, version)
    if as_flown and not campaign.rows:
        raise UserError(
            f"{own}: the rows there are of other settings, seeds or arms; leave --no-fly out, and "
            "those that are asked for are made"
        )
    return campaign


def _announce(campaigns: Sequence[Campaign], args: argparse.Namespace) -> None:
    """Say beforehand what is left and what it costs."""
    import os

    out = Console(stderr=True, highlight=False)
    cores = os.cpu_count() or 1
    workers = min(args.workers or cores, cores)
    for campaign in campaigns:
        name, left = campaign.experiment.name, len(campaign.left)
        done = len(campaign.tasks) - left
        told = f"{name}: {done} of {len(campaign.tasks)} tasks done"
        if left:
            cpu_min = campaign.cost_s() / 60
            told += f", about {cpu_min:.0f} processor minutes left"
            if args.engine == "local":
                cores_told = "1 core" if workers == 1 else f"{workers} cores"
                told += f" ({cpu_min / workers:.0f} min on {cores_told})"
        aside = sum(map(len, campaign.store.foreign.values()))
        if aside:
            told += f"; {aside} rows of other code do not count, and are set aside"
        out.print(told, soft_wrap=True)


def _one(campaign: Campaign, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    from training.experiments.page import write_page

    experiment = campaign.experiment
    if not args.no_fly and campaign.left:
        engine = _engine(args)
        with many_progress(len(campaign.left), args.json, f"of {experiment.name}") as advance:
            campaign.run(engine, lambda row: advance())
    findings = experiment.analyse(campaign.rows)
    page = write_page(campaign, findings, folder, _again(experiment.where, args))
    if not args.json:
        _show(findings, page)
    return {
        "page": str(page),
        "rows": len(campaign.rows),
        "code": campaign.version,
        **findings.figures,
    }


def _engine(args: argparse.Namespace) -> Engine:
    if args.engine == "ray":
        need("ray", "cluster")
        from training.experiments.ray_engine import cluster

        return cluster(args.address, args.workers)
    from training.experiments.engine import local

    return local(args.workers)


def _again(name: str, args: argparse.Namespace) -> str:
    """Return the command that makes this page."""
    parts = ["drone experiment", name]
    parts += ["--quick"] if args.quick else []
    parts += ["--seeds", args.seeds] if args.seeds else []
    parts += [f"--only {text}" for text in args.only]
    return " ".join([*parts, "-o", str(args.output)])


def _show(findings: Findings, page: Path) -> None:
    out = Console(highlight=False)
    for table in findings.tables[:1]:
        rows = [[cell.partition(" [")[0] for cell in row] for row in table.rows]
        widths = _fitting(table.columns, rows, out.width)
        shown = Table(title=table.title, title_justify="left", title_style="")
        for index, width in enumerate(widths):
            side: Literal["left", "right"] = "right" if index else "left"
            shown.add_column(table.columns[index], justify=side, width=width)
        for row in rows:
            shown.add_row(*row[: len(widths)])
        out.print(shown)
        left_out = len(table.columns) - len(widths)
        if left_out:
            out.print(f"[dim]{left_out} more columns, and the intervals, are on the page[/]")
    for sentence in findings.meaning:
        out.print(sentence)
    out.print(f"[dim]page[/] {page}", soft_wrap=True)


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the widths of as many columns as a terminal has room for."""
    widths: list[int] = []
    for index, column in enumerate(columns):
        widths.append(max(len(text) for text in [*column.split(), *(row[index] for row in rows)]))
        if sum(widths) + 3 * len(widths) + 1 > width and index > 1:
            return widths[:-1]
    return widths


def _list(as_json: bool) -> None:
    from training.experiments import EXPERIMENTS, experiment_of

    if not as_json:
        width = max(map(len, EXPERIMENTS))
        for name, text in EXPERIMENTS.items():
            sys.stdout.write(f"{name:<{width}}  {text}\n")
        return
    found = {}
    for name, text in EXPERIMENTS.items():
        experiment = experiment_of(name)
        found[name] = {
            "about": text,
            "question": experiment.question,
            "factors": {k: list(v) for k, v in experiment.factors.items()},
            "seeds": [experiment.seeds[0], experiment.seeds[-1]],
        }
    print_json({"experiments": found})
