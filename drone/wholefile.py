"""Files that are there whole or not at all: written under another name, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from drone.errors import UserError, WorkFailedError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; where that fails, what was there before stays.

    Raises:
        UserError: the path names a folder, or its folder is not there.
        WorkFailedError: it cannot be written: no permission, a full disk.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected the name of a file in it")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error
