"""Procedural materials at the sizes of real things, so that texture carries scale.

In: a material's name, the size of the surface in metres, a seed. Out: (H, W, 3) uint8 RGB at
`PX_PER_M`, row 0 at the top. Some materials have strong texture (brick, carpet, books), some weak
(plaster, tiles), some next to none (paint, lacquer): stereo meets all of them.
"""

from __future__ import annotations

import numpy as np

from drone.errors import UserError
from drone.sim import masonry, prints, woodwork
from drone.sim.canvas import PX_PER_M, Painter, Rgb, finish, px

__all__ = ["MATERIALS", "PX_PER_M", "Rgb", "paint", "painter", "px"]

MATERIALS: dict[str, Painter] = {
    "brick": masonry.brick,
    "cardboard": woodwork.cardboard,
    "carpet": prints.carpet,
    "concrete": masonry.concrete,
    "fabric": prints.fabric,
    "gradient": prints.gradient,
    "lacquer": woodwork.lacquer,
    "paint": masonry.smooth_paint,
    "panel": woodwork.panel,
    "photo": prints.photo,
    "planks": woodwork.planks,
    "plaster": masonry.plaster,
    "stone": masonry.stone,
    "tiles": masonry.tiles,
    "wallpaper": prints.wallpaper,
}
"""As `drone.config.room.Material` names them."""


def painter(material: str) -> Painter:
    """Return what paints a material.

    Raises:
        UserError: no such material; the known ones are named.
    """
    if material not in MATERIALS:
        raise UserError(f"unknown material {material!r}; known: {', '.join(sorted(MATERIALS))}")
    return MATERIALS[material]


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
        UserError: no such material.
    """
    rng = np.random.default_rng(seed)
    return finish(painter(material)(rng, px(height_m), px(width_m)))
