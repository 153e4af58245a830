"""The comparison of learners on a flight of one's own.

    python -m training.experiments.onlog RUN/flight.mcap

Each learner goes through the first two thirds of the logged frames, with the labels that they had
in flight, and is judged on the last third, as `drone experiment learners` does with simulated
flights. Prints one JSON object: learner -> figures. One flight has no interval: compare several.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drone import topics
from drone.clock import s_from_ns
from drone.config import Config, loads
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import DistanceLabel, Tick, VehicleState
from training.course import Moment, Student
from training.experiments.courses import AT_S, course, past, split
from training.experiments.learners import LEARNERS

LEARNED_SHARE = 2 / 3


def logged(path: Path) -> tuple[Config, list[Moment]]:
    """Return a log's configuration and its frames with their labels, the first at 0 s.

    Raises:
        UserError: there is no frame with both images and a label in it.
    """
    log = FlightLog(path)
    config = loads(log.header.config_toml, f"{path} (its configuration)")
    moments = from_zero(list(_moments(log)))
    if not moments:
        raise UserError(f"{path}: no frame with both images and a label: nothing to compare on")
    return config, moments


def from_zero(moments: Sequence[Moment]) -> list[Moment]:
    """Return moments with their stamps counted from the first."""
    first_ns = moments[0].frame.stamp_ns if moments else 0
    return [
        m._replace(
            frame=replace(m.frame, stamp_ns=m.frame.stamp_ns - first_ns),
            label=replace(m.label, stamp_ns=m.label.stamp_ns - first_ns),
        )
        for m in moments
    ]


def _moments(log: FlightLog) -> Iterator[Moment]:
    vehicle: VehicleState | None = None
    tick: Tick | None = None
    for topic, message in log.records():
        if topic == topics.TICK:
            tick, vehicle = message, message.vehicle or vehicle
        elif topic == topics.LABEL and isinstance(message, DistanceLabel) and tick is not None:
            frame = tick.frame
            if frame is not None and frame.left is not None and frame.right is not None:
                attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
                down = log.header.calibration.down_in_camera(attitude)
                yield Moment(frame, message, down, math.nan)


def compare(config: Config, moments: Sequence[Moment]) -> dict[str, Any]:
    """Return each learner's figures on the last third of a flight."""
    at_s = LEARNED_SHARE * s_from_ns(moments[-1].frame.stamp_ns)
    lessons, test = split(moments, at_s)
    found = past(lessons, [at_s], test)
    for name, overrides in LEARNERS.items():
        own = loads(config.to_toml(), "the flight's configuration", list(overrides))
        found[name] = course(Student(own, config.flight.seed), own, lessons, [at_s], test)
    return {name: next(iter(figures[AT_S].values())) for name, figures in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        prog="python -m training.experiments.onlog", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("log", type=Path, help="a flight.mcap")
    args = parser.parse_args(arguments)
    try:
        figures = compare(*logged(args.log))
    except UserError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    sys.stdout.write(json.dumps(figures, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
