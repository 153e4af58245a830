"""`drone bench [suite]`: this stack against its floors, measured in the same run.

A suite is a module of `drone.commands` with `HELP`, `EXAMPLE`, `add_options(parser)` and
`measure(args) -> record`; `show(record)` draws the record for people.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from drone import __version__
from drone.commands.common import command_parser, print_json
from drone.errors import WorkFailedError

SUITES = {
    "stack": "bench_stack",
    "stereo": "bench_stereo",
    "labels": "bench_labels",
    "sim": "bench_sim",
    "env": "bench_env",
    "log": "bench_log",
    "learn": "bench_learn",
}
"""Suite -> module of `drone.commands`; the first is measured where none is named."""


class Suite(Protocol):
    """What a suite's module has."""

    HELP: str
    EXAMPLE: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this suite takes."""
        ...

    def measure(self, args: argparse.Namespace) -> dict[str, Any]:
        """Return the record, figures as `drone.bench.Figure.to_dict`."""
        ...

    def show(self, record: Mapping[str, Any]) -> None:
        """Print the record for people."""
        ...


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "bench",
        "Measure parts of this stack beside their floors; trust the ratios. "
        f"Without a suite: {next(iter(SUITES))}, with its options as they are.",
        "drone bench --json\n  drone bench stack --save benchmarks/stack.json",
    )
    _add_output(p, None, False)
    suites = p.add_subparsers(dest="suite", metavar="suite", title="suites")
    for name in SUITES:
        suite = _suite(name)
        sub = suites.add_parser(
            name,
            help=suite.HELP,
            description=suite.HELP[0].upper() + suite.HELP[1:] + ".",
            epilog=f"example:\n  {suite.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        suite.add_options(sub)
        _add_output(sub, argparse.SUPPRESS, argparse.SUPPRESS)  # what stood before the suite holds
        if name == next(iter(SUITES)):
            p.set_defaults(**vars(sub.parse_args([])))
    return p


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    suite = _suite(args.suite or next(iter(SUITES)))
    record = suite.measure(args) | {
        "version": __version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    if args.save is not None:
        _save(args.save, record)
    if args.json:
        print_json(record)
    else:
        suite.show(record)
    return 0


def _add_output(parser: argparse.ArgumentParser, save: str | None, as_json: bool | str) -> None:
    """Add --save and --json, with what holds where they are not given."""
    words = {"save": "also write the JSON here", "json": "print one JSON object, else nothing"}
    parser.add_argument("--save", type=Path, metavar="FILE", default=save, help=words["save"])
    parser.add_argument("--json", action="store_true", default=as_json, help=words["json"])


def _suite(name: str) -> Suite:
    return cast("Suite", importlib.import_module(f"drone.commands.{SUITES[name]}"))


def _save(path: Path, record: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error
