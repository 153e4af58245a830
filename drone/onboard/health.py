"""Which eye may be believed? Per-frame verdicts in, eyes and pair declared dead or alive out.

    frame ─► PairChecker ─► FrameCheck ─► step ─► HealthState: each eye and the pair, dead or alive
    label, mono's estimate ─► bears_out ─► prove ───┘   └─► events: what begins and what ends

A verdict holds for its frame; `EFFECTS` says what it costs: an eye, or the pair and with it stereo,
while either eye may still fly alone. What lasts is declared dead, what has been well for long is
believed again, and a pair only if it proves itself meanwhile: what it says agrees with mono that is
trusted, else it says something at all. Silence counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import HealthConfig, SwitchingConfig
from drone.messages import DistanceLabel, Eye, FrameCheck, HealthEvent, MonoEstimate
from drone.onboard.checker import check_frame

__all__ = [
    "EFFECTS",
    "Effect",
    "EyeState",
    "HealthState",
    "Proof",
    "bears_out",
    "check_frame",
    "events",
    "prove",
    "step",
]


class Effect(StrEnum):
    """What a fault costs the pilot."""

    EYE = "eye"
    STEREO = "stereo"
    NOTHING = "nothing"


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "missing": Effect.EYE,
        "of another size": Effect.EYE,
        "black": Effect.EYE,
        "white": Effect.EYE,
        "frozen": Effect.EYE,
        "torn": Effect.EYE,
        "delayed": Effect.EYE,
        "over-exposed": Effect.EYE,
        "covered": Effect.EYE,
        "blurred": Effect.EYE,
        "unplugged": Effect.EYE,
        "dead": Effect.EYE,
        "swapped": Effect.STEREO,
        "lost calibration": Effect.STEREO,
        "out of sync": Effect.STEREO,
        "eyes disagree": Effect.STEREO,
        "reconnected": Effect.NOTHING,
        "slow": Effect.NOTHING,
    }
)
"""What each fault costs: the eye it is of (and with it stereo), stereo alone, or a warning only.
What a driver reports under another name costs the eye that it reports."""


class EyeState(NamedTuple):
    """One eye, or the pair, over time.

    Attributes:
        dead: believed gone.
        verdict: what is wrong now; empty is well.
        since_ns: since when the eye has been well, or not well.
        crc: of the latest image.
        reported: what the camera driver says is wrong; empty is well.
        standing: the event that has begun and not ended, empty if none.
        shown_ns: when it last showed.
    """

    dead: bool = False
    verdict: str = ""
    since_ns: int = 0
    crc: int = 0
    reported: str = ""
    standing: str = ""
    shown_ns: int = 0

    @property
    def sees(self) -> bool:
        """It is believed, and nothing is wrong with its latest image."""
        return not (self.dead or self.verdict)


class Proof(NamedTuple):
    """What a pair that was lost has shown of itself.

    Attributes:
        owed: it was lost, and has not proved itself since.
        since_ns: when it began to.
        frames: so many since.
        agreed: of these, those that bear it out.
    """

    owed: bool = False
    since_ns: int = 0
    frames: int = 0
    agreed: int = 0


class HealthState(NamedTuple):
    """Both eyes, the pair, and when a frame last came (-1: the clock has not started)."""

    left: EyeState = EyeState()
    right: EyeState = EyeState()
    frame_ns: int = -1
    pair: EyeState = EyeState()
    proof: Proof = Proof()

    @property
    def stereo_ok(self) -> bool:
        """Both eyes are believed, and that they are a pair."""
        return not (self.left.dead or self.right.dead or self.pair.dead or self.proof.owed)

    @property
    def stereo_sees(self) -> bool:
        """Both eyes see as a pair: what stereo says of the latest frame is a distance."""
        seen = self.left.sees and self.right.sees and self.pair.sees
        return seen and not self.proof.owed

    @property
    def well(self) -> bool:
        """Nothing is wrong with the latest images."""
        return not (self.left.verdict or self.right.verdict or self.pair.verdict)

    def sees(self, eye: Eye) -> bool:
        """Return whether this eye sees; the pair if both do."""
        if eye is Eye.PAIR:
            return self.stereo_sees
        return (self.left if eye is Eye.LEFT else self.right).sees

    @property
    def reason(self) -> str:
        """What is dead and why, or empty."""
        dead = [
            f"{name} {state.verdict or 'recovering'}" for name, state in self._named if state.dead
        ]
        return ", ".join(dead) or ("eyes unproved" if self.proof.owed else "")

    @property
    def trouble(self) -> str:
        """What is wrong with the latest images, dead or not yet, or empty."""
        return ", ".join(f"{name} {state.verdict}" for name, state in self._named if state.verdict)

    @property
    def _named(self) -> tuple[tuple[str, EyeState], ...]:
        return ("left eye", self.left), ("right eye", self.right), ("eyes", self.pair)


def step(
    state: HealthState,
    now_ns: int,
    check: FrameCheck | None,
    reports: tuple[HealthEvent, ...],
    config: tuple[SwitchingConfig, HealthConfig],
) -> HealthState:
    """Return the state after one tick.

    Args:
        state: before.
        now_ns: of the tick.
        check: of this tick's frame, None without one.
        reports: of the camera driver; what it reports holds until it reports the opposite.
        config: hysteresis times, and how long an event stands.
    """
    left, right, pair = state.left, state.right, state.pair
    if reports:
        left, right = _report(left, reports, Eye.LEFT), _report(right, reports, Eye.RIGHT)
        pair = _report(pair, reports, Eye.PAIR)
    times = _times(now_ns, config)
    if check is not None:
        return HealthState(
            _judge(left, check.left, check.left_crc, times),
            _judge(right, check.right, check.right_crc, times),
            now_ns,
            _judge(pair, check.pair, 0, times),
            state.proof,
        )
    frame_ns = now_ns if state.frame_ns < 0 else state.frame_ns
    if now_ns - frame_ns > ns_from_s(config[0].stale_s):
        left, right = _judge(left, "missing", 0, times), _judge(right, "missing", 0, times)
    return HealthState(left, right, frame_ns, pair, state.proof)


def prove(
    state: HealthState, now_ns: int, borne_out: bool | None, config: SwitchingConfig
) -> HealthState:
    """Return the state with what this tick shows of a pair that was lost.

    Over each `stereo_back_s` in which nothing is wrong, most frames must bear it out.

    Args:
        state: after this tick's `step`.
        now_ns: of the tick.
        borne_out: this tick's frame bears it out (`bears_out`); None without one.
        config: how long it must have been well.
    """
    proof = state.proof
    if state.stereo_ok:
        return state
    if not (proof.owed and state.well):
        return state._replace(proof=Proof(True, now_ns))
    if borne_out is not None:
        frames, agreed = proof.frames + 1, proof.agreed + borne_out
        proof = Proof(True, proof.since_ns, frames, agreed)
    recovering = state.left.dead or state.right.dead or state.pair.dead
    if not recovering and now_ns - proof.since_ns >= ns_from_s(config.stereo_back_s):
        proof = Proof(2 * proof.agreed <= proof.frames, now_ns)
    return state._replace(proof=proof)


def bears_out(
    label: DistanceLabel | None, estimate: MonoEstimate | None, trusted: bool, config: HealthConfig
) -> bool:
    """Return whether a frame speaks for a pair that was lost.

    Mono that is trusted, and answers, is the witness: both must tell about the same distance. Else
    the pair's own checks must do, that the label is valid.
    """
    if label is None or not label.valid:
        return False
    if not trusted or estimate is None:
        return True
    ratio = label.obstacle_m / estimate.obstacle_m if estimate.obstacle_m > 0 else math.nan
    return 1 / config.agree_ratio <= ratio <= config.agree_ratio


def events(before: HealthState, after: HealthState, now_ns: int, seq: int) -> list[HealthEvent]:
    """Return what ended and what began between two states.

    Args:
        before: a tick earlier.
        after: now.
        now_ns: of the tick.
        seq: of the first event.
    """
    changes = [
        (eye, kind, active)
        for eye in Eye
        for kind, active in _changes(getattr(before, eye).standing, getattr(after, eye).standing)
    ]
    return [
        HealthEvent(seq + k, now_ns, True, eye, kind, active)
        for k, (eye, kind, active) in enumerate(changes)
    ]


def _changes(before: str, after: str) -> list[tuple[str, bool]]:
    if before == after:
        return []
    return [(kind, active) for kind, active in ((before, False), (after, True)) if kind]


def _report(state: EyeState, reports: tuple[HealthEvent, ...], which: Eye) -> EyeState:
    """Take down what concerns this eye, or the pair: by the table, or who it was reported of."""
    for event in reports:
        effect = EFFECTS.get(event.kind, Effect.EYE)
        of_the_pair = effect is Effect.STEREO
        concerned = which is Eye.PAIR if of_the_pair else event.eye in (which, Eye.PAIR)
        if effect is not Effect.NOTHING and concerned and (of_the_pair or which is not Eye.PAIR):
            state = state._replace(reported=event.kind if event.active else "")
    return state


class _Times(NamedTuple):
    """Now, and after how long what is so: an eye is lost, is back, its event is over."""

    now_ns: int
    lost_ns: int
    back_ns: int
    clear_ns: int


def _times(now_ns: int, config: tuple[SwitchingConfig, HealthConfig]) -> _Times:
    rules, health = config
    lost_ns, back_ns = ns_from_s(rules.stereo_lost_s), ns_from_s(rules.stereo_back_s)
    return _Times(now_ns, lost_ns, back_ns, ns_from_s(health.clear_s))


def _judge(state: EyeState, found: str, crc: int, times: _Times) -> EyeState:
    now_ns, lost_ns, back_ns, clear_ns = times
    frozen = "frozen" if crc == state.crc and crc != 0 else ""
    verdict = found or state.reported or frozen
    if not (verdict or state.verdict or state.dead or state.standing):
        return EyeState(since_ns=state.since_ns, crc=crc, shown_ns=state.shown_ns)
    since_ns = state.since_ns if bool(verdict) == bool(state.verdict) else now_ns
    lasted_ns = now_ns - since_ns
    dead = state.dead
    if verdict and lasted_ns >= lost_ns:
        dead = True
    elif not verdict and lasted_ns >= back_ns:
        dead = False
    over = now_ns - state.shown_ns >= clear_ns
    standing = verdict or ("" if over else state.standing)
    shown_ns = now_ns if verdict else state.shown_ns
    return EyeState(dead, verdict, since_ns, crc, state.reported, standing, shown_ns)
