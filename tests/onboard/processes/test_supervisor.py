"""The supervisor: what it starts anew, and when; and real processes that die, hang and end."""

import io
import os
import signal
import socket
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from drone.config.onboard import ProcessConfig, ProcessesConfig
from drone.onboard.processes.shell import Shell, settle
from drone.onboard.processes.supervisor import (
    END_S,
    ENDS,
    FIRST_S,
    Child,
    Supervisor,
    Watchdog,
    _say,
    argv_of,
    ended,
    is_silent,
    started,
)
from drone.onboard.processes.usage import Usage, cpu_s_of, memory_mb_of, used
from drone.wire import ALIVE, Alive

CONFIG = ProcessesConfig(back_off_s=0.2, back_off_most_s=1.0, settled_s=10.0, silent_s=5.0)

SPEAKS = """
import sys, time
from pathlib import Path
from drone.onboard.processes.shell import Shell
with Shell(sys.argv[1], Path(sys.argv[2]), time.monotonic_ns) as shell:
    while not shell.ending:
        shell.alive("well")
        time.sleep(0.02)
print("ended by itself", flush=True)
"""
HANGS = "import time; time.sleep(600)"
OBEYS = """
import pathlib, signal, sys, time
role, folder = sys.argv[1], pathlib.Path(sys.argv[2])
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, (lambda *_: sys.exit(0)) if role == "link" else signal.SIG_IGN)
(folder / f"{role}.there").touch()
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _a_terminal():
    """Signals are heard as from a terminal, also where the tests run with some ignored (nohup)."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler or signal.SIG_DFL)


def test_it_waits_twice_as_long_after_each_early_end_up_to_a_limit():
    child, waits = Child(), []
    for n in range(5):
        child = ended(started(child, float(n)), float(n) + 0.1, CONFIG)
        waits.append(child.back_off_s)
        assert child.due_s == pytest.approx(n + 0.1 + child.back_off_s)
    assert waits == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_process_that_ran_long_begins_with_the_first_wait_again():
    child = ended(Child(back_off_s=1.0, started_s=0.0, running=True), 10.0, CONFIG)
    assert child.back_off_s == 0.2


@pytest.mark.parametrize(
    ("child", "now_s", "silent"),
    [
        (Child(running=True, started_s=0.0), FIRST_S - 1, False),
        (Child(running=True, started_s=0.0), FIRST_S + 1, True),
        (Child(running=True, started_s=0.0, heard_s=50.0), 54.9, False),
        (Child(running=True, started_s=0.0, heard_s=50.0), 55.1, True),
        (Child(running=False, heard_s=0.0), 100.0, False),
    ],
)
def test_silence_counts_from_the_last_word(child, now_s, silent):
    assert is_silent(child, now_s, CONFIG) is silent


def supervisor(tmp_path, script, config=CONFIG, roles=("pilot",)):
    said = []
    return Supervisor(
        tmp_path,
        roles,
        config,
        argv=lambda role, folder: [sys.executable, "-c", script, role, str(folder)],
        say=said.append,
    ), said


def until(holds, supervisor, most_s=20.0):
    end_s = time.monotonic() + most_s
    while time.monotonic() < end_s:
        supervisor.turn(time.monotonic())
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("did not come about")


def test_a_process_that_is_killed_is_started_anew_and_heard(tmp_path):
    flying, said = supervisor(tmp_path, SPEAKS)
    try:
        until(lambda: flying.details.get("pilot") == "well", flying)
        first = flying.pids["pilot"]
        flying.details.clear()
        os.kill(first, signal.SIGKILL)
        until(lambda: flying.details.get("pilot") == "well", flying)
        assert flying.pids["pilot"] != first
        assert flying.starts == {"pilot": 2}
        assert said[0].startswith("drone onboard: pilot ended (killed by SIGKILL); starts anew")
    finally:
        flying.close()


def test_a_process_that_says_nothing_is_killed(tmp_path):
    flying, said = supervisor(tmp_path, HANGS)
    try:
        flying.turn(time.monotonic())
        pid = flying.pids["pilot"]
        flying.turn(time.monotonic() + FIRST_S + 1)
        until(lambda: flying.pids.get("pilot") not in (None, pid), flying)
        assert said[0] == "drone onboard: pilot says nothing, and is killed"
    finally:
        flying.close()


def test_at_the_end_the_link_is_told_last(tmp_path):
    flying, _ = supervisor(tmp_path, SPEAKS, roles=("pilot", "link"))
    until(lambda: len(flying.details) == 2, flying)
    link = flying._processes["link"]
    pilot = flying._processes["pilot"]
    flying.close()
    assert (pilot.returncode, link.returncode) == (0, 0)
    assert list(flying._children) == ["link", "pilot"]


