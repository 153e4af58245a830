"""Measures familiarity for docs/learning.md: familiar images of simulated rooms against others.

    python docs/make_familiarity.py --seeds 0-9

In each room a stereo flight of two minutes: its first 80 s are learned from (but the held-out
blocks, which set the scale), the rest is familiar and was not learned from. Unfamiliar: another
room's flight, the same room with a third of its light or other pictures, and the familiar images
with noise or behind a hand. Prints one JSON object: area under the ROC curve per image, mean and
least over the rooms, and the share of familiar images and of medians over a second above the limit.
"""

from __future__ import annotations

import argparse
import json
import sys

import cv2
import numpy as np

from drone.commands.common import seed_range
from drone.config import load
from drone.geometry import DistanceMeter
from drone.messages import ModelVersion, Tick
from drone.onboard.mono import MonoNetwork
from drone.onboard.perception import Perception
from drone.onboard.pilot import Pilot, PilotState, decide
from drone.sim.cameras import calibration_of
from drone.sim.lightfaults import patch
from drone.sim.simulator import RoomSimulator
from training.buffer import role
from training.export import Exporter, sha256
from training.familiarity import Familiarity
from training.networks import GridNet

LEARNED_S, FLOWN_S, OTHER_S = 80.0, 120.0, 25.0
HAND_LEVEL, NOISE_LEVELS = 40, 1.5


def flown(seed, duration_s, changes=""):
    """Return (stamp_ns, left image) of the frames with a valid label of a flight by stereo."""
    config = load(None, ["pilot.switching.strategy=stereo_only", f"sim.room.changes=[{changes}]"])
    camera = calibration_of(config.sim.camera)
    meter = DistanceMeter(camera.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    pilot, state, frames = Pilot(config.pilot, Perception(config.pilot, camera)), PilotState(), []
    with RoomSimulator(config.sim, meter, seed=seed, tick_hz=config.pilot.tick_hz) as simulator:
        output = simulator.reset()
        for seq in range(round(duration_s * config.pilot.tick_hz)):
            now_ns = output.vehicle.stamp_ns
            tick = Tick(seq, now_ns, True, True, output.frame, output.vehicle)
            percept = pilot.perceive(state, tick)
            state, decision = decide(state, tick, percept, config.pilot)
            if output.frame is not None and (percept.label.valid or changes):
                frames.append((output.frame.stamp_ns, output.frame.left))
            output = simulator.step(decision.command)
    return frames


def scorer(frames, config, spec):
    """Return a function from images to unfamiliarity, by a model file made of these frames."""
    familiarity = Familiarity(spec, config.buffer_frames, config.holdout_frames)
    for stamp_ns, image in frames:
        purpose = role(stamp_ns, config)
        if purpose == "train":
            familiarity.learn(image)
        elif purpose == "holdout":
            familiarity.hold_out(image)
    network = GridNet(spec.grid)
    file = familiarity.written_into(Exporter(network, spec).export(network, 1, {}))
    mono = MonoNetwork(ModelVersion(1, 0, True, file, sha256(file)), spec)
    return lambda images: np.array([mono.estimate(image).unfamiliarity for image in images])


def behind_a_hand(images, share, rng):
    """Return the images with so much of each covered by something dark, and the sensor's noise."""
    covered = []
    for number, image in enumerate(images):
        if number % 20 == 0:
            cover = patch(image.shape, share, rng)
        mixed = image + cover * (
            40 - image.astype(float) + rng.normal(0, NOISE_LEVELS, image.shape)
        )
        covered.append(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
    return covered


def noisy(images, levels, rng):
    """Return the images with Gaussian noise of this deviation added."""
    return [
        np.clip(image + rng.normal(0, levels, image.shape), 0, 255).astype(np.uint8)
        for image in images
    ]


def auc(familiar, unfamiliar):
    """Return the share of pairs in which the unfamiliar one has the higher score."""
    order = np.sort(familiar)
    below = np.searchsorted(order, unfamiliar) + np.searchsorted(order, unfamiliar, "right")
    return float(below.mean() / (2 * len(order)))


def medians(scores, images=10):
    """Return the running medians over a second."""
    windows = np.lib.stride_tricks.sliding_window_view(scores, images)
    return np.median(windows, axis=1)


def figures_of(seed, config, spec):
    """Return the figures of one room."""
    frames = flown(seed, FLOWN_S)
    score = scorer([f for f in frames if f[0] < LEARNED_S * 1e9], config.learner, spec)
    familiar = [image for stamp_ns, image in frames if stamp_ns > (LEARNED_S + 1) * 1e9]
    rng = np.random.default_rng(seed)
    others = {
        "another room": [image for _, image in flown((seed + 10) % 100, OTHER_S)],
        "light at 30 %": [i for _, i in flown(seed, OTHER_S, "{at_s=0,kind='light',level=0.3}")],
        "other pictures": [
            i for _, i in flown(seed, OTHER_S, f"{{at_s=0,kind='textures',seed={seed + 50}}}")
        ],
        "noise of 10 levels": noisy(familiar, 10, rng),
        "noise of 20 levels": noisy(familiar, 20, rng),
        "half covered": behind_a_hand(familiar, 0.5, rng),
        "covered": behind_a_hand(familiar, 1.0, rng),
    }
    scores, limit = score(familiar), config.pilot.trust.max_unfamiliarity
    figures = {
        "familiar above 1": float((scores > 1).mean()),
        "familiar seconds withheld": float((medians(scores) > limit).mean()),
    }
    for name, images in others.items():
        strange = score(images)
        figures[f"auc {name}"] = auc(scores, strange)
        figures[f"auc of seconds {name}"] = auc(medians(scores), medians(strange))
        figures[f"seconds withheld {name}"] = float((medians(strange) > limit).mean())
    return figures


def main():
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=seed_range("0-9"))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    config = load(None, [])
    spec = Perception(config.pilot, calibration_of(config.sim.camera)).spec
    rooms = {seed: figures_of(seed, config, spec) for seed in args.seeds}
    summary = {}
    for name in next(iter(rooms.values())):
        values = [figures[name] for figures in rooms.values()]
        summary[name] = {
            "mean": round(float(np.mean(values)), 4),
            "least": round(min(values), 4),
            "most": round(max(values), 4),
        }
    sys.stdout.write(json.dumps({"rooms": len(rooms), "figures": summary}, indent=1) + "\n")


if __name__ == "__main__":
    main()
