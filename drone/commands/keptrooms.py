"""Where a long bench keeps its finished rooms, so that it can go on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drone.errors import UserError, WorkFailedError


def finished_rooms(path: Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rooms that were finished with the same settings, by seed; none without a file.

    Raises:
        UserError: the file is another's, or its rooms were flown with other settings.
    """
    if path is None or not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        same = all(kept[key] == value for key, value in settings.items())
        rooms: dict[str, Any] = kept["rooms"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file that this command wrote: {error}") from error
    if not same:
        raise UserError(f"{path}: was flown with other settings; name another file")
    return rooms


def keep_rooms(path: Path | None, settings: Mapping[str, Any], rooms: Mapping[str, Any]) -> None:
    """Write the finished rooms with their settings; nothing without a file.

    Raises:
        WorkFailedError: the file cannot be written.
    """
    if path is None:
        return
    text = json.dumps({**settings, "rooms": rooms}, indent=1)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error
