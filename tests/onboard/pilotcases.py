"""A flight without images: ticks and percepts made by hand, on a fake clock, through `decide`."""

import math
from dataclasses import replace

import numpy as np

from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.geometry import quaternion_from_euler
from drone.messages import (
    Asked,
    DistanceLabel,
    Eye,
    FrameCheck,
    Mode,
    MonoEstimate,
    Tick,
    VehicleState,
)
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide

TICK_S, FRAME_S = 0.05, 0.1
CONFIG = PilotConfig.model_validate(
    {
        "tick_hz": 20,
        "mono": {"average_s": 0.0},
        "trust": {
            "window_s": 60.0,
            "holdout_window_s": 60.0,
            "min_tpr": 0.95,
            "max_fpr": 0.4,
            "min_positives": 4,
            "min_negatives": 4,
            "min_episodes": 1,
            "min_tpr_low": 0.0,
            "safety": 1.0,
            "earn_s": 0.5,
            "lose_s": 0.5,
            "max_frozen_s": 20.0,
        },
        "switching": {
            "stop_m": 1.0,
            "override_m": 0.8,
            "react_s": 0.2,
            "brake_mps2": 1.5,
            "mono_speed": 0.6,
            "stale_s": 0.35,
            "stereo_lost_s": 0.5,
            "stereo_back_s": 2.0,
            "blind_s": 0.4,
            "back_s": 0.5,
            "hold_s": 3.0,
        },
        "avoidance": {"cruise_mps": 0.5},
        "limits": {"max_speed_mps": 1.0, "land_mps": 0.3},
    }
)
GRID = np.full((2, 2), math.nan, np.float32)


def vehicle(now_ns, seq=0, valid=True, yaw_rad=0.0, **changes):
    facts = {
        "position_m": (0.0, 0.0, -1.1),
        "velocity_mps": (0.0, 0.0, 0.0),
        "attitude": quaternion_from_euler(0.0, 0.0, yaw_rad),
        **changes,
    }
    return VehicleState(seq, now_ns, valid, **facts)


def label(seq, stamp_ns, obstacle_m, valid=True, answered_m=math.nan):
    seen = DistanceLabel(
        seq, stamp_ns, valid, "", GRID, GRID, obstacle_m, (obstacle_m,) * 4, 3.0, 1.0
    )
    return replace(seen, answered_m=answered_m, answered_sectors_m=(answered_m,) * 4)


def estimate(seq, stamp_ns, obstacle_m, valid=True, eye=Eye.LEFT, **changes):
    sectors = (obstacle_m,) * 4
    seen = MonoEstimate(
        seq,
        stamp_ns,
        valid,
        "",
        1,
        eye,
        GRID,
        GRID,
        obstacle_m,
        sectors,
        cautious_m=obstacle_m,
    )
    return replace(seen, **changes)


class Flight:
    """Ticks at 20 Hz, frames at 10 Hz."""

    def __init__(self, config=CONFIG, state=None):
        self.config = config
        self.state = state or PilotState()
        self.now_s = 1000.0
        self.seq = 0
        self.decisions = []

    @property
    def now_ns(self):
        return ns_from_s(self.now_s)

    def tick(
        self, *, permitted=True, alive=True, model=None, health=(), asked=Asked.NOTHING, **frame
    ):
        """One tick; every second one has a frame (see `percept`)."""
        self.seq += 1
        self.now_s += TICK_S
        seen = self.percept(**frame) if self.seq % 2 else Percept()
        state = vehicle(self.now_ns, self.seq) if alive is True else alive
        parts = (None, state or None, health, model, asked)
        tick = Tick(self.seq, self.now_ns, True, permitted, *parts)
        self.state, decision = decide(self.state, tick, seen, self.config)
        self.decisions.append(decision)
        return decision

    def percept(
        self,
        *,
        silent=False,
        left="",
        right="",
        frozen=(),
        stereo_m=3.0,
        mono_m=None,
        unfamiliarity=math.nan,
        both_m=math.nan,
        answered_m=math.nan,
        plain_m=None,
    ):
        """What perception would say.

        Args:
            silent: no frame came.
            left: what is wrong with the left image.
            right: likewise.
            frozen: eyes that repeat their image; perception cannot see that.
            stereo_m: obstacle distance of the label.
            mono_m: of the estimate, None for no model yet.
            unfamiliarity: of the image.
            both_m: by both cues.
            answered_m: of the label, where silence counts as free way.
            plain_m: of the estimate before caution, None for the same.
        """
        if silent:
            return Percept()
        now_ns, seq = self.now_ns, self.seq
        crcs = [77 if eye in frozen else 1000 + seq for eye in ("left", "right")]
        check = FrameCheck(seq, now_ns, True, left, right, *crcs)
        blind = bool(left or right)
        seen = label(seq, now_ns, math.nan if blind else stereo_m, not blind, answered_m)
        if mono_m is None:
            return Percept(check, seen, None)
        no_eye = bool(left and right)
        mono = estimate(
            seq,
            now_ns,
            math.nan if no_eye else mono_m,
            not no_eye,
            Eye.RIGHT if left and not right else Eye.LEFT,
            unfamiliarity=unfamiliarity,
            both_m=both_m,
            both_sectors_m=(both_m,) * 4,
        )
        if plain_m is not None:
            mono = replace(mono, obstacle_m=plain_m)
        return Percept(check, seen, mono)

    def fly(self, duration_s, **frame):
        """Tick for so long; return the decisions."""
        count = round(duration_s / TICK_S)
        return [self.tick(**frame) for _ in range(count)]

    def until(self, mode, limit_s=30.0, **frame):
        """Tick until a mode is reached; return the seconds that took."""
        start_s = self.now_s
        while self.state.mode is not mode:
            self.tick(**frame)
            assert self.now_s - start_s < limit_s, f"{self.state.mode} instead of {mode}"
        return self.now_s - start_s

    def earn_trust(self):
        """Approach something and turn away, mono seeing what stereo sees; ends with free way."""
        for distance_m in (3.0, 0.6, 3.0):
            self.fly(3.0, stereo_m=distance_m, mono_m=distance_m)
        self.until(Mode.TRAINING_WHEELS, stereo_m=3.0, mono_m=3.0)
        self.fly(12.0, stereo_m=3.0, mono_m=3.0)  # turning times out: this yaw never follows
        assert self.decisions[-1].manoeuvre == "cruise"
        assert self.state.trust.report.held
        return self
