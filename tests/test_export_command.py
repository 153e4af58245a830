"""`drone export`: the file, its check against torch, and everything that can be wrong."""

import dataclasses
import json
import resource
import shutil

import numpy as np
import onnx
import pytest

from drone import config, topics
from drone.cli import main
from drone.flightlog import FlightLog, FlightLogWriter
from drone.logexport import Wanted, to_mcap
from drone.onboard.mono import MonoNetwork, model_from_bytes
from drone.runfolder import RunFolder
from training.flight import FlightSpec, run_flight
from training.recorded import recorded
from training.tensorfile import file_of_arrays, read_arrays

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    """A run folder of a short flight by stereo."""
    settings = ["flight.duration_s=10", "flight.seed=31", "learner.publish_s=3", "sim.faults=[]"]
    tree = config.load(config.launch_folder() / "room.toml", settings)
    return run_flight(FlightSpec(tree, tmp_path_factory.mktemp("runs"))).run


@pytest.fixture
def run(flown, tmp_path):
    """A copy that a test may spoil."""
    return RunFolder(shutil.copytree(flown.path, tmp_path / "run"))


def export(capsys, *arguments):
    code = main(["export", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, json.loads(out) if out else None, err


def metadata(file):
    return {p.key: p.value for p in onnx.load(file).metadata_props}


def test_the_file_says_what_it_is_and_answers_as_torch(flown, tmp_path, capsys):
    file = tmp_path / "model.onnx"
    code, figures, _ = export(capsys, flown.path, "-o", file)
    assert code == 0
    assert figures["check"]["against"] == "torch"
    assert figures["check"]["frames"] >= 60
    assert figures["check"]["largest_difference"] <= figures["check"]["tolerance"] == 1e-4
    assert figures["bytes"] == file.stat().st_size
    assert figures["int8"] is None
    said = metadata(file)
    assert (said["contract"], said["input"], said["grid"]) == ("drone-mono-1", "128x96", "12x16")
    assert said["calibration"] == FlightLog(flown.log).header.calibration.hash
    assert json.loads(said["training"])["labelled_frames"] > 0
    assert json.loads(said["range"]) == {"near_m": 0.36, "far_m": 8.0}
    assert json.loads(said["camera"])["width"] == 128
    assert json.loads(said["trust"])["held"] is False
    assert "255" in said["normalisation"]
    assert (said["licence"], said["precision"]) == ("Apache-2.0", "float32")
    assert int(said["version"]) == figures["version"]


def test_a_part_in_which_no_version_was_published_has_the_one_that_flew(flown, tmp_path, capsys):
    flying = [m.seq for m in FlightLog(flown.log).messages(topics.MODEL)]
    part = tmp_path / "part.mcap"
    to_mcap(flown.log, part, Wanted((), 9.4))
    assert not list(FlightLog(part).messages(topics.MODEL))
    code, figures, _ = export(capsys, part, "-o", tmp_path / "model.onnx")
    assert (code, figures["version"]) == (0, flying[-1])


def test_its_answers_are_those_of_the_flight(flown, tmp_path, capsys):
    file = tmp_path / "model.onnx"
    export(capsys, flown.path, "-o", file)
    flight = recorded(flown.log)
    network = MonoNetwork(model_from_bytes(file.read_bytes(), "file"), flight.spec)
    answered = [s for s in flight.sights if s.estimate is not None]
    assert answered
    for sight in answered:
        answer = network.estimate(sight.image)
        np.testing.assert_array_equal(answer.inverse_depth, sight.estimate.inverse_depth)


def test_int8_flies_and_its_cost_is_told(flown, tmp_path, capsys):
    file = tmp_path / "small.onnx"
    code, figures, _ = export(capsys, flown.path, "-o", file, "--int8")
    assert code == 0
    int8 = figures["int8"]
    assert int8["bytes"]["value"] == file.stat().st_size
    assert int8["bytes"]["ratio"] < 0.6
    assert int8["depth_male"]["ratio"] < 1.2
    assert int8["time_ms"]["n"] >= 100
    assert metadata(file)["precision"] == "int8"
    flight = ["fly", "--model", file, "--runs", tmp_path / "runs", "--no-report", "--json"]
    settings = ["flight.duration_s=2", "learner.steps_per_frame=0"]
    assert main([*map(str, flight), *(x for s in settings for x in ("--set", s))]) == 0
    capsys.readouterr()
    (again,) = (tmp_path / "runs").iterdir()
    assert RunFolder(again).model.read_bytes() == file.read_bytes()


def test_the_table_is_for_people(flown, tmp_path, capsys):
    assert main(["export", str(flown.path), "-o", str(tmp_path / "m.onnx"), "--int8"]) == 0
    out, _ = capsys.readouterr()
    assert "differs from torch" in out
    assert "What int8 costs and gains" in out


def test_without_torchs_weights_it_says_that_the_check_is_the_lesser_one(run, capsys):
    run.weights.unlink()
    code, figures, _ = export(capsys, run.path, "-o", run.path / "m.onnx")
    assert code == 0
    assert figures["check"]["against"] == "flight"
    assert figures["check"]["largest_difference"] == 0


def test_a_log_by_itself_will_do(run, tmp_path, capsys):
    code, figures, _ = export(capsys, run.log, "-o", tmp_path / "m.onnx")
    assert code == 0
    assert figures["check"]["against"] == "flight"


def test_weights_that_differ_are_found_and_nothing_is_written(run, tmp_path, capsys):
    """Negative control of the check: a hundredth more in one layer does not pass."""
    arrays, facts = read_arrays(run.weights.read_bytes())
    arrays["head.weight"] *= np.float32(1.01)
    run.weights.write_bytes(file_of_arrays(arrays, facts))
    code, _, err = export(capsys, run.path, "-o", tmp_path / "m.onnx")
    assert code == 1
    assert "differs from torch" in err
    assert not (tmp_path / "m.onnx").exists()


def spoil(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


WRONG = {
    "no such run": (lambda r, t: ["nowhere"], 2, "found nothing there"),
    "a recording": (lambda r, t: [pictures(t)], 2, "a recording has no model"),
    "a damaged model": (lambda r, t: spoil(r.model) or [r.path], 2, "is not version"),
    "damaged weights": (
        lambda r, t: r.weights.write_bytes(b"x" * 50) and [r.path],
        2,
        "weights.safetensors: cannot be read",
    ),
    "another's weights": (
        lambda r, t: r.weights.write_bytes(file_of_arrays({}, {})) and [r.path],
        2,
        "is of another model",
    ),
    "a folder as output": (lambda r, t: [r.path, "-o", t], 2, "is a folder"),
    "no folder for it": (lambda r, t: [r.path, "-o", t / "no" / "m.onnx"], 2, "no folder"),
}


def pictures(folder):
    for eye in ("left", "right"):
        (folder / "set" / eye).mkdir(parents=True)
    return folder / "set"


@pytest.mark.parametrize(("spoilt", "code", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(run, tmp_path, monkeypatch, capsys, spoilt, code, says):
    monkeypatch.chdir(tmp_path)
    found, figures, err = export(capsys, *spoilt(run, tmp_path))
    assert (found, figures) == (code, None)
    assert says in err
    assert not (tmp_path / "model.onnx").exists()


def test_a_flight_without_a_model_is_told(tmp_path, capsys):
    tree = config.load(config.launch_folder() / "room.toml", ["flight.duration_s=1"])
    short = run_flight(FlightSpec(tree, tmp_path)).run
    code, _, err = export(capsys, short.path, "-o", tmp_path / "m.onnx")
    assert code == 2
    assert "no model flew in this flight" in err


def test_int8_of_the_papers_learners_is_refused(run, tmp_path, capsys):
    """The same log, whose configuration names another learner."""
    source = FlightLog(run.log)
    toml = source.header.config_toml.replace('kind = "cnn"', 'kind = "texton-knn"')
    altered = tmp_path / "altered.mcap"
    with FlightLogWriter(altered, dataclasses.replace(source.header, config_toml=toml)) as out:
        for topic, message in source.records():
            if topic == topics.TICK:
                out.write_tick(message)
            elif not topic.consumed:
                out.write(topic, message)
    for precision, expected in ((["--int8"], 2), ([], 0)):
        code, _, err = export(capsys, altered, "-o", tmp_path / "m.onnx", *precision)
        assert code == expected
        assert ("--int8 is for the network" in err) is bool(expected)


@pytest.mark.parametrize("precision", [[], ["--int8"]], ids=["float", "int8"])
def test_on_a_full_disk_the_file_before_stays(run, tmp_path, capsys, precision):
    file = tmp_path / "m.onnx"
    file.write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        code, _, err = export(capsys, run.path, "-o", file, *precision)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert "File too large" in err
    assert file.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "run"]
