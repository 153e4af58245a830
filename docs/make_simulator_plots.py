"""Make docs/vehicle.png: how the simulated AR.Drone 2.0 answers, beside what was published.

    python docs/make_simulator_plots.py [--figures]

`--figures` prints the figures of docs/simulator.md instead. No cameras: half a minute.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drone.config import EstimatorConfig, RoomConfig, VehicleConfig, WindConfig
from drone.geometry import euler_from_quaternion
from drone.messages import Vector3, VelocityCommand
from drone.sim.estimator import Estimator
from drone.sim.furnish import room_of
from drone.sim.rigidbody import Kinematics
from drone.sim.room import Pose
from drone.sim.vehicle import CALM, Quadrotor
from drone.sim.wind import Wind
from drone.sim.world import World

HZ = 240
SEED = 20
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9aa3ad"
ENGEL_TILT_PER_S, ENGEL_YAW_PER_S = (7.0, 10.0), (10.0, 25.0)
"""Rates c3 and c5 of tum_ardrone (Engel et al. 2012), its two published sets."""
Track = list[Kinematics]
Values = NDArray[np.float64]


@contextmanager
def a_vehicle() -> Iterator[Quadrotor]:
    """Yield an AR.Drone in the middle of a large empty room."""
    room = room_of(RoomConfig(length_m=12, width_m=12, obstacles=0), SEED)
    with World(room) as world:
        vehicle = Quadrotor(world, VehicleConfig(), HZ)
        vehicle.put(Pose(0.0, 0.0, 0.0), 1.1)
        yield vehicle


def fly(
    vehicle: Quadrotor,
    command: VelocityCommand,
    seconds: float,
    wind: Callable[[], Vector3] = lambda: CALM,
) -> Track:
    """Return the motion after every step."""
    track = []
    for _ in range(round(seconds * HZ)):
        vehicle.step(command, wind())
        track.append(vehicle.kinematics())
    return track


def command(forward: float = 0.0, down: float = 0.0, yaw: float = 0.0) -> VelocityCommand:
    """Return a command."""
    return VelocityCommand(0, 0, True, forward, 0.0, down, yaw)


def step_response(wanted: VelocityCommand, seconds: float) -> Track:
    """Return how hover becomes that motion."""
    with a_vehicle() as vehicle:
        return fly(vehicle, wanted, seconds)


def hover(config: EstimatorConfig, seed: int, seconds: float) -> Values:
    """Return the distance from the start, m, while the vehicle hovers by its estimate."""
    with a_vehicle() as vehicle:
        rng = np.random.default_rng(seed)
        vehicle.fly_by(Estimator(config, rng, vehicle.kinematics(), vehicle.steer_dt_s))
        return np.array([math.hypot(*k.position_m[:2]) for k in fly(vehicle, command(), seconds)])


def in_wind(config: WindConfig, seconds: float) -> Values:
    """Return the way blown north, m, from the moment when the wind starts."""
    with a_vehicle() as vehicle:
        wind = Wind(config, np.random.default_rng(SEED), 1 / HZ)
        return np.array([k.position_m[0] for k in fly(vehicle, command(), seconds, wind.next_mps)])


def times(values: Values | Track) -> Values:
    """Return the seconds of each step."""
    return np.arange(1, len(values) + 1) / HZ


def rise_s(values: Values, target: float) -> float:
    """Return when 63 % of the target are reached first, s."""
    return float((np.argmax(values / target >= 1 - math.exp(-1)) + 1) / HZ)


def settling_s(values: Values, target: float) -> float:
    """Return after which time the values stay within 10 % of the target, s."""
    off = np.flatnonzero(np.abs(values - target) > 0.1 * abs(target))
    return float((off[-1] + 1 if len(off) else 0) / HZ)


def _speed(track: Track, axis: int) -> Values:
    return np.array([k.velocity_mps[axis] for k in track])


def _pitch_deg(track: Track) -> Values:
    return np.degrees(np.array([euler_from_quaternion(k.attitude)[1] for k in track]))


def _band(ax: Axes, t_s: Values, rates_per_s: tuple[float, float], top: float) -> None:
    low, high = (top * (1 - np.exp(-rate * t_s)) for rate in rates_per_s)
    ax.fill_between(t_s, low, high, color=GREY, alpha=0.5, lw=0, label="Engel et al. 2012")


def _draw_forward(ax: Axes) -> None:
    track = step_response(command(forward=0.5), 2.0)
    ax.plot(times(track), _speed(track, 0), color=BLUE)
    ax.axhline(0.5, color=GREY, lw=0.8)
    ax.set(title="0.5 m/s forward", ylabel="m/s")


def _draw_tilt(ax: Axes) -> None:
    """Full tilt wanted: the attitude loop alone."""
    track = step_response(command(forward=3.0), 0.8)
    t_s = times(track)
    _band(ax, t_s, ENGEL_TILT_PER_S, VehicleConfig().max_tilt_deg)
    ax.plot(t_s, -_pitch_deg(track), color=BLUE)
    ax.set(title="Full tilt", ylabel="nose down, degrees")
    ax.legend(frameon=False, loc="lower right")


def _draw_yaw(ax: Axes) -> None:
    track = step_response(command(yaw=1.0), 0.8)
    t_s = times(track)
    _band(ax, t_s, ENGEL_YAW_PER_S, 1.0)
    ax.plot(t_s, [k.rates_radps[2] for k in track], color=BLUE)
    ax.set(title="1 rad/s to the right", ylabel="rad/s")
    ax.legend(frameon=False, loc="lower right")


def _draw_climb(ax: Axes) -> None:
    track = step_response(command(down=-0.3), 2.0)
    ax.plot(times(track), -_speed(track, 2), color=BLUE)
    ax.axhline(0.3, color=GREY, lw=0.8)
    ax.set(title="0.3 m/s up", ylabel="m/s")


def _draw_hover(ax: Axes) -> None:
    for seed in range(SEED, SEED + 8):
        way = hover(EstimatorConfig(), seed, 60.0)
        ax.plot(times(way), way, color=ORANGE, lw=0.8, label="by its estimate, 8 seeds")
    way = hover(EstimatorConfig(enabled=False), SEED, 60.0)
    ax.plot(times(way), way, color=BLUE, label="knowing the truth")
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    ax.legend(unique.values(), unique.keys(), frameon=False)
    ax.set(title="Hover for a minute", ylabel="m from the start")


def _draw_wind(ax: Axes) -> None:
    for config, colour, name in (
        (WindConfig(speed_mps=2.0), BLUE, "2 m/s from one moment on"),
        (WindConfig(gust_mps=0.7), ORANGE, "gusts of 0.7 m/s"),
    ):
        way = in_wind(config, 20.0)
        ax.plot(times(way), way, color=colour, label=name)
    ax.legend(frameon=False)
    ax.set(title="Hover in wind", ylabel="m blown north")


def draw(file: Path) -> None:
    """Draw all panels."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = (_draw_forward, _draw_tilt, _draw_yaw, _draw_climb, _draw_hover, _draw_wind)
    for ax, panel in zip(figure.subplots(2, 3).flat, panels, strict=True):
        panel(ax)
        ax.set_xlabel("s")
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=90)


