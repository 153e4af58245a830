"""Makes the texton dictionary that ships with the project, from frames of generated rooms.

    python -m training.maketextons --rooms 10000-10039 --output training/textons.json

The rooms' seeds are kept for such training: no test and no flight uses them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from drone import __version__
from drone.commands.common import seed_range
from drone.config import load
from drone.geometry import DistanceMeter
from drone.messages import Image, VelocityCommand
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator
from training.textons import cluster

FRAMES_PER_ROOM = 25
_SPEED_MPS, _TURN_RADPS = 0.5, 1.0


def frames(seed: int) -> Iterator[Image]:
    """Yield left images of one room, a second apart, from a drone that wanders blindly."""
    config = load(None, [f"flight.seed={seed}"])
    pilot = config.pilot
    camera = calibration_of(config.sim.camera).left
    meter = DistanceMeter(camera, pilot.grid_spec, pilot.corridor_spec)
    rng = np.random.default_rng([seed, 21])
    with RoomSimulator(config.sim, meter, seed=seed, tick_hz=pilot.tick_hz) as simulator:
        simulator.reset()
        for _ in range(FRAMES_PER_ROOM):
            turn = float(rng.uniform(-_TURN_RADPS, _TURN_RADPS))
            command = VelocityCommand(0, 0, True, _SPEED_MPS, 0.0, 0.0, turn)
            outputs = [simulator.step(command) for _ in range(round(pilot.tick_hz))]
            seen = [o.clean.left for o in outputs if o.clean is not None]
            if seen and seen[-1] is not None:
                yield seen[-1]


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", type=seed_range, default=seed_range("10000-10039"))
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("textons.json"))
    args = parser.parse_args()
    images = [
        image
        for seed in track(args.rooms, "rooms", disable=not sys.stderr.isatty())
        for image in frames(seed)
    ]
    provenance = {
        "rooms": f"{min(args.rooms)}-{max(args.rooms)}",
        "images": len(images),
        "image_px": "x".join(str(n) for n in images[0].shape[::-1]),
        "clustering": "k-means, seed 0",
        "version": __version__,
    }
    cluster(images, 0, provenance).save(args.output)


if __name__ == "__main__":
    main()
