"""Pre-trains the network that flights start from, on generated rooms.

    python -m training.pretrain --work pretrain --device cuda

Pictures of each room are made once and kept in the working folder; training goes on from its last
checkpoint. The weights are written where the project ships them. The last twentieth of the rooms is
not learned from: on them the error is told.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from drone import __version__
from drone.commands.common import seed_range
from drone.geometry import GridSpec, Intrinsics
from training.augment import WIDE, mirror
from training.networks import GridNet, loss_of
from training.sightings import Sightings, sightings
from training.warmstart import WEIGHTS, save_weights

POSES_PER_ROOM = 100
BATCH = 64
LEARNING_RATE = 3e-3
"""For `BATCH` pictures; grows with the square root of the batch (Malladi et al. 2022, for Adam)."""
WARMUP_SHARE = 0.03
AVERAGE_DECAY = 0.999
CHECKPOINT_STEPS = 500
HELD_OUT_SHARE = 0.05


class Material(NamedTuple):
    """All pictures of many rooms, (N, ...) each, and which lens took them."""

    image: Tensor
    inverse_depth: Tensor
    confidence: Tensor
    obstacle_m: Tensor
    tangents: Tensor

    @classmethod
    def of(cls, files: Sequence[Path], device: str = "cpu") -> Material:
        """Read and join the rooms' files, and keep them on a device."""
        rooms = [Sightings.load(f) for f in files]
        arrays = (
            np.concatenate([r.image for r in rooms]),
            np.concatenate([r.inverse_depth for r in rooms]),
            np.concatenate([r.confidence for r in rooms]),
            np.concatenate([r.obstacle_m for r in rooms]),
            np.concatenate([np.repeat(r.tangents[None], len(r.image), 0) for r in rooms]),
        )
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def batch(self, picks: NDArray[np.int64]) -> tuple[Tensor, ...]:
        """Return image, inverse depth, confidence, inverse obstacle distance and tangents."""
        chosen = torch.from_numpy(picks).to(self.image.device)
        image = self.image[chosen][:, None].float() / 255
        grids = [a[chosen][:, None] for a in (self.inverse_depth, self.confidence)]
        return image, *grids, 1 / self.obstacle_m[chosen][:, None], self.tangents[chosen]


def make_room(seed: int, folder: Path) -> None:
    """Make one room's file, unless it is there."""
    file = folder / f"{seed}.npz"
    if not file.exists():
        sightings(seed, POSES_PER_ROOM).save(file)


def learning_rate(step: int, steps: int, peak: float = LEARNING_RATE) -> float:
    """Return the rate of a step: a short rise, then half a cosine down to nothing."""
    rise = max(1, round(WARMUP_SHARE * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Pretraining:
    """Network, average, optimiser and step; saved to one checkpoint file and read from it."""

    def __init__(
        self, checkpoint: Path, steps: int, batch: int = BATCH, device: str = "cpu"
    ) -> None:
        torch.manual_seed(0)
        grid = GridSpec()
        camera = Intrinsics(128, 96, 91.4, 91.4, 63.5, 47.5)  # tangents come with each picture
        self.steps, self.batch = steps, batch
        self._peak = LEARNING_RATE * math.sqrt(batch / BATCH)
        self.step = 0
        network = GridNet(grid, camera).to(device)
        self.network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=1e-3)
        self._checkpoint = checkpoint
        if checkpoint.exists():
            found = torch.load(checkpoint, map_location=device, weights_only=True)
            self.step = found["step"]
            self.network.load_state_dict(found["network"])
            self.average.load_state_dict(found["average"])
            self._optimizer.load_state_dict(found["optimizer"])

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        part = self._checkpoint.with_suffix(".part")
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, part)
        os.replace(part, self._checkpoint)

    def learn(self, material: Material) -> Tensor:
        """Do the next step; return its loss, a scalar."""
        rng = np.random.default_rng([self.step, 41])
        picks = rng.integers(len(material.image), size=self.batch)
        image, inverse_depth, confidence, obstacle, position = material.batch(picks)
        mirrored = WIDE.mirrored(self.batch, rng)
        image = mirror(WIDE.pictures(image, rng), mirrored)
        image = image.contiguous(memory_format=torch.channels_last)
        inverse_depth, confidence = (mirror(g, mirrored) for g in (inverse_depth, confidence))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self._peak)
        answer = self.network(image, position)
        loss = loss_of(answer, inverse_depth, confidence, obstacle)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return loss.detach()


def errors(network: torch.nn.Module, material: Material) -> dict[str, float]:
    """Return mean absolute log errors of depth and of the obstacle distance on pictures."""
    network.eval()
    depth, obstacle = [], []
    for start in range(0, len(material.image), 256):
        picks = np.arange(start, min(start + 256, len(material.image)))
        image, target, _, wanted, position = material.batch(picks)
        with torch.no_grad():
            answer = network(image, position)
        depth.append((answer.inverse_depth / target).log().abs().flatten())
        obstacle.append((answer.obstacle_inverse / wanted).log().abs().flatten())
    return {
        "depth_male": round(float(torch.cat(depth).nanmean()), 4),
        "obstacle_male": round(float(torch.cat(obstacle).nanmean()), 4),
    }


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", type=seed_range, default=seed_range("10000-10999"))
    parser.add_argument("--steps", type=int, default=12_500, help="of --batch pictures each")
    parser.add_argument("--batch", type=int, default=4 * BATCH)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for a graphics card")
    parser.add_argument("--work", type=Path, default=Path("pretrain"), help="kept between runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    shown = sys.stderr.isatty()
    args.work.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(args.threads) as pool:
        made = pool.imap_unordered(partial(make_room, folder=args.work), args.rooms)
        for _ in track(made, "rooms", len(args.rooms), disable=not shown):
            pass
    files = [args.work / f"{seed}.npz" for seed in args.rooms]
    held_out = max(1, round(HELD_OUT_SHARE * len(files)))
    material, unseen = (
        Material.of(part, args.device) for part in (files[:-held_out], files[-held_out:])
    )
    torch.set_num_threads(args.threads)
    training = Pretraining(args.work / "checkpoint.pt", args.steps, args.batch, args.device)
    left = range(training.step, args.steps)
    running: Tensor | None = None
    for step in track(left, "steps", disable=not shown):
        loss = training.learn(material)
        running = loss if running is None else 0.99 * running + 0.01 * loss
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == args.steps:
            training.save()
            told = {"step": step + 1, "loss": round(float(running), 4)}
            told |= errors(training.average.module, unseen)
            sys.stderr.write(f"{told}\n")
            sys.stderr.flush()
    provenance = {
        "rooms": f"{min(args.rooms)}-{max(args.rooms)}",
        "pictures": len(material.image),
        "steps": training.step,
        "batch": args.batch,
        **errors(training.average.module, unseen),
        "version": __version__,
    }
    save_weights(training.average.module.cpu(), provenance, args.output)


if __name__ == "__main__":
    main()
