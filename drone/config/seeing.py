"""The pilot's eyes: grid, corridor, matching, labels, mono."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import NotNegative, Positive, Section, Share


class GridConfig(Section):
    """The cells on which labels and networks work."""

    rows: Annotated[int, Field(ge=2, le=96)] = 12
    cols: Annotated[int, Field(ge=2, le=128)] = 16


class CorridorConfig(Section):
    """What the body sweeps when it flies straight (see `drone.geometry.Corridor`)."""

    hull_width_m: Positive = 0.52
    """AR.Drone 2.0 with its indoor hull."""
    hull_height_m: Positive = 0.13
    margin_m: NotNegative = 0.15
    """Added on each side, above and below."""
    percentile: Annotated[float, Field(ge=0, le=50)] = 5.0
    min_valid_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    far_m: Positive = 8.0
    sectors: Annotated[int, Field(ge=2, le=72)] = 8


class StereoConfig(Section):
    """Matching of the two eyes."""

    near_m: Positive = 0.36
    """Nearest distance of interest; with the camera it sets the disparity range."""
    pre_blur_px: NotNegative = 0.8
    """Standard deviation of the Gaussian blur before matching."""
    block_px: Annotated[int, Field(ge=3, le=15)] = 3
    """Matched window; a small one mistakes fewer repeating patterns for near things."""
    texture_px: Annotated[int, Field(ge=3, le=31)] = 7
    """Window in which texture is judged."""
    uniqueness_percent: Annotated[int, Field(ge=0, le=50)] = 10
    left_right_px: NotNegative = 1.0
    """Largest difference between the left and the right match; farther apart is unknown."""
    speckle_px: Annotated[int, Field(ge=0)] = 30
    """Isolated patches of fewer pixels are unknown."""
    speckle_range_px: Positive = 1.0
    min_texture: NotNegative = 2.0
    """Least local standard deviation, grey levels, over `texture_px`; below it nothing is known."""


class LabelConfig(Section):
    """From disparity to the label grid."""

    min_cell_share: Share = 0.6
    """Share of a cell's pixels that must be answered."""
    max_cell_spread: Positive = 0.25
    """Largest interquartile range over the median of a cell's inverse depth for full confidence."""
    min_valid_share: Share = 0.25
    """Share of the cells that must be known for a frame to teach."""


class MonoConfig(Section):
    """How the network's estimate is used."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    caution: Annotated[float, Field(ge=0, le=5)] = 1.5
    """How many of its own standard deviations nearer than it thinks mono takes things to be."""
    average_s: NotNegative = 0.25
    """The obstacle distance is averaged (as inverse distance) over this long."""
