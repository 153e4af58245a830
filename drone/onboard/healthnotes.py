"""What went wrong with the eyes, over a whole recording or flight, in one line for each fault.

In: health events, as a driver reports them and as the images show them. Out: which of them are
news, and at the end the lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from drone.clock import s_from_ns
from drone.messages import Eye, HealthEvent

_NAMES = {Eye.LEFT: "left eye", Eye.RIGHT: "right eye", Eye.PAIR: "eyes"}


@dataclass
class HealthNotes:
    """Collects events, oldest first."""

    _begins_ns: dict[tuple[Eye, str], list[int]] = field(default_factory=dict)
    _ends_ns: dict[tuple[Eye, str], list[int]] = field(default_factory=dict)

    def add(self, events: Iterable[HealthEvent]) -> tuple[HealthEvent, ...]:
        """Take in events, and return those that say something new: driver and images may agree."""
        return tuple(event for event in events if self._is_news(event))

    def _is_news(self, event: HealthEvent) -> bool:
        key = event.eye, event.kind
        begins, ends = (found.setdefault(key, []) for found in (self._begins_ns, self._ends_ns))
        stands = len(begins) > len(ends)
        if event.active == stands:
            return False
        (begins if event.active else ends).append(event.stamp_ns)
        return True

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each eye and fault, by when it first showed."""
        found = sorted((begins[0], key) for key, begins in self._begins_ns.items() if begins)
        return tuple(self._line(key) for _, key in found)

    def _line(self, key: tuple[Eye, str]) -> str:
        begins, ends = self._begins_ns[key], self._ends_ns[key]
        what = f"{_NAMES[key[0]]} {key[1]}"
        first_s = s_from_ns(begins[0])
        if len(begins) > 1:
            last = "the last goes on" if len(ends) < len(begins) else f"until {_s(ends[-1])}"
            return f"{what} {len(begins)} times from {first_s:.1f} s on, {last}"
        return f"{what} from {first_s:.1f} s " + (f"to {_s(ends[0])}" if ends else "on")


def _s(stamp_ns: int) -> str:
    return f"{s_from_ns(stamp_ns):.1f} s"
