"""Makes the features of familiarity that ship with the project, from stills of generated rooms.

    python -m training.makefamiliarity --rooms 10000-10159 --output training/familiarity.npz

A small network learns to tell rooms apart, and rooms from themselves with other pictures: what is
like in all of a room's images and unlike in others'. Afterwards only its channels' means and
deviations are used (`training.familiarity`). The rooms' seeds are kept for such training: no test
and no flight uses them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from drone import __version__
from drone.commands.common import seed_range
from drone.config import load
from drone.messages import Image
from drone.sim.simulator import RoomSimulator

STRIDES, CHANNELS = (2, 2, 1, 2), (8, 16, 16, 32)
STILLS_PER_LOOK = 40
BATCH, LEARNING_RATE = 64, 4e-3
_SHARPNESS = 16.0
"""Of the softmax over cosines."""


class RoomTeller(nn.Module):
    """Says which room an image (B, 1, H, W) in 0-1 shows: (B, looks) scores."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for inputs, outputs, stride in zip((1, *CHANNELS), CHANNELS, STRIDES, strict=False):
            convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU()))
        features = 2 * sum(CHANNELS)
        self.project = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, 32))
        self.looks = nn.Linear(32, looks, bias=False)

    def features(self, image: Tensor) -> Tensor:
        """Return mean and deviation of each stage's channels, (B, 144)."""
        values, pooled = image - 0.5, []
        for stage in self.stages:
            values = stage(values)
            mean = values.mean(dim=(2, 3))
            variance = (values * values).mean(dim=(2, 3)) - mean * mean
            pooled += [mean, variance.clamp(min=1e-8).sqrt()]
        return torch.cat(pooled, dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return a score for each look."""
        projected = functional.normalize(self.project(self.features(image)), dim=1)
        looks = functional.normalize(self.looks.weight, dim=1)
        return _SHARPNESS * projected @ looks.T


def stills(seed: int, pictures: int | None) -> Iterator[Image]:
    """Yield left images from free places of a room, with its own pictures or with others."""
    changes = [] if pictures is None else [f"{{at_s=0,kind='textures',seed={pictures}}}"]
    config = load(None, [f"sim.room.changes=[{','.join(changes)}]"])
    tick_hz = config.pilot.tick_hz
    with RoomSimulator(config.sim, None, seed=seed, tick_hz=tick_hz) as simulator:
        for flight in range(STILLS_PER_LOOK):
            frame = simulator.reset(flight).frame
            if frame is not None and frame.left is not None:
                yield frame.left


def teach(image: NDArray[np.uint8], look: NDArray[np.int64], steps: int) -> RoomTeller:
    """Return a network that tells the looks of these images (N, H, W) apart; one-cycle Adam."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    teller = RoomTeller(int(look.max()) + 1).train()
    optimizer = torch.optim.AdamW(teller.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in track(range(steps), "steps", disable=not sys.stderr.isatty()):
        chosen = rng.integers(0, len(image), BATCH)
        batch = torch.from_numpy(image[chosen].astype(np.float32) / 255)[:, None]
        if rng.random() < 0.5:
            batch = batch.flip(-1)
        scores = teller(batch.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(
            scores, torch.from_numpy(look[chosen]), label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return teller.eval()


def weights_of(teller: RoomTeller) -> dict[str, NDArray[np.float32]]:
    """Return each stage's convolution with its normalisation folded in."""
    arrays = {}
    for number, stage in enumerate(teller.stages):
        assert isinstance(stage, nn.Sequential)
        convolution, normalisation = stage[0], stage[1]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(normalisation, nn.BatchNorm2d)
        folded = fuse_conv_bn_eval(convolution, normalisation)
        assert folded.bias is not None
        arrays[f"weight_{number}"] = folded.weight.detach().numpy()
        arrays[f"bias_{number}"] = folded.bias.detach().numpy()
    return arrays


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", type=seed_range, default=seed_range("10000-10159"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("familiarity.npz"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    images, looks = [], []
    for number, seed in enumerate(track(args.rooms, "rooms", disable=not sys.stderr.isatty())):
        for other, pictures in enumerate((None, seed)):
            seen = list(stills(seed, pictures))
            images += seen
            looks += [2 * number + other] * len(seen)
    teller = teach(np.stack(images), np.array(looks), args.steps)
    provenance = {
        "rooms": f"{min(args.rooms)}-{max(args.rooms)}, each with two sets of pictures",
        "images": len(images),
        "image_px": "x".join(str(n) for n in images[0].shape[::-1]),
        "steps": args.steps,
        "version": __version__,
    }
    np.savez(args.output, provenance=json.dumps(provenance), **weights_of(teller))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
