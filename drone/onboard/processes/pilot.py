"""The pilot's process: newest of everything in, a decision out, then the whole account of it.

    camera, link, trainer, web ─► Inbox ─► tick ─► perceive ─► decide ─► DECISION, for the link
                                                    then, for who follows ─► FLOWN, STATE

A tick comes with each frame, at once, and without one at the pilot's own rate: silence is an input.
What comes while a tick is worked on is drained after it: of frames only the newest counts. A model
is loaded between two frames, and flies from the next one on.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from drone import topics
from drone.bus import Publisher, Subscriber
from drone.clock import NS_PER_S, ns_from_s, s_from_ns
from drone.errors import UserError
from drone.messages import (
    Asked,
    FlightEvent,
    HealthEvent,
    ModelVersion,
    StereoFrame,
    Tick,
    VehicleState,
)
from drone.onboard import health
from drone.onboard.mono import model_from_bytes
from drone.onboard.obstacle_memory import view_of
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilot import Pilot, PilotState, decide
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.topics import Topic
from drone.wire import FLOWN, FRAME, STATE, WISH, Flown, StateBefore

HEARD = {
    "camera": (FRAME, topics.HEALTH),
    "link": (topics.VEHICLE, topics.AUTOPILOT),
    "trainer": (topics.MODEL,),
    "web": (WISH,),
}
PERMISSION_S = 0.5
"""A permission of which nothing was heard for longer is none."""
WISH_S = 3.0
"""A wish that is not repeated for longer stands no more; the link keeps a withdrawal itself."""
STATE_S = 1.0


@dataclass
class Inbox:
    """The newest of everything since the tick before.

    Attributes:
        frame: None where none came, like vehicle and model.
        health: all events, oldest first.
        model: to fly from the next frame on.
        offered: a model that is not loaded yet.
        marks: notes of who watches.
    """

    frame: StereoFrame | None = None
    vehicle: VehicleState | None = None
    health: tuple[HealthEvent, ...] = ()
    model: ModelVersion | None = None
    offered: ModelVersion | None = None
    marks: tuple[str, ...] = ()
    asked: Asked = Asked.NOTHING
    withdrawn: bool = False
    _permitted: bool = False
    _permitted_ns: int = field(default=-(10**18))
    _asked_ns: int = field(default=-(10**18))

    def take(self, heard: Iterable[tuple[Topic, Any]], now_ns: int) -> None:
        """Sort in what was heard."""
        for topic, message in heard:
            if topic == FRAME:
                self.frame = message
            elif topic == topics.VEHICLE:
                self.vehicle = message
            elif topic == topics.AUTOPILOT:
                self._permitted, self._permitted_ns = message.permitted, now_ns
            elif topic == topics.HEALTH:
                self.health += (message,)
            elif topic == topics.MODEL:
                self.offered = message
            elif topic == WISH:
                self.asked, self.withdrawn, self._asked_ns = message.asked, message.withdraw, now_ns
                self.marks += (message.mark,) if message.mark else ()

    def permitted(self, now_ns: int) -> bool:
        """Return whether the human pilot lets this stack fly, as far as is known now."""
        return (
            self._permitted
            and not self.withdrawn
            and now_ns - self._permitted_ns <= ns_from_s(PERMISSION_S)
        )

    def tick(self, seq: int, now_ns: int) -> Tick:
        """Return a tick with what is there, and keep what it did not take."""
        if now_ns - self._asked_ns > ns_from_s(WISH_S):
            self.asked, self.withdrawn = Asked.NOTHING, False
        model = self.model if self.frame is not None else None  # it flies from a frame on
        tick = Tick(
            *(seq, now_ns, True, self.permitted(now_ns)),
            frame=self.frame,
            vehicle=self.vehicle,
            health=self.health,
            model=model,
            asked=self.asked,
        )
        self.frame, self.vehicle, self.health = None, None, ()
        self.model = self.model if model is None else None
        return tick


class PilotLoop:
    """Steps the pilot and tells what it did."""

    def __init__(self, orders: Orders, voice: Publisher) -> None:
        """Prepare the engines.

        Raises:
            UserError: the model is none, or the camera does not fit the grid.
        """
        self._config = orders.config.pilot
        self._voice = voice
        self._perception = Perception(self._config, orders.calibration)
        self._pilot = Pilot(self._config, self._perception)
        self._state = PilotState(view=view_of(orders.calibration))
        self._seq = 0
        self._events = 0
        self._found = 0
        self._state_ns = -NS_PER_S
        self._asked = (Asked.NOTHING, False)
        self.inbox = Inbox()
        if orders.model is not None:
            onnx = orders.model.read_bytes()
            self.inbox.model = model_from_bytes(onnx, str(orders.model))

    @property
    def mode(self) -> str:
        """The present mode."""
        return self._state.mode.value

    def tick(self, now_ns: int) -> Flown:
        """Decide, and publish: first what the link waits for, then the account."""
        inbox, before = self.inbox, self._state
        tick = inbox.tick(self._seq, now_ns)
        if tick.model is not None:
            tick = replace(tick, model=replace(tick.model, stamp_ns=now_ns))
        percept = self._pilot.perceive(before, tick)
        self._state, decision = decide(before, tick, percept, self._config)
        self._voice.send(topics.DECISION, decision)
        for topic, seen in ((topics.LABEL, percept.label), (topics.MONO, percept.estimate)):
            if seen is not None:  # for who need not have all of it
                self._voice.send(topic, seen)
        flown = Flown(
            *(tick, percept.check, percept.label, percept.estimate, decision),
            found=self._found_now(before, now_ns),
            events=tuple(self._happened(before, tick, percept)),
        )
        self._voice.send(FLOWN, flown)
        self._seq += 1
        self.tell_state(now_ns)
        return flown

    def prepare(self) -> None:
        """Load the model that was offered, if any; to be called when no frame is waited for.

        One that cannot be loaded is passed on all the same: the pilot says of it that it is none.
        """
        offered, self.inbox.offered = self.inbox.offered, None
        if offered is None:
            return
        with contextlib.suppress(UserError):
            self._perception.prepare(offered)
        self.inbox.model = offered

    def tell_state(self, now_ns: int) -> None:
        """Publish, about once a second, all that it takes to follow from the next tick on."""
        if now_ns - self._state_ns < ns_from_s(STATE_S):
            return
        self._state_ns = now_ns
        text = self._state.to_json()
        message = StateBefore(self._seq, now_ns, True, text, self._state.model)
        self._voice.send(STATE, message)

    def _found_now(self, before: PilotState, now_ns: int) -> tuple[HealthEvent, ...]:
        found = tuple(health.events(before.health, self._state.health, now_ns, self._found))
        self._found += len(found)
        return found

    def _happened(self, before: PilotState, tick: Tick, percept: Percept) -> Iterable[FlightEvent]:
        inbox, now_ns = self.inbox, tick.stamp_ns
        if self._state.mode is not before.mode:
            yield self._event(now_ns, "mode", self._state.mode.value)
        asked = (inbox.asked, inbox.withdrawn)
        if asked != self._asked:
            self._asked = asked
            words = "permission withdrawn" if asked[1] else asked[0].value
            yield self._event(now_ns, "asked", f"{words}, on the live page")
        for mark in inbox.marks:
            yield self._event(now_ns, "mark", mark)
        inbox.marks = ()

    def _event(self, now_ns: int, kind: str, detail: str) -> FlightEvent:
        self._events += 1
        vehicle = self._state.vehicle
        event = FlightEvent(self._events, now_ns, True, kind, detail)
        return event if vehicle is None else replace(event, position_m=vehicle.position_m)


def run(folder: Path) -> None:
    """Run as the pilot's process until told to end."""
    orders = read(folder)
    cv2.setNumThreads(1)
    period_ns = round(NS_PER_S / orders.config.pilot.tick_hz)
    with (
        Shell("pilot", folder, orders.clock_ns) as shell,
        closing(Subscriber(folder, HEARD)) as ears,
    ):
        loop = PilotLoop(orders, shell.voice)
        due_ns = shell.clock_ns()
        loop.tell_state(due_ns)
        gc.collect()
        gc.freeze()  # what lasts as long as the process is not looked through again and again
        while not shell.ending:
            wait_s = max(0.0, s_from_ns(due_ns - shell.clock_ns()))
            loop.inbox.take(ears.receive(wait_s), shell.clock_ns())
            now_ns = shell.clock_ns()
            if loop.inbox.frame is None and now_ns < due_ns:
                continue
            flown = loop.tick(now_ns)
            shell.alive(loop.mode)
            if flown.tick.frame is not None:
                loop.prepare()  # the next frame is the farthest off now
            due_ns = now_ns + period_ns
