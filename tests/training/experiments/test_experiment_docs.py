"""docs/experiments.md: its commands are understood, and its example of an own experiment works."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from handmade import row

from drone.commands.experiment import parser
from training.experiments import EXPERIMENTS, experiment_of
from training.experiments.campaign import Campaign, Scope
from training.experiments.flights import configs_of

DOCS = Path(__file__).parents[3] / "docs" / "experiments.md"
OWN = "brightness:EXPERIMENT"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def commands():
    lines = "\n".join(blocks("console") + blocks("sh")).splitlines()
    return [shlex.split(line, comments=True)[2:] for line in lines if "drone experiment" in line]


@pytest.fixture
def example(workdir, monkeypatch):
    (source,) = blocks("python")
    Path("brightness.py").write_text(source, encoding="utf-8")
    yield experiment_of(OWN)
    sys.modules.pop("brightness")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(workdir)])


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_is_understood(arguments, example):
    args = parser().parse_args(arguments)
    for name in args.names:
        if name != "all":
            only = dict(text.split("=") for text in args.only)
            scope = Scope(only={k: tuple(v.split(",")) for k, v in only.items()}, quick=args.quick)
            assert Campaign(experiment_of(name), scope, Path("results"), "v").tasks
    assert args.list or args.names


def test_every_experiment_can_be_asked_for():
    assert len(commands()) >= 7
    for name in EXPERIMENTS:
        assert parser().parse_args([name]).names == [name]


@pytest.mark.usefixtures("workdir")
def test_the_example_plans_flights_and_finds_what_is_in_rows(example):
    tasks = example.tasks(range(2), False)
    assert {dict(t.factors)["light"]: configs_of(t)[0].sim.camera.exposure for t in tasks} == {
        "dim": 0.3,
        "normal": 1.0,
    }
    rows = [
        row(seed, {"light": light}, {"log_error_sum": 600 * error + seed})
        for seed in range(6)
        for light, error in (("dim", 0.3), ("normal", 0.2))
    ]
    findings = example.analyse(rows)
    assert "dim light the log error is 0.304" in findings.meaning[0]
    assert findings.tables[1].rows[0][0] == "dim − normal"
    assert findings.figures["normal"]["male"]["n"] == 6


@pytest.mark.slow
@pytest.mark.sim
def test_the_example_flies(example):
    done = subprocess.run(
        [sys.executable, "-m", "drone", "experiment", OWN, "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["experiments"]["brightness"]["rows"] == 2
    assert Path("results/quick/brightness.md").is_file()
