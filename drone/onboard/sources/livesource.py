"""A live camera as a stream of samples: from a time on, up to a time, at most so many a second.

    LiveCamera ─► newest pair ─► start, end, rate ─► CameraSample, and a sample of silence
                                                     where no picture comes

Times count from when the camera gave its first pictures, and so do stamps. It ends at `end_s`, or
when its reader stops; a camera that is unplugged ends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from drone.clock import ns_from_s, s_from_ns
from drone.errors import UserError
from drone.geometry import StereoCalibration
from drone.messages import HealthEvent, StereoFrame
from drone.onboard.camera import CameraSample
from drone.onboard.sources.live import LiveCamera
from drone.onboard.sources.options import OPTIONS, SourceOptions, Words
from drone.onboard.sources.recording import SWAP_FRAMES
from drone.onboard.sources.swapped import looks_swapped

SILENCE_S = 0.1
"""Without a picture for so long, silence itself is a sample."""
SIDES_S = 2.0
"""Time that the eyes get to show which side they are on."""


class LiveSource:
    """A live camera, opened by `with`."""

    def __init__(
        self,
        camera: LiveCamera,
        name: str,
        options: SourceOptions,
        clock_ns: Callable[[], int],
        words: Words = OPTIONS,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            camera: not started.
            name: of the camera, for messages.
            options: start, end and rate; the rest is the camera's business.
            clock_ns: monotonic, the same that stamps the pictures.
            words: what a user exchanges the eyes by.
        """
        self.name = name
        self._camera = camera
        self._options = options
        self._clock_ns = clock_ns
        self._words = words
        self._first_ns = 0
        self._events: tuple[HealthEvent, ...] = ()

    def __enter__(self) -> LiveSource:
        self._camera.start()
        try:
            self._check_sides()
        except BaseException:
            self._camera.close()
            raise
        self._first_ns = self._clock_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._camera.close()

    @property
    def calibration(self) -> StereoCalibration:
        """Of the rectified frames."""
        return self._camera.calibration

    @property
    def first_ns(self) -> int:
        """Time, by the clock that it was given, from which its stamps count."""
        return self._first_ns

    @property
    def utc_offset_ns(self) -> int:
        """What turns a stamp into UTC."""
        return self._camera.utc_offset_ns + self._first_ns

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know: that the camera was gone for a while, or is, and why."""
        count = self._camera.statistics.reconnects
        back = f"{self.name}: unplugged and back again {count} x" if count else ""
        return tuple(note for note in (back, self.trouble) if note)

    @property
    def trouble(self) -> str:
        """Why cameras that are unplugged now do not come back; empty if there are none."""
        return self._camera.trouble

    @property
    def measures(self) -> dict[str, Any]:
        """Pictures fetched and dropped, reconnects, and the skew between the eyes, s."""
        found = self._camera.statistics
        return {
            "delivered": found.delivered,
            "dropped": found.dropped,
            "reconnects": found.reconnects,
            "skew_median_s": found.skew.median_s,
            "skew_max_s": found.skew.max_s,
            "skew_pairs": found.skew.n,
        }

    def samples(self) -> Iterator[CameraSample]:
        """Yield the newest frame as it comes, and silence (an invalid frame) where none does.

        Every sample says when it was fetched: a frame may be old when it arrives.
        """
        pace = _Pace(self._options.rate_hz)
        start_ns, heard_ns, seq = ns_from_s(self._options.start_s), 0, 0
        while self._now_ns() <= self._end_ns:
            sample = self._next()
            now_ns = self._now_ns()
            silent = now_ns - heard_ns >= ns_from_s(SILENCE_S)
            if sample is None and not self._events and not silent:
                continue
            heard_ns = now_ns
            frame = self._frame(sample, now_ns)
            if frame.stamp_ns < start_ns or (frame.valid and not pace.takes(frame.stamp_ns)):
                continue
            yield CameraSample(replace(frame, seq=seq), None, self._drained(), now_ns)
            seq += 1

    def _next(self) -> CameraSample | None:
        """Wait for a picture or an event, but not for long; keep the events."""
        self._camera.wait(SILENCE_S)
        sample = self._camera.latest()
        self._events += self._camera.events() if sample is None else sample.health
        return sample

    def _frame(self, sample: CameraSample | None, now_ns: int) -> StereoFrame:
        if sample is None:
            return StereoFrame(0, now_ns, False, None, None)
        return replace(sample.frame, stamp_ns=self._since_first_ns(sample.frame.stamp_ns))

    def _drained(self) -> tuple[HealthEvent, ...]:
        events, self._events = self._events, ()
        return tuple(
            replace(event, stamp_ns=max(0, self._since_first_ns(event.stamp_ns)))
            for event in events
        )

    def _since_first_ns(self, stamp_ns: int) -> int:
        return stamp_ns - self._first_ns

    def _now_ns(self) -> int:
        return self._since_first_ns(self._clock_ns())

    @property
    def _end_ns(self) -> float:
        return self._options.end_s * 1e9

    def _check_sides(self) -> None:
        """Look at the first pairs.

        Raises:
            UserError: the eyes are clearly swapped.
        """
        swapped: list[bool] = []
        until_ns = self._clock_ns() + ns_from_s(SIDES_S)
        while len(swapped) < SWAP_FRAMES and self._clock_ns() < until_ns and not self.trouble:
            sample = self._next()
            if sample and sample.frame.left is not None and sample.frame.right is not None:
                swapped.append(looks_swapped(sample.frame.left, sample.frame.right))
        if swapped and all(swapped):
            right = self._words.no_swap if self._options.swap else self._words.swap
            raise UserError(
                f"{self.name}: left and right look swapped (their images match far better the "
                f"other way round); right is {right}"
            )


class _Pace:
    """At most so many a second: the first picture of each period of which it is the middle."""

    def __init__(self, rate_hz: float | None) -> None:
        self._rate_hz = rate_hz
        self._first_ns: int | None = None
        self._period = -1

    def takes(self, stamp_ns: int) -> bool:
        """Return whether a picture of this time is wanted; half a period forgives jitter."""
        if self._rate_hz is None:
            return True
        if self._first_ns is None:
            self._first_ns = stamp_ns
        period = math.floor(s_from_ns(stamp_ns - self._first_ns) * self._rate_hz + 0.5)
        if period <= self._period:
            return False
        self._period = period
        return True
