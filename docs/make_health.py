"""Make docs/health.png: the share of each fault that is found in time.

    python docs/make_health.py

Draws the figures of benchmarks/health_sim.json, which `benchmarks/health_sim.py report` writes, and
prints them as the table of docs/health.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
COLOURS = {"mixed": "#0072b2", "plain": "#d55e00"}
GOAL = 0.99


def main() -> None:
    """Draw, and print the table."""
    record = json.loads((DOCS.parent / "benchmarks" / "health_sim.json").read_text())
    faults = record["faults"]
    order = sorted(
        faults["plain"], key=lambda n: (faults["plain"][n]["share"], faults["mixed"][n]["share"])
    )
    sys.stdout.write(table(faults, order))
    figure = Figure(figsize=(7.5, 4.6), dpi=100, layout="constrained")
    axes = figure.subplots()
    for k, (rooms, colour) in enumerate(COLOURS.items()):
        shares = [100 * faults[rooms][name]["share"] for name in order]
        where = np.arange(len(order)) + 0.2 - 0.4 * k
        axes.barh(where, shares, 0.38, color=colour, label=f"{rooms} rooms")
    axes.axvline(100 * GOAL, color="0.3", lw=1, ls="--", label="goal")
    axes.set(yticks=np.arange(len(order)), yticklabels=order, xlabel="found within 0.5 s, %")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3)
    FigureCanvasAgg(figure).print_png(str(DOCS / "health.png"))


def table(faults: dict[str, dict[str, dict[str, float]]], order: list[str]) -> str:
    """Return the rows of the table, worst first."""
    lines = []
    for name in order:
        cells = [name]
        for rooms in ("plain", "mixed"):
            figures = faults[rooms][name]
            seen = figures["observable"]
            cells.append(f"{seen['found']} of {seen['runs']}")
            cells.append(f"{figures['median_s']:.2f} / {figures['p95_s']:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
