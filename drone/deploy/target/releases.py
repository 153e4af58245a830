"""Release folders: made whole beside the others, entered and left by the rename of one symlink.

drone/current ─► releases/<stamp>-<hash>/   bin/drone, venv/, packages/, config.toml, model, ...
"""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drone.deploy.target.refusal import Refused

LAUNCHER = "bin/drone"
INCOMING = ".incoming"
DOCTOR_S = 180.0
"""Longest time that a release's own doctor may take."""
_RELEASE = re.compile(r"\d{8}-\d{6}-[0-9a-f]{12}")
_STAMP = "%Y%m%d-%H%M%S"
_STAMP_LENGTH = 15
_OF_THE_MACHINE = ("cpu.", "clock.")
_LAUNCHER_TEXT = """#!/bin/sh
release=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$release/venv/bin/python" -I -m drone "$@"
"""


class Releases:
    """The folder of this stack on a companion: `releases/`, and `current`, which points into it."""

    def __init__(self, base: Path) -> None:
        """Use a folder, made if missing."""
        self.base = base
        self.folder = base / "releases"
        self.link = base / "current"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"{self.folder}: cannot be made: {error.strerror}") from error
        if self.link.exists() and not self.link.is_symlink():
            raise Refused(f"{self.link}: is no symbolic link of ours; move it away")

    @property
    def names(self) -> list[str]:
        """Of all releases, the oldest first."""
        return sorted(p.name for p in self.folder.iterdir() if _RELEASE.fullmatch(p.name))

    @property
    def current(self) -> str:
        """Name of the release in use, empty if there is none."""
        return os.path.basename(os.readlink(str(self.link))) if self.link.is_symlink() else ""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes releases."""
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(
                    f"{self.folder}: another deployment is going on; wait for it"
                ) from None
            for left in self.folder.glob(".incoming*"):
                shutil.rmtree(str(left))
            yield

    def switch(self, name: str) -> None:
        """Let `current` point to a release: wholly before, or wholly after."""
        new = self.base / f".current-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        if name:
            new.symlink_to(os.path.join("releases", name))
            new.replace(self.link)
        elif self.link.is_symlink():
            self.link.unlink()

    def name_for(self, stamp: str, seal: str) -> str:
        """Return a name after all others: clocks of companions stand still while they are off."""
        last = max([name[:_STAMP_LENGTH] for name in self.names], default="")
        if stamp <= last:
            later = calendar.timegm(time.strptime(last, _STAMP)) + 1
            stamp = time.strftime(_STAMP, time.gmtime(later))
        return f"{stamp}-{seal}"

    def prune(self, keep: int) -> list[str]:
        """Remove old releases but the newest few, the current one, and those that still run."""
        others = [name for name in self.names if name != self.current]
        gone = [name for name in others[: max(0, len(others) - keep)] if not self._runs(name)]
        for name in gone:
            shutil.rmtree(str(self.folder / name), ignore_errors=True)
        return gone

    def _runs(self, name: str) -> bool:
        """Return whether a program was started out of a release."""
        mark = f"releases/{name}/".encode()
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if mark in process.read_bytes():
                    return True
        return False


def equip(release: Path, version: str, python: str) -> None:
    """Make an unpacked bundle run: a virtual environment of three entries, and the launcher."""
    library = release / "venv" / "lib" / f"python{version}"
    library.mkdir(parents=True)
    (library / "site-packages").symlink_to(os.path.join("..", "..", "..", "packages"))
    (release / "venv" / "bin").mkdir()
    (release / "venv" / "bin" / "python").symlink_to(python)
    (release / "venv" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(python)}\n")
    launcher = release / LAUNCHER
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(_LAUNCHER_TEXT)
    launcher.chmod(0o755)


def examine(release: Path) -> list[dict[str, Any]]:
    """Let a release's own `drone doctor` look at it, without touching cameras or autopilot.

    Returns:
        Its findings.

    Raises:
        Refused: one of them is bad (but for those of the machine), or it does not run.
    """
    command = [str(release / LAUNCHER), "doctor", "--config", str(release / "config.toml")]
    if (release / "model.onnx").is_file():
        command += ["--model", str(release / "model.onnx")]
    try:
        done = subprocess.run(
            [*command, "--no-hardware", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOCTOR_S,
            cwd=str(release),
        )
        findings = list(json.loads(done.stdout)["findings"])
    except subprocess.TimeoutExpired:
        raise Refused(f"the new release's doctor had no answer within {DOCTOR_S:.0f} s") from None
    except (ValueError, LookupError, OSError):
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Refused(f"the new release does not start; it said: {said}") from None
    failed = [f for f in findings if f["verdict"] == "fail"]
    bad = [f"{f['name']}: {f['what']}; {f['fix']}" for f in failed if not _is_machines(f)]
    if bad or (done.returncode and not failed):
        raise Refused("the new release is not healthy: " + (" | ".join(bad) or done.stderr.strip()))
    return findings


def _is_machines(finding: dict[str, Any]) -> bool:
    """Return whether a finding is about the machine at this moment: no release is better there."""
    return str(finding["name"]).startswith(_OF_THE_MACHINE)
