"""The flight log: in come ticks and messages, out comes one MCAP file, and the same back.

    write_tick ─► images, vehicle, health, model, each on its topic ─► TickRecord ─┐
    write ──────► one message on its topic ──────────────────────────────────────── ┴─► .mcap
    .mcap ─► chunk after chunk in file order ─► Tick, rebuilt bit for bit; messages

A log holds every tick that the pilot consumed, so that a flight can be replayed exactly. The writer
appends to the file chunk by chunk: a killed process loses its open chunk (256 KiB before
compression, about a second) and the index, nothing else. The reader therefore needs no index; it
checks every chunk's checksum and stops at the first damage. `docs/logs.md` describes the format.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import foxglove
from foxglove.channels import CameraCalibrationChannel, PoseInFrameChannel, RawImageChannel
from foxglove.mcap import MCAPWriteOptions
from mcap.records import Channel, Message

from drone import codec, topics
from drone.clock import NS_PER_S, s_from_ns
from drone.errors import UserError
from drone.logformat import (
    FORMAT_VERSION,
    HEADER_NAME,
    FrameRecord,
    LogHeader,
    TickRecord,
    metadata_from_header,
    record_class,
    record_of_tick,
)
from drone.mcapfile import DamageError, LogFile, read_end, read_header, sound_records
from drone.messages import HealthEvent, Image, ModelVersion, StereoFrame, Tick, VehicleState
from drone.topics import Topic
from drone.viewermessages import camera_calibrations, image_from_raw, pose_in_frame, raw_image

__all__ = ["FORMAT_VERSION", "LIVE_SOURCE", "FlightLog", "FlightLogWriter", "LogHeader"]

LIVE_SOURCE = "live "
"""With this begins the source of what was recorded from a live camera; its name follows."""
_CHUNK_BYTES = 256 * 1024
_MAX_TIME_NS = 2**32 * NS_PER_S
"""Foxglove's timestamps hold unsigned 32-bit seconds."""
_IMAGES = (topics.LEFT_IMAGE, topics.RIGHT_IMAGE)
_TOPIC_OF = {topic.name: topic for topic in topics.TOPICS}
_INPUTS = frozenset(t.name for t in topics.TOPICS if t.consumed) | frozenset(_IMAGES)


