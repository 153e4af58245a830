"""Learning in flight: labelled frames in, model versions out, in lockstep with the frames.

    observe(frame, label) ─► buffer / held-out block
    learn()               ─► a fixed number of steps; NaN rolls back to the averaged weights
    publish(now)          ─► candidate = averaged weights ─► ONNX ─► gate ─► ModelVersion or None

What flies is a running average of the weights, which is calmer than the weights themselves. The
gate lets a candidate through only if it is finite, its ONNX answers equal torch's, and it is not
clearly worse than the flying version on the held-out frames.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import torch

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.errors import UserError
from drone.geometry import DistanceMeter
from drone.messages import (
    DistanceLabel,
    LearnerReport,
    ModelVersion,
    StereoFrame,
    Vector3,
)
from drone.onboard.mono import MonoNetwork, MonoSpec, network_input
from drone.runfolder import strict_json
from training.buffer import Batch, HoldOut, LabelledFrame, ReplayBuffer, role
from training.export import Exporter, sha256
from training.networks import GridNet, grid_loss

WARMUP_STEPS = 50
MAX_GRADIENT = 5.0
EXPORT_TOLERANCE = 1e-4
"""Largest difference between ONNX Runtime's and torch's outputs."""
GATE_RATIO, GATE_MARGIN = 1.15, 0.02
"""A candidate may have at most this held-out error: ratio times the flying one's plus margin."""


def single_thread() -> None:
    """Let torch use one thread, without which training is not repeatable."""
    torch.set_num_threads(1)


class Score(NamedTuple):
    """A version's obstacle distance for a held-out frame, m, NaN where unknown.

    Attributes:
        obstacle_m: as it thinks.
        cautious_m: as it flies.
    """

    obstacle_m: float
    cautious_m: float


@dataclass
class LearnerCounts:
    """What has happened so far."""

    labelled: int = 0
    steps: int = 0
    rollbacks: int = 0
    rejected: int = 0
    version: int = 0
    train_loss: float = math.nan
    holdout_male: float = math.nan
    rejections: list[str] = field(default_factory=list)


