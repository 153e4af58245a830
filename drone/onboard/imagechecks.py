"""What one image says by itself, and what two eyes say of each other without matching.

In: grey images. Out: figures and verdicts. The eyes of a pair see nearly the same scene, so each is
the other's witness: what only one of them lacks is its fault, what both lack is the scene's.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.messages import Image

DARK_LEVEL = 8.0
"""Mean grey level below which a flat image is black."""
BRIGHT_LEVEL = 247.0
"""Mean grey level above which a flat image is white."""
FLAT_DEVIATION = 2.5
"""Standard deviation, grey levels, below which an image is flat. A flat grey image is no fault:
a plain wall looks like that."""
WHITE_LEVEL = 250
"""A pixel from this grey level on is saturated."""
WORK_WIDTH_PX = 256
"""Images are reduced by a whole factor until they are no wider: a fault that cannot be seen then
does no harm to distances either."""
BLOCKS = (16, 12)
"""Blocks over the image, across and down, whose brightness is compared between the eyes."""
PATCH_PX = 9
"""Window around a matched corner in which detail is compared."""
_ROW_DEVIATION = 2.0
"""A row flatter than this, grey levels, may repeat itself without a fault (a black border)."""


def verdict_alone(image: Image | None) -> str:
    """Return `missing`, `black`, `white`, or empty where the image shows anything."""
    if image is None or image.size == 0:
        return "missing"
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(image))
    if deviation > FLAT_DEVIATION:
        return ""
    return "black" if mean < DARK_LEVEL else "white" if mean > BRIGHT_LEVEL else ""


def crc(image: Image | None) -> int:
    """Return the CRC-32 of the pixels, 0 without an image."""
    return 0 if image is None else zlib.crc32(image.tobytes())


def reduced(image: Image) -> Image:
    """Return the image reduced by a whole factor to at most `WORK_WIDTH_PX` across."""
    factor = -(-image.shape[1] // WORK_WIDTH_PX)
    if factor == 1:
        return image
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def saturated_share(image: Image) -> float:
    """Return the share of white pixels, 0-1."""
    return cv2.countNonZero(cv2.compare(image, WHITE_LEVEL, cv2.CMP_GE)) / image.size


def repeated_share(image: Image, previous: Image) -> float:
    """Return the share of the image's rows that are, to the pixel, those of the previous image.

    Noise never delivers a textured row twice: such rows were not exposed anew.
    """
    same = np.flatnonzero((image == previous).all(axis=1))
    if not len(same):
        return 0.0
    textured = image[same].std(axis=1) > _ROW_DEVIATION
    return float(np.count_nonzero(textured)) / len(image)


def fine_detail(image: Image) -> NDArray[np.float32]:
    """Return the mean square, around each pixel, of the smoothed image's Laplacian, (H, W)."""
    smooth = cv2.GaussianBlur(image, (5, 5), 0.8)
    edges = cv2.Laplacian(smooth, cv2.CV_32F)
    return np.asarray(cv2.sqrBoxFilter(edges, cv2.CV_32F, (PATCH_PX, PATCH_PX)), np.float32)


def at(values: NDArray[np.float32], points_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values nearest to points in the image.

    Args:
        values: (H, W).
        points_px: (N, 2), x and y, within the image.
    """
    nearest = np.rint(points_px).astype(np.int64)
    return values[nearest[:, 1], nearest[:, 0]]


def block_levels(image: Image) -> NDArray[np.float32]:
    """Return the mean grey level of each block, (rows, cols) float32."""
    return np.asarray(cv2.resize(image, BLOCKS, interpolation=cv2.INTER_AREA), np.float32)


def strangeness(
    blocks: NDArray[np.float32], others: NDArray[np.float32], reach: int
) -> NDArray[np.float32]:
    """Return how far each block lies outside of what the other eye shows near there, grey levels.

    Args:
        blocks: of this eye.
        others: of the other eye, as bright as this one.
        reach: how many blocks a thing may be displaced along the row, either way.
    """
    kernel = np.ones((3, 2 * reach + 1), np.uint8)
    highest, lowest = cv2.dilate(others, kernel), cv2.erode(others, kernel)
    outside = np.maximum(blocks - highest, lowest - blocks)
    return np.asarray(np.maximum(outside, 0), np.float32)
