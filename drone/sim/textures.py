"""Procedural materials at the sizes of real things, so that texture carries scale.

In: a material's name, the size of the surface in metres, a seed. Out: (H, W, 3) uint8 RGB at
`PX_PER_M`, row 0 at the top. Some materials have strong texture (brick, carpet, books), some weak
(plaster, tiles): stereo must find both in a room. Pure numpy and OpenCV; a seed always paints the
same picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

PX_PER_M = 80
"""1.25 cm per pixel: about one camera pixel at 1.1 m with 70 degrees over 128 px."""

_BLUR_PX = 0.7

Rgb = NDArray[np.uint8]
Paint = NDArray[np.float32]
"""(H, W, 3) float32, 0-255, RGB, while a picture is being painted."""
Painter = Callable[[np.random.Generator, int, int], Paint]


def px(length_m: float) -> int:
    """Return a length in whole pixels, at least one."""
    return max(1, round(length_m * PX_PER_M))


def paint(material: str, width_m: float, height_m: float, seed: int) -> Rgb:
    """Return a picture of a material.

    Args:
        material: one of `MATERIALS`.
        width_m: of the surface, m.
        height_m: of the surface, m.
        seed: names the picture.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        KeyError: no such material.
    """
    rng = np.random.default_rng(seed)
    return finish(MATERIALS[material](rng, px(height_m), px(width_m)))


def finish(picture: Paint) -> Rgb:
    """Return the painted picture as bytes, slightly blurred.

    TinyRenderer takes the nearest texel: without the blur, joints of one pixel come and go between
    the eyes (measured over 12 rooms: 2.9 % against 1.0 % of semi-global matches off by over 1 px).
    """
    soft = cv2.GaussianBlur(picture, (0, 0), _BLUR_PX)
    return np.asarray(np.clip(soft + 0.5, 0, 255), np.uint8)


def flat(height: int, width: int, colour: tuple[float, float, float]) -> Paint:
    """Return a picture of one RGB colour."""
    return np.full((height, width, 3), colour, np.float32)


def noise(rng: np.random.Generator, height: int, width: int, grain_m: tuple[float, float]) -> Paint:
    """Return smooth noise of zero mean and unit deviation.

    Args:
        rng: source of randomness.
        height: px.
        width: px.
        grain_m: size of the grain down and across, m.

    Returns:
        (H, W, 1) float32.
    """
    rows = max(2, round(height / (grain_m[0] * PX_PER_M)) + 1)
    cols = max(2, round(width / (grain_m[1] * PX_PER_M)) + 1)
    coarse = rng.standard_normal((rows, cols), dtype=np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    centred = smooth - smooth.mean()
    return np.asarray(centred / (centred.std() + 1e-6), np.float32)[:, :, None]


def jitter(
    rng: np.random.Generator, colour: tuple[float, float, float], amount: float
) -> tuple[float, float, float]:
    """Return a colour, brightened or darkened by up to `amount` grey levels."""
    shift = rng.uniform(-amount, amount)
    return colour[0] + shift, colour[1] + shift, colour[2] + shift


def _plaster(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Painted wall: weak texture, stains and trowel marks."""
    tint = (rng.uniform(165, 225), rng.uniform(165, 220), rng.uniform(150, 215))
    picture = flat(height, width, tint)
    picture += 4.0 * noise(rng, height, width, (0.03, 0.03))
    picture += 6.0 * noise(rng, height, width, (0.10, 0.20))
    return picture + 7.0 * noise(rng, height, width, (0.6, 0.6))