class FlightLogWriter:
    """Writes one log; use it as a context manager, so that also Ctrl-C leaves a complete file.

    Several writers may be open in one process, and several threads may write to one.
    """

    def __init__(self, path: Path, header: LogHeader) -> None:
        """Open a new file and write its header.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        if header.format_version != FORMAT_VERSION:
            raise ValueError(f"this writer writes format {FORMAT_VERSION}")
        self._header = header
        self._context = foxglove.Context()
        self._lock = threading.Lock()
        self._channels: dict[str, foxglove.Channel] = {}
        self._started = False
        self._file = LogFile(path)
        options = MCAPWriteOptions(chunk_size=_CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(
            self._file, context=self._context, writer_options=options
        )
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(header))
        self._left = RawImageChannel(topics.LEFT_IMAGE, context=self._context)
        self._right = RawImageChannel(topics.RIGHT_IMAGE, context=self._context)
        self._pose = PoseInFrameChannel(topics.POSE, context=self._context)

    def __enter__(self) -> FlightLogWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, topic: Topic, message: Any) -> None:
        """Write one message; a tick's inputs are written by `write_tick`.

        Raises:
            TypeError: the message is not of the topic's class.
            ValueError: the log is closed, or a value does not fit its field.
            WorkFailedError: the disk is full or gone; what was written before can be read.
        """
        if topic == topics.TICK:
            self.write_tick(message)
            return
        _check_class(topic, message)
        with self._lock:
            self._start(message.stamp_ns)
            self._log(topic, message)
            self._file.check()

    def write_tick(self, tick: Tick) -> None:
        """Write what a tick consumed, then the tick's record, without anything in between.

        Raises:
            ValueError: the log is closed, or a value does not fit its field.
            WorkFailedError: as `write`.
        """
        with self._lock:
            self._start(tick.stamp_ns)
            if tick.frame is not None:
                self._log_image(self._left, tick.frame.left, tick.frame.stamp_ns)
                self._log_image(self._right, tick.frame.right, tick.frame.stamp_ns)
            if tick.vehicle is not None:
                self._log(topics.VEHICLE, tick.vehicle)
            for event in tick.health:
                self._log(topics.HEALTH, event)
            if tick.model is not None:
                self._log(topics.MODEL, tick.model)
            self._log(topics.TICK, record_of_tick(tick))
            self._file.check()

    def close(self) -> None:
        """Write what is still open and the index; a second call does nothing.

        Raises:
            WorkFailedError: as `write`.
        """
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return
            for channel in self._channels.values():
                channel.close()
            writer.close()
            self._file.close()
            self._file.check()

    def _start(self, stamp_ns: int) -> None:
        if self._writer is None:
            raise ValueError("the log is closed")
        if self._started:
            return
        self._started = True
        time_ns = self._time_ns(stamp_ns)
        eyes = camera_calibrations(self._header.calibration, time_ns)
        names = (topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION)
        for name, eye in zip(names, eyes, strict=True):
            CameraCalibrationChannel(name, context=self._context).log(eye, log_time=time_ns)

    def _log(self, topic: Topic, message: Any) -> None:
        time_ns = self._time_ns(message.stamp_ns)
        self._channel(topic).log(codec.encode(message), log_time=time_ns)
        if topic == topics.VEHICLE:
            self._pose.log(pose_in_frame(message, time_ns), log_time=time_ns)

    def _log_image(self, channel: Any, image: Image | None, stamp_ns: int) -> None:
        if image is not None:
            time_ns = self._time_ns(stamp_ns)
            channel.log(raw_image(image, time_ns), log_time=time_ns)

    def _channel(self, topic: Topic) -> foxglove.Channel:
        if topic.name not in self._channels:
            name, data = codec.schema(record_class(topic))
            self._channels[topic.name] = foxglove.Channel(
                topic.name,
                schema=foxglove.Schema(name=name, encoding="protobuf", data=data),
                message_encoding="protobuf",
                context=self._context,
            )
        return self._channels[topic.name]

    def _time_ns(self, stamp_ns: int) -> int:
        time_ns: int = stamp_ns + self._header.utc_offset_ns
        if not 0 <= time_ns < _MAX_TIME_NS:
            raise ValueError(f"stamp {stamp_ns} ns is at UTC {time_ns} ns, not in 1970 to 2106")
        return time_ns


def _check_class(topic: Topic, message: Any) -> None:
    if type(message) is not topic.message:
        found = type(message).__name__
        raise TypeError(f"{topic.name} takes {topic.message.__name__}, not {found}")


@dataclass(slots=True)
class _Inputs:
    """What was read since the last tick."""

    images: dict[str, Message] = field(default_factory=dict)
    vehicle: VehicleState | None = None
    health: list[HealthEvent] = field(default_factory=list)
    model: ModelVersion | None = None

    def keep(self, message: Any) -> None:
        if isinstance(message, VehicleState):
            self.vehicle = message
        elif isinstance(message, HealthEvent):
            self.health.append(message)
        elif isinstance(message, ModelVersion):
            self.model = message


class FlightLog:
    """Reads a log, whole or cut. Every pass reads the file anew, in the order it was written.

    Attributes:
        path: of the file.
        header: its first record.
        damaged: what is wrong with the file and what is lost, None as long as nothing is known to
            be. A missing end is known from the start, other damage after a pass has met it.
    """

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            UserError: no such file, not an MCAP file, not a flight log, or of a newer format.
        """
        self.path = path
        self.header = read_header(path, _INPUTS | {topics.DECISION.name})
        self._statistics, self.damaged = read_end(path)

    @property
    def duration_s(self) -> float:
        """From the first to the last message, NaN if the log is empty or its end is missing."""
        s = self._statistics
        if s is None or not s.message_count:
            return math.nan
        return s_from_ns(s.message_end_time - s.message_start_time)

    @property
    def message_count(self) -> int | None:
        """Of all topics, None if the end is missing."""
        return None if self._statistics is None else self._statistics.message_count

    def ticks(self) -> Iterator[Tick]:
        """Yield every tick, equal to the bit to what was written; memory stays constant.

        Raises:
            UserError: messages that a tick consumed were taken out of the file.
        """
        for _, message in self._records(_INPUTS):
            if isinstance(message, Tick):
                yield message

    def messages(self, topic: Topic) -> Iterator[Any]:
        """Yield the messages of one topic."""
        if topic == topics.TICK:
            yield from self.ticks()
            return
        for _, raw in self._raw(frozenset((topic.name,))):
            yield self._decode(topic, raw.data)

    def records(self) -> Iterator[tuple[Topic, Any]]:
        """Yield every message of every topic in one pass; a tick follows the inputs it consumed."""
        return self._records(_INPUTS | frozenset(_TOPIC_OF))

    def frames(self) -> Iterator[StereoFrame]:
        """Yield the frames that the pilot consumed."""
        for tick in self.ticks():
            if tick.frame is not None:
                yield tick.frame

    def _records(self, names: frozenset[str]) -> Iterator[tuple[Topic, Any]]:
        inputs = _Inputs()
        for name, raw in self._raw(names):
            if name in _IMAGES:
                inputs.images[name] = raw
                continue
            topic = _TOPIC_OF[name]
            message = self._decode(topic, raw.data)
            if isinstance(message, TickRecord):
                message = self._tick(message, inputs)
                inputs = _Inputs()
            else:
                inputs.keep(message)
            yield topic, message

    def _decode(self, topic: Topic, data: bytes) -> Any:
        try:
            return codec.decode(record_class(topic), data)
        except codec.CodecError as error:
            raise UserError(f"{self.path}: {topic.name}: {error}") from error

    def _tick(self, record: TickRecord, inputs: _Inputs) -> Tick:
        health = tuple(inputs.health[len(inputs.health) - len(record.health_seq) :])
        vehicle = inputs.vehicle if record.vehicle_seq is not None else None
        model = inputs.model if record.model_seq is not None else None
        found = (vehicle and vehicle.seq, tuple(e.seq for e in health), model and model.seq)
        if found != (record.vehicle_seq, record.health_seq, record.model_seq):
            raise self._incomplete(record)
        frame = None if record.frame is None else self._frame(record, record.frame, inputs)
        return Tick(
            record.seq,
            record.stamp_ns,
            record.valid,
            record.permitted,
            frame,
            vehicle,
            health,
            model,
            record.asked,
        )

    def _frame(self, tick: TickRecord, frame: FrameRecord, inputs: _Inputs) -> StereoFrame:
        eyes: list[Image | None] = []
        for name, there in zip(_IMAGES, (frame.left, frame.right), strict=True):
            raw = inputs.images.get(name) if there else None
            if there and (
                raw is None or raw.log_time != frame.stamp_ns + self.header.utc_offset_ns
            ):
                raise self._incomplete(tick)
            eyes.append(None if raw is None else self._image(name, raw.data))
        return StereoFrame(frame.seq, frame.stamp_ns, frame.valid, eyes[0], eyes[1])

    def _image(self, name: str, data: bytes) -> Image:
        try:
            return image_from_raw(data)
        except ValueError as error:
            raise UserError(f"{self.path}: {name}: {error}") from error

    def _incomplete(self, tick: TickRecord) -> UserError:
        return UserError(
            f"{self.path}: tick {tick.seq} consumed a message that is not in the file; "
            f"a log that was filtered cannot be read back (needed: {', '.join(sorted(_INPUTS))})"
        )

    def _raw(self, names: frozenset[str]) -> Iterator[tuple[str, Message]]:
        channels: dict[int, str] = {}
        try:
            for record in sound_records(self.path):
                if isinstance(record, Channel):
                    channels[record.id] = record.topic
                elif isinstance(record, Message):
                    name = channels.get(record.channel_id, "")
                    if name in names:
                        yield name, record
        except DamageError as error:
            self.damaged = str(error)
