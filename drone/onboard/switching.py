"""Who flies: for each strategy a table of (mode, situation) -> mode, and nothing else.

    inputs ─► situation (by priority: pilot, vehicle, sight) ─► the strategy's table ─► mode

No clock, no randomness: times enter as durations, dagger draws by a counter, and the hysteresis is
in the inputs (`drone.onboard.watch`, trust, camera health). `docs/switching.md` shows the tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import SwitchingConfig
from drone.messages import Asked, Cue, Mode


class Situation(StrEnum):
    """What there is to fly with, the most pressing first."""

    PILOT_FLIES = "pilot_flies"
    ASKED_TO_LAND = "asked_to_land"
    BLIND_TOO_LONG = "blind_too_long"
    VEHICLE_LOST = "vehicle_lost"
    BLIND = "blind"
    ASKED_TO_HOLD = "asked_to_hold"
    HANDED_OVER = "handed_over"
    MONO_ONLY = "mono_only"
    STEREO_ONLY = "stereo_only"
    MONO_DRAWN = "mono_drawn"
    BOTH = "both"


MEANINGS: Mapping[Situation, str] = MappingProxyType(
    {
        Situation.PILOT_FLIES: "the human pilot flies",
        Situation.ASKED_TO_LAND: "who watches asks to land",
        Situation.BLIND_TOO_LONG: "in HOLD for `hold_s`, and one of the next two still lasts",
        Situation.VEHICLE_LOST: "the vehicle state is missing, stale or not finite",
        Situation.BLIND: "no cue that may fly sees anything",
        Situation.ASKED_TO_HOLD: "who watches asks to hold",
        Situation.HANDED_OVER: "mono was given control for good, and it answers",
        Situation.MONO_ONLY: "mono may fly, and stereo is gone",
        Situation.STEREO_ONLY: "stereo is well, and mono may not fly or does not answer",
        Situation.MONO_DRAWN: "both may fly, and dagger's draw is mono",
        Situation.BOTH: "both may fly",
    }
)
"""What each situation means, in words; the order is the priority."""


class SwitchInputs(NamedTuple):
    """Facts of one tick, with their hysteresis.

    Attributes:
        permitted: the human pilot lets this stack fly.
        vehicle_ok: the vehicle state is fresh and finite.
        stereo_ok: both eyes are believed.
        mono_ok: mono may fly, and its latest estimate is fresh.
        sighted: a cue that may fly saw something just now.
        handed_over: mono was given control for good.
        mono_drawn: it is mono's turn, where turns are drawn.
        hold_s: how long HOLD has lasted, 0 in other modes.
        max_hold_s: HOLD longer than this ends in LAND.
        asked: what a person who watches asks for.
    """

    permitted: bool
    vehicle_ok: bool
    stereo_ok: bool
    mono_ok: bool
    sighted: bool
    handed_over: bool
    mono_drawn: bool
    hold_s: float
    max_hold_s: float
    asked: Asked = Asked.NOTHING


@dataclass(frozen=True, slots=True)
class Strategy:
    """How learning and control are organised.

    Attributes:
        meaning: in words.
        cues: that may fly at all.
        table: where each mode goes in each situation.
    """

    meaning: str
    cues: frozenset[Cue]
    table: Mapping[tuple[Mode, Situation], Mode]


def situation_from_inputs(inputs: SwitchInputs, strategy: Strategy) -> Situation:
    """Return the most pressing situation."""
    if not inputs.permitted:
        return Situation.PILOT_FLIES
    if inputs.asked is Asked.LAND:
        return Situation.ASKED_TO_LAND
    mono_ok = inputs.mono_ok and Cue.MONO in strategy.cues
    stereo_ok = inputs.stereo_ok and Cue.STEREO in strategy.cues and not inputs.handed_over
    blind = not (inputs.sighted and (stereo_ok or mono_ok))
    if (blind or not inputs.vehicle_ok) and inputs.hold_s >= inputs.max_hold_s:
        return Situation.BLIND_TOO_LONG
    if not inputs.vehicle_ok:
        return Situation.VEHICLE_LOST
    if blind:
        return Situation.BLIND
    if inputs.asked is Asked.HOLD:
        return Situation.ASKED_TO_HOLD
    if inputs.handed_over:
        return Situation.HANDED_OVER
    if not stereo_ok:
        return Situation.MONO_ONLY
    if not mono_ok:
        return Situation.STEREO_ONLY
    return Situation.MONO_DRAWN if inputs.mono_drawn else Situation.BOTH


_GROUNDED: Mapping[Situation, Mode] = {
    Situation.PILOT_FLIES: Mode.HOLD,
    Situation.ASKED_TO_LAND: Mode.LAND,
    Situation.BLIND_TOO_LONG: Mode.LAND,
    Situation.VEHICLE_LOST: Mode.HOLD,
    Situation.BLIND: Mode.HOLD,
    Situation.ASKED_TO_HOLD: Mode.HOLD,
}
"""The same in every strategy."""


def _table(
    handed_over: Mode, mono_only: Mode, stereo_only: Mode, mono_drawn: Mode, both: Mode
) -> Mapping[tuple[Mode, Situation], Mode]:
    """Return a whole table. LAND is left only when the human pilot takes over."""
    flying = {
        **_GROUNDED,
        Situation.HANDED_OVER: handed_over,
        Situation.MONO_ONLY: mono_only,
        Situation.STEREO_ONLY: stereo_only,
        Situation.MONO_DRAWN: mono_drawn,
        Situation.BOTH: both,
    }
    landing = {s: Mode.HOLD if s is Situation.PILOT_FLIES else Mode.LAND for s in Situation}
    return MappingProxyType(
        {(m, s): (landing if m is Mode.LAND else flying)[s] for m in Mode for s in Situation}
    )


_BOTH_CUES = frozenset((Cue.STEREO, Cue.MONO))

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "training_wheels": Strategy(
            "Mono flies as soon as it may; stereo overrides an imminent collision, and learning "
            "goes on.",
            _BOTH_CUES,
            _table(Mode.MONO, Mode.MONO, Mode.STEREO, Mode.TRAINING_WHEELS, Mode.TRAINING_WHEELS),
        ),
        "dagger": Strategy(
            "Where both may fly, who does is drawn, turn by turn: at first stereo, later mono, "
            "which nobody overrides.",
            _BOTH_CUES,
            _table(Mode.MONO, Mode.MONO, Mode.STEREO, Mode.MONO, Mode.STEREO),
        ),
        "cold_turkey": Strategy(
            "Stereo flies until a fixed time, then mono alone, with or without its licence.",
            _BOTH_CUES,
            _table(Mode.MONO, Mode.MONO, Mode.STEREO, Mode.STEREO, Mode.STEREO),
        ),
        "stereo_only": Strategy(
            "Stereo flies. Mono learns, and never flies.",
            frozenset((Cue.STEREO,)),
            _table(Mode.HOLD, Mode.HOLD, Mode.STEREO, Mode.STEREO, Mode.STEREO),
        ),
        "mono_only": Strategy(
            "Mono flies from the start, without a licence: for a vehicle with one eye and a model "
            "that was made before.",
            frozenset((Cue.MONO,)),
            _table(Mode.MONO, Mode.MONO, Mode.HOLD, Mode.MONO, Mode.MONO),
        ),
    }
)
"""All strategies by their name in the configuration."""


def handed_over(flown_ns: int, config: SwitchingConfig) -> bool:
    """Return whether mono has been given control for good."""
    after_s = config.handed_over_s
    return after_s is not None and flown_ns >= ns_from_s(after_s)


def mono_drawn(flown_ns: int, config: SwitchingConfig) -> bool:
    """Return whether dagger's draw for this turn is mono.

    The policy that flies is a mixture: stereo with probability beta, else mono, and beta falls as
    p^i over the iterations i, from 1 (Ross, Gordon, Bagnell 2011, section 3). An iteration is a
    turn of `dagger_turn_s` here, and the draw depends on its number and the seed alone.
    """
    if config.strategy != "dagger":
        return False
    turn = flown_ns // ns_from_s(config.dagger_turn_s)
    beta = math.pow(0.5, turn * config.dagger_turn_s / config.dagger_half_s)
    return uniform(config.dagger_seed, turn) >= beta


def uniform(seed: int, counter: int) -> float:
    """Return a number in [0, 1) that depends on both alone (SplitMix64: Steele et al. 2014)."""
    mask = 2**64 - 1
    z = _mixed(_mixed(seed & mask) + counter * 0x9E3779B97F4A7C15 & mask)
    return (z >> 11) / 2**53


def _mixed(z: int) -> int:
    """Return SplitMix64's output for the state before `z`, an unsigned 64-bit number."""
    mask = 2**64 - 1
    z = z + 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31
