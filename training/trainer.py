"""What every learner does alike: labelled frames in, gated model versions out.

    observe(frame, label) ─► held-out block, or `_take`
    learn()               ─► what one labelled frame is worth
    publish(now)          ─► due? ─► `_export` ─► gate ─► ModelVersion or None

A learner of one's own is a subclass that says what is abstract here,
and a line in `training.learners.LEARNERS`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.geometry import DistanceMeter
from drone.messages import (
    DistanceLabel,
    FloatGrid,
    Image,
    LearnerReport,
    ModelVersion,
    StereoFrame,
    Vector3,
)
from drone.onboard.evidence import Pair
from drone.onboard.mono import MonoAnswer, MonoSpec
from drone.runfolder import strict_json
from training import memory
from training.buffer import HoldOut, LabelledFrame, role
from training.export import renumbered, sha256
from training.familiarity import Familiarity
from training.gate import Gate, with_scores
from training.store import Memory
from training.tensorfile import Arrays


class Syllabus(NamedTuple):
    """What a learner is made from; crosses from the flight's process to the learner's.

    Attributes:
        config: of the learner.
        spec: what its models are made for.
        meter: measures the held-out frames' obstacle distance.
        seed: of all that is random.
        caution: of the distances that go to trust (`MonoAnswer.obstacle_m`).
        disparity_metres: focal length times baseline of the labels' camera, px m.
    """

    config: LearnerConfig
    spec: MonoSpec
    meter: DistanceMeter
    seed: int
    caution: float = 0.0
    disparity_metres: float = math.nan


@dataclass
class LearnerCounts:
    """What has happened so far."""

    labelled: int = 0
    steps: int = 0
    rollbacks: int = 0
    rejected: int = 0
    rolled_back: int = 0
    version: int = 0
    train_loss: float = math.nan
    holdout_male: float = math.nan
    rejections: list[str] = field(default_factory=list)


class Trainer(ABC):
    """A learner in flight.

    Attributes:
        counts: what has happened so far.
        holdout: frames that no version learns from.
        weights_of: the learner's own weights of the latest versions that passed, by version.
    """

    keeps_memory = False
    """Whether `_arrays` and `_recall` are there, so that the next flight can go on from it."""
    learns_from_both_eyes = False
    """Whether the right image is taken in too, as a frame of its own."""

    def __init__(self, syllabus: Syllabus) -> None:
        self.counts = LearnerCounts()
        self.holdout = HoldOut(syllabus.config.holdout_frames)
        self._config = syllabus.config
        self._spec = syllabus.spec
        self._meter = syllabus.meter
        self._gate = Gate(
            syllabus.spec,
            syllabus.meter,
            syllabus.caution,
            self.holdout,
            syllabus.config.gated,
        )
        self._familiarity = Familiarity(
            syllabus.spec, syllabus.config.buffer_frames, syllabus.config.holdout_frames
        )
        self._published_ns = 0
        self._published_steps = 0
        self._reason = ""
        self.weights_of: dict[int, Arrays] = {}
        self._flights = 1

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Labelled frames held for learning."""

    @abstractmethod
    def learn(self) -> None:
        """Do what one labelled frame is worth."""

    @abstractmethod
    def _take(self, sample: LabelledFrame) -> None:
        """Take in a frame to learn from."""

    @abstractmethod
    def _export(self, version: int, training: str) -> bytes:
        """Return the candidate as an ONNX file with `training` in its metadata."""

    @abstractmethod
    def _answer(self, image: Image) -> MonoAnswer:
        """Return the candidate's own answer, for the gate."""

    @property
    def _basis(self) -> str:
        """What else a memory's numbers rest on, beside camera, input and grid."""
        return ""

    def _weights(self) -> Arrays:
        """Return a copy of the candidate's own weights, by name; nothing if it has none."""
        return {}

    def _arrays(self) -> Arrays:
        """Return a copy of what is learned and held for learning, by name."""
        raise NotImplementedError

    def _recall(self, arrays: Arrays, shift: tuple[int, int]) -> None:
        """Take back what `_arrays` gave.

        Args:
            arrays: among others.
            shift: to take from numbers and stamps of frames (`memory.unpacked`).

        Raises:
            UserError: they do not fit this learner.
        """
        raise NotImplementedError

    @property
    def _identity(self) -> dict[str, str]:
        return memory.identity(self._config.kind, self._spec, self._basis)

    def _recall_counts(self, facts: Mapping[str, Any]) -> None:
        self._flights = facts["flights"] + 1
        c = self.counts
        c.labelled, c.version = facts["labelled_frames"], facts["version"]
        c.steps = self._published_steps = facts["sgd_steps"]
        c.train_loss, c.holdout_male = (
            math.nan if facts[key] is None else facts[key] for key in ("train_loss", "holdout_male")
        )

    def observe(
        self, frame: StereoFrame, label: DistanceLabel, down: Vector3, overridden: bool = False
    ) -> None:
        """Take in a labelled frame; one without a valid label, or a cell of it, teaches nothing.

        Args:
            frame: both eyes.
            label: what stereo says about it.
            down: unit vector along gravity in the optical frame.
            overridden: stereo stopped a drone here that mono would have let fly on.
        """
        if not label.valid or frame.left is None:
            return
        if not _known(label.inverse_depth, label.confidence).any():
            return
        self.counts.labelled += 1
        sample = LabelledFrame(
            frame.seq,
            frame.stamp_ns,
            self._resized(frame.left),
            *_certain(label.inverse_depth, label.confidence),
            label.obstacle_m if 0 < label.obstacle_m < math.inf else math.nan,
            down,
            label.lambda_px,
            overridden,
        )
        purpose = role(frame.stamp_ns, self._config)
        if purpose == "train":
            self._take(sample)
            if self.learns_from_both_eyes and frame.right is not None:
                self._take_right(sample, frame.right, label)
            self._familiarity.learn(sample.image)
        elif purpose == "holdout":
            self.holdout.add(sample)
            self._familiarity.hold_out(sample.image)

    def publish(self, now_ns: int) -> ModelVersion | None:
        """Return the next version if one is due and passes the gate, or an earlier one again."""
        self._reason = ""
        due = now_ns - self._published_ns >= ns_from_s(self._config.publish_s)
        if not due or self.counts.steps == self._published_steps:
            return None
        self._published_ns, self._published_steps = now_ns, self.counts.steps
        return self._candidate(now_ns)

    @property
    def flying(self) -> ModelVersion | None:
        """The version that flies, None if none does."""
        return self._gate.accepted[0]

    def testimony(self) -> tuple[ModelVersion | None, tuple[Pair, ...]]:
        """Return what flies with its scores of the held-out frames, and their labels, for trust."""
        flying, scores = self.flying, self._gate.today()
        if flying is None:
            return None, ()
        return with_scores(flying, scores), memory.labels_of(self.holdout.frames)

    def adopt(self, flying: ModelVersion) -> None:
        """Let a version fly that comes from elsewhere; candidates are compared with it.

        Raises:
            UserError: damaged, or made for something else.
        """
        self._gate.adopt(flying, None)
        self.counts.version = flying.seq

    def remembered(self) -> Memory:
        """Return a copy of all that the next flight can go on from."""
        c = self.counts
        models = {
            name: model
            for name, model in zip(("flying", "best"), self._gate.accepted, strict=True)
            if model is not None
        }
        facts = {
            **self._identity,
            "flights": self._flights,
            "labelled_frames": c.labelled,
            "sgd_steps": c.steps,
            "train_loss": c.train_loss,
            "holdout_male": c.holdout_male,
            "buffer_frames": self.buffered,
            "holdout_frames": len(self.holdout),
            "version": c.version,
            "versions": {name: model.seq for name, model in models.items()},
        }
        arrays = {
            **memory.packed("holdout", self.holdout.frames),
            **memory.packed_weights(self.weights_of),
            **self._familiarity.arrays(),
            **self._arrays(),
        }
        return Memory(facts, arrays, {name: model.onnx for name, model in models.items()})

    def recall(self, kept: Memory) -> None:
        """Go on from an earlier flight.

        Raises:
            UserError: it is of another learner, grid, input or camera.
        """
        memory.check_identity(kept.facts, self._identity)
        self._recall_counts(kept.facts)
        shift = memory.past(kept.arrays)
        for frame in memory.unpacked("holdout", kept.arrays, shift):
            self.holdout.add(frame)
        self.weights_of = memory.unpacked_weights(kept.arrays)
        self._familiarity.recall(kept.arrays)
        self._recall(kept.arrays, shift)
        models = {
            name: ModelVersion(kept.facts["versions"][name], 0, True, onnx, sha256(onnx))
            for name, onnx in kept.models.items()
        }
        if "flying" in models:
            self._gate.adopt(models["flying"], models.get("best"))

    def report(self, now_ns: int) -> LearnerReport:
        """Return how learning stands."""
        c = self.counts
        return LearnerReport(
            seq=c.steps,
            stamp_ns=now_ns,
            valid=True,
            sgd_steps=c.steps,
            buffer_frames=self.buffered,
            holdout_frames=len(self.holdout),
            train_loss=c.train_loss,
            holdout_male=c.holdout_male,
            version=c.version,
            reason=self._reason,
            rejected=c.rejected,
            rolled_back=c.rolled_back,
        )

    def _take_right(self, left: LabelledFrame, image: Image, label: DistanceLabel) -> None:
        """Take in the same moment as the right eye saw it, if it has a label of its own."""
        inverse_depth, confidence = label.right_inverse_depth, label.right_confidence
        if inverse_depth is None or confidence is None:
            return
        inverse_depth, confidence = _certain(inverse_depth, confidence)
        self._take(
            replace(
                left,
                image=self._resized(image),
                inverse_depth=inverse_depth,
                confidence=confidence,
                obstacle_m=self._meter.obstacle_m(inverse_depth, left.down),
            )
        )

    def _resized(self, image: Image) -> Image:
        size = (self._spec.width_px, self._spec.height_px)
        if image.shape[::-1] == size:
            return image
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _candidate(self, now_ns: int) -> ModelVersion | None:
        version = self.counts.version + 1
        summary = {
            "learner": self._config.kind,
            "labelled_frames": self.counts.labelled,
            "sgd_steps": self.counts.steps,
            "train_loss": self.counts.train_loss,
        }
        onnx = self._familiarity.written_into(self._export(version, strict_json(summary)))
        model = ModelVersion(version, now_ns, True, onnx, sha256(onnx))
        verdict = self._gate.judge(model, self._answer)
        if verdict.refused:
            self._reason = verdict.refused
            self.counts.rejected += 1
            self.counts.rejections.append(verdict.refused)
        if verdict.again is not None:
            self.counts.rolled_back += 1
            onnx = renumbered(verdict.again.onnx, version)
            summary = {**summary, "again": verdict.again.seq}
            weights = self.weights_of.get(verdict.again.seq, {})
        elif verdict.refused:
            return None
        else:
            weights = self._weights()
        self._keep_weights(version, weights)
        self.counts.version = version
        self.counts.holdout_male = verdict.male
        summary = {**summary, "holdout_male": verdict.male}
        model = ModelVersion(
            version, now_ns, True, onnx, sha256(onnx), summary=strict_json(summary)
        )
        return with_scores(model, verdict.scores)

    def _keep_weights(self, version: int, weights: Arrays) -> None:
        """Keep a version's weights, and those of the one before and of all that the gate knows."""
        known = {model.seq for model in self._gate.accepted if model is not None}
        known.add(self.counts.version)
        self.weights_of = {k: v for k, v in self.weights_of.items() if k in known}
        if weights:
            self.weights_of[version] = weights


def _known(inverse_depth: FloatGrid, confidence: FloatGrid) -> NDArray[np.bool_]:
    """Return which cells can teach: a distance that is a number, with a confidence that is one."""
    known = np.isfinite(inverse_depth) & (inverse_depth > 0)
    return np.asarray(known & np.isfinite(confidence) & (confidence > 0), np.bool_)


def _certain(inverse_depth: FloatGrid, confidence: FloatGrid) -> tuple[FloatGrid, FloatGrid]:
    """Return both with unknown in every cell that cannot teach."""
    known = _known(inverse_depth, confidence)
    return (
        np.where(known, inverse_depth, np.float32(np.nan)),
        np.where(known, confidence, np.float32(0)),
    )
