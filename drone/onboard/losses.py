"""What is lost while this stack flies, for how long, and what that leads to.

In: the facts at one moment and since when each of them has been missing. Out: the reaction that is
due, and why. The strongest counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drone.clock import ns_from_s, s_from_ns
from drone.config.autopilot import AutopilotConfig, Reaction
from drone.messages import Decision, Mode, VehicleState
from drone.onboard.linkfacts import Ground, LinkInputs

UNKNOWN_GROUND = "the autopilot does not say whether the vehicle flies (EXTENDED_SYS_STATE)"
STRENGTH: tuple[Reaction, ...] = ("none", "hold", "return", "land")
"""Weakest first."""


class Since(NamedTuple):
    """Since when something has been missing without a gap, ns; -1 where it is there."""

    vision_ns: int = -1
    position_ns: int = -1
    battery_ns: int = -1


class Due(NamedTuple):
    """A reaction, and why."""

    reaction: Reaction
    reason: str


def fresh(stamp_ns: int, now_ns: int, longest_s: float) -> bool:
    """Return whether a stamp is neither too old nor from a future that no clock explains."""
    return abs(now_ns - stamp_ns) <= ns_from_s(longest_s)


def decides(decision: Decision | None, now_ns: int, config: AutopilotConfig) -> bool:
    """Return whether there is a decision of just now."""
    return decision is not None and fresh(decision.stamp_ns, now_ns, config.stale_s)


def known(vehicle: VehicleState | None, now_ns: int, config: AutopilotConfig) -> bool:
    """Return whether there is a vehicle state of just now, valid and finite."""
    if vehicle is None or not vehicle.valid:
        return False
    numbers = (*vehicle.position_m, *vehicle.velocity_mps, *vehicle.attitude)
    return fresh(vehicle.stamp_ns, now_ns, config.stale_s) and all(map(math.isfinite, numbers))


def ground_unknown(inputs: LinkInputs, config: AutopilotConfig) -> bool:
    """Return whether it must be known that the vehicle flies, and is not."""
    return config.needs_flight and inputs.ground is Ground.UNKNOWN


def watch(since: Since, inputs: LinkInputs, config: AutopilotConfig) -> Since:
    """Return since when what is missing now has been missing."""
    now_ns, decision, vehicle = inputs.now_ns, inputs.decision, inputs.vehicle
    share = vehicle.battery_share if vehicle is not None else math.nan
    missing = (
        decision is not None and decides(decision, now_ns, config) and _blind(decision),
        not known(vehicle, now_ns, config),
        share < config.reactions.battery_share,
    )
    return Since(
        *(
            (stamp if stamp >= 0 else now_ns) if gone else -1
            for stamp, gone in zip(since, missing, strict=True)
        )
    )


def _blind(decision: Decision) -> bool:
    """Return whether the pilot chain holds, and no cue that may fly knows a distance."""
    mono_sees = decision.trust.held and math.isfinite(decision.mono_obstacle_m)
    sees = mono_sees or math.isfinite(decision.stereo_obstacle_m)
    return decision.mode is Mode.HOLD and not sees


def reaction_due(
    since: Since, heard_ns: int, inputs: LinkInputs, config: AutopilotConfig
) -> Due | None:
    """Return the strongest reaction that is due, None if none.

    Args:
        since: of `watch`.
        heard_ns: the pilot process was heard last, or permission given if later.
        inputs: at this moment.
        config: of the link.
    """
    due = [*_pilot(heard_ns, inputs, config), *_configured(since, inputs.now_ns, config)]
    if ground_unknown(inputs, config):
        due.append(Due("hold", UNKNOWN_GROUND))
    due = [each for each in due if each.reaction != "none"]
    return max(due, key=lambda each: STRENGTH.index(each.reaction), default=None)


def _pilot(heard_ns: int, inputs: LinkInputs, config: AutopilotConfig) -> list[Due]:
    """Return what the pilot process itself leads to: its silence, or its own wish to land."""
    silent_s = s_from_ns(inputs.now_ns - heard_ns)
    if silent_s > config.land_after_s:
        return [Due("land", f"the pilot process has been silent for {silent_s:.1f} s")]
    if not decides(inputs.decision, inputs.now_ns, config):
        return [Due("hold", "no fresh decision of the pilot process")]
    assert inputs.decision is not None
    return [Due("land", "the pilot chain lands")] if inputs.decision.mode is Mode.LAND else []


def _configured(since: Since, now_ns: int, config: AutopilotConfig) -> list[Due]:
    r = config.reactions
    due: list[Due] = []
    if _lasted(since.vision_ns, now_ns, r.vision_s):
        due.append(Due(r.vision, "no trusted cue sees anything"))
    if since.position_ns >= 0:
        due.append(Due("hold", "no fresh, valid vehicle state"))
    if _lasted(since.position_ns, now_ns, r.position_s):
        due.append(Due(r.position, f"no vehicle state for {r.position_s:g} s"))
    if _lasted(since.battery_ns, now_ns, r.battery_s):
        due.append(Due(r.battery, f"battery below {100 * r.battery_share:.0f} %"))
    return due


def _lasted(since_ns: int, now_ns: int, least_s: float) -> bool:
    return since_ns >= 0 and now_ns - since_ns >= ns_from_s(least_s)
