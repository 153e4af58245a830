"""What learning beside the flight costs the flight: the time of a swap and of an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from drone.config import Config
from drone.messages import ModelVersion
from drone.onboard.mono import MonoNetwork
from drone.onboard.perception import Perception
from drone.sim.cameras import calibration_of
from training.course import Moment, stereo_flight
from training.teacher import Learner
from training.trainer import Syllabus

FLIGHT_S = 40.0
ANSWERS_PER_FRAME = 10
"""More than a flight asks for, so that each is timed while the learner is at work."""


def cost(config: Config, seed: int = 0, flight_s: float = FLIGHT_S) -> dict[str, Any]:
    """Return the time of an answer alone and beside the learner, and of a swap, ms.

    The learner has a process of its own, as in flight; new versions are loaded by a thread while
    the one before goes on answering.
    """
    perception = Perception(config.pilot, calibration_of(config.sim.camera))
    moments = list(stereo_flight(config, seed, flight_s))
    learner = Learner(_syllabus(config, perception, seed))
    beside: list[float] = []
    swaps: list[float] = []
    network: MonoNetwork | None = None
    try:
        with ThreadPoolExecutor(1) as loader:
            for moment in moments:
                learner.begin(moment.frame, moment.label, moment.down)
                if network is not None:
                    beside += _answers(network, moment)
                lesson = learner.lesson()
                if lesson is not None and lesson.model is not None:
                    loading = loader.submit(_timed_load, lesson.model, perception)
                    if network is not None:
                        beside += _until_loaded(network, moment, loading)
                    network, took_ms = loading.result()
                    swaps.append(took_ms)
    finally:
        learner.close()
    if network is None:
        return {"swap_ms": None, "infer_ms": None}
    alone = [ms for moment in moments for ms in _answers(network, moment)]
    return {"swap_ms": _round(np.median(swaps)), "infer_ms": _figures(alone, beside)}


def _figures(alone_ms: Sequence[float], beside_ms: Sequence[float]) -> dict[str, float]:
    return {
        "p50": _round(np.median(alone_ms)),
        "p99": _round(np.percentile(alone_ms, 99)),
        "p50_while_training": _round(np.median(beside_ms)),
        "p99_while_training": _round(np.percentile(beside_ms, 99)),
    }


def _answers(network: MonoNetwork, moment: Moment) -> Iterator[float]:
    """Yield the times of some answers, ms."""
    assert moment.frame.left is not None, "a flight without faults has every image"
    for _ in range(ANSWERS_PER_FRAME):
        started_s = time.perf_counter()
        network.estimate(moment.frame.left)
        yield 1e3 * (time.perf_counter() - started_s)


def _until_loaded(
    network: MonoNetwork, moment: Moment, loading: Future[tuple[MonoNetwork, float]]
) -> list[float]:
    times: list[float] = []
    while not loading.done():
        times += _answers(network, moment)
    return times


def _timed_load(model: ModelVersion, perception: Perception) -> tuple[MonoNetwork, float]:
    started_s = time.perf_counter()
    network = MonoNetwork(model, perception.spec)
    return network, 1e3 * (time.perf_counter() - started_s)


def _syllabus(config: Config, perception: Perception, seed: int) -> Syllabus:
    caution, metres = config.pilot.mono.caution, calibration_of(config.sim.camera).disparity_metres
    return Syllabus(config.learner, perception.spec, perception.meter, seed, caution, metres)


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 3)
