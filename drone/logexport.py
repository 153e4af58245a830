"""A log for other tools: in comes a log and what of it is wanted, out come CSV files or a new log.

    log ─► the wanted topics and seconds ─┬─► vehicle_state.csv, pilot_decision.csv, ...
                                          │   left/*.png, right/*.png, calibration.toml
                                          └─► one .mcap, message by message as it is

A new log that begins later has the pilot's state at that moment, replayed from the estimates, so
that it can be verified as the whole one can.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mcap.records import Message

from drone import config, topics
from drone.clock import NS_PER_S, ns_from_s
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog
from drone.geometry import StereoCalibration
from drone.logcopy import LogCopy
from drone.logformat import metadata_from_header, record_class, record_of_tick
from drone.messages import Image, LogGap, ModelVersion, Tick
from drone.onboard.calibration import CameraModel, RawStereoCalibration, rigid
from drone.onboard.calibration_toml import CalibrationNotes, write_calibration
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide
from drone.protoschema import Field, fields_of
from drone.replay import Verification, flown_moments

_IMAGES = (topics.LEFT_IMAGE, topics.RIGHT_IMAGE)
_VIEWERS = (*_IMAGES, topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION, topics.POSE)
_INPUTS = frozenset((*_IMAGES, topics.POSE, *(t.name for t in topics.TOPICS if t.consumed)))
"""What stands before the tick that consumed it."""
KNOWN = (*(topic.name for topic in topics.TOPICS), *_VIEWERS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a log.

    Attributes:
        names: of topics; none for all.
        start_s: from the first message on; what comes before is left out.
        end_s: likewise; what comes after is left out.
        images: as PNG files beside the tables.
    """

    names: tuple[str, ...] = ()
    start_s: float = 0.0
    end_s: float = math.inf
    images: bool = False

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in KNOWN:
                raise UserError(f"--topics {name}: no topic of a flight log; {', '.join(KNOWN)}")

    def has(self, name: str) -> bool:
        """Return whether a topic is wanted; gaps always are."""
        return not self.names or name in self.names or name == topics.GAP.name


@dataclass
class Exported:
    """What came of it.

    Attributes:
        messages: written, by topic; images count as messages.
        notes: what a user should know of the result.
    """

    messages: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, name: str) -> None:
        """Count one message."""
        self.messages[name] = self.messages.get(name, 0) + 1


OnProgress = Callable[[float], None]


def _ignored(_: float) -> None:
    pass


# CSV


def to_csv(
    path: Path, folder: Path, wanted: Wanted, on_progress: OnProgress = _ignored
) -> Exported:
    """Write one CSV file per topic, with a line of names; a name carries the unit.

    Args:
        path: of the log.
        folder: is made, or is empty.
        wanted: which part.
        on_progress: called with the seconds of the log that are done.

    Raises:
        UserError: no flight log; the folder is not empty.
        WorkFailedError: the disk is full.
    """
    log = FlightLog(path)
    _make_folder(folder)
    found = Exported()
    try:
        with ExitStack() as stack:
            tables = _Tables(folder, log, wanted, stack, found)
            for topic, message in log.records():
                t_s = tables.add(topic, message)
                on_progress(t_s)
                if t_s > wanted.end_s:
                    break
        _write_facts(folder, log, wanted)
    except OSError as error:
        raise WorkFailedError(f"{folder}: cannot be written: {error.strerror}") from error
    found.notes += [f"the log is damaged: {log.damaged}"] if log.damaged else []
    found.notes += log.notes
    return found


