"""The room in real time: `drone onboard` on one side, the simulator on the other, real sockets."""

import argparse
import json
import math

import pytest

from drone import topics
from drone.commands import fly_mavlink
from drone.config import launch_folder, load, load_as
from drone.config.onboard import OnboardConfig
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog
from drone.replay import verify
from drone.runfolder import RunFolder
from drone.sim.realtime import Watcher, spread
from drone.wire import Sent

pytestmark = pytest.mark.sim
S = 1_000_000_000


def options(tmp_path, **more):
    given = dict.fromkeys(("memory", "model", "web", "web_host", "web_token", "seeds", "foxglove"))
    return argparse.Namespace(
        **{**given, "runs": tmp_path, "no_report": True, "json": True, **more}
    )


@pytest.mark.parametrize("manner", ["ardupilot", "px4"])
def test_the_onboard_side_flies_the_room_over_udp(tmp_path, manner):
    config = load(launch_folder() / "room.toml", ["flight.seed=3"])
    figures = fly_mavlink.fly_mavlink(config, manner, 0.1, options(tmp_path))
    assert figures["mode_s"]["stereo"] > 2
    assert figures["collisions"] == {}
    assert figures["distance_m"]["stereo"] > 0.3
    assert figures["setpoint_gap_ms"]["n"] > 50
    assert figures["setpoint_gap_ms"]["p50"] < 100
    assert figures["frame_to_setpoint_ms"]["n"] > 30
    assert figures["onboard"]["restarts"] == {}
    run = RunFolder(tmp_path / figures["run"].rsplit("/", 1)[-1])
    result = verify(run.log)  # images alone do not do: the pilot may have seen some before
    assert result.ticks > 100
    assert (result.mismatches, result.gap) == (0, None)
    reports = list(FlightLog(run.log).messages(topics.AUTOPILOT))
    assert any(report.connected for report in reports)
    assert any(report.commanded for report in reports)
    assert json.loads(run.result.read_text())["frames"] > 50


def test_an_onboard_side_that_cannot_begin_is_said(tmp_path, capfd):
    config = load(launch_folder() / "room.toml", ["flight.seed=3"])
    given = options(tmp_path, model=tmp_path / "no.onnx")
    with pytest.raises(WorkFailedError, match=r"drone onboard ended \(exit code 2\)"):
        fly_mavlink.fly_mavlink(config, "px4", 0.1, given)
    assert "no.onnx: cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("manner", "more", "said"),
    [
        ("betaflight", {}, "expected one of ardupilot, px4"),
        ("px4", {"seeds": "0-3"}, "give --seed instead"),
        ("px4", {"foxglove": "8765"}, "exclude each other"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, manner, more, said):
    with pytest.raises(UserError, match=said):
        fly_mavlink.check(manner, options(tmp_path, **more))


def test_the_vehicle_flies_by_the_flights_own_pilot_and_learner(tmp_path):
    config = load(launch_folder() / "room.toml", ["pilot.switching.stop_m=0.9"])
    path = tmp_path / "vehicle.toml"
    path.write_text(fly_mavlink.vehicle_toml(config, "udpout://127.0.0.1:14550"))
    there = load_as(OnboardConfig, path)
    assert there.pilot == config.pilot
    assert there.learner == config.learner
    assert there.autopilot.url == "udpout://127.0.0.1:14550"


def test_the_way_from_frame_to_set_point_is_measured_whichever_is_heard_first():
    watcher = Watcher()
    for seq, (frame_ns, sent_ns) in enumerate([(0, 20_000_000), (S, S + 30_000_000)]):
        watcher._match(watcher._frame_ns, seq, frame_ns)
        watcher.sent(Sent(seq, sent_ns, True, seq, True))
    watcher.sent(Sent(2, 5 * S, True, 2, True))
    watcher.sent(Sent(3, 6 * S, True, 2, True))  # said again: the first one counts
    watcher._match(watcher._frame_ns, 2, 5 * S - 10_000_000)
    found = watcher.figures()["frame_to_setpoint_ms"]
    assert (found["n"], found["p50"], found["max"]) == (3, 20.0, 30.0)


def test_a_spread_of_nothing_is_unknown():
    assert math.isnan(spread([])["p99"])
    assert spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p99": 3.0, "max": 3.0, "n": 3}
