"""What must have been there for a while to be believed: hysteresis in time for the switch.

    is the fact so at this tick? ─► step ─► Watch ─► has it been so for long enough?

What is missing counts as missing at once; what comes back counts only when it has been there for
`back_s` without a gap. So no fact, and no mode, goes back and forth faster than that.
"""

from __future__ import annotations

from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import SwitchingConfig


class Facts(NamedTuple):
    """What is so at one tick.

    Attributes:
        vehicle: there is a fresh, finite vehicle state.
        mono: mono may fly, and has just answered.
        seen: at this very tick, a cue that may fly saw something.
    """

    vehicle: bool
    mono: bool
    seen: bool


class Watch(NamedTuple):
    """Since when.

    Attributes:
        start_ns: the first tick, -1 before it.
        seen_ns: when a cue that may fly saw something last; the start counts.
        no_vehicle_ns: when there was no vehicle state last, -1 if never.
        no_mono_ns: when mono could not have flown last, -1 if never.
        blind_ns: when nothing had been seen for too long last, -1 if never.
    """

    start_ns: int = -1
    seen_ns: int = -1
    no_vehicle_ns: int = -1
    no_mono_ns: int = -1
    blind_ns: int = -1


def step(watch: Watch, now_ns: int, facts: Facts, config: SwitchingConfig) -> Watch:
    """Return the watch after one tick."""
    if watch.start_ns < 0:
        watch = watch._replace(start_ns=now_ns, seen_ns=now_ns)
    seen_ns = now_ns if facts.seen else watch.seen_ns
    blind = now_ns - seen_ns > ns_from_s(config.blind_s)
    return Watch(
        watch.start_ns,
        seen_ns,
        watch.no_vehicle_ns if facts.vehicle else now_ns,
        watch.no_mono_ns if facts.mono else now_ns,
        now_ns if blind else watch.blind_ns,
    )


def believed(watch: Watch, now_ns: int, config: SwitchingConfig) -> tuple[bool, bool, bool]:
    """Return of vehicle state, mono and sight whether each has been there for long enough."""
    back_ns = ns_from_s(config.back_s)
    return (
        watch.no_vehicle_ns < 0 or now_ns - watch.no_vehicle_ns >= back_ns,
        watch.no_mono_ns < 0 or now_ns - watch.no_mono_ns >= back_ns,
        watch.blind_ns < 0 or now_ns - watch.blind_ns >= back_ns,
    )
