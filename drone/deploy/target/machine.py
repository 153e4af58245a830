"""What machine this is, and whether a bundle fits it."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drone.deploy.target.refusal import Refused

PYTHONS = ("3.11", "3.12", "3.13")
ROOM = 1.2
"""Space that a release takes, in sizes of its files: byte code comes to them."""
_ASK = (
    "import sys,struct;print('%d.%d'%sys.version_info[:2],8*struct.calcsize('P'),"
    "getattr(sys,'_base_executable',sys.executable))"
)


def machine() -> str:
    """Return the architecture of what runs here: a 64-bit kernel may carry 32-bit programs."""
    name = platform.machine()
    return name if struct.calcsize("P") == 8 else f"{name} with 32-bit programs"


@functools.lru_cache(maxsize=None)  # noqa: UP033 (`cache` came with Python 3.9)
def pythons() -> dict[str, str]:
    """Return the interpreters of fitting versions, by version, with their real paths."""
    places = [*os.environ.get("PATH", "").split(":"), "/usr/local/bin", "/usr/bin"]
    path = ":".join([*places, os.path.expanduser("~/.local/bin")])
    found: dict[str, str] = {}
    for name in (*(f"python{version}" for version in PYTHONS), "python3", sys.executable):
        program = shutil.which(name, path=path)
        answer = _output([program, "-I", "-S", "-c", _ASK]).split(None, 2) if program else []
        if len(answer) == 3 and answer[0] in PYTHONS and answer[1] == "64":
            found.setdefault(answer[0], os.path.realpath(answer[2].strip()))
    return found


def check_fits(manifest: dict[str, Any], base: Path) -> None:
    """Check that a bundle is for this machine, and that there is space.

    Raises:
        Refused: another architecture, Python or C library, or too little space.
    """
    here = platform.node()
    if manifest["arch"] != machine():
        raise Refused(
            f"the bundle is for {manifest['arch']}, but {here} is {machine()}; "
            "right is --arch aarch64 or x86-64, the one of that machine"
        )
    have = pythons()
    if manifest["python"] not in have:
        versions = ", ".join(sorted(have)) or f"none of {', '.join(PYTHONS)} in 64 bits"
        raise Refused(
            f"the bundle is for Python {manifest['python']}, but {here} has {versions}; right is "
            "--python with a version that is there, or install it there"
        )
    if _numbers(glibc()) < _numbers(manifest["glibc"]):
        raise Refused(
            f"the bundle needs glibc {manifest['glibc']} or later, but {here} has "
            f"{glibc() or 'another C library'}; right is a newer system"
        )
    needed, free = int(ROOM * sum(f[1] for f in manifest["files"].values())), free_bytes(base)
    if needed > free:
        raise Refused(
            f"{base} on {here}: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free; "
            "free some (old runs: drone runs pull, then delete them there)"
        )


def glibc() -> str:
    """Return the version of the C library, empty if it is not GNU's."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return ""
    return version if name == "glibc" else ""


def free_bytes(base: Path) -> int:
    """Return the space that this user may still fill."""
    return shutil.disk_usage(str(base)).free


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
