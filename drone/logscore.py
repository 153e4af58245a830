"""The score of parts of a logged flight: before and after stereo is off, say.

    log ─► ticks with what belongs to them ─► one FlightScore per part

Counts, not rates: rates over many flights are made of their sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drone import topics
from drone.clock import s_from_ns
from drone.config import Config
from drone.flightlog import FlightLog
from drone.messages import (
    Decision,
    DistanceLabel,
    FlightEvent,
    LogGap,
    MonoEstimate,
    Truth,
)
from drone.scoring import FLYING, FlightScore

_TOPICS = (topics.TICK, topics.LABEL, topics.MONO, topics.DECISION, topics.TRUTH, topics.EVENT)


def scores_of(log: FlightLog, config: Config, from_s: Sequence[float]) -> list[FlightScore]:
    """Return the score of each part of a flight.

    Args:
        log: of the flight.
        config: of the flight.
        from_s: where the parts begin, s of flight, the first at 0; each ends where the next begins.
    """
    scores = [FlightScore(config.pilot.switching.stop_m, config.pilot.go_m)]
    position_m = (math.nan,) * 3
    for found in _by_tick(log):
        decision: Decision | None = found.get(Decision)
        if decision is None:
            continue
        while len(scores) < len(from_s) and s_from_ns(decision.stamp_ns) >= from_s[len(scores)]:
            scores.append(scores[-1].next_part())
        score, truth = scores[-1], found.get(Truth)
        for _ in range(found.get("collisions", 0)):
            score.collided()
        if truth is not None:  # simulation tells it of every frame
            position_m = truth.position_m
            score.see(found.get(DistanceLabel), found.get(MonoEstimate), truth)
        score.decided(decision, position_m, truth is not None)
    while len(scores) < len(from_s):  # the flight ended before
        scores.append(scores[-1].next_part())
    return scores


def _by_tick(log: FlightLog) -> Iterator[dict[Any, Any]]:
    """Yield the messages of each tick by their class, and the collisions before it."""
    found: dict[Any, Any] = {}
    collisions = 0
    for topic, message in log.slim(*_TOPICS):
        if topic == topics.TICK or isinstance(message, LogGap):
            if found:
                yield found
            found, collisions = {"collisions": collisions}, 0
        elif isinstance(message, FlightEvent):
            collisions += message.kind == "collision"
        else:
            found[type(message)] = message
    if found:
        yield found


def counts_of(score: FlightScore) -> dict[str, Any]:
    """Return a part's sums over all modes that fly, as plain numbers; unknown is None."""

    def flying(by_mode: Mapping[str, float]) -> float:
        return math.fsum(by_mode[mode] for mode in FLYING)

    errors = score.distance_errors.errors
    return {
        "seconds": round(score.simulated_s, 3),
        "flying_s": round(flying(score.mode_s), 3),
        "mono_s": round(score.mode_s["mono"], 3),
        "held_s": round(score.mode_s["hold"] + score.mode_s["land"], 3),
        "metres": round(flying(score.distance_m), 3),
        "turning_s": round(flying(score.turning_s), 3),
        "longest_turn_s": round(score.longest_turn_s, 3),
        "collisions": sum(score.collisions.values()),
        "stops": int(flying(score.stops)),
        "needless_stops": int(flying(score.needless_stops)),
        "open_stops": int(flying(score.open_stops)),
        "overrides": score.overrides,
        "time_to_trust_s": _known(score.time_to_trust_s),
        **_confusion("stereo", score.against_stereo),
        **_confusion("truth", score.against_truth),
        "log_error_sum": round(math.fsum(errors["mono"]), 4),
        "log_error_n": len(errors["mono"]),
    }


def _confusion(name: str, counted: Any) -> dict[str, int]:
    return {
        f"caught_{name}": counted.caught,
        f"missed_{name}": counted.missed,
        f"needless_{name}": counted.needless,
        f"free_{name}": counted.free,
    }


def _known(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
