"""Which code made a result: what counts, and what does not."""

import functools
import importlib
import sys

import pytest

from training.experiments import EXPERIMENTS, experiment_of
from training.experiments.codeversion import code_version, counted

RUN = '''"""Docstring."""
import math
from training.textons import PATCH_PX
import measure

NEAR_M = 1.0


def run(task):
    """Return a distance."""
    return {"near_m": NEAR_M * _twice(measure.LENGTH_M)}


def _twice(x):
    return 2 * x


def analyse(rows):
    """Say so."""
    task = len(rows)
    return f"{task} of them"
'''
MEASURE = """LENGTH_M = 3.0


def late():
    import lazy

    return lazy.X
"""
LAZY = "X = 1\n"


@pytest.fixture
def version(tmp_path, monkeypatch):
    """Return the version of `wall.run` after some files were changed, in a module made anew."""
    monkeypatch.syspath_prepend(tmp_path)
    files = {"wall": RUN, "measure": MEASURE, "lazy": LAZY}

    def made(**changes):
        for name, text in {**files, **changes}.items():
            (tmp_path / f"{name}.py").write_text(text)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            wall = importlib.import_module("wall")
        finally:
            sys.dont_write_bytecode = before
        return code_version(wall.run)

    yield made
    for name in files:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import math", "import math  # of a circle"),
        ('"""Docstring."""', '"""Another."""'),
        ('"""Return a distance."""', '"""Return nothing much."""'),
        ("return 2 * x", "return (\n        2 * x\n    )"),
        ('f"{task} of them"', 'f"{task} flights"'),
    ],
)
def test_what_changes_no_result_changes_no_version(version, before, after):
    assert before in RUN
    assert version(wall=RUN.replace(before, after)) == version()


@pytest.mark.parametrize(
    ("name", "text", "before", "after"),
    [
        ("wall", RUN, "NEAR_M = 1.0", "NEAR_M = 1.1"),
        ("wall", RUN, "2 * x", "3 * x"),
        ("wall", RUN, '{"near_m"', '{"far_m"'),
        ("measure", MEASURE, "3.0", "3.5"),
        ("lazy", LAZY, "1", "2"),
    ],
)
def test_what_may_change_a_result_changes_the_version(version, name, text, before, after):
    """In the function, in what it calls, in what it imports, and in what that imports late."""
    assert version(**{name: text.replace(before, after)}) != version()


def test_only_what_is_reached_counts(version):
    version()
    found = counted(sys.modules["wall"].run)
    assert {"wall:run", "measure", "lazy"} <= set(found)
    assert "training.textons" not in found, "it is imported, but not used by run"
    assert "analyse" not in found["wall:run"]


def test_what_a_function_is_given_counts_too(version):
    version()
    wall, measure = sys.modules["wall"], importlib.import_module("measure")
    given = functools.partial(wall.run, more=measure.late)
    assert {"wall:run", "measure:late", "lazy"} <= set(counted(given))


def test_flights_rest_on_pilot_learner_simulator_and_score():
    found = counted(experiment_of("strategies").run)
    learners = {"training.learners", "training.online", "training.textonlearner"}
    flown = {"drone.onboard.stereo", "drone.config.pilot", "drone.sim.world", "drone.logscore"}
    assert flown | learners <= set(found)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_only_shows_results_counts_in_no_experiment(name):
    found = counted(experiment_of(name).run)
    shown = ("page", "campaign", "charts", "arms", "statistics", "perseed")
    assert not {f"training.experiments.{name}" for name in shown} & set(found)
