"""The recorder's process: every tick of the pilot into the flight log.

    STATE ─► a file begins ─► FLOWN, AUTOPILOT, LEARNER ─► the file is full, or the pilot began anew
      ▲                                                       │
      └──────────────── the next file ◄───────────────────────┘

A file begins with the pilot's state before its first tick, so each can be verified alone. A tick
that was missed is a gap in the log. Killed, it loses its open chunk, about a second, and goes on in
a new file.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

from drone import __version__, topics
from drone.bus import Subscriber
from drone.flightlog import FORMAT_VERSION, FlightLogWriter, LogHeader
from drone.logfiles import all_of, file_path, number_of
from drone.messages import FlightEvent, LogGap, ModelVersion
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.runfolder import LOG_NAME
from drone.topics import Topic
from drone.wire import FLOWN, STATE, Flown, StateBefore

HEARD = {
    "pilot": (STATE, FLOWN),
    "link": (topics.AUTOPILOT,),
    "trainer": (topics.LEARNER,),
}
LISTEN_S = 0.2


class Recorder:
    """Writes one flight's log, in as many files as it takes.

    Attributes:
        problem: why nothing more can be written, empty as long as it can.
        ticks: written so far.
    """

    def __init__(self, orders: Orders, utc_offset_ns: int) -> None:
        """Prepare; the first file begins with the first state."""
        self.problem = ""
        self.ticks = 0
        self._orders = orders
        self._utc_offset_ns = utc_offset_ns
        self._log: FlightLogWriter | None = None
        self._path = orders.run / LOG_NAME
        self._next_seq: int | None = None
        self._model: ModelVersion | None = None
        self._gaps = 0

    def take(self, topic: Topic, message: Any) -> None:
        """Write one message."""
        if topic == STATE:
            self._state(message)
        elif topic == FLOWN:
            self._flown(message)
        elif self._log is not None:
            self._log.write(topic, message)
        if self._log is not None and self._log.problem:
            self.problem = self._log.problem

    def end(self, stamp_ns: int) -> None:
        """Say in the log that the flight is over, so that it does not look cut off."""
        if self._log is not None:
            self._log.write(topics.EVENT, FlightEvent(0, stamp_ns, True, "end", "told to end"))

    def close(self) -> None:
        """Finish the open file."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _state(self, state: StateBefore) -> None:
        """Begin a file where there is none, it is full, or the pilot does not go on from it."""
        if self._log is None or state.seq != self._next_seq or self._is_full():
            self.close()
            self._remove_oldest()
            self._begin(state)

    def _flown(self, flown: Flown) -> None:
        log, tick = self._log, flown.tick
        self._model = tick.model or self._model
        if log is None:
            return
        if tick.seq != self._next_seq:
            self._gap(log, tick.seq, tick.stamp_ns)
        log.write_tick(tick)
        seen = (
            (topics.CHECK, flown.check),
            (topics.LABEL, flown.label),
            (topics.MONO, flown.estimate),
            (topics.DECISION, flown.decision),
        )
        for topic, message in seen:
            if message is not None:
                log.write(topic, message)
        for found in flown.found:
            log.write(topics.FOUND, found)
        for event in flown.events:
            log.write(topics.EVENT, event)
        self._next_seq = tick.seq + 1
        self.ticks += 1

    def _gap(self, log: FlightLogWriter, seq: int, stamp_ns: int) -> None:
        self._gaps += 1
        missing = 0 if self._next_seq is None else max(0, seq - self._next_seq)
        detail = "the recorder did not hear these ticks"
        log.write(topics.GAP, LogGap(self._gaps, stamp_ns, True, "dropped", missing, 0, detail))

    def _begin(self, state: StateBefore) -> None:
        config = self._orders.config
        there = all_of(self._path)
        number = number_of(there[-1])[1] + 1 if there else 0
        header = LogHeader(
            format_version=FORMAT_VERSION,
            software=__version__,
            config_toml=config.as_flight.to_toml(),
            seed=config.flight.seed,
            utc_offset_ns=self._utc_offset_ns,
            calibration=self._orders.calibration,
            pilot_state=state.state,
            source="vehicle",
            extra={},
            jpeg_quality=config.flight.jpeg_quality,
            file_number=number,
        )
        self._log = FlightLogWriter(file_path(self._path, number), header, endures=True)
        if self._model is not None and self._model.seq == state.version:
            self._log.write(topics.FLYING, self._model)
        self._next_seq = state.seq

    def _is_full(self) -> bool:
        most = 1e6 * self._orders.config.flight.log_file_mb
        return bool(most) and all_of(self._path)[-1].stat().st_size >= most

    def _remove_oldest(self) -> None:
        flight = self._orders.config.flight
        there = all_of(self._path)
        while flight.log_most_mb and there:
            held = sum(path.stat().st_size for path in there)
            if held + 1e6 * flight.log_file_mb <= 1e6 * flight.log_most_mb:
                return
            there.pop(0).unlink(missing_ok=True)


def run(folder: Path) -> None:
    """Run as the recorder's process until told to end."""
    orders = read(folder)
    with (
        Shell("recorder", folder, orders.clock_ns) as shell,
        closing(Subscriber(folder, HEARD)) as ears,
        closing(Recorder(orders, time.time_ns() - shell.clock_ns())) as recorder,
    ):
        while not shell.ending:
            for topic, message in ears.receive(LISTEN_S):
                recorder.take(topic, message)
            shell.alive(recorder.problem or f"{recorder.ticks} ticks")
        recorder.end(shell.clock_ns())
