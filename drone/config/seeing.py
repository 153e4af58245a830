"""The pilot's eyes: grid, corridor, matching, labels, mono."""

from __future__ import annotations

from typing import Annotated, Literal

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
    """Matching of the two eyes.

    One default serves all image sizes: the windows of the matcher and of its checks are in px and
    judge the neighbourhood of a pixel; `speckle_px` grows with the image's area.
    """

    matcher: Literal["block", "semi_global", "eight_path", "three_way"] = "eight_path"
    """OpenCV's block matching, or semi-global matching over five, eight or three paths."""
    near_m: Positive = 0.36
    """Nearest distance of interest; with the camera it sets the largest disparity."""
    far_m: Positive | None = None
    """Farthest distance of interest; it sets the least disparity. Unset: infinitely far."""
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
    """Isolated patches of fewer pixels are unknown; px at 128 x 96, in proportion to the area."""
    speckle_range_px: Positive = 1.0
    min_texture: NotNegative = 1.0
    """Least local standard deviation of the blurred image, grey levels, over `texture_px`; below it
    nothing is known."""
    check_px: Annotated[int, Field(ge=3, le=31)] = 7
    """Window in which the neighbours of a match are asked whether they agree."""
    max_step_px: Positive = 1.5
    """Largest difference of disparity between pixels next to each other, and by how much anything
    within `check_px` may be nearer; on the far side of the edges of things, matches stray."""
    max_residual: Positive = 8.0
    """Largest mean difference over `check_px`, grey levels, between the left image and what the
    right one shows at the match."""
    over_exposed: Annotated[float, Field(gt=0, le=256)] = 250.0
    """Grey level of the blurred left image from which nothing is known; 256 never."""


class LabelConfig(Section):
    """From disparity to the label grid."""

    min_cell_share: Share = 0.55
    """Share of a cell's pixels that must agree with the median of the answered ones; above a half,
    the median of the true distances agrees too, whatever the others are."""
    cell_tolerance: Positive = 0.1
    """How far, as a share of the median, a pixel's inverse depth may be off and still agrees."""
    min_confidence: Share = 0.2
    """Cells of less confidence are unknown: in rooms without texture they are wrong by half."""
    min_valid_share: Share = 0.25
    """Share of the cells that must be known for a frame to teach."""
    remember_s: NotNegative = 0.25
    """A label so long ago still supports cells that are unknown now; 0: each stands for itself."""
    remember_turn_degps: Positive = 45.0
    """In a faster turn nothing is remembered."""
    remember_confidence: Share = 0.5
    """So sure must a cell have been to be remembered."""
    remember_decay: Share = 0.7
    """What a remembered cell keeps of its confidence per frame."""
    refuse_below_m: Positive = 2.0
    """A cell nearer than this is refused, once, ..."""
    refuse_ratio: Annotated[float, Field(gt=1)] = 1.6
    """... where all around it was so many times as far a moment ago."""


class MonoConfig(Section):
    """How the network's estimate is used."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    caution: Annotated[float, Field(ge=0, le=5)] = 1.5
    """How many of its own standard deviations nearer than it thinks mono takes things to be."""
    average_s: NotNegative = 0.25
    """The obstacle distance is averaged (as inverse distance) over this long."""
