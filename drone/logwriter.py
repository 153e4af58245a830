"""Writing a flight log: in come ticks and messages, out comes one MCAP file.

The file grows chunk by chunk, each written at once: a killed process loses its open chunk (128 KiB
before compression, at most a second) and the index, nothing else.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import foxglove
from foxglove.channels import (
    CameraCalibrationChannel,
    CompressedImageChannel,
    PoseInFrameChannel,
    RawImageChannel,
)
from foxglove.mcap import MCAPWriteOptions

from drone import codec, topics
from drone.clock import NS_PER_S
from drone.logformat import (
    FORMAT_VERSION,
    HEADER_NAME,
    LogHeader,
    metadata_from_header,
    record_class,
    record_of_tick,
)
from drone.mcapfile import LogFile
from drone.messages import Image, Tick
from drone.topics import Topic
from drone.viewermessages import camera_calibrations, jpeg_image, pose_in_frame, raw_image

CHUNK_BYTES = 128 * 1024
_MAX_TIME_NS = 2**32 * NS_PER_S
"""Foxglove's timestamps hold unsigned 32-bit seconds."""


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
        options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(
            self._file, context=self._context, writer_options=options
        )
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(header))
        image_channel = CompressedImageChannel if header.jpeg_quality else RawImageChannel
        self._left = image_channel(topics.LEFT_IMAGE, context=self._context)
        self._right = image_channel(topics.RIGHT_IMAGE, context=self._context)
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
        check_class(topic, message)
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
            writer.write_metadata(HEADER_NAME, metadata_from_header(self._header))
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
            quality = self._header.jpeg_quality
            message = jpeg_image(image, time_ns, quality) if quality else raw_image(image, time_ns)
            channel.log(message, log_time=time_ns)

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


def check_class(topic: Topic, message: Any) -> None:
    """Refuse a message that is not of the topic's class.

    Raises:
        TypeError: it is not.
    """
    if type(message) is not topic.message:
        found = type(message).__name__
        raise TypeError(f"{topic.name} takes {topic.message.__name__}, not {found}")
