"""The doctor asks a simulated autopilot of both manners over UDP, and one that is not there."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from drone.config.autopilot import AutopilotConfig
from drone.doctor import autopilot
from drone.doctor.asking import ask_autopilot
from drone.doctor.autopilot import ARDUPILOT, PX4
from drone.sim.flightcontroller_airframe import StandIn
from drone.sim.flightcontroller_ardupilot import ARDUPILOT as ARDUPILOT_MANNER
from drone.sim.flightcontroller_manners import Rules
from drone.sim.flightcontroller_px4 import PX4 as PX4_MANNER
from drone.sim.flightcontroller_server import FlightControllerServer

RULES = {ARDUPILOT: Rules.of(ARDUPILOT_MANNER), PX4: Rules.of(PX4_MANNER)}


@contextmanager
def served(rules: Rules):
    """Serve a flight controller until the end."""
    over = threading.Event()
    with FlightControllerServer(StandIn(), rules) as server:
        thread = threading.Thread(target=server.run, args=(lambda: not over.is_set(),))
        thread.start()
        try:
            host, port = server.address
            yield AutopilotConfig(url=f"udpout://{host}:{port}")
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("kind", [ARDUPILOT, PX4])
def test_a_simulated_autopilot_is_understood(kind):
    with served(RULES[kind]) as config:
        facts = ask_autopilot(config)
    assert (facts.problem, facts.rivals, facts.kind) == ("", "", kind)
    assert facts.version is not None
    assert not facts.armed
    assert facts.permission_us > 0
    assert facts.believes
    assert facts.clock_answers
    known = RULES[kind].values
    assert facts.parameters == {
        name: pytest.approx(known[name]) for name in autopilot.parameters_of(kind) if name in known
    }
    found = {f.name: f for f in autopilot.check(facts, config)}
    assert found["autopilot.velocity_source"].what == "velocity by optical flow"
    assert found["autopilot.attitude"].verdict != "fail", found["autopilot.attitude"]
    assert found["autopilot.signing"].verdict == "warn"


def test_nothing_at_the_end_of_the_line():
    facts = ask_autopilot(AutopilotConfig(url="udpin://127.0.0.1:14999"), listen_s=0.3)
    assert facts.problem
    (finding,) = autopilot.check(facts, AutopilotConfig())
    assert finding.verdict == "fail"


def test_no_such_device():
    facts = ask_autopilot(AutopilotConfig(url="serial:///dev/ttyNone:921600"))
    assert "no such device" in facts.problem


def test_a_signing_key_that_is_not_there(tmp_path):
    config = AutopilotConfig(url="udpin://127.0.0.1:14998", signing_key=str(tmp_path / "gone"))
    assert "cannot be read" in ask_autopilot(config).problem


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def signed(tmp_path, **fields):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    return AutopilotConfig(
        signing_key=str(tmp_path / "key"), signing_stamp=str(tmp_path / "stamp"), **fields
    )


def test_asking_uses_up_no_more_timestamps_than_it_sends(tmp_path):
    (tmp_path / "stamp").write_text(str(10**14))
    config = signed(tmp_path, url=f"udpin://127.0.0.1:{free_port()}")
    for _ in range(3):
        assert "nothing comes at all" in ask_autopilot(config, listen_s=0.05).problem
    assert 10**14 <= int((tmp_path / "stamp").read_text()) <= 10**14 + 100


def test_a_line_that_does_not_open_uses_up_no_timestamp(tmp_path):
    config = signed(tmp_path, url="serial:///dev/ttyNone:921600")
    assert "no such device" in ask_autopilot(config).problem
    assert not (tmp_path / "stamp").exists()
