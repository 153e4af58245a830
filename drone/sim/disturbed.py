"""The pair under faults of the light: eyes that saw at another time, elsewhere, through bad lenses.

In: the clean frame, the light of both eyes, the vehicle's motion. Out: the frame that the sensors
then deliver. A disturbed eye has the sensor noise of a stream of its own, so that the clean frame
stays what it is without faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drone.config import FaultConfig
from drone.messages import Image, StereoFrame
from drone.sim.cameras import StereoCamera
from drone.sim.faults import History
from drone.sim.lightfaults import EYES, LightFaults
from drone.sim.vehicle import Kinematics

_NOISE = 6
"""Random stream, after the seed."""


class DisturbedPair:
    """The pair of one flight.

    State: where the vehicle was lately, and the noise's random stream.

    Attributes:
        remembers: `remember` is wanted at every physics step.
    """

    def __init__(
        self, camera: StereoCamera, schedule: Sequence[FaultConfig], seed: Sequence[int]
    ) -> None:
        """Prepare for the faults that are scheduled.

        Args:
            camera: draws again what a disturbed eye sees.
            schedule: all faults; those of other places are passed over.
            seed: what names the flight (`drone.sim.faults.rng_of`).
        """
        self._camera = camera
        self._faults = LightFaults(schedule, seed)
        self._poses = History[Kinematics](self._faults.longest_early_s)
        self.remembers = self._faults.longest_early_s > 0
        if self._faults.any:
            first, *more = seed
            self._noise = camera.noise(np.random.default_rng([first, _NOISE, *more]))

    def remember(self, stamp_ns: int, motion: Kinematics) -> None:
        """Keep where the vehicle is, for eyes that are exposed early."""
        self._poses.add(stamp_ns, motion)

    def disturb(
        self, clean: StereoFrame, light: tuple[Image, Image | None], motion: Kinematics
    ) -> StereoFrame:
        """Return the frame with what faults of the light make of each eye."""
        if not self._faults.any:
            return clean
        left, right = (self._disturbed(eye, clean.stamp_ns, light[eye], motion) for eye in (0, 1))
        return replace(
            clean,
            left=clean.left if left is None else left,
            right=clean.right if right is None else right,
        )

    def _disturbed(
        self, eye: int, stamp_ns: int, light: Image | None, motion: Kinematics
    ) -> Image | None:
        """Return the image of one eye under faults of the light; None where there are none."""
        disturbance = self._faults.at(EYES[eye], stamp_ns)
        if disturbance is None or light is None:
            return None
        if disturbance.early_ns:
            motion = self._poses.at(stamp_ns - disturbance.early_ns)
        if disturbance.moves:
            light = self._camera.look(eye, motion, disturbance.turn)
        light = self._faults.through_lens(EYES[eye], light, disturbance)
        return self._camera.develop(eye, light, self._noise)
