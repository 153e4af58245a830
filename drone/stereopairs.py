"""Reads rectified pairs with known disparity, as Middlebury publishes them.

In: a folder with one folder per pair, or one such folder. A pair is either `left` and `right`
(`.png` or `.jpg`) with `disparity.npz` (px, not finite where unknown) or `disparity.png` (0 where
unknown), or Middlebury 2014's `im0.png`, `im1.png`, `disp0.pfm` and `calib.txt`. A picture holds
whole pixels unless the pair is one of `KNOWN` or has a `pair.toml` (`scale`, `focal_px`,
`baseline_m`, `doffs_px`).

Out: grey images, disparity in px with NaN where unknown, and what calibration there is.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError
from drone.messages import Image

RIGHT_LAYOUT = (
    "right is DIR/NAME with left.png, right.png (or .jpg) and disparity.npz or disparity.png, "
    "or with im0.png, im1.png, disp0.pfm and calib.txt"
)
KNOWN: dict[str, dict[str, float]] = {
    "motorcycle": {"focal_px": 994.978, "baseline_m": 0.193001, "doffs_px": 31.086},
    "cones": {"scale": 0.25},
    "teddy": {"scale": 0.25},
}
"""What Middlebury's pages say of pairs that are passed on without their `calib.txt`."""
KEYS = {"scale": 1.0, "focal_px": 0.0, "baseline_m": 0.1, "doffs_px": 0.0}
"""Settings of a pair and their defaults; without a focal length it is the image's width."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownPair:
    """A rectified pair whose disparity is known.

    Attributes:
        left: (H, W) uint8.
        right: (H, W) uint8.
        disparity_px: (H, W) float32, of the left image, NaN where unknown.
        focal_px: focal length.
        baseline_m: between the eyes.
        doffs_px: depth is focal length times baseline over disparity plus this.
    """

    name: str
    left: Image
    right: Image
    disparity_px: NDArray[np.float32]
    focal_px: float
    baseline_m: float
    doffs_px: float


@dataclass(frozen=True, slots=True)
class PairFolder:
    """Where a pair lies; read when asked."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    def read(self) -> KnownPair:
        """Read the pair.

        Raises:
            UserError: a file cannot be read, or the sizes differ.
        """
        files = _files(self.folder)
        assert files is not None, f"{self.folder} was a pair when it was opened"
        left, right, truth = files
        settings = _settings(self.folder, self.name)
        eyes = _grey(left), _grey(right)
        disparity = _disparity(truth, settings["scale"])
        for path, image in ((right, eyes[1]), (truth, disparity)):
            if image.shape != eyes[0].shape:
                raise UserError(
                    f"{path}: {image.shape[1]} x {image.shape[0]} px, but {left.name} has "
                    f"{eyes[0].shape[1]} x {eyes[0].shape[0]}; a pair and its disparity must have "
                    "the same size"
                )
        if not np.isfinite(disparity).any():
            raise UserError(f"{truth}: no pixel has a known disparity")
        return KnownPair(
            self.name,
            *eyes,
            disparity,
            settings["focal_px"] or float(eyes[0].shape[1]),
            settings["baseline_m"],
            settings["doffs_px"],
        )


def open_pairs(folder: Path) -> list[PairFolder]:
    """Return the pairs in a folder by name, or the one that it is.

    Raises:
        UserError: there is no such folder, or it holds no pair.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {RIGHT_LAYOUT}")
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    pairs = [PairFolder(path) for path in candidates if _files(path) is not None]
    if not pairs:
        raise UserError(f"{folder}: holds no pair with known disparity; {RIGHT_LAYOUT}")
    return pairs


def _files(folder: Path) -> tuple[Path, Path, Path] | None:
    """Return left, right and disparity, None where the folder is no pair."""
    choices = (
        ("left.png", "left.jpg", "im0.png"),
        ("right.png", "right.jpg", "im1.png"),
        ("disparity.npz", "disparity.png", "disp0.pfm"),
    )
    found = [
        next((folder / name for name in names if (folder / name).is_file()), None)
        for names in choices
    ]
    left, right, truth = found
    return (left, right, truth) if left and right and truth else None


def _settings(folder: Path, name: str) -> dict[str, float]:
    path = folder / "pair.toml"
    given: dict[str, Any] = {}
    if (folder / "calib.txt").is_file():
        given = _calib(folder / "calib.txt")
    elif path.is_file():
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UserError(f"{path}: not valid TOML: {error}") from error
    else:
        given = dict(KNOWN.get(name, {}))
    for key, value in given.items():
        if key not in KEYS or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"{path}: {key} = {value!r}; right are numbers for {', '.join(KEYS)}")
    return {**KEYS, **given}


def _calib(path: Path) -> dict[str, float]:
    """Read Middlebury 2014's `calib.txt`: cam0=[f 0 cx; ...], doffs in px, baseline in mm."""
    entries = dict(
        line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line
    )
    try:
        return {
            "focal_px": float(entries["cam0"].strip("[ ").split()[0]),
            "baseline_m": float(entries["baseline"]) / 1000,
            "doffs_px": float(entries["doffs"]),
        }
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path}: no cam0, doffs and baseline: {error}") from error


def _grey(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise UserError(f"{path}: not an image that can be read")
    return np.asarray(image, np.uint8)


def _disparity(path: Path, scale: float) -> NDArray[np.float32]:
    """Return the disparity, (H, W) float32, px, NaN where unknown."""
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = np.asarray(arrays[arrays.files[0]], np.float32)
        except (OSError, ValueError, IndexError) as error:
            raise UserError(f"{path}: not an archive of arrays: {error}") from error
    else:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise UserError(f"{path}: not an image that can be read")
        found = np.asarray(picture if picture.ndim == 2 else picture[:, :, 0], np.float32)
    if found.ndim != 2:
        raise UserError(f"{path}: {found.ndim} dimensions; right is one disparity per pixel")
    known = np.isfinite(found) & (found > 0)
    return np.where(known, found * np.float32(scale), np.float32(np.nan))
