"""The decision chain's bench: what it flies, and that its figure is one."""

from __future__ import annotations

import pytest

from drone.config import PilotConfig
from drone.decisionbench import APPROACH_S, Stream, bench_decision


def test_the_stream_flies_on_a_full_window_with_mono_trusted() -> None:
    config = PilotConfig()
    stream = Stream(config)
    pairs = stream.state.trust.evidence.pairs
    reach_s = (pairs[-1].stamp_ns - pairs[0].stamp_ns) / 1e9
    assert reach_s == pytest.approx(config.trust.holdout_window_s, abs=10.0), "of held-out blocks"
    assert sum(p.held_out for p in pairs) > 300
    assert stream.decision is not None
    assert stream.decision.trust.held
    assert stream.decision.trust.episodes > config.trust.window_s / APPROACH_S


def test_its_figure_stands_beside_the_bare_messages() -> None:
    figure = bench_decision(PilotConfig(), 20)
    assert figure.n == 20
    assert figure.ratio > 1, "no decision is faster than its messages"
