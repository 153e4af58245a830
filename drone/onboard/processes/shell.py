"""The shell around every process: its voice, its sign of life, its end.

SIGTERM ─► ending        supervisor dies ─► so does this one (but for the link)

Ctrl-C and a lost terminal reach all processes at once; they are the supervisor's, which ends the
others in order.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType

from drone.bus import Publisher
from drone.clock import NS_PER_S
from drone.config.onboard import ProcessConfig
from drone.wire import ALIVE, Alive

_PR_SET_PDEATHSIG = 1


class Shell:
    """One process of a vehicle; use it as a context manager.

    Attributes:
        voice: what it publishes with.
        ending: it was told to end.
    """

    def __init__(self, role: str, folder: Path, clock_ns: Callable[[], int]) -> None:
        """Take the role.

        Args:
            role: a name of `ProcessesConfig`.
            folder: private to the vehicle's processes.
            clock_ns: of every stamp.
        """
        self.role = role
        self.ending = False
        self.clock_ns = clock_ns
        self.voice = Publisher(folder, role)
        self._said = 0
        self._next_ns = clock_ns()
        self._parent = os.getppid()

    def __enter__(self) -> Shell:
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.voice.close()

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor is gone."""
        return os.getppid() != self._parent

    def alive(self, detail: str = "") -> None:
        """Say, once a second, that this process goes on."""
        now_ns = self.clock_ns()
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + NS_PER_S
        self._said += 1
        self.voice.send(ALIVE, Alive(self._said, now_ns, True, detail))

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ending = True


def settle(config: ProcessConfig, dies_with_parent: bool = True) -> list[str]:
    """Put this process on its cores and give it its niceness.

    Args:
        config: of this process.
        dies_with_parent: a supervisor that is killed takes it along.

    Returns:
        What could not be had, in words.
    """
    notes = []
    if dies_with_parent:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if config.cores:
        cores = _present(config.cores)
        if cores:
            os.sched_setaffinity(0, cores)
        else:
            notes.append(f"this machine has none of the cores {list(config.cores)}: all are used")
    if config.nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, config.nice)
        except PermissionError:
            notes.append(f"niceness {config.nice} needs a right that this user lacks: it stays")
    return notes


def _present(cores: Iterable[int]) -> set[int]:
    return set(cores) & os.sched_getaffinity(0)
