"""A flight whose log is in several files: verified as one, and each file from its own state."""

import shutil
from dataclasses import replace

import pytest
from tuningflights import Script, write_flight

from drone import topics
from drone.errors import UserError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logfiles import Rotation
from drone.replay import verify
from drone.report.reading import read_flight
from drone.whatif import what_if
from training.tuning.recorded import read_recorded

SCRIPT = Script(duration_s=40.0)
FILE = Rotation(file_bytes=40_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_flight(tmp_path_factory.mktemp("whole") / "flight.mcap", SCRIPT)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    path = tmp_path_factory.mktemp("rotated") / "flight.mcap"
    return write_flight(path, SCRIPT, rotation=FILE)


def test_the_whole_flight_verifies_as_one(whole, rotated):
    assert len(FlightLog(rotated).files) > 2
    one, many = verify(whole), verify(rotated)
    between = len(FlightLog(rotated).files) - 1
    assert (many.ticks, many.mismatches, many.gap) == (one.ticks, 0, None)
    assert many.compared_fields == one.compared_fields + between
    assert many.flown_s == one.flown_s


def test_each_file_verifies_from_its_own_state(rotated, tmp_path):
    for file in FlightLog(rotated).files:
        shutil.copy(file, tmp_path)
        found = verify(tmp_path / file.name)
        assert (found.mismatches, found.gap, found.damaged) == (0, None, None)
        assert found.ticks == len(list(FlightLog(file, alone=True).ticks()))
        (tmp_path / file.name).unlink()


def test_after_a_missing_file_it_goes_on(rotated, tmp_path):
    for file in FlightLog(rotated).files:
        shutil.copy(file, tmp_path)
    (tmp_path / "flight.001.mcap").unlink()
    lost = len(list(FlightLog(FlightLog(rotated).files[1], alone=True).ticks()))
    found = verify(tmp_path / "flight.mcap")
    assert (found.mismatches, found.damaged) == (0, "flight.001.mcap: missing")
    assert found.gap == "what comes before flight.002.mcap is missing"
    assert found.ticks == verify(rotated).ticks - lost


def test_a_cut_file_does_not_end_the_verification(rotated, tmp_path):
    for file in FlightLog(rotated).files:
        shutil.copy(file, tmp_path)
    cut = tmp_path / "flight.001.mcap"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 5])
    found = verify(tmp_path / "flight.mcap")
    assert (found.mismatches, found.gap is None) == (0, False)
    assert "flight.001.mcap: sound up to byte" in found.damaged
    rest = FlightLog(tmp_path / "flight.002.mcap")
    assert found.ticks > len(list(rest.ticks()))


def test_negative_control_another_state_is_noticed(rotated, tmp_path):
    other = write_flight(tmp_path / "other" / "flight.mcap", Script(duration_s=0.1))
    state = FlightLog(other).header.pilot_state
    source = FlightLog(FlightLog(rotated).files[1], alone=True)
    shutil.copy(rotated, tmp_path)
    header = replace(source.header, pilot_state=state)
    with FlightLogWriter(tmp_path / "flight.001.mcap", header) as writer:
        for topic, message in source.records():
            if topic == topics.TICK:
                writer.write_tick(message)
            elif not topic.consumed:
                writer.write(topic, message)
    found = verify(tmp_path / "flight.mcap")
    assert found.mismatches > 0
    assert "flight.001.mcap: the state it begins with" in found.first


def test_what_reads_a_flight_reads_all_of_it(whole, rotated):
    one, many = what_if(whole, []), what_if(rotated, [])
    assert one.to_dict() == many.to_dict()
    one, many = (read_flight(FlightLog(path)) for path in (whole, rotated))
    assert one.ticks.tobytes() == many.ticks.tobytes()
    assert repr((one.marks, one.swaps)) == repr((many.marks, many.swaps))
    one, many = read_recorded(whole), read_recorded(rotated)
    assert one.ticks.tobytes() == many.ticks.tobytes()


def test_what_if_says_that_it_ends_at_a_gap(whole, tmp_path):
    log, path = FlightLog(whole), tmp_path / "flight.mcap"
    with FlightLogWriter(path, log.header) as writer:
        for topic, message in log.records():
            if topic == topics.TICK and not 20 <= message.seq < 30:
                writer.write_tick(message)
            elif topic != topics.TICK and not topic.consumed:
                writer.write(topic, message)
    found = what_if(path, [])
    assert found.ticks == 20
    assert "what comes after its first gap, after" in found.notes[-1]
    assert "tick 30 follows tick 19, is left out" in found.notes[-1]


def test_labels_of_a_later_file_cannot_be_made_again(rotated):
    with pytest.raises(UserError, match="begins with file 1 of its flight"):
        verify(FlightLog(rotated).files[1], recompute=True)
