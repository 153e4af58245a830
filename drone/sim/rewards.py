"""What a step of the Gymnasium environments is worth.

In: where the drone truly is, how near things are, whether it crashed. Out: the terms whose sum is
the reward. All three kinds charge for flying close to things and for a crash; they differ in what
they pay for:

- `progress`: metres flown forward, along the level heading (the way the camera looks); flying
  backward costs as much. A tight circle pays too: watch the share of time spent turning.
- `explore`: half a metre for each new cell of 0.5 x 0.5 m of the floor plan, once an episode.
- `survive`: seconds in the air, in proportion to the speed up to 0.5 m/s; hovering earns nothing.
"""

from __future__ import annotations

import math

from drone.geometry import euler_from_quaternion
from drone.sim.vehicle import Kinematics

CRASH = -10.0
CLOSENESS_PER_S = 0.5
CLOSE_M = 1.0
CELL_M = 0.5
CRUISE_MPS = 0.5


class Reward:
    """The reward of one episode after the other.

    State: the cells of the floor plan that were visited in this episode.
    """

    def __init__(self, kind: str, dt_s: float) -> None:
        """Choose one.

        Args:
            kind: `progress`, `explore` or `survive`.
            dt_s: length of a step.
        """
        self._kind = kind
        self._dt_s = dt_s
        self._visited: set[tuple[int, int]] = set()

    def reset(self, motion: Kinematics) -> None:
        """Begin an episode."""
        self._visited = {_cell(motion)}

    def terms(self, motion: Kinematics, nearest_m: float, crashed: bool) -> dict[str, float]:
        """Return what a step is worth, term by term.

        Args:
            motion: the true one, at the end of the step.
            nearest_m: distance of the nearest thing in view.
            crashed: whether the step ended in a crash.
        """
        close = max(0.0, 1.0 - nearest_m / CLOSE_M)
        return {
            self._kind: self._earned(motion),
            "closeness": -CLOSENESS_PER_S * close * self._dt_s,
            "crash": CRASH if crashed else 0.0,
        }

    def _earned(self, motion: Kinematics) -> float:
        north, east, _ = motion.velocity_mps
        if self._kind == "progress":
            yaw_rad = euler_from_quaternion(motion.attitude)[2]
            return (north * math.cos(yaw_rad) + east * math.sin(yaw_rad)) * self._dt_s
        if self._kind == "survive":
            return min(math.hypot(north, east) / CRUISE_MPS, 1.0) * self._dt_s
        new = _cell(motion) not in self._visited
        self._visited.add(_cell(motion))
        return CELL_M if new else 0.0


def _cell(motion: Kinematics) -> tuple[int, int]:
    north, east, _ = motion.position_m
    return math.floor(north / CELL_M), math.floor(east / CELL_M)
