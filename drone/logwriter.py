"""Writing a flight log: in come ticks and messages, out come its files.

    write, write_tick ─► LogPart ─► flight.mcap        the file is full
    between_ticks ─────► LogPart ─► flight.001.mcap    ... the pilot's state, the model that flies

A log is one file unless a `Rotation` asks for more. Each file then begins with all that it takes to
replay it alone: header, the pilot's state at this moment, the model that flies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from drone import topics
from drone.errors import WorkFailedError
from drone.logfiles import ONE_FILE, Rotation, file_path
from drone.logformat import FORMAT_VERSION, LogHeader
from drone.logpart import CHUNK_BYTES, LogPart
from drone.messages import ModelVersion, Tick
from drone.topics import Topic

__all__ = ["CHUNK_BYTES", "FlightLogWriter", "check_class"]


class FlightLogWriter:
    """Writes one log; use it as a context manager, so that also Ctrl-C leaves a complete file.

    Several writers may be open in one process, and several threads may write to one.

    Attributes:
        problem: why a log that endures ended before its flight, empty as long as it goes on.
    """

    def __init__(
        self, path: Path, header: LogHeader, rotation: Rotation = ONE_FILE, endures: bool = False
    ) -> None:
        """Open a new file and write its header.

        Args:
            path: of the file, or of the first of several.
            header: with the pilot's state before the first tick.
            rotation: when to go on in a new file.
            endures: a full disk ends the log, but stops nobody who writes; `problem` says it.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        if header.format_version != FORMAT_VERSION:
            raise ValueError(f"this writer writes format {FORMAT_VERSION}")
        self.problem = ""
        self._lock = threading.Lock()
        self._first = path
        self._rotation = rotation
        self._endures = endures
        self._part: LogPart | None = LogPart(path, header)
        self._closed: list[tuple[Path, int]] = []
        self._flying: ModelVersion | None = None
        self._new: ModelVersion | None = None

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
        self._on_the_part(lambda part: part.write(topic, message))

    def write_tick(self, tick: Tick) -> None:
        """Write what a tick consumed, then the tick's record, without anything in between.

        Raises:
            ValueError: the log is closed, or a value does not fit its field.
            WorkFailedError: as `write`.
        """
        self._on_the_part(lambda part: part.write_tick(tick))
        self._new = tick.model or self._new

    def between_ticks(self, state: Callable[[], str], version: int) -> None:
        """Say that a tick ended and none has begun: here the log may go on in a new file.

        Args:
            state: gives the pilot's state before the next tick, JSON; asked only if needed.
            version: of the model that flies, 0 if none.

        Raises:
            ValueError: the log is closed.
            WorkFailedError: as `write`.
        """
        if self._new is not None and self._new.seq == version:
            self._flying, self._new = self._new, None
        if self._rotation.file_bytes:
            self._on_the_part(lambda part: self._go_on_if_full(part, state))

    def close(self) -> None:
        """Write what is still open and the index; a second call does nothing.

        Raises:
            WorkFailedError: as `write`.
        """
        if self._part is not None:
            self._on_the_part(LogPart.close)
            self._part = None

    def _on_the_part(self, work: Callable[[LogPart], None]) -> None:
        """Do something with the open file, unless the log has ended before its flight."""
        with self._lock:
            if self._part is None:
                raise ValueError("the log is closed")
            try:
                if not self.problem:
                    work(self._part)
            except WorkFailedError as error:
                if not self._endures:
                    raise
                self.problem = str(error)

    def _go_on_if_full(self, full: LogPart, state: Callable[[], str]) -> None:
        """Begin the next file if this one is full."""
        if full.data_bytes < self._rotation.file_bytes:
            return
        full.close()
        self._closed.append((full.path, full.size_bytes))
        self._remove_oldest()
        number = full.header.file_number + 1
        header = replace(full.header, pilot_state=state(), file_number=number)
        self._part = LogPart(file_path(self._first, number), header)
        if self._flying is not None:
            self._part.write(topics.FLYING, self._flying)

    def _remove_oldest(self) -> None:
        """Remove the oldest files, if that was asked for, until the next one has room."""
        most = self._rotation.most_bytes
        while most and self._closed:
            held = sum(size for _, size in self._closed)
            if held + self._rotation.file_bytes <= most:
                return
            self._closed.pop(0)[0].unlink(missing_ok=True)


def check_class(topic: Topic, message: Any) -> None:
    """Refuse a message that is not of the topic's class.

    Raises:
        TypeError: it is not.
    """
    if type(message) is not topic.message:
        found = type(message).__name__
        raise TypeError(f"{topic.name} takes {topic.message.__name__}, not {found}")
