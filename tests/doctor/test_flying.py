"""A vehicle that is armed is seen on the bus of its service, and nothing is deployed to it."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from drone.bus import Publisher
from drone.config.onboard import OnboardConfig
from drone.doctor import flying
from drone.doctor.examination import Vehicle, examine
from drone.messages import AutopilotReport
from drone.topics import AUTOPILOT


@pytest.fixture
def bus(tmp_path_factory, monkeypatch):
    """The folder in which a user's service meets."""
    runtime = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    folder = runtime / "drone"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("connected", "armed", "verdict"),
    [(True, True, "fail"), (True, False, "ok"), (False, False, "fail")],
)
def test_what_the_link_says(bus, connected, armed, verdict):
    over = threading.Event()
    report = AutopilotReport(0, 0, True, connected=connected, armed=armed, flight_mode="GUIDED")

    def link() -> None:
        with closing(Publisher(bus, "link")) as out:
            while not over.wait(0.02):
                out.send(AUTOPILOT, report)

    thread = threading.Thread(target=link)
    thread.start()
    try:
        assert bus in flying.service_buses()
        (finding,) = flying.check(flying.latest_report([bus], listen_s=10.0))
    finally:
        over.set()
        thread.join()
    assert finding.verdict == verdict
    assert "runs here" in finding.what or "GUIDED" in finding.what


def test_whether_it_is_armed_is_unknown_where_the_autopilot_is_not_heard():
    (finding,) = flying.check(AutopilotReport(0, 0, True, connected=False))
    assert "whether the vehicle is armed is unknown" in finding.what
    assert "connect the autopilot" in finding.fix


def test_where_nothing_runs(bus):
    (finding,) = flying.check(flying.latest_report([bus], listen_s=0.1))
    assert (finding.verdict, finding.what) == ("ok", "no link to an autopilot runs here")


def test_what_a_running_flight_has_is_left_alone(tmp_path, monkeypatch):
    """Two readers of one serial line take each other's bytes."""
    config = OnboardConfig(camera={"devices": ["/dev/video0"], "calibration": "c.toml"})
    vehicle = Vehicle(config, tmp_path, None, tmp_path)
    monkeypatch.setattr(flying, "latest_report", lambda folders: AutopilotReport(0, 0, True))
    found = {f.name: f for f in examine(vehicle, ["cameras", "autopilot"])}
    assert {f.verdict for f in found.values()} == {"skipped"}
    assert all("stop it first" in f.what for f in found.values())
