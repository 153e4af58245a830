"""The room in real time, with an autopilot that speaks MAVLink: the other side of `drone onboard`.

    RoomSimulator ─► frames ─► bus (room) ─► drone onboard ─► set-points ─► UDP ─► flight controller
          ▲                                       │                                     │
          └──────────── velocity command ◄────────┼─────────────────────────────────────┘
    Watcher ◄── FLOWN, SENT (bus): who flew when something was touched, gaps, latency

The human pilot is a script that begins once the onboard side sees and is linked: arms, takes off,
switches to the mode that takes set-points, gives permission. Nothing crosses but pictures on the
bus and MAVLink over UDP; truth stays here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drone.bus import Publisher, Subscriber
from drone.config import Config
from drone.geometry import DistanceMeter, StereoCalibration
from drone.messages import Vector3
from drone.sim.cameras import calibration_of
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_room import RoomAirframe, StandingRoom
from drone.sim.flightcontroller_server import (
    FlightControllerServer,
    ScriptedPilot,
    Serving,
    hands_off,
)
from drone.sim.flightcontroller_transmitter import HumanPilot
from drone.sim.simulator import SimOutput
from drone.topics import AUTOPILOT
from drone.wire import FLOWN, FRAME, SENT, Flown, Sent

MANNERS: dict[str, Manner] = {"ardupilot": ARDUPILOT, "px4": PX4}
_WAITING = 100
"""Decisions for which the other end is waited for."""
ROOM = "room"
"""Where the onboard side's camera process finds the frames."""


@dataclass
class Watcher:
    """What was flown, by whom, and how fast the link was.

    Attributes:
        collisions: episodes of contact, by the mode that flew.
        mode_s: seconds in each mode since permission was first given.
        metres: flown by truth, by mode.
        modes: the modes in their order, and when each began, s.
        permitted: the latest tick was.
    """

    collisions: dict[str, int] = field(default_factory=dict)
    mode_s: dict[str, float] = field(default_factory=dict)
    metres: dict[str, float] = field(default_factory=dict)
    modes: list[tuple[float, str]] = field(default_factory=list)
    permitted: bool = False
    mode: str = ""
    overrides: int = 0
    trusted_s: float = math.nan
    _frame_ns: dict[int, int] = field(default_factory=dict)
    _first_sent_ns: dict[int, int] = field(default_factory=dict)
    _latency_ms: list[float] = field(default_factory=list)
    _sent_ns: list[int] = field(default_factory=list)
    _first_ns: int = -1
    _last_ns: int = -1
    _last_sent: int = -1
    _overriding: bool = False
    _where: Vector3 | None = None

    def flown(self, flown: Flown) -> None:
        """Take a tick of the pilot."""
        tick, decision = flown.tick, flown.decision
        if tick.frame is not None:
            self._match(self._frame_ns, decision.seq, tick.frame.stamp_ns)
        self.permitted = tick.permitted
        if self._first_ns < 0:
            if not tick.permitted:
                return
            self._first_ns = decision.stamp_ns
        now_s = (decision.stamp_ns - self._first_ns) / 1e9
        if 0 <= self._last_ns < decision.stamp_ns:
            step_s = (decision.stamp_ns - self._last_ns) / 1e9
            self.mode_s[self.mode] = self.mode_s.get(self.mode, 0.0) + min(step_s, 1.0)
        self._last_ns = decision.stamp_ns
        if decision.mode.value != self.mode:
            self.mode = decision.mode.value
            self.modes.append((round(now_s, 2), self.mode))
        self.overrides += decision.override and not self._overriding
        self._overriding = decision.override
        if decision.trust.held and math.isnan(self.trusted_s):
            self.trusted_s = round(now_s, 2)

    def sent(self, sent: Sent) -> None:
        """Take a set-point of the link."""
        if self._first_ns >= 0:
            self._sent_ns.append(sent.stamp_ns)
        if sent.decision_seq != self._last_sent:
            self._last_sent = sent.decision_seq
            self._match(self._first_sent_ns, sent.decision_seq, sent.stamp_ns)

    def _match(self, side: dict[int, int], seq: int, stamp_ns: int) -> None:
        """Take one end of a way from frame to set-point; the other may have come before."""
        side[seq] = stamp_ns
        if seq in self._frame_ns and seq in self._first_sent_ns:
            way_ns = self._first_sent_ns.pop(seq) - self._frame_ns.pop(seq)
            self._latency_ms.append(way_ns / 1e6)
        for old in [s for s in side if s < seq - _WAITING]:
            del side[old]

    def out(self, output: SimOutput) -> None:
        """Take what came out of the room."""
        mode = self.mode if self.permitted else "pilot"
        for event in output.events:
            if event.kind == "collision":
                self.collisions[mode] = self.collisions.get(mode, 0) + 1
        if output.truth is not None:
            where = output.truth.position_m
            if self._where is not None:
                step_m = math.dist(self._where, where)
                self.metres[mode] = self.metres.get(mode, 0.0) + step_m
            self._where = where

    def figures(self) -> dict[str, Any]:
        """Return what came of it."""
        gaps_ms = [(b - a) / 1e6 for a, b in zip(self._sent_ns, self._sent_ns[1:], strict=False)]
        return {
            "mode_s": {name: round(s, 2) for name, s in self.mode_s.items()},
            "modes": [list(entry) for entry in self.modes],
            "collisions": self.collisions,
            "distance_m": {name: round(m, 2) for name, m in self.metres.items()},
            "overrides": self.overrides,
            "time_to_trust_s": self.trusted_s,
            "setpoints": len(self._sent_ns),
            "setpoint_gap_ms": spread(gaps_ms),
            "frame_to_setpoint_ms": spread(self._latency_ms),
        }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, 99th percentile, the most, and the number of values."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": math.nan, "p99": math.nan, "max": math.nan, "n": 0}
    at = [ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.99)]
    return {
        "p50": round(at[0], 2),
        "p99": round(at[1], 2),
        "max": round(ordered[-1], 2),
        "n": len(ordered),
    }


