"""What a check says: a verdict, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How it stands; only `fail` grounds the vehicle."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """Of one check.

    Attributes:
        name: group and check, such as `cameras.rate`.
        verdict: how it stands.
        what: was found, in words and figures.
        fix: what to do about it; empty where nothing need be done.
    """

    name: str
    verdict: Verdict
    what: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "what": self.what,
            "fix": self.fix,
        }


def ok(name: str, what: str) -> Finding:
    """Return that all is well."""
    return Finding(name, Verdict.OK, what)


def warn(name: str, what: str, fix: str) -> Finding:
    """Return that it flies, but not well."""
    return Finding(name, Verdict.WARN, what, fix)


def fail(name: str, what: str, fix: str) -> Finding:
    """Return that it must not fly like this."""
    return Finding(name, Verdict.FAIL, what, fix)


def skipped(name: str, what: str) -> Finding:
    """Return that nothing was looked at, and why."""
    return Finding(name, Verdict.SKIPPED, what)


def graded(name: str, verdict: Verdict, what: str, fix: str) -> Finding:
    """Return a finding that has its fix only where something is wrong."""
    return Finding(name, verdict, what, "" if verdict is Verdict.OK else fix)


def upper(value: float, warn_above: float, fail_above: float) -> Verdict:
    """Return how a figure stands that is better when it is small; NaN fails."""
    if value <= warn_above:
        return Verdict.OK
    return Verdict.WARN if value <= fail_above else Verdict.FAIL


def lower(value: float, warn_below: float, fail_below: float) -> Verdict:
    """Return how a figure stands that is better when it is large; NaN fails."""
    if value >= warn_below:
        return Verdict.OK
    return Verdict.WARN if value >= fail_below else Verdict.FAIL
