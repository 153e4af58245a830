"""A log writer that nobody waits for: in come messages, a thread of its own writes them.

    write, write_tick ─► queue, bounded in bytes ─► thread ─► FlightLogWriter ─► disk
                 full ─► dropped and counted ─► a LogGap, as soon as there is room again

For what flies live. In lockstep the plain writer serves: there nothing may be dropped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drone import topics
from drone.errors import WorkFailedError
from drone.logfiles import ONE_FILE, Rotation
from drone.logformat import LogHeader
from drone.logwriter import FlightLogWriter, check_class
from drone.messages import LogGap, ModelVersion, Tick
from drone.topics import Topic

MOST_BYTES = 256 * 1024 * 1024
"""Held in the queue: images of 640 x 480 px at 30 Hz for fourteen seconds."""
_SMALL_BYTES = 4096


class QueuedLogWriter(FlightLogWriter):
    """As `FlightLogWriter`, but returns at once; what the disk is too slow for is dropped.

    A message, once handed over, must not change. What goes wrong in the thread is raised by the
    next call.

    Attributes:
        dropped: messages so far.
        cpu_s: what the thread used, known once it is closed.
    """

    def __init__(
        self,
        path: Path,
        header: LogHeader,
        rotation: Rotation = ONE_FILE,
        endures: bool = False,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Open a new file, write its header, start the thread.

        Args:
            path: of the file, or of the first of several.
            header: with the pilot's state before the first tick.
            rotation: when to go on in a new file.
            endures: a full disk ends the log, but stops nobody who writes; `problem` says it.
            most_bytes: held in the queue.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        super().__init__(path, header, rotation, endures)
        self.dropped = 0
        self.cpu_s = 0.0
        self._most_bytes = most_bytes
        self._queue: deque[tuple[int, Callable[[], None]]] = deque()
        self._held_bytes = 0
        self._gaps = 0
        self._missing = 0
        self._last_ns = 0
        self._ending = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="flight log", daemon=True)
        self._thread.start()

    def write(self, topic: Topic, message: Any) -> None:
        """Hand over one message.

        Raises:
            TypeError: the message is not of the topic's class.
            ValueError: the log is closed, or a value did not fit its field.
            WorkFailedError: the disk is full or gone; what was written before can be read.
        """
        if topic == topics.TICK:
            self.write_tick(message)
            return
        check_class(topic, message)
        size = _model_bytes(message) if isinstance(message, ModelVersion) else _SMALL_BYTES
        plain = super().write
        self._hand_over(size, message.stamp_ns, lambda: plain(topic, message))

    def write_tick(self, tick: Tick) -> None:
        """Hand over a tick with all that it consumed.

        Raises:
            ValueError: the log is closed, or a value did not fit its field.
            WorkFailedError: as `write`.
        """
        plain = super().write_tick
        self._hand_over(_tick_bytes(tick), tick.stamp_ns, lambda: plain(tick))

    def between_ticks(self, state: Callable[[], str], version: int) -> None:
        """Hand over that a tick ended; where there is no room, the next one serves.

        Raises:
            ValueError: the log is closed, or a value did not fit its field.
            WorkFailedError: as `write`.
        """
        self._check()
        plain = super().between_ticks
        with self._changed:
            if self._ending:
                raise ValueError("the log is closed")
            if not self._missing and self._held_bytes + _SMALL_BYTES <= self._most_bytes:
                self._put(_SMALL_BYTES, lambda: plain(state, version))

    def close(self) -> None:
        """Write what is in the queue, then close the file; a second call does nothing.

        Raises:
            WorkFailedError: as `write`.
        """
        with self._changed:
            if self._missing and not self._ending:
                self._put_gap()
            self._ending = True
            self._changed.notify()
        self._thread.join()
        super().close()
        self._check()

    def _hand_over(self, size: int, stamp_ns: int, work: Callable[[], None]) -> None:
        self._check()
        with self._changed:
            if self._ending:
                raise ValueError("the log is closed")
            if self._held_bytes + size > self._most_bytes:
                self._missing += 1
                self.dropped += 1
                return
            if self._missing:
                self._put_gap()
            self._last_ns = stamp_ns
            self._put(size, work)

    def _put_gap(self) -> None:
        self._gaps += 1
        detail = "the disk was too slow for the queue of the log"
        gap = LogGap(self._gaps, self._last_ns, True, "dropped", self._missing, 0, detail)
        self._missing = 0
        plain = super().write
        self._put(_SMALL_BYTES, lambda: plain(topics.GAP, gap))

    def _put(self, size: int, work: Callable[[], None]) -> None:
        self._queue.append((size, work))
        self._held_bytes += size
        self._changed.notify()

    def _run(self) -> None:
        """Write until the end; after a failure, only empty the queue."""
        while True:
            with self._changed:
                while not self._queue and not self._ending:
                    self._changed.wait()
                if not self._queue:
                    break
                size, work = self._queue.popleft()
            if self._failure is None:
                try:
                    work()
                except (WorkFailedError, TypeError, ValueError) as error:
                    self._failure = error
            with self._changed:
                self._held_bytes -= size
        self.cpu_s = time.thread_time()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


def _tick_bytes(tick: Tick) -> int:
    size = _SMALL_BYTES
    if tick.frame is not None:
        size += sum(eye.nbytes for eye in (tick.frame.left, tick.frame.right) if eye is not None)
    return size if tick.model is None else size + _model_bytes(tick.model)


def _model_bytes(model: ModelVersion) -> int:
    return _SMALL_BYTES + len(model.onnx)
