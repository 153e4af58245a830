from __future__ import annotations

import math

import pytest

from drone.config import CameraConfig, EstimatorConfig, SimConfig
from drone.messages import VelocityCommand
from drone.sim.flightcontroller import FlightController
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_room import RoomAirframe, StandingRoom
from drone.sim.flightcontroller_server import ScriptedPilot
from drone.sim.flightcontroller_transmitter import HumanPilot
from drone.sim.simulator import RoomSimulator, SimOutput

pytestmark = pytest.mark.sim
SMALL = CameraConfig(width_px=64, height_px=48)
STILL = VelocityCommand(0, 0, True, 0.0, 0.0, 0.0, 0.0)
UP = VelocityCommand(0, 0, True, 0.0, 0.0, -0.4, 0.0)


def standing(seed: int = 10, *, knowing: bool = False) -> StandingRoom:
    config = SimConfig(camera=SMALL, estimator=EstimatorConfig(enabled=not knowing))
    return StandingRoom(config, None, seed=seed, tick_hz=20.0)


def test_the_flight_starts_on_the_floor_below_the_usual_start() -> None:
    config = SimConfig(camera=SMALL, estimator=EstimatorConfig(enabled=False))
    with RoomSimulator(config, None, seed=10, tick_hz=20.0) as hovering:
        usual = hovering.reset().vehicle
    with standing(knowing=True) as room:
        start = room.reset()
        assert start.vehicle.landed
        assert start.vehicle.position_m[:2] == usual.position_m[:2]
        assert start.vehicle.attitude == usual.attitude
        assert start.frame is not None
        outs = [room.step(STILL) for _ in range(100)]
        assert outs[-1].vehicle.landed
        assert outs[-1].vehicle.position_m[2] == pytest.approx(-0.065, abs=0.005)
        assert not [e for o in outs for e in o.events]
        up = [room.step(UP) for _ in range(40)][-1].vehicle
        assert not up.landed
        assert up.position_m[2] < -0.6
        assert room.reset().vehicle.landed, "and so does the next flight"


def test_cut_motors_let_it_fall_and_that_is_no_collision() -> None:
    events: list[str] = []
    airframe = RoomAirframe(standing(), lambda out: events.extend(e.kind for e in out.events))
    airframe.start()
    for _ in range(60):
        airframe.step(UP, True)
    falling = [airframe.step(UP, False) for _ in range(40)]
    assert falling[4].velocity_mps[2] > 1.0
    assert falling[-1].landed
    assert "collision" not in events
    airframe.close()


@pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
def test_the_scripted_pilot_flies_the_room_from_the_ground_and_back(manner: Manner) -> None:
    """With the estimate's errors, by transmitter alone; PX4 gets no OFFBOARD without a stream."""
    outs: list[SimOutput] = []
    plan = HumanPilot(manner.manual_mode, land_s=6.0, begin_s=1.0)
    pilot, airframe = ScriptedPilot(plan), RoomAirframe(standing(12), outs.append)
    vehicle = airframe.start()
    controller = FlightController(Rules.of(manner), vehicle)
    heights = []
    for tick in range(500):
        now_ns = tick * 50_000_000
        radio = pilot(controller.sight(now_ns))
        outputs, _ = controller.tick(now_ns, vehicle, radio)
        vehicle = airframe.step(outputs.command, outputs.motors)
        heights.append(-vehicle.position_m[2])
    airframe.close()
    assert max(heights) == pytest.approx(plan.height_m, abs=0.3)
    assert vehicle.landed
    assert not controller.state.armed
    kinds = [event.kind for out in outs for event in out.events]
    assert "collision" not in kinds
    assert kinds.count("landed") == 2, "at the start, and at the end"
    assert math.isnan(vehicle.battery_share)
