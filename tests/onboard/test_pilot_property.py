"""Sequences of ticks, drawn piece by piece, through every strategy: what must hold at each tick."""

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pilotcases import CONFIG, Flight, vehicle

from drone.clock import ns_from_s
from drone.messages import Asked, Cue, Mode
from drone.onboard import switching
from drone.onboard.pilot import handed_over
from drone.onboard.switching import STRATEGIES, Situation

STANDING = (Mode.HOLD, Mode.LAND)
HALF_A_SECOND_NS = ns_from_s(0.5)
A_SECOND_NS = ns_from_s(1.0)
TRUSTED = Flight().earn_trust()
FAST, SHARD = 40, 5000
"""Sequences of each test: of every run, and of each of the twenty parts of the slow tier."""
SLOW_PARTS = range(20)


def config_of(strategy, handover_s=None, **rules):
    changes = {"strategy": strategy, "dagger_half_s": 5.0, "dagger_turn_s": 1.0, **rules}
    if strategy in ("training_wheels", "dagger", "cold_turkey"):
        changes["handover_s"] = handover_s
    switched = type(CONFIG.switching).model_validate({**CONFIG.switching.model_dump(), **changes})
    return CONFIG.model_copy(update={"switching": switched})


@dataclass
class Watchman:
    """Looks at every decision, and knows nothing of how it came about.

    Attributes:
        seen_ns: when a cue that may fly saw something last.
        held_ns: when mono held a licence last.
        changes: when each change of mode was made last.
        frozen: eyes that showed the picture at which they freeze: the first is as good as any.
    """

    flight: Flight
    seen_ns: int = 0
    held_ns: int = -(10**18)
    will: tuple[bool, Asked] = (True, Asked.NOTHING)
    frozen: tuple[str, ...] = ()
    changes: dict[tuple[Mode, Mode], int] = field(default_factory=dict)

    def __post_init__(self):
        self.seen_ns = self.flight.now_ns

    def tick(self, *, permitted=True, asked=Asked.NOTHING, **seen):
        """Fly one tick, and check it."""
        before = self.flight.state
        decision = self.flight.tick(permitted=permitted, asked=asked, **seen)
        state, config, now_ns = self.flight.state, self.flight.config, decision.stamp_ns
        self._limits(decision.command, config.limits)
        self._licence(decision, config)
        cues = STRATEGIES[config.switching.strategy].cues
        had_frame = self.flight.seq % 2 and not seen.get("silent")
        if had_frame and self._saw(seen, state, decision, cues):
            self.seen_ns = now_ns
        if now_ns - self.seen_ns >= HALF_A_SECOND_NS:
            assert decision.mode in STANDING, f"blind, and flies in {decision.mode}"
        if decision.mode in STANDING:
            assert (decision.command.forward_mps, decision.command.right_mps) == (0.0, 0.0)
        self._asked(before.mode, decision, permitted, asked)
        self._oscillation(before.mode, decision, (permitted, asked))
        return decision

    def _asked(self, before, decision, permitted, asked):
        """Who watches is obeyed at once; only the human pilot comes first, or ends a landing."""
        if asked is not Asked.NOTHING:
            assert decision.mode in STANDING, f"asked to {asked}, and flies in {decision.mode}"
        if permitted and (asked is Asked.LAND or before is Mode.LAND):
            assert decision.mode is Mode.LAND

    def _limits(self, command, limits):
        axes = (command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps)
        assert all(map(math.isfinite, axes))
        assert math.hypot(*axes[:2]) <= limits.max_speed_mps + 1e-12
        assert abs(command.down_mps) <= limits.max_vertical_mps
        assert abs(command.yaw_rate_radps) <= math.radians(limits.max_yaw_rate_degps)

    def _licence(self, decision, config):
        if decision.trust.held:
            self.held_ns = decision.stamp_ns
        if decision.mode in (Mode.MONO, Mode.TRAINING_WHEELS):
            if config.switching.asks_for_licence:
                assert decision.stamp_ns - self.held_ns <= A_SECOND_NS
            else:
                assert "without a licence" in decision.reason

    def _saw(self, seen, state, decision, cues):
        """Return whether the frame of this tick showed something to a cue that may fly."""
        config, now_ns = self.flight.config, decision.stamp_ns
        left, right = seen.get("left", ""), seen.get("right", "")
        repeats = set(seen.get("frozen", ())) & set(self.frozen)
        self.frozen = seen.get("frozen", ())
        well = not (left or right or repeats) and state.health.stereo_ok
        let_go = handed_over(state, now_ns, config)
        if Cue.STEREO in cues and well and not let_go:
            return True
        mono_m = seen.get("mono_m")
        licensed = decision.trust.held or not config.switching.asks_for_licence
        return bool(
            Cue.MONO in cues and licensed and mono_m is not None and math.isfinite(mono_m)
            and not (left and right)
        )  # fmt: skip

    def _oscillation(self, before, decision, will):
        if will != self.will:
            self.changes.clear()  # people may take over, ask and let go as they like
        self.will = will
        if decision.mode is before:
            return
        change, now_ns = (before, decision.mode), decision.stamp_ns
        last_ns = self.changes.get(change, -(10**18))
        assert now_ns - last_ns >= ns_from_s(CONFIG.switching.back_s), f"{change} again"
        self.changes[change] = now_ns


