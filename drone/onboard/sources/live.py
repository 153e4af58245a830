"""Live cameras: always the newest pair, and an event for whatever goes wrong with an eye.

    Capture (a thread each) ─► the last pictures of an eye ─┐
    Capture (a thread each) ─► the last pictures of an eye ─┴─► latest(): pair ─► rectify ─► sample

    each thread:  open ─► read, read, read ─► no picture: `unplugged`
                    ▲                              │
                    └──── wait, ever longer ◄──────┘   a picture again: no longer `unplugged`

Nothing is queued: a picture that nobody fetched in time is dropped, and counted. While an eye is
unplugged, the other one goes on alone; while the eyes are out of sync, the left one does: a pair
taken at two moments would show wrong distances.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.geometry import StereoCalibration
from drone.messages import Eye, HealthEvent, Image, StereoFrame
from drone.onboard.camera import CameraSample
from drone.onboard.rectification import Rectifier
from drone.onboard.sources.capture import FAILED, STOP_S, Capture, Shot, read_or_why
from drone.onboard.sources.options import Layout
from drone.onboard.sources.pairing import KEPT, Skew, SkewMeter, newest_pair
from drone.onboard.sources.video import halves

UNPLUGGED = "unplugged"
OUT_OF_SYNC = "out of sync"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How live cameras are treated.

    Attributes:
        max_skew_s: eyes farther apart are out of sync. At 1 m/s and 1 rad/s, 10 ms shift a picture
            of 500 px focal length by 5 px.
        first_s: time that a camera gets to deliver its first picture.
        retry_s: wait before an unplugged camera is tried again; doubled each time.
        max_retry_s: the longest such wait.
        stall_s: a command that is silent for so long is ended and tried again.
        swap: of one picture with both eyes, the first half is the right eye.
        alone: one eye is enough for a start; the other is unplugged, and tried again.
    """

    max_skew_s: float = 0.010
    first_s: float = 10.0
    retry_s: float = 0.5
    max_retry_s: float = 8.0
    stall_s: float = 5.0
    swap: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class LiveStatistics:
    """What a live camera did so far.

    Attributes:
        delivered: samples that were fetched.
        dropped: pictures of the left eye (or of both in one) that nobody fetched in time.
        reconnects: times that an unplugged camera came back.
        skew: of the pairs; all zero where one picture holds both eyes.
    """

    delivered: int
    dropped: int
    reconnects: int
    skew: Skew


@dataclass
class _Stream:
    """What the thread of one capture shares with the camera, under the camera's lock."""

    capture: Capture
    eye: Eye
    shots: deque[Shot] = field(default_factory=lambda: deque(maxlen=KEPT))
    received: int = 0
    lost: bool = False
    reconnects: int = 0
    tries: int = 0
    trouble: str = ""
    alive_ns: int = 0
    reading: bool = True


