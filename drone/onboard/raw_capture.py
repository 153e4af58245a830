"""Raw pairs from cameras or films, through OpenCV: one that shows both eyes, or two.

For calibrating, where time does not matter. Each name is a device (`/dev/video0`) or a film.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from drone.errors import UserError
from drone.messages import Image
from drone.onboard.board_pictures import halves


def raw_pairs(names: Sequence[str]) -> Iterator[tuple[Image, Image]]:
    """Yield grey pairs, left and right, until the film ends or the camera goes silent.

    Args:
        names: one device or film with both eyes side by side, or the left and the right one.

    Raises:
        UserError: a device or film is missing, busy or gives no pictures, or the eyes differ in
            size.
    """
    captures = [_opened(name) for name in names]
    try:
        while all(capture.grab() for capture in captures):
            images = [_grey(capture) for capture in captures]
            if len(images) == 1:
                yield halves(images[0], names[0])
            elif images[0].shape != images[1].shape:
                raise UserError(
                    f"{names[0]} has {_size(images[0])}, {names[1]} {_size(images[1])}; "
                    "both eyes must have the same size"
                )
            else:
                yield images[0], images[1]
    finally:
        for capture in captures:
            capture.release()


def _opened(name: str) -> cv2.VideoCapture:
    if not Path(name).exists():
        cameras = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
        raise UserError(f"{name}: no such camera or film; cameras here: {cameras}")
    capture = cv2.VideoCapture(name)
    if not capture.isOpened():
        raise UserError(f"{name}: cannot be opened; is it a camera or film, and is it in use?")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _grey(capture: cv2.VideoCapture) -> Image:
    _, image = capture.retrieve()
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, np.uint8)


def _size(image: Image) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"
