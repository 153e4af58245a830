"""Pairs of pictures of a calibration board, from folders and files.

In: what a user names: one folder with `left*` and `right*` pictures, a folder with the folders
`left` and `right`, two folders with pictures of the same names, a list of files, or pictures that
show both eyes side by side. Out: named pairs, read one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from drone.errors import UserError
from drone.messages import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp")
_EYES = ("left", "right")
_RIGHT_IS = (
    "right are left*/right* pictures in one folder, two folders (left right) with pictures of the "
    "same names, or --side-by-side for pictures that show both eyes"
)


@dataclass(frozen=True, slots=True)
class PicturePair:
    """One pair, not yet read.

    Attributes:
        name: what a person calls it, such as `01`.
        left: the left picture, or the one with both eyes side by side.
        right: None where the left picture holds both.
    """

    name: str
    left: Path
    right: Path | None = None

    def read(self) -> tuple[Image, Image]:
        """Return both pictures in grey, (H, W) uint8, of the same size.

        Raises:
            UserError: a picture cannot be read, or the two differ in size.
        """
        left = read_grey(self.left)
        if self.right is None:
            return halves(left, str(self.left))
        right = read_grey(self.right)
        if left.shape != right.shape:
            (h, w), (high, wide) = left.shape, right.shape
            raise UserError(
                f"{self.left} has {w} x {h} px, {self.right} {wide} x {high}; "
                "both eyes must have the same size"
            )
        return left, right


def find_pairs(paths: Sequence[Path], side_by_side: bool = False) -> tuple[PicturePair, ...]:
    """Return the pairs that files or folders hold, in the order of their names.

    Raises:
        UserError: nothing there, no pictures, or a picture without partner.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    folders = [path for path in paths if path.is_dir()]
    if folders and len(folders) < len(paths):
        raise UserError(f"folders and files mixed; {_RIGHT_IS}")
    if side_by_side:
        files = _pictures(folders[0]) if len(folders) == 1 else list(paths)
        return tuple(PicturePair(file.name, file) for file in files)
    if len(folders) == 2:
        return _two_folders(folders[0], folders[1])
    if len(folders) > 2:
        raise UserError(f"{len(folders)} folders; {_RIGHT_IS}")
    if folders and all((folders[0] / eye).is_dir() for eye in _EYES):
        return _two_folders(folders[0] / "left", folders[0] / "right")
    return _by_name(_pictures(folders[0]) if folders else list(paths))


def halves(image: Image, name: str) -> tuple[Image, Image]:
    """Return the left and the right half of a picture that shows both eyes side by side.

    Raises:
        UserError: the picture's width is odd.
    """
    width = image.shape[1]
    if width % 2:
        raise UserError(f"{name}: {width} px wide; two eyes side by side have an even width")
    return image[:, : width // 2].copy(), image[:, width // 2 :].copy()


def read_grey(path: Path) -> Image:
    """Return a picture in grey, (H, W) uint8.

    Raises:
        UserError: it cannot be read.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise UserError(f"{path}: cannot be read as a picture; right is a whole PNG or JPEG file")
    return np.asarray(image, np.uint8)


def _two_folders(left: Path, right: Path) -> tuple[PicturePair, ...]:
    sides = [{picture.stem: picture for picture in _pictures(folder)} for folder in (left, right)]
    alone = sorted(sides[0].keys() ^ sides[1].keys())
    if alone:
        has = left if alone[0] in sides[0] else right
        raise UserError(
            f"{has}: {alone[0]} has no partner of the same name in the other folder "
            f"({len(alone)} pictures are unpaired)"
        )
    return tuple(PicturePair(stem, sides[0][stem], sides[1][stem]) for stem in sorted(sides[0]))


def _by_name(files: list[Path]) -> tuple[PicturePair, ...]:
    sides: dict[str, dict[str, Path]] = {eye: {} for eye in _EYES}
    for file in files:
        eye = next((eye for eye in _EYES if eye in file.stem.lower()), None)
        if eye is None:
            raise UserError(f"{file}: neither left nor right by its name; {_RIGHT_IS}")
        key = file.stem.lower().replace(eye, "", 1).strip("-_. ") or "only"
        sides[eye][key] = file
    alone = sorted(sides["left"].keys() ^ sides["right"].keys())
    if alone:
        eye = "left" if alone[0] in sides["left"] else "right"
        raise UserError(
            f"{sides[eye][alone[0]]}: has no partner for the other eye "
            f"({len(alone)} pictures are unpaired); {_RIGHT_IS}"
        )
    return tuple(PicturePair(k, sides["left"][k], sides["right"][k]) for k in sorted(sides["left"]))


def _pictures(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise UserError(
            f"{folder}: no pictures in this folder ({', '.join(SUFFIXES)}); {_RIGHT_IS}"
        )
    return found
