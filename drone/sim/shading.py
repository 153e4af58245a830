"""Shade that is painted on: less light gets into corners, and under what stands in a room.

In: painted pictures. Out: the same, darker in places. The renderer itself casts no shadows.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.sim.canvas import PX_PER_M, Paint, px
from drone.sim.room import Room

CORNER_SHADE, CORNER_REACH_M = 0.14, 0.35
"""Corners are darker by this share, which fades over this distance."""
_UNDER_SHADE = {"table": 0.25, "lamp": 0.12}
_STANDING_SHADE, _SOFT_M = 0.45, 0.10
_FLYING_SOFT_M = 0.22


def corners(picture: Paint) -> Paint:
    """Return a picture darker towards its edges, where walls meet."""
    down, across = (_edge(n) for n in picture.shape[:2])
    return np.asarray(picture * (down[:, None] * across[None, :])[:, :, None], np.float32)


def shadows(picture: Paint, room: Room) -> Paint:
    """Return a floor with soft shadows around and under what stands on it.

    Args:
        picture: (H, W, 3), north at the top, east at the right.
        room: what stands there.
    """
    standing, hanging = (np.zeros(picture.shape[:2], np.float32) for _ in range(2))
    for o in room.obstacles:
        plan = [
            ((east + room.width_m / 2) * PX_PER_M, (room.length_m / 2 - north) * PX_PER_M)
            for north, east in o.corners
        ]
        layer = hanging if o.kind in _UNDER_SHADE else standing
        shade = _UNDER_SHADE.get(o.kind, _STANDING_SHADE)
        cv2.fillPoly(layer, [np.rint(plan).astype(np.int32)], shade)
    soft = _blurred(standing, _SOFT_M) + _blurred(hanging, _FLYING_SOFT_M)
    return np.asarray(picture * (1.0 - soft)[:, :, None], np.float32)


def _blurred(layer: NDArray[np.float32], soft_m: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), px(soft_m)), np.float32)


def _edge(count: int) -> NDArray[np.float32]:
    """Return how bright each of `count` pixels between two corners is, up to 1."""
    place = np.arange(count, dtype=np.float32) + 0.5
    nearest = np.minimum(place, count - place) / px(CORNER_REACH_M)
    return np.asarray(1.0 - CORNER_SHADE * np.exp(-nearest), np.float32)
