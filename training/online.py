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
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

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
from drone.onboard.mono import MonoSpec, network_input
from drone.runfolder import strict_json
from training.buffer import Batch, HoldOut, LabelledFrame, ReplayBuffer, role
from training.export import Exporter, sha256
from training.gate import Gate
from training.networks import GridNet, grid_loss

WARMUP_STEPS = 50
MAX_GRADIENT = 5.0


def single_thread() -> None:
    """Let torch use one thread, without which training is not repeatable."""
    torch.set_num_threads(1)


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
        self._gate = Gate(spec, meter, caution, self.holdout)
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
        verdict = self._gate.judge(model, self._answer)
        if verdict.refused:
            self.counts.rejected += 1
            self.counts.rejections.append(verdict.refused)
            return None
        self.counts.version = version
        self.counts.holdout_male = verdict.male
        return ModelVersion(
            version,
            now_ns,
            True,
            onnx,
            model.sha256,
            tuple(verdict.scores),
            tuple(score.cautious_m for score in verdict.scores.values()),
            strict_json({**summary, "holdout_male": self.counts.holdout_male}),
        )

    def _answer(self, image: Image) -> tuple[FloatGrid, FloatGrid]:
        """Return torch's own answer to an image of the network's input size."""
        batch = torch.from_numpy(network_input(image, self._spec.width_px, self._spec.height_px))
        with torch.no_grad():
            inverse_depth, log_variance = self._average.eval()(batch)
        self._average.train()
        return inverse_depth[0, 0].numpy(), log_variance[0, 0].numpy()


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
