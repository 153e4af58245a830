"""What another setting would have changed: in comes a log, out come decisions beside those flown.

    log ─► tick, percept ─► decide, other settings ─► Decision ─┬─► counts, seconds in each mode
    log ─► Decision as flown ───────────────────────────────────┘

The drone is moved as it was: what it would have seen elsewhere is unknown. So this tells of each
moment what would have been decided there, not how the flight would have gone on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drone import config
from drone.clock import s_from_ns
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import Decision
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide
from drone.replay import flown_moments

DECIDING = ("trust", "switching", "avoidance", "limits")
"""Sections of `pilot` that decisions are made by; the others make labels and estimates."""


@dataclass
class Side:
    """Decisions of one side, counted in ticks.

    Attributes:
        mode: ticks in each mode.
        trusted: ticks with a live licence.
        blocked: ticks in which the deciding cue said stop.
        overrides: times at which an override began.
    """

    mode: Counter[str] = field(default_factory=Counter)
    trusted: int = 0
    blocked: int = 0
    overrides: int = 0
    _overriding: bool = False

    def add(self, decision: Decision) -> None:
        """Count one decision."""
        self.mode[decision.mode.value] += 1
        self.trusted += decision.trust.held
        self.blocked += decision.blocked
        self.overrides += decision.override and not self._overriding
        self._overriding = decision.override

    def to_dict(self, ticks: int) -> dict[str, Any]:
        """Return shares of the ticks, and counts."""
        return {
            "mode_share": {mode: round(n / ticks, 4) for mode, n in sorted(self.mode.items())},
            "trusted_share": round(self.trusted / ticks, 4),
            "blocked_share": round(self.blocked / ticks, 4),
            "overrides": self.overrides,
        }


@dataclass
class WhatIf:
    """What came of it.

    Attributes:
        ticks: compared.
        commands: ticks whose command differs.
        first: the first difference of mode, stop or command, in words, empty if none.
        damaged: what the log lost, None if nothing.
        notes: what else is to be known of it.
    """

    ticks: int = 0
    commands: int = 0
    first: str = ""
    flown: Side = field(default_factory=Side)
    instead: Side = field(default_factory=Side)
    damaged: str | None = None
    notes: tuple[str, ...] = ()

    def add(self, was: Decision, now: Decision) -> None:
        """Take in what was decided and what would have been."""
        self.ticks += 1
        self.flown.add(was)
        self.instead.add(now)
        same = _motion(was) == _motion(now)
        self.commands += not same
        if not self.first and not (same and was.mode == now.mode and was.blocked == now.blocked):
            self.first = (
                f"tick {was.seq} at {s_from_ns(was.stamp_ns):.2f} s: was {_told(was)}; "
                f"instead {_told(now)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {
            "ticks": self.ticks,
            "commands_changed": self.commands,
            "first_change": self.first or None,
            "flown": self.flown.to_dict(self.ticks),
            "instead": self.instead.to_dict(self.ticks),
            "damaged": self.damaged,
            "notes": list(self.notes),
        }


def what_if(
    path: Path, settings: Sequence[str], on_progress: Callable[[float], None] | None = None
) -> WhatIf:
    """Decide a log's every tick anew by other settings.

    Args:
        path: of the log.
        settings: `key=value`, of the sections in `DECIDING`.
        on_progress: called with the seconds of flight replayed so far.

    Raises:
        UserError: not a flight log, an unknown setting, or one that decides nothing here.
    """
    for setting in settings:
        parts = setting.partition("=")[0].split(".")
        if len(parts) < 3 or parts[0] != "pilot" or parts[1] not in DECIDING:
            raise UserError(
                f"--what-if {setting}: expected a setting of pilot.{', pilot.'.join(DECIDING)}; "
                "labels and estimates stay as they were logged (--retrain makes them anew)"
            )
    log = FlightLog(path)
    tree = config.loads(log.header.config_toml, f"{path} (its configuration)", settings)
    state = PilotState.from_json(log.header.pilot_state)
    result = WhatIf()
    first_ns: int | None = None
    gaps: list[str] = []
    for moment in flown_moments(log, gaps.append):
        percept = Percept(moment.check, moment.label, moment.estimate)
        state, now = decide(state, moment.tick, percept, tree.pilot)
        assert moment.decision is not None
        result.add(moment.decision, now)
        first_ns = moment.tick.stamp_ns if first_ns is None else first_ns
        if on_progress is not None:
            on_progress(s_from_ns(moment.tick.stamp_ns - first_ns))
    ended = (f"what comes after its first gap, {gaps[0]}, is left out",) if gaps else ()
    result.damaged, result.notes = log.damaged, (*log.notes, *ended)
    if not result.ticks:
        raise UserError(f"{path}: holds no tick with its decision: there is nothing to compare")
    return result


def _motion(decision: Decision) -> tuple[float, ...]:
    c = decision.command
    return (c.forward_mps, c.right_mps, c.down_mps, c.yaw_rate_radps)


def _told(decision: Decision) -> str:
    stop = ", stop" if decision.blocked else ""
    speed = f"{decision.command.forward_mps:.2f} m/s"
    return f"{decision.mode.value}{stop}, {speed} ({decision.reason})"