class RoomInRealTime:
    """One room, its flight controller on UDP, its frames on the bus.

    Attributes:
        watcher: what was flown so far.
        server: the flight controller.
        calibration: of the frames.
    """

    def __init__(self, config: Config, manner: str, folder: Path, plan: HumanPilot | None = None):
        """Open sockets, and put the vehicle on the floor.

        Args:
            config: room, vehicle, faults, seed.
            manner: `ardupilot` or `px4`.
            folder: of the bus.
            plan: of the human pilot; None flies until the end.

        Raises:
            UserError: the room cannot be made, or the bus's folder not be used.
            OSError: no port is free.
        """
        self.watcher = Watcher()
        self.calibration: StereoCalibration = calibration_of(config.sim.camera)
        self._voice = Publisher(folder, ROOM)
        self._ears = Subscriber(folder, {"pilot": [FLOWN], "link": [SENT, AUTOPILOT]})
        self._linked = self._sees = False
        meter = DistanceMeter(
            self.calibration.left, config.pilot.grid_spec, config.pilot.corridor_spec
        )
        room = StandingRoom(
            config.sim, meter, seed=config.flight.seed, tick_hz=config.pilot.tick_hz
        )
        rules = Rules.of(MANNERS[manner])
        script = ScriptedPilot(plan or HumanPilot(MANNERS[manner].setpoint_mode))
        self.server = FlightControllerServer(
            RoomAirframe(room, self._out),
            rules,
            Serving(tick_hz=config.pilot.tick_hz),
            transmitter=lambda sight: script(sight) if self.is_ready else hands_off(sight),
        )

    @property
    def url(self) -> str:
        """Where the link finds the autopilot."""
        host, port = self.server.address
        return f"udpout://{host}:{port}"

    @property
    def is_ready(self) -> bool:
        """The onboard side has seen a frame, and has found the autopilot."""
        return self._linked and self._sees

    def tick(self) -> None:
        """Serve until the next tick is due, then fly it."""
        self.server.serve_until(self.server.pace.due_ns)
        self.server.tick()
        for topic, message in self._ears.receive(0.0):
            if topic == FLOWN:
                self._sees = self._sees or message.tick.frame is not None
                self.watcher.flown(message)
            elif topic == SENT:
                self.watcher.sent(message)
            else:
                self._linked = self._linked or message.connected

    def close(self) -> None:
        """End the room and close the sockets."""
        self.server.close()
        self._voice.close()
        self._ears.close()

    def _out(self, output: SimOutput) -> None:
        self.watcher.out(output)
        if output.frame is not None:
            self._voice.send(FRAME, replace(output.frame, stamp_ns=time.monotonic_ns()))


def room_in_real_time(
    config: Config, manner: str, folder: Path, plan: HumanPilot | None = None
) -> closing[RoomInRealTime]:
    """Return a room that closes itself at the end of a `with`."""
    return closing(RoomInRealTime(config, manner, folder, plan))
