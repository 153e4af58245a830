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
OLDEST_NS = ns_from_s(0.5)
"""What was measured longer ago, by the clocks, was measured when it arrived."""


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
        if self.answers and abs(answer.offset_ns - self.offset_ns) > 2 * LONGEST_NS:
            return ClockSync((answer,))  # their clock began anew
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
        """Return when something was measured, by our clock: when it arrived, where unknown."""
        if not self.answers:
            return arrived_ns
        stamp_ns = theirs_ns - self.offset_ns
        return stamp_ns if 0 <= arrived_ns - stamp_ns <= OLDEST_NS else arrived_ns
