"""Ticks and messages on the channels of a Foxglove context: of a log's file, or of a live stream.

In come ticks and messages, out go encoded messages, each on its topic; where they end is for the
context's sinks to say. What nobody takes is not encoded.
"""

from __future__ import annotations

from typing import Any

import foxglove
from foxglove import messages as viewer

from drone import codec, topics
from drone.clock import NS_PER_S
from drone.logformat import LogHeader, record_class, record_of_tick
from drone.messages import Image, Tick
from drone.topics import Topic
from drone.viewerbytes import jpeg_image, pose_in_frame, raw_image
from drone.viewermessages import camera_calibrations

_MAX_TIME_NS = 2**32 * NS_PER_S
"""Foxglove's timestamps hold unsigned 32-bit seconds."""


class LogChannels:
    """The channels of one log; not for several threads at once."""

    def __init__(self, context: foxglove.Context, header: LogHeader) -> None:
        """Prepare; a channel opens with its first message.

        Args:
            context: whose sinks take the messages.
            header: with calibration, offset to UTC, and how images are compressed.
        """
        self._context, self._header = context, header
        self._open_channels: list[foxglove.Channel] = []
        self._channels: dict[
            str, Any
        ] = {}  # what a channel is beneath: it takes bytes and asks less
        self._calibrated = False

    def write(self, topic: Topic, message: Any) -> None:
        """Write one message.

        Raises:
            ValueError: a value does not fit its field.
        """
        self._start(message.stamp_ns)
        self._log(topic, message)

    def write_tick(self, tick: Tick) -> None:
        """Write what a tick consumed, then the tick's record, without anything in between.

        Raises:
            ValueError: a value does not fit its field.
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

    def calibrate_again(self) -> None:
        """Write the calibrations once more before the next message: somebody has come late."""
        self._calibrated = False

    def close(self) -> None:
        """Close all channels."""
        for channel in self._open_channels:
            channel.close()

    def _start(self, stamp_ns: int) -> None:
        if self._calibrated:
            return
        self._calibrated = True
        time_ns = self._time_ns(stamp_ns)
        eyes = camera_calibrations(self._header.calibration, time_ns)
        names = (topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION)
        for name, eye in zip(names, eyes, strict=True):
            channel = self._viewer_channel(name, viewer.CameraCalibration)
            channel.log(eye.encode(), time_ns)

    def _log(self, topic: Topic, message: Any) -> None:
        time_ns = self._time_ns(message.stamp_ns)
        channel = self._channel(topic)
        if channel.has_sinks():
            channel.log(codec.encode(message), time_ns)
        if topic is topics.VEHICLE:
            poses = self._viewer_channel(topics.POSE, viewer.PoseInFrame)
            poses.log(pose_in_frame(message, time_ns), time_ns)

    def _log_image(self, name: str, image: Image | None, stamp_ns: int) -> None:
        if image is None:
            return
        time_ns = self._time_ns(stamp_ns)
        quality = self._header.jpeg_quality
        channel = self._viewer_channel(name, viewer.CompressedImage if quality else viewer.RawImage)
        if channel.has_sinks():
            data = jpeg_image(image, time_ns, quality) if quality else raw_image(image, time_ns)
            channel.log(data, time_ns)

    def _channel(self, topic: Topic) -> Any:
        found = self._channels.get(topic.name)
        if found is None:
            name, data = codec.schema(record_class(topic))
            schema = foxglove.Schema(name=name, encoding="protobuf", data=data)
            found = self._open(topic.name, schema)
        return found

    def _viewer_channel(self, name: str, cls: Any) -> Any:
        return self._channels.get(name) or self._open(name, cls.get_schema())

    def _open(self, name: str, schema: foxglove.Schema) -> Any:
        channel = foxglove.Channel(
            name, schema=schema, message_encoding="protobuf", context=self._context
        )
        self._open_channels.append(channel)
        self._channels[name] = channel.base
        return channel.base

    def _time_ns(self, stamp_ns: int) -> int:
        time_ns: int = stamp_ns + self._header.utc_offset_ns
        if not 0 <= time_ns < _MAX_TIME_NS:
            raise ValueError(f"stamp {stamp_ns} ns is at UTC {time_ns} ns, not in 1970 to 2106")
        return time_ns
