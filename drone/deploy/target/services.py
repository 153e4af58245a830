"""The service that flies once the machine starts: a unit of systemd, of the system or of a user.

The unit that ships is the system's, for a user `drone`; here it becomes that of the user who
deploys. A user's unit has none of the lines below `SYSTEM_ONLY`: what they ask for only the system
may give.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
from pathlib import Path

from drone.deploy.target.refusal import Refused

UNIT = "drone.service"
OPTIONS, SHADOW = "onboard.env", "--shadow"
"""File of a release that says more to `drone onboard`, and the word there that lets it command
nothing."""
SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_ONLY = "# What only the system's service manager can give"
_SHIPPED_USER, _SHIPPED_BASE = "User=drone", "/home/drone/drone"
_RESTART_S = 120.0


def is_shadow(release: Path) -> bool:
    """Return whether the service of a release commands nothing."""
    options = release / OPTIONS
    return options.is_file() and SHADOW in options.read_text()


def system_unit(text: str, user: str, base: Path) -> str:
    """Return the unit as it goes into the system's folder."""
    return text.replace(_SHIPPED_USER, f"User={user}").replace(_SHIPPED_BASE, str(base))


def user_unit(text: str, base: Path) -> str:
    """Return the unit as it goes into a user's folder."""
    head, _, rest = text.partition(SYSTEM_ONLY)
    _, _, install = rest.partition("[Install]")
    unit = f"{head.rstrip()}\n\n[Install]{install}".replace(_SHIPPED_BASE, str(base))
    return unit.replace("multi-user.target", "default.target")


class Service:
    """The unit on this machine."""

    def __init__(self, base: Path, user_only: bool) -> None:
        """Choose the system's unit where this user may, else the user's own.

        Raises:
            Refused: the user's own would run beside the system's.
        """
        self._base = base
        self._sudo: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]
        self.is_system = not user_only and self._may_be_system()
        if not (self.is_system or user_only) and (SYSTEM_UNITS / UNIT).exists():
            raise Refused(
                f"{SYSTEM_UNITS / UNIT}: is the system's, which this user may not change without "
                "a password (sudo -n), and a user's own would run beside it; right is sudo without "
                f"a password, or sudo rm {SYSTEM_UNITS / UNIT} after sudo systemctl disable --now "
                "drone"
            )
        folder = SYSTEM_UNITS if self.is_system else Path.home() / ".config/systemd/user"
        self.path = folder / UNIT

    def _may_be_system(self) -> bool:
        return SYSTEM_UNITS.is_dir() and _run([*self._sudo, "true"]).returncode == 0

    def install(self, shipped: str) -> None:
        """Make a unit of the one that ships, and have it start with the machine.

        Raises:
            Refused: it cannot be written, or systemd does not take it.
        """
        user, base = getpass.getuser(), self._base
        self.put(system_unit(shipped, user, base) if self.is_system else user_unit(shipped, base))

    def put(self, text: str) -> None:
        """Write the unit as it is; raises as `install`."""
        if self.is_system:
            done = _run([*self._sudo, "tee", str(self.path)], text)
            if done.returncode:
                raise Refused(f"{self.path}: cannot be written: {done.stderr.strip()}")
        else:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(text)
            except OSError as error:
                raise Refused(f"{self.path}: cannot be written: {error.strerror}") from error
            _run(["loginctl", "enable-linger"])  # where that is not allowed it starts at login
        self._systemctl("daemon-reload")
        self._systemctl("enable", UNIT)

    def restart(self) -> None:
        """Stop what runs and start what is current; systemd answers when it is ready.

        Raises:
            Refused: it did not become ready.
        """
        self._systemctl("restart", UNIT)

    def stop(self) -> None:
        """Stop what runs, if it does."""
        self._systemctl("stop", UNIT)

    def remove(self) -> None:
        """Stop what runs, if it does, and leave no unit; what cannot be done is left."""
        for words in (("stop", UNIT), ("disable", UNIT)):
            with contextlib.suppress(Refused):
                self._systemctl(*words)
        if self.is_system:
            _run([*self._sudo, "rm", "-f", str(self.path)])
        else:
            with contextlib.suppress(OSError):
                self.path.unlink()
        with contextlib.suppress(Refused):
            self._systemctl("daemon-reload")

    @property
    def text(self) -> str:
        """The unit as it is installed, empty if it is not."""
        return self.path.read_text() if self.path.is_file() else ""

    def _systemctl(self, *words: str) -> None:
        manager = [*self._sudo, "systemctl"] if self.is_system else ["systemctl", "--user"]
        done = _run([*manager, *words])
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
            log = "journalctl -u drone" if self.is_system else "journalctl --user -u drone"
            raise Refused(f"systemctl {' '.join(words)}: {said} (more there: {log})")


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_RESTART_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
