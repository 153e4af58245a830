"""The whole loop: one short flight, looked at from every side."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drone import config, topics
from drone.cli import main
from drone.errors import UserError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logscore import counts_of, scores_of
from drone.messages import Mode
from drone.replay import verify
from drone.runfolder import RunFolder
from drone.whatif import what_if
from training.flight import FlightSpec, run_flight

pytestmark = pytest.mark.sim

SHORT = (
    "flight.duration_s=18",
    "flight.seed=31",
    "learner.min_frames=10",
    "learner.batch_size=2",
    "learner.publish_s=3",
    "learner.holdout_block_s=1",
    "sim.faults=[{kind='black', eye='right', start_s=6}]",
)


def fly(runs: Path, *overrides: str):
    tree = config.load(config.launch_folder() / "room.toml", [*SHORT, *overrides])
    return run_flight(FlightSpec(tree, runs))


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    return fly(tmp_path_factory.mktemp("runs"))


def test_figures_have_what_the_readme_promises(flight):
    figures = flight.figures
    assert set(figures) >= {
        "seed",
        "simulated_s",
        "wall_s",
        "collisions",
        "distance_m",
        "mode_s",
        "turning_share",
        "overrides",
        "time_to_trust_s",
        "labelled_frames",
        "model_versions",
        "run",
    }
    assert set(figures["collisions"]) == {"stereo", "training_wheels", "mono", "hold"}
    assert set(figures["mode_s"]) == {m.value for m in Mode}
    assert sum(figures["mode_s"].values()) == pytest.approx(figures["simulated_s"], abs=1e-3)
    assert figures["model_versions"] >= 1
    assert 0 < figures["labelled_frames"] <= 60


def test_without_trust_a_dead_eye_ends_in_hold_then_land(flight):
    """Stereo dies at 6 s, long before mono can have earned anything."""
    modes = flight.figures["mode_s"]
    assert flight.figures["time_to_trust_s"] != flight.figures["time_to_trust_s"]
    assert modes["hold"] == pytest.approx(5.0, abs=0.2)
    assert modes["land"] > 1.0
    events = [(e.kind, e.detail) for e in FlightLog(flight.run.log).messages(topics.EVENT)]
    kinds = [kind for kind, _ in events]
    assert kinds.index("fault") < kinds.index("mode") < kinds.index("landed")
    assert any("right eye black" in detail for _, detail in events)


@pytest.mark.parametrize("cut_s", [(), (6.0,), (7.03,)])
def test_its_log_scores_as_the_flight_did_whole_or_in_parts(flight, cut_s):
    tree = config.load(flight.run.config)
    scores = scores_of(FlightLog(flight.run.log), tree, [0.0, *cut_s])
    parts, figures = [counts_of(score) for score in scores], flight.figures
    told = {key: sum(part[key] for part in parts) for key in parts[0] if "trust" not in key}
    assert told["seconds"] == pytest.approx(figures["simulated_s"], abs=2e-3)
    assert told["metres"] == pytest.approx(sum(figures["distance_m"].values()), abs=4e-3)
    assert told["collisions"] == sum(figures["collisions"].values())
    assert told["overrides"] == figures["overrides"]
    measures = figures["measures"]
    assert told["log_error_n"] == measures["obstacle_distance"]["n"]
    stereo = measures["mono_against_stereo"]
    assert told["caught_stereo"] + told["missed_stereo"] == stereo["positives"]
    assert told["needless_stereo"] + told["free_stereo"] == stereo["negatives"]


def test_run_folder_is_complete(flight):
    run = RunFolder(Path(flight.figures["run"]))
    result = json.loads(run.result.read_text())
    assert result["seed"] == 31
    assert result["timing"]["stereo"]["n"] == len(list(FlightLog(run.log).messages(topics.LABEL)))
    whole = result["timing"]["frame_to_command"]
    assert (whole["n"], whole["share"]) == (result["timing"]["check"]["n"], None)
    assert 0 < whole["p50_ms"] <= whole["p99_ms"]
    assert config.load(run.config) == config.loads(FlightLog(run.log).header.config_toml, "log")
    models = list(FlightLog(run.log).messages(topics.MODEL))
    assert run.model.read_bytes() in [m.onnx for m in models]


def test_hidden_stereo_goes_on_after_the_cut_and_the_pilot_never_sees_it(flight):
    log = FlightLog(flight.run.log)
    late = [t for t in log.messages(topics.TRUTH) if t.stamp_ns > 7_000_000_000]
    assert sum(math.isfinite(t.stereo_obstacle_m) for t in late) > 0.9 * len(late)
    labels = [m for m in log.messages(topics.LABEL) if m.stamp_ns > 6_000_000_000]
    assert labels
    assert not any(m.valid for m in labels)


def test_same_seed_same_flight(flight, tmp_path):
    again = fly(tmp_path)
    differ = {"wall_s", "run"}
    first, second = (
        {k: v for k, v in r.figures.items() if k not in differ} for r in (flight, again)
    )
    assert json.dumps(first) == json.dumps(second)
    assert flight.run.model.read_bytes() == again.run.model.read_bytes()


def test_another_seed_is_another_flight(flight, tmp_path):
    other = fly(tmp_path, "flight.seed=32", "flight.duration_s=5")
    assert other.figures["distance_m"] != flight.figures["distance_m"]


@pytest.mark.parametrize("recompute", [False, True])
def test_every_decision_replays(flight, recompute):
    result = verify(flight.run.log, recompute)
    assert result.mismatches == 0, result.first
    assert result.ticks == len(list(FlightLog(flight.run.log).ticks()))
    assert result.compared_fields > 20 * result.ticks


def test_replay_with_another_setting_differs(flight, tmp_path):
    """Negative control: the comparison does find differences, and names the first."""
    altered = tmp_path / "altered.mcap"
    source = FlightLog(flight.run.log)
    toml = source.header.config_toml.replace("stop_m = 1.0", "stop_m = 1.6")
    with FlightLogWriter(altered, replace(source.header, config_toml=toml)) as out:
        for topic, message in source.records():
            if topic == topics.TICK:
                out.write_tick(message)
            elif not topic.consumed:
                out.write(topic, message)
    result = verify(altered)
    assert result.mismatches > 0
    assert "Decision." in result.first


def test_what_if_nothing_changes_nothing(flight):
    found = what_if(flight.run.log, []).to_dict()
    assert (found["commands_changed"], found["first_change"]) == (0, None)
    assert found["flown"] == found["instead"]
    assert found["ticks"] == len(list(FlightLog(flight.run.log).ticks()))


def test_what_if_another_setting(flight, capsys):
    setting = "pilot.switching.stop_m=1.6"
    found = what_if(flight.run.log, [setting]).to_dict()
    assert found["instead"]["blocked_share"] > found["flown"]["blocked_share"]
    assert found["commands_changed"] > 0
    assert found["first_change"].startswith("tick ")
    assert main(["replay", str(flight.run.path), "--what-if", setting, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("pilot.stereo.matcher=bm", "labels and estimates stay as they were logged"),
        ("flight.seed=3", "expected a setting of pilot.trust"),
        ("pilot.trust.nonsense=3", "nonsense"),
    ],
)
def test_what_if_of_what_decides_nothing_is_refused(flight, setting, match):
    with pytest.raises(UserError, match=match):
        what_if(flight.run.log, [setting])


def _hears_interrupts():
    """A shell starts what runs in its background deaf to Ctrl-C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_ends_cleanly(tmp_path):
    """Ctrl-C in mid-flight: log, result and report are complete up to then."""
    command = [sys.executable, "-m", "drone", "fly", "--seed", "31", "--json", "--runs"]
    process = subprocess.Popen(
        [*command, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hears_interrupts,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if sum(f.stat().st_size for f in tmp_path.glob("*/flight.mcap")) > 300_000:
            break
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    figures = json.loads(out)
    assert figures["interrupted"] is True
    assert 0 < figures["simulated_s"] < 360
    run = RunFolder(Path(figures["run"]))
    log = FlightLog(run.log)
    assert log.damaged is None
    assert [e.detail for e in log.messages(topics.EVENT)][-1] == "interrupted"
    assert run.report.is_file()
    assert run.result.is_file()


def test_a_flight_with_a_log_in_several_files_is_read_as_one(flight, tmp_path, capsys):
    rotated = fly(tmp_path, "flight.duration_s=8", "flight.log_file_mb=0.5")
    log = FlightLog(rotated.run.log)
    assert len(log.files) > 2
    for path in (rotated.run.log, log.files[1]):
        assert main(["replay", str(path), "--verify", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["mismatches"], found["first_gap"]) == (0, None)
    assert verify(rotated.run.log, recompute=True).mismatches == 0
    seen = [t.frame.left.tobytes() for t in FlightLog(flight.run.log).ticks() if t.frame]
    assert [t.frame.left.tobytes() for t in log.ticks() if t.frame] == seen[: 8 * 10 + 1]
    assert main(["report", str(rotated.run.path)]) == 0
    assert main(["runs", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr().out
    (run,) = json.loads(told[told.index("{") :])["runs"]
    assert (run["log_files"], run["damaged"]) == (len(log.files), None)


def test_a_full_disk_never_stops_the_flight(tmp_path, monkeypatch, capsys):
    def full(fd, data, offset):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    command = ["fly", "--seed", "31", "--set", "flight.duration_s=2", "--no-report", "--json"]
    assert main([*command, "--runs", str(tmp_path)]) == 1
    told = capsys.readouterr()
    figures = json.loads(told.out)
    assert figures["simulated_s"] == pytest.approx(2, abs=0.1)
    assert "No space left on device" in figures["log_problem"]
    assert "the log ends here" in told.err
