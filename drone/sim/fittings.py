"""What stands out on walls and furniture: doors, windows, posters, shelves full of books.

In: a painted surface or its size in metres, and a seed. Out: the picture with fittings at their
real sizes (a door 90 x 200 cm, a book 2 to 5 cm thick). They give walls of weak texture something
to match, and scale.
"""

from __future__ import annotations

import cv2
import numpy as np

from drone.sim.textures import MATERIALS, Paint, Rgb, finish, flat, jitter, noise, px

SKIRTING_M = 0.08
_SKY_TINT = np.array([-30.0, 0.0, 20.0], np.float32)
_HILL_RGB = np.array([85.0, 100.0, 60.0], np.float32)


def wall(material: str, width_m: float, height_m: float, seed: int) -> Rgb:
    """Return a wall with a skirting board, perhaps a door and a window, and pictures.

    Returns:
        (H, W, 3) uint8 RGB, row 0 under the ceiling.
    """
    rng = np.random.default_rng(seed)
    picture = MATERIALS[material](rng, px(height_m), px(width_m))
    free = _reserve(rng, picture.shape[1], px(1.3))
    for slot in free:
        fitting = rng.choice(["door", "window", "poster", "poster", "empty"])
        if fitting == "door":
            _door(rng, picture, slot)
        elif fitting == "window":
            _window(rng, picture, slot)
        elif fitting == "poster":
            _posters(rng, picture, slot)
    picture[-px(SKIRTING_M) :] = jitter(rng, (120, 95, 75), 60)
    return finish(picture)


def shelf(width_m: float, depth_m: float, height_m: float, seed: int) -> Rgb:
    """Return the four sides of a book shelf, unrolled: front, side, back, side.

    Args:
        width_m: of front and back, m.
        depth_m: of the sides, m.
        height_m: m.
        seed: names the picture.
    """
    rng = np.random.default_rng(seed)
    return _unroll(rng, _books(rng, px(height_m), px(width_m)), depth_m)


def cupboard(width_m: float, depth_m: float, height_m: float, seed: int) -> Rgb:
    """Return the four sides of a cupboard with doors, unrolled: front, side, back, side."""
    rng = np.random.default_rng(seed)
    front = MATERIALS["panel"](rng, px(height_m), px(width_m))
    middle, edge = front.shape[1] // 2, px(0.05)
    for left, right in ((edge, middle - 2), (middle + 2, front.shape[1] - edge)):
        cv2.rectangle(front, (left, edge), (right, front.shape[0] - edge), (60, 45, 35), 1)
    for handle in (middle - px(0.05), middle + px(0.05)):
        centre = front.shape[0] // 2
        front[centre - px(0.07) : centre + px(0.07), handle : handle + 2] = 220
    return _unroll(rng, front, depth_m)


def _unroll(rng: np.random.Generator, front: Paint, depth_m: float) -> Rgb:
    """Return a front with wooden sides and back around it."""
    height, width = front.shape[:2]
    sides = MATERIALS["panel"](rng, height, width + 2 * px(depth_m))
    right, rest = sides[:, : px(depth_m)], sides[:, px(depth_m) :]
    return finish(np.concatenate([front, right, rest], axis=1))


def _reserve(rng: np.random.Generator, width: int, slot: int) -> list[tuple[int, int]]:
    """Return slots (left, right) of equal width along a wall, slightly shifted."""
    count = max(1, width // slot)
    starts = np.linspace(0, max(0, width - slot), count)
    shifts = rng.integers(-px(0.1), px(0.1) + 1, count)
    lefts = np.clip(starts.astype(int) + shifts, 0, max(0, width - slot))
    return [(int(left), min(width, int(left) + slot)) for left in lefts]


def _door(rng: np.random.Generator, picture: Paint, slot: tuple[int, int]) -> None:
    """Hang a door of 90 x 200 cm with frame, panels and handle, in place."""
    left, top = slot[0] + px(0.15), max(0, picture.shape[0] - px(2.0))
    door = picture[top:, left : left + px(0.9)]
    door[:] = jitter(rng, (165, 140, 110), 50)
    door += 5.0 * noise(rng, door.shape[0], door.shape[1], (0.4, 0.03))
    frame = (75.0, 60.0, 50.0)
    cv2.rectangle(picture, (left, top), (left + px(0.9), picture.shape[0]), frame, px(0.03))
    for y in (px(0.2), px(1.1)):
        corner = left + px(0.2), top + y
        cv2.rectangle(picture, corner, (corner[0] + px(0.5), corner[1] + px(0.7)), frame, 1)
    picture[top + px(1.0) : top + px(1.03), left + px(0.75) : left + px(0.86)] = 230


def _window(rng: np.random.Generator, picture: Paint, slot: tuple[int, int]) -> None:
    """Put in a window of 110 x 110 cm, sill at 90 cm, with a view and glazing bars, in place."""
    left, bottom = slot[0] + px(0.1), picture.shape[0] - px(0.9)
    top = max(px(0.1), bottom - px(1.1))
    pane = picture[top:bottom, left : left + px(1.1)]
    height, width = pane.shape[:2]
    sky = np.linspace(235, 150, height, dtype=np.float32)[:, None, None]
    pane[:] = sky + _SKY_TINT + 14.0 * noise(rng, height, width, (0.08, 0.12))
    hills = pane[height * 2 // 3 :]
    hills[:] = _HILL_RGB + 25.0 * noise(rng, hills.shape[0], width, (0.04, 0.05))
    for bar in (0, width // 2 - 1, width - px(0.04)):
        pane[:, bar : bar + px(0.04)] = 210
    for bar in (0, height // 2, height - px(0.04)):
        pane[bar : bar + px(0.04)] = 210
    picture[bottom : bottom + px(0.03), left - px(0.04) : left + px(1.14)] = 190


def _posters(rng: np.random.Generator, picture: Paint, slot: tuple[int, int]) -> None:
    """Hang one to three pictures of 30 to 70 cm around eye height, in place."""
    for _ in range(int(rng.integers(1, 4))):
        width, height = px(rng.uniform(0.3, 0.6)), px(rng.uniform(0.3, 0.7))
        left = int(rng.integers(slot[0], max(slot[0] + 1, slot[1] - width)))
        top = picture.shape[0] - px(rng.uniform(1.0, 1.9)) - height // 2
        frame = picture[max(0, top) : top + height, left : left + width]
        frame[:] = _photo(rng, frame.shape[0], frame.shape[1])


def _photo(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Return something like a photograph or a print: blobs and shapes in a frame."""
    picture = flat(height, width, tuple(float(c) for c in rng.uniform(60, 200, 3)))  # type: ignore[arg-type]
    picture += 35.0 * noise(rng, height, width, (0.08, 0.08))
    for _ in range(6):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = px(rng.uniform(0.02, 0.12)), px(rng.uniform(0.02, 0.12))
        colour = tuple(float(c) for c in rng.uniform(20, 240, 3))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    picture += 8.0 * noise(rng, height, width, (0.02, 0.02))
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), (30.0, 25.0, 20.0), px(0.02))
    return picture


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
    spine[:] = rng.uniform(40, 215, 3)
    band = int(rng.integers(0, max(1, spine.shape[0] - px(0.05))))
    spine[band : band + px(0.04)] = rng.uniform(40, 240)
    spine[:, -1:] -= 25
