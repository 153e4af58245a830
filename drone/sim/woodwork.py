"""Materials of furniture: planks, panels, lacquer, cardboard.

Each takes a source of randomness and a size in pixels, and returns a picture (`drone.sim.canvas`).
"""

from __future__ import annotations

import cv2
import numpy as np

from drone.sim.canvas import Paint, flat, jitter, noise, px, random_colour


def planks(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Boards 14 cm wide and about a metre long, grain along them (across the picture)."""
    base = np.array(jitter(rng, (165, 120, 80), 35))
    picture = flat(height, width, (0, 0, 0))
    board = px(0.14)
    for top in range(0, height, board):
        left = -int(rng.integers(0, px(1.0)))
        while left < width:
            length = int(rng.integers(px(0.6), px(1.3)))
            plank = picture[top : top + board, max(left, 0) : left + length]
            plank[:] = base + rng.normal(0, 16)
            plank[:, -1:] -= 45
            left += length
        picture[top] -= 45
    return picture + 11.0 * noise(rng, height, width, (0.02, 0.30))


def panel(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Wooden furniture: grain from top to bottom, a knot here and there."""
    picture = flat(height, width, jitter(rng, (150, 105, 70), 45))
    picture += 14.0 * noise(rng, height, width, (0.50, 0.025))
    picture += 9.0 * noise(rng, height, width, (0.15, 0.08))
    for _ in range(max(1, height * width // px(0.5) ** 2)):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = px(rng.uniform(0.01, 0.025)), px(rng.uniform(0.02, 0.05))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, (70, 45, 30), -1)
    return picture


def lacquer(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Smooth coloured lacquer, a little lighter towards the top."""
    sheen = np.linspace(6, -6, height, dtype=np.float32)[:, None, None]
    picture = flat(height, width, random_colour(rng, 80, 220, 0.4)) + sheen
    return picture + 1.5 * noise(rng, height, width, (0.6, 0.6))


def cardboard(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Packing cartons 40 cm high: tape, printed labels, scuffs."""
    picture = flat(height, width, jitter(rng, (176, 138, 98), 20))
    picture += 7.0 * noise(rng, height, width, (0.04, 0.10))
    carton, length = px(0.40), px(0.50)
    for top in range(0, height, carton):
        picture[top : top + 1] -= 60
        for left in range(0, width, length):
            box = picture[top : top + carton, left : left + length]
            box += rng.normal(0, 12)
            box[:, : px(0.02)] -= 50
            _label(rng, box)
        picture[top + carton // 2 - px(0.025) : top + carton // 2 + px(0.025)] += 25
    return picture


def _label(rng: np.random.Generator, box: Paint) -> None:
    """Print a white label with lines of text on a carton, in place."""
    top, left = (int(rng.integers(0, max(1, n // 2))) for n in box.shape[:2])
    label = box[top : top + px(0.12), left : left + px(0.18)]
    label[:] = 225
    ink = rng.random(label.shape[:2]) < 0.35
    ink[::2] = False
    label[ink] = 60
