"""From a command's argument to a source of frames: one reader per kind of recording."""

from __future__ import annotations

from dataclasses import replace

from drone.errors import UserError
from drone.geometry import GridSpec
from drone.onboard.camera import FrameSource
from drone.onboard.euroc import open_euroc
from drone.onboard.sources.bag import open_bag
from drone.onboard.sources.folder import open_folder
from drone.onboard.sources.kitti import open_kitti
from drone.onboard.sources.logsource import open_log
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.recording import Known, PairReader, open_recording
from drone.onboard.sources.video import open_video
from drone.runfolder import Input, InputKind

CALIBRATION_NAME = "calibration.toml"
"""A file of this name beside images or films is their calibration."""


def open_source(
    found: Input, options: SourceOptions | None = None, grid: GridSpec | None = None
) -> FrameSource:
    """Open recorded input.

    Args:
        found: as `resolve_input` returns it.
        options: which part of it, at which size, and what its files do not say.
        grid: cells into which the rectified images must divide.

    Raises:
        UserError: it cannot be read; one line says what, where, and what would be right.
    """
    options = _with_calibration_beside(found, options or SourceOptions())
    if options.right is not None and found.kind is not InputKind.VIDEO:
        raise UserError(
            f"{found.path}: --right names the film of the right eye where the input is that of the "
            f"left one; right is drone replay LEFT_FILM --right {options.right}, or without --right"
        )
    if found.log is not None:
        return open_log(found.log, options, grid or GridSpec())
    if found.kind is InputKind.EUROC:
        return open_euroc(found.path, grid, options)
    reader, known = _reader(found, options)
    return open_recording(reader, known, options, grid)


def _reader(found: Input, options: SourceOptions) -> tuple[PairReader, Known]:
    if found.kind is InputKind.KITTI:
        return open_kitti(found.path)
    if found.kind is InputKind.BAG:
        return open_bag(found.path, options)
    if found.kind is InputKind.VIDEO:
        right = options.right or found.right
        return open_video(found.path, right, options.layout), Known()
    return open_folder(found.path, options.rate_hz), Known()


def _with_calibration_beside(found: Input, options: SourceOptions) -> SourceOptions:
    """Return the options with the calibration that lies beside the input, where none is given."""
    beside = (found.path if found.path.is_dir() else found.path.parent) / CALIBRATION_NAME
    given = options.calibration is not None or options.rectified is not None
    plain = found.kind in (InputKind.VIDEO, InputKind.FOLDER)
    return (
        replace(options, calibration=beside)
        if plain and not given and beside.is_file()
        else options
    )
