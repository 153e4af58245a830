"""`drone calibrate`: a stereo camera's lenses and eyes, from pictures of a board."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from drone.commands.common import command_parser, print_json
from drone.commands.inputs import size_px
from drone.errors import UserError

LENS_NAMES = ("radtan", "rational", "fisheye")
CALIBRATION_SUFFIXES = (".yaml", ".yml", ".xml", ".toml")


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "calibrate",
        "Calibrate a stereo camera from pictures of a chessboard or a ChArUco board, taken before "
        "or now (--live), and write one TOML file and a picture of the rows before and after. "
        "Given a calibration of Kalibr, ROS, OpenCV or EuRoC instead of pictures: convert it.",
        "drone calibrate pictures --board 9x6 --square-mm 25\n"
        "  drone calibrate left right --board 9x6 --charuco 4X4_50\n"
        "  drone calibrate --live /dev/video0 --board 9x6\n"
        "  drone calibrate camchain.yaml --output calibration.toml",
    )
    p.add_argument(
        "input",
        nargs="*",
        type=Path,
        help="a folder of left*/right* pictures, two folders (left right), files, or a calibration",
    )
    p.add_argument(
        "--side-by-side", action="store_true", help="each picture shows both eyes, left and right"
    )
    p.add_argument(
        "--lens",
        choices=LENS_NAMES,
        default="radtan",
        help="radtan (default, 5 coefficients), rational (8, wide lenses) or fisheye",
    )
    _add_board(p)
    _add_live(p)
    p.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("calibration.toml"),
        help="the file to write (default calibration.toml); the picture goes beside it",
    )
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def _add_board(parser: argparse.ArgumentParser) -> None:
    board = parser.add_argument_group("the board")
    board.add_argument(
        "--board", metavar="COLSxROWS", help="inner corners of the board, such as 9x6"
    )
    board.add_argument(
        "--square-mm", metavar="MM", help="side of a square; without it lengths stay in squares"
    )
    board.add_argument(
        "--charuco", metavar="DICT", default="", help="a ChArUco board with these markers (4X4_50)"
    )
    board.add_argument(
        "--marker-share",
        metavar="SHARE",
        type=float,
        default=0.75,
        help="side of a ChArUco marker in sides of a square (default 0.75)",
    )


def _add_live(parser: argparse.ArgumentParser) -> None:
    live = parser.add_argument_group("live")
    live.add_argument(
        "--live",
        metavar="CAMERA",
        nargs="+",
        help="take the pictures now: one camera (or film) with both eyes side by side, or the left "
        "and the right one: /dev/video0, rtsp://..., csi:0, jetson:0, or 'pipe:COMMAND' that "
        "writes grey raw video",
    )
    live.add_argument(
        "--size", metavar="WxH", help="of one eye's picture (default: what a device gives)"
    )
    live.add_argument(
        "--pictures", metavar="N", type=int, default=20, help="how many to take (default 20)"
    )


def run(args: argparse.Namespace) -> int:
    """Calibrate or convert, write, and print the figures."""
    _check(args)
    from drone.commands import calibrate_work as work

    if not args.live and all(p.suffix.lower() in CALIBRATION_SUFFIXES for p in args.input):
        record = work.convert(args.input, args.output)
        show = work.show_conversion
    else:
        record = work.calibrate(args)
        show = work.show
    if args.json:
        print_json(record)
    else:
        show(record)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.live and args.input:
        raise UserError("--live takes the pictures now; it goes without a folder or files")
    if not args.live and not args.input:
        raise UserError(
            "name a folder of pictures (drone calibrate pictures --board 9x6) or --live"
        )
    if args.live and len(args.live) > 2:
        raise UserError(f"--live: {len(args.live)} cameras; right is one with both eyes, or two")
    if args.pictures < 5:
        raise UserError(f"--pictures {args.pictures}: 5 are the fewest, 20 are right")
    if args.output.suffix.lower() != ".toml":
        raise UserError(f"--output {args.output}: expected a name that ends in .toml")
    if not args.output.parent.is_dir():
        raise UserError(f"--output {args.output}: no such folder {args.output.parent}")
    if args.size is not None and not args.live:
        raise UserError("--size goes with --live")
    args.size = None if args.size is None else size_px(args.size)
    args.square_mm = _square_mm(args.square_mm)


def _square_mm(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        square_mm = float(text)
    except ValueError:
        square_mm = math.nan
    if not 0.1 <= square_mm <= 2000:
        raise UserError(f"--square-mm {text}: expected a length in mm, 0.1 to 2000, such as 25")
    return square_mm
