"""What a process costs: its share of a core, and its memory, as Linux counts them in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_TICKS_HZ = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Fields of /proc/PID/stat behind the name, which may hold spaces (proc(5))."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one role, over all its processes one after the other.

    Attributes:
        cpu_s: of those that ended, and of the present one.
        seconds: for which they were looked at.
        memory_mb: the most of its own and its part of what it shares (PSS), MiB; 0 where unknown.
    """

    cpu_s: float = 0.0
    seconds: float = 0.0
    memory_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as they are told."""
        share = self.cpu_s / self.seconds if self.seconds else float("nan")
        return {"core_share": round(share, 4), "memory_mb": round(self.memory_mb, 1)}


def used(usage: Usage, cpu_s: float, seconds: float, memory_mb: float) -> Usage:
    """Return the usage after so much more."""
    return replace(
        usage,
        cpu_s=usage.cpu_s + cpu_s,
        seconds=usage.seconds + seconds,
        memory_mb=max(usage.memory_mb, memory_mb),
    )


def cpu_s_of(pid: int) -> float:
    """Return the processor time of a process so far, 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_HZ


def memory_mb_of(pid: int) -> float:
    """Return the memory of a process now (PSS), MiB, 0 where that is unknown."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split() for line in lines if line.startswith("Pss:")]
    return int(found[0][1]) / 1024 if found else 0.0