class LiveCamera:
    """Two eyes, as one capture that shows both or as two; use it as a context manager."""

    def __init__(
        self,
        captures: Sequence[Capture],
        rectifier: Rectifier,
        layout: Layout = Layout.SIDE_BY_SIDE,
        options: LiveOptions | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            captures: one that shows both eyes, or left and right.
            rectifier: for these eyes.
            layout: of both eyes in one picture.
            options: limits and waits.
            clock_ns: monotonic, the same that stamps the pictures.
        """
        if len(captures) not in (1, 2):
            raise ValueError("a stereo camera is one capture or two")
        eyes = (Eye.PAIR,) if len(captures) == 1 else (Eye.LEFT, Eye.RIGHT)
        self._streams = [_Stream(c, eye) for c, eye in zip(captures, eyes, strict=True)]
        self._rectifier = rectifier
        self._layout = layout
        self._options = options or LiveOptions()
        self._clock_ns = clock_ns
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._events: list[HealthEvent] = []
        self._event_seq = 0
        self._skew = SkewMeter()
        self._out_of_sync = False
        self._delivered = 0
        self._fetched_received = 0
        self._dropped = 0
        self._latest_ns = -1
        self._news = False
        self.utc_offset_ns = time.time_ns() - clock_ns()

    @property
    def calibration(self) -> StereoCalibration:
        """Of the rectified frames."""
        return self._rectifier.calibration

    def __enter__(self) -> LiveCamera:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Open the captures and wait for the first picture of each.

        Raises:
            UserError: a capture is missing, busy or silent, or its pictures do not fit the
                calibration; by `alone`, every capture.
        """
        try:
            wrong = self._try_each(lambda stream: stream.capture.open())
            for stream in self._streams:
                self._begin(stream)
            wrong |= self._try_each(self._await_first, wrong)
            if len(wrong) == len(self._streams):
                raise next(iter(wrong.values()))
        except BaseException:
            self.close()
            raise

    def latest(self) -> CameraSample | None:
        """Return the newest sample, None if nothing new came; never waits.

        Events that no sample carried yet are returned by `events` meanwhile.
        """
        self._end_stalled()
        with self._changed:
            self._news = False
            found = self._newest()
            if found is None:
                return None
            stamp_ns, left, right = found
            self._latest_ns = stamp_ns
            received = self._streams[0].received
            self._dropped += max(0, received - self._fetched_received - 1)
            self._fetched_received = received
            self._delivered += 1
            seq = self._delivered - 1
            health = self._drain()
        frame = StereoFrame(
            *(seq, stamp_ns, True),
            None if left is None else self._rectifier.left(left),
            None if right is None else self._rectifier.right(right),
        )
        return CameraSample(frame, None, health)

    def events(self) -> tuple[HealthEvent, ...]:
        """Return the events since the last sample or call: silence comes with a reason."""
        with self._changed:
            self._news = False
            return self._drain()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a picture or an event since the last call of `latest` or `events`.

        Returns:
            Whether there is one.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._news, timeout_s)

    @property
    def statistics(self) -> LiveStatistics:
        """What was delivered and dropped, and how far apart the eyes were."""
        with self._changed:
            reconnects = sum(stream.reconnects for stream in self._streams)
            skew = self._skew.measure()
            return LiveStatistics(self._delivered, self._dropped, reconnects, skew)

    @property
    def trouble(self) -> str:
        """Why the cameras that are unplugged now do not come back; empty if there are none."""
        with self._changed:
            lost = [stream for stream in self._streams if stream.lost]
            return "; ".join(_why(s.capture.name, s.trouble or "no pictures") for s in lost)

    def close(self) -> None:
        """End the threads and free the captures; a second call does nothing."""
        self._stop.set()
        while any(thread.is_alive() for thread in self._threads):
            for stream in self._streams:
                stream.capture.interrupt()
            for thread in self._threads:
                thread.join(STOP_S)
        for stream in self._streams:
            stream.capture.close()

    # The threads

    def _begin(self, stream: _Stream) -> None:
        stream.alive_ns = self._clock_ns()
        thread = threading.Thread(target=self._run, args=(stream,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self, stream: _Stream) -> None:
        while not self._stop.is_set():
            shot, trouble = read_or_why(stream.capture)
            if shot is not None and self._fits(shot):
                self._take(stream, shot)
            elif not self._stop.is_set():
                self._lose(stream, trouble if shot is None else self._misfit(shot))
                self._reopen(stream)

    def _take(self, stream: _Stream, shot: Shot) -> None:
        with self._changed:
            if stream.shots and shot.stamp_ns <= stream.shots[-1].stamp_ns:
                return  # a stamp that runs backwards belongs to no moment
            stream.shots.append(shot)
            stream.alive_ns = self._clock_ns()
            stream.received += 1
            stream.tries = 0
            if stream.lost:
                stream.lost = False
                stream.reconnects += 1
                self._tell(stream.eye, UNPLUGGED, active=False)
            self._notify()

    def _lose(self, stream: _Stream, trouble: str) -> None:
        with self._changed:
            stream.shots.clear()
            stream.trouble = trouble
            if not stream.lost:
                stream.lost = True
                self._tell(stream.eye, UNPLUGGED, active=True)
            self._notify()

    def _reopen(self, stream: _Stream) -> None:
        """Try until it opens, ever less often until a picture comes."""
        stream.reading = opened = False
        while not opened:
            wait_s = min(self._options.retry_s * 2**stream.tries, self._options.max_retry_s)
            stream.tries += 1
            if self._stop.wait(wait_s):
                return
            try:
                stream.capture.open()
                opened = True
            except FAILED as error:
                stream.trouble = str(error)
        with self._changed:
            stream.alive_ns, stream.reading = self._clock_ns(), True

    def _end_stalled(self) -> None:
        """Interrupt what hangs: a network camera that is gone may leave its command waiting."""
        silent_ns = self._clock_ns() - ns_from_s(self._options.stall_s)
        for stream in self._streams:
            if stream.reading and stream.alive_ns < silent_ns:
                stream.capture.interrupt()

    # Under the lock

    def _notify(self) -> None:
        self._news = True
        self._changed.notify_all()

    def _newest(self) -> tuple[int, Image | None, Image | None] | None:
        """Return stamp, left and right picture of what is newer than the latest sample."""
        if len(self._streams) == 1:
            shot = _last(self._streams[0])
            if shot is None or shot.stamp_ns <= self._latest_ns:
                return None
            first, second = halves(shot.picture, self._layout)
            return (shot.stamp_ns, *((second, first) if self._options.swap else (first, second)))
        left, right = self._streams
        pair = newest_pair(left.shots, right.shots, ns_from_s(self._options.max_skew_s))
        if pair is None:
            return self._alone(left if right.lost else None, right if left.lost else None)
        out_of_sync = abs(pair.skew_ns) > ns_from_s(self._options.max_skew_s)
        newest = left.shots[-1] if out_of_sync else pair.left
        if newest.stamp_ns <= self._latest_ns:
            return None
        self._skew.add(pair)
        if out_of_sync != self._out_of_sync:
            self._out_of_sync = out_of_sync
            self._tell(Eye.PAIR, OUT_OF_SYNC, active=out_of_sync)
        # Out of sync, the left eye goes on alone, so that mono may go on by it.
        return newest.stamp_ns, newest.picture, None if out_of_sync else pair.right.picture

    def _alone(
        self, left: _Stream | None, right: _Stream | None
    ) -> tuple[int, Image | None, Image | None] | None:
        """Return the new picture of the one eye that is asked for."""
        if left is not None and (shot := _last(left)) is not None:
            return None if shot.stamp_ns <= self._latest_ns else (shot.stamp_ns, shot.picture, None)
        if right is not None and (shot := _last(right)) is not None:
            return None if shot.stamp_ns <= self._latest_ns else (shot.stamp_ns, None, shot.picture)
        return None

    def _tell(self, eye: Eye, kind: str, active: bool) -> None:
        self._event_seq += 1
        now_ns = self._clock_ns()
        self._events.append(HealthEvent(self._event_seq, now_ns, True, eye, kind, active))

    def _drain(self) -> tuple[HealthEvent, ...]:
        events, self._events = tuple(self._events), []
        return events

    # Opening

    def _try_each(
        self, step: Callable[[_Stream], None], without: Container[Eye] = ()
    ) -> dict[Eye, UserError]:
        """Take a step with each stream; return what went wrong where one eye is enough."""
        wrong = {}
        for stream in self._streams:
            try:
                if stream.eye not in without:
                    step(stream)
            except UserError as error:
                if not self._options.alone:
                    raise
                wrong[stream.eye] = error
        return wrong

    def _await_first(self, stream: _Stream) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: stream.received > 0 or stream.lost, self._options.first_s
            )
            if stream.received:
                return
        raise UserError(self._why_silent(stream))

    def _why_silent(self, stream: _Stream) -> str:
        said = f" ({stream.trouble})" if stream.trouble else ""
        width, height = self._expected()
        return (
            f"{stream.capture.name}: gives no pictures of {width} x {height} px{said}; "
            "is it in use by another program, and is the "
            "calibration that of this camera and mode?"
        )

    def _expected(self) -> tuple[int, int]:
        """Return width and height of a picture, by the calibration and the layout."""
        pinhole = self._rectifier.raw.left.pinhole
        both = len(self._streams) == 1
        wide = both and self._layout is Layout.SIDE_BY_SIDE
        high = both and self._layout is Layout.TOP_BOTTOM
        return pinhole.width * (2 if wide else 1), pinhole.height * (2 if high else 1)

    def _fits(self, shot: Shot) -> bool:
        return shot.picture.shape[::-1] == self._expected()

    def _misfit(self, shot: Shot) -> str:
        (height, width), (wide, high) = shot.picture.shape, self._expected()
        return f"gives {width} x {height} px, not {wide} x {high}"


def _why(name: str, trouble: str) -> str:
    return trouble if trouble.startswith(name) else f"{name}: {trouble}"


def _last(stream: _Stream) -> Shot | None:
    return stream.shots[-1] if stream.shots else None
