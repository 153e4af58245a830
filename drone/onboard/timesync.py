"""The autopilot's clock in the companion's, by TIMESYNC: the quickest of the latest answers counts.

The companion says when it asked, the autopilot answers with its own time; half way between question
and answer both clocks showed the same moment, the more surely the shorter the way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from drone.clock import ns_from_s, s_from_ns

KEPT = 16
"""Answers that count, one a second: clocks drift by microseconds in that time."""
LONGEST_NS = ns_from_s(0.2)
"""Answers that took longer say nothing."""
SLACK_NS = ns_from_s(0.01)
"""Two answers of one clock differ by no more than half their ways, and this."""
BACK_NS = ns_from_s(1.0)
"""Stamps that jump back by more are of a clock that began anew; by less, datagrams overtook."""


class Answer(NamedTuple):
    """One question and its answer: how long it took, and the clocks' difference, both ns."""

    took_ns: int
    offset_ns: int


class ClockSync(NamedTuple):
    """The latest answers, oldest first."""

    answers: tuple[Answer, ...] = ()

    def heard(self, asked_ns: int, theirs_ns: int, now_ns: int) -> ClockSync:
        """Return the state with an answer in it.

        Args:
            asked_ns: when it was asked, by our clock.
            theirs_ns: the answer, by theirs.
            now_ns: when it came, by our clock.
        """
        took_ns = now_ns - asked_ns
        if not 0 <= took_ns <= LONGEST_NS:
            return self
        answer = Answer(took_ns, theirs_ns - (asked_ns + now_ns) // 2)
        if self.answers and not _agree(answer, min(self.answers)):
            return ClockSync((answer,))  # their clock began anew, or leapt
        return ClockSync((*self.answers, answer)[-KEPT:])

    @property
    def offset_ns(self) -> int:
        """Their clock minus ours; only where there is an answer."""
        return min(self.answers).offset_ns

    @property
    def offset_s(self) -> float:
        """Their clock minus ours, NaN where unknown."""
        return s_from_ns(self.offset_ns) if self.answers else math.nan

    def ours_ns(self, theirs_ns: int, arrived_ns: int) -> int:
        """Return when something was measured, by our clock: when it arrived, where unknown.

        What was on its way for long stays old. Nothing was measured later than it arrived.
        """
        return min(theirs_ns - self.offset_ns, arrived_ns) if self.answers else arrived_ns


def began_anew(before_ns: int, theirs_ns: int) -> bool:
    """Return whether their clock began anew, by two stamps of one kind of message, in order."""
    return theirs_ns < before_ns - BACK_NS


def _agree(one: Answer, other: Answer) -> bool:
    """Return whether one clock can have given both answers."""
    apart_ns = abs(one.offset_ns - other.offset_ns)
    return apart_ns <= (one.took_ns + other.took_ns) // 2 + SLACK_NS
