"""A learner's course over one recorded flight: test, then learn; freeze copies, and score them.

    fly a room by stereo once ─► moments ─► each learner: estimate, trust, learn, perhaps a version
                                    └─ from `at_s` on, for 100 s ◄─ a copy frozen at `at_s`

Every learner sees the very same frames and labels. Frames that a copy is scored on came after it
was frozen. Distances are those that fly: cautious, and averaged over a short while.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s, s_from_ns
from drone.config import Config
from drone.messages import (
    DistanceLabel,
    FloatGrid,
    ModelVersion,
    StereoFrame,
    TrustReport,
    Vector3,
)
from drone.onboard import trust
from drone.onboard.mono import MonoNetwork
from drone.onboard.perception import Perception
from drone.sim import labelflight
from drone.sim.cameras import calibration_of
from drone.sim.labelflight import fpr_at
from training.learners import trainer_for
from training.store import Memory
from training.trainer import Syllabus

AT_S = (15, 30, 60, 120, 300)
SCORED_S = 100


class Moment(NamedTuple):
    """One frame of a flight by stereo.

    Attributes:
        frame: both images.
        label: stereo's.
        down: unit vector along gravity in the optical frame.
        truth_m: true obstacle distance, m.
    """

    frame: StereoFrame
    label: DistanceLabel
    down: Vector3
    truth_m: float


def stereo_flight(config: Config, seed: int, duration_s: float) -> Iterator[Moment]:
    """Yield every frame of a flight by stereo alone, without a learner and without faults."""
    flight = config.flight.model_copy(update={"duration_s": duration_s})
    calibration = calibration_of(config.sim.camera)
    config = config.model_copy(update={"flight": flight})
    for label, output in labelflight.stereo_flight(config, seed):
        if output.frame is not None and label is not None and output.truth is not None:
            down = calibration.down_in_camera(output.vehicle.attitude)
            yield Moment(output.frame, label, down, output.truth.obstacle_m)


@dataclass
class Frozen:
    """A copy of what flew at some time, with what trust had chosen by then.

    Attributes:
        threshold_m: mono stops below this, m; NaN if there was none.
        fpr_promised: share of the free frames in trust's window that it stops.
    """

    at_s: float
    model: ModelVersion | None
    threshold_m: float = math.nan
    fpr_promised: float | None = None


@dataclass
class Course:
    """What came of one learner on one flight.

    Attributes:
        frozen: copies, by time.
        time_to_trust_s: when mono first held its licence, s; NaN if never.
        learn_s: processor seconds spent on learning.
        steps: of learning.
        flown_s: of the flight that was learned from.
        rejected: candidates that the gate refused.
    """

    frozen: list[Frozen] = field(default_factory=list)
    time_to_trust_s: float = math.nan
    learn_s: float = 0.0
    steps: int = 0
    flown_s: float = 0.0
    rejected: int = 0


class Student:
    """One learner with its trust, as they go through a flight."""

    def __init__(self, config: Config, seed: int, memory: Memory | None = None) -> None:
        """Begin with nothing learned in flight, or go on from another flight.

        Args:
            config: camera, pilot and learner.
            seed: of all that is random in the learner.
            memory: of another student (`remembered`).
        """
        calibration = calibration_of(config.sim.camera)
        self.perception = Perception(config.pilot, calibration)
        self._config = config
        self._trainer = trainer_for(
            Syllabus(
                config.learner,
                self.perception.spec,
                self.perception.meter,
                seed,
                config.pilot.mono.caution,
                calibration.disparity_metres,
            )
        )
        self._eye = Flown(config, self.perception)
        self._trust = trust.TrustState()
        self.model: ModelVersion | None = None
        self.course = Course()
        if memory is not None:
            self._recall(memory)

    @property
    def licence(self) -> TrustReport:
        """Mono's licence as it stands."""
        return self._trust.report

    def take(self, moment: Moment) -> float:
        """Test on a moment, then learn from it; return the distance that would fly, m or NaN."""
        now_ns, pilot = moment.frame.stamp_ns, self._config.pilot
        self._trust = trust.begun(self._trust, now_ns)
        stop_m = pilot.switching.stop_m
        label_m, mean_m = stereo_m(moment), math.nan
        if self.model is not None:
            seen = self._eye.look(moment)
            glance = trust.Glance(now_ns, seen.unfamiliarity, seen.uncertainty)
            self._trust = trust.see(self._trust, glance, pilot.trust)
            mean_m = seen.mean_m
            pair = trust.Pair(moment.frame.seq, now_ns, label_m, seen.raw_m, mean_m)
            if math.isfinite(label_m):
                self._trust = trust.add_pair(self._trust, pair, stop_m, pilot.trust)
        self._trust = trust.step(self._trust, now_ns, True, True, pilot.trust)
        if self._trust.report.held and math.isnan(self.course.time_to_trust_s):
            self.course.time_to_trust_s = s_from_ns(now_ns)
        self._learn(moment)
        self.course.flown_s = s_from_ns(now_ns)
        return mean_m

    def freeze(self, at_s: float) -> Frozen:
        """Keep a copy of what flies now, and return it."""
        threshold_m, stop_m = self.licence.threshold_m, self._config.pilot.switching.stop_m
        label_m, estimate_m = (
            np.array([getattr(pair, name) for pair in self._trust.evidence.pairs], np.float64)
            for name in ("label_m", "estimate_m")
        )
        promised, _ = rates(label_m, estimate_m, threshold_m, stop_m)
        copy = Frozen(at_s, self.model, threshold_m, promised)
        self.course.frozen.append(copy)
        return copy

    def remembered(self) -> Memory:
        """Return what another student can go on from."""
        return self._trainer.remembered()

    def _recall(self, memory: Memory) -> None:
        self._trainer.recall(memory)
        flying, labels = self._trainer.testimony()
        self._trust = trust.remembering(labels, self._config.pilot.switching.stop_m)
        if flying is not None:
            self._fly(flying)

    def _learn(self, moment: Moment) -> None:
        started_s = time.process_time()
        self._trainer.observe(moment.frame, moment.label, moment.down)
        self._trainer.learn()
        model = self._trainer.publish(moment.frame.stamp_ns)
        self.course.learn_s += time.process_time() - started_s
        self.course.steps = self._trainer.counts.steps
        self.course.rejected = self._trainer.counts.rejected
        if model is not None:
            self._fly(model)

    def _fly(self, model: ModelVersion) -> None:
        self.model = model
        self._eye.load(model)
        pilot = self._config.pilot
        self._trust = trust.rescore(
            self._trust, model, pilot.switching.stop_m, pilot.mono.average_s, pilot.trust
        )


