"""How well MAVSDK flies a square of 1 m through the simulated autopilot in the room, in real time.

PYTHONPATH=. python benchmarks/autopilot_square.py > benchmarks/autopilot_square.json

For each manner, with the truth as estimate and with the default estimate: the error four seconds
after each corner was asked for, m, by what MAVSDK is told and by truth, and how long the answer to
a question for the time takes, ms.
"""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import sys
import threading
import time
from typing import Any

import mavsdk
from mavsdk.plugins.action.action import Action
from mavsdk.plugins.offboard.offboard import Offboard, OffboardError, PositionNedYaw
from mavsdk.plugins.telemetry.telemetry import Telemetry
from pymavlink.dialects.v20 import common as mavlink

from drone.config import CameraConfig, EstimatorConfig, RoomConfig, SimConfig
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_room import RoomAirframe, StandingRoom
from drone.sim.flightcontroller_server import FlightControllerServer

CORNERS = ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
QUESTIONS = 300


def main() -> None:
    """Measure, and print one JSON object."""
    figures = [
        measured(manner, knowing) for manner in (ARDUPILOT, PX4) for knowing in (True, False)
    ]
    load = round(os.getloadavg()[0], 1)
    json.dump({"seed": 12, "load": load, "flights": figures}, sys.stdout, indent=2)


def measured(manner: Manner, knowing: bool) -> dict[str, Any]:
    """Fly one square."""
    config = SimConfig(
        camera=CameraConfig(width_px=64, height_px=48),
        estimator=EstimatorConfig(enabled=not knowing),
        room=RoomConfig(obstacles=0, length_m=8.0, width_m=8.0),
    )
    room = StandingRoom(config, None, seed=12, tick_hz=20.0)
    stop = threading.Event()
    mavsdk.log_subscribe(lambda *_: True)
    kind = mavsdk.ComponentType.GROUND_STATION
    sdk = mavsdk.Mavsdk(mavsdk.Configuration.create_with_component_type(kind))
    with FlightControllerServer(RoomAirframe(room), Rules.of(manner)) as server:
        thread = threading.Thread(target=server.run, args=(lambda: not stop.is_set(),))
        thread.start()
        try:
            sdk.add_any_connection("udpout://{}:{}".format(*server.address))
            system = sdk.first_autopilot(30.0)
            assert system is not None, "MAVSDK found no autopilot"
            errors = _square(Action(system), Offboard(system), Telemetry(system), room)
            answer_ms = sorted(_answer_ms(server) for _ in range(QUESTIONS))
        finally:
            stop.set()
            thread.join()
            sdk.destroy()
        return {
            "manner": manner.name,
            "estimate": "truth" if knowing else "default",
            "told_m": [round(told, 3) for told, _ in errors],
            "truth_m": [round(truth, 3) for _, truth in errors],
            "answer_ms": {
                "p50": round(statistics.median(answer_ms), 2),
                "p99": round(answer_ms[int(0.99 * QUESTIONS)], 2),
            },
            "ticks": server.pace.ticks,
            "ticks_late": server.pace.late,
        }


def _square(
    action: Action, offboard: Offboard, telemetry: Telemetry, room: StandingRoom
) -> list[tuple[float, float]]:
    def told() -> tuple[float, float]:
        position = telemetry.position_velocity_ned().position
        return position.north_m, position.east_m

    telemetry.set_rate_position_velocity_ned(20.0)
    action.set_takeoff_altitude(1.0)
    action.arm()
    action.takeoff()
    time.sleep(6.0)
    offboard.set_position_ned(PositionNedYaw(*told(), -1.0, 0.0))
    for _ in range(20):
        time.sleep(0.25)
        try:
            offboard.start()
            break
        except OffboardError:  # PX4 takes it after a second of set-points
            continue
    time.sleep(3.0)
    start, true_start = told(), room.motion.position_m
    north, east = (-math.copysign(1.0, p) for p in true_start[:2])  # toward the room's middle
    errors = []
    for ahead, aside in CORNERS:
        way = north * ahead, east * aside
        corner, true_corner = ((p[0] + way[0], p[1] + way[1]) for p in (start, true_start))
        offboard.set_position_ned(PositionNedYaw(*corner, -1.0, 0.0))
        time.sleep(4.0)
        errors.append(
            (math.dist(told(), corner), math.dist(room.motion.position_m[:2], true_corner))
        )
    action.land()
    return errors


def _answer_ms(server: FlightControllerServer) -> float:
    """Ask for the time, and return how long the answer took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        ask.settimeout(5.0)
        begun = time.monotonic_ns()
        question = mavlink.MAVLink_timesync_message(0, begun)
        ask.sendto(question.pack(mavlink.MAVLink(None, 1, 196)), server.address)
        while True:
            (answer,) = mavlink.MAVLink(None).parse_buffer(ask.recv(2048))
            if answer.get_type() == "TIMESYNC" and answer.ts1 == begun:
                return (time.monotonic_ns() - begun) / 1e6


if __name__ == "__main__":
    main()
