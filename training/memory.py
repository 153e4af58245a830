"""What a learner takes from one flight to the next, and when it is saved.

    learner ─► `Trainer.remembered` ─► Memory ─► store (training/store.py), beside the lessons
    store ─► Memory ─► `Trainer.recall` ─► a learner that goes on where the last flight ended

Frames of earlier flights get numbers and stamps below zero, so that none is taken for one of this
flight. Trust begins with those that were held out, scored by the version that flies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S, ns_from_s
from drone.errors import UserError
from drone.onboard.evidence import Pair
from drone.onboard.mono import MonoSpec
from training.buffer import LabelledFrame
from training.store import Memory, MemoryStore, Saved
from training.tensorfile import Arrays

_GRIDS = {"image": np.uint8, "inverse_depth": np.float32, "confidence": np.float32}
_NUMBERS = {
    "seq": np.int64,
    "stamp_ns": np.int64,
    "obstacle_m": np.float64,
    "down": np.float64,
    "lambda_px": np.float64,
    "overridden": np.uint8,
}


class Remembered(NamedTuple):
    """What came of keeping a memory in one flight.

    Attributes:
        saved: the last version saved, None if none was.
        problem: why the end of the flight is not in it; empty if it is.
    """

    saved: Saved | None
    problem: str


def packed(name: str, frames: Iterable[LabelledFrame]) -> dict[str, NDArray[Any]]:
    """Return frames as arrays `name.*`, one row each; nothing for no frames."""
    listed = list(frames)
    if not listed:
        return {}
    return {
        f"{name}.{field}": np.array([getattr(frame, field) for frame in listed], dtype)
        for field, dtype in {**_GRIDS, **_NUMBERS}.items()
    }


def unpacked(name: str, arrays: Arrays, shift: tuple[int, int] = (0, 0)) -> list[LabelledFrame]:
    """Return the frames that were packed under a name.

    Args:
        name: as given to `packed`.
        arrays: where they are among others.
        shift: taken from number and stamp (ns).
    """
    if f"{name}.seq" not in arrays:
        return []
    columns = {
        field: arrays[f"{name}.{field}"]
        for field in (*_GRIDS, *_NUMBERS)
        if f"{name}.{field}" in arrays
    }
    count = len(columns["seq"])
    overridden = columns.get("overridden", np.zeros(count, np.uint8))  # not in older memories
    return [
        LabelledFrame(
            seq=int(columns["seq"][i]) - shift[0],
            stamp_ns=int(columns["stamp_ns"][i]) - shift[1],
            image=columns["image"][i],
            inverse_depth=columns["inverse_depth"][i],
            confidence=columns["confidence"][i],
            obstacle_m=float(columns["obstacle_m"][i]),
            down=_vector(columns["down"][i]),
            lambda_px=float(columns["lambda_px"][i]),
            overridden=bool(overridden[i]),
        )
        for i in range(count)
    ]


def packed_weights(weights_of: Mapping[int, Arrays]) -> dict[str, NDArray[Any]]:
    """Return the weights of some versions as arrays `weights.<version>.*`."""
    return {
        f"weights.{version}.{name}": array
        for version, weights in weights_of.items()
        for name, array in weights.items()
    }


def unpacked_weights(arrays: Arrays) -> dict[int, Arrays]:
    """Return what `packed_weights` was given."""
    found: dict[int, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        kind, _, rest = name.partition(".")
        if kind == "weights":
            version, _, weight = rest.partition(".")
            found.setdefault(int(version), {})[weight] = array
    return dict(found)


def under(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return the arrays `name.*`, without that."""
    return {k.removeprefix(f"{name}."): a for k, a in arrays.items() if k.startswith(f"{name}.")}


def past(arrays: Arrays) -> tuple[int, int]:
    """Return what to take from numbers and stamps (ns), so that all lie before this flight.

    The newest stamp comes to lie a second before zero.
    """
    newest = [
        max((int(a.max()) for name, a in arrays.items() if name.endswith(end)), default=-1)
        for end in (".seq", ".stamp_ns")
    ]
    return newest[0] + 1, newest[1] + NS_PER_S


def labels_of(held_out: Iterable[LabelledFrame]) -> tuple[Pair, ...]:
    """Return held-out frames for trust, oldest first; their scores come with a model version."""
    nan = math.nan
    return tuple(
        Pair(frame.seq, frame.stamp_ns, frame.obstacle_m, nan, nan, True)
        for frame in sorted(held_out, key=lambda frame: frame.stamp_ns)
        if math.isfinite(frame.obstacle_m)
    )


def identity(kind: str, spec: MonoSpec, basis: str) -> dict[str, str]:
    """Return what must be equal for a memory to be of use.

    Args:
        kind: of the learner.
        spec: what its models are made for.
        basis: what else its numbers rest on.
    """
    made_for = spec.metadata(0)
    return {
        "learner": kind,
        "input": made_for["input"],
        "grid": made_for["grid"],
        "calibration": made_for["calibration"],
        "basis": basis,
    }


def check_identity(facts: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Check that a memory is one of this learner, grid, input and camera.

    Raises:
        UserError: it is not; the message names the difference.
    """
    for key, value in wanted.items():
        if facts.get(key) != value:
            raise UserError(
                f"this memory is of {key} {facts.get(key)!r}, but this flight's is {value!r}; "
                "right is another folder for --memory"
            )


class Keeper:
    """Saves a learner's memory now and then, beside the lessons; a lesson never waits for it."""

    def __init__(
        self, store: MemoryStore, remembered: Callable[[], Memory], every_s: float
    ) -> None:
        """Begin a flight.

        Args:
            store: open; closed by `finish`.
            remembered: takes a copy of what is to be saved.
            every_s: seconds of flight between two savings.
        """
        self._store = store
        self._remembered = remembered
        self._every_ns = ns_from_s(every_s)
        self._last_ns: int | None = None
        self._worker = ThreadPoolExecutor(1)
        self._saving: Future[Saved] | None = None
        self._saved: Saved | None = None
        self._problem = ""

    def lesson_over(self, now_ns: int) -> str:
        """Save if it is time; return what is wrong, in words, when that is new."""
        before = self._problem
        if self._saving is not None and self._saving.done():
            self._collect()
        self._last_ns = now_ns if self._last_ns is None else self._last_ns
        if self._saving is None and now_ns - self._last_ns >= self._every_ns:
            self._last_ns = now_ns
            self._saving = self._worker.submit(self._store.save, self._remembered())
        return self._problem if self._problem != before else ""

    def finish(self) -> Remembered:
        """Save what there is at the end of the flight, and let go of the store."""
        self._collect()
        self._saving = self._worker.submit(self._store.save, self._remembered())
        self._collect()
        self.close()
        return Remembered(self._saved, self._problem)

    def close(self) -> None:
        """Wait for what is being saved, and let go of the store."""
        self._worker.shutdown()
        self._store.close()

    def _collect(self) -> None:
        """Wait for what is being saved; a full disk is a problem, not an end."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        try:
            self._saved, self._problem = saving.result(), ""
        except OSError as error:
            self._problem = (
                f"{self._store.folder}: the memory cannot be saved: {error.strerror}; "
                "what was saved before stays"
            )


def _vector(row: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in row)
    return x, y, z
