"""Make docs/faults.png: what the right eye delivers under each fault of the images.

    python docs/make_fault_pictures.py

The same moment of the same flight each time: a drone that flies forward and turns in a furnished
room. Swapped eyes deliver the left eye's picture; a delayed, torn, frozen or desynchronised eye
shows where the drone was before.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drone.config import CameraConfig, FaultConfig, SimConfig
from drone.messages import Image, VelocityCommand
from drone.sim.simulator import RoomSimulator

SEED, TICK_HZ, COLUMNS = 42, 20.0, 4
TURNING = VelocityCommand(0, 0, True, 0.3, 0.0, 0.0, 0.8)
CAMERA = CameraConfig(width_px=256, height_px=192)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "black"},
    {"kind": "white"},
    {"kind": "frozen"},
    {"kind": "delayed", "delay_s": 0.3},
    {"kind": "torn", "share": 0.5},
    {"kind": "blurred", "sigma_px": 2.0},
    {"kind": "covered", "share": 0.3},
    {"kind": "covered", "share": 0.2, "level": 245.0},
    {"kind": "desynchronised", "offset_s": 0.1},
    {"kind": "swapped"},
    {"kind": "miscalibrated", "roll_deg": 5.0},
)
"""All of the images but `dropped`, of which there is nothing to see."""


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description="Make docs/faults.png.")
    default = Path(__file__).with_name("faults.png")
    parser.add_argument("--out", type=Path, default=default, help="(default: docs/faults.png)")
    args = parser.parse_args()
    pictures = {"no fault\n": right_eye(None)}
    pictures |= {caption(fault): right_eye(fault) for fault in FAULTS}
    args.out.write_bytes(png(pictures))


def right_eye(fault: dict[str, Any] | None) -> Image:
    """Return the right image 1.5 s into the flight; the fault begins at 1 s."""
    schedule = () if fault is None else (FaultConfig(**fault, start_s=1.0),)
    config = SimConfig(camera=CAMERA, faults=schedule)
    with RoomSimulator(config, None, seed=SEED, tick_hz=TICK_HZ) as sim:
        outputs = [sim.reset(), *(sim.step(TURNING) for _ in range(30))]
    frame = outputs[-1].frame
    assert frame is not None
    assert frame.right is not None
    return frame.right


def caption(fault: dict[str, Any]) -> str:
    """Return the fault's kind and parameters."""
    given = ", ".join(f"{name} = {value:g}" for name, value in fault.items() if name != "kind")
    return f"{fault['kind']}\n{given}"


def png(pictures: dict[str, Image]) -> bytes:
    """Return a sheet of named pictures."""
    rows = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(2.5 * COLUMNS, 2.45 * rows), layout="constrained", dpi=80)
    canvas = FigureCanvasAgg(figure)
    for number, (name, image) in enumerate(pictures.items(), start=1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set(xticks=[], yticks=[])
    file = io.BytesIO()
    canvas.print_png(file)
    return file.getvalue()


if __name__ == "__main__":
    main()
