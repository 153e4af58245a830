"""What a reader of a log should know beside its damage: a newer writer, clocks that disagree.

In come the schemas and the messages as they are read, out come sentences; each is said once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError
from mcap.records import Schema

from drone import codec, topics
from drone.clock import s_from_ns
from drone.logformat import record_class
from drone.messages import Tick
from drone.protoschema import PACKAGE

TOLERANCE_NS = 1_000_000
"""Clocks that agree to this agree."""
_CLASSES = {topic.name: record_class(topic) for topic in topics.TOPICS}


@dataclass
class LogNotes:
    """Gathers what is to be said of one log.

    Attributes:
        software: that wrote the log.
    """

    software: str
    _unknown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _unreadable: dict[str, int] = field(default_factory=dict)
    _apart_ns: dict[str, int] = field(default_factory=dict)
    _last_ns: int | None = None
    _back: int = 0
    _early_ns: dict[str, int] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """All of it, in words; may grow while the log is read."""
        return (*self._newer(), *self._clocks())

    def restart(self) -> None:
        """Begin another pass: what it meets is counted anew."""
        self._unreadable.clear()
        self._last_ns, self._back = None, 0

    def schema(self, name: str, schema: Schema) -> None:
        """Take in the schema of a topic; it is looked at once."""
        if name not in self._unknown and schema.name.startswith(f"{PACKAGE}."):
            self._unknown[name] = tuple(_unknown_fields(name, schema.data))

    def is_newer(self, name: str) -> bool:
        """Return whether a topic's messages have something that this version does not know."""
        return bool(self._unknown.get(name))

    def unreadable(self, name: str) -> None:
        """Note a message of a newer writer that cannot be read."""
        self._unreadable[name] = self._unreadable.get(name, 0) + 1

    def log_time(self, name: str, apart_ns: int) -> None:
        """Note by how much a message's log time differs from its stamp.

        The model that flies when a file begins was made before, and keeps its stamp.
        """
        most_ns = max(TOLERANCE_NS, self._apart_ns.get(name, 0))
        if name != topics.FLYING.name and abs(apart_ns) > most_ns:
            self._apart_ns[name] = abs(apart_ns)

    def tick(self, tick: Tick) -> None:
        """Note whether a tick's stamps fit to one another and to the tick before."""
        self._back += self._last_ns is not None and tick.stamp_ns < self._last_ns
        self._last_ns = tick.stamp_ns
        for what, message in (("frames", tick.frame), ("vehicle states", tick.vehicle)):
            if message is not None:
                early_ns = message.stamp_ns - tick.stamp_ns
                if early_ns > max(TOLERANCE_NS, self._early_ns.get(what, 0)):
                    self._early_ns[what] = early_ns

    def _newer(self) -> list[str]:
        unknown = [text for texts in self._unknown.values() for text in texts]
        if not unknown:
            return []
        lost = sum(self._unreadable.values())
        rest = f", but for {lost} messages with values that it does not know" if lost else ""
        return [
            f"written by another version ({self.software}); this one does not know "
            f"{', '.join(unknown)}; what it knows is read{rest}"
        ]

    def _clocks(self) -> list[str]:
        notes = []
        if self._apart_ns:
            most_s = s_from_ns(max(self._apart_ns.values()))
            names = ", ".join(sorted(self._apart_ns))
            notes.append(
                f"clocks disagree: log time and stamps are up to {most_s:.3f} s apart on {names}; "
                "the stamps count"
            )
        for what, early_ns in self._early_ns.items():
            notes.append(
                f"clocks disagree: {what} have stamps up to {s_from_ns(early_ns):.3f} s later than "
                "the tick that took them"
            )
        if self._back:
            notes.append(f"clocks disagree: time runs backwards at {self._back} ticks")
        return notes


def _unknown_fields(name: str, data: bytes) -> list[str]:
    """Return what a topic's schema has that this version does not know."""
    cls = _CLASSES.get(name)
    if cls is None:
        return [name]
    try:
        theirs, ours = _fields(data), _fields(codec.schema(cls)[1])
    except DecodeError:
        return [f"the schema of {name}"]
    return [f"{name} {field}" for field in theirs if field not in ours]


def _fields(data: bytes) -> list[str]:
    """Return message and field of a schema, in the order of their numbers."""
    files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    return [f"{m.name}.{f.name}" for file in files for m in file.message_type for f in m.field]
