"""The rows of an experiment: one line of JSON each, written as they come, found again by key.

A row counts only for the code that made it. Rows of other code are set aside in a file named after
that code: never mixed in, never lost. A line cut off by a crash is no row.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from drone.errors import UserError, WorkFailedError
from drone.wholefile import write_whole
from training.experiments.design import Row

FILE = "rows.jsonl"


class Store:
    """Rows in a folder."""

    def __init__(self, folder: Path, version: str) -> None:
        """Read what is there.

        Args:
            folder: of one experiment.
            version: of the code; rows of another are not taken.

        Raises:
            UserError: the file is not one of rows.
        """
        self.path = folder / FILE
        self.version = version
        self._read()

    def _read(self) -> None:
        self.foreign: dict[str, list[Row]] = {}
        self._rows: dict[str, Row] = {}
        for row in (*read_rows(self._aside(self.version)), *read_rows(self.path)):
            if row.version == self.version:
                self._rows[row.key] = row
            else:
                self.foreign.setdefault(row.version, []).append(row)

    def get(self, key: str) -> Row | None:
        """Return a task's row, if it was done."""
        return self._rows.get(key)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder while rows are added; rows of other code are set aside first.

        Raises:
            UserError: another process holds it.
            WorkFailedError: the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("w") as lock:
                _hold(lock, self.path.parent)
                self._read()  # what another process has added until now
                self._set_aside()
                yield
        except OSError as error:
            where = error.filename or self.path.parent
            raise WorkFailedError(f"{where}: cannot be written: {error.strerror}") from error

    def add(self, row: Row) -> None:
        """Keep a row, on the disk before this returns.

        Raises:
            OSError: there is no room for it; within `writing`, that is said in words.
        """
        line = _line(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._rows[row.key] = row

    def _set_aside(self) -> None:
        """Leave only whole lines of this version in the file, and all of them."""
        for version, rows in self.foreign.items():
            kept = {row.key: row for row in (*read_rows(self._aside(version)), *rows)}
            write_whole(self._aside(version), "".join(map(_line, kept.values())).encode())
        write_whole(self.path, "".join(map(_line, self._rows.values())).encode())
        self._aside(self.version).unlink(missing_ok=True)

    def _aside(self, version: str) -> Path:
        """Return where rows of a version are while it is not the one that counts."""
        return self.path.with_name(f"rows.{version}.jsonl")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, none if there is no such file.

    Raises:
        UserError: it cannot be read, or a whole line in it is no row.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(text.split("\n")[:-1], 1):  # what follows the last was cut off
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path}, line {number}: not a row of an experiment ({error}); "
                "remove the line, and its task runs again"
            ) from error
    return rows


def _line(row: Row) -> str:
    return json.dumps(row._asdict(), separators=(",", ":"), allow_nan=False) + "\n"


def _hold(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"{folder}: another process is adding rows here; wait for it, or give another --output"
        ) from error
