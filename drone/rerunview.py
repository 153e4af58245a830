"""A flight's log in Rerun: in come its ticks and decisions, out goes a recording with its layout.

    flight.mcap ─► FlightLog ─► images, depth, distances, mode, path ─► viewer, or a file .rrd

Rerun opens a log by itself too, but then shows images, calibration and poses only. Here it also
gets what our own messages say, and the layout; a log that is damaged, or goes on in further files,
is told too. Time lines: `flight`, from the first tick, and `utc`. Needs the extra `view`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from drone.clock import s_from_ns
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog, LogHeader
from drone.geometry import StereoCalibration
from drone.messages import (
    Decision,
    DistanceLabel,
    FlightEvent,
    FloatGrid,
    Image,
    Mode,
    MonoEstimate,
    Tick,
    Truth,
    Vector3,
)
from drone.report.track import room_plan

NEAR_M, FAR_M = 0.5, 8.0
"""Ends of the colour scale of depth."""
BATCH = 256
"""Rows of an entity sent at a time."""
_LEFT, _RIGHT = "world/drone/left", "world/drone/right"
_COLOURS: Mapping[str, tuple[str, tuple[int, int, int]]] = {
    "distance/stereo": ("stereo", (0, 114, 178)),
    "distance/mono": ("mono, cautious", (213, 94, 0)),
    "distance/mono_stops_below": ("mono stops below", (230, 159, 0)),
    "distance/true": ("true", (139, 145, 153)),
    "trust/caught": ("near frames caught", (139, 145, 153)),
    "trust/needless": ("free frames stopped", (213, 94, 0)),
    "trust/held": ("licence held", (0, 158, 115)),
}


def save_view(log: FlightLog, path: Path, on_progress: Callable[[float], None]) -> int:
    """Write a log as a Rerun recording.

    Args:
        log: of the flight.
        path: of the file, written anew.
        on_progress: called with the seconds of flight told so far.

    Returns:
        Frames told.

    Raises:
        WorkFailedError: the file cannot be written.
    """
    recording = _recording(log)
    try:
        recording.save(path, default_blueprint=layout())
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkFailedError(f"{path}: cannot be written: {error}") from error
    return _tell(log, recording, on_progress)


def open_view(log: FlightLog, on_progress: Callable[[float], None]) -> int:
    """Open Rerun's viewer and show it a log; returns the frames told.

    Raises:
        UserError: there is no display.
        WorkFailedError: the viewer does not start.
    """
    recording = _recording(log)
    try:
        recording.spawn(default_blueprint=layout())
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkFailedError(f"Rerun's viewer does not start: {error}") from error
    return _tell(log, recording, on_progress)


def need_display(environment: Mapping[str, str], platform: str = sys.platform) -> None:
    """Check that a window can be opened.

    Raises:
        UserError: there is no display; the message says what to do instead.
    """
    if platform.startswith("linux") and not (
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    ):
        raise UserError("there is no display to open Rerun on; --view FILE.rrd writes a file")


def layout() -> Any:
    """Return which views Rerun shows, and where."""
    eyes = rrb.Vertical(
        rrb.Spatial2DView(origin=f"{_LEFT}/image", name="left image"),
        rrb.Horizontal(
            rrb.Spatial2DView(origin="depth/stereo", name="depth by stereo"),
            rrb.Spatial2DView(origin="depth/mono", name="depth by mono"),
        ),
    )
    courses = rrb.Vertical(
        rrb.TimeSeriesView(origin="distance", name="obstacle distance, m"),
        rrb.TimeSeriesView(origin="trust", name="trust"),
        rrb.TextLogView(origin="events", name="events"),
    )
    room = rrb.Spatial3DView(origin="world", name="path")
    time = rrb.TimePanel(timeline="flight", state="collapsed")
    return rrb.Blueprint(rrb.Horizontal(eyes, courses, room), time, collapse_panels=True)


def _recording(log: FlightLog) -> Any:
    run = log.path.resolve().parent.name
    recording = rr.RecordingStream("drone", recording_id=f"{run}-{log.path.stem}")
    recording.send_recording_name(run)
    recording.set_log_time_enabled(False)
    recording.set_log_tick_enabled(False)
    return recording


def _tell(log: FlightLog, recording: Any, on_progress: Callable[[float], None]) -> int:
    """Send everything, and wait until it is through."""
    teller = _Teller(log.header, recording)
    for _, message in log.records():
        teller.take(message)
        if isinstance(message, Tick):
            on_progress(teller.flown_s)
    teller.end()
    recording.flush()
    recording.disconnect()
    return teller.frames


class _Columns:
    """Gathers rows per entity and sends many at a time: one by one takes thirty times as long."""

    def __init__(self, recording: Any) -> None:
        self.flight_ns, self.utc_ns = 0, 0
        self._recording = recording
        self._rows: dict[str, list[tuple[int, int, Any]]] = {}
        self._makers: dict[str, Callable[[list[Any]], Any]] = {}

    def at(self, flight_ns: int, utc_ns: int) -> None:
        """Say of when the next rows are."""
        self.flight_ns, self.utc_ns = flight_ns, utc_ns

    def add(self, entity: str, value: Any, maker: Callable[[list[Any]], Any]) -> None:
        """Take a row; `maker` makes columns of the values of many."""
        rows = self._rows.setdefault(entity, [])
        self._makers[entity] = maker
        rows.append((self.flight_ns, self.utc_ns, value))
        if len(rows) >= BATCH:
            self._send(entity)

    def log(self, entity: str, what: Any) -> None:
        """Send one thing at once."""
        self._recording.set_time("flight", duration=np.timedelta64(self.flight_ns, "ns"))
        self._recording.set_time("utc", timestamp=np.datetime64(self.utc_ns, "ns"))
        self._recording.log(entity, what)

    def send(self) -> None:
        """Send what is left."""
        for entity in self._rows:
            self._send(entity)

    def _send(self, entity: str) -> None:
        rows, self._rows[entity] = self._rows[entity], []
        if not rows:
            return
        flight_ns, utc_ns, values = zip(*rows, strict=True)
        times = [
            rr.TimeColumn("flight", duration=np.array(flight_ns, "timedelta64[ns]")),
            rr.TimeColumn("utc", timestamp=np.array(utc_ns, "datetime64[ns]")),
        ]
        columns = self._makers[entity](list(values))
        self._recording.send_columns(entity, indexes=times, columns=columns)


def _scalars(values: list[float]) -> Any:
    return rr.Scalars.columns(scalars=values)


def _places(poses: list[tuple[Vector3, Sequence[float]]]) -> Any:
    places, turns = zip(*poses, strict=True)
    return rr.Transform3D.columns(translation=places, quaternion=turns)


def _images(buffers: list[bytes]) -> Any:
    return rr.Image.columns(buffer=[np.frombuffer(b, np.uint8) for b in buffers])


def _depths(buffers: list[bytes]) -> Any:
    return rr.DepthImage.columns(buffer=[np.frombuffer(b, np.uint8) for b in buffers])


class _Teller:
    """Tells a recording what the messages of a log say, in their order."""

    def __init__(self, header: LogHeader, recording: Any) -> None:
        self.frames = 0
        self.flown_s = 0.0
        self._header, self._recording = header, recording
        self._columns = _Columns(recording)
        self._epoch_ns: int | None = None
        self._mode: Mode | None = None
        self._path: list[Vector3] = []
        self._has_truth = False
        self._shown: dict[str, tuple[int, ...]] = {}
        self._static()

    def take(self, message: Any) -> None:
        """Tell one message, if it says something to look at."""
        if isinstance(message, Tick):
            self._at(message.stamp_ns)
            self._tick(message)
        elif isinstance(message, DistanceLabel):
            self._depth("depth/stereo", message.inverse_depth if message.valid else None)
        elif isinstance(message, MonoEstimate):
            self._depth("depth/mono", message.inverse_depth if message.valid else None)
        elif isinstance(message, Decision):
            self._decision(message)
        elif isinstance(message, Truth):
            self._has_truth = True
            self._place(message.position_m, message.attitude)
            self._scalar("distance/true", message.obstacle_m)
        elif isinstance(message, FlightEvent):
            self._text(f"{message.kind}: {message.detail}")

    def end(self) -> None:
        """Tell what is left, and the whole path."""
        self._columns.send()
        if len(self._path) > 1:
            self._fixed("world/path", rr.LineStrips3D([self._path], colors=[(0, 158, 115)]))

    def _at(self, stamp_ns: int) -> None:
        if self._epoch_ns is None:
            self._epoch_ns = stamp_ns
        flight_ns = stamp_ns - self._epoch_ns
        self.flown_s = s_from_ns(flight_ns)
        self._columns.at(flight_ns, stamp_ns + self._header.utc_offset_ns)

    def _fixed(self, entity: str, what: Any) -> None:
        self._recording.log(entity, what, static=True)

    def _static(self) -> None:
        """Tell what does not change: frames, cameras, the room, names and colours of curves."""
        calibration = self._header.calibration
        self._fixed("world", rr.ViewCoordinates.RIGHT_HAND_Z_DOWN)
        for entity, aside_m in ((_LEFT, 0.0), (_RIGHT, calibration.baseline_m)):
            self._fixed(entity, _eye_in_body(calibration, aside_m))
            self._fixed(f"{entity}/image", _pinhole(calibration))
        plan = [p for p in room_plan(self._header.extra.get("plan")) if p]
        outlines = [[(north, east, 0.0) for north, east in [*p, p[0]]] for p in plan]
        if outlines:
            self._fixed("world/plan", rr.LineStrips3D(outlines, colors=[(93, 100, 109)]))
        for entity, (name, colour) in _COLOURS.items():
            self._fixed(entity, rr.SeriesLines(names=name, colors=[colour]))

    def _tick(self, tick: Tick) -> None:
        if tick.vehicle is not None and tick.vehicle.valid and not self._has_truth:
            self._place(tick.vehicle.position_m, tick.vehicle.attitude)
        if tick.frame is not None:
            self.frames += 1
            self._image(f"{_LEFT}/image", tick.frame.left)
            self._image(f"{_RIGHT}/image", tick.frame.right)
        for event in tick.health:
            self._text(f"{event.eye} {event.kind} {'begins' if event.active else 'ends'}", "WARN")

    def _image(self, entity: str, image: Image | None) -> None:
        if image is None:
            self._clear(entity)
            return
        if self._shown.get(entity) != image.shape:
            height, width = image.shape
            form = rr.components.ImageFormat(
                width=width, height=height, color_model="L", channel_datatype="U8"
            )
            self._fixed(entity, rr.Image.from_fields(format=form))
        self._shown[entity] = image.shape
        self._columns.add(entity, image.tobytes(), _images)

    def _depth(self, entity: str, inverse_depth: FloatGrid | None) -> None:
        """Tell a grid as depth in m; where it is unknown, it is 0, which Rerun leaves empty."""
        if inverse_depth is None:
            self._clear(entity)
            return
        if self._shown.get(entity) != inverse_depth.shape:
            self._fixed(entity, _depth_form(*inverse_depth.shape))
        self._shown[entity] = inverse_depth.shape
        known = np.isfinite(inverse_depth) & (inverse_depth > 0)
        depth_m = np.where(known, 1 / np.where(known, inverse_depth, 1), 0).astype(np.float32)
        self._columns.add(entity, depth_m.tobytes(), _depths)

    def _clear(self, entity: str) -> None:
        """Show nothing from now on, as soon as there is nothing more to show."""
        if self._shown.pop(entity, None) is not None:
            self._columns.log(entity, rr.Clear(recursive=False))

    def _decision(self, decision: Decision) -> None:
        trust = decision.trust
        self._scalar("distance/stereo", decision.stereo_obstacle_m)
        self._scalar("distance/mono", decision.mono_obstacle_m)
        self._scalar("distance/mono_stops_below", trust.threshold_m)
        self._scalar("trust/caught", trust.tpr)
        self._scalar("trust/needless", trust.fpr)
        self._scalar("trust/held", float(trust.held))
        if decision.mode is not self._mode:
            self._mode = decision.mode
            self._text(f"mode {decision.mode.value}: {decision.reason}")

    def _scalar(self, entity: str, value: float) -> None:
        """Tell a number; where it is unknown, the curve has a gap."""
        self._columns.add(entity, value, _scalars)

    def _text(self, words: str, level: str = "INFO") -> None:
        self._columns.log("events", rr.TextLog(words, level=level))

    def _place(self, position_m: Vector3, attitude: Sequence[float]) -> None:
        if not all(map(math.isfinite, position_m)):
            return
        w, x, y, z = attitude
        self._columns.add("world/drone", (position_m, (x, y, z, w)), _places)
        self._path.append(position_m)


def _depth_form(rows: int, cols: int) -> Any:
    form = rr.components.ImageFormat(width=cols, height=rows, channel_datatype="F32")
    return rr.DepthImage.from_fields(
        format=form, meter=1.0, depth_range=(NEAR_M, FAR_M), colormap="viridis"
    )


def _eye_in_body(calibration: StereoCalibration, aside_m: float) -> Any:
    """Return where an eye is in the body: the right one is displaced along the left's x axis."""
    place = np.array(calibration.left_in_body_m) + calibration.rotation[:, 0] * aside_m
    return rr.Transform3D(translation=place, mat3x3=calibration.rotation)


def _pinhole(calibration: StereoCalibration) -> Any:
    c = calibration.left
    return rr.Pinhole(
        focal_length=(c.fx, c.fy),
        principal_point=(c.cx, c.cy),
        width=c.width,
        height=c.height,
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=0.4,
    )
