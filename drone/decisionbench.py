"""The decision chain on a stream made by hand: one tick's cost, trust's window being full.

tick, percept ─► decide ─► state, decision
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from drone.bench import Figure, compare
from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.geometry import quaternion_from_euler
from drone.messages import (
    Decision,
    DistanceLabel,
    Eye,
    FrameCheck,
    ModelVersion,
    MonoEstimate,
    Tick,
    VehicleState,
)
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide

FRAME_S = 0.1
APPROACH_S = 12.0
"""From one obstacle to the next."""
VERSION_FRAMES, BLOCK_FRAMES = 50, 20
"""A version comes every 50 frames; one block in five is held out, as by default in flight."""


class Stream:
    """Frames at 10 Hz, one a tick: obstacles come and go, and mono is off by up to a tenth."""

    def __init__(self, config: PilotConfig) -> None:
        """Begin with trust's window full."""
        self._config = config
        self._frames = 0
        self.state = PilotState()
        self.decision: Decision | None = None
        window_s = max(config.trust.window_s, config.trust.holdout_window_s)
        while self._frames * FRAME_S <= window_s:
            self.step(*self.next())

    def next(self) -> tuple[Tick, Percept]:
        """Return what the next frame brings."""
        self._frames += 1
        seq, now_ns = self._frames, ns_from_s(self._frames * FRAME_S)
        attitude = quaternion_from_euler(0.0, 0.0, 0.01 * seq)
        vehicle = VehicleState(seq, now_ns, True, (0.0, 0.0, -1.0), (0.1, 0.0, 0.0), attitude)
        model = self._version(now_ns) if seq % VERSION_FRAMES == 0 else None
        tick = Tick(seq, now_ns, True, True, None, vehicle, model=model)
        return tick, self._percept(seq, now_ns)

    def step(self, tick: Tick, percept: Percept) -> None:
        """Decide, as in flight."""
        self.state, self.decision = decide(self.state, tick, percept, self._config)

    def _percept(self, seq: int, now_ns: int) -> Percept:
        label_m = 0.4 + 2.5 * abs(math.sin(math.pi * seq * FRAME_S / APPROACH_S))
        mono_m = label_m * (1 + 0.1 * math.sin(1.7 * seq))
        spec = self._config.grid_spec
        grid = np.full((spec.rows, spec.cols), 1 / label_m, np.float32)
        sectors_m = (label_m,) * self._config.corridor.sectors
        label = DistanceLabel(seq, now_ns, True, "", grid, grid, label_m, sectors_m, 3.0, 1.0)
        estimate = MonoEstimate(
            seq, now_ns, True, "", 1, Eye.LEFT, grid, grid, mono_m, sectors_m, mono_m, 0.5
        )
        return Percept(FrameCheck(seq, now_ns, True, "", "", seq, -seq), label, estimate)

    def _version(self, now_ns: int) -> ModelVersion:
        """Return a version that scores the held-out frames of late as they were scored."""
        late = [p for p in self.state.trust.evidence.pairs if p.seq // BLOCK_FRAMES % 5 == 4]
        seqs, scores = tuple(p.seq for p in late), tuple(p.raw_m for p in late)
        return ModelVersion(1, now_ns, True, b"", "", seqs, scores)


def bench_decision(config: PilotConfig, rounds: int) -> Figure:
    """Return ms per tick with a frame, against making such a state and decision.

    Args:
        config: of the pilot.
        rounds: how often each is timed.
    """
    stream = Stream(config)
    waiting = [stream.next()]
    assert stream.decision is not None, "its window is full"
    bare = stream.decision
    return compare(
        lambda: stream.step(*waiting[0]),
        lambda: (stream.state._replace(), replace(bare)),
        rounds,
        between=lambda: waiting.__setitem__(0, stream.next()),
    )
