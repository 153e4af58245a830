"""A log for other tools: what the tables say is what was logged, a part verifies like the whole."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from anymessage import example_of
from bits import bits
from mcap.reader import make_reader
from test_flightlog import HEADER, ticks, write
from tuningflights import Script, write_flight

from drone import topics
from drone.cli import main
from drone.config import Config
from drone.errors import UserError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logexport import Wanted, columns_of, to_csv, to_mcap, values_of
from drone.logfiles import Rotation
from drone.logformat import TickRecord, record_of_tick
from drone.messages import Decision, FlightEvent, ModelVersion
from drone.onboard.pilot import PilotState
from drone.onboard.sources.opening import open_source
from drone.replay import verify
from drone.runfolder import resolve_input

SCRIPT = Script(duration_s=20.0)


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    return write_flight(tmp_path_factory.mktemp("flight") / "flight.mcap", SCRIPT)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def raw(path):
    with path.open("rb") as file:
        found = make_reader(file).iter_messages(log_time_order=False)
        return [(c.topic, s.name, m.log_time, m.data) for s, c, m in found]


# Tables


def test_the_tables_say_what_was_logged(flown, tmp_path):
    found = to_csv(flown, tmp_path / "tables", Wanted())
    decisions = list(FlightLog(flown).messages(topics.DECISION))
    table = rows(tmp_path / "tables" / "pilot_decision.csv")
    assert len(table) == len(decisions) == found.messages["/pilot/decision"]
    for row, decision in zip(table, decisions, strict=True):
        assert float(row["t_s"]) == (decision.stamp_ns - decisions[0].stamp_ns) / 1e9
        assert row["mode"] == decision.mode.value
        assert row["blocked"] == str(int(decision.blocked))
        assert float(row["command.forward_mps"]) == decision.command.forward_mps
        assert repr(float(row["trust.fpr"])) == repr(decision.trust.fpr)
    states = list(FlightLog(flown).messages(topics.VEHICLE))
    table = rows(tmp_path / "tables" / "vehicle_state.csv")
    assert [float(row["position_m.1"]) for row in table] == [s.position_m[1] for s in states]
    header = json.loads((tmp_path / "tables" / "header.json").read_text(encoding="utf-8"))
    assert header["config_toml"] == FlightLog(flown).header.config_toml


def test_columns_and_values_fit_for_every_message():
    for topic in topics.TOPICS:
        cls = TickRecord if topic == topics.TICK else topic.message
        message = example_of(cls)
        assert len(list(columns_of(cls))) == len(list(values_of(message)))
    tick = record_of_tick(ticks(2)[1])  # without a frame: its columns are empty
    assert dict(zip(columns_of(TickRecord), values_of(tick), strict=True))["frame.seq"] == ""
    assert "onnx" not in set(columns_of(ModelVersion))
    assert {"stamp_ns", "command.yaw_rate_radps", "trust.tpr"} <= set(columns_of(Decision))


def test_images_are_a_folder_that_drone_replay_reads(tmp_path):
    flight = ticks(60)
    path = write(tmp_path / "a.mcap", flight)
    found = to_csv(path, tmp_path / "out", Wanted(images=True))
    frames = [t.frame for t in flight if t.frame]
    assert found.messages[topics.LEFT_IMAGE] == len(frames)
    both = [f for f in frames if f.right is not None]
    assert len(list((tmp_path / "out" / "right").iterdir())) == len(both)
    source = open_source(resolve_input(str(tmp_path / "out")))
    samples = list(source.samples())
    assert [s.frame.stamp_ns for s in samples] == [f.stamp_ns - both[0].stamp_ns for f in both]
    assert source.calibration.baseline_m == pytest.approx(HEADER.calibration.baseline_m)
    difference = samples[0].frame.left.astype(int) - both[0].left
    assert np.abs(difference).mean() < 1


def test_topics_and_seconds_are_chosen(flown, tmp_path):
    names = (topics.DECISION.name, topics.LABEL.name)
    to_csv(flown, tmp_path / "t", Wanted(names, 5.0, 8.0))
    files = {path.name for path in (tmp_path / "t").iterdir()}
    assert files == {"pilot_decision.csv", "stereo_label.csv", "header.json"}
    times = [float(row["t_s"]) for row in rows(tmp_path / "t" / "pilot_decision.csv")]
    assert (times[0], times[-1], len(times)) == (5.0, 8.0, 61)


# A new log


def test_a_rewrite_changes_nothing(flown, tmp_path):
    found = to_mcap(flown, tmp_path / "new.mcap", Wanted())
    assert raw(tmp_path / "new.mcap") == raw(flown)
    assert sum(found.messages.values()) == len(raw(flown))
    assert (FlightLog(tmp_path / "new.mcap").header, found.notes) == (FlightLog(flown).header, [])


def test_several_files_become_one(tmp_path):
    path = write_flight(tmp_path / "flight.mcap", SCRIPT, rotation=Rotation(40_000))
    assert len(FlightLog(path).files) > 1
    to_mcap(path, tmp_path / "one.mcap", Wanted())
    assert verify(tmp_path / "one.mcap").ticks == verify(path).ticks
    assert verify(tmp_path / "one.mcap").mismatches == 0


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 7.0), (9.0, 12.0), (12.35, math.inf)])
def test_a_part_verifies_from_its_own_state(flown, tmp_path, start_s, end_s):
    found = to_mcap(flown, tmp_path / "part.mcap", Wanted((), start_s, end_s))
    assert found.notes == []
    stamps = [t.stamp_ns for t in FlightLog(flown).ticks()]
    inside = [s for s in stamps if start_s <= (s - stamps[0]) / 1e9 <= end_s]
    assert [t.stamp_ns for t in FlightLog(tmp_path / "part.mcap").ticks()] == inside
    result = verify(tmp_path / "part.mcap")
    assert (result.ticks, result.mismatches, result.gap) == (len(inside), 0, None)
    kept = {(name, time, data) for name, _, time, data in raw(tmp_path / "part.mcap")}
    lost = [
        entry
        for name, _, time, data in raw(flown)
        if (entry := (name, time, data)) not in kept and inside[0] <= time <= inside[-1]
    ]
    assert lost == []


def test_a_part_counts_from_its_own_beginning(flown, tmp_path):
    """And not from when its model was made, which stands first in it."""
    to_mcap(flown, tmp_path / "part.mcap", Wanted((), 18.0))
    assert list(FlightLog(tmp_path / "part.mcap").messages(topics.FLYING))
    to_csv(tmp_path / "part.mcap", tmp_path / "t", Wanted((topics.DECISION.name,), 0.0, 1.0))
    times = [float(row["t_s"]) for row in rows(tmp_path / "t" / "pilot_decision.csv")]
    assert (times[0], times[-1], len(times)) == (0.0, 1.0, 21)


def test_a_part_has_the_model_that_flew(flown, tmp_path):
    models = list(FlightLog(flown).messages(topics.MODEL))
    to_mcap(flown, tmp_path / "part.mcap", Wanted((), 18.0))
    part = FlightLog(tmp_path / "part.mcap")
    flying = list(part.messages(topics.FLYING))
    assert part.notes == (), "it was made before, which is no clock that is off"
    before = [
        m for m in models if m.stamp_ns < FlightLog(flown).header.utc_offset_ns + 1018 * 10**9
    ]
    assert before
    assert [bits(m) for m in flying] == [bits(before[-1])]


def test_negative_control_without_the_state_a_part_does_not_verify(flown, tmp_path):
    log = FlightLog(flown)
    to_mcap(flown, tmp_path / "part.mcap", Wanted((), 15.0))
    part = FlightLog(tmp_path / "part.mcap")
    with FlightLogWriter(tmp_path / "wrong.mcap", log.header) as writer:
        for topic, message in part.records():
            if topic == topics.TICK:
                writer.write_tick(message)
            elif not topic.consumed:
                writer.write(topic, message)
    assert verify(tmp_path / "wrong.mcap").mismatches > 0


def test_what_is_left_out_is_said(flown, tmp_path):
    found = to_mcap(flown, tmp_path / "few.mcap", Wanted((topics.DECISION.name,)))
    assert found.notes[0].startswith("it cannot be replayed without /pilot/tick")
    assert {topic for topic, *_ in raw(tmp_path / "few.mcap")} == {topics.DECISION.name}


def test_an_unknown_state_is_said(tmp_path):
    path = write(tmp_path / "a.mcap", ticks(40))  # no decision stands in it
    header = FlightLog(path).header
    with FlightLogWriter(tmp_path / "b.mcap", _flown_header(header)) as writer:
        for tick in ticks(40):
            writer.write_tick(tick)
    found = to_mcap(tmp_path / "b.mcap", tmp_path / "c.mcap", Wanted((), 1.0))
    assert "cannot be verified" in found.notes[0]
    assert len(list(FlightLog(tmp_path / "c.mcap").ticks())) == 20


def _flown_header(header):
    return replace(header, config_toml=Config().to_toml(), pilot_state=PilotState().to_json())


# The command, and wrong use


def test_the_command(flown, tmp_path, capsys):
    args = ["replay", str(flown), "--json", "--start", "2", "--end", "4"]
    assert main([*args, "--to", "mcap", str(tmp_path / "m.mcap")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["messages"]["/pilot/tick"] == 41
    assert main([*args, "--to", "csv", str(tmp_path / "c"), "--topics", "/vehicle/state"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == {"/vehicle/state": 41}


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--to", "xlsx", "x"], "expected csv or mcap"),
        (["--to", "csv", "."], "is not empty"),
        (["--to", "csv", "x", "--topics", "/nothing"], "no topic of a flight log"),
        (["--to", "csv", "x", "--verify"], "--verify does not go with --to"),
        (["--to", "csv", "x", "--set", "a=b"], "--set does not go with --to"),
        (["--to", "csv", "x", "--start", "1000"], "the log is 20.0 s long"),
        (["--view", "x.rrd", "--start", "5"], "--start does not go with --view"),
        (["--what-if", "pilot.trust.max_fpr=0.2", "--end", "5"], "does not go with --what-if"),
        (["--verify", "--config", "no.toml"], "--config does not go with --verify"),
        (["--to", "mcap", "x", "--images"], "--images goes with --to csv"),
        (["--to", "csv", "x", "--start", "5", "--end", "2"], "right is 0 <= start < end"),
        (["--images"], "--images goes with --to csv"),
    ],
)
def test_wrong_use(flown, tmp_path, monkeypatch, capsys, args, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").touch()
    assert main(["replay", str(flown), *args]) == 2
    assert match in capsys.readouterr().err


def test_a_log_is_never_overwritten(flown, tmp_path):
    (tmp_path / "a.mcap").touch()
    with pytest.raises(UserError, match="is there already"):
        to_mcap(flown, tmp_path / "a.mcap", Wanted())


def test_an_empty_log_makes_empty_results(tmp_path):
    with FlightLogWriter(tmp_path / "a.mcap", HEADER):
        pass
    assert to_csv(tmp_path / "a.mcap", tmp_path / "t", Wanted()).messages == {}
    assert to_mcap(tmp_path / "a.mcap", tmp_path / "b.mcap", Wanted()).messages == {}
    assert FlightLog(tmp_path / "b.mcap").header == HEADER


def test_events_before_the_first_tick_are_kept(tmp_path):
    with FlightLogWriter(tmp_path / "a.mcap", HEADER) as writer:
        writer.write(topics.EVENT, FlightEvent(0, 0, True, "room", "x"))
        for tick in ticks(4):
            writer.write_tick(tick)
    to_mcap(tmp_path / "a.mcap", tmp_path / "b.mcap", Wanted())
    assert raw(tmp_path / "b.mcap") == raw(tmp_path / "a.mcap")
