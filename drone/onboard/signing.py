"""The key of MAVLink 2 signing, and the last timestamp, kept across reboots.

A signing timestamp must never go back: units of 10 µs since 2015, one more per message. A companion
computer has no clock of its own, and may be cut off at any moment. So the file holds a timestamp
*ahead* of what was sent: what is below it may be used up, and who starts begins at it.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from drone.errors import DroneError, UserError
from drone.wholefile import write_whole

KEY_BYTES = 32
EPOCH_S = 1_420_070_400
"""2015-01-01T00:00:00Z."""
PER_S = 100_000
"""Units in a second."""
AHEAD = 50 * PER_S
"""What is reserved at once. Less than a minute: an autopilot that hears us would else be ahead
of a ground station with a true clock, and refuse it."""
_MOST = 2**48 - 1


def read_key(path: Path) -> bytes:
    """Return the 32 bytes of a key file: as they are, or as 64 hex digits.

    Raises:
        UserError: there is none, everybody may read it, or it holds something else.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise UserError(f"{path}: others may read the signing key; right is: chmod 600 {path}")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the signing key cannot be read: {error.strerror}") from error
    if len(data) == KEY_BYTES:
        return data
    try:
        key = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UserError(
            f"{path}: {len(data)} bytes; a signing key is 32 bytes, or 64 hex digits, of the "
            f"ground station's passphrase: printf %s PASSPHRASE | sha256sum | cut -c1-64 > {path}"
        )
    return key


class TimestampFile:
    """Timestamps that never go back, whatever happens to the power.

    Attributes:
        start: what the first message may carry.
        problem: why the file could not be written, in words; empty if it could.
    """

    def __init__(self, path: Path, utc_s: float) -> None:
        """Read what was kept, and reserve some more.

        Args:
            path: of the file; its folder is made.
            utc_s: the machine's clock, which counts where it is later than what was kept.

        Raises:
            UserError: the file holds no timestamp, or its folder cannot be made.
            WorkFailedError: it cannot be written.
        """
        self._path = path
        self._writer: threading.Thread | None = None
        self.problem = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path.parent}: cannot be made: {error.strerror}") from error
        by_clock = max(0, int((utc_s - EPOCH_S) * PER_S))
        self.start = min(max(self._kept(), by_clock), _MOST)
        self._reserved = min(self.start + AHEAD, _MOST)
        write_whole(self._path, _text(self._reserved))

    def keep(self, timestamp: int) -> None:
        """Make sure that what is kept is ahead of this timestamp; does not wait for the disk."""
        busy = self._writer is not None and self._writer.is_alive()
        if timestamp + AHEAD // 2 <= self._reserved or busy:
            return
        self._reserved = min(timestamp + AHEAD, _MOST)
        self._writer = threading.Thread(target=self._write, args=(self._reserved,), daemon=True)
        self._writer.start()

    def give_back(self, timestamp: int) -> None:
        """Keep no more than was used: nothing is sent any more, and this would have come next."""
        self.close()
        with contextlib.suppress(DroneError):
            if self._kept() == self._reserved:  # else somebody has begun after us
                write_whole(self._path, _text(timestamp))

    def close(self) -> None:
        """Wait for what is being written."""
        if self._writer is not None:
            self._writer.join()

    def _write(self, timestamp: int) -> None:
        try:
            write_whole(self._path, _text(timestamp))
            self.problem = ""
        except DroneError as error:
            self.problem = str(error)

    def _kept(self) -> int:
        try:
            text = self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self._path}: the signing timestamp cannot be read") from error
        if not text.strip().isdigit():
            raise UserError(
                f"{self._path}: {text[:40]!r} is no signing timestamp; without the file, the "
                "machine's clock counts: remove it if the clock is right"
            )
        return int(text)


def _text(timestamp: int) -> bytes:
    return f"{timestamp}\n".encode()
