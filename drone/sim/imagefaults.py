"""Faults of the eyes after the sensor: what becomes of the images of a frame.

In: a clean frame. Out: what arrives instead, or None where nothing does. The faults are stages in
the order of the schedule, each over what the one before it left:

- black and white images have no noise;
- a frozen eye repeats the last image that it had before, a delayed one shows an older one;
- a torn image is new above and the eye's previous one below;
- a dropped image is None, and a dropped pair not even a frame;
- swapped eyes deliver each other's images.

A missing image stays missing, unless the eye is frozen or delayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from drone.config import FaultConfig
from drone.messages import Image, StereoFrame
from drone.sim.faults import History, concerns, holds, rng_of

Eyes = tuple[Image | None, Image | None]
"""The images of the left and the right eye."""


class ImageFaults:
    """The stages of one flight.

    State: per stage, the older images that it may show again, and its random stream.
    """

    def __init__(self, schedule: Sequence[FaultConfig], seed: Sequence[int]) -> None:
        """Make the stages.

        Args:
            schedule: all faults; those of other places are passed over.
            seed: what names the flight (`drone.sim.faults.rng_of`).
        """
        self._stages: list[tuple[FaultConfig, _Stage]] = []
        for place, fault in enumerate(schedule):
            if fault.kind == "swapped":
                self._stages.append((fault, _Swapped()))
            elif fault.kind == "dropped":
                self._stages.append((fault, _Dropped(fault, rng_of(seed, place))))
            elif fault.kind in _EYE_STAGES:
                self._stages.append((fault, _PerEye(fault)))

    def apply(self, frame: StereoFrame) -> StereoFrame | None:
        """Return the frame that arrives; to be called with every clean frame, in order."""
        eyes: Eyes = (frame.left, frame.right)
        arrives = True
        for fault, stage in self._stages:
            after = stage.step(eyes, frame.stamp_ns, holds(fault, frame.stamp_ns))
            arrives = arrives and after is not None
            eyes = after or (None, None)
        return replace(frame, left=eyes[0], right=eyes[1]) if arrives else None


class _Stage(Protocol):
    def step(self, eyes: Eyes, stamp_ns: int, holds: bool) -> Eyes | None:
        """Return what is left of both images; None where the frame is lost."""


class _EyeStage(Protocol):
    def step(self, image: Image | None, stamp_ns: int, holds: bool) -> Image | None:
        """Return what is left of one image."""


class _PerEye:
    """The same stage at each eye that the fault concerns."""

    def __init__(self, fault: FaultConfig) -> None:
        make = _EYE_STAGES[fault.kind]
        self._left, self._right = (
            make(fault) if concerns(fault, eye) else None for eye in ("left", "right")
        )

    def step(self, eyes: Eyes, stamp_ns: int, holds: bool) -> Eyes:
        left, right = eyes
        if self._left is not None:
            left = self._left.step(left, stamp_ns, holds)
        if self._right is not None:
            right = self._right.step(right, stamp_ns, holds)
        return left, right


class _Swapped:
    def step(self, eyes: Eyes, stamp_ns: int, holds: bool) -> Eyes:
        return (eyes[1], eyes[0]) if holds else eyes


class _Dropped:
    """Draws a lot for every frame, so that the lots do not depend on when the fault holds."""

    def __init__(self, fault: FaultConfig, rng: np.random.Generator) -> None:
        self._fault = fault
        self._rng = rng

    def step(self, eyes: Eyes, stamp_ns: int, holds: bool) -> Eyes | None:
        lost = self._rng.random() < self._fault.probability
        if not (holds and lost):
            return eyes
        if self._fault.eye == "pair":
            return None
        return (None, eyes[1]) if self._fault.eye == "left" else (eyes[0], None)


class _Even:
    """A black or a white image."""

    def __init__(self, fault: FaultConfig) -> None:
        self._level = 255 if fault.kind == "white" else 0

    def step(self, image: Image | None, stamp_ns: int, holds: bool) -> Image | None:
        return np.full_like(image, self._level) if holds and image is not None else image


class _Frozen:
    """Keeps the last image from before; begins with the first where there was none before."""

    def __init__(self, fault: FaultConfig) -> None:
        self._last: Image | None = None

    def step(self, image: Image | None, stamp_ns: int, holds: bool) -> Image | None:
        if not holds or self._last is None:
            self._last = self._last if image is None else image
            return image
        return self._last


class _Delayed:
    def __init__(self, fault: FaultConfig) -> None:
        self._images = History[Image](fault.delay_s)
        self._empty = True

    def step(self, image: Image | None, stamp_ns: int, holds: bool) -> Image | None:
        if image is not None:
            self._images.add(stamp_ns, image)
            self._empty = False
        return self._images.delayed() if holds and not self._empty else image


class _Torn:
    """New rows above, rows of the previous image below."""

    def __init__(self, fault: FaultConfig) -> None:
        self._share = fault.share
        self._previous: Image | None = None

    def step(self, image: Image | None, stamp_ns: int, holds: bool) -> Image | None:
        previous, self._previous = self._previous, self._previous if image is None else image
        if not holds or image is None or previous is None:
            return image
        torn = image.copy()
        seam = round(self._share * len(image))
        torn[seam:] = previous[seam:]
        return torn


_EYE_STAGES: dict[str, type[_Even] | type[_Frozen] | type[_Delayed] | type[_Torn]] = {
    "black": _Even,
    "white": _Even,
    "frozen": _Frozen,
    "delayed": _Delayed,
    "torn": _Torn,
}
