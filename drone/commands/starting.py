"""The options that say what a learner starts from: a given model, or the memory of flights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drone.errors import UserError

if TYPE_CHECKING:
    from training.teacher import Start


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Add --memory and --model."""
    parser.add_argument(
        "--memory",
        metavar="DIR",
        type=Path,
        help="go on from what earlier flights learned and keep what this one learns: buffer, "
        "optimiser, weights; made if missing (docs/learning.md)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        type=Path,
        help="an ONNX model to fly from the first frame on, such as `drone export` makes; what is "
        "learned must not be worse; --set learner.steps_per_frame=0 flies it alone",
    )


def start_of(args: argparse.Namespace) -> Start:
    """Return what the options ask for.

    Raises:
        UserError: both at once, or a file that is no model.
    """
    from drone.onboard.mono import model_from_bytes
    from training.teacher import FROM_CONFIGURATION, Start

    if args.memory is not None and args.model is not None:
        raise UserError("--memory and --model exclude each other: a memory has its own model")
    if args.memory is not None:
        return Start(memory=args.memory)
    if args.model is None:
        return FROM_CONFIGURATION
    try:
        onnx = args.model.read_bytes()
    except OSError as error:
        raise UserError(f"--model {args.model}: cannot be read: {error.strerror}") from error
    return Start(model=model_from_bytes(onnx, str(args.model)))


def exit_code(command: str, figures: Mapping[str, Any]) -> int:
    """Say on standard error what is wrong with log and memory; return 1 if one was not saved."""
    memory = figures.get("memory") or {"notes": (), "problem": None}
    problems = [p for p in (figures.get("log_problem"), memory["problem"]) if p]
    for note in (*memory["notes"], *problems):
        print(f"drone {command}: {note}", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0
