"""Between the flight and who watches it: the flight leaves its latest here, and fetches wishes.

    flight ─► Feed.see, Feed.note ─► (references only, no copy, no wait) ─► server reads
    server ─► Controls.ask ─► Controls.take ─► permission and `asked` of the next tick, events

No socket and no server here. Every value is immutable or only ever replaced or appended to, so that
a reader in another thread never sees half of something and the flight never waits for one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.errors import UserError
from drone.messages import Asked, Decision, FlightEvent, Tick, Vector3
from drone.onboard.perception import Percept
from drone.onboard.pilotstate import PilotState

if TYPE_CHECKING:
    from drone.foxglovestream import FoxgloveStream

MOST_POINTS = 36_000
MOST_EVENTS = 2_000
MOST_NOTES = 100
NOTE_LENGTH = 200
BEHIND_S = 0.5
"""A flight that is later than this goes on at its own pace instead of hurrying after."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What does not change during a flight.

    Attributes:
        name: of the flight.
        plan: outlines to draw, (north, east) in m, the walls first; empty where unknown.
        view: tangents of the bearings of the image's left and right edge.
        disparity_metres: focal length times baseline, px m.
        disparities: the largest disparity drawn, px.
    """

    name: str
    plan: tuple[tuple[tuple[float, float], ...], ...]
    view: tuple[float, float]
    disparity_metres: float
    disparities: int


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One tick as it was flown.

    Attributes:
        state: the pilot's, after the tick.
        disparity_px: (H, W) float32, NaN where unknown; None without a match.
        position_m: NED.
    """

    tick: Tick
    percept: Percept
    decision: Decision
    state: PilotState
    disparity_px: NDArray[np.float32] | None
    position_m: Vector3


class Point(NamedTuple):
    """One frame on the time line and on the map."""

    time_s: float
    stereo_m: float
    mono_m: float
    threshold_m: float
    north_m: float
    east_m: float


class Feed:
    """The latest of a flight, and its course so far.

    Attributes:
        scene: of the flight, None before it begins.
        latest: of any tick, None before the first.
        framed: the latest that had a frame.
        ended: why the flight is over, empty while it flies.
    """

    def __init__(self) -> None:
        self.scene: Scene | None = None
        self.latest: Glimpse | None = None
        self.framed: Glimpse | None = None
        self.ended = ""
        self._points: list[Point] = []
        self._events: list[FlightEvent] = []

    def see(self, glimpse: Glimpse) -> None:
        """Take a tick; called by the flight."""
        if glimpse.tick.frame is not None:
            self._points.append(_point(glimpse))
            if len(self._points) > MOST_POINTS:
                self._points = self._points[-MOST_POINTS // 2 :]
            self.framed = glimpse
        self.latest = glimpse

    def note(self, event: FlightEvent) -> None:
        """Take an event; called by the flight."""
        self._events.append(event)
        if len(self._events) > MOST_EVENTS:
            self._events = self._events[-MOST_EVENTS // 2 :]

    def end(self, why: str) -> None:
        """Say that the flight is over."""
        self.ended = why

    def points(self, after_s: float) -> list[Point]:
        """Return the course after a time, oldest first."""
        points, first = self._points, len(self._points)
        while first > 0 and points[first - 1].time_s > after_s:
            first -= 1
        return points[first:]

    def events(self, after: int) -> list[FlightEvent]:
        """Return the events with a higher number, oldest first."""
        return [e for e in list(self._events) if e.seq > after]


def _point(glimpse: Glimpse) -> Point:
    decision, (north_m, east_m, _) = glimpse.decision, glimpse.position_m
    return Point(
        s_from_ns(decision.stamp_ns),
        decision.stereo_obstacle_m,
        decision.mono_obstacle_m,
        decision.trust.threshold_m,
        north_m,
        east_m,
    )


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a tick takes in of who watches.

    Attributes:
        permitted: by the human pilot, and not withdrawn on the page.
        events: (kind, detail) for the log.
    """

    permitted: bool
    asked: Asked
    events: tuple[tuple[str, str], ...] = ()


UNASKED = Wishes(True, Asked.NOTHING)


class Controls:
    """What was asked for on the page. It can only make things safer, so nothing takes it back.

    Only the human pilot does: while the pilot does not permit this stack to fly, the wishes end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = Asked.NOTHING
        self._withdrawn = False
        self._events: list[tuple[str, str]] = []

    def ask(self, what: str, note: str = "") -> None:
        """Take a wish; called by the server.

        Args:
            what: `hold`, `land`, `withdraw` or `mark`.
            note: of a mark.

        Raises:
            UserError: none of these.
        """
        with self._lock:
            if what == "mark":
                self._log("mark", " ".join(note.split())[:NOTE_LENGTH])
            elif what == "withdraw":
                if not self._withdrawn:
                    self._log("asked", "permission withdrawn on the live page")
                self._withdrawn = True
            elif what in (Asked.HOLD, Asked.LAND):
                asked = Asked(what)
                if asked is not self._asked and self._asked is not Asked.LAND:
                    self._log("asked", f"{what}, on the live page")
                    self._asked = asked
            else:
                raise UserError(f"{what!r}: expected hold, land, withdraw or mark")

    def take(self, permitted: bool = True) -> Wishes:
        """Return what the next tick takes in; called by the flight.

        Args:
            permitted: by the human pilot.
        """
        with self._lock:
            if not permitted:
                self._asked, self._withdrawn = Asked.NOTHING, False
            events, self._events = tuple(self._events), []
            return Wishes(permitted and not self._withdrawn, self._asked, events)

    def _log(self, kind: str, detail: str) -> None:
        if len(self._events) < MOST_NOTES:
            self._events.append((kind, detail))


class Pace:
    """Lets a simulated flight go by in real time, so that it can be watched."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now_s = now_s
        self._sleep = sleep
        self._start_s = math.nan

    def wait(self, stamp_ns: int) -> None:
        """Wait until a stamp's moment; a flight that is late is not hurried."""
        flown_s, now_s = s_from_ns(stamp_ns), self._now_s()
        if math.isnan(self._start_s):
            self._start_s = now_s - flown_s
        ahead_s = self._start_s + flown_s - now_s
        if ahead_s > 0:
            self._sleep(ahead_s)
        elif ahead_s < -BEHIND_S:
            self._start_s = now_s - flown_s


@dataclass(frozen=True, slots=True)
class Watched:
    """A flight that is watched.

    Attributes:
        stream: takes what its log takes, for Foxglove; None without one.
    """

    feed: Feed = field(default_factory=Feed)
    controls: Controls = field(default_factory=Controls)
    pace: Pace = field(default_factory=Pace)
    stream: FoxgloveStream | None = None
