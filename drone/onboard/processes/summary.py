"""What came of a vehicle's flight, read from its log: figures for people and for `--json`."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from drone import topics
from drone.clock import s_from_ns
from drone.flightlog import FlightLog
from drone.messages import Mode

_LONGEST_STEP_S = 1.0
"""Time between two decisions that are farther apart belongs to no mode: they are not neighbours."""


def summary_of(log: FlightLog) -> dict[str, Any]:
    """Return seconds per mode, metres, overrides, versions, and when mono was first trusted."""
    mode_s: dict[str, float] = {mode.value: 0.0 for mode in Mode}
    seen: Counter[str] = Counter()
    first_ns = last_ns = trusted_ns = -1
    mode, overriding, metres = "", False, 0.0
    before: tuple[float, ...] | None = None
    for topic, message in log.slim(
        *(topics.DECISION, topics.VEHICLE, topics.LABEL, topics.MODEL, topics.GAP)
    ):
        if topic == topics.DECISION:
            now_ns = message.stamp_ns
            first_ns = now_ns if first_ns < 0 else first_ns
            step_s = s_from_ns(now_ns - last_ns) if last_ns >= 0 else math.inf
            if step_s <= _LONGEST_STEP_S and mode:
                mode_s[mode] += step_s
            seen["overrides"] += message.override and not overriding
            if message.trust.held and trusted_ns < 0:
                trusted_ns = now_ns
            last_ns, mode, overriding = now_ns, message.mode.value, message.override
        elif topic == topics.VEHICLE and message.valid:
            metres += math.dist(before, message.position_m) if before is not None else 0.0
            before = message.position_m
        elif topic == topics.LABEL:
            seen["frames"] += 1
            seen["labelled"] += message.valid
        elif topic == topics.MODEL:
            seen["versions"] += 1
        elif topic == topics.GAP:
            seen["gaps"] += 1
    return {
        "flown_s": round(s_from_ns(last_ns - first_ns), 3) if first_ns >= 0 else 0.0,
        "mode_s": {name: round(seconds, 2) for name, seconds in mode_s.items()},
        "distance_m": round(metres, 2),
        "overrides": seen["overrides"],
        "frames": seen["frames"],
        "labelled_frames": seen["labelled"],
        "model_versions": seen["versions"],
        "time_to_trust_s": _since(trusted_ns, first_ns),
        "log_gaps": seen["gaps"],
    }


def _since(then_ns: int, first_ns: int) -> float:
    return round(s_from_ns(then_ns - first_ns), 2) if then_ns >= 0 else math.nan
