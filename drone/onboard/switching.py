"""Who flies: a table of (mode, situation) -> mode, and nothing else.

    inputs ─► situation (by priority: pilot, vehicle, sight) ─► TABLE ─► mode

No clock, no randomness: times enter as durations, and the hysteresis of trust and of camera health
is theirs. `docs/architecture.md` shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from drone.messages import Mode


class Situation(StrEnum):
    """What there is to fly with, the most pressing first."""

    PILOT_FLIES = "pilot_flies"
    VEHICLE_LOST = "vehicle_lost"
    BLIND_TOO_LONG = "blind_too_long"
    BLIND = "blind"
    MONO_ONLY = "mono_only"
    STEREO_ONLY = "stereo_only"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class SwitchInputs:
    """Facts of one tick.

    Attributes:
        permitted: the human pilot lets this stack fly.
        vehicle_ok: the vehicle state is fresh and finite.
        stereo_ok: both eyes are believed.
        mono_ok: mono holds a live or frozen licence, and its latest estimate is fresh.
        hold_s: how long HOLD has lasted, 0 in other modes.
        max_hold_s: HOLD longer than this ends in LAND.
    """

    permitted: bool
    vehicle_ok: bool
    stereo_ok: bool
    mono_ok: bool
    hold_s: float
    max_hold_s: float


def situation_from_inputs(inputs: SwitchInputs) -> Situation:
    """Return the most pressing situation."""
    if not inputs.permitted:
        return Situation.PILOT_FLIES
    sighted = inputs.stereo_ok or inputs.mono_ok
    if not (inputs.vehicle_ok and sighted) and inputs.hold_s >= inputs.max_hold_s:
        return Situation.BLIND_TOO_LONG
    if not inputs.vehicle_ok:
        return Situation.VEHICLE_LOST
    if not sighted:
        return Situation.BLIND
    if not inputs.stereo_ok:
        return Situation.MONO_ONLY
    return Situation.BOTH if inputs.mono_ok else Situation.STEREO_ONLY


_FLYING: Mapping[Situation, Mode] = {
    Situation.PILOT_FLIES: Mode.HOLD,
    Situation.VEHICLE_LOST: Mode.HOLD,
    Situation.BLIND_TOO_LONG: Mode.LAND,
    Situation.BLIND: Mode.HOLD,
    Situation.MONO_ONLY: Mode.MONO,
    Situation.STEREO_ONLY: Mode.STEREO,
    Situation.BOTH: Mode.TRAINING_WHEELS,
}
_LANDING: Mapping[Situation, Mode] = {
    situation: Mode.HOLD if situation is Situation.PILOT_FLIES else Mode.LAND
    for situation in Situation
}

TABLE: Mapping[tuple[Mode, Situation], Mode] = MappingProxyType(
    {
        (mode, situation): (_LANDING if mode is Mode.LAND else _FLYING)[situation]
        for mode in Mode
        for situation in Situation
    }
)
"""Where each mode goes in each situation. LAND is left only when the human pilot takes over."""
