"""Disparity in, distance label out: the only teacher of the network.

Each cell of the grid gets the median inverse depth of its known pixels, and a confidence from how
many are known, how sure they are, and how well they agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone.config import LabelConfig
from drone.geometry import DistanceMeter, cells
from drone.messages import DistanceLabel, FloatGrid, StereoFrame, Vector3
from drone.onboard.stereo import DisparityMap


@dataclass(frozen=True)
class Labeller:
    """Makes labels for one camera.

    Attributes:
        config: thresholds.
        meter: grid, corridor and camera.
        disparity_metres: focal length times baseline, px m.
    """

    config: LabelConfig
    meter: DistanceMeter
    disparity_metres: float

    def label(self, frame: StereoFrame, matched: DisparityMap, down: Vector3) -> DistanceLabel:
        """Return the label of a matched frame; invalid, with the reason, where too little is known.

        Args:
            frame: gives number and stamp.
            matched: of this frame.
            down: unit vector along gravity in the left optical frame.
        """
        inverse_depth, confidence = self._grid(matched)
        share = float(np.isfinite(inverse_depth).mean())
        valid = share >= self.config.min_valid_share
        disparity = matched.disparity_px
        known = np.isfinite(disparity)
        return DistanceLabel(
            seq=frame.seq,
            stamp_ns=frame.stamp_ns,
            valid=valid,
            reason="" if valid else f"only {share:.0%} of the cells are known",
            inverse_depth=inverse_depth,
            confidence=confidence,
            obstacle_m=self.meter.obstacle_m(inverse_depth, down),
            sectors_m=self.meter.sectors_m(inverse_depth, down),
            lambda_px=float(disparity[known].mean()) if known.any() else math.nan,
            answered_share=matched.answered_share,
        )

    def unknown(self, frame: StereoFrame, reason: str) -> DistanceLabel:
        """Return the label of a frame that could not be matched."""
        grid = self.meter.grid
        return DistanceLabel(
            seq=frame.seq,
            stamp_ns=frame.stamp_ns,
            valid=False,
            reason=reason,
            inverse_depth=grid.unknown(),
            confidence=np.zeros((grid.rows, grid.cols), np.float32),
            obstacle_m=math.nan,
            sectors_m=(math.nan,) * self.meter.corridor.sectors,
            lambda_px=math.nan,
            answered_share=0.0,
        )

    def _grid(self, matched: DisparityMap) -> tuple[FloatGrid, FloatGrid]:
        disparity = cells(matched.disparity_px, self.meter.grid)
        count = np.isfinite(disparity).sum(axis=2)
        ordered = np.sort(disparity, axis=2)  # NaN sorts last
        low, median, high = (_quantile(ordered, count, q) for q in (0.25, 0.5, 0.75))
        share = count / disparity.shape[2]
        known = share >= max(self.config.min_cell_share, 1 / disparity.shape[2])
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = (high - low) / np.maximum(median, 0.5)
            agreement = np.minimum(1.0, self.config.max_cell_spread / spread)
        sureness = cells(matched.confidence, self.meter.grid).sum(axis=2) / np.maximum(count, 1)
        confidence = np.where(known, share * sureness * np.nan_to_num(agreement), 0.0)
        inverse_depth = np.where(known, median / self.disparity_metres, np.nan)
        return inverse_depth.astype(np.float32), confidence.astype(np.float32)


def _quantile(
    ordered: NDArray[np.float32], count: NDArray[np.int64], q: float
) -> NDArray[np.float32]:
    """Return the lower quantile of the first `count` of the ordered values of each cell."""
    index = np.maximum(0, np.floor(q * (count - 1))).astype(np.int64)
    return np.take_along_axis(ordered, index[:, :, None], axis=2)[:, :, 0]
