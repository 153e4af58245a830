"""A flight as columns of numbers: what a report needs of a log, without its images.

One row per tick, one row per frame, the few events (`drone.report.reading` makes it). Images are
fetched later, for the few moments that the report shows (`drone.report.moments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drone.config import Config
from drone.flightlog import LIVE_SOURCE, LogHeader
from drone.messages import (
    Eye,
    LearnerReport,
    Mode,
    Vector3,
)
from drone.scoring import JUMP_M

Table: TypeAlias = np.ndarray[Any, np.dtype[np.void]]
"""Rows with named columns."""
Mask = NDArray[np.bool_]
MODES = tuple(Mode)
"""The column `mode` holds positions in here."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment.

    Attributes:
        t_s: since the first tick.
        position_m: NED, NaN where unknown.
    """

    t_s: float
    kind: str
    detail: str
    position_m: Vector3


@dataclass(frozen=True, slots=True)
class Learning:
    """A learner's report, with its time since the first tick."""

    t_s: float
    report: LearnerReport


@dataclass(frozen=True, slots=True)
class Swap:
    """A model version began to fly."""

    t_s: float
    version: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which something held, s since the first tick."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Ailment:
    """Something was wrong with an eye or the pair, for so long."""

    eye: Eye
    kind: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """What a log says, as columns.

    Attributes:
        header: of the log.
        config: the resolved configuration.
        damaged: what is wrong with the file, None if nothing.
        ticks: one row per tick: `t_s`; `mono_m`, `stereo_m`, `threshold_m` as decided on, m;
            `operating_m`, `tpr`, `fpr`, `positives`, `negatives`, `held`, `frozen` of the licence;
            `north_m`, `east_m` by the vehicle; `override`, `blocked`, `brakes`; `permitted` by
            the human pilot; `mode`, an index of `MODES`.
        frames: one row per frame: `label_m` and `labelled`; `raw_m`, mono's for this image alone;
            `flown_m` (cautious, averaged) and `threshold_m` as decided on; `true_m`; `hidden_m` of
            healthy stereo; `north_m` and `east_m` in truth; `unfamiliarity` of the image to the
            network; NaN where unknown; `relief`, how much depth varies over the image; `why` there
            is no label, an index of `reasons`.
        reasons: why frames had no label; the first is empty, of those that had one.
        ailments: what was wrong with the eyes, in the order of its beginning.
        marks: what was logged as an event, of the flight or of the cameras.
        learning: how learning stood.
        swaps: which version flew from when on.
        figures: of the whole flight, as `FlightScore` counts them.
        licence: what was said of mono's licence last, in words.
        epoch_ns: stamp of the first tick, where `t_s` is 0.
        first_tick: its number; not 0 where the beginning of the flight is not in the log.
    """

    header: LogHeader
    config: Config
    damaged: str | None
    ticks: Table
    frames: Table
    reasons: tuple[str, ...]
    ailments: tuple[Ailment, ...]
    marks: tuple[Mark, ...]
    learning: tuple[Learning, ...]
    swaps: tuple[Swap, ...]
    figures: Mapping[str, Any]
    licence: str
    epoch_ns: int
    first_tick: int = 0

    @property
    def duration_s(self) -> float:
        """From the first to the last tick, s."""
        return float(self.ticks["t_s"][-1]) if len(self.ticks) else 0.0

    @property
    def has_truth(self) -> bool:
        """The log knows what the pilot did not see."""
        return bool(np.isfinite(self.frames["true_m"]).any())

    @property
    def tells_contacts(self) -> bool:
        """The log knows when something was touched; of a vehicle nobody says."""
        return self.header.source == "sim"

    @property
    def live(self) -> bool:
        """A live camera was watched, by `drone replay --live`."""
        return self.header.source.startswith(LIVE_SOURCE)

    @property
    def watched(self) -> bool:
        """The human pilot had control throughout: a recorded flight, or a vehicle carried."""
        return bool(len(self.ticks)) and not self.ticks["permitted"].any()

    @property
    def track(self) -> Table:
        """The rows, of frames or of ticks, that say best where the drone was; may be empty."""
        for rows in (self.frames, self.ticks):
            known: Table = rows[np.isfinite(rows["north_m"]) & np.isfinite(rows["east_m"])]
            if len(known):
                return known
        return self.ticks[:0]

    def of_kind(self, kind: str) -> list[Mark]:
        """Return the marks of one kind."""
        return [mark for mark in self.marks if mark.kind == kind]

    def spans(self, holds: Mask) -> list[Span]:
        """Return when something held, for a mask over the ticks."""
        edges = np.flatnonzero(np.diff(holds, prepend=False, append=False))
        ends_s = np.append(self.ticks["t_s"], self.duration_s)
        return [
            Span(float(ends_s[a]), float(ends_s[b]))
            for a, b in zip(edges[::2], edges[1::2], strict=True)
        ]

    def in_mode(self, mode: Mode) -> list[Span]:
        """Return when a mode flew."""
        return self.spans(self.ticks["mode"] == MODES.index(mode))

    @property
    def overrides(self) -> list[Span]:
        """When stereo stopped a drone that mono would have let fly on."""
        return self.spans(self.ticks["override"])


def put_there(flight: Flight, rows: Table) -> Mask:
    """Return, per row of a track, whether the drone was put there (in simulation), not flown."""
    step_m = np.hypot(np.diff(rows["north_m"]), np.diff(rows["east_m"]))
    jump_m = JUMP_M if flight.header.source == "sim" else math.inf
    return np.concatenate([[True], step_m >= jump_m]) if len(rows) else np.zeros(0, bool)
