"""What HOLD does where mono still sees and is only out of its depth: it looks elsewhere.

    licence earned but withheld (unsure, unfamiliar), eye alive ─► turn on the spot ─► known again
                                                                 └─ `search_s` over ─► LAND

The drone stands; turning takes it nowhere, and what it turns toward it may know. While nothing
strange is in view it stands still, until that has lasted long enough for the licence to go on.
"""

from __future__ import annotations

import math

from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.messages import Mode
from drone.onboard.avoidance import Motion
from drone.onboard.clearance import is_fresh
from drone.onboard.pilotstate import PilotState

SEARCH = "search"
"""The manoeuvre's name in a decision."""


def searches(state: PilotState, now_ns: int, config: PilotConfig) -> bool:
    """Return whether mono answers, and does not fly only because of what it sees."""
    rules, licence = config.switching, state.trust
    answers = is_fresh(state.mono_known_ns, now_ns, ns_from_s(rules.stale_s))
    lately_ns = ns_from_s(config.trust.familiar_again_s + rules.back_s)
    strange = licence.strange_ns >= 0 and now_ns - licence.strange_ns <= lately_ns
    may_fly = licence.earned or not rules.asks_for_licence
    return rules.search_rate_degps > 0 and answers and strange and may_fly


def longest_hold_s(state: PilotState, now_ns: int, vehicle_ok: bool, config: PilotConfig) -> float:
    """Return how long HOLD may last before LAND, s; without a vehicle state nothing is sought."""
    rules = config.switching
    if state.mode is Mode.HOLD and vehicle_ok and searches(state, now_ns, config):
        return max(rules.search_s, rules.hold_s)
    return rules.hold_s


def search_motion(state: PilotState, now_ns: int, config: PilotConfig) -> Motion:
    """Return the turn on the spot; none while what is in view is known."""
    if state.trust.strange_ns != now_ns:
        return Motion(0.0, 0.0)
    return Motion(0.0, state.avoidance.side * math.radians(config.switching.search_rate_degps))
