from __future__ import annotations

import socket

import pytest
from pymavlink.dialects.v20 import common as mavlink

from drone.messages import VehicleState, VelocityCommand
from drone.sim.flightcontroller_airframe import StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_server import (
    FlightControllerServer,
    Pace,
    Peers,
    Serving,
)

MS = 1_000_000


def test_ticks_keep_their_time_and_late_ones_are_counted_not_hurried() -> None:
    pace = Pace(50 * MS, 0)
    for now_ms, due_ms, late in ((0, 50, 0), (52, 100, 0), (120, 150, 1), (151, 200, 1)):
        pace.tick(now_ms * MS)
        assert (pace.due_ns, pace.late) == (due_ms * MS, late)
    pace.tick(470 * MS)
    assert pace.due_ns == 500 * MS, "what was missed is not made up for"
    assert (pace.ticks, pace.late, pace.worst_ns) == (5, 2, 270 * MS)


def test_peers_that_are_silent_are_forgotten_but_not_those_named() -> None:
    peers = Peers([("127.0.0.1", 1)])
    peers.heard(("127.0.0.1", 2), 0)
    peers.heard(("127.0.0.1", 1), 0)
    assert peers.at(29_000 * MS) == [("127.0.0.1", 1), ("127.0.0.1", 2)]
    assert peers.at(31_000 * MS) == [("127.0.0.1", 1)]


def listening() -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(20.0)
    return ear


def heard(ear: socket.socket) -> str:
    (message,) = mavlink.MAVLink(None).parse_buffer(ear.recv(2048))
    return str(message.get_type())


def test_tells_named_peers_unasked_and_others_once_they_said_something_true() -> None:
    with listening() as named, listening() as stranger:
        serving = Serving(peers=(named.getsockname(),))
        with FlightControllerServer(StandIn(), Rules.of(PX4), serving) as server:
            server.tick()
            assert heard(named) in PX4.rates_hz
            stranger.sendto(b"nonsense", server.address)
            server.tick()
            server.tick()
            stranger.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
            assert server.datagrams == 1
            stranger.settimeout(20.0)
            mav = mavlink.MAVLink(None, 255, 190)
            beat = mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3)
            stranger.sendto(beat.pack(mav), server.address)
            server.run(lambda: server.pace.ticks < 6)
            assert heard(stranger) in PX4.rates_hz


def test_answers_between_ticks() -> None:
    with listening() as peer, FlightControllerServer(StandIn(), Rules.of(ARDUPILOT)) as server:
        mav = mavlink.MAVLink(None, 1, 196)
        peer.sendto(mavlink.MAVLink_timesync_message(0, 42).pack(mav), server.address)
        before = server.now_ns
        server.serve_until(before + 20 * MS)
        assert server.pace.ticks == 0
        (answer,) = mavlink.MAVLink(None).parse_buffer(peer.recv(2048))
        assert answer.ts1 == 42
        assert before <= answer.tc1 <= server.now_ns


def test_a_flood_delays_no_tick() -> None:
    with listening() as peer, FlightControllerServer(StandIn(), Rules.of(PX4)) as server:
        for _ in range(200):
            peer.sendto(bytes(200), server.address)
        server.tick()
        assert server.pace.ticks == 1
        assert server.datagrams <= 64, "the rest waits"


def test_a_port_that_is_taken_is_an_error() -> None:
    with listening() as other, pytest.raises(OSError, match="in use"):
        FlightControllerServer(StandIn(), Rules.of(PX4), Serving(port=other.getsockname()[1]))


class Clocked(StandIn):
    """A stand-in that notes when it is flown."""

    def __init__(self) -> None:
        self.steps = 0
        super().__init__()

    def step(self, command: VelocityCommand, motors: bool) -> VehicleState:
        self.steps += 1
        return super().step(command, motors)


def test_the_world_is_never_ahead_of_the_clock() -> None:
    airframe = Clocked()
    with FlightControllerServer(airframe, Rules.of(PX4)) as server:
        for ticks in range(1, 6):
            server.run(lambda ticks=ticks: server.pace.ticks < ticks)
            assert airframe.steps == ticks - 1
            assert server.vehicle.stamp_ns <= server.now_ns
