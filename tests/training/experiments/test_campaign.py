"""What an experiment has to do, what is done, and what the rest costs."""

from dataclasses import replace
from pathlib import Path

import ownexperiment
import pytest

from drone.errors import UserError
from training.experiments import EXPERIMENTS, experiment_of
from training.experiments.campaign import Campaign, Scope, versions_in
from training.experiments.engine import attempt

pytestmark = pytest.mark.usefixtures("workdir")
FOLDER = Path("results/own")


def campaign(scope=Scope(), version="aaaa", **changes):  # noqa: B008
    return Campaign(replace(experiment_of(ownexperiment.WHERE), **changes), scope, FOLDER, version)


def here(most=None, cpu_s=None):
    """An engine without processes, that does so many tasks and no more."""

    def engine(tasks, version):
        for task in tasks[:most]:
            row = attempt(task, version)
            colour = row.factors["colour"]
            yield row if cpu_s is None else row._replace(cpu_s=cpu_s[colour])

    return engine


def labels(tasks):
    return [f"{dict(t.factors)['colour']}-{t.seed}" for t in tasks]


def test_tasks_are_those_of_the_experiment():
    assert labels(campaign().tasks) == ["red-0", "blue-0", "red-1", "blue-1", "red-2", "blue-2"]
    assert labels(campaign(Scope(quick=True)).tasks) == ["red-0", "blue-0"]
    assert labels(campaign(Scope(range(7, 9))).tasks) == ["red-7", "blue-7", "red-8", "blue-8"]
    assert labels(campaign(Scope(only={"colour": ("blue",)})).tasks) == [
        "blue-0",
        "blue-1",
        "blue-2",
    ]


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"size": ("big",)}, r"own has no factor 'size'; its factors: colour"),
        ({"colour": ("green",)}, r"colour has no level 'green'; there are: red, blue"),
        ({"colour": ("red", "green")}, r"no level 'green'"),
        ({"colour": ()}, r"no arm has these levels together"),
    ],
)
def test_unknown_factors_and_levels_are_refused_with_those_there_are(only, said):
    with pytest.raises(UserError, match=said):
        campaign(Scope(only=only))


def test_levels_that_no_arm_has_together_are_refused():
    scope = Scope(only={"learner": ("cnn",), "strategy": ("stereo_only",)})
    with pytest.raises(UserError, match="no arm has these levels together"):
        Campaign(experiment_of("strategies"), scope, FOLDER, "aaaa")


def test_an_experiment_without_tasks_is_refused():
    with pytest.raises(UserError, match="nothing to run for these seeds"):
        campaign(tasks=lambda seeds, quick: [])


def test_only_what_is_left_is_run():
    campaign().run(here(most=2))
    again = campaign()
    assert labels(again.left) == ["red-1", "blue-1", "red-2", "blue-2"]
    again.run(here())
    assert campaign().left == []
    assert sorted(ownexperiment.RAN.read_text().split()) == sorted(labels(again.tasks))


def test_a_part_of_it_counts_for_the_whole():
    campaign(Scope(only={"colour": ("red",)})).run(here())
    assert labels(campaign().left) == ["blue-0", "blue-1", "blue-2"]


def test_rows_come_in_the_order_of_tasks_whatever_came_first():
    c = campaign()
    c.run(lambda tasks, version: here()(list(reversed(tasks)), version))
    assert [(r.factors["colour"], r.seed) for r in c.rows] == [
        (dict(t.factors)["colour"], t.seed) for t in c.tasks
    ]


def test_rows_of_other_code_do_not_count():
    campaign().run(here())
    newer = campaign(version="bbbb")
    assert newer.rows == []
    assert len(newer.store.foreign["aaaa"]) == 6
    newer.run(here(most=1))
    assert len(newer.rows) == 1
    assert len(campaign().rows) == 6, "they were set aside, not lost"


def test_rows_of_other_settings_do_not_count():
    campaign().run(here())

    def brighter(seeds, quick):
        return [t._replace(configs=("x = 9",)) for t in ownexperiment.tasks(seeds, quick)]

    changed = campaign(tasks=brighter)
    assert changed.rows == []
    assert len(changed.left) == 6


def test_cost_is_told_by_what_was_timed():
    assert campaign().cost_s() == 6 * 30.0
    assert campaign(Scope(quick=True)).cost_s() == 2 * 6.0
    c = campaign()
    c.run(here(most=2, cpu_s={"red": 10.0, "blue": 50.0}))
    assert c.cost_s() == 2 * 10.0 + 2 * 50.0
    only_red = campaign(version="bbbb")
    only_red.run(here(most=1, cpu_s={"red": 10.0, "blue": 50.0}))
    assert only_red.cost_s() == 5 * 10.0, "an arm that was not timed is as the others"


def test_the_version_with_the_most_rows_comes_first():
    assert versions_in(FOLDER) == []
    campaign().run(here(most=3))
    campaign(version="bbbb").run(here(most=1))
    assert versions_in(FOLDER) == ["bbbb"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("strategy", f"no experiment 'strategy'; there are: {', '.join(EXPERIMENTS)}; or your own"),
        ("nowhere:EXPERIMENT", "No module named 'nowhere'; expected module:ATTRIBUTE"),
        (":EXPERIMENT", "expected module:ATTRIBUTE"),
        ("ownexperiment:NOTHING", "has no experiment 'NOTHING'; it has: EXPERIMENT"),
        ("ownexperiment:WHERE", "has no experiment 'WHERE'"),
    ],
)
def test_an_unknown_experiment_is_refused_with_those_there_are(name, said):
    with pytest.raises(UserError, match=said):
        experiment_of(name)


@pytest.mark.parametrize("name", ["strategies", "../else", "a b", ""])
def test_an_own_experiment_needs_a_name_of_its_own(monkeypatch, name):
    monkeypatch.setattr(ownexperiment, "EXPERIMENT", replace(ownexperiment.EXPERIMENT, name=name))
    with pytest.raises(UserError, match="is taken, or no name of a folder"):
        experiment_of(ownexperiment.WHERE)


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("quick", [False, True])
def test_every_experiment_plans_tasks_that_differ(name, quick):
    c = Campaign(experiment_of(name), Scope(quick=quick), FOLDER, "aaaa")
    keys = [t.key("aaaa") for t in c.tasks]
    assert len(set(keys)) == len(keys) > 0
    for task in c.tasks:
        factors = c.experiment.factors
        assert [f for f, _ in task.factors] == list(factors)
        assert all(level in factors[f] for f, level in task.factors)
