"""The link and the simulated autopilot, over a real socket in real time, in both manners.

A scripted human pilot takes off by stick, switches to the mode that takes set-points, permits and
takes over; a pilot process decides to fly north. Nothing waits for a fixed time, but for reports.
"""

import math
import threading
import time
from contextlib import ExitStack, closing

import pytest
from linkcases import decision as made

from drone import topics
from drone.bus import Publisher, Subscriber
from drone.config.autopilot import AutopilotConfig
from drone.messages import Mode
from drone.onboard.obstaclemap import View
from drone.onboard.processes.link import HEARD, Link, run_link
from drone.sim.flightcontroller_airframe import StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_server import FlightControllerServer, ScriptedPilot
from drone.sim.flightcontroller_transmitter import HumanPilot, TakeOver

PATIENCE_S = 40.0
VIEW = View((-0.5, 0.5), 20, 600)


class Flight:
    """Everything that flies, each in its thread, and what the link reports."""

    def __init__(self, folder, manner, stack, plan):
        airframe = StandIn()
        self.server = stack.enter_context(
            FlightControllerServer(airframe, Rules.of(manner), transmitter=ScriptedPilot(plan))
        )
        host, port = self.server.address
        config = AutopilotConfig(url=f"udpout://{host}:{port}", land_after_s=1.0)
        self.pilot = stack.enter_context(closing(Publisher(folder, "pilot")))
        voice = stack.enter_context(closing(Publisher(folder, "link")))
        ears = stack.enter_context(closing(Subscriber(folder, HEARD)))
        heard = {"link": [topics.AUTOPILOT, topics.VEHICLE]}
        self.hears = stack.enter_context(closing(Subscriber(folder, heard)))
        self.link = Link(config, voice, VIEW)
        self.ended, self.decides, self.chain = threading.Event(), True, Mode.STEREO
        self.reports, self.vehicle = [], None
        go_on = lambda: not self.ended.is_set()  # noqa: E731
        self.threads = [
            threading.Thread(target=self.server.run, args=(go_on,)),
            threading.Thread(target=run_link, args=(self.link, ears, time.monotonic_ns, go_on)),
            threading.Thread(target=self._decide),
        ]
        stack.callback(self._end)
        for thread in self.threads:
            thread.start()

    def _end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _decide(self):
        while not self.ended.wait(0.05):
            if self.decides:
                forward = 0.4 if self.chain is Mode.STEREO else 0.0
                one = made(time.monotonic_ns(), forward=forward, mode=self.chain)
                self.pilot.send(topics.DECISION, one)

    def until(self, reached, what):
        end = time.monotonic() + PATIENCE_S
        while not (self.reports and self.vehicle and reached()):
            said = self.reports[-1:]
            assert time.monotonic() < end, f"never: {what}; {self.vehicle}; {said}"
            for topic, message in self.hears.receive(0.02):
                if topic == topics.AUTOPILOT:
                    self.reports.append(message)
                else:
                    self.vehicle = message

    @property
    def report(self):
        return self.reports[-1]

    def north_m(self):
        return self.vehicle.position_m[0]


@pytest.fixture(params=[ARDUPILOT, PX4], ids=lambda manner: manner.name)
def start(tmp_path, request):
    with ExitStack() as stack:

        def begin(**plan):
            human = HumanPilot(
                guided_mode=request.param.setpoint_mode, permit_after_s=1.5, begin_s=0.5, **plan
            )
            return Flight(tmp_path, request.param, stack, human)

        yield begin


def test_it_flies_by_permission_stops_when_the_human_takes_over_and_flies_again(start):
    flight = start(take_overs=((2.0, TakeOver.STICK),), back_s=1.5)
    flight.until(lambda: flight.report.commanded, "commanded")
    assert flight.vehicle.position_m[2] < -0.5
    begun_m = flight.north_m()
    flight.until(lambda: flight.north_m() > begun_m + 0.3, "moves north")
    flight.until(lambda: not flight.report.permitted, "withdrawn")
    assert not flight.report.commanded
    flight.until(lambda: flight.report.commanded, "permitted anew")
    again_m = flight.north_m()
    flight.until(lambda: flight.north_m() > again_m + 0.2, "moves on")
    assert flight.report.velocity_mps[0] == pytest.approx(0.4, abs=0.02)
    assert math.isfinite(flight.report.clock_offset_s)


@pytest.mark.parametrize("how", ["the pilot process dies", "the pilot chain lands"])
def test_a_vehicle_that_nobody_flies_lands(start, how):
    flight = start()
    flight.until(lambda: flight.report.commanded, "commanded")
    if how == "the pilot process dies":
        flight.decides = False
    else:
        flight.chain = Mode.LAND
    flight.until(lambda: any(r.reaction == "land" for r in flight.reports), "land is ordered")
    flight.until(lambda: "LAND" in flight.report.flight_mode.upper(), "lands")
    flight.until(lambda: flight.vehicle.landed, "on the ground")
    flight.until(lambda: not flight.report.armed, "disarmed")
