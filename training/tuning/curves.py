"""What trust's window says over a flight, for every share of near frames that could be asked.

    Recorded, Remembering ─► evidence, frame after frame ─► Curves: operating point at each tick

What the window holds depends on how long it remembers and over what mono's distance is averaged,
not on what is asked of it. So the real evidence goes through a flight once per way of remembering,
and is asked for all shares at once: any other threshold is then applied to whole columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.config import Config, TrustConfig
from drone.onboard import evidence
from drone.onboard.evidence import Evidence, Pair, mean_distance
from training.tuning.recorded import Recorded, Scored, Told

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Remembering:
    """What the window holds: the settings on which that depends, and no others."""

    window_s: float
    holdout_window_s: float
    min_positives: int
    average_s: float

    @classmethod
    def of(cls, config: Config) -> Remembering:
        """Return how a configuration remembers."""
        trust = config.pilot.trust
        return cls(
            trust.window_s, trust.holdout_window_s, trust.min_positives, config.pilot.mono.average_s
        )


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The window's figures, one row per change of the window.

    Attributes:
        tick: at which the row begins to hold.
        newest_ns: stamp of the newest frame in the window.
        positives: near frames in it.
        negatives: free frames.
        episodes: approaches.
        operating_m: one column per share asked for, NaN where there is no near frame.
        fpr: likewise.
        tpr_low: lower bound of the share of near frames caught, likewise.
        mono_m: mono's averaged distance, per estimate.
    """

    tick: Ints
    newest_ns: Ints
    positives: Ints
    negatives: Ints
    episodes: Ints
    operating_m: Floats
    fpr: Floats
    tpr_low: Floats
    mono_m: Floats


def curves(flight: Recorded, how: Remembering, shares: Sequence[float]) -> Curves:
    """Let a flight's evidence come and go, and return what it said.

    Args:
        flight: as logged.
        how: what is remembered.
        shares: of near frames caught that could be asked for (`pilot.trust.min_tpr`).
    """
    stop_m = flight.config.pilot.switching.stop_m
    rules = flight.config.pilot.trust.model_copy(
        update={
            "window_s": how.window_s,
            "holdout_window_s": how.holdout_window_s,
            "min_positives": how.min_positives,
        }
    )
    asked = [rules.model_copy(update={"min_tpr": share}) for share in shares]
    mono_m = averaged(flight, how.average_s)
    rows = []
    seen = flight.remembered
    for entry in flight.told:
        if isinstance(entry, Scored):
            seen = evidence.rescored(seen, entry.scores, how.average_s, stop_m)
        else:
            seen = evidence.add(seen, _pair(flight, entry, mono_m), stop_m, rules)
        rows.append(_row(entry.tick, seen, asked))
    return _columns(rows, len(shares), mono_m)


def averaged(flight: Recorded, average_s: float) -> Floats:
    """Return mono's distance as it flies, per estimate: the mean over a short while."""
    stamp_ns, told_m, part = (flight.estimates[name].tolist() for name in ("stamp_ns", "m", "part"))
    length_ns = ns_from_s(average_s)
    result = np.full(len(stamp_ns), np.nan)
    first = 0
    for k, now_ns in enumerate(stamp_ns):
        while part[first] != part[k] or stamp_ns[first] < now_ns - length_ns:
            first += 1
        if not math.isnan(told_m[k]):
            result[k] = mean_distance(told_m[first : k + 1])
    return result


def _pair(flight: Recorded, told: Told, mono_m: Floats) -> Pair:
    raw_m, mean_m = float(flight.estimates["m"][told.estimate]), float(mono_m[told.estimate])
    return Pair(told.seq, told.stamp_ns, told.label_m, raw_m, mean_m)


def _row(tick: int, seen: Evidence, asked: Sequence[TrustConfig]) -> tuple[object, ...]:
    points = [evidence.operating_point(seen, config) for config in asked]
    first = points[0]
    newest_ns = seen.pairs[-1].stamp_ns if seen.pairs else 0
    counts = (first.positives, first.negatives, first.episodes)
    return (tick, newest_ns, *counts, [(p.operating_m, p.fpr, p.tpr_low) for p in points])


def _columns(rows: Sequence[tuple[object, ...]], shares: int, mono_m: Floats) -> Curves:
    columns = list(zip(*rows, strict=True)) or [()] * 6
    tick, newest_ns, near, free, episodes = (np.array(c, np.int64) for c in columns[:5])
    points = np.array(columns[5], np.float64).reshape(len(rows), shares, 3)
    return Curves(
        *(tick, newest_ns, near, free, episodes),
        operating_m=points[..., 0],
        fpr=points[..., 1],
        tpr_low=points[..., 2],
        mono_m=mono_m,
    )
