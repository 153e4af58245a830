"""Make the golden log anew: in comes the log of a short flight, out comes a small one.

    drone fly --seed 3 --set flight.duration_s=20 --runs /tmp/golden --no-report
    python tests/golden/make_golden.py /tmp/golden/*-room/flight.mcap tests/golden

Images and grids are made small and model files cut off, so that the log stays small; all else is as
flown. Only a new `FORMAT_VERSION`, which old logs do not fit, is a reason to make it anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drone import topics
from drone.flightlog import FlightLog, FlightLogWriter
from drone.messages import Tick

LOG_NAME = "golden.mcap"
FACTS_NAME = "golden.json"
_SIZE = (24, 18)


def shrink(source: Path, target: Path) -> None:
    """Write the small log."""
    log = FlightLog(source)
    with FlightLogWriter(target, log.header) as writer:
        for topic, message in log.records():
            if topic == topics.TICK:
                writer.write_tick(_small(message))
            elif not topic.consumed:
                writer.write(topic, _thinned(message))


def _thinned(message: Any) -> Any:
    grids = {
        field.name: np.ascontiguousarray(getattr(message, field.name)[::3, ::4])
        for field in fields(message)
        if isinstance(getattr(message, field.name), np.ndarray)
    }
    return replace(message, **grids)


def _small(tick: Tick) -> Tick:
    if tick.frame is not None:
        left, right = (
            None if eye is None else cv2.resize(eye, _SIZE, interpolation=cv2.INTER_AREA)
            for eye in (tick.frame.left, tick.frame.right)
        )
        tick = replace(tick, frame=replace(tick.frame, left=left, right=right))
    if tick.model is not None:
        tick = replace(tick, model=replace(tick.model, onnx=tick.model.onnx[:64]))
    return tick


def facts(path: Path) -> dict[str, Any]:
    """Return what a reader must find in the log, whatever fields its messages gain."""
    log = FlightLog(path)
    counts: Counter[str] = Counter()
    images, known = hashlib.sha256(), hashlib.sha256()
    for topic, message in log.records():
        counts[topic.name] += 1
        if topic == topics.TICK:
            known.update(f"{message.seq} {message.stamp_ns} {message.permitted};".encode())
            if message.vehicle is not None:
                known.update(repr(message.vehicle.position_m).encode())
            if message.frame is not None and message.frame.left is not None:
                images.update(message.frame.left.tobytes())
        elif topic in (topics.LABEL, topics.MONO):
            known.update(message.inverse_depth.tobytes() + repr(message.obstacle_m).encode())
        elif topic == topics.DECISION:
            known.update(f"{message.mode} {message.command.forward_mps};".encode())
    return {
        "counts": dict(sorted(counts.items())),
        "messages": log.message_count,
        "duration_s": round(log.duration_s, 6),
        "seed": log.header.seed,
        "images_sha256": images.hexdigest(),
        "values_sha256": known.hexdigest(),
    }


def main(source: Path, folder: Path) -> None:
    """Make log and facts."""
    (folder / LOG_NAME).unlink(missing_ok=True)
    shrink(source, folder / LOG_NAME)
    text = json.dumps(facts(folder / LOG_NAME), indent=2) + "\n"
    (folder / FACTS_NAME).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
