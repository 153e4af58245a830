"""A flight streamed to Foxglove while it goes on: the same messages as in its log, on a WebSocket.

    write, write_tick ─► log
           └───────────► channels ─► server (loopback only) ─► Foxglove, as many as come

Only this machine is served: Foxglove's protocol has no token. Who comes late is told the
calibrations anew; who is slow misses the oldest messages, and the flight waits for nobody. Nothing
can be asked of the flight here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foxglove

from drone import topics
from drone.errors import UserError
from drone.logchannels import LogChannels
from drone.logfiles import ONE_FILE, Rotation
from drone.logformat import LogHeader
from drone.logwriter import FlightLogWriter
from drone.messages import Tick
from drone.topics import Topic

HOST, PORT = "127.0.0.1", 8765
MOST_WAITING = 256
"""Messages kept for a viewer that is slow; then the oldest go."""
_CALIBRATIONS = (topics.LEFT_CALIBRATION, topics.RIGHT_CALIBRATION)


class FoxgloveStream:
    """Serves the messages of one flight until it is closed.

    Attributes:
        port: on which it listens.
    """

    def __init__(self, port: int = PORT) -> None:
        """Listen; nothing is told before `begin`.

        Args:
            port: 0 for any that is free.

        Raises:
            UserError: the port cannot be had.
        """
        self._context = foxglove.Context()
        self._channels: LogChannels | None = None
        try:
            self._server = foxglove.start_server(
                name="drone",
                host=HOST,
                port=port,
                context=self._context,
                server_listener=_Newcomers(self),
                message_backlog_size=MOST_WAITING,
            )
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"--foxglove {port}: cannot listen on {HOST} port {port}: {error}; another port, "
                f"such as --foxglove {PORT + 1}, or any free one, --foxglove 0, may do"
            ) from error
        self.port: int = self._server.port

    @property
    def url(self) -> str:
        """Where Foxglove finds it, as its connection "Foxglove WebSocket"."""
        return f"ws://{HOST}:{self.port}"

    def begin(self, header: LogHeader) -> None:
        """Say of which flight the messages will be."""
        self._channels = LogChannels(self._context, header)

    def write(self, topic: Topic, message: Any) -> None:
        """Tell one message.

        Raises:
            ValueError: a value does not fit its field.
        """
        if self._channels is not None:
            self._channels.write(topic, message)

    def write_tick(self, tick: Tick) -> None:
        """Tell what a tick consumed.

        Raises:
            ValueError: a value does not fit its field.
        """
        if self._channels is not None:
            self._channels.write_tick(tick)

    def welcome(self, topic: str) -> None:
        """Tell a calibration again to who has just begun to listen to it."""
        if self._channels is not None and topic in _CALIBRATIONS:
            self._channels.calibrate_again()

    def close(self) -> None:
        """Stop serving."""
        if self._channels is not None:
            self._channels.close()
        self._server.stop()


class _Newcomers(foxglove.ServerListener):  # type: ignore[misc]
    """Notices who begins to listen to what."""

    def __init__(self, stream: FoxgloveStream) -> None:
        self._stream = stream

    def on_subscribe(self, client: Any, channel: Any) -> None:
        self._stream.welcome(channel.topic)


class StreamedLogWriter(FlightLogWriter):
    """As `FlightLogWriter`, and tells a stream what it writes."""

    def __init__(
        self,
        stream: FoxgloveStream,
        path: Path,
        header: LogHeader,
        rotation: Rotation = ONE_FILE,
        endures: bool = False,
    ) -> None:
        """Open a new file, write its header, begin to stream.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        super().__init__(path, header, rotation, endures)
        self._stream = stream
        stream.begin(header)

    def write(self, topic: Topic, message: Any) -> None:
        """Write and tell one message; raises as `FlightLogWriter.write`."""
        super().write(topic, message)
        if topic != topics.TICK:
            self._stream.write(topic, message)

    def write_tick(self, tick: Tick) -> None:
        """Write and tell what a tick consumed; raises as `FlightLogWriter.write_tick`."""
        super().write_tick(tick)
        self._stream.write_tick(tick)
