"""What goes over the wire to a page: in come feed and cursor, out comes one message.

    4 bytes, little endian: length of the JSON │ JSON │ pictures, one after the other

The JSON's `parts` names the pictures in their order: name, width, height, bytes. The camera image
is JPEG. Disparities are one byte a pixel, 0 where unknown, else proportional to the disparity; the
page colours them. Unknown numbers are null.
"""

from __future__ import annotations

import json
import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.geometry import euler_from_quaternion
from drone.messages import FlightEvent, FloatGrid, Image, StereoFrame
from drone.onboard.evidence import Evidence
from drone.web.feed import Feed, Glimpse, Point, Scene

JPEG_QUALITY = 80
WIDEST_PX = 480
WIDEST_RAW_PX = 192
MOST_POINTS = 3000
"""Of the course, in one message."""
ROC_POINTS = 60

Part = tuple[str, int, int, bytes]
"""Name, width, height, bytes."""


@dataclass(slots=True)
class Cursor:
    """How far one page has been told of the course."""

    time_s: float = -math.inf
    event: int = 0


class Painter:
    """Makes the pictures of a frame, once for all pages."""

    def __init__(self, scene: Scene) -> None:
        self._metres = scene.disparity_metres
        self._most_px = float(scene.disparities)
        self._of: Glimpse | None = None
        self._parts: list[Part] = []

    def parts(self, glimpse: Glimpse) -> list[Part]:
        """Return the pictures of a glimpse that has a frame."""
        if glimpse is not self._of:
            self._of, self._parts = glimpse, list(self._paint(glimpse))
        return self._parts

    def _paint(self, glimpse: Glimpse) -> Iterable[Part]:
        frame, estimate = glimpse.tick.frame, glimpse.percept.estimate
        if frame is not None:
            name, image = _eye(frame)
            if image is not None:
                yield _jpeg(name, image)
        if glimpse.disparity_px is not None:
            step = max(1, math.ceil(glimpse.disparity_px.shape[1] / WIDEST_RAW_PX))
            yield self._raw("disparity", glimpse.disparity_px[::step, ::step])
        if estimate is not None and estimate.valid:
            yield self._raw("mono", estimate.inverse_depth * np.float32(self._metres))

    def _raw(self, name: str, disparity_px: FloatGrid) -> Part:
        scaled = np.clip(disparity_px * np.float32(254 / self._most_px), 0, 254) + 1
        grey = np.where(np.isfinite(disparity_px), scaled, 0).astype(np.uint8)
        return name, grey.shape[1], grey.shape[0], grey.tobytes()


def _eye(frame: StereoFrame) -> tuple[str, Image | None]:
    return ("left", frame.left) if frame.left is not None else ("right", frame.right)


def _jpeg(name: str, image: Image) -> Part:
    height, width = image.shape
    if width > WIDEST_PX:
        size = (WIDEST_PX, max(1, height * WIDEST_PX // width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    data: NDArray[np.uint8] = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[
        1
    ]
    return name, image.shape[1], image.shape[0], data.tobytes()


def message(feed: Feed, painter: Painter, cursor: Cursor, with_roc: bool) -> bytes:
    """Return what a page has not been told yet, and move its cursor.

    Args:
        feed: of a flight that has had its first frame.
        painter: of its pictures.
        cursor: of this page.
        with_roc: tell the whole curve too.
    """
    latest, framed = feed.latest, feed.framed
    assert latest is not None, "nothing to tell before the first frame"
    assert framed is not None, "nothing to tell before the first frame"
    points, events = feed.points(cursor.time_s), feed.events(cursor.event)
    cursor.time_s = points[-1].time_s if points else cursor.time_s
    cursor.event = events[-1].seq if events else cursor.event
    parts = painter.parts(framed)
    facts = _facts(latest, framed) | {
        "ended": feed.ended,
        "course": [_rounded(p) for p in _thinned(points)],
        "events": [_event(e) for e in events],
        "parts": [[name, width, height, len(data)] for name, width, height, data in parts],
    }
    if with_roc:
        facts["roc"] = roc(latest.state.trust.evidence)
    return packed(facts, [data for *_, data in parts])


def hello(scene: Scene) -> bytes:
    """Return what a page is told first."""
    return packed({"hello": 1, "name": scene.name, "plan": scene.plan, "view": scene.view})


def packed(facts: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """Return one message."""
    text = json.dumps(facts, separators=(",", ":"), allow_nan=False).encode()
    return b"".join((struct.pack("<I", len(text)), text, *blobs))


def roc(evidence: Evidence) -> list[list[float]]:
    """Return the curve as (share of free frames stopped, share of near frames caught)."""
    near_m, free_m = evidence.near_m, evidence.free_m
    if not near_m or not free_m:
        return []
    distances = sorted({*near_m, *free_m})
    step = max(1, len(distances) // ROC_POINTS)
    swept = [*distances[::step], math.inf]
    return [
        [
            round(bisect_left(free_m, d) / len(free_m), 4),
            round(bisect_left(near_m, d) / len(near_m), 4),
        ]
        for d in swept
    ]


def _facts(latest: Glimpse, framed: Glimpse) -> dict[str, Any]:
    decision, state, tick = latest.decision, latest.state, latest.tick
    label, estimate, trust = framed.percept.label, framed.percept.estimate, decision.trust
    vehicle = state.vehicle
    yaw_rad = euler_from_quaternion(vehicle.attitude)[2] if vehicle else math.nan
    command = decision.command
    return {
        "time_s": round(s_from_ns(decision.stamp_ns), 3),
        "frame": framed.decision.seq,
        "mode": decision.mode.value,
        "reason": decision.reason,
        "cue": decision.cue.value,
        "manoeuvre": decision.manoeuvre,
        "override": decision.override,
        "limited": decision.limited,
        "permitted": tick.permitted,
        "asked": tick.asked.value,
        "stereo_m": _number(decision.stereo_obstacle_m),
        "mono_m": _number(decision.mono_obstacle_m),
        "model": state.model,
        "battery_share": _number(vehicle.battery_share) if vehicle else None,
        "pose": _rounded((*latest.position_m[:2], yaw_rad)),
        "command": _rounded((command.forward_mps, command.right_mps, command.yaw_rate_radps)),
        "label_reason": label.reason if label else "",
        "unfamiliarity": _number(estimate.unfamiliarity) if estimate else None,
        "sectors": {
            "stereo": _rounded(label.sectors_m) if label and label.valid else [],
            "mono": _rounded(estimate.sectors_m) if estimate and estimate.valid else [],
        },
        "trust": {
            "held": trust.held,
            "frozen": trust.frozen,
            "reason": trust.reason,
            "threshold_m": _number(trust.threshold_m),
            "tpr": _number(trust.tpr),
            "fpr": _number(trust.fpr),
            "near": trust.positives,
            "free": trust.negatives,
            "approaches": trust.episodes,
        },
    }


def _event(event: FlightEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "time_s": round(s_from_ns(event.stamp_ns), 2),
        "kind": event.kind,
        "detail": event.detail,
        "position": _rounded(event.position_m[:2]),
    }


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    return points[:: max(1, math.ceil(len(points) / MOST_POINTS))]


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [_number(v) for v in values]


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
