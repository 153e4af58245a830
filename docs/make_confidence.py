"""Make docs/confidence.png: the error of pixels and of label cells in ten bins of confidence.

    python docs/make_confidence.py ../shared/data/stereo_pairs --seeds 0-3 --duration 20

Simulated rooms (mixed and plain), and pairs with known disparity. Cells of less than the default
least confidence are unknown and have no error. That of a cell's depth is 100 times its logarithm.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drone.commands.common import seed_range
from drone.config import PilotConfig, load
from drone.geometry import grid_from_dense
from drone.onboard.stereo import StereoMatcher
from drone.sim.cameras import calibration_of
from drone.sim.labelflight import stereo_flight
from drone.stereobench import error_by_confidence, label_errors, pixel_errors
from drone.stereopairs import open_pairs

EVERY = 10
"""Of so many frames one is compared."""
Errors = tuple[Any, Any]
"""Confidence and error, (n,) each."""


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seeds", default="0-3")
    parser.add_argument("--duration", type=float, default=20.0)
    args = parser.parse_args()
    found = {
        "simulated rooms": _rooms(seed_range(args.seeds), args.duration),
        "pairs with known disparity": _pairs(args.pairs, load(None, []).pilot),
    }
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    for axes, title, unit, kind in zip(
        figure.subplots(1, 2), ("pixel", "cell"), ("disparity, px", "depth, %"), (0, 1), strict=True
    ):
        for name, errors in found.items():
            means = error_by_confidence(*errors[kind])
            sys.stdout.write(f"{title}s, {name}: {np.round(means, 4)}\n")
            axes.plot((np.arange(10) + 0.5) / 10, means, "o-", label=name)
        axes.set(xlabel=f"confidence of the {title}", ylabel=f"mean error of its {unit}")
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend()
    FigureCanvasAgg(figure).print_png(str(Path(__file__).with_name("confidence.png")))


def _rooms(seeds: Any, duration_s: float) -> tuple[Errors, Errors]:
    """Return the errors of pixels, px, and of cells, %, over all rooms."""
    pixels, cells = [], []
    for difficulty in ("mixed", "plain"):
        settings = [f"flight.duration_s={duration_s}", f"sim.room.difficulty={difficulty}"]
        config = load(None, settings)
        calibration = calibration_of(config.sim.camera)
        matcher = StereoMatcher(config.pilot.stereo, calibration)
        for seed in seeds:
            for k, (label, output) in enumerate(stereo_flight(config, seed)):
                if label is None or output.frame is None or k % EVERY:
                    continue
                matched = matcher.match(output.frame.left, output.frame.right)
                dense = output.true_inverse_depth
                truth_px = calibration.disparity_metres * dense
                pixels.append(_off(matched.confidence, matched.disparity_px - truth_px))
                grid = grid_from_dense(dense, config.pilot.grid_spec)
                cells.append(_off(label.confidence, 100 * np.log(grid / label.inverse_depth)))
    return _joined(pixels), _joined(cells)


def _off(confidence: Any, error: Any) -> Errors:
    """Return confidence and size of error where both are known."""
    known = np.isfinite(error)
    return confidence[known], np.abs(error[known])


def _pairs(folder: Path, pilot: PilotConfig) -> tuple[Errors, Errors]:
    pairs = [pair.read() for pair in open_pairs(folder)]
    cells = [label_errors(pair, pilot) for pair in pairs]
    return (
        _joined([pixel_errors(pair, pilot) for pair in pairs]),
        _joined([(confidence, 100 * np.log1p(error)) for confidence, error in cells]),
    )


def _joined(parts: list[Errors]) -> Errors:
    return np.concatenate([c for c, _ in parts]), np.concatenate([e for _, e in parts])


if __name__ == "__main__":
    main()