class Seen(NamedTuple):
    """What a model says of one frame.

    Attributes:
        raw_m: the cautious obstacle distance by this frame alone, m.
        mean_m: averaged as it flies, m.
        unfamiliarity: of the image, NaN if unknown.
        uncertainty: as in `trust.Glance`.
        inverse_depth: of the cells, 1/m.
    """

    raw_m: float
    mean_m: float
    unfamiliarity: float
    uncertainty: float
    inverse_depth: FloatGrid


class Flown:
    """What a model says of frames in order: the distances that would fly."""

    def __init__(self, config: Config, perception: Perception) -> None:
        self._mono = config.pilot.mono
        self._perception = perception
        self._network: MonoNetwork | None = None
        self._recent: deque[tuple[int, float]] = deque()

    def load(self, model: ModelVersion) -> None:
        """Let this model answer from now on."""
        self._network = MonoNetwork(model, self._perception.spec)
        self._recent.clear()

    def look(self, moment: Moment) -> Seen:
        """Return what the model says of the next frame."""
        assert self._network is not None, "load a model first"
        assert moment.frame.left is not None, "a flight without faults has every image"
        answer = self._network.estimate(moment.frame.left)
        plain_m, raw_m = (
            answer.obstacle_m(self._perception.meter, moment.down, caution)
            for caution in (0.0, self._mono.caution)
        )
        now_ns = moment.frame.stamp_ns
        self._recent.append((now_ns, raw_m))
        while self._recent[0][0] < now_ns - ns_from_s(self._mono.average_s):
            self._recent.popleft()
        mean_m = trust.mean_distance(d for _, d in self._recent)
        uncertainty = trust.uncertainty(plain_m, raw_m)
        return Seen(raw_m, mean_m, answer.unfamiliarity, uncertainty, answer.inverse_depth)


def score(
    frozen: Frozen, moments: Sequence[Moment], config: Config, perception: Perception
) -> dict[str, float | None]:
    """Return how a frozen copy does on moments after it (`scored`)."""
    estimate_m = np.array([seen.mean_m for seen in looks(frozen, moments, config, perception)])
    return scored(frozen, estimate_m, moments, config)


def looks(
    frozen: Frozen, moments: Sequence[Moment], config: Config, perception: Perception
) -> list[Seen]:
    """Return what a frozen copy says of moments.

    A copy that was never published answers nothing, and stops the drone always.
    """
    if frozen.model is None:
        nothing = perception.meter.grid.unknown()
        return [Seen(0.0, 0.0, math.nan, math.nan, nothing)] * len(moments)
    eye = Flown(config, perception)
    eye.load(frozen.model)
    return [eye.look(moment) for moment in moments]


