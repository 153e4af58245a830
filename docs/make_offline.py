"""Draws docs/learners.png from the record of benchmarks/learners_offline.py: ROC and error of λ.

python docs/make_offline.py benchmarks/learners_offline.json --out docs/learners.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

NAMES = {
    "cnn": ("network, warm (default)", "#00795c"),
    "cnn-fresh": ("network, fresh", "#2a6fb0"),
    "texton-knn": ("textons, k nearest", "#9a6a00"),
    "texton-gp": ("textons, Gaussian process", "#a23b72"),
    "texton-mlp": ("textons, shallow network", "#c8553d"),
    "texton-linear": ("textons, linear", "#6b6b6b"),
    "mean of the past": ("mean of the past, no image", "#bbbbbb"),
}


def draw(record: dict[str, Any], out: Path) -> None:
    """Draw the mean ROC of each learner, and its error of λ."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    learners = {name: record["learners"][name] for name in NAMES if name in record["learners"]}
    for name, figures in learners.items():
        curve = figures.get("fpr_at_caught")
        if curve:
            title, colour = NAMES[name]
            left.plot(curve, np.linspace(0, 1, len(curve)), color=colour, label=title)
    left.axhline(0.95, color="#999999", linewidth=1, linestyle=":")
    left.text(0.99, 0.935, "95 % caught", ha="right", va="top", fontsize=8, color="#555555")
    left.set(xlabel="free frames stopped needlessly", ylabel="near frames caught")
    left.set(xlim=(0, 1), ylim=(0, 1.01))
    left.legend(frameon=False, fontsize=9, loc="lower right")
    rows = list(reversed(learners))
    for place, name in enumerate(rows):
        error = learners[name]["lambda_mae_px"]
        spread = [[error["mean"] - error["low"]], [error["high"] - error["mean"]]]
        title, colour = NAMES[name]
        right.barh(place, error["mean"], color=colour, xerr=spread, ecolor="#444444", height=0.6)
    right.set(yticks=range(len(rows)), yticklabels=[NAMES[name][0] for name in rows])
    right.set(xlabel="mean absolute error of λ, the image's mean disparity, px")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("record", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    draw(json.loads(args.record.read_text(encoding="utf-8")), args.out)


if __name__ == "__main__":
    main()
