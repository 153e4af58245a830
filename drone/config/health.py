"""What tells a fault of an eye, or of the pair, from a scene that is merely poor."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drone.config.base import Count, NotNegative, Positive, Section, Share


class HealthConfig(Section):
    """Camera health (see `docs/health.md`)."""

    compare_every: Count = 2
    """In every so many frames the eyes are compared; in all while there is a sign of a fault."""
    confirm_frames: Count = 2
    """A fault that is not plain from one image must show in so many of the frames compared last."""
    clear_s: NotNegative = 1.0
    """An event ends after this long without a sign of its fault."""
    saturated_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of white pixels from which an eye is over-exposed; half of it where only one eye is."""
    blur_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.65
    """An eye with less than this share of the other's fine detail at the same places is blurred."""
    whole_blur_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.52
    """The same of the mean over the whole image, which needs no corners found in both eyes."""
    min_detail: Positive = 8.0
    """Detail (squared grey levels of the Laplacian) that noise alone has; below it none is seen."""
    cover_levels: Positive = 30.0
    """Grey levels by which a block must lie outside of what the other eye shows around there."""
    cover_share: Share = 0.12
    """Share of such blocks from which an eye is covered."""
    row_error_px: Positive = 0.15
    """Expected error of a matched corner's row, in the image as checked."""
    evidence: Positive = 18.0
    """Least gain in squared error, in units of the expected, by which a fault must explain rows."""
    mismatch: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Row errors, as a share of the worst possible, that are a fault even unexplained."""
    level_share: Share = 0.2
    """With so many corners in their rows, others that are not have slid along edges."""
    min_found_share: Share = 0.125
    """Least share of corners that must be found in the other eye."""
    block_evidence: Positive = 60.0
    """Least evidence of a turned eye, of all blocks of the last three frames compared."""
    behind_evidence: Positive = 65.0
    """The same, of blocks that lie behind infinity."""
    jump_evidence: Positive = 36.0
    """Least evidence that one eye has jumped aside against the other since the frame before."""
    jump_stands_s: NotNegative = 1.0
    """A jump is a sign for so long, unless the eye jumps back."""
    min_skew_s: Positive = 0.006
    """Least difference in time between the eyes that counts."""
    late_eye_s: Positive = 0.075
    """From this difference on the later eye is called delayed, and is not used alone either."""
    min_turn_deg: Positive = 0.3
    """Least turn of one eye against the other that counts as lost calibration."""
    crossed_share: Annotated[float, Field(gt=0.5, le=1)] = 0.75
    """Share of matched corners behind infinity from which the eyes are swapped."""
    agree_ratio: Annotated[float, Field(gt=1)] = 1.4
    """A pair that was lost is believed again when its obstacle distance has been at most this many
    times mono's, or that part of it, in most frames of `pilot.switching.stereo_back_s`."""
    full_matches: Count = 30
    """With fewer matched corners the evidence must be stronger, by the square of what lacks."""
    min_matches: Count = 14
    """Fewer matched corners say nothing about the pair."""
