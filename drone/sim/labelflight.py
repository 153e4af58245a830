"""Labels against truth: one room flown by stereo alone, without a learner.

In: a configuration and a seed. Out: how well the label's obstacle distance tells near from free,
how often it is falsely near, and what it calls unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from drone.config import Config
from drone.geometry import DistanceMeter, grid_from_dense
from drone.messages import DistanceLabel, Tick
from drone.onboard.obstacle_memory import view_of
from drone.onboard.perception import Perception
from drone.onboard.pilot import Pilot, PilotState, decide
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput

FALSELY_NEAR = 0.8
"""A label that stops the drone is falsely near below this share of the true distance."""
BAD_DEPTH = 0.1
"""A cell whose depth is farther off, relative to the truth, is wrong."""


@dataclass
class LabelRecord:
    """What labels and truth said, frame by frame.

    Attributes:
        label_m: obstacle distance of each frame's label, m, NaN where unknown or invalid.
        truth_m: the true one, m, NaN where unknown.
        known_share: share of the cells that the label knows.
        confidence: of every known cell of the frames kept for it.
        log_error: |log| of the label's depth over the true one, of the same cells.
    """

    label_m: list[float] = field(default_factory=list)
    truth_m: list[float] = field(default_factory=list)
    known_share: list[float] = field(default_factory=list)
    confidence: list[Any] = field(default_factory=list)
    log_error: list[Any] = field(default_factory=list)
    collisions: int = 0

    def figures(self, stop_m: float, min_tpr: float) -> dict[str, float | int | None]:
        """Return the figures of one room; unknown is None."""
        label, truth = np.array(self.label_m), np.array(self.truth_m)
        near = (label < FALSELY_NEAR * truth) & (label < stop_m)
        errors = np.concatenate(self.log_error) if self.log_error else np.zeros(0)
        return {
            "fpr": fpr_at(label, truth, stop_m, min_tpr),
            "falsely_near_share": round(float(near.mean()), 4),
            "unknown_share": round(float(np.isnan(label).mean()), 4),
            "known_cells_share": round(float(np.mean(self.known_share)), 4),
            "cell_bad10_share": _mean(np.expm1(errors) > BAD_DEPTH),
            "cell_log_error": _mean(errors),
            "positives": int((truth < stop_m).sum()),
            "negatives": int((truth >= stop_m).sum()),
            "collisions": self.collisions,
        }


def fly_labels(config: Config, seed: int, cells_every: int = 10) -> LabelRecord:
    """Fly a room by stereo alone and record labels beside truth.

    Args:
        config: as for `stereo_flight`.
        seed: of the room and the flight.
        cells_every: of so many frames one has its cells compared.
    """
    record = LabelRecord()
    meter = _meter(config)
    for label, output in stereo_flight(config, seed):
        if label is not None and output.truth is not None:
            _note(record, label, output, meter, cells_every)
    return record


def stereo_flight(config: Config, seed: int) -> Iterator[tuple[DistanceLabel | None, SimOutput]]:
    """Fly a room by stereo alone; yield each tick's label beside what the simulator put out.

    Args:
        config: room, camera, pilot and duration; faults and strategy are set aside.
        seed: of the room and the flight.
    """
    cv2.setNumThreads(1)
    switching = config.pilot.switching.model_copy(update={"strategy": "stereo_only"})
    pilot_config = config.pilot.model_copy(update={"switching": switching})
    sim_config = config.sim.model_copy(update={"faults": ()})
    calibration = calibration_of(config.sim.camera)
    pilot = Pilot(pilot_config, Perception(pilot_config, calibration))
    state, hz = PilotState(view=view_of(calibration)), pilot_config.tick_hz
    with RoomSimulator(sim_config, _meter(config), seed=seed, tick_hz=hz) as simulator:
        output = simulator.reset()
        for seq in range(round(config.flight.duration_s * hz)):
            tick = Tick(seq, output.vehicle.stamp_ns, True, True, output.frame, output.vehicle)
            percept = pilot.perceive(state, tick)
            state, decision = decide(state, tick, percept, pilot_config)
            yield percept.label, output
            output = simulator.step(decision.command)


def _meter(config: Config) -> DistanceMeter:
    camera = calibration_of(config.sim.camera).left
    return DistanceMeter(camera, config.pilot.grid_spec, config.pilot.corridor_spec)


def _note(
    record: LabelRecord, label: Any, output: SimOutput, meter: DistanceMeter, cells_every: int
) -> None:
    assert output.truth is not None
    assert output.true_inverse_depth is not None
    known = np.isfinite(label.inverse_depth)
    record.label_m.append(label.obstacle_m if label.valid else math.nan)
    record.truth_m.append(output.truth.obstacle_m)
    record.known_share.append(float(known.mean()))
    record.collisions = output.truth.collisions
    if len(record.truth_m) % cells_every == 0:
        truth = grid_from_dense(output.true_inverse_depth, meter.grid)
        record.confidence.append(label.confidence[known])
        record.log_error.append(np.abs(np.log(truth[known] / label.inverse_depth[known])))


def fpr_at(estimate_m: Any, reference_m: Any, stop_m: float, min_tpr: float) -> float | None:
    """Return the least share of needless stops at which `min_tpr` of the near frames are caught.

    An unknown estimate stops the drone. Without a near or a free frame there is no such share.

    Args:
        estimate_m: what is judged, (N,), NaN where unknown.
        reference_m: what tells near from free, (N,); a frame that is NaN here counts as neither.
        stop_m: near is below this.
        min_tpr: share of near frames to catch, 0-1.
    """
    score = np.where(np.isnan(estimate_m), 0.0, estimate_m)
    near, free = score[reference_m < stop_m], score[reference_m >= stop_m]
    if not len(near) or not len(free):
        return None
    threshold_m = np.sort(near)[math.ceil(min_tpr * len(near)) - 1]
    return round(float((free <= threshold_m).mean()), 4)


def _mean(values: Any) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
