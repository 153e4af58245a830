"""Where faults enter: edits of what the simulator hands out, by a schedule.

In: the schedule (`FaultConfig`), what each eye delivered last, and a clean frame. Out: what arrives
instead. Seq and stamp stay as they were and nothing is marked: to notice is the pilot's business.

A black or white eye has no noise; a frozen one repeats the last image that it delivered; a dropped
one delivers nothing (None), and a dropped pair not even a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drone.clock import s_from_ns
from drone.config import FaultConfig
from drone.messages import Image, StereoFrame


@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """The last image that each eye delivered; None before the first."""

    left: Image | None = None
    right: Image | None = None


def active(schedule: Sequence[FaultConfig], stamp_ns: int) -> tuple[FaultConfig, ...]:
    """Return the faults that hold at a moment: from `start_s` until before `end_s`."""
    now_s = s_from_ns(stamp_ns)
    return tuple(f for f in schedule if f.start_s <= now_s and (f.end_s is None or now_s < f.end_s))


def apply(
    schedule: Sequence[FaultConfig], last: Delivered, frame: StereoFrame
) -> tuple[Delivered, StereoFrame | None]:
    """Return what was delivered, to pass in next time, and the frame that arrives.

    Where several faults hold for one eye, the later in the schedule goes over the earlier.
    """
    now = active(schedule, frame.stamp_ns)
    if any(f.kind == "dropped" and f.eye == "pair" for f in now):
        return last, None
    left = _eye(_kinds(now, "left"), last.left, frame.left)
    right = _eye(_kinds(now, "right"), last.right, frame.right)
    delivered = Delivered(
        last.left if left is None else left, last.right if right is None else right
    )
    return delivered, replace(frame, left=left, right=right)


def _kinds(faults: Sequence[FaultConfig], eye: str) -> list[str]:
    return [f.kind for f in faults if f.eye in (eye, "pair")]


def _eye(kinds: Sequence[str], last: Image | None, image: Image | None) -> Image | None:
    """Return what one eye delivers under these faults."""
    if image is None or not kinds:
        return image
    kind = kinds[-1]
    if kind == "dropped":
        return None
    if kind == "frozen":
        return image if last is None else last
    return np.full_like(image, 255 if kind == "white" else 0)
