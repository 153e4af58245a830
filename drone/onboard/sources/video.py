"""Reads films: both eyes in one picture, side by side or one above the other, or one film per eye.

In: any file that OpenCV's FFmpeg decodes. A film has a frame rate and no clock, so stamps are frame
number through rate, from 0. Two films pair by frame number; they must have as many frames at the
same rate, since a frame lost in one would shift all that follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S
from drone.errors import UserError
from drone.messages import Image
from drone.onboard.sources.images import quiet_decoders
from drone.onboard.sources.options import Layout
from drone.onboard.sources.recording import Indices, RawPair

MAX_RATE_HZ = 1000.0
"""Above this a film's rate is taken for nonsense."""
SLACK_FRAMES = 1
"""Two films may differ by so many frames at their end."""


def halves(picture: Image, layout: Layout) -> tuple[Image, Image]:
    """Return the left and the right eye of one picture that holds both.

    Args:
        picture: (H, W) uint8.
        layout: the left eye is the left, or the upper, half.

    Raises:
        ValueError: the picture cannot be halved.
    """
    height, width = picture.shape
    side_by_side = layout is Layout.SIDE_BY_SIDE
    if (width if side_by_side else height) % 2:
        raise ValueError(f"a picture of {width} x {height} px cannot be halved {layout}")
    if side_by_side:
        return picture[:, : width // 2], picture[:, width // 2 :]
    return picture[: height // 2], picture[height // 2 :]


def grey(picture: NDArray[Any]) -> Image:
    """Return a decoded picture, (H, W) or (H, W, 3) in BGR, as grey."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.ascontiguousarray(picture, np.uint8)


@dataclass(frozen=True, slots=True)
class Film:
    """One file.

    Attributes:
        path: of it.
        frames: how many it says it has.
        rate_hz: frames per second.
    """

    path: Path
    frames: int
    rate_hz: float

    @classmethod
    def of(cls, path: Path) -> Film:
        """Return what a film says of itself.

        Raises:
            UserError: it cannot be decoded, or its rate makes no sense.
        """
        with closing(_Frames(path)) as film:
            frames = film.count()
        if frames <= 0:
            raise UserError(f"{path}: holds no frame that can be decoded; is the file whole?")
        rate_hz = film.rate_hz
        if not 0 < rate_hz <= MAX_RATE_HZ or math.isnan(rate_hz):
            raise UserError(f"{path}: says {rate_hz:g} frames/s; right is a film with a frame rate")
        return cls(path, frames, rate_hz)

    def pictures(self, chosen: Indices) -> Iterator[Image]:
        """Yield the frames of these numbers, grey; fewer where the film is cut.

        Decoders fill up the frame that a cut goes through, so a frame counts only once the one
        after it is there too.
        """
        with closing(_Frames(self.path)) as film:
            at = -1
            for number in chosen:
                while at < number:
                    if not film.grab():
                        return
                    at += 1
                picture = film.retrieve()
                if picture is None:
                    return
                if number + 1 < self.frames:
                    if not film.grab():
                        return
                    at += 1
                yield picture


class _Frames:
    """An open film; closed by `closing`."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"{path}: no such file; right is a film such as flight.avi")
        quiet_decoders()
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise UserError(f"{path}: cannot be decoded as a film; is the file whole?")
        self.rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))

    def count(self) -> int:
        """Return how many frames the file says it has; counted where it does not say."""
        said = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if 0 < said < 2**31:
            return int(said)
        count = 0
        while self.grab():
            count += 1
        return count

    def grab(self) -> bool:
        return bool(self._capture.grab())

    def retrieve(self) -> Image | None:
        done, picture = self._capture.retrieve()
        return grey(picture) if done else None

    def close(self) -> None:
        self._capture.release()


@dataclass(frozen=True, eq=False)
class VideoPairs:
    """A `PairReader` of one film with both eyes, or of two films.

    Attributes:
        films: one, or left and right.
        layout: of both eyes in one picture.
    """

    films: tuple[Film, ...]
    layout: Layout
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the film, or films."""
        return " and ".join(str(film.path) for film in self.films)

    @cached_property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,): frame number through rate."""
        count = min(film.frames for film in self.films)
        return np.round(np.arange(count) * (NS_PER_S / self.films[0].rate_hz)).astype(np.int64)

    def pairs(self, chosen: Indices) -> Iterator[RawPair]:
        """Yield the pairs of these frame numbers; fewer where a film is cut.

        Raises:
            UserError: a picture that cannot be halved.
        """
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(film.pictures(chosen)))  # type: ignore[type-var]
                for film in self.films
            ]
            for number, pictures in zip(chosen, zip(*streams, strict=False), strict=False):
                where = tuple(f"{film.path}, frame {number}" for film in self.films)
                left, right = pictures if len(pictures) == 2 else self._halves(where[0], *pictures)
                yield RawPair(left, right, (where[0], where[-1]))

    def _halves(self, where: str, picture: Image) -> tuple[Image, Image]:
        try:
            left, right = halves(picture, self.layout)
        except ValueError as error:
            raise UserError(f"{where}: {error}; right is --layout, or --right FILM") from error
        return np.ascontiguousarray(left), np.ascontiguousarray(right)


def open_video(path: Path, right: Path | None, layout: Layout) -> VideoPairs:
    """Return the reader of a film with both eyes, or of two films.

    Args:
        path: of the film, or of the left eye's.
        right: film of the right eye, None where one picture holds both.
        layout: of both eyes in one picture.

    Raises:
        UserError: a film cannot be decoded, or the two do not belong together.
    """
    left_film = Film.of(path)
    if right is None:
        return VideoPairs((left_film,), layout)
    right_film = Film.of(right)
    if abs(left_film.rate_hz / right_film.rate_hz - 1) > 1e-3:
        raise UserError(
            f"{path} has {left_film.rate_hz:g} frames/s and {right} {right_film.rate_hz:g}; the "
            "two eyes must be filmed at the same rate"
        )
    differ = left_film.frames - right_film.frames
    if abs(differ) > SLACK_FRAMES:
        raise UserError(
            f"{path} has {left_film.frames} frames and {right} {right_film.frames}: frames are "
            "missing, and nobody knows where; right are two films of the same frames"
        )
    notes = [f"{path}: one frame at the end has no partner and is left out"] if differ else []
    return VideoPairs((left_film, right_film), layout, notes)
