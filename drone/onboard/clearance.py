"""How free the way is, by the cue that decides: the nearer of the two where stereo guards.

PilotState (sights, threshold, mode) ─► clearance ─► Clearance (cue, ratio, override)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.messages import Cue, Mode
from drone.onboard import trust
from drone.onboard.avoidance import Manoeuvre
from drone.onboard.pilotstate import PilotState, Sight


@dataclass(frozen=True, slots=True)
class Clearance:
    """How free the way is by the cue that decides.

    Attributes:
        ratio: obstacle distance over stop distance, NaN where unknown.
        override: stereo stops a drone that mono would have let fly on.
    """

    cue: Cue
    obstacle_m: float
    ratio: float
    sectors_m: tuple[float, ...]
    override: bool = False


def clearance(state: PilotState, now_ns: int, config: PilotConfig) -> Clearance:
    """Return how free the way is by who flies; the nearer of the two where stereo guards."""
    stereo = fresh(state.stereo, now_ns, config)
    mono_m = mono_average_m(state, now_ns, config)
    mono_ratio = mono_m / threshold_m(state, config)
    mono = Clearance(Cue.MONO, mono_m, mono_ratio, state.mono.sectors_m)
    if state.mode is Mode.MONO:
        return mono
    if state.mode in (Mode.HOLD, Mode.LAND):
        return Clearance(Cue.NONE, math.nan, math.nan, ())
    if state.mode is Mode.STEREO or math.isnan(mono_ratio):
        ratio = stereo.obstacle_m / config.switching.stop_m
        return Clearance(Cue.STEREO, stereo.obstacle_m, ratio, stereo.sectors_m)
    guard_ratio = stereo.obstacle_m / config.switching.override_m
    demand = state.avoidance.demand
    if guard_ratio < mono_ratio and (guard_ratio < demand or _manoeuvring(state)):
        override = guard_ratio < demand <= mono_ratio
        return Clearance(Cue.STEREO, stereo.obstacle_m, guard_ratio, stereo.sectors_m, override)
    return mono


def threshold_m(state: PilotState, config: PilotConfig) -> float:
    """Return the distance below which mono stops, m.

    It is the licence's. Mono that flies without one, and was never measured, takes stereo's stop
    distance with the same factor of safety.
    """
    measured_m = state.trust.report.threshold_m
    return config.switching.stop_m / config.trust.safety if math.isnan(measured_m) else measured_m


def mono_average_m(state: PilotState, now_ns: int, config: PilotConfig) -> float:
    """Return mono's distance as it flies; unknown where the latest frame's is."""
    if math.isnan(fresh(state.mono, now_ns, config).obstacle_m):
        return math.nan
    return trust.mean_distance(d for _, d in state.mono_recent)


def fresh(sight: Sight, now_ns: int, config: PilotConfig) -> Sight:
    """Return the sight, or nothing known if it is stale."""
    return sight if is_fresh(sight.stamp_ns, now_ns, config) else Sight()


def is_fresh(stamp_ns: int, now_ns: int, config: PilotConfig) -> bool:
    """Return whether a stamp is of just now; one far ahead of now is of a clock that is off."""
    return stamp_ns >= 0 and abs(now_ns - stamp_ns) <= ns_from_s(config.switching.stale_s)


def _manoeuvring(state: PilotState) -> bool:
    return state.avoidance.manoeuvre is not Manoeuvre.CRUISE
