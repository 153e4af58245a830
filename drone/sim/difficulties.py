"""The named difficulties: how large a room is, what covers it, what stands in it.

Data only; `drone.sim.furnish` draws from it. Where a name stands twice, it is drawn twice as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Range = tuple[float, float]
"""Least and greatest."""


@dataclass(frozen=True)
class Style:
    """What rooms of one difficulty are drawn from.

    Attributes:
        length_m: north to south.
        width_m: east to west.
        height_m: floor to ceiling.
        per_m2: obstacles per square metre of floor.
        kinds: how often each kind of obstacle stands there; they sum to one.
        walls: their materials.
        floor: its materials.
        ceiling: its materials.
        covers: materials of every kind of obstacle.
        fittings: what hangs on a stretch of wall.
        along_walls: everything that stands has its back to a long wall.
        rows: furniture may touch, side by side along a wall.
    """

    length_m: Range
    width_m: Range
    height_m: Range
    per_m2: Range
    kinds: Mapping[str, float]
    walls: tuple[str, ...]
    floor: tuple[str, ...]
    ceiling: tuple[str, ...]
    covers: Mapping[str, tuple[str, ...]]
    fittings: tuple[str, ...]
    along_walls: bool = False
    rows: bool = False


_FURNITURE: dict[str, tuple[str, ...]] = {
    "pillar": ("concrete", "brick", "panel", "wallpaper"),
    "crate": ("cardboard",),
    "chest": ("cardboard", "panel"),
    "cupboard": ("panel", "lacquer"),
    "shelf": ("panel",),
    "screen": ("fabric", "photo", "wallpaper"),
    "table": ("panel", "planks"),
    "lamp": ("fabric", "gradient"),
}
_WALKABLE = ("planks", "carpet", "tiles")
_MIXED_KINDS = {
    "pillar": 0.36,
    "crate": 0.15,
    "cupboard": 0.14,
    "shelf": 0.12,
    "chest": 0.05,
    "screen": 0.06,
    "table": 0.06,
    "lamp": 0.06,
}

STYLES: Mapping[str, Style] = {
    "textured": Style(
        length_m=(4, 9),
        width_m=(4, 7),
        height_m=(2.4, 3.2),
        per_m2=(0.07, 0.12),
        kinds=_MIXED_KINDS,
        walls=("brick", "stone", "wallpaper", "planks", "photo"),
        floor=("carpet", "planks", "carpet"),
        ceiling=("planks", "plaster"),
        covers=_FURNITURE | {"cupboard": ("panel",), "chest": ("cardboard",)},
        fittings=("door", "window", "poster", "poster", "poster", "curtain"),
    ),
    "mixed": Style(
        length_m=(4, 9),
        width_m=(4, 7),
        height_m=(2.4, 3.2),
        per_m2=(0.07, 0.13),
        kinds=_MIXED_KINDS,
        walls=("plaster", "plaster", "wallpaper", "brick", "panel", "stone"),
        floor=_WALKABLE,
        ceiling=("plaster", "tiles"),
        covers=_FURNITURE,
        fittings=("door", "window", "poster", "poster", "curtain", "empty"),
    ),
    "plain": Style(
        length_m=(4, 8),
        width_m=(4, 7),
        height_m=(2.4, 3.2),
        per_m2=(0.06, 0.10),
        kinds=_MIXED_KINDS | {"shelf": 0.0, "cupboard": 0.26},
        walls=("paint",),
        floor=("paint", "lacquer", "gradient"),
        ceiling=("paint",),
        covers=dict.fromkeys(_FURNITURE, ("paint", "lacquer")),
        fittings=("empty", "empty", "empty", "door"),
    ),
    "cluttered": Style(
        length_m=(6, 10),
        width_m=(5, 9),
        height_m=(2.4, 3.5),
        per_m2=(0.16, 0.21),
        kinds={
            "pillar": 0.17,
            "crate": 0.18,
            "cupboard": 0.14,
            "shelf": 0.16,
            "chest": 0.09,
            "screen": 0.08,
            "table": 0.10,
            "lamp": 0.08,
        },
        walls=("plaster", "plaster", "wallpaper", "brick", "panel", "concrete"),
        floor=_WALKABLE,
        ceiling=("plaster", "tiles", "concrete"),
        covers=_FURNITURE,
        fittings=("door", "window", "poster", "poster", "curtain", "empty"),
        rows=True,
    ),
    "corridor": Style(
        length_m=(8, 12),
        width_m=(2.6, 3.2),
        height_m=(2.3, 2.8),
        per_m2=(0.10, 0.16),
        kinds={"cupboard": 0.32, "shelf": 0.24, "crate": 0.16, "chest": 0.10, "pillar": 0.18},
        walls=("plaster", "plaster", "brick", "concrete", "panel"),
        floor=("tiles", "carpet", "planks"),
        ceiling=("plaster", "tiles"),
        covers=_FURNITURE,
        fittings=("door", "door", "poster", "poster", "window", "empty"),
        along_walls=True,
    ),
}
