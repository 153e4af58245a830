"""The flight log: in come ticks and messages, out comes one MCAP file, and the same back.

    write_tick ─► images, vehicle, health, model, each on its topic ─► TickRecord ─┐
    write ──────► one message on its topic ──────────────────────────────────────── ┴─► .mcap
    .mcap ─► chunk after chunk in file order ─► Tick, rebuilt bit for bit; messages

A log holds every tick that the pilot consumed, so that a flight can be replayed exactly. The writer
appends to the file chunk by chunk: a killed process loses its open chunk (128 KiB before
compression, at most a second) and the index, nothing else. The reader therefore needs no index; it
checks every chunk's checksum and passes over what is damaged, leaving a `LogGap` in its place.
`docs/logs.md` describes the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcap.records import Message

from drone import codec, topics
from drone.errors import UserError
from drone.logformat import FORMAT_VERSION, FrameRecord, LogHeader, TickRecord, record_class
from drone.logwalk import LogWalk
from drone.logwriter import FlightLogWriter
from drone.mcapwalk import Gap
from drone.messages import HealthEvent, Image, LogGap, ModelVersion, StereoFrame, Tick, VehicleState
from drone.topics import Topic
from drone.viewermessages import image_from_jpeg, image_from_raw

__all__ = ["FORMAT_VERSION", "LIVE_SOURCE", "FlightLog", "FlightLogWriter", "LogHeader"]

LIVE_SOURCE = "live "
"""With this begins the source of what was recorded from a live camera; its name follows."""
_IMAGES = (topics.LEFT_IMAGE, topics.RIGHT_IMAGE)
_TOPIC_OF = {topic.name: topic for topic in topics.TOPICS}
_ALONE = frozenset((topics.GAP, topics.EVENT))
"""What belongs to no tick, and so may stand after a gap before the first tick that is whole."""
_INPUTS = frozenset(t.name for t in topics.TOPICS if t.consumed) | frozenset(_IMAGES)


@dataclass(slots=True)
class _Inputs:
    """What was read since the last tick.

    Attributes:
        after_gap: nothing whole came since messages went missing: a tick may lack its inputs, and
            what stands between belongs to a tick that is lost.
    """

    images: dict[str, Message] = field(default_factory=dict)
    vehicle: VehicleState | None = None
    health: list[HealthEvent] = field(default_factory=list)
    model: ModelVersion | None = None
    after_gap: bool = False

    def keep(self, message: Any) -> None:
        if isinstance(message, VehicleState):
            self.vehicle = message
        elif isinstance(message, HealthEvent):
            self.health.append(message)
        elif isinstance(message, ModelVersion):
            self.model = message


class FlightLog:
    """Reads a log, whole or damaged. Every pass reads the files anew, in the order of writing.

    A log that goes on in further files is read from the named file to its end, as one.

    Attributes:
        path: of the file.
        header: its first record.
    """

    def __init__(self, path: Path, alone: bool = False) -> None:
        """Read the header.

        Args:
            path: of the file.
            alone: read no other file.

        Raises:
            UserError: no such file, not an MCAP file, not a flight log, or of a newer format.
        """
        self.path = path
        self._alone = alone
        self._said: dict[str, None] = {}
        self._walk = self.walk()
        self.header = self._walk.header

    @property
    def files(self) -> tuple[Path, ...]:
        """The named file, and those that go on from it."""
        return self._walk.files

    @property
    def damaged(self) -> str | None:
        """What is wrong with the files and what is lost, None as long as nothing is known to be.

        A missing end is known from the start, other damage after a pass has met it.
        """
        return self._walk.damaged

    @property
    def notes(self) -> tuple[str, ...]:
        """What else a reader should know: a newer writer, clocks that disagree; grows as read."""
        return tuple(self._said | dict.fromkeys(self._walk.notes.texts))

    @property
    def duration_s(self) -> float:
        """From the first to the last message, NaN if the log is empty or its end is missing."""
        return self._walk.duration_s

    @property
    def message_count(self) -> int | None:
        """Of all topics, None if the end is missing."""
        return self._walk.message_count

    def walk(self) -> LogWalk:
        """Return its files as they are, to be walked message by message."""
        return LogWalk(self.path, _INPUTS | {topics.DECISION.name}, self._alone)

    def alone(self) -> Iterator[FlightLog]:
        """Yield each file that can be read as a log of its own; what it meets is known here too."""
        for file in self.files:
            log = FlightLog(file, alone=True)
            yield log
            self._walk.met(file, log.damaged)
            self._said |= dict.fromkeys(log.notes)

    def ticks(self) -> Iterator[Tick]:
        """Yield every tick, equal to the bit to what was written; memory stays constant.

        Raises:
            UserError: messages that a tick consumed were taken out of the file.
        """
        for _, message in self._records(_INPUTS):
            if isinstance(message, Tick):
                yield message

    def messages(self, topic: Topic) -> Iterator[Any]:
        """Yield the messages of one topic."""
        if topic == topics.TICK:
            yield from self.ticks()
            return
        for found, message in self.slim(topic):
            if found == topic:
                yield message

    def records(self) -> Iterator[tuple[Topic, Any]]:
        """Yield every message of every topic in one pass; a tick follows the inputs it consumed.

        Where messages are missing, a `LogGap` stands, and after it everything from the first tick
        on that is whole.
        """
        return self._records(_INPUTS | frozenset(_TOPIC_OF))

    def slim(self, *wanted: Topic) -> Iterator[tuple[Topic, Any]]:
        """Yield the messages of some topics in one pass, without images; ticks as slim records.

        Where messages are missing, a `LogGap` stands.
        """
        for name, raw in self._raw(frozenset(topic.name for topic in (*wanted, topics.GAP))):
            topic = _TOPIC_OF[name]
            message: Any = raw if isinstance(raw, LogGap) else self._decode(topic, raw)
            if message is not None:
                yield topic, message

    def frames(self) -> Iterator[StereoFrame]:
        """Yield the frames that the pilot consumed."""
        for tick in self.ticks():
            if tick.frame is not None:
                yield tick.frame

    def _records(self, names: frozenset[str]) -> Iterator[tuple[Topic, Any]]:
        inputs = _Inputs()
        for name, raw in self._raw(names | {topics.GAP.name}):
            if name in _IMAGES:
                inputs.images[name] = raw
                continue
            topic = _TOPIC_OF[name]
            message: Any = raw if isinstance(raw, LogGap) else self._decode(topic, raw)
            if isinstance(message, LogGap):
                inputs = _Inputs(after_gap=True)
            elif message is None:
                inputs = _Inputs(after_gap=True) if topic.consumed else inputs
            elif isinstance(message, TickRecord):
                message = self._whole_tick(message, inputs)
                inputs = _Inputs(after_gap=message is None)
            else:
                inputs.keep(message)
            if message is not None and (not inputs.after_gap or topic in _ALONE):
                yield topic, message

    def _decode(self, topic: Topic, raw: Message) -> Any:
        """Return a message, None for one of a newer version that this one cannot read."""
        notes = self._walk.notes
        try:
            message: Any = codec.decode(record_class(topic), raw.data)
        except codec.CodecError as error:
            if notes.is_newer(topic.name):
                notes.unreadable(topic.name)
                return None
            raise UserError(f"{self.path}: {topic.name}: {error}") from error
        apart_ns = raw.log_time - message.stamp_ns - self.header.utc_offset_ns
        if apart_ns:
            notes.log_time(topic.name, apart_ns)
        return message

    def _whole_tick(self, record: TickRecord, inputs: _Inputs) -> Tick | None:
        """Return the tick, None if a part of it is lost in a gap."""
        try:
            return self._tick(record, inputs)
        except _IncompleteError as error:
            if inputs.after_gap or self.damaged:
                return None
            raise UserError(str(error)) from error

    def _tick(self, record: TickRecord, inputs: _Inputs) -> Tick:
        health = tuple(inputs.health[len(inputs.health) - len(record.health_seq) :])
        vehicle = inputs.vehicle if record.vehicle_seq is not None else None
        model = inputs.model if record.model_seq is not None else None
        found = (vehicle and vehicle.seq, tuple(e.seq for e in health), model and model.seq)
        if found != (record.vehicle_seq, record.health_seq, record.model_seq):
            raise self._incomplete(record)
        frame = None if record.frame is None else self._frame(record, record.frame, inputs)
        tick = Tick(
            record.seq,
            record.stamp_ns,
            record.valid,
            record.permitted,
            frame,
            vehicle,
            health,
            model,
            record.asked,
        )
        self._walk.notes.tick(tick)
        return tick

    def _frame(self, tick: TickRecord, frame: FrameRecord, inputs: _Inputs) -> StereoFrame:
        eyes: list[Image | None] = []
        for name, there in zip(_IMAGES, (frame.left, frame.right), strict=True):
            raw = inputs.images.get(name) if there else None
            if there and raw is None:
                raise self._incomplete(tick)
            if raw is not None:
                apart_ns = raw.log_time - frame.stamp_ns - self.header.utc_offset_ns
                self._walk.notes.log_time(name, apart_ns)
            eyes.append(None if raw is None else self._image(name, raw.data))
        return StereoFrame(frame.seq, frame.stamp_ns, frame.valid, eyes[0], eyes[1])

    def _image(self, name: str, data: bytes) -> Image:
        try:
            return image_from_jpeg(data) if self.header.jpeg_quality else image_from_raw(data)
        except ValueError as error:
            raise UserError(f"{self.path}: {name}: {error}") from error

    def _incomplete(self, tick: TickRecord) -> _IncompleteError:
        return _IncompleteError(
            f"{self.path}: tick {tick.seq} consumed a message that is not in the file; "
            f"a log that was filtered cannot be read back (needed: {', '.join(sorted(_INPUTS))})"
        )

    def _raw(self, names: frozenset[str]) -> Iterator[tuple[str, Message | LogGap]]:
        """Yield the messages of these topics as they stand in the files, and their gaps."""
        gaps = 0
        before_ns = self.header.utc_offset_ns
        for name, record in self._walk.messages():
            if isinstance(record, Message):
                before_ns = record.log_time
                if name in names:
                    yield name, record
            elif topics.GAP.name in names:
                gaps += 1
                yield topics.GAP.name, self.gap_message(gaps, before_ns, record)

    def gap_message(self, number: int, before_ns: int, gap: Gap) -> LogGap:
        """Return the message that stands for a gap; the log time before it is in UTC, ns."""
        stamp_ns = max(0, before_ns - self.header.utc_offset_ns)
        lost = gap.end - gap.start
        detail = f"{gap.reason}, from byte {gap.start} on"
        return LogGap(number, stamp_ns, True, "damaged", 0, lost, detail)


class _IncompleteError(Exception):
    """A tick whose inputs are not in the file."""
