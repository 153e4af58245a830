"""Draws docs/learning.png from the record of `drone bench learn`: how soon each learner may fly.

python docs/make_learning.py benchmarks/learn.json --out docs/learning.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NAMES = {
    "texton-knn": ("the paper's texton-kNN", "#9a6a00"),
    "cnn-plain": ("network, fresh, plain", "#7a7a7a"),
    "cnn-fresh": ("network, fresh", "#2a6fb0"),
    "cnn": ("network, warm (default)", "#00795c"),
}
STEREO_LIMIT = (0.0, 0.03)
"""Needless stops of stereo itself against truth, in 19 of 20 rooms (docs/labels.md)."""


def draw(record: dict[str, Any], out: Path) -> None:
    """Draw needless stops over time, and the threshold's promise beside what came of it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name, (title, colour) in NAMES.items():
        figures = record["learners"].get(name)
        if figures is None:
            continue
        times = sorted(figures["at_s"], key=float)
        rows = [figures["at_s"][t]["fpr_at_tpr95"] for t in times]
        seconds, mean = [float(t) for t in times], [row["mean"] for row in rows]
        left.plot(seconds, mean, "o-", color=colour, label=title)
        left.fill_between(
            seconds, [r["low"] for r in rows], [r["high"] for r in rows], color=colour, alpha=0.15
        )
        right.plot(
            [figures["at_s"][t]["fpr_promised"]["mean"] for t in times],
            [figures["at_s"][t]["fpr_at_trust"]["mean"] for t in times],
            "o",
            color=colour,
            label=title,
        )
    left.axhspan(*STEREO_LIMIT, color="#000000", alpha=0.08)
    left.text(14, STEREO_LIMIT[1] - 0.01, "stereo itself", va="top", fontsize=8)
    left.set(
        xscale="log",
        xticks=[15, 30, 60, 120, 300],
        xticklabels=["15", "30", "60", "120", "300"],
        xlabel="seconds of flight learned from",
        ylabel="needless stops at 95 % caught, next 100 s",
        ylim=(0, 1),
    )
    left.minorticks_off()
    right.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    right.set(
        xlabel="needless stops that trust's window promised",
        ylabel="needless stops on the next 100 s",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    left.legend(frameon=False, fontsize=9)
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