class _Tables:
    """The open files, one per topic, made as its first message comes."""

    def __init__(
        self, folder: Path, log: FlightLog, wanted: Wanted, stack: ExitStack, found: Exported
    ) -> None:
        self._folder, self._wanted, self._stack, self._found = folder, wanted, stack, found
        self._utc_ns = log.header.utc_offset_ns
        self._first_ns: int | None = None
        self._writers: dict[str, Any] = {}

    def add(self, topic: topics.Topic, message: Any) -> float:
        """Write a message if it is wanted; return its time, s."""
        if self._first_ns is None and topic != topics.FLYING:
            self._first_ns = message.stamp_ns
        first_ns = message.stamp_ns if self._first_ns is None else self._first_ns
        t_s: float = max(0.0, (message.stamp_ns - first_ns) / NS_PER_S)
        if not self._wanted.start_s <= t_s <= self._wanted.end_s:
            return t_s
        if isinstance(message, Tick):
            self._images(message)
            message = record_of_tick(message)
        if self._wanted.has(topic.name):
            self._row(topic, message, t_s)
            self._found.count(topic.name)
        return t_s

    def _row(self, topic: topics.Topic, message: Any, t_s: float) -> None:
        writer = self._writers.get(topic.name)
        if writer is None:
            name = topic.name.strip("/").replace("/", "_")
            file = (self._folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
            writer = self._writers[topic.name] = csv.writer(self._stack.enter_context(file))
            writer.writerow(["t_s", *columns_of(record_class(topic))])
        writer.writerow([repr(t_s), *values_of(message)])

    def _images(self, tick: Tick) -> None:
        frame = tick.frame
        if frame is None or not self._wanted.images:
            return
        seconds, nanos = divmod(frame.stamp_ns + self._utc_ns, NS_PER_S)
        for eye, topic, image in zip(
            ("left", "right"), _IMAGES, (frame.left, frame.right), strict=True
        ):
            if image is not None and self._wanted.has(topic):
                _write_png(self._folder / eye / f"{seconds}.{nanos:09d}.png", image)
                self._found.count(topic)


def columns_of(cls: type, prefix: str = "") -> Iterator[str]:
    """Yield the names of a message's columns: its single values, nested ones with a dot.

    Grids and model files are left out; of a tuple of fixed length each value has its number.
    """
    for f in fields_of(cls):
        if _is_left_out(f):
            continue
        if f.is_message:
            assert f.of is not None
            yield from columns_of(f.of, f"{prefix}{f.name}.")
        elif f.length is not None:
            yield from (f"{prefix}{f.name}.{number}" for number in range(f.length))
        else:
            yield prefix + f.name


def values_of(message: Any, cls: type | None = None) -> Iterator[str]:
    """Yield the texts of a message's columns, exact; what is not there is empty.

    Args:
        message: or None, whose columns are all empty.
        cls: of the message, where it may be None.
    """
    for f in fields_of(cls or type(message)):
        if _is_left_out(f):
            continue
        value = None if message is None else getattr(message, f.name)
        if f.is_message:
            yield from values_of(value, f.of)
        elif f.length is not None:
            yield from ([""] * f.length if value is None else map(_text, value))
        elif f.repeated:
            yield " ".join(map(_text, value or ()))
        else:
            yield _text(value)


def _is_left_out(f: Field) -> bool:
    return f.of is np.ndarray or (f.is_message and f.repeated) or f.is_bytes


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder}: is not empty; right is a new folder")
    except OSError as error:
        raise UserError(f"{folder}: no folder can be made: {error.strerror}") from error


def _write_png(path: Path, image: Image) -> None:
    _, data = cv2.imencode(".png", image)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.tobytes())


def _write_facts(folder: Path, log: FlightLog, wanted: Wanted) -> None:
    """Write the header, and beside images what `drone replay` needs to read them back."""
    facts: Mapping[str, str] = metadata_from_header(log.header)
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    (folder / "header.json").write_text(text + "\n", encoding="utf-8")
    if wanted.images:
        made = (f"the rectified images of {log.path.name}",)
        raw = _as_raw(log.header.calibration)
        write_calibration(folder / "calibration.toml", raw, CalibrationNotes(made))


def _as_raw(calibration: StereoCalibration) -> RawStereoCalibration:
    eye = CameraModel(calibration.left)
    right_from_left = rigid(np.eye(3), np.array([-calibration.baseline_m, 0.0, 0.0]))
    mount = rigid(calibration.rotation, np.array(calibration.left_in_body_m))
    return RawStereoCalibration.from_pair(eye, eye, right_from_left, mount)


# MCAP


