"""The learner's own process: labelled frames in over a pipe, lessons out, one at a time.

    flight's process: Learner ────────(Order)───────────────► serve ─► Trainer, memory
                      Learner.opening ◄──────(Opening)──────┘
                      Learner.begin ──(labelled frame)──────► serve
                      Learner.lesson ◄──────(Lesson)────────┘
                      Learner.end ───────────(END)──────────► serve ─► memory
                              └◄──────(Ending)──────────────┘

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
from collections.abc import Mapping
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from drone.errors import DroneError, UserError, WorkFailedError
from drone.messages import DistanceLabel, LearnerReport, ModelVersion, StereoFrame, Vector3
from drone.onboard.evidence import Pair
from training.memory import Keeper, Remembered
from training.store import MemoryStore
from training.tensorfile import Arrays
from training.trainer import Syllabus, Trainer

STOP_S = 10.0
"""Time that the process gets to end by itself ..."""
SAVE_S = 60.0
"""... and what it gets where a memory may still be on its way to a slow disk."""
NICENESS = 10
"""Of a live learner's process: of a core that both want, the flight gets about nine tenths."""
END = "end"
"""What the flight says when it is over."""


class Start(NamedTuple):
    """What a learner starts from, beside its configuration.

    Attributes:
        model: flies first, and is to be beaten; None: nothing flies, or what the memory holds.
        memory: folder from which this flight goes on and in which it is kept.
    """

    model: ModelVersion | None = None
    memory: Path | None = None


FROM_CONFIGURATION = Start()
"""A learner that starts from its configuration alone."""


class Order(NamedTuple):
    """The first that crosses the pipe.

    Attributes:
        live: the learner gives way to the flight where both want the processor.
    """

    syllabus: Syllabus
    start: Start
    live: bool = False


class Opening(NamedTuple):
    """How the learner begins.

    Attributes:
        refused: why it cannot, None if it can.
        model: the version that flies from the first frame on, if one does.
        facts: of the memory from which it goes on; empty without.
        notes: what a user should know of the memory, in words.
        labels: frames of earlier flights that no version learned from, for trust; `model` brings
            its scores of them.
    """

    refused: DroneError | None = None
    model: ModelVersion | None = None
    facts: Mapping[str, Any] = {}
    notes: tuple[str, ...] = ()
    labels: tuple[Pair, ...] = ()


class Lesson(NamedTuple):
    """What came of learning from one frame.

    Attributes:
        problem: what is wrong with the memory, in words, when that is new.
    """

    model: ModelVersion | None
    report: LearnerReport
    duration_s: float
    problem: str = ""


class Ending(NamedTuple):
    """What is left at the end of a flight.

    Attributes:
        weights: the learner's own of the latest versions, by version and name, where it has any.
        remembered: what came of the memory, None without one.
    """

    weights: Mapping[int, Arrays]
    remembered: Remembered | None


