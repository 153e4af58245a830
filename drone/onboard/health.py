"""Which eye may be believed? Per-frame verdicts in, eyes and pair declared dead or alive out.

    frame ─► PairChecker ─► FrameCheck ─► step ─► HealthState: each eye and the pair, dead or alive
                                             └─► events: what begins and what ends

A verdict holds for its frame; `EFFECTS` says what it costs: an eye, or the pair and with it stereo,
while either eye may still fly alone. What lasts is declared dead, what has been well for long is
believed again. Silence counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from drone.clock import ns_from_s
from drone.config import HealthConfig, SwitchingConfig
from drone.messages import Eye, FrameCheck, HealthEvent
from drone.onboard.checker import check_frame

__all__ = ["EFFECTS", "Effect", "EyeState", "HealthState", "check_frame", "events", "step"]


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


class HealthState(NamedTuple):
    """Both eyes, the pair, and when a frame last came (-1: the clock has not started)."""

    left: EyeState = EyeState()
    right: EyeState = EyeState()
    frame_ns: int = -1
    pair: EyeState = EyeState()

    @property
    def stereo_ok(self) -> bool:
        """Both eyes are believed, and that they are a pair."""
        return not (self.left.dead or self.right.dead or self.pair.dead)

    @property
    def stereo_sees(self) -> bool:
        """Both eyes see as a pair: what stereo says of the latest frame is a distance."""
        return self.left.sees and self.right.sees and self.pair.sees

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
        return ", ".join(dead)

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
        )
    frame_ns = now_ns if state.frame_ns < 0 else state.frame_ns
    if now_ns - frame_ns > ns_from_s(config[0].stale_s):
        left, right = _judge(left, "missing", 0, times), _judge(right, "missing", 0, times)
    return HealthState(left, right, frame_ns, pair)


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
