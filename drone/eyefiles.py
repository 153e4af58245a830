"""Which files belong to which eye, told by their names alone.

In: names of files or folders. Out: which of them are images or films, and pairs of left and right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm"})
EYE_FOLDERS = (
    ("left", "right"),
    ("cam0", "cam1"),
    ("image_0", "image_1"),
    ("image_2", "image_3"),
    ("image_left", "image_right"),
    ("l", "r"),
)
"""Names of the folders of left and right images, in small letters."""
_LEFT = re.compile(r"(?<![A-Za-z])(?:left|cam0|l)(?![A-Za-z])", re.IGNORECASE)
_RIGHT = re.compile(r"(?<![A-Za-z])(?:right|cam1|r)(?![A-Za-z])", re.IGNORECASE)


def is_image(name: str) -> bool:
    """Return whether a name is that of an image file."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def is_video(name: str) -> bool:
    """Return whether a name is that of a film."""
    return PurePath(name).suffix.lower() in VIDEO_SUFFIXES


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key by which `frame2` sorts before `frame10`."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)


def eye_folders(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the two of these folder names that are those of left and right, None without."""
    known = {name.lower(): name for name in names}
    for left, right in EYE_FOLDERS:
        if left in known and right in known:
            return known[left], known[right]
    return None


def pairs_by_name(names: Iterable[str]) -> tuple[list[tuple[str, str]], int]:
    """Pair `left01.png` with `right01.png`, `a_L.png` with `a_R.png`, and so on.

    Returns:
        The pairs in natural order, and how many names of an eye have no partner.
    """
    lefts: dict[str, str] = {}
    rights: dict[str, str] = {}
    for name in names:
        for side, pattern in ((lefts, _LEFT), (rights, _RIGHT)):
            key, found = pattern.subn("*", name)
            if found == 1:
                side[key] = name
    keys = sorted(lefts.keys() & rights.keys(), key=natural)
    return [(lefts[key], rights[key]) for key in keys], len(lefts.keys() ^ rights.keys())
