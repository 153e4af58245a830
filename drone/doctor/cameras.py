"""Cameras: do frames come as often as they should, together, sharp and well exposed?

In: the pairs of a few seconds. `facts_of` makes figures of them, `check` findings of the figures.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drone.clock import s_from_ns
from drone.config.health import HealthConfig
from drone.config.onboard import StereoCameraConfig
from drone.doctor.finding import Finding, Verdict, fail, graded, lower, ok, upper, warn
from drone.messages import Image, StereoFrame
from drone.onboard.imagechecks import crc, fine_detail, reduced, saturated_share, verdict_alone

GROUP = "cameras"
_RATE_OK, _RATE_FLIES = 0.9, 0.6
_GAP_OK, _GAP_FLIES = 2.5, 6.0
_DARK, _BRIGHT = 35.0, 215.0
_WHITE_SHARE = 0.1
_UNLIKE, _UNSTEADY = 0.25, 0.08


@dataclass(frozen=True, slots=True)
class EyeFacts:
    """One eye over all frames.

    Attributes:
        level: mean grey level.
        unsteadiness: of the mean grey from frame to frame, standard deviation, as a share of it.
        white_share: of saturated pixels.
        detail: mean square of the smoothed image's Laplacian, grey levels squared.
        trouble: `missing`, `black`, `white` or `frozen`, in most of the frames; empty if it sees.
    """

    level: float
    unsteadiness: float
    white_share: float
    detail: float
    trouble: str


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """The cameras over a few seconds.

    Attributes:
        frames: that came.
        rate_hz: at which they came.
        longest_gap_s: between two frames.
        left: eye.
        right: eye.
        skew_median_s: of the pairs; NaN where one picture holds both eyes.
        skew_max_s: likewise.
    """

    frames: int
    rate_hz: float
    longest_gap_s: float
    left: EyeFacts
    right: EyeFacts
    skew_median_s: float
    skew_max_s: float


def facts_of(frames: Sequence[StereoFrame], measures: Mapping[str, Any]) -> CameraFacts:
    """Return the figures of at least three frames.

    Args:
        frames: rectified, in the order of their stamps; invalid ones are silence.
        measures: of the source, see `LiveSource.measures`.
    """
    seen = [frame for frame in frames if frame.valid]
    stamps = [s_from_ns(frame.stamp_ns) for frame in seen]
    gaps = [b - a for a, b in itertools.pairwise(stamps)]
    nan = float("nan")
    paired = bool(measures.get("skew_pairs"))
    return CameraFacts(
        frames=len(seen),
        rate_hz=len(gaps) / sum(gaps) if sum(gaps) > 0 else nan,
        longest_gap_s=max(gaps, default=nan),
        left=_eye([frame.left for frame in seen]),
        right=_eye([frame.right for frame in seen]),
        skew_median_s=float(measures["skew_median_s"]) if paired else nan,
        skew_max_s=float(measures["skew_max_s"]) if paired else nan,
    )


def _eye(images: Sequence[Image | None]) -> EyeFacts:
    there = [image for image in images if image is not None]
    verdicts = [verdict_alone(image) for image in images]
    prints = [crc(image) for image in there]
    if len(there) > 2 and len(set(prints)) == 1 and not any(verdicts):
        trouble = "frozen"
    else:
        bad = [verdict for verdict in verdicts if verdict]
        trouble = statistics.mode(bad) if 2 * len(bad) > len(verdicts) or not there else ""
    levels = [float(image.mean()) for image in there] or [0.0]
    level = statistics.fmean(levels)
    return EyeFacts(
        level=level,
        unsteadiness=statistics.pstdev(levels) / level if level > 0 else 0.0,
        white_share=_median([saturated_share(image) for image in there]),
        detail=_median([float(fine_detail(reduced(image)).mean()) for image in there]),
        trouble=trouble,
    )


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def check(facts: CameraFacts, camera: StereoCameraConfig, health: HealthConfig) -> list[Finding]:
    """Return what the figures say."""
    return [
        *_alive(facts),
        _rate(facts, camera.rate_hz),
        _steady(facts, camera.rate_hz),
        _skew(facts, camera.max_skew_ms / 1000),
        _focus(facts, health),
        *_exposure(facts),
    ]


def _eyes(facts: CameraFacts) -> tuple[tuple[str, EyeFacts], tuple[str, EyeFacts]]:
    return ("left", facts.left), ("right", facts.right)


def _alive(facts: CameraFacts) -> list[Finding]:
    fix = "look at plug, cable and lens cap; is it another program's, or the wrong device?"
    bad = [(eye, f.trouble) for eye, f in _eyes(facts) if f.trouble]
    name = f"{GROUP}.eyes"
    return [fail(name, f"the {eye} eye is {trouble}", fix) for eye, trouble in bad] or [
        ok(name, "both eyes see")
    ]


def _rate(facts: CameraFacts, asked_hz: float) -> Finding:
    verdict = lower(facts.rate_hz / asked_hz, _RATE_OK, _RATE_FLIES)
    return graded(
        f"{GROUP}.rate",
        verdict,
        f"{facts.rate_hz:.1f} frames a second of {asked_hz:g}",
        "in the dark exposures grow longer than a frame: more light, or lock the exposure; else "
        "another USB port, a smaller picture, or a lower camera.rate_hz",
    )


def _steady(facts: CameraFacts, asked_hz: float) -> Finding:
    periods = facts.longest_gap_s * asked_hz
    return graded(
        f"{GROUP}.gaps",
        upper(periods, _GAP_OK, _GAP_FLIES),
        f"the longest gap between two frames was {1000 * facts.longest_gap_s:.0f} ms",
        "is the processor busy with something else, or the cable loose?",
    )


def _skew(facts: CameraFacts, most_s: float) -> Finding:
    name = f"{GROUP}.skew"
    if facts.skew_max_s != facts.skew_max_s:
        return ok(name, "one picture holds both eyes: they are in step")
    verdict = upper(facts.skew_max_s, most_s / 2, most_s)
    if facts.skew_median_s > most_s:
        verdict = Verdict.FAIL
    return graded(
        name,
        verdict,
        f"the eyes are {1000 * facts.skew_median_s:.1f} ms apart, at most "
        f"{1000 * facts.skew_max_s:.1f} ms; {1000 * most_s:g} ms are allowed",
        "let one trigger start both cameras (docs/companion.md)",
    )


def _focus(facts: CameraFacts, health: HealthConfig) -> Finding:
    name = f"{GROUP}.focus"
    (_, left), (_, right) = _eyes(facts)
    sharp, blurred = max(left.detail, right.detail), min(left.detail, right.detail)
    which = "left" if left.detail < right.detail else "right"
    if sharp < health.min_detail:
        return warn(
            name,
            "neither eye shows fine detail",
            "aim at something with texture; if it stays so, focus both lenses at 1 to 3 m",
        )
    what = f"fine detail: left {left.detail:.0f}, right {right.detail:.0f} (grey levels squared)"
    if blurred / sharp < health.whole_blur_ratio:
        return fail(name, f"the {which} eye is blurred; {what}", f"focus or clean the {which} lens")
    return ok(name, what)


def _exposure(facts: CameraFacts) -> list[Finding]:
    name, found = f"{GROUP}.exposure", []
    for eye, f in _eyes(facts):
        if f.white_share > _WHITE_SHARE or f.level > _BRIGHT:
            found.append(
                warn(
                    name,
                    f"the {eye} eye is over-exposed: {100 * f.white_share:.0f} % white",
                    "shorten the exposure, or turn from the light",
                )
            )
        elif f.level < _DARK:
            found.append(
                warn(
                    name,
                    f"the {eye} eye is dark: mean grey {f.level:.0f} of 255",
                    "more light or gain; a longer exposure blurs what moves",
                )
            )
        if f.unsteadiness > _UNSTEADY:
            found.append(
                warn(
                    name,
                    f"the brightness of the {eye} eye wavers by {100 * f.unsteadiness:.0f} %",
                    "lock the exposure, or match it to the lamps (multiples of 10 or 8.3 ms)",
                )
            )
    (_, left), (_, right) = _eyes(facts)
    if abs(left.level - right.level) > _UNLIKE * max(left.level, right.level, 1.0):
        found.append(
            warn(
                name,
                f"the eyes differ in brightness: {left.level:.0f} and {right.level:.0f} of 255",
                "give both the same exposure and gain",
            )
        )
    what = f"mean grey {left.level:.0f} and {right.level:.0f} of 255"
    return found or [ok(name, what)]
