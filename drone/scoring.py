"""What a flight amounts to: counts, rates and errors, from its ticks, decisions and truth.

A score takes in what happened tick by tick and gives plain numbers; flights, replays and reports
use it. Learning never sees it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drone.clock import s_from_ns
from drone.messages import (
    Decision,
    DistanceLabel,
    Mode,
    ModelVersion,
    MonoEstimate,
    Truth,
    Vector3,
)
from drone.onboard import avoidance
from drone.onboard.avoidance import Manoeuvre

FLYING = ("stereo", "training_wheels", "mono")
"""The modes in which the drone goes somewhere."""
TURNING = {manoeuvre.value for manoeuvre in avoidance.TURNING}
HOP_S = 1.0
"""A shorter while without turning does not end a turn."""
JUMP_M = 0.5
"""A larger step between two ticks is no flight: the drone was put elsewhere after a collision."""


@dataclass
class Confusion:
    """Stops against what should have been, frame by frame."""

    caught: int = 0
    missed: int = 0
    needless: int = 0
    free: int = 0

    def add(self, stops: bool, reference_m: float, stop_m: float) -> None:
        """Count one frame; without a reference it counts as neither."""
        if math.isnan(reference_m):
            return
        near = reference_m < stop_m
        self.caught += near and stops
        self.missed += near and not stops
        self.needless += stops and not near
        self.free += not near and not stops

    def to_dict(self) -> dict[str, Any]:
        """Return TPR, FPR and the counts behind them."""
        return {
            "tpr": _ratio(self.caught, self.caught + self.missed),
            "fpr": _ratio(self.needless, self.needless + self.free),
            "positives": self.caught + self.missed,
            "negatives": self.needless + self.free,
        }


@dataclass
class DistanceErrors:
    """Error of the obstacle distance beside two baselines, each told before it is known.

    The running mean is that of all references so far; the last label is the one before.
    """

    errors: dict[str, list[float]] = field(
        default_factory=lambda: {"mono": [], "mean": [], "last": []}
    )
    _sum: float = 0.0
    _count: int = 0
    _last: float = math.nan

    def add(self, estimate_m: float, reference_m: float, counts: bool = True) -> None:
        """Take in one frame; only where all three have an answer does it count."""
        if math.isnan(reference_m):
            return
        if counts and self._count and math.isfinite(estimate_m):
            told = {"mono": estimate_m, "mean": self._sum / self._count, "last": self._last}
            for name, value in told.items():
                self.errors[name].append(abs(math.log(value / reference_m)))
        self._sum += reference_m
        self._count += 1
        self._last = reference_m

    def next_part(self) -> DistanceErrors:
        """Return what counts on from here, with the same baselines."""
        return DistanceErrors(_sum=self._sum, _count=self._count, _last=self._last)

    def to_dict(self) -> dict[str, Any]:
        """Return `*_male` (mean absolute log error) and `delta_125` of mono, and their n."""
        mono = self.errors["mono"]
        close = sum(e < math.log(1.25) for e in mono)
        figures = {f"{name}_male": _mean(values) for name, values in self.errors.items()}
        return {**figures, "delta_125": _ratio(close, len(mono)), "n": len(mono)}


@dataclass
class FlightScore:
    """Sums over one flight.

    Attributes:
        stop_m: distance that makes a frame positive.
        go_m: farther than this the way is free enough for the pilot to go on.
        skip_frames: frames at the start that do not count for the distance errors.
        known_shares: share of known cells of each labelled frame.
    """

    stop_m: float
    go_m: float
    skip_frames: int = 0
    known_shares: list[float] = field(default_factory=list)
    mode_s: dict[str, float] = field(default_factory=lambda: {m.value: 0.0 for m in Mode})
    distance_m: dict[str, float] = field(default_factory=lambda: {m.value: 0.0 for m in Mode})
    collisions: dict[str, int] = field(default_factory=lambda: {m.value: 0 for m in Mode})
    stops: dict[str, int] = field(default_factory=lambda: {m.value: 0 for m in Mode})
    needless_stops: dict[str, int] = field(default_factory=lambda: {m.value: 0 for m in Mode})
    open_stops: dict[str, int] = field(default_factory=lambda: {m.value: 0 for m in Mode})
    turning_s: dict[str, float] = field(default_factory=lambda: {m.value: 0.0 for m in Mode})
    longest_turn_s: float = 0.0
    overrides: int = 0
    time_to_trust_s: float = math.nan
    labelled_frames: int = 0
    model_versions: int = 0
    frames: int = 0
    against_stereo: Confusion = field(default_factory=Confusion)
    against_truth: Confusion = field(default_factory=Confusion)
    stereo_against_truth: Confusion = field(default_factory=Confusion)
    distance_errors: DistanceErrors = field(default_factory=DistanceErrors)
    _first_ns: int = -1
    _last_ns: int = -1
    _position_m: Vector3 | None = None
    _mode: Mode = Mode.STEREO
    _overriding: bool = False
    _manoeuvre: str = Manoeuvre.CRUISE.value
    _turn_s: float = 0.0
    _hop_s: float = 0.0
    _reference_m: float = math.nan
    _hidden_m: float = math.nan

    def see(
        self, label: DistanceLabel | None, estimate: MonoEstimate | None, truth: Truth | None
    ) -> None:
        """Take in one frame's label, estimate and truth."""
        self.frames += 1
        if truth is not None:
            self._reference_m = truth.obstacle_m
        label_m = label.obstacle_m if label is not None and label.valid else math.nan
        if label is not None and label.valid:
            self.labelled_frames += 1
            self.known_shares.append(float(np.isfinite(label.inverse_depth).mean()))
        hidden_m = label_m if truth is None else truth.stereo_obstacle_m
        if truth is not None:
            stops = not hidden_m >= self.stop_m
            self.stereo_against_truth.add(stops, truth.obstacle_m, self.stop_m)
        estimate_m = math.nan if estimate is None else estimate.obstacle_m
        self.distance_errors.add(estimate_m, hidden_m, self.frames > self.skip_frames)
        self._hidden_m = hidden_m

    def decided(self, decision: Decision, position_m: Vector3, new_frame: bool) -> None:
        """Take in one tick's decision and where the drone was."""
        if self._last_ns < 0:
            self._first_ns = self._last_ns = decision.stamp_ns
        step_s = s_from_ns(decision.stamp_ns - self._last_ns)
        mode = self._mode.value
        self.mode_s[mode] += step_s
        self._travel(mode, position_m)
        self._turning(mode, decision, step_s)
        self._stops(decision)
        self.overrides += decision.override and not self._overriding
        if decision.trust.held and math.isnan(self.time_to_trust_s):
            self.time_to_trust_s = s_from_ns(decision.stamp_ns - self._first_ns)
        if new_frame and math.isfinite(decision.trust.threshold_m):
            stops = not decision.mono_obstacle_m >= decision.trust.threshold_m
            self.against_stereo.add(stops, self._hidden_m, self.stop_m)
            self.against_truth.add(stops, self._reference_m, self.stop_m)
        self._last_ns, self._mode = decision.stamp_ns, decision.mode
        self._overriding = decision.override

    def collided(self) -> None:
        """Count one episode of contact, in the mode that flew."""
        self.collisions[self._mode.value] += 1

    def published(self, model: ModelVersion) -> None:
        """Count a model version."""
        self.model_versions += model.valid

    def next_part(self) -> FlightScore:
        """Return the score of what follows; what both count adds up to that of the whole."""
        return FlightScore(
            self.stop_m,
            self.go_m,
            max(0, self.skip_frames - self.frames),
            distance_errors=self.distance_errors.next_part(),
            _first_ns=self._last_ns,
            _last_ns=self._last_ns,
            _position_m=self._position_m,
            _mode=self._mode,
            _overriding=self._overriding,
            _manoeuvre=self._manoeuvre,
            _turn_s=self._turn_s,
            _hop_s=self._hop_s,
            _reference_m=self._reference_m,
            _hidden_m=self._hidden_m,
        )

    @property
    def simulated_s(self) -> float:
        """Time between the first and the last decision, s."""
        return sum(self.mode_s.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the flight's figures, unknown as NaN."""
        flying = sum(self.mode_s[m] for m in FLYING)
        return {
            "simulated_s": round(self.simulated_s, 3),
            "collisions": self._collisions(),
            "distance_m": {m: round(self.distance_m[m], 3) for m in FLYING},
            "mode_s": {m: round(s, 3) for m, s in self.mode_s.items()},
            "turning_share": _rounded(_ratio(sum(self.turning_s.values()), flying)),
            "overrides": self.overrides,
            "time_to_trust_s": _rounded(self.time_to_trust_s),
            "labelled_frames": self.labelled_frames,
            "model_versions": self.model_versions,
            "measures": self._measures(),
        }

    def _collisions(self) -> dict[str, int]:
        """Return the collisions per mode; landing is the end of holding."""
        counts = dict(self.collisions)
        counts[Mode.HOLD.value] += counts.pop(Mode.LAND.value)
        return counts

    def _counts(self) -> dict[str, dict[str, int]]:
        return {
            "stops": self.stops,
            "needless_stops": self.needless_stops,
            "open_stops": self.open_stops,
            "collisions": self.collisions,
        }

    def _measures(self) -> dict[str, Any]:
        return {
            "metres_per_min": {
                m: _rounded(60 * _ratio(self.distance_m[m], self.mode_s[m])) for m in FLYING
            },
            "turning_share": {
                m: _rounded(_ratio(self.turning_s[m], self.mode_s[m])) for m in FLYING
            },
            **{
                f"{name}_per_100m": {
                    m: _rounded(100 * _ratio(counts[m], self.distance_m[m])) for m in FLYING
                }
                for name, counts in self._counts().items()
            },
            "overrides_per_100m": _rounded(
                100 * _ratio(self.overrides, self.distance_m[Mode.TRAINING_WHEELS.value])
            ),
            "longest_turn_s": round(self.longest_turn_s, 3),
            "mono_against_stereo": self.against_stereo.to_dict(),
            "mono_against_truth": self.against_truth.to_dict(),
            "stereo_against_truth": self.stereo_against_truth.to_dict(),
            "obstacle_distance": self.distance_errors.to_dict(),
        }

    def _travel(self, mode: str, position_m: Vector3) -> None:
        if self._position_m is not None:
            step_m = math.dist(position_m[:2], self._position_m[:2])
            self.distance_m[mode] += step_m if step_m < JUMP_M else 0.0
        self._position_m = position_m

    def _turning(self, mode: str, decision: Decision, step_s: float) -> None:
        turns = self._manoeuvre in TURNING
        self.turning_s[mode] += step_s if turns else 0.0
        self._hop_s = 0.0 if turns else self._hop_s + step_s
        if self._hop_s >= HOP_S:
            self._turn_s = 0.0
        self._turn_s += step_s if turns else 0.0
        self.longest_turn_s = max(self.longest_turn_s, self._turn_s)

    def _stops(self, decision: Decision) -> None:
        """Count a stop as needless where truth (or stereo, without truth) says free.

        A stop in the open is one where the pilot itself would have gone on.
        """
        brakes, mode = decision.manoeuvre == Manoeuvre.BRAKE.value, decision.mode.value
        if brakes and self._manoeuvre != Manoeuvre.BRAKE.value:
            reference_m = self._hidden_m if math.isnan(self._reference_m) else self._reference_m
            self.stops[mode] += 1
            self.needless_stops[mode] += reference_m >= self.stop_m
            self.open_stops[mode] += reference_m >= self.go_m
        self._manoeuvre = decision.manoeuvre


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean(values: list[float]) -> float:
    return _ratio(sum(values), len(values))


def _rounded(value: float) -> float:
    return value if math.isnan(value) else round(value, 4)
