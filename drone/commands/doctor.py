"""`drone doctor`: is this vehicle fit to fly, and if not, what is to be done?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drone.commands.common import add_config_options, command_parser, print_json
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.doctor.finding import Finding

GROUPS = (
    *("flight", "software", "cameras", "calibration", "model", "cpu", "disk", "clock"),
    "autopilot",
)
_DEFAULT = "companion_rpi5.toml"
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "doctor",
        "Look at cameras, calibration, model, computer and autopilot, and say what is wrong and "
        "what to do about it. It commands nothing. Exit code 1 if something must not fly. Of an "
        "installed release it takes configuration and model by itself.",
        "drone doctor --config launch/companion_rpi5.toml --model model.onnx\n"
        "  drone doctor --only cameras --only calibration",
    )
    add_config_options(p, _DEFAULT)
    p.add_argument("--model", metavar="FILE", type=Path, help="the model that is to fly")
    p.add_argument(
        "--only",
        metavar="GROUP",
        action="append",
        choices=GROUPS,
        help=f"look at this alone (repeatable): {', '.join(GROUPS)}",
    )
    p.add_argument(
        "--no-hardware", action="store_true", help="leave cameras and autopilot untouched"
    )
    p.add_argument(
        "--runs", metavar="DIR", type=Path, default=Path("runs"), help="where runs will go"
    )
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def run(args: argparse.Namespace) -> int:
    """Look, and say."""
    from drone.config import launch_folder, load_as
    from drone.config.onboard import OnboardConfig
    from drone.doctor.examination import Vehicle, examine

    release = _release()
    fallback = launch_folder() / _DEFAULT if release is None else release / "config.toml"
    path = Path(args.config) if args.config else fallback
    model = args.model
    if model is None and release is not None and (release / "model.onnx").is_file():
        model = release / "model.onnx"
    if args.model is not None and not args.model.is_file():
        raise UserError(f"--model {args.model}: no such file")
    config = load_as(OnboardConfig, path, args.overrides)
    vehicle = Vehicle(config, path.parent, model, args.runs, not args.no_hardware)
    findings = list(examine(vehicle, args.only or GROUPS))
    failed = [f.name for f in findings if f.verdict.value == "fail"]
    if args.json:
        print_json({"findings": [f.to_dict() for f in findings], "failed": failed})
    else:
        _show(findings)
    return 1 if failed else 0


def _release() -> Path | None:
    """Return the folder of the release that this runs from, None where it is no release."""
    folder = Path(sys.prefix).parent
    return folder if (folder / "manifest.json").is_file() else None


def _show(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for f in findings:
        style = _STYLES[f.verdict.value]
        text = escape(f.what) + (f"\n→ {escape(f.fix)}" if f.fix else "")
        table.add_row(f"[{style}]{f.verdict.value}[/]", f.name, text)
    console.print(table)
    counts = {v: sum(f.verdict.value == v for f in findings) for v in _STYLES}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
