"""The link's process: decisions out to the autopilot, what it says in, and the last word on both.

    pilot ── DECISION, LABEL, MONO ─┐                       ┌─► set-points, orders, obstacles, texts
    web ── WISH ────────────────────┼─► linkstate.step ─────┤
    autopilot ── MAVLink ───────────┘                       └─► VEHICLE, AUTOPILOT (the bus)

Nothing is polled: a decision, a heartbeat or RC channels are acted on when they arrive; the rates
go on beside. The line may break and come back. Told to end, it sends zero velocity first. Without a
supervisor it goes on as long as an armed vehicle is heard, and then ends by itself.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from drone import topics
from drone.bus import Subscriber
from drone.clock import ns_from_s, s_from_ns
from drone.config.autopilot import AutopilotConfig
from drone.errors import DroneError
from drone.messages import AutopilotReport, Decision, DistanceLabel, MonoEstimate
from drone.onboard import linkstate
from drone.onboard.autopilot import Autopilot
from drone.onboard.linkfacts import LinkInputs, LinkOutput
from drone.onboard.linkstate import LinkState
from drone.onboard.losses import fresh
from drone.onboard.mavports import Port, PortLostError, open_port
from drone.onboard.obstaclemap import View, distances_cm, trusted_sectors_m, view_of
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.onboard.setpoints import ZERO, Setpoint
from drone.onboard.signing import TimestampFile, read_key
from drone.topics import Topic
from drone.wire import SENT, WISH, Sent, Wish

HEARD = {"pilot": (topics.DECISION, topics.LABEL, topics.MONO), "web": (WISH,)}
BEAT_S = 1.0
"""Heartbeats, questions about the clock, and attempts to open a broken line."""
ACT_S = 0.05
"""The rules are asked at least so often: silence is an input."""
REPORT_S = 0.2
WISH_S = 2.5
"""A wish comes every second as long as it is meant."""
LEFT_S = 10.0
"""An armed vehicle that has not been heard for so long is none that a lone link can help."""
FAREWELLS = 3
"""Zero set-points at the end: datagrams get lost."""
_ACTED_ON = frozenset(
    ("HEARTBEAT", "RC_CHANNELS", "COMMAND_ACK", "EXTENDED_SYS_STATE", "SYS_STATUS")
)
"""Messages at whose arrival the rules are asked, if they say anything new."""


class Voice(Protocol):
    """What publishes on the bus."""

    def send(self, topic: Topic, message: Any) -> None:
        """Publish; never waits."""


class Rhythm:
    """Something that is due at a rate."""

    def __init__(self, period_s: float) -> None:
        self._period_ns = ns_from_s(period_s)
        self.next_ns = 0

    def is_due(self, now_ns: int) -> bool:
        """Return whether it is due; if it is, it is due again one period later."""
        if now_ns < self.next_ns:
            return False
        self.next_ns = max(self.next_ns + self._period_ns, now_ns)
        return True


class Link:
    """One autopilot, the rules, and what was heard on the bus.

    Attributes:
        autopilot: at the other end.
        state: of the rules.
        problem: why the line is broken, in words; empty if it is not.
    """

    def __init__(
        self, config: AutopilotConfig, voice: Voice, view: View, shadow: bool = False
    ) -> None:
        """Open the line.

        Args:
            config: of the link.
            voice: what to publish with.
            view: where the sectors look.
            shadow: send no set-point, order or obstacle.

        Raises:
            DroneError: the line cannot be opened, the signing key not read, or its timestamp not
                kept.
        """
        key = read_key(Path(config.signing_key).expanduser()) if config.signing_key else None
        port = open_port(config.address)  # before timestamps are reserved: it is tried many times
        try:
            stamp = Path(config.signing_stamp).expanduser()
            self._stamps = TimestampFile(stamp, time.time()) if key is not None else None
        except DroneError:
            port.close()
            raise
        self._port: Port | None = port
        self._config, self._voice, self._view, self._shadow = config, voice, view, shadow
        start = self._stamps.start if self._stamps else 0
        self.autopilot = Autopilot(config, port, key, start)
        self.state, self.problem = LinkState(), ""
        self._decision: Decision | None = None
        self._label: DistanceLabel | None = None
        self._estimate: MonoEstimate | None = None
        self._withdraw_ns = -ns_from_s(WISH_S) - 1
        self._reported: tuple[Any, ...] = ()
        self._acted_ns = -ns_from_s(ACT_S)
        self._acted_on: tuple[Any, ...] = ()
        self._reports = 0
        self._sent = 0
        self._beat, self._report = Rhythm(BEAT_S), Rhythm(REPORT_S)
        self._obstacles = Rhythm(1 / config.obstacle_hz)

    # What to wait for

    def descriptors(self) -> Sequence[int]:
        """Return what has something to read when the autopilot speaks."""
        return () if self._port is None else (self._port.fileno(),)

    def wait_s(self, now_ns: int) -> float:
        """Return how long nothing is due."""
        due_ns = min(self._due_ns, self._beat.next_ns, self._obstacles.next_ns)
        return max(0.0, s_from_ns(due_ns - now_ns))

    def is_due(self, now_ns: int) -> bool:
        """Return whether to ask the rules although nothing new was heard."""
        return now_ns >= self._due_ns

    @property
    def _due_ns(self) -> int:
        """When the rules are to be asked next: for the stream, and since silence is an input."""
        silence_ns = self._acted_ns + ns_from_s(ACT_S)
        stream_ns = self.state.sent_ns + ns_from_s(1 / self._config.setpoint_hz)
        return min(stream_ns, silence_ns) if stream_ns > self._acted_ns else silence_ns

    # In

    def take_bus(self, messages: Sequence[tuple[Topic, Any]], now_ns: int) -> None:
        """Take in what came over the bus, oldest first, and act on it."""
        takers: dict[str, Callable[[Any, int], None]] = {
            topics.DECISION.name: self._take_decision,
            topics.LABEL.name: self._take_label,
            topics.MONO.name: self._take_estimate,
            WISH.name: self._take_wish,
        }
        for topic, message in messages:
            takers[topic.name](message, now_ns)

    def _take_decision(self, decision: Decision, now_ns: int) -> None:
        self._decision = decision

    def _take_label(self, label: DistanceLabel, now_ns: int) -> None:
        self._label = label

    def _take_estimate(self, estimate: MonoEstimate, now_ns: int) -> None:
        self._estimate = estimate

    def _take_wish(self, wish: Wish, now_ns: int) -> None:
        if wish.withdraw:
            self._withdraw_ns = now_ns
            self.act(now_ns)
        else:
            self._withdraw_ns = -ns_from_s(WISH_S) - 1

    def take_line(self, now_ns: int) -> None:
        """Take in what came over the line, and act on each message that matters at once."""
        if self._port is None:
            return
        try:
            for chunk in self._port.read():
                for name in self.autopilot.take(chunk, now_ns):
                    self._after(name, now_ns)
        except PortLostError as error:
            self._lose_line(error)

    def _after(self, name: str, now_ns: int) -> None:
        if name == "ATTITUDE":
            self._voice.send(topics.VEHICLE, self.autopilot.heard.vehicle)
        elif name in _ACTED_ON and self._said() != self._acted_on:
            self.act(now_ns)

    def _said(self) -> tuple[Any, ...]:
        """Return all of what the autopilot says that is acted on at once."""
        heard = self.autopilot.heard
        beat, channels = heard.heartbeat, heard.channels
        return (
            None if beat is None else (beat.autopilot, beat.custom_mode, beat.armed),
            None if channels is None else channels.pulses_us,
            *(heard.ground, heard.refused, heard.rc_lost),
        )

    def is_needed(self, now_ns: int) -> bool:
        """Return whether an armed vehicle is at the other end, by its latest heartbeat."""
        beat = self.autopilot.heard.heartbeat
        return beat is not None and beat.armed and fresh(beat.stamp_ns, now_ns, LEFT_S)

    # Out

    def act(self, now_ns: int) -> None:
        """Ask the rules, and send what they say; publish how the link stands."""
        self._acted_ns, self._acted_on = now_ns, self._said()
        self.state, output = linkstate.step(self.state, self._inputs(now_ns), self._config)
        try:
            self._send(output, now_ns)
        except PortLostError as error:
            self._lose_line(error)
        self._publish(output, now_ns)

    def beat(self, now_ns: int) -> None:
        """Do what is due at a rate of its own."""
        try:
            if self._beat.is_due(now_ns):
                self._each_second(now_ns)
            if self._obstacles.is_due(now_ns):
                self._send_obstacles(now_ns)
        except PortLostError as error:
            self._lose_line(error)

    def close(self) -> None:
        """Leave the vehicle standing still, if it was this that moved it, and close the line."""
        if self._port is not None:
            if self.state.sent is not None and self.autopilot.system:
                self._farewell()
            self._port.close()
            self._port = None
        if self._stamps is not None:
            self._stamps.close()

    def _farewell(self) -> None:
        try:
            for _ in range(FAREWELLS):
                self.autopilot.send_setpoint(ZERO, self.state.sent_ns)
        except PortLostError:
            return

    def _inputs(self, now_ns: int) -> LinkInputs:
        heard = self.autopilot.heard
        return LinkInputs(
            now_ns=now_ns,
            heartbeat=heard.heartbeat,
            channels=heard.channels,
            receiver_ill=heard.receiver_ill(now_ns),
            vehicle=heard.vehicle,
            ground=heard.ground_at(now_ns),
            home_m=heard.home_m,
            decision=self._decision,
            withdraw=now_ns - self._withdraw_ns <= ns_from_s(WISH_S),
            refused=heard.refused,
            rivals=self.autopilot.rivals(now_ns),
            shadow=self._shadow,
        )

    def _send(self, output: LinkOutput, now_ns: int) -> None:
        if self._port is None:
            return
        if output.setpoint is not None:
            self.autopilot.send_setpoint(output.setpoint, now_ns)
            self._tell_sent(output.setpoint, now_ns)
        heartbeat = self.autopilot.heard.heartbeat
        if output.order is not None and heartbeat is not None and heartbeat.manner is not None:
            self.autopilot.send_order(output.order, heartbeat.manner)
        if self.autopilot.system:
            for severity, text in output.texts:
                self.autopilot.send_text(severity, text)

    def _tell_sent(self, setpoint: Setpoint, now_ns: int) -> None:
        seq = -1 if self._decision is None else self._decision.seq
        self._sent += 1
        self._voice.send(SENT, Sent(self._sent, now_ns, True, seq, setpoint != ZERO))

    def _each_second(self, now_ns: int) -> None:
        if self._port is None:
            self._open_line()
        if self._port is None:
            return
        self.autopilot.send_heartbeat()
        if self.autopilot.is_connected(now_ns):
            self.autopilot.ask_clock(now_ns)
            self.autopilot.ask_messages(now_ns)
        if self._stamps is not None:
            self._stamps.keep(self.autopilot.timestamp)

    def _send_obstacles(self, now_ns: int) -> None:
        if self._port is None or self._shadow or not self.autopilot.is_connected(now_ns):
            return
        seen = trusted_sectors_m(self._decision, self._label, self._estimate, now_ns)
        distances = distances_cm(self._view, seen)
        self.autopilot.send_obstacles(distances, self._view, now_ns)

    def _publish(self, output: LinkOutput, now_ns: int) -> None:
        reason = self.problem or output.reason
        if not (output.connected or self.problem):
            reason = self.autopilot.diagnosis()
        sent = self.state.sent
        report = AutopilotReport(
            seq=self._reports,
            stamp_ns=now_ns,
            valid=True,
            connected=output.connected,
            armed=output.armed,
            flight_mode=output.flight_mode,
            commanded=output.commanded,
            permitted=output.permitted,
            reason=reason,
            reaction=output.reaction,
            clock_offset_s=self.autopilot.heard.clock.offset_s,
        )
        facts: tuple[Any, ...] = (report.connected, report.armed, report.flight_mode)
        facts += (report.commanded, report.permitted, report.reaction, self.problem)
        if not self._report.is_due(now_ns) and facts == self._reported:
            return
        if sent is not None:
            velocity = (sent.north_mps, sent.east_mps, sent.down_mps)
            report = replace(report, velocity_mps=velocity, yaw_rate_radps=sent.yaw_rate_radps)
        self._voice.send(topics.AUTOPILOT, report)
        self._reported, self._reports = facts, self._reports + 1

    # The line

    def _lose_line(self, error: PortLostError) -> None:
        self.problem = str(error)
        self._acted_ns -= ns_from_s(ACT_S)  # to be told at once
        if self._port is not None:
            self._port.close()
            self._port = None

    def _open_line(self) -> None:
        try:
            self._port = open_port(self._config.address)
        except DroneError as error:
            self.problem = str(error)
            return
        self.problem = ""
        self.autopilot.attach(self._port)


def run_link(
    link: Link,
    ears: Subscriber,
    clock_ns: Callable[[], int],
    go_on: Callable[[], bool],
) -> None:
    """Serve a link until told to end; then the vehicle is told to stand still.

    Args:
        link: open.
        ears: of `HEARD`.
        clock_ns: of every stamp.
        go_on: asked each time round, ten times a second or more.
    """
    with closing(link):
        while go_on():
            messages = ears.receive(link.wait_s(clock_ns()), link.descriptors())
            now_ns = clock_ns()
            link.take_line(now_ns)
            link.take_bus(messages, now_ns)
            if messages or link.is_due(now_ns):
                link.act(now_ns)
            link.beat(now_ns)


def run(folder: Path) -> None:
    """Run as the link's process until told to end.

    Raises:
        DroneError: the line cannot be opened, or the signing key not read.
    """
    orders = read(folder)
    config = orders.config.autopilot
    if orders.rehearse is not None:  # on the bench, without propellers
        config = config.model_copy(update={"needs_flight": False})
    with (
        Shell("link", folder, orders.clock_ns) as shell,
        closing(Subscriber(folder, HEARD)) as ears,
    ):
        link = Link(config, shell.voice, _view(orders), orders.shadow)
        gc.collect()
        gc.freeze()  # what lasts as long as the process is not looked through again and again
        run_link(link, ears, shell.clock_ns, lambda: goes_on(link, shell))


def goes_on(link: Link, shell: Shell) -> bool:
    """Say that it goes on, and return whether: until told to end, or left alone and not needed."""
    shell.alive(link.problem)
    alone = shell.orphaned and not link.is_needed(shell.clock_ns())
    return not (shell.ending or alone)


def _view(orders: Orders) -> View:
    pilot = orders.config.pilot
    return view_of(
        orders.calibration,
        pilot.grid.cols,
        pilot.corridor.sectors,
        pilot.corridor.far_m,
        orders.config.autopilot,
    )