class OnlineTrainer:
    """The `cnn` learner."""

    def __init__(
        self,
        config: LearnerConfig,
        spec: MonoSpec,
        meter: DistanceMeter,
        seed: int,
        caution: float = 0.0,
    ) -> None:
        """Make a fresh network.

        Args:
            config: of the learner.
            spec: what its models are made for.
            meter: measures the held-out frames' obstacle distance.
            seed: of weights and sampling.
            caution: of the distances that go to trust (`MonoAnswer.near_bound`).
        """
        self.counts = LearnerCounts()
        self._config = config
        self._spec = spec
        self._meter = meter
        self._caution = caution
        self._rng = np.random.default_rng([seed, 7])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = GridNet(spec.grid)
        self._network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._average = copy.deepcopy(self._network)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._exporter = Exporter(self._network, spec)
        self.buffer = ReplayBuffer(config.buffer_frames)
        self.holdout = HoldOut(config.holdout_frames)
        self._flying: dict[int, Score] = {}
        self._flying_network: MonoNetwork | None = None
        self._published_ns = 0
        self._published_steps = 0

    def observe(self, frame: StereoFrame, label: DistanceLabel, down: Vector3) -> None:
        """Take in a labelled frame; one without a valid label teaches nothing."""
        if not label.valid or frame.left is None:
            return
        self.counts.labelled += 1
        size = (self._spec.width_px, self._spec.height_px)
        image = frame.left
        if image.shape[::-1] != size:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        sample = LabelledFrame(
            frame.seq,
            frame.stamp_ns,
            image,
            label.inverse_depth,
            label.confidence,
            label.obstacle_m,
            down,
        )
        purpose = role(frame.stamp_ns, self._config)
        if purpose == "train":
            self.buffer.add(sample)
        elif purpose == "holdout":
            self.holdout.add(sample)

    def learn(self) -> None:
        """Do the steps that one labelled frame is worth."""
        if len(self.buffer) < self._config.min_frames:
            return
        for _ in range(self._config.steps_per_frame):
            self._step(self.buffer.sample(self._config.batch_size, self._rng))

    def publish(self, now_ns: int) -> ModelVersion | None:
        """Return the next version if one is due and passes the gate."""
        due = now_ns - self._published_ns >= ns_from_s(self._config.publish_s)
        if not due or self.counts.steps == self._published_steps:
            return None
        self._published_ns, self._published_steps = now_ns, self.counts.steps
        return self._candidate(now_ns)

    def report(self, now_ns: int) -> LearnerReport:
        """Return how learning stands."""
        c = self.counts
        return LearnerReport(
            seq=c.steps,
            stamp_ns=now_ns,
            valid=True,
            sgd_steps=c.steps,
            buffer_frames=len(self.buffer),
            holdout_frames=len(self.holdout),
            train_loss=c.train_loss,
            holdout_male=c.holdout_male,
            version=c.version,
        )

    def _step(self, batch: Batch) -> None:
        image, target, confidence = _augmented(batch, self._rng)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * min(
                1, (self.counts.steps + 1) / WARMUP_STEPS
            )
        loss = grid_loss(self._network(image), target, confidence)
        self._optimizer.zero_grad()
        if not torch.isfinite(loss):
            self._roll_back()
            return
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._network.parameters(), MAX_GRADIENT)
        if not torch.isfinite(norm):
            self._roll_back()
            return
        self._optimizer.step()
        self.counts.steps += 1
        value, before = float(loss.detach()), self.counts.train_loss
        self.counts.train_loss = value if math.isnan(before) else 0.98 * before + 0.02 * value
        self._update_average()

    def _update_average(self) -> None:
        steps = self.counts.steps
        decay = min(self._config.average_decay, steps / (steps + 10))
        with torch.no_grad():
            pairs = zip(
                self._average.state_dict().values(),
                self._network.state_dict().values(),
                strict=True,
            )
            for mean, new in pairs:
                if mean.is_floating_point():
                    mean.lerp_(new, 1 - decay)
                else:
                    mean.copy_(new)

    def _roll_back(self) -> None:
        """Go back to the averaged weights, with a fresh optimiser."""
        self.counts.rollbacks += 1
        self._network.load_state_dict(self._average.state_dict())
        self._optimizer.state.clear()

    def _candidate(self, now_ns: int) -> ModelVersion | None:
        version = self.counts.version + 1
        summary = {
            "labelled_frames": self.counts.labelled,
            "sgd_steps": self.counts.steps,
            "train_loss": self.counts.train_loss,
        }
        onnx = self._exporter.export(self._average, version, {"training": strict_json(summary)})
        model = ModelVersion(version, now_ns, True, onnx, sha256(onnx))
        network, scores, refused = self._gate(model)
        if refused:
            self.counts.rejected += 1
            self.counts.rejections.append(refused)
            return None
        self.counts.version = version
        self.counts.holdout_male = self._male(scores)
        self._flying, self._flying_network = scores, network
        return ModelVersion(
            version,
            now_ns,
            True,
            onnx,
            model.sha256,
            tuple(scores),
            tuple(score.cautious_m for score in scores.values()),
            strict_json({**summary, "holdout_male": self.counts.holdout_male}),
        )

    def _gate(self, model: ModelVersion) -> tuple[MonoNetwork | None, dict[int, Score], str]:
        """Return the candidate, its held-out scores, and why it may not fly.

        Both versions are compared on all held-out frames of today: the flying one is scored on
        those that came since it was published, or it would live on the frames that once suited it.
        """
        try:
            network = MonoNetwork(model, self._spec)
        except UserError as error:
            return None, {}, str(error)
        scores = self._scores(network, {})
        if len(scores) < len(self.holdout):
            return None, {}, "not finite on a held-out frame"
        if not self._equals_torch(network):
            return None, {}, "ONNX differs from torch"
        if self._flying_network is not None:
            self._flying = self._scores(self._flying_network, self._flying)
        candidate, flying = self._male(scores, self._flying), self._male(self._flying, scores)
        if candidate > GATE_RATIO * flying + GATE_MARGIN:
            return None, {}, f"held-out error {candidate:.3f}, flying {flying:.3f}"
        return network, scores, ""

    def _scores(self, network: MonoNetwork, known: Mapping[int, Score]) -> dict[int, Score]:
        """Return a version's score for each held-out frame; none where its answer is not finite."""
        scores: dict[int, Score] = {}
        for frame in self.holdout.frames:
            if frame.seq in known:
                scores[frame.seq] = known[frame.seq]
                continue
            answer = network.estimate(frame.image)
            if answer.finite:
                grids = (answer.inverse_depth, answer.near_bound(self._caution))
                scores[frame.seq] = Score(*(self._meter.obstacle_m(g, frame.down) for g in grids))
        return scores

    def _equals_torch(self, network: MonoNetwork) -> bool:
        image = self.holdout.frames[-1].image if len(self.holdout) else self._gray()
        batch = torch.from_numpy(network_input(image, self._spec.width_px, self._spec.height_px))
        with torch.no_grad():
            expected = [output[0, 0].numpy() for output in self._average.eval()(batch)]
        self._average.train()
        answer = network.estimate(image)
        found = (answer.inverse_depth, answer.log_variance)
        differences = [np.abs(f - e).max() for f, e in zip(found, expected, strict=True)]
        return bool(max(differences) <= EXPORT_TOLERANCE)

    def _gray(self) -> np.ndarray:
        return np.full((self._spec.height_px, self._spec.width_px), 128, np.uint8)

    def _male(self, scores: dict[int, Score], among: dict[int, Score] | None = None) -> float:
        """Return the mean absolute log error on the held-out frames scored, NaN without any."""
        errors = [
            abs(math.log(scores[f.seq].obstacle_m / f.obstacle_m))
            for f in self.holdout.frames
            if f.seq in scores
            and (among is None or f.seq in among)
            and math.isfinite(f.obstacle_m)
            and math.isfinite(scores[f.seq].obstacle_m)
        ]
        return sum(errors) / len(errors) if errors else math.nan


def _augmented(
    batch: Batch, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the batch as tensors, each sample perhaps mirrored, with other exposure and noise.

    Mirroring keeps geometry: the camera's principal point lies in the middle of the image.
    """
    size = len(batch.image)
    gain = rng.uniform(0.8, 1.2, (size, 1, 1, 1)).astype(np.float32)
    offset = rng.uniform(-0.06, 0.06, (size, 1, 1, 1)).astype(np.float32)
    image = batch.image.astype(np.float32) / 255.0 * gain + offset
    image += 0.01 * rng.standard_normal(image.shape, np.float32)
    arrays = [np.clip(image, 0, 1), batch.inverse_depth, batch.confidence]
    mirrored = rng.random(size) < 0.5
    for array in arrays:
        array[mirrored] = array[mirrored, :, :, ::-1]
    tensors = [torch.from_numpy(a) for a in arrays]
    return tensors[0].contiguous(memory_format=torch.channels_last), tensors[1], tensors[2]
