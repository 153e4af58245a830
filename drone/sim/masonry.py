"""Materials of walls and floors: plaster, paint, concrete, brick, stone, tiles.

Each takes a source of randomness and a size in pixels, and returns a picture (`drone.sim.canvas`).
Like the real ones, no two bricks or tiles are alike.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.sim.canvas import Paint, flat, jitter, noise, px, random_colour


def plaster(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Painted plaster: weak texture, stains and trowel marks."""
    tint = (rng.uniform(165, 225), rng.uniform(165, 220), rng.uniform(150, 215))
    picture = flat(height, width, tint)
    picture += 4.0 * noise(rng, height, width, (0.03, 0.03))
    picture += 6.0 * noise(rng, height, width, (0.10, 0.20))
    return picture + 7.0 * noise(rng, height, width, (0.6, 0.6))


def smooth_paint(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Freshly painted, smooth: almost nothing to match, a little shading over metres."""
    tint = random_colour(rng, 150, 225, 0.4)
    return flat(height, width, tint) + 2.0 * noise(rng, height, width, (1.5, 1.5))


def concrete(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Fair-faced concrete: formwork joints every 50 cm, pores."""
    picture = flat(height, width, jitter(rng, (140, 140, 136), 30))
    picture += 10.0 * noise(rng, height, width, (0.05, 0.05))
    picture += 12.0 * noise(rng, height, width, (0.25, 0.25))
    picture[:: px(0.5)] -= 35
    pores = rng.random((height, width)) < 0.012
    picture[pores] -= 60
    return picture


def brick(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Running bond of 24 x 7 cm bricks with joints of a centimetre."""
    picture = flat(height, width, jitter(rng, (170, 165, 155), 25))
    base = np.array(jitter(rng, (150, 85, 65), 30))
    course, length, joint = px(0.08), px(0.25), px(0.0125)
    for row, top in enumerate(range(0, height, course)):
        offset = (row % 2) * length // 2
        for left in range(-offset, width, length):
            shade = rng.normal(0, 22) + rng.normal(0, 5, 3)
            right = max(left + length - joint, 0)
            picture[top : top + course - joint, max(left, 0) : right] = base + shade
    return picture + 8.0 * noise(rng, height, width, (0.03, 0.03))


def stone(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Rubble wall: irregular stones of 15 to 40 cm in mortar."""
    mortar = flat(height, width, jitter(rng, (150, 145, 135), 25))
    base = np.array(jitter(rng, (135, 128, 118), 25))
    top = 0
    while top < height:
        course = px(rng.uniform(0.12, 0.24))
        left = -int(rng.integers(0, px(0.3)))
        while left < width:
            length = px(rng.uniform(0.15, 0.40))
            shade = base + rng.normal(0, 24) + rng.normal(0, 5, 3)
            _lay(rng, mortar, (left, top, length, course), shade)
            left += length
        top += course
    mortar += 9.0 * noise(rng, height, width, (0.03, 0.03))
    return mortar + 9.0 * noise(rng, height, width, (0.10, 0.10))


def _lay(
    rng: np.random.Generator,
    picture: Paint,
    box: tuple[int, int, int, int],
    colour: NDArray[np.float64],
) -> None:
    """Lay one stone with rounded, uneven corners, in place. Box: left, top, width, height, px."""
    left, top, width, height = box
    joint = max(1, px(0.012))
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False) + rng.uniform(-0.15, 0.15, 10)
    # A superellipse: between a circle and a rectangle.
    reach = (np.abs(np.cos(angles)) ** 5 + np.abs(np.sin(angles)) ** 5) ** -0.2
    reach *= rng.uniform(0.93, 1.0, 10)
    x = left + width / 2 + reach * np.cos(angles) * (width / 2 - joint)
    y = top + height / 2 + reach * np.sin(angles) * (height / 2 - joint)
    corners = np.rint(np.stack([x, y], axis=1)).astype(np.int32)
    cv2.fillPoly(picture, [corners], tuple(float(c) for c in colour))


def tiles(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Square tiles of 20 to 30 cm with joints: weak inside, lines between."""
    side = px(rng.choice([0.20, 0.25, 0.30]))
    rows, cols = height // side + 1, width // side + 1
    shades = rng.normal(0, 9, (rows, cols)).astype(np.float32)
    grid = np.repeat(np.repeat(shades, side, axis=0), side, axis=1)[:height, :width, None]
    picture = flat(height, width, jitter(rng, (185, 185, 180), 30)) + grid
    picture += 5.0 * noise(rng, height, width, (0.04, 0.04))
    picture += 5.0 * noise(rng, height, width, (0.5, 0.5))
    picture[::side] = picture[:, ::side] = jitter(rng, (110, 108, 100), 20)
    return picture
