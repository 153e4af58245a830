"""Wind: a steady one, and gusts as an Ornstein-Uhlenbeck process.

In: time. Out: how the air moves, NED. Dryden's along-wind turbulence is such a process too: its
spectrum falls with the square of the frequency beyond the reciprocal of a time constant.
"""

from __future__ import annotations

import math

import numpy as np

from drone.config import WindConfig
from drone.messages import Vector3
from drone.sim.estimator import Wander

_VERTICAL = 0.5
"""Gusts up and down over gusts along, near the ground (assumed)."""


class Wind:
    """The air of one room; the same everywhere in it."""

    def __init__(self, config: WindConfig, rng: np.random.Generator, dt_s: float) -> None:
        """Start it.

        Args:
            config: how it blows.
            rng: source of randomness, kept; untouched without gusts.
            dt_s: between two values.
        """
        toward = math.radians(config.toward_deg)
        self._mean = config.speed_mps * math.cos(toward), config.speed_mps * math.sin(toward), 0.0
        self._gusts: tuple[Wander, ...] = ()
        self._rng = rng
        if config.gust_mps:
            first = [float(x) for x in rng.standard_normal(3)]
            self._gusts = tuple(
                Wander(config.gust_mps * share, config.gust_s, dt_s, start)
                for share, start in zip((1.0, 1.0, _VERTICAL), first, strict=True)
            )

    def next_mps(self) -> Vector3:
        """Return how the air moves during the next step, NED."""
        if not self._gusts:
            return self._mean
        kicks = self._rng.standard_normal(3)
        n, e, d = (g.step(float(k)) for g, k in zip(self._gusts, kicks, strict=True))
        return self._mean[0] + n, self._mean[1] + e, d
