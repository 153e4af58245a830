"""The link's loop over real sockets: how fast it stops, what it streams, how it ends."""

import math
import socket
import statistics
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest
from linkcases import decision as made
from mavpeer import GUIDED, HIGH, LAND, LOITER, LOW, Peer, free_port

from drone import topics
from drone.bus import Publisher, Subscriber
from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.errors import UserError
from drone.messages import Mode
from drone.onboard.linkfacts import Heartbeat
from drone.onboard.obstaclemap import View
from drone.onboard.processes.link import HEARD, Link, goes_on, run_link
from drone.wire import WISH, Wish

ATMOST_S = 0.05
"""No non-zero set-point is later than this after something that stops it has arrived."""
VIEW = View((-0.5, 0.0, 0.5), 20, 600)


class Flight:
    """A link in a thread, its autopilot in another, and a pilot process that decides at 20 Hz."""

    def __init__(self, folder, shadow=False, key=None, **config):
        port = free_port()
        self.config = AutopilotConfig(url=f"udpin://127.0.0.1:{port}", **config)
        self.peer = Peer(port, key=key)
        self.pilot, self.web = Publisher(folder, "pilot"), Publisher(folder, "web")
        self.voice = Publisher(folder, "link")
        self.hears = Subscriber(folder, {"link": [topics.AUTOPILOT, topics.VEHICLE]})
        ears = Subscriber(folder, HEARD)
        self.link = Link(self.config, self.voice, VIEW, shadow)
        self.ended, self.decides, self.chain = threading.Event(), True, Mode.STEREO
        self.reports, self.vehicles = [], []
        go_on = lambda: not self.ended.is_set()  # noqa: E731
        self.threads = [
            threading.Thread(target=run_link, args=(self.link, ears, time.monotonic_ns, go_on)),
            threading.Thread(target=self._decide),
        ]
        self.open = [ears, self.pilot, self.web, self.voice, self.hears]
        self.peer.run()
        for thread in self.threads:
            thread.start()

    def _decide(self):
        while not self.ended.wait(0.05):
            if self.decides:
                one = made(time.monotonic_ns(), mode=self.chain)
                self.pilot.send(topics.DECISION, one)

    def until(self, reached, seconds=10.0):
        """Listen until something is so."""
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, self.reports[-1:]
            for topic, message in self.hears.receive(0.01):
                (self.reports if topic == topics.AUTOPILOT else self.vehicles).append(message)
        return self

    def report(self, **fields):
        """Return whether the latest report says so."""
        return bool(self.reports) and all(
            getattr(self.reports[-1], name) == value for name, value in fields.items()
        )

    def setpoints(self, since_s=0.0):
        """Return when each set-point came, and whether it moved the vehicle."""
        came = list(self.peer.came["SET_POSITION_TARGET_LOCAL_NED"])
        return [(at, any((m.vx, m.vy, m.vz, m.yaw_rate))) for at, m in came if at > since_s]

    def fly(self):
        self.peer.rc_lost = False
        self.peer.mode, self.peer.stick, self.peer.switch = GUIDED, 1500, LOW
        self.until(lambda: self.report(connected=True, armed=True, flight_mode="GUIDED"))
        self.until(lambda: "is low" in self.reports[-1].reason)
        self.peer.switch = HIGH
        self.until(lambda: self.report(commanded=True))
        begun = time.monotonic()
        return self.until(lambda: any(moves for _, moves in self.setpoints(begun)))

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.peer.close()
        self.peer.socket = None
        for one in self.open:
            one.close()


@pytest.fixture
def flight(tmp_path):
    flights = []

    def start(**fields):
        flights.append(Flight(tmp_path, **fields))
        return flights[-1]

    yield start
    for one in flights:
        if one.peer.socket is not None:
            one.end()


def moved_after(flight, stop, seconds=0.3):
    """Return for how long, s, the vehicle was still told to move after `stop`, and when it got a
    zero (NaN where it got none).
    """
    sent_s = stop()
    flight.until(lambda: time.monotonic() > sent_s + seconds)
    sent = flight.setpoints(sent_s)
    moving = [at - sent_s for at, moves in sent if moves]
    zeros = [at - sent_s for at, moves in sent if not moves]
    return max(moving, default=0.0), min(zeros, default=math.nan)


