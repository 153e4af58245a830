"""`drone room`: look at a room, save it, or draw the contact sheet of the named difficulties."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from drone.commands.common import add_config_options, command_parser, need, print_json
from drone.commands.roomoptions import add_room_options, room_options
from drone.config import Config, load
from drone.config.roomfile import write_layout
from drone.errors import UserError, WorkFailedError

if TYPE_CHECKING:
    from drone.sim.canvas import Rgb
    from drone.sim.room import Room


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "room",
        "Make the room that a seed and a difficulty name; say what is in it, save it as a file to "
        "edit and fly (drone fly --room FILE), or picture it.",
        "drone room --seed 3 --difficulty cluttered --save my_room.toml --picture my_room.png\n"
        "  drone room --room my_room.toml --picture my_room.png\n"
        "  drone room --sheet docs/rooms.png",
    )
    p.add_argument("--seed", metavar="N", help="names the room (default: as configured)")
    add_room_options(p)
    p.add_argument("--save", metavar="FILE", type=Path, help="write the room, .toml or .json")
    p.add_argument("--picture", metavar="FILE", type=Path, help="draw the room, .png or .jpg")
    p.add_argument(
        "--sheet", metavar="FILE", type=Path, help="draw rooms of all difficulties on one sheet"
    )
    add_config_options(p, None)
    p.add_argument("--json", action="store_true", help="print one JSON object, else nothing")
    return p


def run(args: argparse.Namespace) -> int:
    """Make the room, and do with it what was asked for."""
    need("pybullet", "sim")
    from drone.sim.furnish import room_of
    from drone.sim.layout import layout_of, require_flyable

    seed = [] if args.seed is None else [f"flight.seed={args.seed}"]
    config = load(args.config, [*args.overrides, *seed], room_options(args))
    room = room_of(config.sim.room, config.flight.seed)
    require_flyable(room, config.sim.height_m, config.sim.vehicle.hull_height_m)
    if args.save is not None:
        write_layout(args.save, layout_of(room))
    _picture(args, room, config)
    _tell(args, config, room)
    return 0


def _picture(args: argparse.Namespace, room: Room, config: Config) -> None:
    """Draw what was asked for."""
    from drone.sim.sheet import contact_sheet, portrait

    if args.picture is not None:
        _write(args.picture, portrait(room, config))
    if args.sheet is not None:
        _write(args.sheet, contact_sheet(config))


def _write(path: Path, picture: Rgb) -> None:
    import cv2

    if path.suffix.lower() not in (".png", ".jpg"):
        raise UserError(f"{path}: a picture ends in .png or .jpg")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkFailedError(f"{path.parent}: cannot be made: {error.strerror}") from error
    smallest = [cv2.IMWRITE_PNG_COMPRESSION, 9] if path.suffix.lower() == ".png" else []
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), smallest):
        raise WorkFailedError(f"{path}: cannot be written")


def _tell(args: argparse.Namespace, config: Config, room: Room) -> None:
    """Print what the room is."""
    written = [str(path) for path in (args.save, args.picture, args.sheet) if path is not None]
    kinds = dict(sorted(Counter(o.kind for o in room.obstacles).items()))
    generated = config.sim.room.layout is None
    figures = {
        "seed": config.flight.seed if generated else None,
        "difficulty": config.sim.room.difficulty if generated else None,
        "length_m": room.length_m,
        "width_m": room.width_m,
        "height_m": room.height_m,
        "obstacles": kinds,
        "written": written,
    }
    if args.json:
        print_json(figures)
        return
    from rich.console import Console

    out = Console()
    things = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing in it"
    name = f"{config.sim.room.difficulty}, seed {config.flight.seed}" if generated else "room file"
    size = f"{room.length_m:g} x {room.width_m:g} x {room.height_m:g} m"
    out.print(f"{name}: {size}; {things}")
    for path in written:
        out.print(f"wrote {path}")
