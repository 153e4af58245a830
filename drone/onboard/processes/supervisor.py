"""Starts the processes of a vehicle, watches them, starts anew what ended.

    absent ─ start ─► running ─ ended, or silent and killed ─► waiting ─ back-off over ─► running
                                                                 (doubles with each that fails soon)

What a process says on standard error goes where the supervisor's goes. Ctrl-C, SIGTERM and a lost
terminal end all in order, the link last; a second time hurries, and kills the others that are slow.
The link is always told to end; killed is only one that hangs, which sends nothing any more. It
outlives a supervisor that is killed. All others die with it, so that the link sees silence and
brings the vehicle down.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from drone.bus import Subscriber
from drone.config.onboard import ProcessesConfig
from drone.onboard.processes.usage import Usage, cpu_s_of, memory_mb_of, used
from drone.wire import ALIVE

FIRST_S = 30.0
"""A process that has said nothing yet may take so long to begin: torch takes seconds to import."""
END_S = 5.0
TRAINER_END_S = 60.0
"""It saves its memory."""
POLL_S = 0.1
END_POLL_S = 0.02
HURRIED_S = 1.0
"""So long a process has to end where a second signal hurries."""
USAGE_S = 2.0
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What tells the supervisor to end."""
BEGUN_S = 5.0
"""What a process takes to begin is none of what it takes to go on."""
ORDER = ("link", "pilot", "recorder", "camera", "trainer", "web")
"""They start in this order, and end in the other."""
NEEDED = frozenset(("link", "pilot", "recorder", "camera"))
"""What a flight needs: a page that finds its port taken must not have all started anew."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process as the supervisor sees it.

    Attributes:
        started_s: when it was started last.
        heard_s: its latest sign of life; NaN before the first.
        running: it is there.
        due_s: when it is to be started, while it is not there.
        back_off_s: how long it waits if it ends now, but for the limits.
        starts: how often it was started.
    """

    started_s: float = 0.0
    heard_s: float | None = None
    running: bool = False
    due_s: float = 0.0
    back_off_s: float = 0.0
    starts: int = 0


def ended(child: Child, now_s: float, config: ProcessesConfig) -> Child:
    """Return the child after its process ended: when it is started again."""
    settled = now_s - child.started_s >= config.settled_s
    wait_s = config.back_off_s if settled or not child.back_off_s else 2 * child.back_off_s
    wait_s = min(wait_s, config.back_off_most_s)
    return replace(child, running=False, due_s=now_s + wait_s, back_off_s=wait_s)


def started(child: Child, now_s: float) -> Child:
    """Return the child after its process was started."""
    return replace(child, running=True, started_s=now_s, heard_s=None, starts=child.starts + 1)


def is_silent(child: Child, now_s: float, config: ProcessesConfig) -> bool:
    """Return whether a running process has said nothing for too long."""
    if not child.running:
        return False
    if child.heard_s is None:
        return now_s - child.started_s > max(FIRST_S, config.silent_s)
    return now_s - child.heard_s > config.silent_s


@dataclass
class Watchdog:
    """Tells systemd, where it asks for it, that the vehicle's processes are watched.

    Its protocol: a datagram to the socket named in NOTIFY_SOCKET (sd_notify(3)).
    """

    socket_name: str = field(default_factory=lambda: os.environ.get("NOTIFY_SOCKET", ""))

    def tell(self, state: str) -> None:
        """Send `READY=1`, `WATCHDOG=1`, `STATUS=...` or `STOPPING=1`."""
        if not self.socket_name:
            return
        name = "\0" + self.socket_name[1:] if self.socket_name[0] == "@" else self.socket_name
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(name)
            out.sendall(state.encode())


def argv_of(role: str, folder: Path) -> list[str]:
    """Return the command that runs a role, isolated if this process is."""
    isolated = ("-I",) if sys.flags.isolated else ()
    return [sys.executable, *isolated, "-m", "drone.onboard.processes", role, str(folder)]