class Learner:
    """The flight's end of the pipe."""

    def __init__(
        self, syllabus: Syllabus, start: Start = FROM_CONFIGURATION, live: bool = False
    ) -> None:
        """Start the process.

        Args:
            syllabus: what the learner is made from.
            start: what it starts from.
            live: it gives way to the flight, and takes no more than its share of a core.
        """
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
        self._share = syllabus.config.cpu_share if live else 1.0
        self._rests_until_s = 0.0
        self._opening: Opening | None = None
        self._remembers = start.memory is not None
        self._pipe.send(Order(syllabus, start, live))

    def opening(self) -> Opening:
        """Wait for the learner to be ready, and return how it begins.

        Raises:
            UserError: it cannot begin from this; the message says why.
            WorkFailedError: as `lesson`, or the memory's folder cannot be used.
        """
        if self._opening is None:
            opening = self._received()
            assert isinstance(opening, Opening)
            self._opening = opening
        if self._opening.refused is not None:
            raise self._opening.refused
        return self._opening

    def begin(
        self, frame: StereoFrame, label: DistanceLabel, down: Vector3, overridden: bool = False
    ) -> None:
        """Begin the lesson of a labelled frame; the one before must have been fetched.

        Args:
            frame: both eyes.
            label: what stereo says about it.
            down: unit vector along gravity in the optical frame.
            overridden: stereo stopped a drone here that mono would have let fly on.

        Raises:
            WorkFailedError: the learner's process is gone.
        """
        assert not self._busy, "fetch the lesson before beginning the next"
        try:
            self._pipe.send((frame, label, down, overridden))
        except OSError as error:
            raise self._gone() from error
        self._busy = True

    @property
    def busy(self) -> bool:
        """A lesson was begun and has not been fetched; or, live, the learner rests after one."""
        return self._busy or time.monotonic() < self._rests_until_s

    @property
    def ready(self) -> bool:
        """`lesson` need not wait."""
        if self._opening is None and self._pipe.poll():
            self.opening()
        return not self._busy or (self._opening is not None and self._pipe.poll())

    def lesson(self) -> Lesson | None:
        """Wait for the lesson that was begun; None if none was.

        Raises:
            WorkFailedError: the learner failed, or its process is gone.
        """
        if not self._busy:
            return None
        self.opening()
        lesson = self._received()
        assert isinstance(lesson, Lesson)
        self._busy = False
        rest_s = lesson.duration_s * (1 / self._share - 1)
        self._rests_until_s = time.monotonic() + rest_s
        return lesson

    def end(self) -> Ending:
        """Finish the lesson that still goes on, save the memory, and return what is left.

        Raises:
            WorkFailedError: as `lesson`.
        """
        self.opening()
        self.lesson()
        self._pipe.send(END)
        ending = self._received()
        assert isinstance(ending, Ending)
        return ending

    def close(self) -> None:
        """End the process; a lesson that still goes on is lost. A second call does nothing."""
        self._pipe.close()
        try:
            self._process.wait(SAVE_S if self._remembers else STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _received(self) -> Any:
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error

    def _gone(self) -> WorkFailedError:
        return WorkFailedError(
            f"the learner's process ended (exit code {self._process.poll()}); see above for why"
        )


def serve(pipe: Connection) -> None:
    """Teach until the other end closes the pipe."""
    with ExitStack() as stack:
        try:
            order = pipe.recv()
            if order.live:
                os.nice(NICENESS)
            trainer, keeper, opening = _opened(order.syllabus, order.start, stack)
        except DroneError as error:
            pipe.send(Opening(error))
            return
        pipe.send(opening)
        while True:
            message = pipe.recv()
            if message == END:
                remembered = keeper.finish() if keeper else None
                pipe.send(Ending(trainer.weights_of, remembered))
                continue
            frame, label, down, overridden = message
            started_s = time.perf_counter()
            trainer.observe(frame, label, down, overridden)
            trainer.learn()
            model = trainer.publish(frame.stamp_ns)
            problem = keeper.lesson_over(frame.stamp_ns) if keeper else ""
            report = trainer.report(frame.stamp_ns)
            pipe.send(Lesson(model, report, time.perf_counter() - started_s, problem))


def _opened(
    syllabus: Syllabus, start: Start, stack: ExitStack
) -> tuple[Trainer, Keeper | None, Opening]:
    """Return the learner as it begins, with what it keeps its memory by.

    Raises:
        DroneError: it cannot begin from this.
    """
    from training.learners import trainer_for

    trainer = trainer_for(syllabus)
    if start.model is not None:
        try:
            trainer.adopt(start.model)
        except UserError as error:
            raise UserError(f"the given model does not fly here: {error}") from error
    if start.memory is None:
        return trainer, None, Opening(model=trainer.flying)
    if not trainer.keeps_memory:
        raise UserError(f"the learner {syllabus.config.kind} keeps no memory: fly without --memory")
    store = stack.enter_context(closing(MemoryStore(start.memory)))
    kept = store.latest()
    if kept is not None:
        try:
            trainer.recall(kept)
        except UserError as error:
            raise UserError(f"{start.memory}: {error}") from error
    keeper = Keeper(store, trainer.remembered, syllabus.config.save_s)
    stack.callback(keeper.close)
    facts = kept.facts if kept is not None else {}
    flying, labels = trainer.testimony()
    return trainer, keeper, Opening(None, flying, facts, tuple(store.notes), labels)


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
