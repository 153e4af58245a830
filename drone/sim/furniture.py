"""What an obstacle is made of: one box, the top and legs of a table, the shade and rod of a lamp.

In: an `Obstacle`. Out: `Piece`s in its own axes. Each piece both collides and is seen.
"""

from __future__ import annotations

from typing import NamedTuple

from drone.sim.room import Obstacle

TABLE_TOP_M, TABLE_LEG_M = 0.04, 0.06
"""Thickness of a table's top, and of its legs."""
ROD_M = 0.03
"""Thickness of the rod a lamp hangs on."""
_TOUCHING_M = 0.005


class Piece(NamedTuple):
    """A box in an obstacle's own axes.

    Attributes:
        ahead_m: its middle along the obstacle's x.
        aside_m: its middle along the obstacle's y.
        bottom_m: its underside above the floor.
        depth_m: along x.
        width_m: along y.
        height_m: from underside to top.
        top_seen: something in the room can see its top.
        bottom_seen: something in the room can see its underside.
    """

    ahead_m: float
    aside_m: float
    bottom_m: float
    depth_m: float
    width_m: float
    height_m: float
    top_seen: bool
    bottom_seen: bool


def pieces(o: Obstacle, room_height_m: float) -> tuple[Piece, ...]:
    """Return what an obstacle is made of, in a room of that height."""
    hangs = o.bottom_m > _TOUCHING_M
    below_ceiling = o.top_m < room_height_m - _TOUCHING_M
    size = (o.depth_m, o.width_m, o.height_m)
    whole = Piece(0.0, 0.0, o.bottom_m, *size, below_ceiling, hangs)
    if o.kind == "table":
        return _table(o)
    if o.kind == "lamp" and below_ceiling:
        rod = Piece(0.0, 0.0, o.top_m, ROD_M, ROD_M, room_height_m - o.top_m, False, False)
        return whole, rod
    return (whole,)


def _table(o: Obstacle) -> tuple[Piece, ...]:
    """Return a top and four legs at its corners."""
    leg_m = min(TABLE_LEG_M, o.depth_m / 3, o.width_m / 3)
    top_m = min(TABLE_TOP_M, o.height_m / 2)
    under_m = o.height_m - top_m
    ahead_m, aside_m = (o.depth_m - leg_m) / 2, (o.width_m - leg_m) / 2
    top = Piece(0.0, 0.0, o.bottom_m + under_m, o.depth_m, o.width_m, top_m, True, True)
    legs = (
        Piece(x, y, o.bottom_m, leg_m, leg_m, under_m, False, o.bottom_m > _TOUCHING_M)
        for x in (ahead_m, -ahead_m)
        for y in (aside_m, -aside_m)
    )
    return top, *legs
