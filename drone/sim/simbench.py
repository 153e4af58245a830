"""How fast the simulator is: beside its renderer, beside itself in two workers, beside the clock.

In: how many rounds. Out: `Figure`s of rates, larger is better. The drone flies about under a
command that changes at every step. All is measured in turn with what it is compared to, on the
same scene, from the same places.

Steps and bare renders run in one thread and are timed by its processor time: the wall clock of a
shared machine also measures its neighbours, and the longer work the more. Where a GPU draws, which
processor time does not see, and for the workers, it is the wall clock.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import cv2
import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from drone.bench import Figure, compare, per_second
from drone.config import CameraConfig, SimConfig
from drone.messages import VelocityCommand
from drone.sim import egl
from drone.sim.env import register_envs
from drone.sim.simulator import RoomSimulator
from drone.sim.vehicle import Kinematics

CAMERAS = {
    "stereo_128x96": CameraConfig(width_px=128, height_px=96, rate_hz=10.0),
    "stereo_64x48": CameraConfig(width_px=64, height_px=48, rate_hz=24.0),
}
ROOM_SEED = 20
_BLOCK = 10
"""Steps that are flown, then drawn again, in a row."""
_STEPS = 20
"""Of a worker in a round."""


def bench_sim(rounds: int, on_part: Callable[[], object] = lambda: None) -> dict[str, Figure]:
    """Return the figures.

    Args:
        rounds: how often each camera step is timed; of the workers, a tenth as often 20 steps.
        on_part: called after each of the three parts.

    Raises:
        ValueError: less than one round.
    """
    cv2.setNumThreads(1)
    figures = {}
    for name, camera in CAMERAS.items():
        figures[name] = camera_steps(camera, rounds)
        on_part()
    slower = figures["stereo_128x96"]
    factor = slower.value / CAMERAS["stereo_128x96"].rate_hz
    figures["vector_speedup_2"] = vector_speedup(2, max(1, rounds // 10))
    on_part()
    figures["real_time_factor"] = Figure(factor, 1.0, factor, slower.n)
    return figures


def camera_steps(camera: CameraConfig, rounds: int) -> Figure:
    """Return camera steps per second of the whole simulator beside two bare renders.

    A step is physics and control for a camera period, estimate, both images, noise and true depth,
    without the task's own measure, the obstacle distance. The floor is two calls of
    `getCameraImage` and nothing else. Ten steps are flown, then drawn again bare from the same
    places, and so on: to draw a view twice in a row would spare the second the wait for its
    textures.
    """
    config = SimConfig(camera=camera)
    clock_s = time.perf_counter if egl.chosen(config.renderer) else time.process_time
    steps = iter(range(1 << 62))
    with RoomSimulator(config, None, seed=ROOM_SEED, tick_hz=camera.rate_hz) as simulator:
        simulator.reset()
        places: list[Kinematics] = []
        floor: list[Callable[[], object]] = []

        def fly() -> None:
            places.clear()
            for _ in range(_BLOCK):
                simulator.step(wander(next(steps) / camera.rate_hz))
                places.append(simulator.motion)

        def aim() -> None:
            floor[:] = [draw for place in places for draw in simulator.bare_pair(place)]

        blocks = max(1, rounds // _BLOCK)
        blocked = compare(
            fly, lambda: [draw() for draw in floor], blocks, between=aim, clock_s=clock_s
        )
    each = per_second(blocked)
    return Figure(each.value * _BLOCK, each.reference * _BLOCK, each.ratio, blocks * _BLOCK)


def wander(t_s: float) -> VelocityCommand:
    """Return a command that never stays: weaving ahead, to the sides and up and down."""
    return VelocityCommand(
        seq=0,
        stamp_ns=0,
        valid=True,
        forward_mps=0.4 + 0.3 * math.sin(1.1 * t_s),
        right_mps=0.3 * math.sin(0.7 * t_s),
        down_mps=0.1 * math.sin(0.9 * t_s),
        yaw_rate_radps=0.9 + 0.6 * math.sin(0.5 * t_s),
    )


def vector_speedup(workers: int, rounds: int) -> Figure:
    """Return steps per second of several workers beside one (both with shared memory)."""
    register_envs()
    one, many = _workers(1), _workers(workers)
    try:
        for envs in (one, many):
            _rate(envs, 0)
        rates = [(_rate(many, k), _rate(one, k)) for k in range(rounds)]
    finally:
        one.close()
        many.close()
    value = statistics.median(v for v, _ in rates)
    reference = statistics.median(r for _, r in rates)
    return Figure(value, reference, value / reference, rounds)


def _workers(number: int) -> VectorEnv:
    """Return workers in the same room, so that all have the same to draw."""
    envs = gymnasium.make_vec(
        "RoomFlightStereo-v0",
        num_envs=number,
        vectorization_mode="async",
        vector_kwargs={"shared_memory": True},
        duration_s=3600.0,
        episodes_per_room=1 << 30,
    )
    envs.reset(seed=ROOM_SEED, options={"room": ROOM_SEED, "flight": 0})
    return envs


def _rate(envs: VectorEnv, round_number: int) -> float:
    """Return steps per second, of all workers together."""
    started_s = time.perf_counter()
    for k in range(_STEPS):
        turn = 0.5 + 0.4 * math.sin(0.1 * (k + _STEPS * round_number))
        envs.step(np.tile(np.array([0.2, 0.1, 0.0, turn], np.float32), (envs.num_envs, 1)))
    return _STEPS * envs.num_envs / (time.perf_counter() - started_s)
