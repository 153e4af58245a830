"""The local engine: every row once, whatever becomes of the processes that make them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import ownexperiment
import pytest

from drone.errors import WorkFailedError
from training.experiments import experiment_of
from training.experiments.campaign import Campaign, Scope
from training.experiments.engine import TRIES, attempt, local

pytestmark = pytest.mark.usefixtures("workdir")


def campaign(seeds=range(2)):
    experiment = experiment_of(ownexperiment.WHERE)
    return Campaign(experiment, Scope(seeds), Path("results/own"), "aaaa")


def order(task, *words):
    Path(task).write_text("\n".join(words))


def ran():
    path = ownexperiment.RAN
    return Counter(path.read_text().split()) if path.exists() else Counter()


ALL = Counter({"red-0": 1, "blue-0": 1, "red-1": 1, "blue-1": 1})


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_done_once_whoever_does_it(workers):
    c = campaign()
    seen = []
    c.run(local(workers), seen.append)
    assert ran() == ALL
    assert len(seen) == 4
    assert c.left == []
    again = campaign()
    assert [r._replace(cpu_s=0.0) for r in again.rows] == [r._replace(cpu_s=0.0) for r in c.rows]
    assert [r.figures for r in c.rows] == [
        {**ownexperiment.run(task), "pair": [task.seed, 1]} for task in c.tasks
    ]


def test_nothing_to_do_starts_nothing():
    assert list(local(2)([], "aaaa")) == []


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_the_task_of_a_worker_that_dies_runs_again_and_no_other_does(how):
    order("red-0", how, how)
    c = campaign()
    c.run(local(2))
    assert ran() == ALL
    assert c.left == []


def test_what_kills_its_worker_each_time_is_given_up_and_the_rest_is_kept():
    order("blue-0", *["exit"] * 9)
    c = campaign()
    with pytest.raises(
        WorkFailedError,
        match=r"1 of 4 tasks failed; the first: seed 0 \(colour blue\): its process died 3 times "
        r"\(exit code 3\), which looks like too little memory",
    ):
        c.run(local(2))
    assert ran() == ALL - Counter({"blue-0": 1})
    assert Path("blue-0").read_text().count("exit") == 9 - TRIES
    assert [dict(t.factors)["colour"] for t in campaign().left] == ["blue"]


@pytest.mark.parametrize(
    ("word", "said", "trace"),
    [
        ("fail", "ZeroDivisionError: of all things", "ownexperiment.py"),
        ("refuse", "this cannot be flown", ""),
        ("nan", "not plain JSON .*unknown is None, not NaN", ""),
    ],
)
def test_a_task_that_fails_stops_no_other(capfd, word, said, trace):
    order("red-0", word)
    c = campaign()
    with pytest.raises(WorkFailedError, match=rf"1 of 4 .*seed 0 \(colour red\): .*{said}"):
        c.run(local(1))
    assert len(c.left) == 1
    err = capfd.readouterr().err
    assert trace in err
    assert ("Traceback" in err) == bool(trace), "where the code is right, it is not shown"
    c.run(local(1))
    assert c.left == [], "it is tried again when asked to"


def test_where_everything_fails_not_everything_is_tried(capfd):
    for seed in range(10):
        order(f"red-{seed}", "fail")
        order(f"blue-{seed}", "fail")
    with pytest.raises(WorkFailedError, match="3 of 3 tasks failed"):
        campaign(range(10)).run(local(1))
    assert capfd.readouterr().err.count("Traceback") == 3


def test_a_few_failures_among_many_rows_stop_nothing(capfd):
    for seed in range(3):
        order(f"red-{2 * seed + 1}", "refuse")
    c = campaign(range(7))
    with pytest.raises(WorkFailedError, match="3 of 14 tasks failed"):
        c.run(local(1))
    assert len(c.rows) == 11


def test_whoever_takes_no_more_rows_ends_the_work():
    """As Ctrl-C does, and a disk that is full."""
    order("blue-0", "wait")
    rows = local(2)(campaign().tasks, "aaaa")
    assert next(rows).seed == 0
    children = multiprocessing.active_children()
    assert len(children) == 2
    rows.close()
    assert not any(child.is_alive() for child in children)


def test_what_workers_leave_on_the_disk_goes_with_them(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(Path.cwd()))
    order("red-0", "kill")
    campaign().run(local(2))
    assert not list(Path.cwd().glob("drone-experiment-*"))


def test_an_attempt_here_is_the_same_as_there():
    c = campaign()
    c.run(local(1))
    for task, row in zip(c.tasks, c.rows, strict=True):
        assert attempt(task, "aaaa")._replace(cpu_s=0.0) == row._replace(cpu_s=0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_command_ends_its_workers_do(number):
    order("red-0", "wait")
    order("blue-0", "wait")
    with started(1) as process:
        pids = [waiting(f"{colour}-0") for colour in ownexperiment.COLOURS]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == (1 if number == signal.SIGINT else -number)
    assert "Traceback" not in err
    assert out == ""
    for pid in pids:
        gone(pid)


def started(seeds):
    here = Path(ownexperiment.__file__).parent
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "drone", "experiment", ownexperiment.WHERE),
            *("--seeds", f"0-{seeds - 1}", "--workers", "2", "--json"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)])},
        start_new_session=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c():
    """Who was started in the background by a shell is deaf to it, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(done, within_s=60.0):
    """Look now and then until something holds."""
    pause = threading.Event()
    for _ in range(round(within_s / 0.05)):
        if done():
            return
        pause.wait(0.05)
    raise AssertionError("it never came to that")


def waiting(task):
    """Return the process in which a task waits."""
    path = Path(f"{task}.waits")
    until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def gone(pid):
    until(
        lambda: (
            not Path(f"/proc/{pid}").exists() or "Z (" in Path(f"/proc/{pid}/status").read_text()
        )
    )


def test_killed_and_started_again_it_goes_on_with_the_same_numbers():
    order("red-1", "wait")
    with started(3) as process:
        pid = waiting("red-1")
        process.kill()
        process.communicate(timeout=60)
    gone(pid)
    before = ran()
    assert 0 < sum(before.values()) < 6
    kept = {f"{row.factors['colour']}-{row.seed}" for row in campaign_of_command().rows}
    with started(3) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"own: {len(kept)} of 6 tasks done" in err
    # What came to its end just before the kill, and had no row yet, runs again; what had, does not.
    again = {task: (task not in kept) + before[task] for task in ran()}
    assert len(kept) >= sum(before.values()) - 2, "no more than the workers had in hand is lost"
    assert ran() == again
    assert figures(campaign_of_command()) == [
        {**ownexperiment.run(task), "pair": [task.seed, 1]} for task in campaign_of_command().tasks
    ]


def campaign_of_command():
    return Campaign(experiment_of(ownexperiment.WHERE), Scope(range(3)), Path("results/own"))


def figures(c):
    return [row.figures for row in c.rows]