def changed_mode(flight):
    at_s = time.monotonic()
    flight.peer.mode = LOITER
    flight.peer.send(flight.peer.heartbeat())
    return at_s


def moved_stick(flight):
    at_s = time.monotonic()
    flight.peer.stick = 1700
    flight.peer.send(flight.peer.rc())
    return at_s


def flipped_switch(flight):
    at_s = time.monotonic()
    flight.peer.switch = LOW
    flight.peer.send(flight.peer.rc())
    return at_s


def lost_rc(flight):
    at_s = time.monotonic()
    flight.peer.rc_lost = True
    flight.peer.send(flight.peer.battery())
    return at_s


def wished(flight):
    at_s = time.monotonic()
    flight.web.send(WISH, Wish(1, time.monotonic_ns(), True, withdraw=True))
    return at_s


STOPS = {
    "a mode change": changed_mode,
    "a moved stick": moved_stick,
    "the switch": flipped_switch,
    "a lost RC": lost_rc,
    "the live page": wished,
}


@pytest.mark.parametrize("what", STOPS)
def test_nothing_moves_the_vehicle_longer_than_50_ms_after_something_stops_it(flight, what):
    running, late_s = flight(), []
    for turn in range(5):
        running.fly()
        late_s.append(moved_after(running, lambda: STOPS[what](running)))
        assert not running.reports[-1].permitted
        if what == "the live page":
            running.web.send(WISH, Wish(turn, time.monotonic_ns(), True))
            time.sleep(0.05)
    figures = [tuple(round(1e3 * s, 1) for s in both) for both in late_s]
    print(f"{what}: moved, zero, ms: {figures}")  # noqa: T201
    assert max(moving for moving, _ in late_s) <= ATMOST_S
    if what != "a mode change":  # a mode that takes no set-points gets none
        assert statistics.median(zero for _, zero in late_s) <= ATMOST_S


def test_vehicle_states_and_decisions_flow(flight):
    running = flight().fly()
    begun = time.monotonic()
    running.until(lambda: time.monotonic() > begun + 1.0)
    assert len(running.vehicles) > 20
    state = running.vehicles[-1]
    assert state.valid
    assert state.battery_share == 0.8
    assert 0 <= time.monotonic_ns() - state.stamp_ns < 1e9
    assert abs(running.reports[-1].clock_offset_s) > 0
    sent = [at for at, moves in running.setpoints(begun) if moves]
    assert len(sent) >= 10
    assert running.reports[-1].velocity_mps == (0.5, 0.0, 0.0)
    assert len(running.peer.came["OBSTACLE_DISTANCE"]) >= 5
    assert len(running.peer.came["HEARTBEAT"]) >= 1
    texts = [m.text for _, m in running.peer.came["STATUSTEXT"]]
    assert "drone: permission given" in texts
    assert not running.peer.bad


def test_a_dead_pilot_process_is_stopped_and_landed(flight):
    running = flight(land_after_s=0.6).fly()
    silent_s = time.monotonic()
    running.decides = False
    running.until(lambda: running.peer.mode == LAND)
    assert 0.4 < time.monotonic() - silent_s < 3.0
    moving = [at - silent_s for at, moves in running.setpoints(silent_s) if moves]
    assert max(moving, default=0.0) <= running.config.stale_s + 0.15
    running.until(lambda: running.report(flight_mode="LAND", permitted=False))


def test_px4_gets_its_stream_before_offboard(flight):
    running = flight()
    running.peer.kind, running.peer.mode = 12, 3 << 16
    running.until(lambda: running.report(connected=True, flight_mode="POSCTL"))
    begun = time.monotonic()
    running.until(lambda: time.monotonic() > begun + 2.0)
    sent = running.setpoints(begun)
    assert len(sent) >= 10
    assert not any(moves for _, moves in sent)


def test_a_shadow_sends_no_setpoint_no_order_and_no_obstacle(flight):
    running = flight(shadow=True, land_after_s=0.6)
    running.until(lambda: running.report(connected=True))
    running.until(lambda: "is low" in running.reports[-1].reason)
    running.peer.switch = HIGH
    running.until(lambda: "shadow" in running.reports[-1].reason)
    running.decides = False
    begun = time.monotonic()
    running.until(lambda: time.monotonic() > begun + 1.5)
    assert not running.setpoints()
    assert not running.peer.came["OBSTACLE_DISTANCE"]
    assert all(m.command == 511 for _, m in running.peer.came["COMMAND_LONG"])
    assert running.vehicles


