"""Rows made by hand: what flights would have counted."""

from __future__ import annotations

from typing import Any

from training.experiments.design import Row

NOTHING: dict[str, Any] = {
    "seconds": 60.0,
    "flying_s": 60.0,
    "mono_s": 60.0,
    "held_s": 0.0,
    "metres": 20.0,
    "turning_s": 15.0,
    "longest_turn_s": 4.0,
    "collisions": 0,
    "stops": 10,
    "needless_stops": 4,
    "open_stops": 1,
    "overrides": 0,
    "time_to_trust_s": 30.0,
    "caught_stereo": 90,
    "missed_stereo": 10,
    "needless_stereo": 50,
    "free_stereo": 450,
    "caught_truth": 90,
    "missed_truth": 10,
    "needless_truth": 50,
    "free_truth": 450,
    "log_error_sum": 60.0,
    "log_error_n": 600,
}
"""A minute in which nothing special happened."""


def row(seed: int, factors: dict[str, str], after: dict[str, Any], **more: Any) -> Row:
    """Return a row whose counts after the hand-over differ from the plain ones in these."""
    figures = {"before": NOTHING, "after": {**NOTHING, **after}, **more}
    return Row(f"{sorted(factors.items())}-{seed}", "v", factors, seed, figures, 10.0, "a machine")
