"""How free the way is, by the cue that decides: the nearer of the two where stereo guards.

PilotState ─► latest ─► Seen (stereo, mono, as far as fresh) ─┐
PilotState (threshold, mode, speed) ──────────────────────────┴─► clearance ─► Clearance
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.geometry import yaw_from_quaternion
from drone.messages import Cue, Mode
from drone.onboard import trust
from drone.onboard.avoidance import Manoeuvre
from drone.onboard.pilotstate import PilotState, Sight

LEAST_SCALE = 0.5
"""Mono's ranges are never taken for less than this share of what it says."""
_NOTHING = Sight()


class Seen(NamedTuple):
    """What the cues know at one tick.

    Attributes:
        stereo: its latest sight, nothing known if that is stale; likewise the next two.
        mono: of the latest frame alone.
        both: by both cues together.
        mono_m: mono's distance as it flies, NaN where unknown.
    """

    stereo: Sight
    mono: Sight
    both: Sight
    mono_m: float


class Clearance(NamedTuple):
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


def latest(state: PilotState, now_ns: int, config: PilotConfig) -> Seen:
    """Return what the cues know at a tick; mono knows nothing where its latest frame did not."""
    stale_ns, mono_m = ns_from_s(config.switching.stale_s), math.nan
    stereo, mono, both = [
        sight if is_fresh(sight.stamp_ns, now_ns, stale_ns) else _NOTHING
        for sight in (state.stereo, state.mono, state.both)
    ]
    if not math.isnan(mono.obstacle_m):
        mono_m = trust.mean_distance([d for _, d in state.mono_recent])
    return Seen(stereo, mono, both, mono_m)


def clearance(state: PilotState, seen: Seen, config: PilotConfig) -> Clearance:
    """Return how free the way is by who flies; the nearer of the two where stereo guards."""
    mode, stereo, mono_m = state.mode, seen.stereo, seen.mono_m
    if mode in (Mode.HOLD, Mode.LAND):
        return Clearance(Cue.NONE, math.nan, math.nan, ())
    mono_ratio = mono_m / threshold_m(state, config)
    if mode is Mode.STEREO or (mode is Mode.TRAINING_WHEELS and math.isnan(mono_ratio)):
        ratio = stereo.obstacle_m / config.switching.stop_m
        return Clearance(Cue.STEREO, stereo.obstacle_m, ratio, stereo.sectors_m)
    mono = Clearance(Cue.MONO, mono_m, mono_ratio, state.mono.sectors_m)
    return mono if mode is Mode.MONO else _guarded(state, seen, mono, config)


def _guarded(state: PilotState, seen: Seen, mono: Clearance, config: PilotConfig) -> Clearance:
    """Return mono's clearance, or the guard's where that is nearer and a collision is imminent.

    The guard is stereo, and mono's own cells where stereo has no sure answer. Only where stereo by
    itself stops the drone does it override mono.
    """
    stereo, both = seen.stereo, seen.both
    demand, imminent = state.avoidance.demand, imminent_m(state, config)
    by_both = not both.obstacle_m >= stereo.obstacle_m and math.isfinite(both.obstacle_m)
    guard, cue = (both, Cue.BOTH) if by_both else (stereo, Cue.STEREO)
    ratio = guard.obstacle_m / imminent
    if ratio < mono.ratio and (ratio < demand or _manoeuvring(state)):
        override = stereo.obstacle_m / imminent < demand <= mono.ratio
        cue = Cue.STEREO if override else cue
        return Clearance(cue, guard.obstacle_m, ratio, guard.sectors_m, override)
    return mono


def imminent_m(state: PilotState, config: PilotConfig) -> float:
    """Return the distance below which a collision is imminent at the present speed, m.

    What is left once the drone stands, the way until it begins to brake, and the way of braking.
    """
    rules, speed_mps = config.switching, max(0.0, forward_mps(state))
    return (
        rules.override_m
        + speed_mps * rules.react_s
        + speed_mps * speed_mps / (2 * rules.brake_mps2)
    )


def forward_mps(state: PilotState) -> float:
    """Return the speed along the nose, level, m/s; 0 where it is unknown."""
    vehicle = state.vehicle
    if vehicle is None:
        return 0.0
    yaw_rad = yaw_from_quaternion(vehicle.attitude)
    north, east, _ = vehicle.velocity_mps
    speed_mps = math.cos(yaw_rad) * north + math.sin(yaw_rad) * east
    return speed_mps if math.isfinite(speed_mps) else 0.0


def speed_scale(state: PilotState, config: PilotConfig) -> float:
    """Return the share of the cruising speed that is flown, 0-1: less where mono flies alone.

    It grows with the margin of trust, the share of allowed needless stops that is not used up, and
    with certainty: how much nearer the way ahead would be if mono were as wrong as it thinks.
    """
    if state.mode is not Mode.MONO:
        return 1.0
    margin = 1 - state.trust.report.fpr / config.trust.max_fpr if config.trust.max_fpr > 0 else 0.0
    share = margin * state.mono.certainty
    share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    return config.switching.mono_speed + (1 - config.switching.mono_speed) * share


def mono_scale(state: PilotState, config: PilotConfig) -> float:
    """Return what turns mono's ranges into stereo's: where mono stops is the stop distance."""
    scale = config.switching.stop_m / threshold_m(state, config)
    return min(1.0, max(LEAST_SCALE, scale))


def threshold_m(state: PilotState, config: PilotConfig) -> float:
    """Return the distance below which mono stops, m.

    It is the licence's. Mono that flies without one, and was never measured, takes stereo's stop
    distance with the same factor of safety.
    """
    measured_m = state.trust.report.threshold_m
    return config.switching.stop_m / config.trust.safety if math.isnan(measured_m) else measured_m


def is_fresh(stamp_ns: int, now_ns: int, stale_ns: int) -> bool:
    """Return whether a stamp is of just now; one far ahead of now is of a clock that is off."""
    return stamp_ns >= 0 and abs(now_ns - stamp_ns) <= stale_ns


def _manoeuvring(state: PilotState) -> bool:
    return state.avoidance.manoeuvre is not Manoeuvre.CRUISE
