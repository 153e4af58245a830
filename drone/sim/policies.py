"""Two policies to compare a learner with: a random one, and one that a person wrote in ten lines.

In: an observation of `drone.sim.env`. Out: an action.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drone.sim.observing import Observation

Action = NDArray[np.float32]
_HALF_VIEW_RAD = math.radians(35)
_HALF_WIDTH_M = 0.45
"""Hull and margin: what is farther to the side may stay there."""
_STOP_M, _FAST_M = 0.9, 2.0


class RandomPolicy:
    """Draws every action evenly from the whole action space."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, observation: Observation) -> Action:
        """Return an action, whatever is seen."""
        return self._rng.uniform(-1, 1, 4).astype(np.float32)


class ScriptedPolicy:
    """Flies ahead while the way is free by the sectors, else turns to where more room is.

    It uses `sectors` alone, which are true distances: no learner from images can be expected to
    know as much. State: the direction of the turn that is going on.
    """

    def __init__(self) -> None:
        self._turn = 0.0

    def __call__(self, observation: Observation) -> Action:
        """Return the action for what is seen."""
        sectors = observation["sectors"].astype(float)
        bearings = ((np.arange(len(sectors)) + 0.5) / len(sectors) * 2 - 1) * _HALF_VIEW_RAD
        in_the_way = np.abs(sectors * np.sin(bearings)) < _HALF_WIDTH_M
        ahead_m = float(np.min((sectors * np.cos(bearings))[in_the_way], initial=8.0))
        if ahead_m < _STOP_M:
            half = len(sectors) // 2
            freer = math.copysign(1.0, sectors[half:].sum() - sectors[:half].sum())
            self._turn = self._turn or freer
            return np.array([0, 0, 0, 0.6 * self._turn], np.float32)
        self._turn = 0.0
        forward = 0.6 * min(1.0, 0.3 + (ahead_m - _STOP_M) / (_FAST_M - _STOP_M))
        return np.array([forward, 0, 0, 0], np.float32)
