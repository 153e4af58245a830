"""Time: stamps are monotonic integer nanoseconds of capture, durations are float seconds.

A log keeps `utc_offset_ns`, which added to a stamp gives UTC. A simulated flight starts at the
fixed `SIM_EPOCH_NS`, so that the same seed writes the same stamps.
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000

SIM_EPOCH_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01T00:00:00Z: the UTC time of stamp 0 of every simulated flight."""


def ns_from_s(duration_s: float) -> int:
    """Return a duration in whole nanoseconds, rounded to the nearest."""
    return round(duration_s * NS_PER_S)


def s_from_ns(duration_ns: int) -> float:
    """Return a duration in seconds."""
    return duration_ns / NS_PER_S
