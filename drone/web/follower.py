"""The live page's process on a vehicle: follows the pilot, shows it, and hands wishes on.

STATE, FLOWN ─► decide again, exactly ─► Feed ─► LiveServer ─► browser
WISH ◄────────────────────────────────── Controls ◄──────────────┘
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drone.bus import Subscriber
from drone.clock import NS_PER_S
from drone.config import PilotConfig
from drone.errors import UserError
from drone.messages import Asked, StereoFrame
from drone.onboard.obstacle_memory import view_of
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.onboard.stereo import StereoMatcher
from drone.web.feed import Feed, Glimpse, Scene, Watched, Wishes
from drone.wire import FLOWN, STATE, WISH, Flown, StateBefore, Wish

HEARD = {"pilot": (STATE, FLOWN)}
LISTEN_S = 0.05


class Follower:
    """Steps the pilot again by what it consumed and saw, to have its state."""

    def __init__(
        self,
        config: PilotConfig,
        feed: Feed,
        matcher: StereoMatcher,
        watched: Callable[[], bool] = lambda: True,
    ) -> None:
        """Follow nothing yet.

        Args:
            config: of the pilot.
            feed: what the page shows.
            matcher: for the disparity to look at.
            watched: whether somebody looks at it.
        """
        self._config = config
        self._feed = feed
        self._matcher = matcher
        self._watched = watched
        self._state: PilotState | None = None
        self._next_seq = -1

    def begin(self, state: StateBefore) -> None:
        """Take the pilot's state, where it is not known already."""
        if self._state is None or state.seq != self._next_seq:
            self._state, self._next_seq = PilotState.from_json(state.state), state.seq

    def see(self, flown: Flown) -> bool:
        """Follow one tick; return whether the human pilot permitted it."""
        tick = flown.tick
        if self._state is None or tick.seq != self._next_seq:
            self._state = None  # ticks are missing: on from the next state
            return tick.permitted
        percept = Percept(flown.check, flown.label, flown.estimate)
        self._state, _ = decide(self._state, tick, percept, self._config)
        self._next_seq = tick.seq + 1
        vehicle = self._state.vehicle
        where = (0.0, 0.0, 0.0) if vehicle is None else vehicle.position_m
        disparity_px = self._disparity_px(tick.frame)
        self._feed.see(Glimpse(tick, percept, flown.decision, self._state, disparity_px, where))
        for event in flown.events:
            self._feed.note(event)
        return tick.permitted

    def _disparity_px(self, frame: StereoFrame | None) -> NDArray[np.float32] | None:
        """Return the disparity to look at; the pilot's own never leaves its process."""
        if frame is None or frame.left is None or frame.right is None or not self._watched():
            return None
        return self._matcher.match(frame.left, frame.right).disparity_px


class Wisher:
    """Turns what is asked for on the page into wishes, told on change and once a second."""

    def __init__(self) -> None:
        self._seq = 0
        self._told = (Asked.NOTHING, False)
        self._next_ns = 0

    def wishes(self, taken: Wishes, permitted: bool, now_ns: int) -> list[Wish]:
        """Return what is to be told now."""
        withdraw = permitted and not taken.permitted
        marks = [detail for kind, detail in taken.events if kind == "mark"]
        state = (taken.asked, withdraw)
        if state == self._told and not marks and now_ns < self._next_ns:
            return []
        self._told, self._next_ns = state, now_ns + NS_PER_S
        found = []
        for mark in marks or [""]:
            self._seq += 1
            found.append(Wish(self._seq, now_ns, True, taken.asked, withdraw, mark))
        return found


def scene_of(orders: Orders, disparities: int) -> Scene:
    """Return what does not change during the flight."""
    view = view_of(orders.calibration)
    metres = orders.calibration.disparity_metres
    name = orders.config.flight.name
    return Scene(name, (), (view.left_tan, view.right_tan), metres, disparities)


def run(folder: Path) -> None:
    """Run as the page's process until told to end.

    Raises:
        UserError: no page was asked for, or its address cannot be had.
    """
    from drone.web.server import Address, LiveServer

    orders = read(folder)
    if orders.page is None:
        raise UserError("no live page was asked for")
    watched = Watched()
    matcher = StereoMatcher(orders.config.pilot.stereo, orders.calibration)
    watched.feed.scene = scene_of(orders, matcher.disparities)
    permitted, wisher = False, Wisher()
    with (
        Shell("web", folder, orders.clock_ns) as shell,
        closing(Subscriber(folder, HEARD)) as ears,
        closing(LiveServer(watched, Address(*orders.page).checked())) as server,
    ):
        follower = Follower(orders.config.pilot, watched.feed, matcher, lambda: server.is_watched)
        server.start()
        print(f"drone onboard: watch at {server.url}", file=sys.stderr, flush=True)  # noqa: T201
        while not shell.ending:
            for topic, message in ears.receive(LISTEN_S):
                if topic == STATE:
                    follower.begin(message)
                else:
                    permitted = follower.see(message)
            taken = watched.controls.take(permitted)
            for wish in wisher.wishes(taken, permitted, shell.clock_ns()):
                shell.voice.send(WISH, wish)
            shell.alive()
