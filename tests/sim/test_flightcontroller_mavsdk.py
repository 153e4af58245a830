"""MAVSDK, a peer that nobody here wrote, flies the simulated autopilot over a real socket.

Real time: a flight takes about half a minute. Nothing waits for a fixed time but for what MAVSDK
says of the vehicle, with deadlines that leave a busy machine room.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mavsdk
import pytest
from mavsdk.plugins.action.action import Action, ActionError
from mavsdk.plugins.offboard.offboard import (
    Offboard,
    OffboardError,
    OffboardResult,
    PositionNedYaw,
    VelocityBodyYawspeed,
    VelocityNedYaw,
)
from mavsdk.plugins.param.param import Param
from mavsdk.plugins.telemetry.telemetry import FlightMode, LandedState, Telemetry

from drone.config import CameraConfig, EstimatorConfig, RoomConfig, SimConfig
from drone.sim.flightcontroller_airframe import Airframe, StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_room import RoomAirframe, StandingRoom
from drone.sim.flightcontroller_server import FlightControllerServer
from drone.sim.flightcontroller_transmitter import PERMIT, Sight, Transmitter

HEIGHT_M = 1.0
SQUARE = ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
PATIENCE_S = 40.0
"""The longest step, landing, takes about five seconds where there is a core for it."""


@dataclass
class Served:
    """A server in a thread, and MAVSDK connected to it."""

    server: FlightControllerServer
    telemetry: Telemetry
    action: Action
    offboard: Offboard
    param: Param
    fresh: threading.Condition

    def until(self, there: Callable[[], bool], what: str, *, updates: int = 1) -> None:
        """Wait until MAVSDK's picture of the vehicle is as wished, for so many updates in a row."""
        in_a_row = 0
        with self.fresh:
            for _ in range(round(20 * PATIENCE_S)):
                assert self.fresh.wait(PATIENCE_S), "no position any more"
                in_a_row = in_a_row + 1 if there() else 0
                if in_a_row >= updates:
                    return
        raise AssertionError(f"not within {PATIENCE_S:g} s: {what}")

    @property
    def position_m(self) -> tuple[float, float, float]:
        p = self.telemetry.position_velocity_ned().position
        return p.north_m, p.east_m, p.down_m


@contextmanager
def serve(manner: Manner, airframe: Airframe) -> Iterator[Served]:
    def radio(sight: Sight) -> Transmitter:
        return Transmitter().having(PERMIT, 1900)

    stop = threading.Event()
    mavsdk.log_subscribe(lambda *_: True)
    sdk = mavsdk.Mavsdk(
        mavsdk.Configuration.create_with_component_type(mavsdk.ComponentType.GROUND_STATION)
    )
    with FlightControllerServer(airframe, Rules.of(manner), transmitter=radio) as server:
        thread = threading.Thread(target=server.run, args=(lambda: not stop.is_set(),))
        thread.start()
        try:
            host, port = server.address
            sdk.add_any_connection(f"udpout://{host}:{port}")
            system = sdk.first_autopilot(PATIENCE_S)
            assert system is not None, "MAVSDK found no autopilot"
            assert int(system.autopilot_type()) == {"px4": 1, "ardupilot": 2}[manner.name]
            yield _connected(server, system)
        finally:
            stop.set()
            thread.join()
            sdk.destroy()
            mavsdk.log_unsubscribe()


def _connected(server: FlightControllerServer, system: Any) -> Served:
    plugins = Telemetry(system), Action(system), Offboard(system), Param(system)
    served = Served(server, *plugins, threading.Condition())

    def news(*_: object) -> None:
        with served.fresh:
            served.fresh.notify_all()

    served.telemetry.subscribe_position_velocity_ned(news)
    served.telemetry.set_rate_position_velocity_ned(20.0)
    served.telemetry.set_rate_landed_state(5.0)
    served.telemetry.set_rate_rc_status(5.0)
    return served


def take_off(served: Served) -> None:
    served.action.set_takeoff_altitude(HEIGHT_M)
    served.action.arm()
    served.action.takeoff()
    served.until(
        lambda: abs(served.position_m[2] + HEIGHT_M) < 0.15 and served.telemetry.in_air(),
        "takeoff",
        updates=10,
    )


