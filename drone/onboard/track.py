"""A recorded path of the vehicle: poses by time, asked for at the stamps of images.

In: poses in any world and body frame, and velocities if the recorder has them. Out: vehicle states,
interpolated between neighbours close in time; None where no pose is close, NaN where a velocity is
unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from drone.clock import NS_PER_S, ns_from_s
from drone.geometry import Matrix
from drone.messages import Vector3, VehicleState

POSE_TOLERANCE_NS = ns_from_s(0.010)
"""A pose farther than this from a moment says nothing about it, unless a reader says otherwise."""
DIFFERENCE_TOLERANCE_NS = ns_from_s(0.100)
"""Neighbouring poses farther apart than this give no velocity."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Poses by time, in one world and one body frame.

    Attributes:
        stamps_ns: (N,) int64, increasing.
        position_m: (N, 3), world.
        attitude: N rotations, world from body.
        velocity_mps: (N, 3), world, NaN where unknown.
        rates_radps: (N, 3), body, NaN where unknown.
        reach_ns: a pose farther than this from a moment says nothing about it.
    """

    stamps_ns: NDArray[np.int64]
    position_m: Matrix
    attitude: Rotation
    velocity_mps: Matrix
    rates_radps: Matrix
    reach_ns: int = POSE_TOLERANCE_NS

    @classmethod
    def from_poses(
        cls,
        stamps_ns: NDArray[np.int64],
        position_m: Matrix,
        attitude: Rotation,
        velocity_mps: Matrix | None = None,
        gap_ns: int = DIFFERENCE_TOLERANCE_NS,
    ) -> Track:
        """Return the track of poses; what is not given comes from differences of neighbours.

        Args:
            stamps_ns: (N,) increasing.
            position_m: (N, 3), world.
            attitude: N rotations, world from body.
            velocity_mps: (N, 3), world, or None.
            gap_ns: neighbours farther apart than this tell no velocity.
        """
        before, after = _neighbours(stamps_ns, gap_ns)
        span_s = (stamps_ns[after] - stamps_ns[before])[:, None] / NS_PER_S
        span_s = np.where(span_s > 0, span_s, np.nan)
        turn = (attitude[before].inv() * attitude[after]).as_rotvec()
        if velocity_mps is None:
            velocity_mps = (position_m[after] - position_m[before]) / span_s
        return cls(stamps_ns, position_m, attitude, velocity_mps, turn / span_s)

    def in_frames(self, new_from_world: Matrix, body_from_new: Matrix) -> Track:
        """Return the same flight in another world and another body frame of the same origins.

        Args:
            new_from_world: (3, 3) rotation.
            body_from_new: (3, 3) rotation.
        """
        world, body = Rotation.from_matrix(new_from_world), Rotation.from_matrix(body_from_new)
        return replace(
            self,
            position_m=world.apply(self.position_m),
            attitude=world * self.attitude * body,
            velocity_mps=world.apply(self.velocity_mps),
            rates_radps=body.inv().apply(self.rates_radps),
        )

    def reaching(self, reach_ns: int) -> Track:
        """Return the same track whose poses count for moments up to `reach_ns` away."""
        return replace(self, reach_ns=reach_ns)

    def state(self, stamp_ns: int, seq: int) -> VehicleState | None:
        """Return the state at a moment, or None where no pose is within `reach_ns`.

        Between two such poses everything is interpolated; next to only one, that one's is taken.
        """
        bracket = self._bracket(stamp_ns)
        if bracket is None:
            return None
        i, j, share = bracket
        x, y, z, w = Slerp([0.0, 1.0], self.attitude[[i, j]])(share).as_quat(canonical=True)
        position, velocity, rates = (
            _vector(values[i] + share * (values[j] - values[i]))
            for values in (self.position_m, self.velocity_mps, self.rates_radps)
        )
        attitude = (float(w), float(x), float(y), float(z))
        return VehicleState(seq, stamp_ns, True, position, velocity, attitude, rates)

    def _bracket(self, stamp_ns: int) -> tuple[int, int, float] | None:
        """Return the poses before and after a moment, and the later one's share in it."""
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        around = [i for i in (after - 1, after) if 0 <= i < len(self.stamps_ns)]
        near = [i for i in around if abs(self.stamps_ns[i] - stamp_ns) <= self.reach_ns]
        if not near:
            return None
        i, j = near[0], near[-1]
        span_ns = int(self.stamps_ns[j] - self.stamps_ns[i])
        return i, j, (stamp_ns - int(self.stamps_ns[i])) / span_ns if span_ns else 0.0


def _neighbours(
    stamps_ns: NDArray[np.int64], gap_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index before and after each pose; its own where that is too far in time."""
    own = np.arange(len(stamps_ns), dtype=np.int64)
    close = np.diff(stamps_ns) <= gap_ns
    return own - np.append(False, close)[: len(own)], own + np.append(close, False)[: len(own)]


def _vector(values: Matrix) -> Vector3:
    x, y, z = values
    return float(x), float(y), float(z)