def _concrete(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Fair-faced concrete: formwork joints every 50 cm, pores."""
    picture = flat(height, width, jitter(rng, (140, 140, 136), 30))
    picture += 10.0 * noise(rng, height, width, (0.05, 0.05))
    picture += 12.0 * noise(rng, height, width, (0.25, 0.25))
    picture[:: px(0.5)] -= 35
    pores = rng.random((height, width)) < 0.012
    picture[pores] -= 60
    return picture


def _brick(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Running bond of 24 x 7 cm bricks with joints of a centimetre."""
    picture = flat(height, width, jitter(rng, (170, 165, 155), 25))
    base = np.array(jitter(rng, (150, 85, 65), 30))
    course, length, joint = px(0.08), px(0.25), px(0.0125)
    for row, top in enumerate(range(0, height, course)):
        offset = (row % 2) * length // 2
        for left in range(-offset, width, length):
            shade = rng.normal(0, 22)
            brick = picture[
                top : top + course - joint, max(left, 0) : max(left + length - joint, 0)
            ]
            brick[:] = base + shade
    return picture + 8.0 * noise(rng, height, width, (0.03, 0.03))


def _planks(rng: np.random.Generator, height: int, width: int) -> Paint:
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


def _panel(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Wooden furniture: grain from top to bottom, a knot here and there."""
    picture = flat(height, width, jitter(rng, (150, 105, 70), 45))
    picture += 14.0 * noise(rng, height, width, (0.50, 0.025))
    picture += 9.0 * noise(rng, height, width, (0.15, 0.08))
    for _ in range(max(1, height * width // px(0.5) ** 2)):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = px(rng.uniform(0.01, 0.025)), px(rng.uniform(0.02, 0.05))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, (70, 45, 30), -1)
    return picture


def _wallpaper(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Stripes of 6 to 12 cm with a printed motif, repeated as on a roll."""
    light = np.array([rng.uniform(160, 225), rng.uniform(155, 220), rng.uniform(140, 215)])
    dark = light - rng.uniform(15, 60)
    stripe = px(rng.uniform(0.06, 0.12))
    repeat = 2 * stripe
    motif = np.empty((2 * repeat, repeat, 3), np.float32)
    motif[:, :stripe], motif[:, stripe:] = light, dark
    for _ in range(5):
        centre = int(rng.integers(0, repeat)), int(rng.integers(0, 2 * repeat))
        colour = tuple(float(c) for c in rng.uniform(60, 230, 3))
        cv2.circle(motif, centre, px(rng.uniform(0.012, 0.035)), colour, -1)
    copies = (height // motif.shape[0] + 1, width // repeat + 1, 1)
    picture = np.tile(motif, copies)[:height, :width].copy()
    return picture + 4.0 * noise(rng, height, width, (0.05, 0.05))


def _tiles(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Square tiles of 20 to 30 cm with joints: weak inside, lines between."""
    side = px(rng.choice([0.20, 0.25, 0.30]))
    rows, cols = height // side + 1, width // side + 1
    shades = rng.normal(0, 9, (rows, cols)).astype(np.float32)
    grid = np.repeat(np.repeat(shades, side, axis=0), side, axis=1)[:height, :width, None]
    picture = flat(height, width, jitter(rng, (185, 185, 180), 30)) + grid
    picture += 5.0 * noise(rng, height, width, (0.04, 0.04))
    picture[::side] = picture[:, ::side] = jitter(rng, (110, 108, 100), 20)
    return picture


def _carpet(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Woven carpet: coarse pile and a pattern of diamonds 30 cm wide."""
    base = np.array([rng.uniform(70, 160), rng.uniform(60, 130), rng.uniform(60, 150)])
    v, u = np.mgrid[0:height, 0:width]
    period = px(rng.uniform(0.24, 0.36))
    diamond = np.abs((u + v) % period - period / 2) + np.abs((u - v) % period - period / 2)
    woven = np.where(diamond < period * 0.45, 28.0, -12.0).astype(np.float32)[:, :, None]
    picture = np.asarray(base + woven, np.float32)
    return picture + 17.0 * noise(rng, height, width, (0.025, 0.025))


def _cardboard(rng: np.random.Generator, height: int, width: int) -> Paint:
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


MATERIALS: dict[str, Painter] = {
    "plaster": _plaster,
    "concrete": _concrete,
    "brick": _brick,
    "planks": _planks,
    "panel": _panel,
    "wallpaper": _wallpaper,
    "tiles": _tiles,
    "carpet": _carpet,
    "cardboard": _cardboard,
}
