"""The same tasks on a Ray cluster of two node processes: the same rows, and none is lost."""

import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import ownexperiment
import pytest

from drone.errors import DroneError, UserError, WorkFailedError
from training.experiments import experiment_of
from training.experiments.campaign import Campaign, Scope
from training.experiments.engine import local

pytest.importorskip("ray", reason="needs the extra `cluster`")
from training.experiments import ray_engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # those are Ray's own
    pytest.mark.usefixtures("workdir"),
]


@pytest.fixture
def importable(monkeypatch):
    """Every process of Ray finds what this one can import."""
    here = Path(ownexperiment.__file__).parent
    path = [str(here), *(folder or str(Path(__file__).parents[3]) for folder in sys.path)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


@pytest.fixture
def nodes(workdir, importable):
    """A cluster of a head that does nothing and two nodes of one core each, in the folder."""
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves processes to be found by the collector
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes(120)
        yield cluster
        cluster.shutdown()
        del cluster
        gc.collect()


def campaign(folder, seeds=range(2), version=None):
    experiment = experiment_of(ownexperiment.WHERE)
    return Campaign(experiment, Scope(seeds), Path(folder), version)


def figures(c):
    return [(row.factors, row.seed, row.figures) for row in c.rows]


def until(done, within_s=120.0):
    pause = threading.Event()
    for _ in range(round(within_s / 0.1)):
        if done():
            return
        pause.wait(0.1)
    raise AssertionError("it never came to that")


def in_background(c, address):
    """Run a campaign; return what ends when it has."""
    problems = []

    def run():
        try:
            c.run(ray_engine.cluster(address))
        except DroneError as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, problems


def waiting(task):
    path = Path(f"{task}.waits")
    until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def parent_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("PPid")))


def test_its_rows_are_those_of_the_local_engine(nodes):
    here, there = campaign("here"), campaign("there")
    here.run(local(2))
    there.run(ray_engine.cluster(nodes.address))
    assert figures(there) == figures(here)
    assert len(figures(there)) == 4


def test_a_worker_that_is_killed_loses_nothing(nodes):
    Path("red-0").write_text("wait\n")
    c = campaign("there")
    thread, problems = in_background(c, nodes.address)
    os.kill(waiting("red-0"), signal.SIGKILL)
    thread.join(120)
    assert not problems
    assert c.left == []
    assert set(Counter(ownexperiment.RAN.read_text().split()).values()) == {1}


def test_what_kills_its_worker_each_time_is_given_up(nodes):
    Path("red-0").write_text("kill\n" * 9)
    c = campaign("there")
    with pytest.raises(WorkFailedError, match=r"1 of 4 tasks .*\(colour red\): its process died 3"):
        c.run(ray_engine.cluster(nodes.address))
    assert len(c.left) == 1


def test_a_node_that_cannot_load_a_task_is_told_of():
    """Own experiments have to be installed on every node, or lie in the folder of the command."""
    with pytest.raises(WorkFailedError, match=r"a node cannot load the task .*ownexperiment"):
        campaign("there", range(1)).run(ray_engine.cluster(None, 1))


def test_a_node_with_other_code_makes_no_rows(nodes):
    c = campaign("there", range(2), "0123456789ab")
    with pytest.raises(WorkFailedError, match=r"a node has other code .*0123456789ab"):
        c.run(ray_engine.cluster(nodes.address))
    assert c.rows == []


def test_a_node_that_is_lost_loses_nothing(nodes):
    Path("red-0").write_text("wait\n")
    c = campaign("there")
    thread, problems = in_background(c, nodes.address)
    raylet = parent_of(waiting("red-0"))
    lost = next(
        node
        for node in nodes.worker_nodes
        if any(p.process.pid == raylet for p in node.all_processes["raylet"])
    )
    nodes.remove_node(lost, allow_graceful=False)
    thread.join(180)
    assert not problems
    assert c.left == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "here", "ray://127.0.0.1:1", "127.0.0.1:70000"])
def test_no_cluster_at_an_address_is_said(address):
    with pytest.raises(UserError, match=f"--address {address}: no Ray cluster answers there"):
        list(ray_engine.cluster(address)(campaign("there").tasks, "x"))


def test_a_cluster_of_its_own(importable):
    c = campaign("there", range(1))
    c.run(ray_engine.cluster(None, 1))
    assert c.left == []


@pytest.mark.skipif(
    os.getloadavg()[0] > 1.5, reason="something else runs here: times would say nothing"
)
def test_two_workers_finish_sooner_than_one(record_property):
    """Start-up aside: the clock starts when each worker has flown once."""
    tasks = Campaign(experiment_of("strategies"), Scope(quick=True), Path("there")).tasks

    def seconds(workers):
        c = Campaign(experiment_of("strategies"), Scope(range(workers), quick=True), Path("x"))
        first = [task for task in c.tasks if task.factors == tasks[0].factors]
        rows = ray_engine.cluster(None, workers)([*first, *tasks], c.version)
        for _ in first:
            next(rows)
        started_s = time.perf_counter()
        list(rows)
        return time.perf_counter() - started_s

    ratio = seconds(1) / seconds(2)
    record_property("times_as_fast", round(ratio, 2))
    assert ratio >= 1.6