def _say(words: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: fly on
        print(words, file=sys.stderr, flush=True)  # noqa: T201


class Supervisor:
    """Runs the processes of one vehicle until it is told to end.

    Attributes:
        details: role -> what it last said of itself.
    """

    def __init__(
        self,
        folder: Path,
        roles: tuple[str, ...],
        config: ProcessesConfig,
        argv: Callable[[str, Path], list[str]] = argv_of,
        say: Callable[[str], None] = _say,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            folder: private to these processes, with their orders.
            roles: which of them.
            config: cores, niceness, back-off.
            argv: the command of a role.
            say: takes a line for who runs this.
        """
        self.details: dict[str, str] = {}
        self.ending = False
        self._hurries = self._ready = False
        self._spoke: set[str] = set()
        self._told: set[str] = set()
        self._folder = folder
        self._config = config
        self._argv = argv
        self._say = say
        self._children = {role: Child() for role in ORDER if role in roles}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ears = {role: Subscriber(folder, {role: [ALIVE]}) for role in self._children}
        self._watchdog = Watchdog()
        self._usage = dict.fromkeys(self._children, Usage())
        self._looked: dict[str, tuple[int, float, float]] = {}

    @property
    def usage(self) -> dict[str, Usage]:
        """Role -> what it costs, once it has begun."""
        return dict(self._usage)

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process id of what runs now."""
        return {role: p.pid for role, p in self._processes.items() if p.poll() is None}

    @property
    def starts(self) -> Mapping[str, int]:
        """Role -> how often it was started."""
        return {role: child.starts for role, child in self._children.items()}

    def run(self, on_turn: Callable[[Supervisor], bool] | None = None) -> None:
        """Keep the processes running until told to end.

        Args:
            on_turn: called several times a second; returns whether to go on.
        """
        before = {number: signal.getsignal(number) for number in ENDS}
        for number in ENDS:
            if before[number] is not signal.SIG_IGN:  # by nohup
                signal.signal(number, self._end)
        try:
            while not self.ending and (on_turn is None or on_turn(self)):
                self.turn(time.monotonic())
                self._tell()
                time.sleep(POLL_S)
        finally:
            self.close()
            for number in ENDS:
                signal.signal(number, before[number])

    def turn(self, now_s: float) -> None:
        """Look at every process once: start what is due, end what is silent."""
        for role in self._children:
            self._listen(role, now_s)
            self._look(role, now_s)
            self._measure(role, now_s)

    def close(self) -> None:
        """Tell the processes to end, the pilot before the link; a second call does nothing."""
        self._watchdog.tell("STOPPING=1")
        for role in reversed(self._children):
            if role in self._processes:
                self._end_one(role)
        self._processes.clear()
        for ears in self._ears.values():
            ears.close()
        self._ears = {}

    def _tell(self) -> None:
        """Tell systemd that all goes on, and once that all that a flight needs has begun."""
        if not self._ready and self._spoke >= NEEDED & self._children.keys():
            self._ready = True
            self._watchdog.tell("READY=1")
        self._watchdog.tell("WATCHDOG=1")

    def _end_one(self, role: str) -> None:
        """Tell a process to end, and kill it where it does not."""
        process = self._processes[role]
        self._tell_end(role)
        begun_s, longest_s = time.monotonic(), TRAINER_END_S if role == "trainer" else END_S
        while process.poll() is None and time.monotonic() - begun_s < longest_s:
            if self._hurries and role != "link":
                longest_s = HURRIED_S
                self._tell_end("link")
            time.sleep(END_POLL_S)
        if process.poll() is None:
            self._say(f"drone onboard: {role} does not end, and is killed")
            process.kill()
            process.wait()

    def _tell_end(self, role: str) -> None:
        """Tell a process to end, once."""
        if role in self._processes and role not in self._told:
            self._told.add(role)
            self._processes[role].terminate()

    def _listen(self, role: str, now_s: float) -> None:
        for _, message in self._ears[role].receive(0.0):
            self._spoke.add(role)
            self.details[role] = message.detail
            self._children[role] = replace(self._children[role], heard_s=now_s)

    def _look(self, role: str, now_s: float) -> None:
        child, process = self._children[role], self._processes.get(role)
        if child.running and process is not None and process.poll() is not None:
            child = ended(child, now_s, self._config)
            wait_s = child.due_s - now_s
            self._say(
                f"drone onboard: {role} ended ({_how(process.returncode)}); "
                f"starts anew in {wait_s:.1f} s"
            )
        elif is_silent(child, now_s, self._config) and process is not None:
            self._say(f"drone onboard: {role} says nothing, and is killed")
            process.kill()
        elif not child.running and now_s >= child.due_s:
            child = self._start(role, child, now_s)
        self._children[role] = child

    def _start(self, role: str, child: Child, now_s: float) -> Child:
        try:
            self._processes[role] = subprocess.Popen(
                self._argv(role, self._folder), stdin=subprocess.DEVNULL, env=_environment()
            )
        except OSError as error:  # memory is short: the others fly on
            child = ended(replace(child, started_s=now_s), now_s, self._config)
            self._say(
                f"drone onboard: {role} cannot be started ({error.strerror}); "
                f"tried anew in {child.back_off_s:.1f} s"
            )
            return child
        return started(child, now_s)

    def _measure(self, role: str, now_s: float) -> None:
        """Take down what a role used since it was looked at last."""
        child, process = self._children[role], self._processes.get(role)
        if process is None or not child.running or now_s - child.started_s < BEGUN_S:
            return
        pid, then_s, before_s = self._looked.get(role, (0, 0.0, 0.0))
        if pid == process.pid and now_s - then_s < USAGE_S:
            return
        cpu_s = cpu_s_of(process.pid)
        if pid == process.pid:
            self._usage[role] = used(
                self._usage[role], cpu_s - before_s, now_s - then_s, memory_mb_of(pid)
            )
        self._looked[role] = (process.pid, now_s, cpu_s)

    def _end(self, number: int, frame: FrameType | None) -> None:
        """End; a second time hurries, but for a terminal that is lost, which may be told twice."""
        self._hurries |= self.ending and number != signal.SIGHUP
        self.ending = True


def _environment() -> dict[str, str]:
    """One thread for each library: the processes share the cores among themselves."""
    return {"OMP_NUM_THREADS": "1", **os.environ}


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
