"""Make docs/flight.png, the README's picture, from a run folder of the simulated room.

    python docs/make_pictures.py runs/20260101-120000-room

The room with the way flown, two moments as the network sees them, and how learning went. The
moments are those with the most varied depth, of training wheels and of mono alone.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from drone.flightlog import FlightLog
from drone.messages import Mode
from drone.report import charts, story
from drone.report.flight import MODES, Flight, put_there
from drone.report.moments import Moment, Shot, fetch
from drone.report.pictures import colours
from drone.report.reading import read_flight
from drone.runfolder import RunFolder
from drone.sim.furnish import room_of
from drone.sim.preview import Colour, overview

INK, MUTED = "#1c1f23", "#5d646d"
MODE_COLOURS = {
    Mode.STEREO: "#0072b2",
    Mode.TRAINING_WHEELS: "#009e73",
    Mode.MONO: "#d55e00",
    Mode.HOLD: "#b45c95",
    Mode.LAND: "#7a7a7a",
}
"""As in drone/report/report.css."""
WHO = {
    Mode.STEREO: "stereo teaches",
    Mode.TRAINING_WHEELS: "mono flies, stereo guards",
    Mode.MONO: "mono alone",
}


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description="Make the README's picture from a run folder.")
    parser.add_argument("run", type=Path, help="a run folder of a simulated flight")
    default = Path(__file__).with_name("flight.png")
    parser.add_argument("--out", type=Path, default=default, help="(default: docs/flight.png)")
    args = parser.parse_args()
    log = FlightLog(RunFolder(args.run).log)
    flight = read_flight(log)
    data = png(drawn(flight, fetch(log, telling(flight))))
    args.out.write_bytes(data)


def telling(flight: Flight) -> list[Moment]:
    """Return the frame of most varied depth of each mode in which mono flew."""
    frames = flight.frames
    moments = []
    for mode in (Mode.TRAINING_WHEELS, Mode.MONO):
        relief = np.where(frames["mode"] == MODES.index(mode), frames["relief"], -1.0)
        row = int(np.argmax(relief))
        if relief[row] > 0:
            t_s = float(frames["t_s"][row])
            moments.append(Moment(row, int(frames["seq"][row]), t_s, WHO[mode]))
    return moments


def drawn(flight: Flight, shots: list[Shot]) -> Figure:
    """Return the whole picture."""
    figure = Figure(figsize=(16, 8.6), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.012, 0.952, story.headline(flight), fontsize=21, weight="bold", color=INK)
    figure.text(0.012, 0.912, " ".join(story.sentences(flight)[:2]), fontsize=13, color=MUTED)
    room = figure.add_axes((0.005, 0.285, 0.44, 0.60))
    room.imshow(room_picture(flight), interpolation="bilinear")
    room.axis("off")
    for row, shot in enumerate(shots):
        strip(figure, shot, 0.60 - 0.305 * row)
    learning(figure.add_axes((0.052, 0.066, 0.938, 0.16)), flight)
    return figure


def room_picture(flight: Flight) -> np.ndarray:
    """Return the room from outside with the way flown, each mode in its colour."""
    room = room_of(flight.config.sim.room, flight.config.flight.seed)
    height_m = flight.config.sim.height_m
    rows = flight.track
    breaks = put_there(flight, rows) | (np.diff(rows["mode"], prepend=-1) != 0)
    trails = []
    for piece in np.split(rows, np.flatnonzero(breaks)[1:]):
        way = [(float(r["north_m"]), float(r["east_m"]), -height_m) for r in piece]
        trails.append((rgb(MODE_COLOURS[MODES[piece["mode"][0]]]), way))
    picture = overview(room, 1640, 1240, trails=trails, elevation_deg=58, bearing_deg=205)
    inside = np.argwhere((picture != 255).any(axis=2))
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0)
    return cv2.resize(picture[top:bottom, left:right], None, fx=0.6, fy=0.6, interpolation=3)


def rgb(colour: str) -> Colour:
    """Return a colour #rrggbb as numbers."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue


def strip(figure: Figure, shot: Shot, bottom: float) -> None:
    """Draw left image, stereo and mono of one moment."""
    mode = shot.decision.mode
    title = f"{shot.moment.t_s:.0f} s: {shot.moment.why}"
    figure.text(0.46, bottom + 0.262, title, fontsize=14, weight="bold", color=MODE_COLOURS[mode])
    label, estimate = shot.label, shot.estimate
    stereo_m = label.obstacle_m if label is not None and label.valid else float("nan")
    mono_m = estimate.obstacle_m if estimate is not None else float("nan")
    mono = f"mono {told(mono_m)}, true {told(true_m(shot))}"
    names = ("left image", f"stereo {told(stereo_m)}", mono)
    for k, name in enumerate(names):
        axes = figure.add_axes((0.46 + 0.18 * k, bottom, 0.174, 0.228))
        view(axes, (shot.left, shot.stereo_grid, shot.mono_grid)[k], shot, k)
        axes.set_title(name, fontsize=11.5, color=MUTED, loc="left", pad=3)


def told(distance_m: float) -> str:
    """Return a distance, or that there is none."""
    return story.metres(distance_m) if np.isfinite(distance_m) else "is gone"


def true_m(shot: Shot) -> float:
    """Return the true obstacle distance, NaN where unknown."""
    return shot.truth.obstacle_m if shot.truth is not None else float("nan")


def view(axes: Axes, values: Any, shot: Shot, k: int) -> None:
    """Draw an image or a depth grid; black, with the reason, where there is none."""
    axes.set_xticks([])
    axes.set_yticks([])
    if values is None:
        axes.set_facecolor("black")
        words = shot.label.reason if shot.label is not None else "nothing"
        axes.text(
            0.5, 0.5, words, color="white", fontsize=12, ha="center", transform=axes.transAxes
        )
    elif k == 0:
        axes.imshow(values, cmap="gray", vmin=0, vmax=255, aspect="auto")
    else:
        bgra = colours(values)
        axes.imshow(bgra[:, :, [2, 1, 0, 3]], interpolation="nearest", aspect="auto")
        axes.set_facecolor("#d9dce0")


def learning(axes: Axes, flight: Flight) -> None:
    """Draw mono's error beside the running mean's, over bands of who flew."""
    for mode, colour in MODE_COLOURS.items():
        spans = flight.in_mode(mode)
        for span in spans:
            axes.axvspan(span.start_s, span.end_s, color=colour, alpha=0.22, lw=0)
            axes.axvspan(span.start_s, span.end_s, ymin=0.93, color=colour, lw=0)
        longest = max(spans, key=lambda s: s.length_s, default=None)
        if longest is not None and mode in WHO:
            middle = (longest.start_s + longest.end_s) / 2
            axes.text(
                middle, 0.8, WHO[mode], color=colour, fontsize=12.5, ha="center", weight="bold"
            )
    for name, style, words in (("mean", ":", "running mean of the labels"), ("mono", "-", "mono")):
        errors = charts.learning_errors(flight)[name]
        moments, medians = charts.running_median(flight.frames["t_s"], errors, charts.MEDIAN_S)
        axes.plot(moments, medians, style, color=INK, lw=2, label=words)
    axes.set(xlim=(0, flight.duration_s), ylim=(0, 1), xlabel="flight time, s")
    axes.set_ylabel("|log error|\nof distance", color=MUTED)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, fontsize=11.5)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: Figure) -> bytes:
    """Return the picture with 256 colours, which keeps it small."""
    full = io.BytesIO()
    figure.savefig(full, format="png")
    small = io.BytesIO()
    Image.open(full).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    main()
