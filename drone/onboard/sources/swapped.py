"""Are left and right the wrong way round? Asked of the images themselves.

Seen from the left eye, everything lies farther right than seen from the right eye: disparity is
positive. If far more of the image finds its partner when the two are exchanged, they were.
"""

from __future__ import annotations

import cv2
import numpy as np

from drone.messages import Image

WIDTH_PX = 320
"""Images are judged at most this wide; it is a question of sides, not of pixels."""
RANGE_SHARE = 0.2
"""Disparities up to this share of the width are looked for."""
LEAST_PX = 1.5
"""A smaller disparity tells no side."""
LEAST_SHARE = 0.2
"""Share of the image that must find its partner the other way round."""
TIMES = 2.0
"""How many times as much as the way it is."""


def looks_swapped(left: Image, right: Image) -> bool:
    """Return whether a rectified pair is clearly the wrong way round.

    Args:
        left: (H, W) uint8.
        right: of the same size.
    """
    scale = min(1.0, WIDTH_PX / left.shape[1])
    a, b = (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for image in (left, right)
    )
    range_px = max(32, 16 * int(RANGE_SHARE * a.shape[1] / 16))
    if a.shape[1] < 2 * range_px:
        return False  # too few columns to tell anything
    as_is, exchanged = _share(a, b, range_px), _share(b, a, range_px)
    return exchanged >= LEAST_SHARE and exchanged > TIMES * as_is


def _share(left: Image, right: Image, range_px: int) -> float:
    """Return the share of pixels with a disparity of at least `LEAST_PX` that both eyes confirm."""
    block_px = 5
    matcher = cv2.StereoSGBM.create(
        minDisparity=0,
        numDisparities=range_px,
        blockSize=block_px,
        P1=8 * block_px**2,
        P2=32 * block_px**2,
        disp12MaxDiff=1,
        uniquenessRatio=15,
        speckleWindowSize=50,
        speckleRange=1,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    sixteenths = matcher.compute(left, right)[:, range_px:]  # nothing is known at the left edge
    return float(np.mean(sixteenths >= 16 * LEAST_PX))
