"""The trainer's process on a vehicle: labelled frames from the bus, model versions onto it.

    FLOWN ─► newest labelled frame ─► Tutor ──(pipe)──► teacher.serve ─► Trainer, memory
    MODEL, LEARNER ◄── Lesson, Opening ◄─────┘

The bus is read in a thread, the network learns in the main one. Frames that come while it learns
are not learned from. A version that the pilot does not fly, since it was not there to hear it, is
told again.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from drone import topics
from drone.bus import Publisher, Subscriber
from drone.config.learner import LearnerConfig
from drone.errors import DroneError, WorkFailedError
from drone.geometry import DistanceMeter, StereoCalibration
from drone.messages import ModelVersion, VehicleState
from drone.onboard.mono import MonoSpec, model_from_bytes
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.runfolder import RunFolder
from drone.wholefile import write_whole
from drone.wire import FLOWN, STATE, Flown
from training.teacher import END, Ending, Lesson, Opening, Order, Start, serve
from training.tensorfile import file_of_arrays
from training.trainer import Syllabus

HEARD = {"pilot": (FLOWN, STATE)}
LISTEN_S = 0.1
AGAIN_S = 2.0
"""A version that does not fly is told again after so long."""


class Tutor:
    """Between the bus and the teacher: one labelled frame at a time, and what came of it."""

    def __init__(
        self, pipe: Connection, voice: Publisher, calibration: StereoCalibration, share: float
    ) -> None:
        self.latest: ModelVersion | None = None
        self.failure: DroneError | None = None
        self.lessons = 0
        self._pipe = pipe
        self._voice = voice
        self._calibration = calibration
        self._share = share
        self._vehicle: VehicleState | None = None
        self._busy = True  # until the opening
        self._rests_until_s = 0.0
        self._told_s = 0.0

    def take(self, flown: Flown) -> None:
        """Teach by a tick, if it has a label and nothing is being learned."""
        self._vehicle = flown.tick.vehicle or self._vehicle
        frame, label = flown.tick.frame, flown.label
        if frame is None or label is None or not label.valid or self._busy:
            return
        if time.monotonic() < self._rests_until_s:
            return
        vehicle = self._vehicle
        attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
        down = self._calibration.down_in_camera(attitude)
        self._pipe.send((frame, label, down, flown.decision.override))
        self._busy = True

    def collect(self) -> None:
        """Take what the teacher has ready, and publish it; after a refusal nothing comes."""
        while self.failure is None and self._pipe.poll():
            self._answered(self._pipe.recv())

    def flying(self, version: int) -> None:
        """Take note of what the pilot flies; tell it again what it did not hear."""
        latest = self.latest
        if latest is None or latest.seq == version:
            return
        if time.monotonic() - self._told_s > AGAIN_S:
            self._tell(latest)

    def end(self) -> Ending | None:
        """Finish the lesson that goes on, save the memory, and return what is left."""
        while self._busy and self.failure is None:
            self._answered(self._pipe.recv())
        if self.failure is not None:
            return None
        self._pipe.send(END)
        ending = self._pipe.recv()
        assert isinstance(ending, Ending)
        return ending

    def _answered(self, answer: Any) -> None:
        self._busy = False
        if isinstance(answer, Opening):
            self.failure = answer.refused
            if answer.model is not None:
                self._tell(answer.model)
            return
        assert isinstance(answer, Lesson)
        self.lessons += 1
        self._rests_until_s = time.monotonic() + answer.duration_s * (1 / self._share - 1)
        if answer.model is not None:
            self._tell(answer.model)
        if answer.model is not None or answer.report.reason:
            self._voice.send(topics.LEARNER, answer.report)

    def _tell(self, model: ModelVersion) -> None:
        self.latest, self._told_s = model, time.monotonic()
        self._voice.send(topics.MODEL, model)


def start_of(orders: Orders) -> Start:
    """Return what learning starts from.

    Raises:
        UserError: the model is none.
    """
    if orders.memory is not None:
        return Start(memory=orders.memory)
    if orders.model is not None:
        return Start(model=model_from_bytes(orders.model.read_bytes(), str(orders.model)))
    return Start(memory=orders.run / "memory")  # so that a trainer that dies goes on


def syllabus_of(orders: Orders) -> Syllabus:
    """Return what the learner is made from."""
    pilot, camera = orders.config.pilot, orders.calibration
    learner: LearnerConfig = orders.config.learner
    meter = DistanceMeter(camera.left, pilot.grid_spec, pilot.corridor_spec)
    spec = MonoSpec(pilot.mono.width_px, pilot.mono.height_px, pilot.grid_spec, camera.hash)
    return Syllabus(
        learner,
        spec,
        meter,
        orders.config.flight.seed,
        pilot.mono.caution,
        camera.disparity_metres,
    )


def run(folder: Path) -> None:
    """Run as the trainer's process until told to end.

    Raises:
        DroneError: the learner cannot begin from this, or failed.
    """
    orders = read(folder)
    ours, theirs = socket.socketpair()
    pipe = Connection(ours.detach())
    failures: list[BaseException] = []
    with Shell("trainer", folder, orders.clock_ns) as shell:
        tutor = Tutor(pipe, shell.voice, orders.calibration, orders.config.learner.cpu_share)
        thread = threading.Thread(
            target=_guarded,
            args=(lambda: _listen(tutor, pipe, folder, shell, orders), failures),
            name="bus",
        )
        pipe.send(Order(syllabus_of(orders), start_of(orders), live=False))
        thread.start()
        with suppress(EOFError, ConnectionError):
            serve(Connection(theirs.detach()))
        thread.join()
    if failures:
        raise WorkFailedError(f"the learner failed: {failures[0]}") from failures[0]


def _guarded(work: Callable[[], None], failures: list[BaseException]) -> None:
    try:
        work()
    except (OSError, EOFError, DroneError) as error:
        failures.append(error)


def _listen(tutor: Tutor, pipe: Connection, folder: Path, shell: Shell, orders: Orders) -> None:
    """Hand frames on until told to end; then leave model and memory behind."""
    with closing(pipe), closing(Subscriber(folder, HEARD)) as ears:
        while not shell.ending:
            for topic, message in ears.receive(LISTEN_S):
                if topic == FLOWN:
                    tutor.take(message)
                else:
                    tutor.flying(message.version)
            tutor.collect()
            if tutor.failure is not None:
                raise tutor.failure
            shell.alive(f"{tutor.lessons} lessons")
        ending = tutor.end()
        if ending is not None and tutor.latest is not None:
            _leave(RunFolder(orders.run), tutor.latest, ending)


def _leave(folder: RunFolder, model: ModelVersion, ending: Ending) -> None:
    write_whole(folder.model, model.onnx)
    weights = ending.weights.get(model.seq)
    if weights:
        write_whole(folder.weights, file_of_arrays(weights, {"model_sha256": model.sha256}))
