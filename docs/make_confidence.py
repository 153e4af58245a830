"""Make docs/confidence.png: the error of label cells in ten bins of confidence.

    python docs/make_confidence.py ../shared/data/stereo_pairs --seeds 0-3 --duration 20

Two lines: simulated rooms (mixed and plain), and pairs with known disparity. Cells of less than the
default least confidence are shown too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drone.commands.common import seed_range
from drone.config import PilotConfig, load
from drone.sim.labelflight import fly_labels
from drone.stereobench import error_by_confidence, label_errors
from drone.stereopairs import open_pairs

EVERYTHING = "pilot.labels.min_confidence=0"


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seeds", default="0-3")
    parser.add_argument("--duration", type=float, default=20.0)
    args = parser.parse_args()
    curves = {
        "simulated rooms": _rooms(seed_range(args.seeds), args.duration),
        "pairs with known disparity": _pairs(args.pairs, load(None, [EVERYTHING]).pilot),
    }
    figure = Figure(figsize=(6.4, 3.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    for name, (confidence, error) in curves.items():
        means = error_by_confidence(confidence, error)
        axes.plot((np.arange(10) + 0.5) / 10, 100 * means, "o-", label=name)
    axes.set(xlabel="confidence of the cell", ylabel="mean error of its depth, %", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    FigureCanvasAgg(figure).print_png(str(Path(__file__).with_name("confidence.png")))


def _rooms(seeds: Any, duration_s: float) -> tuple[Any, Any]:
    records = [
        fly_labels(
            load(
                None,
                [
                    EVERYTHING,
                    f"flight.duration_s={duration_s}",
                    f"sim.room.difficulty={difficulty}",
                ],
            ),
            seed,
        )
        for difficulty in ("mixed", "plain")
        for seed in seeds
    ]
    confidence = np.concatenate([c for r in records for c in r.confidence])
    error = np.concatenate([e for r in records for e in r.log_error])
    return confidence, error


def _pairs(folder: Path, pilot: PilotConfig) -> tuple[Any, Any]:
    found = [label_errors(pair.read(), pilot) for pair in open_pairs(folder)]
    return np.concatenate([c for c, _ in found]), np.concatenate([e for _, e in found])


if __name__ == "__main__":
    main()
