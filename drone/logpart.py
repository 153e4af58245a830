"""One MCAP file that is being written: in come ticks and messages, out comes the file.

The file grows chunk by chunk, each written at once: a killed process loses its open chunk (128 KiB
before compression, at most a second) and the index, nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foxglove
from foxglove import messages as viewer
from foxglove.channels import CameraCalibrationChannel
from foxglove.mcap import MCAPWriteOptions

from drone import codec, topics
from drone.clock import NS_PER_S
from drone.logformat import (
    HEADER_NAME,
    LogHeader,
    metadata_from_header,
    record_class,
    record_of_tick,
)
from drone.mcapfile import LogFile
from drone.messages import Image, Tick
from drone.topics import Topic
from drone.viewerbytes import jpeg_image, pose_in_frame, raw_image
from drone.viewermessages import camera_calibrations

CHUNK_BYTES = 128 * 1024
_MAX_TIME_NS = 2**32 * NS_PER_S
"""Foxglove's timestamps hold unsigned 32-bit seconds."""


class LogPart:
    """Writes one file of a log; not for several threads at once.

    Attributes:
        header: its first record.
        path: of the file.
    """

    def __init__(self, path: Path, header: LogHeader) -> None:
        """Make the file and write its header.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        self.path, self.header = path, header
        self._context = foxglove.Context()
        self._channels: dict[str, foxglove.Channel] = {}
        self._started = False
        self._file = LogFile(path)
        options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(
            self._file, context=self._context, writer_options=options
        )
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(header))
        self._header_bytes = self.size_bytes

    @property
    def data_bytes(self) -> int:
        """How much stands in the file behind its header, which holds the pilot's whole state."""
        return self.size_bytes - self._header_bytes

    @property
    def size_bytes(self) -> int:
        """How long the file is, its open chunk left out."""
        return self._file.size_bytes

    def write(self, topic: Topic, message: Any) -> None:
        """Write one message.

        Raises:
            ValueError: a value does not fit its field.
            WorkFailedError: the disk is full or gone; what was written before can be read.
        """
        self._start(message.stamp_ns)
        self._log(topic, message)
        self._file.check()

    def write_tick(self, tick: Tick) -> None:
        """Write what a tick consumed, then the tick's record, without anything in between.

        Raises:
            ValueError: a value does not fit its field.
            WorkFailedError: as `write`.
        """
        self._start(tick.stamp_ns)
        if tick.frame is not None:
            self._log_image(topics.LEFT_IMAGE, tick.frame.left, tick.frame.stamp_ns)
            self._log_image(topics.RIGHT_IMAGE, tick.frame.right, tick.frame.stamp_ns)
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
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.write_metadata(HEADER_NAME, metadata_from_header(self.header))
        for channel in self._channels.values():
            channel.close()
        writer.close()
        self._file.close()
        self._file.check()

    def _start(self, stamp_ns: int) -> None:
        if self._started:
            return
        self._started = True
        time_ns = self._time_ns(stamp_ns)
        eyes = camera_calibrations(self.header.calibration, time_ns)
        names = (topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION)
        for name, eye in zip(names, eyes, strict=True):
            CameraCalibrationChannel(name, context=self._context).log(eye, log_time=time_ns)

    def _log(self, topic: Topic, message: Any) -> None:
        time_ns = self._time_ns(message.stamp_ns)
        self._channel(topic).log(codec.encode(message), log_time=time_ns)
        if topic == topics.VEHICLE:
            pose = pose_in_frame(message, time_ns)
            self._viewer_channel(topics.POSE, viewer.PoseInFrame).log(pose, log_time=time_ns)

    def _log_image(self, name: str, image: Image | None, stamp_ns: int) -> None:
        if image is None:
            return
        time_ns = self._time_ns(stamp_ns)
        quality = self.header.jpeg_quality
        data = jpeg_image(image, time_ns, quality) if quality else raw_image(image, time_ns)
        cls = viewer.CompressedImage if quality else viewer.RawImage
        self._viewer_channel(name, cls).log(data, log_time=time_ns)

    def _channel(self, topic: Topic) -> foxglove.Channel:
        found = self._channels.get(topic.name)
        if found is None:
            name, data = codec.schema(record_class(topic))
            schema = foxglove.Schema(name=name, encoding="protobuf", data=data)
            found = self._open(topic.name, schema)
        return found

    def _viewer_channel(self, name: str, cls: Any) -> foxglove.Channel:
        return self._channels.get(name) or self._open(name, cls.get_schema())

    def _open(self, name: str, schema: foxglove.Schema) -> foxglove.Channel:
        channel = foxglove.Channel(
            name, schema=schema, message_encoding="protobuf", context=self._context
        )
        self._channels[name] = channel
        return channel

    def _time_ns(self, stamp_ns: int) -> int:
        time_ns: int = stamp_ns + self.header.utc_offset_ns
        if not 0 <= time_ns < _MAX_TIME_NS:
            raise ValueError(f"stamp {stamp_ns} ns is at UTC {time_ns} ns, not in 1970 to 2106")
        return time_ns