def test_told_to_end_it_leaves_the_vehicle_standing_still(flight):
    running = flight().fly()
    running.ended.set()
    for thread in running.threads:
        thread.join()
    time.sleep(0.1)
    assert running.setpoints()[-1][1] is False


class Keeper:
    """Keeps what the link says."""

    def __init__(self):
        self.said = []

    def send(self, topic, message):
        if topic == topics.AUTOPILOT:
            self.said.append(message)

    def until(self, reached, seconds=10.0):
        end = time.monotonic() + seconds
        while not reached(self.said[-1:]):
            assert time.monotonic() < end, self.said[-1:]
            time.sleep(0.01)


def test_the_link_says_why_nobody_is_heard(tmp_path):
    config = AutopilotConfig(url=f"udpin://127.0.0.1:{free_port()}")
    turns = iter(range(5))
    with closing(Subscriber(tmp_path, HEARD)) as ears:
        kept = Keeper()
        link = Link(config, kept, VIEW)
        run_link(link, ears, time.monotonic_ns, lambda: next(turns, None) is not None)
    assert "nothing comes at all" in kept.said[0].reason
    assert not kept.said[0].connected


def test_a_signed_flight_keeps_a_timestamp_ahead_of_what_it_sent(flight, tmp_path):
    key, stamp = tmp_path / "key", tmp_path / "state" / "stamp"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    running = flight(key=bytes(range(32)), signing_key=str(key), signing_stamp=str(stamp)).fly()
    running.end()
    assert all(m.get_signed() for _, m in running.peer.came["SET_POSITION_TARGET_LOCAL_NED"])
    assert int(stamp.read_text()) > running.link.autopilot.timestamp


def test_a_line_that_does_not_open_uses_up_no_signing_timestamp(tmp_path):
    key, stamp = tmp_path / "key", tmp_path / "stamp"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    config = AutopilotConfig(
        url="serial:///dev/ttyNone:921600", signing_key=str(key), signing_stamp=str(stamp)
    )
    with pytest.raises(UserError, match="no such device"):
        Link(config, Keeper(), VIEW)
    assert not stamp.exists()


@pytest.mark.parametrize(
    ("orphaned", "armed", "silent_s", "ends"),
    [
        (False, True, 0.0, False),
        (False, False, 0.0, False),
        (True, True, 0.0, False),
        (True, True, 5.0, False),
        (True, False, 0.0, True),
        (True, True, 11.0, True),
        (True, None, 0.0, True),
    ],
)
def test_without_a_supervisor_it_stays_for_an_armed_vehicle_alone(orphaned, armed, silent_s, ends):
    config = AutopilotConfig(url=f"udpin://127.0.0.1:{free_port()}")
    now_ns = ns_from_s(1000)
    with closing(Link(config, Keeper(), VIEW)) as link:
        if armed is not None:
            beat = Heartbeat(now_ns - ns_from_s(silent_s), 3, GUIDED, armed)
            link.autopilot.heard.heartbeat = beat
        shell = SimpleNamespace(
            alive=lambda problem: None, orphaned=orphaned, ending=False, clock_ns=lambda: now_ns
        )
        assert goes_on(link, shell) != ends


def test_a_line_that_breaks_is_told_and_opened_again(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(Subscriber(tmp_path, HEARD)) as ears,
    ):
        config = AutopilotConfig(
            url=f"tcp://127.0.0.1:{server.getsockname()[1]}", heartbeat_timeout_s=1.1
        )
        kept, ended, peer = Keeper(), threading.Event(), Peer(1)
        link = Link(config, kept, VIEW)
        go_on = lambda: not ended.is_set()  # noqa: E731
        thread = threading.Thread(target=run_link, args=(link, ears, time.monotonic_ns, go_on))
        thread.start()
        try:
            for _ in range(2):
                there, _ = server.accept()
                there.sendall(peer.bytes_of(peer.heartbeat()))
                kept.until(lambda said: said and said[0].connected and said[0].armed)
                there.close()
                kept.until(lambda _: any(": the line" in r.reason for r in kept.said))
                kept.said.clear()
        finally:
            ended.set()
            thread.join()
            peer.close()
