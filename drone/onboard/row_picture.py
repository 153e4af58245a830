"""A picture of what rectification does: rows of both eyes, before and after.

From corners that the left eye sees, lines run level into the right eye's picture; a dot marks where
that eye sees the same corner. Before, dots lie off their lines; after, on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.geometry import Matrix
from drone.messages import Image
from drone.onboard.board_solving import BoardView, common_px
from drone.onboard.calibration import CameraModel, RawStereoCalibration
from drone.onboard.rectification import Rectifier

ColourImage = NDArray[np.uint8]
_MOST_LINES = 12
_HEAD_PX = 24
_COLOURS = ((60, 60, 255), (60, 220, 60), (255, 160, 40), (40, 220, 255))
"""BGR, in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """Both eyes, and corners that both see."""

    title: str
    images: tuple[Image, Image]
    corners: tuple[Matrix, Matrix]


def row_picture(raw: RawStereoCalibration, view: BoardView, pair: tuple[Image, Image]) -> Image:
    """Return the picture, (H, W, 3) BGR uint8.

    Args:
        raw: the calibration.
        view: the board in the pair.
        pair: raw pictures, (H, W) uint8.
    """
    size = raw.left.pinhole.width, raw.left.pinhole.height
    rectifier = Rectifier(raw, *size)
    seen = common_px(view, "left"), common_px(view, "right")
    target = rectifier.calibration.left.matrix
    after = tuple(
        _rectified(eye, px, turn, target)
        for eye, px, turn in zip((raw.left, raw.right), seen, rectifier.rotations, strict=True)
    )
    rectified = rectifier.left(pair[0]), rectifier.right(pair[1])
    panels = (
        _Panel("before", pair, seen),
        _Panel("after", rectified, (after[0], after[1])),
    )
    return np.concatenate([_drawn(panel) for panel in panels])


def _rectified(eye: CameraModel, px: Matrix, turn: Matrix, target: Matrix) -> Matrix:
    """Return (N, 2) where the rectified image shows what a raw one shows at `px`."""
    rays = eye.rays(px, turn)
    return np.asarray(rays * [target[0, 0], target[1, 1]] + target[:2, 2])


def _drawn(panel: _Panel) -> ColourImage:
    width = panel.images[0].shape[1]
    canvas = cv2.cvtColor(np.hstack(panel.images), cv2.COLOR_GRAY2BGR)
    left, right = panel.corners
    for turn, i in enumerate(_spread(left[:, 1])):
        colour = _COLOURS[turn % len(_COLOURS)]
        y = round(float(left[i, 1]))
        cv2.line(canvas, (0, y), (2 * width - 1, y), colour, 1)
        for shift, corner in ((0, left[i]), (width, right[i])):
            at = round(float(corner[0])) + shift, round(float(corner[1]))
            cv2.circle(canvas, at, 4, colour, 1, cv2.LINE_AA)
            cv2.circle(canvas, at, 1, colour, -1)
    off_px = float(np.sqrt(np.mean((left[:, 1] - right[:, 1]) ** 2)))
    head = np.full((_HEAD_PX, 2 * width, 3), 32, np.uint8)
    text = f"{panel.title}: corners {off_px:.2f} px off their row (root mean square)"
    cv2.putText(head, text, (8, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (240, 240, 240), 1, cv2.LINE_AA)
    return np.asarray(np.concatenate([head, canvas]), np.uint8)


def _spread(rows: Matrix) -> NDArray[np.int64]:
    """Return the corners at about equal steps from the highest to the lowest."""
    order = np.argsort(rows)
    steps = np.linspace(0, len(order) - 1, min(_MOST_LINES, len(order)))
    return np.asarray(order[np.round(steps).astype(int)], np.int64)
