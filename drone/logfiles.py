"""The files of one log: what a log that goes on in a new file calls it, and which belong together.

flight.mcap ─► flight.001.mcap ─► flight.002.mcap ─► ...     the first may have been removed
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_NUMBERED = re.compile(r"(.+)\.(\d{3,})")


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a log goes on in a new file, and how much of it is kept.

    Attributes:
        file_bytes: after so many behind its header a file is full; 0 keeps everything in one.
        most_bytes: of all files together; the oldest are removed for it. 0 keeps all.
    """

    file_bytes: int = 0
    most_bytes: int = 0


ONE_FILE = Rotation()


def file_path(first: Path, number: int) -> Path:
    """Return the path of a log's file by the path of its first, whose number is 0."""
    return first if number == 0 else first.with_name(f"{first.stem}.{number:03d}{first.suffix}")


def number_of(path: Path) -> tuple[Path, int]:
    """Return the path of the log's first file, and the number of this one, by its name."""
    match = _NUMBERED.fullmatch(path.stem)
    if match is None:
        return path, 0
    return path.with_name(match[1] + path.suffix), int(match[2])


def files_from(path: Path) -> list[Path]:
    """Return this file and those that stand beside it and go on from it, by their names."""
    first, number = number_of(path)
    return [path, *(p for n, p in _numbered(first) if n > number)]


def oldest_of(first: Path) -> Path:
    """Return the oldest file of a log that is there; its first where there is none."""
    if first.is_file():
        return first
    return next((path for _, path in _numbered(first)), first)


def all_of(first: Path) -> list[Path]:
    """Return the files of a log that are there, the oldest first."""
    return [*([first] if first.is_file() else []), *(path for _, path in _numbered(first))]


def _numbered(first: Path) -> list[tuple[int, Path]]:
    if not first.parent.is_dir():
        return []
    beside = ((number_of(path), path) for path in first.parent.iterdir())
    return sorted((n, path) for (start, n), path in beside if n > 0 and start == first)
