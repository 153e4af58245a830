"""Two flights and what the second has of the first."""

import json
import shutil

import pytest

from drone import config, topics
from drone.cli import main
from drone.flightlog import FlightLog
from drone.replay import verify
from training.flight import FlightSpec, run_flight
from training.teacher import Start

pytestmark = pytest.mark.sim

SHORT = (
    "flight.duration_s=10",
    "learner.min_frames=10",
    "learner.batch_size=2",
    "learner.publish_s=3",
    "learner.holdout_block_s=1",
    "learner.save_s=4",
)


def fly(runs, start, *overrides):
    tree = config.load(config.launch_folder() / "room.toml", [*SHORT, *overrides])
    return run_flight(FlightSpec(tree, runs, start))


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    """The memory after the first flight, the first, and the second, in the same room."""
    folder = tmp_path_factory.mktemp("flights")
    memory = folder / "memory"
    first = fly(folder / "runs", Start(memory=memory), "flight.seed=31")
    kept = shutil.copytree(memory, folder / "kept")
    second = fly(folder / "runs", Start(memory=memory), "flight.seed=31")
    return kept, first, second


def estimates(flight):
    return list(FlightLog(flight.run.log).messages(topics.MONO))


def test_the_second_flight_flies_the_first_ones_model_from_its_first_frame(flights):
    _, first, second = flights
    models = [list(FlightLog(f.run.log).messages(topics.MODEL)) for f in (first, second)]
    assert models[1][0].onnx == models[0][-1].onnx
    assert models[1][0].seq == models[0][-1].seq
    assert len(estimates(second)) == len(list(FlightLog(second.run.log).frames()))
    assert len(estimates(first)) < len(list(FlightLog(first.run.log).frames()))


def test_the_figures_say_what_was_kept(flights):
    _, first, second = flights
    assert first.figures["memory"]["from"] is None
    assert second.figures["memory"]["from"] == first.figures["memory"]["saved"] == 3
    assert second.figures["memory"]["saved"] == 6, "every 4 s and at the end"
    assert second.figures["memory"]["problem"] is None


def test_the_log_says_that_it_goes_on(flights):
    _, first, second = flights
    events = [
        [e.detail for e in FlightLog(f.run.log).messages(topics.EVENT) if e.kind == "memory"]
        for f in (first, second)
    ]
    assert events[0] == []
    assert events[1][0].startswith("goes on from version ")


def test_trust_begins_where_it_was(flights):
    """From the first frame on, the figures are those of the frames held out in the flight before;
    and the first flight, which had none, has none."""
    first, second = (
        next(iter(FlightLog(f.run.log).messages(topics.DECISION))).trust for f in flights[1:]
    )
    assert first.positives + first.negatives == 0
    assert second.positives + second.negatives > 10
    assert second.episodes > 0
    assert not second.held, "nothing is earned before it has stood for a while"


@pytest.mark.parametrize("recompute", [False, True])
def test_its_decisions_replay(flights, recompute):
    result = verify(flights[2].run.log, recompute)
    assert result.mismatches == 0, result.first


def test_the_same_memory_and_seed_give_the_same_flight(flights, tmp_path):
    kept, _, second = flights
    again = fly(tmp_path, Start(memory=shutil.copytree(kept, tmp_path / "kept")), "flight.seed=31")
    differ = {"wall_s", "run"}
    figures = [
        {k: v for k, v in flight.figures.items() if k not in differ} for flight in (second, again)
    ]
    assert json.dumps(figures[0]) == json.dumps(figures[1])
    assert second.run.model.read_bytes() == again.run.model.read_bytes()


def test_another_camera_is_refused_and_leaves_nothing(flights, tmp_path, capsys):
    runs = tmp_path / "runs"
    arguments = ["fly", "--memory", str(flights[0]), "--runs", str(runs), "--json"]
    code = main([*arguments, "--set", "sim.camera.hfov_deg=80", "--set", "flight.duration_s=3"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "this memory is of calibration" in err
    assert not runs.exists()


def test_a_model_of_a_flight_flies_by_itself(flights, tmp_path, capsys):
    _, first, _ = flights
    arguments = ["fly", "--model", str(first.run.model), "--runs", str(tmp_path), "--no-report"]
    code = main([*arguments, "--set", "learner.steps_per_frame=0", "--set", "flight.duration_s=3"])
    capsys.readouterr()
    assert code == 0
    (run,) = tmp_path.iterdir()
    assert (run / "model.onnx").read_bytes() == first.run.model.read_bytes()
    assert {m.version for m in FlightLog(run / "flight.mcap").messages(topics.MONO)} == {
        estimates(first)[-1].version
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--memory", "a", "--model", "b"], "exclude each other"),
        (["--memory", "a", "--seeds", "0-1"], "one flight after the other"),
        (["--model", "missing.onnx"], "missing.onnx: cannot be read: No such file"),
        (["--model", __file__], "not a loadable ONNX model"),
    ],
)
def test_wrong_use_is_told(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    code = main(["fly", *arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()
