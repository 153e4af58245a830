"""What is painted on walls and furniture: doors, windows, posters, curtains, books, handles.

In: a `Surface` or a seed, and its size in metres. Out: the picture with everything at its real
size (a door 90 x 200 cm, a book 2 to 5 cm thick). It gives walls of weak texture something to
match, and scale.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drone.sim import prints, shading
from drone.sim.canvas import PX_PER_M, Paint, Rgb, finish, flat, jitter, noise, px, random_colour
from drone.sim.room import Room, Surface
from drone.sim.textures import painter

SKIRTING_M = 0.08
_SKY_TINT = np.array([-30.0, 0.0, 20.0], np.float32)
_FRAME_RGB = (75.0, 60.0, 50.0)


def wall(surface: Surface, width_m: float, height_m: float) -> Rgb:
    """Return a wall with a skirting board and what hangs on it.

    Returns:
        (H, W, 3) uint8 RGB, row 0 under the ceiling.
    """
    rng = np.random.default_rng(surface.seed)
    picture = painter(surface.material)(rng, px(height_m), px(width_m))
    skirting = jitter(rng, (120, 95, 75), 60)
    picture[-px(SKIRTING_M) :] = skirting
    picture[-px(SKIRTING_M)] -= 30
    for fitting in surface.fittings:
        left_m = width_m / 2 + fitting.along_m - fitting.width_m / 2
        left = max(0, round(left_m * PX_PER_M))
        bottom = picture.shape[0] - round(fitting.bottom_m * PX_PER_M)
        top = max(0, bottom - px(fitting.height_m))
        frame = picture[top:bottom, left : left + px(fitting.width_m)]
        if frame.size:
            _FITTINGS[fitting.kind](np.random.default_rng(fitting.seed), frame)
    return finish(shading.corners(picture))


def floor(room: Room) -> Rgb:
    """Return a floor with the shadows of what stands on it; north at the top."""
    rng = np.random.default_rng(room.floor.seed)
    picture = painter(room.floor.material)(rng, px(room.length_m), px(room.width_m))
    return finish(shading.corners(shading.shadows(picture, room)))


def ceiling(room: Room) -> Rgb:
    """Return a ceiling; south at the top."""
    rng = np.random.default_rng(room.ceiling.seed)
    picture = painter(room.ceiling.material)(rng, px(room.length_m), px(room.width_m))
    return finish(shading.corners(picture))


def shelf(width_m: float, depth_m: float, height_m: float, surface: Surface) -> Rgb:
    """Return the four sides of a book shelf, unrolled: front, side, back, side.

    Args:
        width_m: of front and back, m.
        depth_m: of the sides, m.
        height_m: m.
        surface: of sides and back; its seed also names the books.
    """
    rng = np.random.default_rng(surface.seed)
    front = _books(rng, px(height_m), px(width_m))
    around = _unrolled(rng, surface.material, front.shape[:2], px(depth_m))
    around[:, : front.shape[1]] = front
    return finish(around)


def cupboard(width_m: float, depth_m: float, height_m: float, surface: Surface) -> Rgb:
    """Return the four sides of a cupboard with doors, unrolled: front, side, back, side."""
    rng = np.random.default_rng(surface.seed)
    around = _unrolled(rng, surface.material, (px(height_m), px(width_m)), px(depth_m))
    front = around[:, : px(width_m)]
    middle, edge = front.shape[1] // 2, px(0.05)
    line = tuple(float(c) * 0.5 for c in front.mean(axis=(0, 1)))
    for left, right in ((edge, middle - 2), (middle + 2, front.shape[1] - edge)):
        cv2.rectangle(around, (left, edge), (right, front.shape[0] - edge), line, 1)
    for handle in (middle - px(0.05), middle + px(0.05)):
        centre = front.shape[0] // 2
        front[centre - px(0.07) : centre + px(0.07), handle : handle + 2] = 220
    return finish(around)


def _unrolled(rng: np.random.Generator, material: str, front: tuple[int, int], depth: int) -> Paint:
    """Return a material around furniture with a front of (height, width) px."""
    return painter(material)(rng, front[0], 2 * (front[1] + depth))


def _door(rng: np.random.Generator, door: Paint) -> None:
    """Hang a door with frame, panels and handle, in place."""
    height, width = door.shape[:2]
    door[:] = jitter(rng, (165, 140, 110), 50)
    door += 5.0 * noise(rng, height, width, (0.4, 0.03))
    for top, bottom in ((0.10, 0.42), (0.52, 0.92)):
        corners = (
            (round(width * 0.2), round(height * top)),
            (round(width * 0.8), round(height * bottom)),
        )
        cv2.rectangle(door, *corners, _FRAME_RGB, 1)
    door[:, : px(0.03)] = door[:, -px(0.03) :] = door[: px(0.03)] = _FRAME_RGB
    door[round(height * 0.5) : round(height * 0.5) + px(0.03), -px(0.18) : -px(0.06)] = 230


def _window(rng: np.random.Generator, pane: Paint) -> None:
    """Put in a window with a view, glazing bars and a sill, in place."""
    height, width = pane.shape[:2]
    sky = np.linspace(235, 150, height, dtype=np.float32)[:, None, None]
    pane[:] = sky + _SKY_TINT + 14.0 * noise(rng, height, width, (0.08, 0.12))
    view = prints.photo(rng, height, width)
    pane[height // 3 :] = 0.75 * view[height // 3 :] + 50
    bar = px(0.04)
    for left in (0, width // 2 - 1, width - bar):
        pane[:, left : left + bar] = 210
    for top in (0, height // 2, height - bar):
        pane[top : top + bar] = 210
    pane[-1:] = 120


def _poster(rng: np.random.Generator, frame: Paint) -> None:
    """Hang a picture, in place."""
    frame[:] = prints.poster(rng, frame.shape[0], frame.shape[1])


def _curtain(rng: np.random.Generator, frame: Paint) -> None:
    """Hang a curtain from a rail, in place."""
    frame[:] = prints.fabric(rng, frame.shape[0], frame.shape[1])
    frame[: px(0.03)] = 70


_FITTINGS: dict[str, Callable[[np.random.Generator, Paint], None]] = {
    "door": _door,
    "window": _window,
    "poster": _poster,
    "curtain": _curtain,
}


def _books(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Return a shelf's front: boards every 30 cm, books 2 to 5 cm thick and 18 to 27 cm high."""
    picture = flat(height, width, (45, 35, 28))
    board, storey = px(0.025), px(0.30)
    for bottom in range(height, 0, -storey):
        left = board
        while left < width - board:
            thick = px(rng.uniform(0.02, 0.05))
            tall = px(rng.uniform(0.18, 0.27))
            if rng.random() > 0.06:
                _book(rng, picture[max(0, bottom - tall) : bottom, left : left + thick])
            left += thick
        picture[max(0, bottom - board) : bottom] = (150, 115, 80)
    picture[:, :board] = picture[:, -board:] = picture[:board] = (140, 105, 72)
    return picture


def _book(rng: np.random.Generator, spine: Paint) -> None:
    """Paint one spine with a title band, in place."""
    spine[:] = random_colour(rng, 35, 215, 0.6)
    band = int(rng.integers(0, max(1, spine.shape[0] - px(0.05))))
    spine[band : band + px(0.04)] = rng.uniform(40, 240)
    spine[:, -1:] -= 25
