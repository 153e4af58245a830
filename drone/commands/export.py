"""`drone export`: the last model of a flight as a file that says what it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drone.commands.common import command_parser, need, print_json
from drone.errors import UserError
from drone.runfolder import resolve_input


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "export",
        "Write the last model of a flight as one ONNX file that says what it is: input, "
        "normalisation, grid, range, camera, training, trust. It is checked on recorded frames "
        "against torch, or, where the run has no weights of torch, against what it answered in "
        "flight. With --int8 it is quantised, and what that costs and gains is measured. "
        "Fly it with drone fly --model FILE.",
        "drone export runs/20260101-120000-room -o model.onnx --int8",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a flight log (.mcap)")
    p.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("model.onnx"),
        help="the file to write (default: model.onnx here)",
    )
    p.add_argument("--int8", action="store_true", help="8-bit weights and activations")
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def run(args: argparse.Namespace) -> int:
    """Export, and say what came of it."""
    found = resolve_input(args.run)
    if found.log is None:
        raise UserError(
            f"{args.run}: a recording has no model; expected a run folder or a flight log; make "
            f"one first: drone replay {args.run}"
        )
    need("torch", "train")
    from training.exporting import export

    figures = export(found.log, found.run, args.output, args.int8)
    if args.json:
        print_json(figures)
    else:
        _print(figures)
    return 0


def _print(figures: Mapping[str, Any]) -> None:
    from rich.console import Console

    from drone.commands.display import number

    console, check = Console(), figures["check"]
    what = "torch" if check["against"] == "torch" else "its own answers in flight"
    console.print(
        f"Version {figures['version']}, {figures['precision']}, {figures['bytes'] / 1000:.0f} kB. "
        f"The float model differs from {what} by at most {check['largest_difference']:.1e} on "
        f"{check['frames']} frames."
    )
    accuracy = figures["accuracy"]
    console.print(
        f"Against stereo's labels on {figures['frames']} frames, in float: error of depth "
        f"{number(accuracy['depth_male'], 4)}, of the obstacle distance "
        f"{number(accuracy['obstacle_male'], 4)} (mean absolute log error)."
    )
    if figures["int8"]:
        console.print(_table(figures["int8"]))
    console.print(f"Model: {figures['model']}", soft_wrap=True)


def _table(int8: Mapping[str, Any]) -> Any:
    from rich.table import Table

    from drone.commands.display import number

    table = Table(title="What int8 costs and gains", title_justify="left")
    for name in ("", "int8", "float", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    rows = (
        ("kB", "bytes", 1e-3, 0),
        ("ms an image", "time_ms", 1.0, 2),
        ("error of depth", "depth_male", 1.0, 4),
        ("error of the obstacle distance", "obstacle_male", 1.0, 4),
        ("needless stops at 95 % caught", "fpr_at_tpr95", 1.0, 3),
    )
    for text, key, scale, digits in rows:
        figure = int8[key]
        values = (figure["value"] * scale, figure["reference"] * scale)
        table.add_row(text, *(number(v, digits) for v in values), number(figure["ratio"], 2))
    return table