def to_mcap(
    path: Path, target: Path, wanted: Wanted, on_progress: OnProgress = _ignored
) -> Exported:
    """Write the wanted part as one new log.

    Args:
        path: of the log.
        target: a file that is not there yet.
        wanted: which part; a tick stays together with what it consumed and what came of it.
        on_progress: called with the seconds of the log that are done.

    Raises:
        UserError: no flight log; the target is there.
        WorkFailedError: the disk is full; the part that was written is a sound log.
    """
    if wanted.images:
        raise UserError("--images goes with --to csv: a new log has its images inside")
    log = FlightLog(path)
    cut = _Cut(log.header.pilot_state)
    if wanted.start_s > 0:
        cut = _state_at(log, wanted.start_s)
    copy = _Part(log, target, cut, wanted)
    for name, record in copy.walk.messages():
        t_s = copy.take(name, record)
        on_progress(t_s)
        if t_s > wanted.end_s:
            break
    found = copy.close()
    found.notes += [cut.problem] if cut.problem else []
    missing = [t.name for t in topics.TOPICS if t.consumed and not wanted.has(t.name)]
    if missing:
        found.notes.append(f"it cannot be replayed without {', '.join(missing)}")
    found.notes += [f"the log is damaged: {copy.walk.damaged}"] if copy.walk.damaged else []
    found.notes += copy.walk.notes.texts
    return found


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a later beginning needs; `problem` says why the state is not known."""

    state: str
    flying: ModelVersion | None = None
    problem: str = ""


def _state_at(log: FlightLog, start_s: float) -> _Cut:
    """Return the pilot's state before the first tick of the wanted part."""
    tree = config.loads(log.header.config_toml, f"{log.path} (its configuration)")
    state = PilotState.from_json(log.header.pilot_state)
    models: dict[int, ModelVersion] = {m.seq: m for m in log.messages(topics.FLYING)}
    same, first_ns = Verification(), None
    for moment in flown_moments(log):
        tick = moment.tick
        first_ns = tick.stamp_ns if first_ns is None else first_ns
        if tick.stamp_ns - first_ns >= ns_from_s(start_s) and not same.mismatches:
            return _Cut(state.to_json(), models.get(state.model))
        percept = Percept(moment.check, moment.label, moment.estimate)
        state, decision = decide(state, tick, percept, tree.pilot)
        same.compare(tick, moment.decision, decision, 0.0)
        if tick.model is not None:
            models = {n: m for n, m in models.items() if n == state.model}
            models[tick.model.seq] = tick.model
    return _Cut("", None, "the pilot's state at its beginning is not known: it cannot be verified")


class _Part:
    """The new log; what a tick consumed waits until the tick says whether it is wanted."""

    def __init__(self, log: FlightLog, target: Path, cut: _Cut, wanted: Wanted) -> None:
        self.walk = log.walk()
        self._log, self._wanted, self._cut = log, wanted, cut
        header = replace(log.header, pilot_state=cut.state, file_number=0)
        self._copy = LogCopy(target, header)
        self._found = Exported()
        self._waiting: list[tuple[str, Message]] = []
        self._first_ns: int | None = None
        self._inside = wanted.start_s <= 0
        self._gaps = self._last_ns = 0

    def take(self, name: str, record: Any) -> float:
        """Take in the next message or gap; return the time of the last tick, s."""
        if not isinstance(record, Message):
            self._gap(record)
        elif name == topics.TICK.name:
            self._tick(name, record)
        elif name in _INPUTS or self._waiting:
            self._waiting.append((name, record))
        elif self._inside:
            self._write(name, record)
        return 0.0 if self._first_ns is None else (self._last_ns - self._first_ns) / NS_PER_S

    def close(self) -> Exported:
        """Write what is left, and end the file."""
        if self._inside:
            self._flush()
        self._copy.close()
        return self._found

    def _tick(self, name: str, record: Message) -> None:
        self._last_ns = record.log_time
        if self._first_ns is None:
            self._first_ns = record.log_time
        t_s = (record.log_time - self._first_ns) / NS_PER_S
        before, self._inside = self._inside, self._wanted.start_s <= t_s <= self._wanted.end_s
        if not self._inside:
            self._waiting.clear()
            return
        if not before and self._cut.flying is not None and self._wanted.has(topics.FLYING.name):
            self._copy.write(topics.FLYING, self._cut.flying, record.log_time)
            self._found.count(topics.FLYING.name)
        self._flush()
        self._write(name, record)

    def _flush(self) -> None:
        for name, record in self._waiting:
            self._write(name, record)
        self._waiting.clear()

    def _write(self, name: str, record: Message) -> None:
        if self._wanted.has(name) or name not in KNOWN:
            self._copy.message(name, record, self.walk.schemas.get(name))
            self._found.count(name or "unknown")

    def _gap(self, record: Any) -> None:
        self._gaps += 1
        if self._inside:
            gap: LogGap = self._log.gap_message(self._gaps, self._last_ns, record)
            self._copy.gap(gap, self._last_ns)


class Format(StrEnum):
    """What a log can be made into."""

    CSV = "csv"
    MCAP = "mcap"


def export(
    path: Path, target: tuple[Format, Path], wanted: Wanted, on_progress: OnProgress = _ignored
) -> Exported:
    """Write a log in one of the formats; see `to_csv` and `to_mcap`."""
    kind, where = target
    write = to_csv if kind is Format.CSV else to_mcap
    return write(path, where, wanted, on_progress)
