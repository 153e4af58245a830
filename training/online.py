"""Learning in flight: labelled frames in, model versions out, in lockstep with the frames.

    learn() ─► a fixed number of steps; NaN rolls back to the averaged weights

What flies is a running average of the weights, which is calmer than the weights themselves
(`training.trainer` has what all learners do alike, `training.gate` what may fly).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drone.config.learner import PRETRAINED_WIDTH
from drone.errors import UserError
from drone.messages import Image
from drone.onboard.mono import MonoAnswer, network_input
from training.augment import IN_FLIGHT, mirror
from training.buffer import Batch, LabelledFrame, ReplayBuffer
from training.export import Exporter
from training.memory import packed, under, unpacked
from training.networks import OBSTACLE_WEIGHT, GridNet, loss_of, surprise
from training.tensorfile import Arrays
from training.trainer import Syllabus, Trainer
from training.warmstart import load_weights

WARMUP_STEPS = 50
MAX_GRADIENT = 5.0


def single_thread() -> None:
    """Let torch use one thread, without which training is not repeatable."""
    torch.set_num_threads(1)


class OnlineTrainer(Trainer):
    """The `cnn` learner."""

    keeps_memory = True

    def __init__(self, syllabus: Syllabus) -> None:
        """Make the network, pre-trained or fresh.

        Raises:
            UserError: the pre-trained weights are for another grid.
        """
        super().__init__(syllabus)
        config, seed = syllabus.config, syllabus.seed
        self._rng = np.random.default_rng([seed, 7])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = GridNet(self._spec.grid, syllabus.meter.camera, config.width)
        self._learning_rate = config.learning_rate
        if config.start == "warm":
            load_weights(network)
            self._learning_rate = config.warm_learning_rate
        self._network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._average = copy.deepcopy(self._network)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), self._learning_rate, weight_decay=config.weight_decay
        )
        self._obstacle_weight = OBSTACLE_WEIGHT if config.two_heads else 0.0
        self._exporter = Exporter(self._network, self._spec, config.two_heads)
        self.buffer = ReplayBuffer(config.buffer_frames, seed, config.balanced)
        self.learns_from_both_eyes = config.both_eyes

    @property
    def buffered(self) -> int:
        """Labelled frames held for training."""
        return len(self.buffer)

    @property
    def _basis(self) -> str:
        width = self._config.width
        return "" if width == PRETRAINED_WIDTH else f"width {width}"

    def learn(self) -> None:
        """Do the steps that one labelled frame is worth."""
        if len(self.buffer) < self._config.min_frames:
            return
        for _ in range(self._config.steps_per_frame):
            self._step(self.buffer.sample(self._config.batch_size, self._rng))

    def _take(self, sample: LabelledFrame) -> None:
        self.buffer.add(sample)

    def _step(self, batch: Batch) -> None:
        image, target, confidence, obstacle = self._tensors(batch)
        if not self._config.weighted:
            confidence = (confidence > 0).float()
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate * min(1, (self.counts.steps + 1) / WARMUP_STEPS)
        answer = self._network(image)
        loss = loss_of(answer, target, confidence, obstacle, self._obstacle_weight)
        _remember(batch, surprise(answer, target))
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

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self._config.augmented:
            return _augmented(batch, self._rng)
        return _plain(batch)

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

    def _weights(self) -> Arrays:
        return _arrays(self._average.state_dict())

    def _arrays(self) -> Arrays:
        moments = {
            f"{name}.{moment}": value
            for name, parameter in self._network.named_parameters()
            for moment, value in self._optimizer.state.get(parameter, {}).items()
        }
        return {
            **packed("buffer", self.buffer.frames),
            **_arrays(self._network.state_dict(), "network."),
            **_arrays(self._average.state_dict(), "average."),
            **_arrays(moments, "optimizer."),
        }

    def _recall(self, arrays: Arrays, shift: tuple[int, int]) -> None:
        for name, network in (("network", self._network), ("average", self._average)):
            load_arrays(network, under(name, arrays))
        moments = under("optimizer", arrays)
        for name, parameter in self._network.named_parameters():
            own = under(name, moments)
            if own:
                self._optimizer.state[parameter] = {
                    moment: _moment(value, parameter) for moment, value in own.items()
                }
        for frame in unpacked("buffer", arrays, shift):
            self.buffer.add(frame)

    def _export(self, version: int, training: str) -> bytes:
        return self._exporter.export(self._average, version, {"training": training})

    def _answer(self, image: Image) -> MonoAnswer:
        """Return torch's own answer to an image of the network's input size."""
        batch = torch.from_numpy(network_input(image, self._spec.width_px, self._spec.height_px))
        with torch.no_grad():
            answer = self._average.eval()(batch)
        self._average.train()
        obstacle = (float(answer.obstacle_inverse), float(answer.obstacle_log_variance))
        return MonoAnswer(
            answer.inverse_depth[0, 0].numpy(),
            answer.log_variance[0, 0].numpy(),
            obstacle if self._config.two_heads else None,
        )


def load_arrays(network: GridNet, arrays: Arrays) -> None:
    """Give a network weights by name.

    Raises:
        UserError: they are another network's.
    """
    wanted = network.state_dict()
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise UserError("these weights are those of another network than this version's")
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


def _arrays(tensors: Mapping[str, Tensor], prefix: str = "") -> Arrays:
    """Return copies as NumPy's arrays."""
    return {prefix + name: value.detach().numpy().copy() for name, value in tensors.items()}


def _moment(value: NDArray[Any], parameter: Tensor) -> Tensor:
    """Return a state of the optimiser: a count of steps, or laid out as its parameter is."""
    tensor = torch.from_numpy(value)
    return torch.empty_like(parameter).copy_(tensor) if tensor.ndim else tensor


def _plain(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return image, inverse depth, confidence and inverse obstacle distance as tensors."""
    image = torch.from_numpy(batch.image).float() / 255
    grids = (torch.from_numpy(g) for g in (batch.inverse_depth, batch.confidence))
    obstacle = torch.from_numpy(batch.obstacle_inverse)
    return image.contiguous(memory_format=torch.channels_last), *grids, obstacle  # type: ignore[return-value]


def _augmented(batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the batch as tensors, each picture changed in its own way, some mirrored."""
    image, inverse_depth, confidence, obstacle = _plain(batch)
    mirrored = IN_FLIGHT.mirrored(len(image), rng)
    image = mirror(IN_FLIGHT.pictures(image, rng), mirrored)
    return (
        image.contiguous(memory_format=torch.channels_last),
        mirror(inverse_depth, mirrored),
        mirror(confidence, mirrored),
        obstacle,
    )


def _remember(batch: Batch, surprises: Tensor) -> None:
    """Keep how far off the network was, where the answer is a number."""
    for kept, value in zip(batch.members, surprises.tolist(), strict=True):
        if math.isfinite(value):
            kept.surprise = value
