"""Calibration: do the rows of both eyes match now?

A calibrated pair shows every point on the same row of both rectified images. A knock turns an eye,
and rows drift apart; so corners of some frames are sought in the other eye, and rows compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drone.config.health import HealthConfig
from drone.doctor.finding import Finding, Verdict, fail, graded, upper, warn
from drone.geometry import StereoCalibration
from drone.messages import StereoFrame
from drone.onboard.pairchecks import FRAMES, find_matches, findings, pooled, row_errors

GROUP = "calibration"
_LOOKED_AT = 8
_ROWS_OK, _ROWS_FLY = 2.0, 5.0
"""Of the expected error of a corner's row."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Corners of some frames, found in both eyes.

    Attributes:
        matches: how many.
        found_share: of the corners that were sought.
        behind_share: of the matches that lie behind infinity.
        off_px: median distance of their rows, px.
        turn_deg: by which the right eye would have to be turned to explain it.
        turn_evidence: how well that explains it, see `HealthConfig.evidence`.
    """

    matches: int
    found_share: float
    behind_share: float
    off_px: float
    turn_deg: float
    turn_evidence: float


def facts_of(
    frames: Sequence[StereoFrame], calibration: StereoCalibration, health: HealthConfig
) -> RowFacts:
    """Return the figures of the last frames; the vehicle must stand still.

    Args:
        frames: rectified.
        calibration: of them.
        health: says how exact a corner's row is.
    """
    pairs = [(f.left, f.right) for f in frames if f.left is not None and f.right is not None]
    found = [find_matches(left, right) for left, right in pairs[-_LOOKED_AT:]]
    matches = sum(len(m.left_px) for m in found)
    if not matches:
        return RowFacts(0, 0.0, 0.0, math.nan, math.nan, 0.0)
    rows = [
        row_errors(m, None, calibration.left, calibration.baseline_m)
        for m in found
        if len(m.left_px)
    ]
    off_px = np.concatenate([r.errors for r in rows]) * calibration.left.fy
    turn = findings(pooled(rows[-FRAMES:]), health.row_error_px / calibration.left.fy).turn
    behind = sum(m.behind_share * len(m.left_px) for m in found) / matches
    return RowFacts(
        matches,
        matches / max(1, sum(m.sought for m in found)),
        behind,
        float(np.median(np.abs(off_px))),
        math.degrees(turn.size),
        turn.gain,
    )


def check(facts: RowFacts, health: HealthConfig) -> list[Finding]:
    """Return what the figures say."""
    name = f"{GROUP}.rows"
    if facts.matches < health.min_matches:
        return [
            warn(
                name,
                f"too little to compare: {facts.matches} corners found in both eyes",
                "aim at something with texture, 1 to 4 m away, in good light",
            )
        ]
    if facts.behind_share > health.crossed_share:
        return [
            fail(
                name,
                f"{100 * facts.behind_share:.0f} % of the corners lie behind infinity",
                "the eyes are swapped: exchange camera.devices, or set camera.swap",
            )
        ]
    verdict = upper(facts.off_px, _ROWS_OK * health.row_error_px, _ROWS_FLY * health.row_error_px)
    if facts.turn_evidence > health.evidence and facts.turn_deg > health.min_turn_deg:
        verdict = Verdict.FAIL
    turned = f", as if the right eye were turned by {facts.turn_deg:.1f}°"
    return [
        graded(
            name,
            verdict,
            f"rows are {facts.off_px:.2f} px apart ({facts.matches} corners)"
            + (turned if verdict is not Verdict.OK else ""),
            "is a camera loose? Fasten both to one stiff plate, then drone calibrate anew",
        )
    ]
