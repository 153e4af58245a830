"""The recorder: a log that replays exactly, gaps that say so, and a new file after a new start."""

import math
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from drone import topics
from drone.config.onboard import OnboardConfig
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.geometry import Intrinsics, StereoCalibration
from drone.logfiles import all_of
from drone.messages import AutopilotReport, StereoFrame, VehicleState
from drone.onboard.processes.orders import Orders
from drone.onboard.processes.pilot import PilotLoop
from drone.onboard.processes.recorder import Recorder
from drone.onboard.processes.summary import summary_of
from drone.replay import verify
from drone.wire import FLOWN, FRAME, STATE

S = 1_000_000_000
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
TEXTURE = np.random.default_rng(3).integers(0, 255, (96, 128), dtype=np.uint8)


class Pilot:
    """A pilot's loop whose words go straight to a recorder, but for some ticks."""

    def __init__(self, tmp_path, missed=(), config=None):
        self.orders = Orders(config or OnboardConfig(), CALIBRATION, 0, tmp_path)
        self.recorder = Recorder(self.orders, 0)
        self.missed = missed
        self.begin()

    def begin(self):
        self.loop = PilotLoop(self.orders, self)
        self.ticks = 0
        self.loop.tell_state(0)

    def send(self, topic, message):
        if topic == STATE or (topic == FLOWN and message.tick.seq not in self.missed):
            self.recorder.take(topic, message)

    def fly(self, ticks):
        for _ in range(ticks):
            now_ns = self.ticks * S // 20
            where = (0.01 * self.ticks, 0.0, 0.0)
            heard = [
                (topics.AUTOPILOT, AutopilotReport(1, now_ns, True, permitted=True)),
                (
                    topics.VEHICLE,
                    VehicleState(self.ticks, now_ns, True, where, (0.2, 0.0, 0.0), (1.0, 0, 0, 0)),
                ),
            ]
            if self.ticks % 2 == 0:
                left = np.roll(TEXTURE, self.ticks, axis=0)
                right = np.roll(left, -6, axis=1)
                heard.append((FRAME, StereoFrame(self.ticks // 2, now_ns, True, left, right)))
            self.loop.inbox.take(heard, now_ns)
            self.loop.tick(now_ns)
            self.ticks += 1


def test_what_is_recorded_replays_exactly(tmp_path):
    pilot = Pilot(tmp_path)
    with closing(pilot.recorder):
        pilot.fly(60)
    result = verify(tmp_path / "flight.mcap", recompute=True)
    assert (result.ticks, result.mismatches, result.gap) == (60, 0, None)


def test_ticks_that_were_not_heard_are_a_gap(tmp_path):
    pilot = Pilot(tmp_path, missed=range(10, 13))
    with closing(pilot.recorder):
        pilot.fly(60)
    (gap,) = FlightLog(tmp_path / "flight.mcap").messages(topics.GAP)
    assert (gap.kind, gap.messages) == ("dropped", 3)
    result = verify(tmp_path / "flight.mcap")
    assert result.mismatches == 0
    assert "dropped" in result.gap


def test_the_first_ticks_that_were_not_heard_are_counted_too(tmp_path):
    pilot = Pilot(tmp_path, missed=range(5))
    with closing(pilot.recorder):
        pilot.fly(15)
    (gap,) = FlightLog(tmp_path / "flight.mcap").messages(topics.GAP)
    assert (gap.kind, gap.messages) == ("dropped", 5)


def test_a_recorder_that_is_killed_goes_on_in_a_new_file(tmp_path):
    pilot = Pilot(tmp_path)
    pilot.fly(30)
    killed, pilot.recorder = pilot.recorder, Recorder(pilot.orders, 0)
    pilot.fly(60)
    pilot.recorder.close()
    files = all_of(tmp_path / "flight.mcap")
    assert [path.name for path in files] == ["flight.mcap", "flight.001.mcap"]
    second = verify(files[1])
    assert second.mismatches == 0
    assert second.ticks >= 40
    killed.close()


def test_what_began_after_the_pilot_did_is_not_made_again_from_its_images(tmp_path):
    pilot = Pilot(tmp_path)
    pilot.recorder.close()
    (tmp_path / "flight.mcap").unlink()
    pilot.recorder = Recorder(pilot.orders, 0)  # it came too late for the first state
    with closing(pilot.recorder):
        pilot.fly(60)
    assert verify(tmp_path / "flight.mcap").mismatches == 0
    with pytest.raises(UserError, match="begins with tick 21 of its flight"):
        verify(tmp_path / "flight.mcap", recompute=True)


def test_a_pilot_that_begins_anew_gets_a_new_file(tmp_path):
    pilot = Pilot(tmp_path)
    with closing(pilot.recorder):
        pilot.fly(30)
        pilot.begin()
        pilot.fly(30)
    files = all_of(tmp_path / "flight.mcap")
    assert len(files) == 2
    for path in files:
        assert verify(path).mismatches == 0


def test_a_full_file_gives_way_and_the_oldest_go(tmp_path):
    flight = OnboardConfig().flight.model_copy(update={"log_file_mb": 0.3, "log_most_mb": 0.9})
    pilot = Pilot(tmp_path, config=OnboardConfig(flight=flight))
    with closing(pilot.recorder):
        pilot.fly(600)
    files = all_of(tmp_path / "flight.mcap")
    assert not (tmp_path / "flight.mcap").exists()
    assert len(files) >= 2
    assert sum(path.stat().st_size for path in files) < 1.3e6
    assert verify(files[-1]).mismatches == 0


def test_the_summary_counts_what_was_flown(tmp_path):
    pilot = Pilot(tmp_path)
    with closing(pilot.recorder):
        pilot.fly(61)
        report = AutopilotReport(1, 3 * S, True, connected=True)
        pilot.recorder.take(topics.AUTOPILOT, replace(report, seq=2))
    log = FlightLog(tmp_path / "flight.mcap")
    found = summary_of(log)
    assert found["flown_s"] == 3.0
    assert math.isclose(sum(found["mode_s"].values()), 3.0, abs_tol=0.05)
    assert math.isclose(found["distance_m"], 0.6, abs_tol=0.01)
    assert found["frames"] == 31
    assert math.isnan(found["time_to_trust_s"])
    assert [r.connected for r in log.messages(topics.AUTOPILOT)] == [True]
