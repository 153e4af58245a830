"""Worker processes of the local engine: each does one task after the other, told over a pipe.

    Crew.begin ──(task)──► _serve ─► attempt
    Crew.finished ◄──(Row or Failure; or the pipe ends, where the process died)──┘

They use no more than one thread each, leave Ctrl-C to the process that was started by hand, and end
with it, however it ends. What they write on the way is in one folder, which is removed at the end
of all.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType

from drone.errors import WorkFailedError
from training.experiments.design import Row, Task
from training.experiments.engine import Failure, attempt

_SPAWN = multiprocessing.get_context("spawn")
_END_S = 5.0
"""Time that a process gets to end when it is told to."""

Outcome = Row | Failure | int
"""Of a task; the exit code of the process, where that died."""


class Crew:
    """As many workers as there is work for, up to a limit; within this context."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Task]] = {}
        self._scratch = tempfile.TemporaryDirectory(
            prefix="drone-experiment-", ignore_cleanup_errors=True
        )

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers, whatever they are at."""
        workers = [*self._idle, *(worker for worker, _ in self._busy.values())]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()
        self._scratch.cleanup()

    @property
    def busy(self) -> bool:
        """Something is being worked on."""
        return bool(self._busy)

    @property
    def has_room(self) -> bool:
        """Another task can be begun."""
        return len(self._busy) < self._most

    def begin(self, task: Task, version: str) -> None:
        """Give a task to a worker.

        Raises:
            WorkFailedError: no process can be started.
        """
        worker = self._idle.pop() if self._idle else _Worker(self._scratch.name)
        self._busy[worker.pipe] = (worker, task)
        with contextlib.suppress(OSError):  # it died meanwhile: `finished` says so
            worker.pipe.send((task, version))

    def finished(self) -> Sequence[tuple[Task, Outcome]]:
        """Wait until at least one task is over, and return those that are."""
        found: list[tuple[Task, Outcome]] = []
        for pipe in wait(list(self._busy)):
            assert isinstance(pipe, Connection)
            worker, task = self._busy.pop(pipe)
            try:
                found.append((task, pipe.recv()))
                self._idle.append(worker)
            except (EOFError, OSError):
                found.append((task, worker.end()))
        return found


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, scratch: str) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"  # several would not be repeatable
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, scratch))
        try:
            self.process.start()
        except OSError as error:
            raise WorkFailedError(f"no process can be started: {error.strerror}") from error
        finally:
            theirs.close()

    def end(self) -> int:
        """Wait until the process has ended, and return its exit code."""
        self.pipe.close()
        self.process.join(_END_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return int(self.process.exitcode or 0)


def _serve(pipe: Connection, scratch: str) -> None:
    """Do tasks until the other end closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    tempfile.tempdir = scratch
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send(attempt(*pipe.recv()))


def _end_with_parent(scratch: str) -> None:
    """End this process as soon as the one that started it has ended, even in mid-flight."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)
