"""Two cues, one distance: stereo's cells, and mono's where stereo has no sure answer.

    stereo's grid, confidence ─┐
                               ├─► nearer, cell by cell ─► obstacle distance, sectors
    mono's cautious grid ──────┘

On a plain wall stereo is silent, and what it says of the rest may look free. There the trusted
estimate speaks. It can only bring things nearer: what stereo is sure of stays as it is, and the
distance is never farther than stereo's own. Labels know nothing of it.
(Fusing by what each cue is worth: Martins, van Hecke, de Croon 2018.)
"""

from __future__ import annotations

import math

import numpy as np

from drone.geometry import DistanceMeter
from drone.messages import DistanceLabel, FloatGrid, Vector3

SURE = 0.5
"""Stereo's answer for a cell stands alone from this confidence on."""


def nearer_grid(label: DistanceLabel, near: FloatGrid) -> FloatGrid:
    """Return inverse depth by both cues, (rows, cols) float32, 1/m.

    Args:
        label: stereo's.
        near: mono's, (rows, cols) float32, 1/m, with its uncertainty and its scale already in it.
    """
    stereo = label.inverse_depth
    both = np.fmax(stereo, near)  # of one NaN and one number the number
    return np.where(np.isfinite(stereo) & (label.confidence >= SURE), stereo, both)


def nearer(
    label: DistanceLabel, near: FloatGrid, meter: DistanceMeter, down: Vector3
) -> tuple[float, tuple[float, ...]]:
    """Return obstacle distance and sectors by both cues, m, NaN where neither knows.

    Args:
        label: stereo's, of a pair that could be matched.
        near: as for `nearer_grid`.
        meter: of the camera.
        down: unit vector along gravity in the optical frame.
    """
    obstacle_m, sectors_m = meter.distances(nearer_grid(label, near), down)
    sectors = (nearer_m(*pair) for pair in zip(label.sectors_m, sectors_m, strict=True))
    return nearer_m(label.obstacle_m, obstacle_m), tuple(sectors)


def nearer_m(one_m: float, other_m: float) -> float:
    """Return the smaller of two distances, the known one if only one is, else NaN."""
    if math.isnan(one_m) or math.isnan(other_m):
        return other_m if math.isnan(one_m) else one_m
    return min(one_m, other_m)