distances = st.sampled_from([3.0, 3.0, 0.9, 0.6, 0.2, math.nan, math.inf, 0.0])
verdicts = st.sampled_from(["", "", "", "black", "missing"])
pieces = st.fixed_dictionaries(
    {
        "ticks": st.sampled_from([1, 2, 5, 9, 14, 30]),
        "frame": st.one_of(
            st.just({"silent": True}),
            st.just({"stereo_m": 3.0, "mono_m": 3.0}),
            st.fixed_dictionaries(
                {
                    "left": verdicts,
                    "right": verdicts,
                    "frozen": st.sampled_from([(), (), ("left",), ("left", "right")]),
                    "stereo_m": distances,
                    "mono_m": st.one_of(st.none(), distances),
                    "both_m": distances,
                    "unfamiliarity": st.sampled_from([math.nan, 0.5, 9.0]),
                }
            ),
        ),
        "permitted": st.sampled_from([True, True, True, True, True, False]),
        "alive": st.sampled_from([True, True, True, True, None]),
        "asked": st.sampled_from([*[Asked.NOTHING] * 5, Asked.HOLD, Asked.LAND]),
    }
)
setups = st.tuples(
    st.sampled_from(sorted(STRATEGIES)), st.sampled_from([None, None, 0.0, 32.0]), st.booleans()
)


def fly(setup, drawn):
    strategy, handover_s, trusted = setup
    flight = Flight(config_of(strategy, handover_s), TRUSTED.state if trusted else None)
    flight.now_s, flight.seq = TRUSTED.now_s, TRUSTED.seq
    watchman = Watchman(flight)
    for piece in drawn:
        for _ in range(piece["ticks"]):
            will = {"permitted": piece["permitted"], "asked": piece["asked"]}
            watchman.tick(**will, alive=piece["alive"], **piece["frame"])


@given(setups, st.lists(pieces, max_size=8))
@settings(max_examples=FAST)
def test_whatever_comes_in_whatever_order(setup, drawn):
    fly(setup, drawn)


@pytest.mark.slow
@pytest.mark.parametrize("part", SLOW_PARTS)
def test_whatever_comes_in_a_hundred_thousand_orders(part):
    @settings(max_examples=SHARD, suppress_health_check=list(HealthCheck))
    @given(setups, st.lists(pieces, max_size=8))
    def flown(setup, drawn):
        fly(setup, drawn)

    flown.hypothesis.inner_test.__name__ += str(part)  # each part draws its own
    flown()


# Negative controls: the watchman sees what is wrong


def tampered(monkeypatch, situation, mode):
    table = dict(STRATEGIES["training_wheels"].table)
    table |= {(before, situation): mode for before in Mode}
    wrong = replace(STRATEGIES["training_wheels"], table=MappingProxyType(table))
    monkeypatch.setattr(switching, "STRATEGIES", {**STRATEGIES, "training_wheels": wrong})


def test_a_blind_drone_that_flies_on_is_seen(monkeypatch):
    tampered(monkeypatch, Situation.BLIND, Mode.STEREO)
    watchman = Watchman(Flight())
    with pytest.raises(AssertionError, match="blind, and flies"):
        [watchman.tick(silent=True) for _ in range(20)]


@pytest.mark.parametrize(
    ("situation", "asked"),
    [(Situation.ASKED_TO_HOLD, Asked.HOLD), (Situation.ASKED_TO_LAND, Asked.LAND)],
)
def test_a_drone_that_is_asked_and_flies_on_is_seen(monkeypatch, situation, asked):
    tampered(monkeypatch, situation, Mode.STEREO)
    watchman = Watchman(Flight())
    watchman.tick(stereo_m=3.0)
    with pytest.raises(AssertionError, match="asked to"):
        watchman.tick(stereo_m=3.0, asked=asked)


def test_a_landing_that_is_broken_off_is_seen(monkeypatch):
    tampered(monkeypatch, Situation.STEREO_ONLY, Mode.STEREO)
    watchman = Watchman(Flight())
    watchman.tick(stereo_m=3.0, asked=Asked.LAND)
    with pytest.raises(AssertionError):
        watchman.tick(stereo_m=3.0)


def test_mono_without_a_licence_is_seen(monkeypatch):
    tampered(monkeypatch, Situation.STEREO_ONLY, Mode.MONO)
    watchman = Watchman(Flight())
    with pytest.raises(AssertionError):
        watchman.tick(stereo_m=3.0, mono_m=3.0)


def flickering(back_s):
    """A vehicle state that comes and goes."""
    watchman = Watchman(Flight(config_of("training_wheels", back_s=back_s)))
    for k in range(40):
        state = vehicle(watchman.flight.now_ns, valid=k % 2 == 0)
        watchman.tick(alive=state, stereo_m=3.0)


def test_a_mode_that_flickers_is_seen():
    flickering(CONFIG.switching.back_s)
    with pytest.raises(AssertionError, match="again"):
        flickering(1e-9)