def scored(
    frozen: Frozen, estimate_m: NDArray[np.float64], moments: Sequence[Moment], config: Config
) -> dict[str, float | None]:
    """Return how well distances, (N,), tell near moments from free ones; unknown is None."""
    label_m = np.array([stereo_m(m) for m in moments])
    truth_m = np.array([m.truth_m for m in moments])
    stop_m, tpr = config.pilot.switching.stop_m, config.pilot.trust.min_tpr
    fpr_at_trust, tpr_at_trust = rates(label_m, estimate_m, frozen.threshold_m, stop_m)
    log_error = np.abs(np.log(np.where(estimate_m > 0, estimate_m, np.nan) / label_m))
    return {
        "fpr_at_tpr95": fpr_at(estimate_m, label_m, stop_m, tpr),
        "fpr_at_trust": fpr_at_trust,
        "tpr_at_trust": tpr_at_trust,
        "fpr_promised": frozen.fpr_promised,
        "fpr_at_tpr95_truth": fpr_at(estimate_m, truth_m, stop_m, tpr),
        "auc": area(label_m, estimate_m, stop_m),
        "male": _known(float(np.nanmean(log_error))) if np.isfinite(log_error).any() else None,
    }


def stereo_m(moment: Moment) -> float:
    """Return stereo's obstacle distance, m, NaN without a valid label."""
    return moment.label.obstacle_m if moment.label.valid else math.nan


def rates(
    reference_m: NDArray[np.float64],
    estimate_m: NDArray[np.float64],
    threshold_m: float,
    stop_m: float,
) -> tuple[float | None, float | None]:
    """Return FPR and TPR of stopping below a threshold; None where it or a class is missing."""
    near, free = reference_m < stop_m, reference_m >= stop_m
    if not math.isfinite(threshold_m) or not near.any() or not free.any():
        return None, None
    stops = _stopping(estimate_m) < threshold_m
    return _known(float(stops[free].mean())), _known(float(stops[near].mean()))


def area(
    reference_m: NDArray[np.float64], estimate_m: NDArray[np.float64], stop_m: float
) -> float | None:
    """Return the area under the ROC: how often a near frame looks nearer than a free one."""
    estimate = _stopping(estimate_m)
    near, free = estimate[reference_m < stop_m], np.sort(estimate[reference_m >= stop_m])
    if not len(near) or not len(free):
        return None
    above = len(free) - np.searchsorted(free, near, side="right")
    ties = len(free) - np.searchsorted(free, near, side="left") - above
    return _known(float((above + 0.5 * ties).mean() / len(free)))


def run(
    config: Config, seed: int, learners: Mapping[str, Config], at_s: Sequence[float] = AT_S
) -> dict[str, Any]:
    """Fly one room and send each learner through the flight.

    Args:
        config: room, camera, pilot of the flight by stereo.
        seed: of the room.
        learners: name -> configuration with its learner, and how its answers fly.
        at_s: when copies are frozen; the flight ends 100 s after the last.

    Returns:
        Learner -> its figures.
    """
    moments = list(stereo_flight(config, seed, at_s[-1] + SCORED_S))
    return {name: figures(own, seed, moments, at_s) for name, own in learners.items()}


def figures(
    config: Config, seed: int, moments: Sequence[Moment], at_s: Sequence[float]
) -> dict[str, Any]:
    """Return the figures of one learner on a flight."""
    student = Student(config, seed)
    waiting = deque(at_s)
    for moment in moments:
        while waiting and s_from_ns(moment.frame.stamp_ns) >= waiting[0]:
            student.freeze(waiting.popleft())
        if not waiting:
            break
        student.take(moment)
    course = student.course
    return {
        "time_to_trust_s": _known(course.time_to_trust_s),
        "at_s": {
            f"{copy.at_s:g}": score(copy, _after(moments, copy.at_s), config, student.perception)
            for copy in course.frozen
        },
        "core_seconds_per_flight_second": _known(course.learn_s / max(course.flown_s, 1e-9)),
        "sgd_steps_per_s": _steps_per_s(course, config.learner.kind),
        "rejected": course.rejected,
    }


def _steps_per_s(course: Course, kind: str) -> float | None:
    """Return steps per processor second; the paper's learners take none."""
    return _known(course.steps / max(course.learn_s, 1e-9)) if kind == "cnn" else None


def _after(moments: Sequence[Moment], at_s: float) -> list[Moment]:
    return [m for m in moments if at_s <= s_from_ns(m.frame.stamp_ns) < at_s + SCORED_S]


def _stopping(estimate_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the estimates with unknown ones as 0: they stop the drone."""
    return np.where(np.isnan(estimate_m), 0.0, estimate_m)


def _known(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
