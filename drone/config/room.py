"""The simulated room."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import Section


class RoomConfig(Section):
    """A box-shaped room with obstacles, made from the flight's seed."""

    length_m: Annotated[float, Field(ge=3, le=12)] = 5.0
    width_m: Annotated[float, Field(ge=3, le=12)] = 5.0
    height_m: Annotated[float, Field(ge=2, le=6)] = 2.5
    obstacles: Annotated[int, Field(ge=0, le=20)] = 3
