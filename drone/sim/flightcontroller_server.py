"""The simulated flight controller in real time, on a UDP socket.

In: an airframe, a flight controller, a transmitter. Ticks come at their rate by the monotonic
clock; one that is late is counted and flown at once, and the lost time is not caught up. Between
ticks datagrams are answered as they come.

Peers are those named at the start, and whoever sends something that can be trusted; one that has
been silent for half a minute is no longer told anything. Messages from one peer are not passed on
to another.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drone.clock import NS_PER_S
from drone.messages import VehicleState
from drone.sim.flightcontroller import FlightController
from drone.sim.flightcontroller_airframe import Airframe
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_state import Outputs
from drone.sim.flightcontroller_transmitter import Doing, HumanPilot, Sight, Transmitter, fly
from drone.sim.flightcontroller_wire import Wire

Address = tuple[str, int]
_FORGET_NS = 30 * NS_PER_S
_MOST_AT_ONCE = 64
"""So many datagrams are heard before the time is looked at again: a flood delays no tick."""
_LATE_NS = 5_000_000
"""A tick that begins more than so much after its time is late."""


class Pace:
    """When ticks are due.

    Attributes:
        due_ns: the next one.
        ticks: done so far.
        late: of those, late ones.
        worst_ns: how late the latest was.
    """

    def __init__(self, period_ns: int, start_ns: int) -> None:
        self._period_ns = period_ns
        self.due_ns = start_ns
        self.ticks = self.late = self.worst_ns = 0

    def tick(self, now_ns: int) -> None:
        """Count the tick that begins now, and set the time of the next."""
        behind_ns = now_ns - self.due_ns
        self.ticks += 1
        self.late += behind_ns > _LATE_NS
        self.worst_ns = max(self.worst_ns, behind_ns)
        self.due_ns += self._period_ns * (1 + max(0, behind_ns // self._period_ns))


class Peers:
    """Who is told."""

    def __init__(self, fixed: Iterable[Address]) -> None:
        self._fixed = tuple(fixed)
        self._heard_ns: dict[Address, int] = {}

    def heard(self, peer: Address, now_ns: int) -> None:
        """Remember that a peer said something."""
        self._heard_ns[peer] = now_ns

    def at(self, now_ns: int) -> list[Address]:
        """Return all who are told now."""
        self._heard_ns = {p: t for p, t in self._heard_ns.items() if now_ns - t < _FORGET_NS}
        return [*self._fixed, *(p for p in self._heard_ns if p not in self._fixed)]


class ScriptedPilot:
    """A human pilot who follows a plan (`flightcontroller_transmitter.fly`)."""

    def __init__(self, plan: HumanPilot) -> None:
        self._plan = plan
        self.doing = Doing()

    def __call__(self, sight: Sight) -> Transmitter:
        """Return what the transmitter sends after seeing this."""
        self.doing = fly(self.doing, sight, self._plan)
        return self.doing.radio


def hands_off(sight: Sight) -> Transmitter:
    """Return the channels of a transmitter that nobody touches."""
    return Transmitter()


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how the flight controller is served.

    Attributes:
        host: address of the socket.
        port: 0 for any free one.
        peers: who is told from the start.
        tick_hz: that of the airframe.
    """

    host: str = "127.0.0.1"
    port: int = 0
    peers: tuple[Address, ...] = ()
    tick_hz: float = 20.0


class FlightControllerServer:
    """A flight controller and its vehicle, in real time.

    Attributes:
        controller: the flight controller.
        pace: ticks and late ones.
        vehicle: the latest state.
        datagrams: heard so far.
        unsent: datagrams that the system would not take.
    """

    def __init__(
        self,
        airframe: Airframe,
        rules: Rules,
        serving: Serving = Serving(),
        *,
        transmitter: Callable[[Sight], Transmitter | None] = hands_off,
        wire: Wire | None = None,
    ) -> None:
        """Open the socket and put the vehicle on the ground.

        Args:
            airframe: what flies; closed with this.
            rules: manner and parameters.
            serving: where.
            transmitter: what the human pilot's transmitter sends at a tick; None: no signal.
            wire: signs and checks messages; None: nothing is signed.

        Raises:
            OSError: the port is taken.
        """
        self._airframe, self._transmitter = airframe, transmitter
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((serving.host, serving.port))
            self._socket.setblocking(False)
            self.vehicle: VehicleState = airframe.start()
        except BaseException:
            self._socket.close()
            raise
        self.controller = FlightController(rules, self.vehicle, wire=wire)
        self._decided: Outputs | None = None
        self._peers = Peers(serving.peers)
        self._boot_ns = time.monotonic_ns()
        self.pace = Pace(round(NS_PER_S / serving.tick_hz), 0)
        self.datagrams = self.unsent = 0

    @property
    def address(self) -> Address:
        """Where to send to."""
        host, port = self._socket.getsockname()
        return host, port

    @property
    def now_ns(self) -> int:
        """The flight controller's clock: from when it was switched on."""
        return time.monotonic_ns() - self._boot_ns

    def run(self, go_on: Callable[[], bool]) -> None:
        """Serve until told to stop, which is asked at every tick."""
        while go_on():
            self.serve_until(self.pace.due_ns)
            self.tick()

    def serve_until(self, due_ns: int) -> None:
        """Answer datagrams until it is time."""
        while (left_ns := due_ns - self.now_ns) > 0:
            if select.select([self._socket], [], [], left_ns / NS_PER_S)[0]:
                self._hear()

    def tick(self) -> None:
        """Fly up to now by what was decided at the tick before, decide anew, and tell all peers.

        What is told and seen of the world is thus never ahead of the clock.
        """
        now_ns = self.now_ns
        self.pace.tick(now_ns)
        if self._decided is not None:
            self.vehicle = self._airframe.step(self._decided.command, self._decided.motors)
        self._hear()
        radio = self._transmitter(self.controller.sight(now_ns))
        self._decided, told = self.controller.tick(now_ns, self.vehicle, radio)
        self._tell(told, now_ns)

    def close(self) -> None:
        """Close the socket and end the vehicle."""
        self._socket.close()
        self._airframe.close()

    def __enter__(self) -> FlightControllerServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hear(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram, peer = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            self.datagrams += 1
            now_ns, before = self.now_ns, self.controller.heard
            answers = self.controller.hear(now_ns, datagram)
            if self.controller.heard > before:
                self._peers.heard(peer, now_ns)
            for answer in answers:
                self._send(answer, peer)
            self._tell(self.controller.news(), now_ns)

    def _tell(self, datagrams: Iterable[bytes], now_ns: int) -> None:
        peers = self._peers.at(now_ns)
        for datagram in datagrams:
            for peer in peers:
                self._send(datagram, peer)

    def _send(self, datagram: bytes, peer: Address) -> None:
        try:
            self._socket.sendto(datagram, peer)
        except OSError:
            self.unsent += 1
