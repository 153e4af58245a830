"""MAVSDK's server plugins, which nobody here wrote, play an autopilot that the link reads.

Real time over a real socket; nothing waits for a fixed time but for what arrives, with deadlines
that leave a busy machine room.
"""

import math
import threading
import time
from contextlib import closing

import pytest
from mavpeer import free_port

from drone import topics
from drone.bus import Publisher, Subscriber
from drone.clock import ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.onboard.autopilot import Autopilot
from drone.onboard.linkfacts import Ground
from drone.onboard.manners import PX4, Order
from drone.onboard.mavports import open_port
from drone.onboard.obstaclemap import View
from drone.onboard.processes.link import HEARD, Link, run_link

mavsdk = pytest.importorskip("mavsdk", reason="MAVSDK is not installed: pip install 'mavsdk>=4.1'")
actions = pytest.importorskip("mavsdk.plugins.action_server.action_server")
params = pytest.importorskip("mavsdk.plugins.param_server.param_server")
telemetry = pytest.importorskip("mavsdk.plugins.telemetry_server.telemetry_server")

PATIENCE_S = 30.0
VIEW = View((-0.5, 0.5), 20, 600)


class Server:
    """An autopilot by MAVSDK that calls a port of this machine, and publishes at 20 Hz."""

    def __init__(self, port):
        mavsdk.log_subscribe(lambda *_: True)
        kind = mavsdk.ComponentType.AUTOPILOT
        self.sdk = mavsdk.Mavsdk(mavsdk.Configuration.create_with_component_type(kind))
        self.sdk.add_any_connection(f"udpout://127.0.0.1:{port}")
        component = self.sdk.server_component(0)
        self.telemetry = telemetry.TelemetryServer(component)
        self.actions = actions.ActionServer(component)
        self.params = params.ParamServer(component)
        self.params.provide_param_float("MPC_XY_VEL_MAX", 2.5)
        self.actions.set_allowable_flight_modes(
            actions.AllowableFlightModes(True, True, True, True, True, True, True)
        )
        self.actions.set_armed_state(True)
        self.actions.set_flight_mode_internal(actions.FlightMode.OFFBOARD)
        self.ordered = []
        self.actions.subscribe_flight_mode_change(self._ordered)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _ordered(self, result, mode, _):
        self.ordered.append(mode)

    def _publish(self):
        t = telemetry
        place = t.PositionVelocityNed(t.PositionNed(1.0, 2.0, -3.0), t.VelocityNed(0.1, 0.2, 0.3))
        while not self._ended.wait(0.05):
            self.telemetry.publish_position_velocity_ned(place)
            self.telemetry.publish_attitude(
                t.EulerAngle(0.0, 0.0, 90.0, 0), t.AngularVelocityBody(0.1, 0.2, 0.3)
            )
            self.telemetry.publish_extended_sys_state(t.VtolState.UNDEFINED, t.LandedState.IN_AIR)
            self.telemetry.publish_sys_status(t.Battery(12.0, 0.75), *[True] * 5)

    def close(self):
        self._ended.set()
        self._thread.join()
        self.sdk.destroy()
        mavsdk.log_unsubscribe()


def until(reached, do):
    end = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end
        do()
        time.sleep(0.01)


def test_mavsdks_autopilot_is_read_and_takes_orders():
    config = AutopilotConfig(url=f"udpin://127.0.0.1:{free_port()}")
    with (
        closing(open_port(config.address)) as port,
        closing(Server(config.address.number)) as server,
    ):
        link = Autopilot(config, port)
        heard_names = set()

        def listen():
            for chunk in port.read():
                heard_names.update(link.take(chunk, time.monotonic_ns()))

        wanted = {"HEARTBEAT", "SYS_STATUS", "EXTENDED_SYS_STATE", "LOCAL_POSITION_NED"}
        until(lambda: {*wanted, "ATTITUDE"} <= heard_names, listen)
        until(lambda: link.heard.vehicle.valid and link.heard.ground is Ground.IN_AIR, listen)
        until(lambda: not math.isnan(link.heard.vehicle.battery_share), listen)
        until(lambda: link.heard.heartbeat.armed and link.heard.heartbeat.custom_mode, listen)
        vehicle, beat = link.heard.vehicle, link.heard.heartbeat
        assert vehicle.position_m == (1.0, 2.0, -3.0)
        assert vehicle.velocity_mps == pytest.approx((0.1, 0.2, 0.3))
        assert vehicle.attitude == pytest.approx((math.sqrt(0.5), 0, 0, math.sqrt(0.5)))
        assert vehicle.rates_radps == pytest.approx((0.1, 0.2, 0.3))
        assert (vehicle.battery_share, vehicle.battery_v) == (0.75, 12.0)
        assert PX4.mode_name(beat.custom_mode) == "OFFBOARD"  # its modes are PX4's

        link.send_heartbeat()
        link.send_order(Order.LAND, PX4)
        until(lambda: server.ordered, listen)
        assert server.ordered[0] is actions.FlightMode.LAND
        until(lambda: "COMMAND_ACK" in heard_names, listen)
        assert not link.heard.refused
        link.ask_parameter("MPC_XY_VEL_MAX")
        until(lambda: link.heard.parameters, listen)
        assert link.heard.parameters == {"MPC_XY_VEL_MAX": 2.5}
        link.ask_version()
        until(lambda: link.heard.version is not None, listen)


def test_the_links_process_reads_mavsdks_autopilot_and_refuses_to_fly_a_kind_it_does_not_know(
    tmp_path,
):
    config = AutopilotConfig(url=f"udpin://127.0.0.1:{free_port()}")
    ended = threading.Event()
    with (
        closing(Publisher(tmp_path, "link")) as voice,
        closing(Subscriber(tmp_path, HEARD)) as ears,
        closing(Subscriber(tmp_path, {"link": [topics.VEHICLE, topics.AUTOPILOT]})) as hears,
        closing(Server(config.address.number)),
    ):
        link = Link(config, voice, VIEW)
        go_on = lambda: not ended.is_set()  # noqa: E731
        thread = threading.Thread(target=run_link, args=(link, ears, time.monotonic_ns, go_on))
        thread.start()
        latest = {}
        try:
            until(
                lambda: (
                    topics.VEHICLE.name in latest
                    and latest[topics.VEHICLE.name].valid
                    and topics.AUTOPILOT.name in latest
                    and latest[topics.AUTOPILOT.name].armed
                ),
                lambda: latest.update({t.name: m for t, m in hears.receive(0.1)}),
            )
        finally:
            ended.set()
            thread.join()
    report, vehicle = latest[topics.AUTOPILOT.name], latest[topics.VEHICLE.name]
    assert report.connected
    assert not report.commanded
    assert "neither ArduPilot nor PX4" in report.reason
    assert vehicle.position_m == (1.0, 2.0, -3.0)
    assert abs(time.monotonic_ns() - vehicle.stamp_ns) < ns_from_s(PATIENCE_S)
