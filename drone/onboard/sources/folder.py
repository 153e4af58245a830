"""Reads plain folders of stereo images.

In: a folder with two folders of images, `left/` and `right/` (or `cam0/` and `cam1/`, `l/` and
`r/`, ...), which pair by equal names or by the times in their names; or one folder whose files
name their eye (`left01.png` and `right01.png`, `a_L.jpg` and `a_R.jpg`). Times come from
`times.txt` (one time in s per pair), from names that hold nanoseconds (19 digits), microseconds
(16), milliseconds (13) or seconds with a decimal point, or from `--rate`.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from drone.clock import NS_PER_S, ns_from_s
from drone.errors import UserError
from drone.eyefiles import eye_folders, is_image, natural, pairs_by_name
from drone.onboard.keyed import read_text
from drone.onboard.sources.images import ImagePairs, Shot, pair_stamps

PAIR_TOLERANCE_NS = ns_from_s(0.001)
"""Times in the names of one pair may differ by this much."""
_UNITS_NS = {19: 1, 16: 1_000, 13: 1_000_000}
"""Nanoseconds in a unit of UTC time of so many digits."""
Paths = tuple[Path, Path]


def open_folder(folder: Path, rate_hz: float | None) -> ImagePairs:
    """Return the reader of a folder of images.

    Args:
        folder: see the module's text.
        rate_hz: at which the pairs were taken, where nothing else says so.

    Raises:
        UserError: no pairs, or no times.
    """
    pairs, left_out = _pairs(folder)
    notes = [f"{folder}: {left_out} images without a partner are left out"] if left_out else []
    stamps_ns = _stamps(folder, pairs, rate_hz)
    shots = tuple(
        (Shot(t, left), Shot(t, right)) for t, (left, right) in zip(stamps_ns, pairs, strict=True)
    )
    return ImagePairs(str(folder), shots, notes)


def stamp_from_name(name: str) -> int | None:
    """Return the time in ns that a file's name holds, None where it holds none."""
    stem = name.rpartition(".")[0] or name
    found = re.fullmatch(r"\D*?(\d+)(\.\d+)?\D*", stem)
    if found is None:
        return None
    whole, fraction = found.groups()
    if fraction is not None:
        return int(whole) * NS_PER_S + int(fraction[1:10].ljust(9, "0"))
    unit_ns = None if whole.startswith("0") else _UNITS_NS.get(len(whole))
    return None if unit_ns is None else int(whole) * unit_ns


def _pairs(folder: Path) -> tuple[list[Paths], int]:
    """Return the pairs in order, and how many images have no partner."""
    entries = list(folder.iterdir())
    folders = eye_folders(e.name for e in entries if e.is_dir())
    if folders is None:
        names, left_out = pairs_by_name(e.name for e in entries if is_image(e.name))
        pairs = [(folder / left, folder / right) for left, right in names]
    else:
        pairs, left_out = _pairs_of_folders(folder / folders[0], folder / folders[1])
    if not pairs:
        raise UserError(
            f"{folder}: no left image has a right one; right are equal names in left/ and right/, "
            "or left01.png and right01.png in one folder"
        )
    return pairs, left_out


def _pairs_of_folders(left: Path, right: Path) -> tuple[list[Paths], int]:
    lefts, rights = _images(left), _images(right)
    equal = lefts.keys() & rights.keys()
    if equal:
        keys = sorted(equal, key=natural)
        return [(lefts[k], rights[k]) for k in keys], len(lefts.keys() ^ rights.keys())
    a, b = _by_stamp(lefts), _by_stamp(rights)
    by_stamp = pair_stamps([t for t, _ in a], [t for t, _ in b], PAIR_TOLERANCE_NS)
    return [(a[i][1], b[j][1]) for i, j in by_stamp], len(lefts) + len(rights) - 2 * len(by_stamp)


def _images(folder: Path) -> dict[str, Path]:
    """Return the images of one eye by their name without the suffix."""
    inner = folder / "data"  # as in KITTI's raw recordings
    found = inner if inner.is_dir() else folder
    return {path.stem: path for path in found.iterdir() if is_image(path.name)}


def _by_stamp(images: dict[str, Path]) -> list[tuple[int, Path]]:
    stamps = ((stamp_from_name(path.name), path) for path in images.values())
    return sorted((stamp, path) for stamp, path in stamps if stamp is not None)


def _stamps(folder: Path, pairs: list[Paths], rate_hz: float | None) -> list[int]:
    times = folder / "times.txt"
    if times.is_file():
        return read_times(times, len(pairs))
    stamps = [stamp_from_name(left.name) for left, _ in pairs]
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(pairs):
        return known
    if rate_hz is not None:
        return [round(i * NS_PER_S / rate_hz) for i in range(len(pairs))]
    if len(pairs) == 1:
        return [0]
    raise UserError(
        f"{folder}: the names ({pairs[0][0].name}, ...) hold no times; right is --rate HZ, or a "
        "times.txt with one time in s per pair"
    )


def read_times(path: Path, count: int) -> list[int]:
    """Return the stamps in ns of a file with one time in s per line.

    Raises:
        UserError: no text, a line that is no time, or another number of lines than there are pairs.
    """
    stamps: list[int] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            time_s = float(line)
        except ValueError:
            time_s = math.nan
        if not 0 <= time_s < 2**33:
            raise UserError(f"{path}:{number}: {line.strip()!r} is not a time in seconds")
        stamps.append(ns_from_s(time_s))
    if len(stamps) != count:
        raise UserError(f"{path}: {len(stamps)} times for {count} pairs; right is one per pair")
    return stamps
