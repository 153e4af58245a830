"""Ticks and messages on the channels of a log's file, or of a live stream.

In come ticks and messages, out go encoded messages, each on its topic; where they end is for who
opens the channels to say. What nobody takes is not encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

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


class Channel(Protocol):
    """Where the encoded messages of one topic go."""

    def has_sinks(self) -> bool:
        """Return whether anybody takes them."""
        ...

    def log(self, data: bytes, time_ns: int, more: bytes | memoryview = b"") -> None:
        """Take one message, with its log time: its bytes, and what follows them."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


Opener: TypeAlias = Callable[[str, tuple[str, str, bytes]], Channel]
"""Makes the channel of a topic, by the schema's name, encoding and content."""


class LogChannels:
    """The channels of one log; not for several threads at once."""

    def __init__(self, opened: Opener, header: LogHeader) -> None:
        """Prepare; a channel opens with its first message.

        Args:
            opened: makes the channel of a topic.
            header: with calibration, offset to UTC, and how images are compressed.
        """
        self._opened, self._header = opened, header
        self._channels: dict[str, Channel] = {}
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
        for channel in self._channels.values():
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
        if not channel.has_sinks():
            return
        if quality:
            channel.log(jpeg_image(image, time_ns, quality), time_ns)
        else:
            head, pixels = raw_image(image, time_ns)
            channel.log(head, time_ns, pixels)

    def _channel(self, topic: Topic) -> Channel:
        found = self._channels.get(topic.name)
        if found is None:
            name, data = codec.schema(record_class(topic))
            found = self._open(topic.name, (name, "protobuf", data))
        return found

    def _viewer_channel(self, name: str, cls: Any) -> Channel:
        found = self._channels.get(name)
        if found is None:
            schema = cls.get_schema()
            found = self._open(name, (schema.name, schema.encoding, schema.data))
        return found

    def _open(self, name: str, schema: tuple[str, str, bytes]) -> Channel:
        self._channels[name] = found = self._opened(name, schema)
        return found

    def _time_ns(self, stamp_ns: int) -> int:
        time_ns: int = stamp_ns + self._header.utc_offset_ns
        if not 0 <= time_ns < _MAX_TIME_NS:
            raise ValueError(f"stamp {stamp_ns} ns is at UTC {time_ns} ns, not in 1970 to 2106")
        return time_ns
