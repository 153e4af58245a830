"""What runs there are: in comes the folder of all runs, out comes one `RunSummary` for each.

The figures come from `result.json`; what that lacks comes from the log's first record and its end.
No message is read, so that hundreds of runs of any length take a moment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from drone.errors import UserError
from drone.logwalk import LogWalk
from drone.runfolder import CONFIG_NAME, LOG_NAME, RESULT_NAME, RunFolder

_STAMP = "%Y%m%d-%H%M%S"
_STAMP_LENGTH = 15


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run at a glance.

    Attributes:
        path: of the run folder.
        when: local time of its start, from the folder's name, else when it was last written.
        name: of the run.
        source: `sim`, or what recorded or live input it came from; empty if the log is unreadable.
        seed: of the flight, None if unknown.
        duration_s: flown, NaN if unknown.
        mode_share: share of the time in each mode that occurred.
        collisions: of all modes, None where they are unknown or there were none to count.
        size_bytes: of all files of the folder.
        damaged: what is wrong with the run, None if nothing is.
        log_files: how many the log consists of.
        removed_files: how many older ones were removed, so that the log kept its size.
    """

    path: Path
    when: datetime
    name: str
    source: str
    seed: int | None
    duration_s: float
    mode_share: dict[str, float]
    collisions: int | None
    size_bytes: int
    damaged: str | None
    log_files: int = 0
    removed_files: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {
            "run": str(self.path),
            "when": self.when.isoformat(timespec="seconds"),
            "name": self.name,
            "source": self.source or None,
            "seed": self.seed,
            "duration_s": round(self.duration_s, 3),
            "mode_share": {mode: round(share, 4) for mode, share in self.mode_share.items()},
            "collisions": self.collisions,
            "size_bytes": self.size_bytes,
            "log_files": self.log_files,
            "removed_files": self.removed_files,
            "damaged": self.damaged,
        }


def list_runs(runs: Path) -> Iterator[RunSummary]:
    """Yield the runs of a folder, oldest first; other folders in it are passed over.

    Raises:
        UserError: there is no such folder.
    """
    if not runs.is_dir():
        raise UserError(f"{runs}: no folder of runs; drone fly makes it, --runs DIR names another")
    try:
        folders = [path for path in sorted(runs.iterdir()) if _is_run(path)]
    except OSError as error:
        raise UserError(f"{runs}: cannot be read: {error.strerror}") from error
    yield from sorted(map(summarise, folders), key=lambda run: run.when)


def summarise(path: Path) -> RunSummary:
    """Return what one run folder holds, whatever state it is in."""
    result, no_result = _result(path / RESULT_NAME)
    log, no_log = _log(RunFolder(path).log)
    flown_s = _number(result.get("simulated_s", result.get("flown_s")))
    when, name = _when_and_name(path)
    return RunSummary(
        path=path,
        when=when,
        name=name,
        source="" if log is None else log.header.source,
        seed=_integer(result.get("seed")) if log is None else log.header.seed,
        duration_s=_logged_s(log) if math.isnan(flown_s) else flown_s,
        mode_share=_shares(result.get("mode_s")),
        collisions=_sum(result.get("collisions")),
        size_bytes=_size_bytes(path),
        damaged="; ".join(problem for problem in (no_log, no_result) if problem) or None,
        log_files=0 if log is None else len(log.files),
        removed_files=0 if log is None else log.header.file_number,
    )


def _is_run(path: Path) -> bool:
    """Return whether a folder is a run, also one that was broken off at its beginning."""
    if not path.is_dir():
        return False
    if RunFolder(path).log.is_file() or (path / RESULT_NAME).is_file():
        return True
    return (path / CONFIG_NAME).is_file() and _stamp(path.name) is not None


def _result(path: Path) -> tuple[Mapping[str, Any], str]:
    """Return the figures, and what is wrong with them in words."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, f"no {RESULT_NAME}: the run goes on, or was broken off"
    except (OSError, ValueError):
        return {}, f"{RESULT_NAME} cannot be read"
    return (result, "") if isinstance(result, dict) else ({}, f"{RESULT_NAME} is no JSON object")


def _log(path: Path) -> tuple[LogWalk | None, str]:
    """Return the log, None if there is none, and what is wrong with it in words."""
    if not path.is_file():
        return None, f"no {LOG_NAME}"
    try:
        log = LogWalk(path, frozenset(), alone=False)
    except UserError as error:
        return None, str(error).removeprefix(f"{path}: ")
    return log, log.damaged or ""


def _logged_s(log: LogWalk | None) -> float:
    return math.nan if log is None else log.duration_s


def _stamp(folder: str) -> datetime | None:
    try:
        return datetime.strptime(folder[:_STAMP_LENGTH], _STAMP)
    except ValueError:
        return None


def _when_and_name(path: Path) -> tuple[datetime, str]:
    when = _stamp(path.name)
    if when is not None:
        return when, path.name[_STAMP_LENGTH:].removeprefix("-")
    return datetime.fromtimestamp(path.stat().st_mtime), path.name


def _shares(mode_s: Any) -> dict[str, float]:
    if not isinstance(mode_s, dict):
        return {}
    seconds = {mode: _number(value) for mode, value in mode_s.items()}
    total_s = math.fsum(s for s in seconds.values() if s > 0)
    return {mode: s / total_s for mode, s in seconds.items() if s > 0}


def _sum(collisions: Any) -> int | None:
    if not isinstance(collisions, dict):
        return None
    counts = [_integer(count) for count in collisions.values()]
    return sum(count for count in counts if count is not None)


def _number(value: Any) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain else math.nan


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
