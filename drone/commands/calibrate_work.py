"""What `drone calibrate` does: corners from pictures, the solution, its files and its figures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console

from drone import __version__
from drone.commands.display import many_progress
from drone.errors import UserError, WorkFailedError
from drone.messages import Image
from drone.onboard.board import Board, find_pair, parse_size, suggested_size
from drone.onboard.board_pictures import PicturePair, find_pairs
from drone.onboard.board_solving import (
    FEWEST_PICTURES,
    OUTLIER_PX,
    OUTLIER_TIMES,
    BoardView,
    Solution,
    solve,
)
from drone.onboard.calibration import RawStereoCalibration, rigid
from drone.onboard.calibration_files import read_calibration
from drone.onboard.calibration_toml import CalibrationNotes, write_calibration
from drone.onboard.coverage import corner_counts, covered_share, figure, lacking_regions
from drone.onboard.guided import guide
from drone.onboard.raw_capture import captures_from, raw_pairs
from drone.onboard.row_picture import row_picture

GOOD_PX = 1.0
"""A pair error above this is said to be bad."""
_NAMED = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The board in the pictures.

    Attributes:
        views: the pairs in which both eyes see it.
        without: names of the other pairs, and which eye does not see it.
        size_px: width and height of a picture.
    """

    views: tuple[BoardView, ...]
    without: tuple[str, ...]
    size_px: tuple[int, int]


def calibrate(args: argparse.Namespace) -> dict[str, Any]:
    """Calibrate as asked, write the files, and return the record.

    Raises:
        UserError: wrong pictures, board, sizes, or too few pictures.
        WorkFailedError: the pictures do not agree, or a file cannot be written.
    """
    if args.board is None:
        raise UserError("--board is missing: the board's inner corners, such as --board 9x6")
    board = Board(*parse_size(args.board), args.charuco.upper(), args.marker_share)
    if args.live:
        folder = args.output.parent / f"{args.output.stem}-pictures"
        _take_pictures(args, board, folder)
        pairs = find_pairs([folder])
    else:
        pairs = find_pairs(args.input, args.side_by_side)
    found = find_views(pairs, board, quiet=args.json)
    solution = solve(found.views, board, found.size_px, args.lens)
    return _written(args, board, found, solution, {pair.name: pair for pair in pairs})


def find_views(pairs: Sequence[PicturePair], board: Board, quiet: bool) -> _Found:
    """Return the board in every pair.

    Raises:
        UserError: pictures differ in size, show another board, or too few show it.
    """
    views, without = list[BoardView](), list[str]()
    size_px = (0, 0)
    with many_progress(len(pairs), quiet, "pairs searched") as advance:
        for pair in pairs:
            left, right = pair.read()
            size_px = _same_size(size_px, left, pair)
            a, b = find_pair(left, right, board)
            if a is not None and b is not None:
                if not views:
                    _check_board(left, board, pair)
                views.append(BoardView(pair.name, a, b))
            else:
                eyes = [eye for eye, seen in (("left", a), ("right", b)) if seen is None]
                without.append(f"{pair.name} ({' and '.join(eyes)})")
            advance()
    if len(views) < FEWEST_PICTURES:
        raise UserError(_too_few(pairs, views, without, board))
    return _Found(tuple(views), tuple(without), size_px)


def _same_size(size_px: tuple[int, int], left: Image, pair: PicturePair) -> tuple[int, int]:
    height, width = left.shape
    if size_px not in ((0, 0), (width, height)):
        raise UserError(
            f"{pair.left}: {width} x {height} px, the pictures before {size_px[0]} x {size_px[1]}; "
            "all must have the same size"
        )
    return width, height


def _check_board(image: Image, board: Board, pair: PicturePair) -> None:
    """Raise if the picture shows a larger chessboard, of which a part was taken for the board."""
    seen = None if board.dictionary else suggested_size(image)
    asked = max(board.cols, board.rows), min(board.cols, board.rows)
    if seen is not None and seen != asked and seen[0] >= asked[0] and seen[1] >= asked[1]:
        raise UserError(
            f"--board {board.cols}x{board.rows}: {pair.left} shows a larger board; "
            f"try --board {seen[0]}x{seen[1]}"
        )


def _too_few(
    pairs: Sequence[PicturePair], views: Sequence[BoardView], without: Sequence[str], board: Board
) -> str:
    hint = ""
    if not board.dictionary and without:
        names = {name.rsplit(" (", 1)[0] for name in without}
        images = [pair.read()[0] for pair in pairs if pair.name in names][:_NAMED]
        sizes = [size for size in map(suggested_size, images) if size is not None]
        other = [
            s for s in sizes if s != (max(board.cols, board.rows), min(board.cols, board.rows))
        ]
        if other:
            cols, rows = max(set(other), key=other.count)
            hint = (
                f"; they show a board with {cols} x {rows} inner corners: try --board {cols}x{rows}"
            )
        elif not sizes:
            hint = "; is the whole board in the picture, sharp, and lit evenly?"
    return (
        f"a {board.name} was found in both eyes in {len(views)} of {len(pairs)} pairs of pictures, "
        f"and {FEWEST_PICTURES} are the fewest; not in {_listed(without)}{hint}"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) or "none") + more


