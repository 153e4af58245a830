"""Raw pairs from cameras or films, one after the other: one that shows both eyes, or two.

For calibrating, where time does not matter: every picture counts, and the two of a pair are those
that the eyes gave in turn. Live labels come through `drone.onboard.sources.live` instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from drone.errors import UserError
from drone.messages import Image
from drone.onboard.board_pictures import halves
from drone.onboard.sources.capture import CameraMode, Capture, capture_from


def captures_from(names: Sequence[str], size_px: tuple[int, int] | None = None) -> list[Capture]:
    """Return what calibrates live, not opened yet.

    Args:
        names: as `capture_from` takes them: of both eyes side by side, or the left and the right.
        size_px: width and height of one eye's picture; None takes what a device or film gives.

    Raises:
        UserError: a name that is no camera, or a command's without a size.
    """
    if size_px is None:
        return [capture_from(name) for name in names]
    wide = 2 if len(names) == 1 else 1
    return [capture_from(name, CameraMode(wide * size_px[0], size_px[1])) for name in names]


def raw_pairs(captures: Sequence[Capture]) -> Iterator[tuple[Image, Image]]:
    """Yield grey pairs, left and right, until a film ends or a camera goes silent.

    Args:
        captures: one with both eyes side by side, or the left and the right one.

    Raises:
        UserError: a camera or film is missing, busy or gives no pictures, or the eyes differ in
            size.
    """
    with ExitStack() as stack:
        for capture in captures:
            stack.callback(capture.close)
            capture.open()
        some = False
        while True:
            images = []
            for capture in captures:
                shot = capture.read()
                if shot is None and not some:
                    raise UserError(_silent(capture))
                if shot is None:
                    return
                images.append(shot.picture)
            some = True
            yield _pair(images, [capture.name for capture in captures])


def _pair(images: Sequence[Image], names: Sequence[str]) -> tuple[Image, Image]:
    if len(images) == 1:
        return halves(images[0], names[0])
    left, right = images
    if left.shape != right.shape:
        raise UserError(
            f"{names[0]} has {_size(left)}, {names[1]} {_size(right)}; "
            "both eyes must have the same size"
        )
    return left, right


def _silent(capture: Capture) -> str:
    said = f" ({capture.trouble})" if capture.trouble else ""
    return f"{capture.name}: gives no pictures{said}; is it in use by another program?"


def _size(image: Image) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"
