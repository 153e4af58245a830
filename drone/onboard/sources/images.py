"""Pairs of image files: what EuRoC, KITTI and plain folders have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.errors import UserError
from drone.messages import Image
from drone.onboard.sources.recording import Indices, RawPair


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of one eye.

    Attributes:
        stamp_ns: by the recording's own clock.
        path: of the file.
    """

    stamp_ns: int
    path: Path


@dataclass(frozen=True, eq=False)
class ImagePairs:
    """A `PairReader` of image files.

    Attributes:
        name: of the folder, for messages.
        shots: left and right of each moment.
        notes: what is to be said of them.
    """

    name: str
    shots: tuple[tuple[Shot, Shot], ...]
    notes: Sequence[str] = ()

    @cached_property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,): of the left images."""
        return np.array([left.stamp_ns for left, _ in self.shots], np.int64)

    def pairs(self, chosen: Indices) -> Iterator[RawPair]:
        """Yield the pairs of these indices.

        Raises:
            UserError: an image cannot be read.
        """
        for index in chosen:
            left, right = self.shots[index]
            where = (str(left.path), str(right.path))
            yield RawPair(read_grey(left.path), read_grey(right.path), where)


def quiet_decoders() -> None:
    """Keep OpenCV's decoders from complaining on standard error: what matters is said here."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def read_grey(path: Path) -> Image:
    """Return an image file as grey, (H, W) uint8.

    Raises:
        UserError: it cannot be read as an image.
    """
    try:
        image = grey_from_bytes(path.read_bytes())
    except OSError:
        image = None
    if image is None:
        raise UserError(f"{path}: cannot be read as an image; right is a whole PNG or JPEG file")
    return image


def grey_from_bytes(data: bytes) -> Image | None:
    """Return an encoded image as grey, (H, W) uint8, None where it cannot be decoded."""
    quiet_decoders()
    try:
        encoded = np.frombuffer(data, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE) if encoded.size else None
    except cv2.error:
        image = None
    return None if image is None else np.asarray(image, np.uint8)


def pair_stamps(
    left_ns: Sequence[int], right_ns: Sequence[int], tolerance_ns: int
) -> list[tuple[int, int]]:
    """Return the indices of left and right stamps that agree; what has no partner is left out.

    Args:
        left_ns: increasing.
        right_ns: increasing.
        tolerance_ns: stamps of one pair may differ by this much.
    """
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left_ns) and j < len(right_ns):
        late_ns = right_ns[j] - left_ns[i]
        if abs(late_ns) <= tolerance_ns:
            pairs.append((i, j))
        i += late_ns >= -tolerance_ns
        j += late_ns <= tolerance_ns
    return pairs
