"""The simulated room: from the flight's seed, or written out, and how it changes.

Frame: north, east, down from the middle of the floor. Angles are degrees here, at the user's edge.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import SEEDS, NotNegative, Positive, Section

Material = Literal[
    "brick",
    "cardboard",
    "carpet",
    "concrete",
    "fabric",
    "gradient",
    "lacquer",
    "paint",
    "panel",
    "photo",
    "planks",
    "plaster",
    "stone",
    "tiles",
    "wallpaper",
]
Difficulty = Literal["textured", "mixed", "plain", "cluttered", "corridor"]
ObstacleKind = Literal["pillar", "crate", "chest", "cupboard", "shelf", "screen", "table", "lamp"]
FittingKind = Literal["door", "window", "poster", "curtain"]
SurfaceName = Literal["all", "walls", "floor", "ceiling", "obstacles"]

Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Level = Annotated[float, Field(ge=0.02, le=1.3)]
"""Of the light: 1 as usual, 0.3 dimmed to 30 %."""
Side = Annotated[float, Field(ge=2, le=12)]
Height = Annotated[float, Field(ge=2, le=6)]


class SurfaceConfig(Section):
    """What covers a surface."""

    material: Material
    seed: Seed = 0
    """Names the picture."""


class FittingConfig(Section):
    """What hangs on a wall, flat: a door, a window, a poster, a curtain."""

    kind: FittingKind
    along_m: float
    """Of its middle, from the wall's middle to the right of who looks at the wall."""
    bottom_m: NotNegative | None = None
    """Above the floor; missing, as usual for its kind (as are the sizes)."""
    width_m: Positive | None = None
    height_m: Positive | None = None
    seed: Seed = 0


class WallConfig(SurfaceConfig):
    """A wall and what hangs on it."""

    fittings: tuple[FittingConfig, ...] = ()


class WallsConfig(Section):
    """The four walls."""

    north: WallConfig
    east: WallConfig
    south: WallConfig
    west: WallConfig


class ObstacleConfig(Section):
    """What stands in the room, or hangs in it."""

    kind: ObstacleKind
    north_m: float
    """Of its middle, as is `east_m`."""
    east_m: float
    yaw_deg: float = 0.0
    """Where its front faces, clockwise from north."""
    depth_m: Positive
    """From front to back."""
    width_m: Positive
    height_m: Positive
    """Its own, from its underside to its top."""
    bottom_m: NotNegative = 0.0
    """Its underside above the floor. A lamp hangs from the ceiling on a rod."""
    material: Material
    seed: Seed = 0


class LightConfig(Section):
    """Where the light comes from, and how much of it."""

    towards: tuple[float, float, float] = (0.3, 0.2, -0.9)
    """North, east, down from the room towards the light, of any length."""
    level: Level = 1.0

    @model_validator(mode="after")
    def _has_a_direction(self) -> LightConfig:
        if math.hypot(*self.towards) < 1e-3:
            raise ValueError("towards = (0, 0, 0) is no direction")
        return self


class StartConfig(Section):
    """Where the flight starts; missing, at a free place that the seed names."""

    north_m: float
    east_m: float
    yaw_deg: float = 0.0


class LayoutConfig(Section):
    """A whole room, written out."""

    length_m: Side
    """North to south."""
    width_m: Side
    """East to west."""
    height_m: Height
    light: LightConfig = LightConfig()
    start: StartConfig | None = None
    floor: SurfaceConfig
    ceiling: SurfaceConfig
    walls: WallsConfig
    obstacles: Annotated[tuple[ObstacleConfig, ...], Field(max_length=100)] = ()


class RoomChangeConfig(Section):
    """How the room looks different from a moment on."""

    at_s: NotNegative
    kind: Literal["light", "textures"]
    level: Level | None = None
    """Of the light, for `light`."""
    seed: Seed | None = None
    """Names the new pictures, for `textures`."""
    surface: SurfaceName = "all"
    """What gets them."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> RoomChangeConfig:
        if self.kind == "light" and (self.level is None or self.seed is not None):
            raise ValueError("a change of light needs level, such as 0.3, and takes no seed")
        if self.kind == "textures" and (self.seed is None or self.level is not None):
            raise ValueError("a change of textures needs seed, such as 7, and takes no level")
        return self


class RoomConfig(Section):
    """A box-shaped room with obstacles, made from the flight's seed, or written out in `layout`."""

    difficulty: Difficulty = "mixed"
    """Also says which materials a change of textures draws from."""
    length_m: Side | None = None
    """North to south; missing, drawn from the seed, as are the others."""
    width_m: Side | None = None
    height_m: Height | None = None
    obstacles: Annotated[int, Field(ge=0, le=100)] | None = None
    layout: LayoutConfig | None = None
    changes: tuple[RoomChangeConfig, ...] = ()

    @model_validator(mode="after")
    def _is_drawn_or_written(self) -> RoomConfig:
        drawn = ("length_m", "width_m", "height_m", "obstacles")
        given = [name for name in drawn if getattr(self, name) is not None]
        if self.layout is not None and given:
            raise ValueError(f"layout is a whole room: leave {', '.join(given)} out, or layout")
        return self