def test_a_lost_terminal_ends_all_in_order(tmp_path):
    flying, _ = supervisor(tmp_path, SPEAKS, roles=("pilot", "link"))
    processes = {}

    def on_turn(_):
        if len(flying.details) == 2 and not processes:
            processes.update(flying._processes)
            for pid in (*flying.pids.values(), os.getpid()):  # all of the group hear it
                os.kill(pid, signal.SIGHUP)
        return True

    flying.run(on_turn)
    assert {role: p.returncode for role, p in processes.items()} == {"link": 0, "pilot": 0}
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_hurries_and_the_link_is_told_all_the_same(tmp_path, again):
    flying, said = supervisor(tmp_path, OBEYS, roles=("pilot", "link"))
    processes = {}
    hurry = threading.Timer(0.2, os.kill, (os.getpid(), again))

    def on_turn(_):
        if all((tmp_path / f"{role}.there").exists() for role in ("pilot", "link")):
            processes.update(flying._processes)
            os.kill(os.getpid(), signal.SIGINT)
            hurry.start()
        return True

    begun_s = time.monotonic()
    flying.run(on_turn)
    hurry.join()
    assert time.monotonic() - begun_s < END_S
    assert processes["pilot"].returncode == -signal.SIGKILL
    assert processes["link"].returncode == 0
    assert said == ["drone onboard: pilot does not end, and is killed"]


def test_a_terminal_that_is_told_lost_twice_hurries_nobody(tmp_path):
    flying, _ = supervisor(tmp_path, HANGS)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
        flying._end(number, None)
    assert flying.ending
    assert not flying._hurries
    flying._end(signal.SIGINT, None)
    flying._end(signal.SIGHUP, None)
    assert flying._hurries
    flying.close()


def test_what_nobody_hears_is_said_without_harm(monkeypatch):
    class Gone(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    gone = Gone()
    monkeypatch.setattr(sys, "stderr", gone)
    _say("drone onboard: the connection is gone")
    assert gone.getvalue() == "drone onboard: the connection is gone\n"


def test_a_process_that_cannot_be_started_is_tried_again_like_one_that_ended(tmp_path):
    said = []
    argv = lambda role, folder: ["/nowhere/python"]  # noqa: E731
    flying = Supervisor(tmp_path, ("pilot",), CONFIG, argv=argv, say=said.append)
    for now_s in (100.0, 100.1, 100.3, 100.5, 100.7):
        flying.turn(now_s)
    flying.close()
    assert said == [
        "drone onboard: pilot cannot be started (No such file or directory); tried anew in 0.2 s",
        "drone onboard: pilot cannot be started (No such file or directory); tried anew in 0.4 s",
        "drone onboard: pilot cannot be started (No such file or directory); tried anew in 0.8 s",
    ]
    assert flying.starts == {"pilot": 0}


def test_isolated_it_starts_isolated_ones(monkeypatch, tmp_path):
    assert argv_of("link", tmp_path)[1:3] == ["-m", "drone.onboard.processes"]
    monkeypatch.setattr(sys, "flags", SimpleNamespace(isolated=1))
    assert argv_of("link", tmp_path)[1:4] == ["-I", "-m", "drone.onboard.processes"]


def test_systemd_hears_ready_once_all_that_a_flight_needs_has_begun(tmp_path, monkeypatch):
    told, heard = [], []

    class Ears:
        def __init__(self, folder, wanted):
            (self.role,) = wanted

        def receive(self, timeout_s):
            return [(ALIVE, Alive(1, 0, True, ""))] if self.role in heard else []

        def close(self):
            pass

    monkeypatch.setattr("drone.onboard.processes.supervisor.Subscriber", Ears)
    monkeypatch.setattr(Watchdog, "tell", lambda _, state: told.append(state))
    flying, _ = supervisor(tmp_path, HANGS, roles=("pilot", "link", "web"))
    for heard[:] in ([], ["pilot"], ["link"], ["pilot", "link"]):
        flying.turn(time.monotonic())
        flying._tell()
    flying.close()
    assert told == [*["WATCHDOG=1"] * 2, "READY=1", *["WATCHDOG=1"] * 2, "STOPPING=1"]


def test_a_process_knows_that_its_supervisor_is_gone(tmp_path, monkeypatch):
    shell = Shell("link", tmp_path, time.monotonic_ns)
    with closing(shell.voice):
        assert not shell.orphaned
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert shell.orphaned


def test_systemd_is_told(tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(str(path))
        Watchdog(str(path)).tell("READY=1")
        assert ears.recv(100) == b"READY=1"
    Watchdog(str(path)).tell("WATCHDOG=1")  # nobody listens any more: no harm
    Watchdog("").tell("READY=1")


def test_cores_that_are_not_there_are_left_out_and_said(monkeypatch):
    chosen = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: chosen.append(cores))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(os, "setpriority", lambda *given: chosen.append(given))
    assert settle(ProcessConfig(cores=(1, 7)), dies_with_parent=False) == []
    assert chosen == [{1}]
    (note,) = settle(ProcessConfig(cores=(7,)), dies_with_parent=False)
    assert "none of the cores [7]" in note
    assert settle(ProcessConfig(nice=3), dies_with_parent=False) == []
    assert chosen[-1] == (os.PRIO_PROCESS, 0, 3)


def test_what_a_process_costs_is_measured():
    spent_s = time.process_time()
    while time.process_time() - spent_s < 0.2:
        pass
    assert cpu_s_of(os.getpid()) >= 0.2
    assert 10 < memory_mb_of(os.getpid()) < 10_000
    assert (cpu_s_of(2**22 + 1), memory_mb_of(2**22 + 1)) == (0.0, 0.0)
    usage = used(used(Usage(), 1.0, 2.0, 50.0), 1.0, 2.0, 40.0)
    assert usage.to_dict() == {"core_share": 0.5, "memory_mb": 50.0}
