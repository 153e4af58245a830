"""Make docs/simulator.png: the simulator beside what must come out.

    python docs/make_validation_plots.py

Disparity of a wall beside f B / z, rendered depth beside rays cast by Bullet, the response to steps
of the command, and what a camera step costs beside its two renders. Takes about ten seconds.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
import pybullet
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drone.config import CameraConfig, RoomConfig, SimConfig
from drone.messages import VelocityCommand
from drone.sim.cameras import StereoCamera, calibration_of
from drone.sim.rigidbody import Kinematics
from drone.sim.simbench import CAMERAS, camera_steps
from drone.sim.simulator import RoomSimulator
from drone.sim.world import World

INK, OURS, TRUE = "#1c1f23", "#0072b2", "#d55e00"
SEED = 20
QUIET = CameraConfig(noise_levels=0.0)
FINE = CameraConfig(noise_levels=0.0, width_px=512, height_px=384)
"""Four times as fine, so that the matcher's own error is small beside the disparity."""
LEVEL = (1.0, 0.0, 0.0, 0.0)


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description="Make the simulator's validation plots.")
    default = Path(__file__).with_name("simulator.png")
    parser.add_argument("--out", type=Path, default=default, help="(default: docs/simulator.png)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    figure = Figure(figsize=(11, 7), dpi=90, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2).ravel()
    for draw, where in zip((disparity, depth, steps, cost), axes, strict=True):
        draw(where)
        where.spines[["top", "right"]].set_visible(False)
    figure.savefig(args.out)


def empty_room() -> RoomSimulator:
    """Return a simulator of a room of 10 x 5 m with nothing in it."""
    room = RoomConfig(length_m=10, width_m=5, obstacles=0)
    config = SimConfig(room=room, camera=QUIET)
    return RoomSimulator(config, None, seed=SEED, tick_hz=10.0)


def at(north_m: float, height_m: float = 1.1) -> Kinematics:
    """Return hovering on the room's long axis, nose to the north."""
    still = (0.0, 0.0, 0.0)
    return Kinematics((north_m, 0.0, -height_m), still, LEVEL, still)


def disparity(axes: Axes) -> None:
    """Match the wall ahead at known distances, to a fraction of a pixel."""
    with empty_room() as simulator:
        calibration = calibration_of(FINE)
        camera = StereoCamera(simulator.world, FINE, np.random.default_rng(SEED))
        wall_m = simulator.room.length_m / 2 - calibration.left_in_body_m[0]
        depths_m = np.array([0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0])
        shots = [camera.capture(at(wall_m - z)) for z in depths_m]
    measured = [matched(shot.left, shot.right) for shot in shots]
    curve_m = np.linspace(0.7, 6.3, 200)
    axes.plot(curve_m, calibration.disparity_metres / curve_m, color=TRUE, label="f B / z")
    axes.plot(depths_m, measured, "o", color=OURS, label="matched in rendered pairs")
    off = np.max(np.abs(measured - calibration.disparity_metres / depths_m))
    axes.set(xlabel="depth of the wall, m", ylabel="disparity at 512 x 384, px")
    axes.set_title(f"Disparity: off by at most {off:.2f} px", loc="left")
    axes.legend(frameon=False)


def matched(left: np.ndarray, right: np.ndarray) -> float:
    """Return the disparity of the image's middle: the best of subpixel shifts of the right eye."""
    rows, cols = slice(112, 272), slice(156, 356)
    # Smooth pictures are matched between pixels without a liking for whole ones.
    left, right = (cv2.GaussianBlur(eye.astype(np.float32), (0, 0), 2.0) for eye in (left, right))
    middle = left[rows, cols]
    v, u = np.mgrid[rows, cols].astype(np.float32)
    shifts = np.arange(2.0, 40.0, 0.1)
    errors = []
    for shift in shifts:
        moved = cv2.remap(right, u - np.float32(shift), v, cv2.INTER_LINEAR)
        errors.append(float(np.abs(moved - middle).mean()))
    return float(shifts[np.argmin(errors)])


def depth(axes: Axes) -> None:
    """Compare every fourth pixel in ten furnished rooms with a ray."""
    errors = np.concatenate([depth_errors(seed) for seed in range(SEED, SEED + 10)])
    edges = np.logspace(-9, 1, 61)
    axes.hist(np.clip(errors, edges[0], edges[-1]), edges, color=OURS)
    axes.axvline(0.01, color=TRUE, lw=1.5)
    share = 100 * np.mean(errors < 0.01)
    axes.set(xscale="log", yscale="log", xlabel="|depth / ray - 1|", ylabel="pixels")
    title = f"Depth beside {len(errors)} rays: {share:.2f} % within 1 % (line)"
    axes.set_title(title, loc="left")


def depth_errors(seed: int) -> np.ndarray:
    """Return the relative errors of depth at one pose in a room."""
    simulator = RoomSimulator(SimConfig(camera=QUIET), None, seed=seed, tick_hz=10.0)
    with simulator:
        output = simulator.reset()
        calibration, motion = simulator.calibration, simulator.motion
        assert output.true_inverse_depth is not None
        camera = calibration.left
        u, v = np.meshgrid(np.arange(0, camera.width, 4), np.arange(0, camera.height, 4))
        rays = np.stack(
            [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1
        ).reshape(-1, 3)
        yaw = 2 * math.atan2(motion.attitude[3], motion.attitude[0])
        c, s = math.cos(yaw), math.sin(yaw)
        world = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        eye = np.array(motion.position_m) + world @ np.array(calibration.left_in_body_m)
        ends = eye + 20.0 * rays @ (world @ calibration.rotation).T
        truth = cast(simulator.world, eye, ends)
    return np.abs(1 / output.true_inverse_depth[v, u].ravel() / truth - 1)


def cast(world: World, eye: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return depths at which rays of 20 m depth meet something, m."""
    hits = pybullet.rayTestBatch([tuple(eye)] * len(ends), ends, physicsClientId=world.client)
    return np.array([20.0 * hit[2] for hit in hits])


def steps(axes: Axes) -> None:
    """Command 0.5 m/s ahead, then 1 rad/s of yaw, and stop each."""
    room = RoomConfig(length_m=10, width_m=10, obstacles=0)
    config = SimConfig(room=room, camera=CameraConfig(rate_hz=20.0, width_px=32, height_px=24))
    rows = []
    with RoomSimulator(config, None, seed=SEED, tick_hz=20.0) as simulator:
        simulator.reset()
        for k in range(200):
            t_s = k / 20
            forward, yaw = (0.5 if 1 <= t_s < 4 else 0.0), (1.0 if 6 <= t_s < 8 else 0.0)
            simulator.step(VelocityCommand(k, 0, True, forward, 0.0, 0.0, yaw))
            motion = simulator.motion
            speed = math.hypot(*motion.velocity_mps[:2])
            rows.append((t_s + 0.05, forward, speed, yaw, motion.rates_radps[2]))
    t, forward, speed, yaw, rate = np.array(rows).T
    axes.plot(t, forward, color=TRUE, lw=1)
    axes.plot(t, speed, color=OURS, label="speed, m/s")
    axes.plot(t, yaw, color=TRUE, lw=1, label="command")
    axes.plot(t, rate, color=OURS, ls="--", label="yaw rate, rad/s")
    axes.set(xlabel="s")
    axes.set_title("Steps of the command", loc="left")
    axes.legend(frameon=False)


def cost(axes: Axes) -> None:
    """Time a camera step beside two bare renders."""
    names = {"stereo_128x96": "128 x 96, 10 Hz", "stereo_64x48": "64 x 48, 24 Hz"}
    figures = {names[name]: camera_steps(camera, 200) for name, camera in CAMERAS.items()}
    for row, figure in enumerate(figures.values()):
        ours, bare = 1e3 / figure.value, 1e3 / figure.reference
        axes.barh(row, bare, color=TRUE)
        axes.barh(row, ours - bare, left=bare, color=OURS)
        axes.text(ours, row, f"  {ours:.1f} ms, ratio {figure.ratio:.2f}", va="center", color=INK)
    axes.set_yticks(range(len(figures)), list(figures))
    axes.set(xlabel="processor time of a step, ms", xlim=(0, 1.6 * axes.get_xlim()[1]))
    axes.set_title("Two bare renders, and all the rest", loc="left")


if __name__ == "__main__":
    main()