# Live


def _take_pictures(args: argparse.Namespace, board: Board, folder: Path) -> None:
    """Guide the person with the board, and save the pairs that are taken."""
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder}: is a file, and the pictures go into a folder of this name; right is "
            "another --output"
        )
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: has pictures already; remove it, or calibrate from it")
    captures = captures_from(args.live, args.size)
    console = Console(stderr=True, markup=False, highlight=False)
    console.print(
        f"Show the {board.name} to both eyes, tilted, near and far, in every part of the view. "
        "Ctrl-C ends early."
    )
    said = ""
    try:
        for step in guide(raw_pairs(captures), board, args.pictures):
            if step.taken is not None:
                _save_pair(folder, step.taken.name, step.images)
            if step.say != said:
                console.print(f"{step.count:3d} of {args.pictures}  {step.say}")
                said = step.say
    except KeyboardInterrupt:
        console.print("Ended early; calibrating from what there is.")
    if not folder.is_dir():
        raise UserError(
            f"{' and '.join(args.live)}: no picture was taken: no {board.name} held still in both "
            "eyes (is --board right?)"
        )


def _save_pair(folder: Path, name: str, images: tuple[Image, Image]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkFailedError(f"{folder}: cannot be made: {error.strerror}") from error
    for eye, image in zip(("left", "right"), images, strict=True):
        _save_picture(folder / f"{eye}{name}.png", image)


def _save_picture(path: Path, image: Image) -> None:
    _, data = cv2.imencode(".png", image)
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error


# Results


def _written(
    args: argparse.Namespace,
    board: Board,
    found: _Found,
    solution: Solution,
    pairs: Mapping[str, PicturePair],
) -> dict[str, Any]:
    """Write the calibration and the picture of the rows; return the record."""
    raw = _in_metres(solution.raw, args.square_mm)
    picture = args.output.with_name(f"{args.output.stem}-rows.png")
    record = _record(args, board, found, solution) | {
        "hash": raw.hash,
        "output": str(args.output),
        "rows_picture": str(picture),
    }
    write_calibration(args.output, raw, _notes(record))
    chosen = _typical(found.views, solution)
    _save_picture(picture, row_picture(solution.raw, chosen, pairs[chosen.name].read()))
    return record


def _in_metres(raw: RawStereoCalibration, square_mm: float | None) -> RawStereoCalibration:
    if square_mm is None:
        return raw
    t = raw.right_from_left
    scaled = rigid(t[:3, :3], t[:3, 3] * square_mm / 1000)
    return RawStereoCalibration.from_pair(raw.left, raw.right, scaled)


def _typical(views: Sequence[BoardView], solution: Solution) -> BoardView:
    """Return the used view with the median error."""
    order = sorted(solution.pictures, key=lambda picture: picture.pair_px)
    name = order[len(order) // 2].name
    return next(view for view in views if view.name == name)


def _record(
    args: argparse.Namespace, board: Board, found: _Found, solution: Solution
) -> dict[str, Any]:
    squares = solution.raw.baseline_m
    used = {picture.name for picture in solution.pictures}
    views = [view for view in found.views if view.name in used]
    return {
        "left_error_px": solution.left_px,
        "right_error_px": solution.right_px,
        "pair_error_px": solution.pair_px,
        "row_error_px": solution.row_px,
        "focal_px": solution.raw.left.pinhole.fx,
        "focal_std_px": solution.focal_std_px,
        "baseline_squares": squares,
        "baseline_m": None if args.square_mm is None else squares * args.square_mm / 1000,
        "pictures": len(found.views) + len(found.without),
        "used": len(used),
        "without_board": list(found.without),
        "rejected": [{"name": p.name, "pair_px": p.pair_px} for p in solution.rejected],
        "per_picture": [
            {"name": p.name, "left_px": p.left_px, "right_px": p.right_px, "pair_px": p.pair_px}
            for p in solution.pictures
        ],
        "coverage": {
            eye: _coverage([getattr(view, eye) for view in views], found.size_px)
            for eye in ("left", "right")
        },
        "size_px": list(found.size_px),
        "board": board.name,
        "square_mm": args.square_mm,
        "lens": args.lens,
    }


def _coverage(seen: Sequence[Any], size_px: tuple[int, int]) -> dict[str, Any]:
    counts = corner_counts(seen, *size_px)
    return {
        "share": covered_share(counts),
        "lacking": list(lacking_regions(counts)),
        "figure": list(figure(counts)),
    }


def _notes(record: Mapping[str, Any]) -> CalibrationNotes:
    now = datetime.now(UTC)
    square = f", squares of {record['square_mm']:g} mm" if record["square_mm"] else ""
    return CalibrationNotes(
        made=(
            f"Made by drone {__version__} on {now:%Y-%m-%d %H:%M} UTC from {record['used']} of "
            f"{record['pictures']} pairs of pictures.",
            f"Board: {record['board']}{square}. Lens: {record['lens']}.",
        ),
        quality=(
            ("left_error_px", record["left_error_px"], _RMS.format("the left eye alone")),
            ("right_error_px", record["right_error_px"], _RMS.format("the right eye alone")),
            ("pair_error_px", record["pair_error_px"], _RMS.format("both eyes together")),
            (
                "row_error_px",
                record["row_error_px"],
                "By how much the rows of a corner differ once rectified, root mean square.",
            ),
            ("pictures", record["pictures"], "Pairs of pictures that were given."),
            ("used", record["used"], "Pairs that the calibration was made from."),
        ),
        in_squares=record["square_mm"] is None,
    )


_RMS = "Reprojection error of {}, root mean square."


def show(record: Mapping[str, Any]) -> None:
    """Print the figures for people."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for line in _lines(record):
        console.print(line)


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"{record['used']} of {record['pictures']} pairs of pictures used, {record['board']}."
    if record["without_board"]:
        yield f"No board found in {_listed(record['without_board'])}."
    for picture in record["rejected"]:
        yield (
            f"Rejected {picture['name']}: {picture['pair_px']:.2f} px, more than "
            f"{OUTLIER_TIMES:g} times the median and than {OUTLIER_PX:g} px."
        )
    yield "Error of each pair, px: " + ", ".join(
        f"{picture['name']} {picture['pair_px']:.2f}" for picture in record["per_picture"]
    )
    yield (
        f"Reprojection error: left {record['left_error_px']:.3f} px, right "
        f"{record['right_error_px']:.3f} px, pair {record['pair_error_px']:.3f} px."
    )
    yield f"Rows after rectification: {record['row_error_px']:.3f} px apart."
    yield f"Focal length: {record['focal_px']:.1f} px{_plus_minus(record['focal_std_px'])}."
    yield f"Baseline: {_baseline(record)}."
    yield from _coverage_lines(record["coverage"])
    if record["pair_error_px"] > GOOD_PX:
        yield (
            f"A pair error above {GOOD_PX:g} px is bad: is the board flat, are the pictures sharp, "
            "and were both eyes triggered together?"
        )
    yield f"Calibration: {record['output']}"
    yield f"Rows before and after: {record['rows_picture']}"


def _plus_minus(std_px: float) -> str:
    return f" ± {std_px:.1f} px" if std_px == std_px else ""


def _baseline(record: Mapping[str, Any]) -> str:
    squares = f"{record['baseline_squares']:.3f} board squares"
    if record["baseline_m"] is None:
        return f"{squares} (give --square-mm to have it in metres)"
    return f"{record['baseline_m']:.4f} m ({squares})"


def _coverage_lines(coverage: Mapping[str, Any]) -> Iterator[str]:
    left, right = coverage["left"], coverage["right"]
    yield "Corners seen (. none, + fewer than ten, # ten or more):"
    width = len(left["figure"][0])
    yield f"  {'left eye':<{width}}   right eye"
    for a, b in zip(left["figure"], right["figure"], strict=True):
        yield f"  {a}   {b}"
    for eye, part in coverage.items():
        if part["lacking"]:
            yield f"The {eye} eye still lacks corners: {', '.join(part['lacking'])}."


# Converting


def convert(paths: Sequence[Path], output: Path) -> dict[str, Any]:
    """Write the calibration of another tool as ours, and return the record.

    Raises:
        UserError: as `read_calibration`, or the output is the input.
        WorkFailedError: the file cannot be written.
    """
    if any(path.resolve() == output.resolve() for path in paths):
        raise UserError(f"{output}: is the input too; name another --output")
    raw = read_calibration(paths)
    names = " and ".join(path.name for path in paths)
    made = f"Converted by drone {__version__} from {names}."
    write_calibration(output, raw, CalibrationNotes(made=(made,)))
    return {
        "focal_px": raw.left.pinhole.fx,
        "baseline_m": raw.baseline_m,
        "size_px": [raw.left.pinhole.width, raw.left.pinhole.height],
        "hash": raw.hash,
        "output": str(output),
    }


def show_conversion(record: Mapping[str, Any]) -> None:
    """Print what was converted."""
    width, height = record["size_px"]
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{width} x {height} px, focal length {record['focal_px']:.1f} px, "
        f"baseline {record['baseline_m']:.4f} m.\nCalibration: {record['output']}"
    )
