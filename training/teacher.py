"""The learner's own process: labelled frames in over a pipe, lessons out, one at a time.

    flight's process: Learner.begin ──(frame, label, down)──► serve ─► Trainer
                      Learner.lesson ◄──────(Lesson)────────┘

Between `begin` and `lesson` the flight goes on while the network learns, on another core; a thread
would not do, since simulator and trainer would wait for each other's interpreter lock. The pipe is
private to the two processes. Run by `Learner`, never by hand.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

from drone.errors import WorkFailedError
from drone.messages import DistanceLabel, LearnerReport, ModelVersion, StereoFrame, Vector3
from training.trainer import Syllabus

STOP_S = 10.0
"""Time that the process gets to end by itself."""


class Lesson(NamedTuple):
    """What came of learning from one frame."""

    model: ModelVersion | None
    report: LearnerReport
    duration_s: float


class Learner:
    """The flight's end of the pipe."""

    def __init__(self, syllabus: Syllabus) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "training.teacher", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self._pipe = Connection(ours.detach())
        self._busy = False
        self._pipe.send(syllabus)

    def begin(self, frame: StereoFrame, label: DistanceLabel, down: Vector3) -> None:
        """Begin the lesson of a labelled frame; the one before must have been fetched.

        Raises:
            WorkFailedError: the learner's process is gone.
        """
        assert not self._busy, "fetch the lesson before beginning the next"
        try:
            self._pipe.send((frame, label, down))
        except OSError as error:
            raise self._gone() from error
        self._busy = True

    @property
    def busy(self) -> bool:
        """A lesson was begun and has not been fetched."""
        return self._busy

    @property
    def ready(self) -> bool:
        """`lesson` need not wait."""
        return not self._busy or self._pipe.poll()

    def lesson(self) -> Lesson | None:
        """Wait for the lesson that was begun; None if none was.

        Raises:
            WorkFailedError: the learner failed, or its process is gone.
        """
        if not self._busy:
            return None
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        self._busy = False
        if isinstance(answer, Lesson):
            return answer
        raise WorkFailedError(f"the learner failed: {answer}")

    def close(self) -> None:
        """End the process; a lesson that still goes on is lost. A second call does nothing."""
        self._pipe.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _gone(self) -> WorkFailedError:
        return WorkFailedError(
            f"the learner's process ended (exit code {self._process.poll()}); see above for why"
        )


def serve(pipe: Connection) -> None:
    """Teach until the other end closes the pipe."""
    from training.learners import trainer_for

    trainer = trainer_for(pipe.recv())
    while True:
        frame, label, down = pipe.recv()
        started_s = time.perf_counter()
        trainer.observe(frame, label, down)
        trainer.learn()
        model = trainer.publish(frame.stamp_ns)
        report = trainer.report(frame.stamp_ns)
        pipe.send(Lesson(model, report, time.perf_counter() - started_s))


def main() -> None:
    """Run as the learner's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the flight's; it closes the pipe
    # So that what is pickled is known by one name in both processes.
    from training import teacher

    pipe = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, ConnectionError):
        teacher.serve(pipe)


if __name__ == "__main__":
    main()
