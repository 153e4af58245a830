"""From what the eyes see to the 72 distances of OBSTACLE_DISTANCE, around the vehicle.

In: distances per sector of the view, from stereo, or from mono while it is trusted. Out: whole
centimetres for directions 5 degrees apart, the first straight ahead, clockwise seen from above
(MAV_FRAME_BODY_FRD). Three things can be said of a direction: something is there, it was seen free,
or nothing is known of it; behind the vehicle nothing ever is.

Distances are horizontal and count from the eye, which sits ahead of the vehicle's middle: a little
too near, never too far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from drone.config.autopilot import AutopilotConfig
from drone.geometry import StereoCalibration
from drone.messages import Cue, Decision, DistanceLabel, Mode, MonoEstimate
from drone.onboard.losses import fresh

BINS = 72
UNKNOWN_CM = 65535
"""Also for what is outside the view."""
SEEN_S = 0.5
"""What was seen longer ago is unknown now."""
_BIN_RAD = 2 * math.pi / BINS
_ALMOST_RAD = 1e-6
_BY_STEREO = (Mode.STEREO, Mode.TRAINING_WHEELS)
"""Modes in which both eyes are believed."""


class View(NamedTuple):
    """Where the sectors look.

    Attributes:
        edges_rad: of the sectors, from left to right, to the right of straight ahead; one more than
            there are sectors.
        min_cm: the least that is said.
        max_cm: what is farther is free.
    """

    edges_rad: tuple[float, ...]
    min_cm: int
    max_cm: int


def view_of(
    calibration: StereoCalibration, cols: int, sectors: int, far_m: float, config: AutopilotConfig
) -> View:
    """Return where the sectors look.

    Args:
        calibration: of the camera, and how it sits on the vehicle.
        cols: of the grid, which the sectors share.
        sectors: over the view.
        far_m: what is farther counts as this far in a sector.
        config: of the link.
    """
    left = calibration.left
    edges: list[float] = []
    for sector in range(sectors + 1):
        column = math.ceil(sector * cols / sectors)
        right = (column * left.width / cols - 0.5 - left.cx) / left.fx
        x, y, _ = calibration.rotation @ (right, 0.0, 1.0)
        edges.append(math.atan2(y, x))
    most_m = min(config.obstacle_max_m, far_m)
    return View(tuple(edges), round(100 * config.obstacle_min_m), int(100 * most_m))


def trusted_sectors_m(
    decision: Decision | None,
    label: DistanceLabel | None,
    estimate: MonoEstimate | None,
    now_ns: int,
) -> tuple[float, ...]:
    """Return distances per sector by who may be believed, m, NaN where unknown; empty if by nobody.

    Stereo's, while it answers and the pilot chain believes its eyes; else mono's, while it holds
    its licence and decides.
    """
    if decision is None or not fresh(decision.stamp_ns, now_ns, SEEN_S):
        return ()
    believed = decision.mode in _BY_STEREO or math.isfinite(decision.stereo_obstacle_m)
    answers = label is not None and label.valid and fresh(label.stamp_ns, now_ns, SEEN_S)
    if label is not None and answers and believed:
        return label.sectors_m
    trusted = decision.trust.held and decision.cue in (Cue.MONO, Cue.BOTH)
    if trusted and estimate is not None and estimate.valid:
        return estimate.sectors_m if fresh(estimate.stamp_ns, now_ns, SEEN_S) else ()
    return ()


def distances_cm(view: View, sectors_m: Sequence[float]) -> tuple[int, ...]:
    """Return the 72 distances.

    A direction is as far as the nearest sector that it touches; free only if all of it was seen.

    Args:
        view: where the sectors look.
        sectors_m: their distances, NaN where unknown; empty if nothing is known.
    """
    if len(sectors_m) != len(view.edges_rad) - 1:
        return (UNKNOWN_CM,) * BINS
    return tuple(_distance_cm(view, sectors_m, index) for index in range(BINS))


def _distance_cm(view: View, sectors_m: Sequence[float], index: int) -> int:
    middle = math.remainder(index * _BIN_RAD, 2 * math.pi)
    first, last = middle - _BIN_RAD / 2, middle + _BIN_RAD / 2
    edges = view.edges_rad
    touched = [
        distance
        for distance, left, right in zip(sectors_m, edges, edges[1:], strict=False)
        if left < last - _ALMOST_RAD and right > first + _ALMOST_RAD
    ]
    known = [distance for distance in touched if math.isfinite(distance)]
    nearest = min(known, default=math.nan)
    if 100 * nearest <= view.max_cm:
        return max(view.min_cm, int(100 * nearest))
    inside = edges[0] <= first + _ALMOST_RAD and last - _ALMOST_RAD <= edges[-1]
    return view.max_cm + 1 if inside and known and len(known) == len(touched) else UNKNOWN_CM
