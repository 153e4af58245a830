"""Which room: options that `drone fly` and `drone room` share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from drone.config.room import Difficulty
from drone.config.roomfile import read_layout


def add_room_options(p: argparse.ArgumentParser) -> None:
    """Add --difficulty and --room."""
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--difficulty",
        metavar="NAME",
        choices=get_args(Difficulty),
        help=f"a generated room: {', '.join(get_args(Difficulty))}",
    )
    which.add_argument(
        "--room", metavar="FILE", type=Path, help="a room file that drone room --save wrote"
    )


def room_options(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return what stands for the configured room (`drone.config.load`), None for nothing."""
    if args.room is not None:
        return {"layout": read_layout(args.room).model_dump(mode="json", exclude_none=True)}
    return None if args.difficulty is None else {"difficulty": args.difficulty}
