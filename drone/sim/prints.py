"""Printed and woven materials: wallpaper, carpet, fabric, gradients, photographs.

Each takes a source of randomness and a size in pixels, and returns a picture (`drone.sim.canvas`).
Patterns repeat as real ones do: each copy is a little displaced, faded or stained, for a perfect
repeat would look the same to the two eyes at many distances.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.sim.canvas import Colour, Paint, flat, noise, px, random_colour


def wallpaper(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Stripes of 6 to 12 cm with a printed motif, hung in rolls of 53 cm, faded here and there."""
    light = np.array([rng.uniform(160, 225), rng.uniform(155, 220), rng.uniform(140, 215)])
    dark = light - rng.uniform(15, 60)
    stripe = px(rng.uniform(0.06, 0.12))
    picture = flat(height, width, (0, 0, 0))
    for left in range(0, width, stripe):
        picture[:, left : left + stripe] = (light, dark)[left // stripe % 2] + rng.normal(0, 4)
    marks = [
        (rng.uniform(0, 1, 2), random_colour(rng, 60, 230, 0.6), px(rng.uniform(0.012, 0.035)))
        for _ in range(5)
    ]
    _print(rng, picture, 2 * stripe, marks)
    roll = px(0.53)
    for left in range(0, width, roll):
        picture[:, left : left + roll] += rng.normal(0, 5)
        picture[:, left : left + 1] -= 12
    picture += 8.0 * noise(rng, height, width, (0.5, 0.35))
    return picture + 4.0 * noise(rng, height, width, (0.05, 0.05))


def _print(
    rng: np.random.Generator,
    picture: Paint,
    repeat: int,
    marks: list[tuple[NDArray[np.float64], Colour, int]],
) -> None:
    """Print a motif `repeat` wide and twice as high over a picture, in place, never quite alike."""
    for top in range(0, picture.shape[0], 2 * repeat):
        for left in range(0, picture.shape[1], repeat):
            fade = float(rng.normal(0, 14))
            for place, colour, radius in marks:
                x, y = np.rint(place * (repeat, 2 * repeat) + rng.normal(0, 0.7, 2)).astype(int)
                ink = tuple(c + fade for c in colour)
                cv2.circle(picture, (left + int(x), top + int(y)), radius, ink, -1)


def carpet(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Woven carpet: coarse pile, worn, and a pattern of diamonds 24 to 36 cm wide."""
    base = np.array(random_colour(rng, 55, 155, 0.5))
    v, u = np.mgrid[0:height, 0:width]
    period = px(rng.uniform(0.24, 0.36))
    diamond = np.abs((u + v) % period - period / 2) + np.abs((u - v) % period - period / 2)
    woven = np.where(diamond < period * 0.45, 28.0, -12.0).astype(np.float32)[:, :, None]
    picture = np.asarray(base + woven, np.float32)
    picture += 8.0 * noise(rng, height, width, (0.45, 0.45))
    return picture + 17.0 * noise(rng, height, width, (0.025, 0.025))


def fabric(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Cloth in folds of about 12 cm, each another, with a coarse weave."""
    picture = flat(height, width, random_colour(rng, 80, 205, 0.6))
    picture += 20.0 * noise(rng, 1, width, (1.0, 0.06))
    picture += 9.0 * noise(rng, height, width, (0.8, 0.08))
    return picture + 6.0 * noise(rng, height, width, (0.02, 0.02))


def gradient(rng: np.random.Generator, height: int, width: int) -> Paint:
    """One colour that runs into another from top to bottom."""
    top, bottom = (np.array(random_colour(rng, 80, 235, 0.4)) for _ in range(2))
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.asarray(top + (bottom - top) * share, np.float32)
    picture = np.repeat(picture, width, axis=1) if picture.shape[1] == 1 else picture
    return picture + 1.5 * noise(rng, height, width, (0.3, 0.3))


def photo(rng: np.random.Generator, height: int, width: int) -> Paint:
    """A landscape: sky, ridges one before the other, trees, grass."""
    sky = np.linspace(1.0, 0.0, height, dtype=np.float32)[:, None, None]
    hue = np.array([rng.uniform(120, 200), rng.uniform(150, 205), rng.uniform(185, 235)])
    picture = np.asarray(235 - (235 - hue) * sky, np.float32) * np.ones((1, width, 1), np.float32)
    picture += 9.0 * noise(rng, height, width, (0.10, 0.30))
    rows = np.arange(height)[:, None]
    ridges = int(rng.integers(3, 6))
    for k in range(ridges):
        horizon = height * (0.35 + 0.5 * k / ridges)
        line = horizon + height * 0.06 * noise(rng, 1, width, (1.0, 0.5))[0, :, 0]
        line += px(0.02) * noise(rng, 1, width, (1.0, 0.04))[0, :, 0]
        near = k / max(1, ridges - 1)
        land = np.array([150 - 75 * near, 165 - 65 * near, 165 - 105 * near])
        land = land + rng.normal(0, 10, 3)
        shade = (8 + 22 * near) * noise(rng, height, width, (0.04, 0.05))
        picture = np.where((rows > line)[:, :, None], land + shade, picture).astype(np.float32)
    return picture


def poster(rng: np.random.Generator, height: int, width: int) -> Paint:
    """A framed print: blobs and shapes, or a photograph."""
    picture = photo(rng, height, width) if rng.random() < 0.5 else _shapes(rng, height, width)
    picture += 5.0 * noise(rng, height, width, (0.02, 0.02))
    frame = (225.0, 222.0, 215.0) if rng.random() < 0.4 else (30.0, 25.0, 20.0)
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), frame, px(0.02))
    return picture


def _shapes(rng: np.random.Generator, height: int, width: int) -> Paint:
    picture = flat(height, width, random_colour(rng, 60, 200))
    picture += 35.0 * noise(rng, height, width, (0.08, 0.08))
    for _ in range(6):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = px(rng.uniform(0.02, 0.12)), px(rng.uniform(0.02, 0.12))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(picture, centre, axes, turn, 0, 360, random_colour(rng, 20, 240, 0.75), -1)
    return picture