def start_offboard(served: Served) -> None:
    """Begin: PX4 takes it after a second of set-points, which MAVSDK sends from the first on."""
    for _ in range(20):
        try:
            served.offboard.start()
        except OffboardError as refused:
            if refused.result != OffboardResult.COMMAND_DENIED:
                raise
            served.until(lambda: True, "time passes", updates=5)
        else:
            return
    raise AssertionError("offboard was never taken")


def fly_square(served: Served) -> list[tuple[float, float]]:
    """Fly to each corner for four seconds, and return the errors there: by MAVSDK, and by truth.

    The square begins where the vehicle is and lies toward the middle of the room.
    """
    north, east, _ = served.position_m
    errors = []
    for ahead, aside in SQUARE:
        corner = north - math.copysign(ahead, north), east - math.copysign(aside, east)
        served.offboard.set_position_ned(PositionNedYaw(*corner, -HEIGHT_M, 0.0))
        served.until(lambda: True, "four seconds", updates=80)
        truth = served.server.vehicle.position_m
        errors.append(tuple(math.dist(p[:2], corner) for p in (served.position_m, truth)))
    return errors


def land(served: Served) -> None:
    served.action.land()
    on_ground = LandedState.ON_GROUND
    served.until(lambda: served.telemetry.landed_state() == on_ground, "touch-down")
    served.until(lambda: not served.telemetry.armed(), "disarming")


def fly(served: Served, manner: Manner) -> list[tuple[float, float]]:
    """Arm, take off, fly the square, land, disarm."""
    assert not served.telemetry.armed()
    take_off(served)
    served.offboard.set_position_ned(PositionNedYaw(*served.position_m[:2], -HEIGHT_M, 0.0))
    start_offboard(served)
    served.until(lambda: served.telemetry.flight_mode() == FlightMode.OFFBOARD, "offboard")
    errors = fly_square(served)
    land(served)
    return errors


@pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
def test_mavsdk_arms_takes_off_flies_a_square_lands(manner: Manner) -> None:
    with serve(manner, StandIn()) as served:
        served.until(lambda: served.telemetry.rc_status().is_available, "the transmitter")
        if manner is ARDUPILOT:
            with pytest.raises(ActionError, match="takeoff"):
                served.action.takeoff()
        errors = fly(served, manner)
        assert max(max(pair) for pair in errors) < 0.3, errors
        name = manner.rc_loss_parameter
        assert served.param.get_param_int(name) == 3
        served.param.set_param_int(name, 1)
        assert served.server.controller.rules.values[name] == 1
        assert served.server.unsent == 0


@pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
def test_mavsdk_flies_velocities_and_the_vehicle_stops_when_it_stops_sending(
    manner: Manner,
) -> None:
    with serve(manner, StandIn()) as served:
        take_off(served)
        served.offboard.set_velocity_ned(VelocityNedYaw(0.0, 0.0, 0.0, 0.0))
        start_offboard(served)
        served.offboard.set_velocity_ned(VelocityNedYaw(0.5, 0.0, 0.0, 0.0))
        served.until(lambda: served.position_m[0] > 0.8, "flying north")
        served.offboard.set_velocity_body(VelocityBodyYawspeed(0.0, 0.5, 0.0, 0.0))
        served.until(lambda: served.position_m[1] > 0.5, "flying right")
        served.offboard.stop()
        holds = FlightMode.HOLD
        served.until(lambda: served.telemetry.flight_mode() == holds, "hold")

        def still() -> bool:
            v = served.telemetry.position_velocity_ned().velocity
            return math.hypot(v.north_m_s, v.east_m_s, v.down_m_s) < 0.05

        served.until(still, "standing still", updates=20)
        land(served)


@pytest.mark.sim
def test_mavsdk_flies_a_square_in_the_room() -> None:
    """With physics, the vehicle's own cascade and a knowing estimate, so that error is flight's."""
    config = SimConfig(
        camera=CameraConfig(width_px=64, height_px=48),
        estimator=EstimatorConfig(enabled=False),
        room=RoomConfig(obstacles=0, length_m=8.0, width_m=8.0),
    )
    collisions: list[object] = []
    room = StandingRoom(config, None, seed=12, tick_hz=20.0)
    airframe = RoomAirframe(
        room, lambda out: collisions.extend(e for e in out.events if e.kind == "collision")
    )
    with serve(PX4, airframe) as served:
        errors = fly(served, PX4)
    assert max(max(pair) for pair in errors) < 0.3, errors
    assert not collisions