def figures() -> dict[str, float]:
    """Return the figures of docs/simulator.md."""
    forward = _speed(step_response(command(forward=0.5), 3.0), 0)
    fast = step_response(command(forward=3.0), 1.0)
    yaw = np.array([k.rates_radps[2] for k in step_response(command(yaw=1.0), 2.0)])
    up = -_speed(step_response(command(down=-0.3), 3.0), 2)
    drifts = [hover(EstimatorConfig(), seed, 60.0)[-1] for seed in range(20, 40)]
    return {
        "forward 0.5 m/s: 63 % after, s": rise_s(forward, 0.5),
        "forward 0.5 m/s: within 10 % after, s": settling_s(forward, 0.5),
        "forward 0.5 m/s: overshoot, %": 100 * (float(forward.max()) / 0.5 - 1),
        "full tilt: 63 % after, s": rise_s(-_pitch_deg(fast), VehicleConfig().max_tilt_deg),
        "full tilt: most, degrees": float(-_pitch_deg(fast).min()),
        "yaw 1 rad/s: 63 % after, s": rise_s(yaw, 1.0),
        "yaw 1 rad/s: within 10 % after, s": settling_s(yaw, 1.0),
        "up 0.3 m/s: 63 % after, s": rise_s(up, 0.3),
        "up 0.3 m/s: within 10 % after, s": settling_s(up, 0.3),
        "hover 60 s, truth known: farthest, m": float(
            hover(EstimatorConfig(enabled=False), SEED, 60.0).max()
        ),
        "hover 60 s by estimate: median of 20, m": float(np.median(drifts)),
        "hover 60 s by estimate: most of 20, m": float(np.max(drifts)),
        "wind 2 m/s: farthest, m": float(in_wind(WindConfig(speed_mps=2.0), 20.0).max()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", action="store_true")
    if parser.parse_args().figures:
        for name, value in figures().items():
            sys.stdout.write(f"{name}: {value:.3f}\n")
    else:
        draw(Path(__file__).with_name("vehicle.png"))
