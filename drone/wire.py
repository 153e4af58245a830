"""What crosses between the processes of one vehicle, beside the topics of a flight log.

    camera ── FRAME, HEALTH ──► pilot ── STATE, FLOWN ──► recorder, web, trainer
    link ── VEHICLE, AUTOPILOT ──►  └──── DECISION, LABEL, MONO ──► link ◄── WISH ── web
    trainer ── MODEL, LEARNER ──►   every process ── ALIVE ──► supervisor

`FLOWN` is one tick whole: what the pilot consumed, what it saw, what it decided. Who follows from a
`STATE` on has all that it takes to step the pilot again, exactly. In come messages, out come the
parts of a ZeroMQ message, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from drone import topics
from drone.codec import CodecError, decode, encode
from drone.logformat import TickRecord, record_of_tick
from drone.messages import (
    Asked,
    Decision,
    DistanceLabel,
    FlightEvent,
    FrameCheck,
    HealthEvent,
    Image,
    ModelVersion,
    MonoEstimate,
    StereoFrame,
    Tick,
    VehicleState,
)
from drone.topics import Topic

__all__ = [*("ALIVE", "FLOWN", "FRAME", "SENT", "STATE", "WISH"), *("Alive", "Flown", "Sent")]
__all__ += ["StateBefore", "Wish", "pack", "unpack"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person who watches asks for: it can only make things safer.

    Attributes:
        asked: of the pilot, as long as it is asked for.
        withdraw: take the permission to fly; only the human pilot gives it again.
        mark: a note for the log, empty if there is none.
    """

    seq: int
    stamp_ns: int
    valid: bool
    asked: Asked = Asked.NOTHING
    withdraw: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Alive:
    """A process goes on.

    Attributes:
        detail: how it stands, in a few words.
    """

    seq: int
    stamp_ns: int
    valid: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A set-point went out to the autopilot.

    Attributes:
        decision_seq: of the decision that stood then, -1 before the first.
        moves: it is not zero.
    """

    seq: int
    stamp_ns: int
    valid: bool
    decision_seq: int
    moves: bool


@dataclass(frozen=True, slots=True)
class StateBefore:
    """The pilot's state before its next tick.

    Attributes:
        seq: of that tick.
        state: `PilotState.to_json`.
        version: of the model that flies, 0 without one.
    """

    seq: int
    stamp_ns: int
    valid: bool
    state: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class Flown:
    """One tick of the pilot.

    Attributes:
        tick: what it consumed.
        check: what the images say of the eyes; like the next two None where no frame came.
        label: what stereo says.
        estimate: what the network says, None without one too.
        decision: what it decided.
        found: what became wrong, or right again, with an eye.
        events: worth marking in the log.
    """

    tick: Tick
    check: FrameCheck | None
    label: DistanceLabel | None
    estimate: MonoEstimate | None
    decision: Decision
    found: tuple[HealthEvent, ...] = ()
    events: tuple[FlightEvent, ...] = ()


FRAME = Topic("/camera/frame", StereoFrame, "every frame", False)
STATE = Topic("/pilot/state", StateBefore, "every second", False)
FLOWN = Topic("/pilot/flown", Flown, "every tick", False)
SENT = Topic("/link/sent", Sent, "every set-point", False)
WISH = Topic("/web/wish", Wish, "on change and every second", False)
ALIVE = Topic("/process/alive", Alive, "every second", False)

Parts = list[bytes]


class _Size(NamedTuple):
    height: int
    width: int


def pack(topic: Topic, message: Any) -> Parts:
    """Return a message as the parts that follow the topic's name.

    Raises:
        CodecError: a value does not fit its field.
    """
    own = _OWN.get(topic.name)
    return own[0](message) if own is not None else [encode(message)]


def unpack(topic: Topic, parts: Sequence[bytes]) -> Any:
    """Return the message of these parts.

    Raises:
        CodecError: they are not those of such a message.
    """
    own = _OWN.get(topic.name)
    left = iter(parts)
    try:
        message = own[1](left) if own is not None else decode(topic.message, next(left))
    except StopIteration:
        raise CodecError(f"{topic.name}: a part is missing") from None
    if next(left, None) is not None:
        raise CodecError(f"{topic.name}: more parts than expected")
    return message


def _pack_frame(frame: StereoFrame) -> Parts:
    head = f"{frame.seq} {frame.stamp_ns} {int(frame.valid)}".encode()
    return [head, *_pack_image(frame.left), *_pack_image(frame.right)]


def _unpack_frame(parts: Iterator[bytes]) -> StereoFrame:
    seq, stamp_ns, valid = _numbers(next(parts), 3)
    return StereoFrame(seq, stamp_ns, bool(valid), _unpack_image(parts), _unpack_image(parts))


def _pack_image(image: Image | None) -> Parts:
    if image is None:
        return [b"", b""]
    height, width = image.shape
    return [f"{height} {width}".encode(), np.ascontiguousarray(image).tobytes()]


def _unpack_image(parts: Iterator[bytes]) -> Image | None:
    size, data = next(parts), next(parts)
    if not size:
        return None
    height, width = _numbers(size, 2)
    if len(data) != height * width:
        raise CodecError(f"image: {len(data)} bytes for {width} x {height} px")
    return np.frombuffer(bytearray(data), np.uint8).reshape(height, width)


def _numbers(text: bytes, count: int) -> list[int]:
    try:
        numbers = [int(word) for word in text.split()]
    except ValueError:
        raise CodecError(f"expected {count} whole numbers, found {text[:40]!r}") from None
    if len(numbers) != count:
        raise CodecError(f"expected {count} whole numbers, found {text[:40]!r}")
    return numbers


def _pack_flown(flown: Flown) -> Parts:
    tick = flown.tick
    frame = _pack_frame(tick.frame) if tick.frame is not None else []
    single = (tick.vehicle, tick.model, flown.check, flown.label, flown.estimate)
    several = (*tick.health, *flown.found, *flown.events)
    counts = (len(tick.health), len(flown.found), len(flown.events), len(frame))
    return [
        " ".join(map(str, counts)).encode(),
        encode(record_of_tick(tick)),
        encode(flown.decision),
        *(b"" if message is None else encode(message) for message in single),
        *map(encode, several),
        *frame,
    ]


def _unpack_flown(parts: Iterator[bytes]) -> Flown:
    health_n, found_n, events_n, frame_n = _numbers(next(parts), 4)
    record = decode(TickRecord, next(parts))
    decision = decode(Decision, next(parts))
    vehicle = _maybe(VehicleState, next(parts))
    model = _maybe(ModelVersion, next(parts))
    seen = (
        _maybe(FrameCheck, next(parts)),
        _maybe(DistanceLabel, next(parts)),
        _maybe(MonoEstimate, next(parts)),
    )
    health = tuple(decode(HealthEvent, next(parts)) for _ in range(health_n))
    found = tuple(decode(HealthEvent, next(parts)) for _ in range(found_n))
    events = tuple(decode(FlightEvent, next(parts)) for _ in range(events_n))
    frame = _unpack_frame(parts) if frame_n else None
    tick = Tick(
        *(record.seq, record.stamp_ns, record.valid, record.permitted),
        frame=frame,
        vehicle=vehicle,
        health=health,
        model=model,
        asked=record.asked,
    )
    return Flown(tick, *seen, decision, found, events)


def _maybe(cls: type, data: bytes) -> Any:
    return decode(cls, data) if data else None


_OWN: dict[str, tuple[Callable[[Any], Parts], Callable[[Iterator[bytes]], Any]]] = {
    FRAME.name: (_pack_frame, _unpack_frame),
    FLOWN.name: (_pack_flown, _unpack_flown),
}


def every_topic() -> dict[str, Topic]:
    """Return all topics that cross between processes, by name."""
    own = (FRAME, STATE, FLOWN, SENT, WISH, ALIVE)
    return {topic.name: topic for topic in (*topics.TOPICS, *own) if topic != topics.TICK}
