"""From a request to a running release: build a bundle, look at the target, send, say what came."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drone.deploy.bundle import Bundle, check_place, read_bundle, write_bundle
from drone.deploy.packages import Machine, Sources, install_packages
from drone.deploy.ssh import Host, ask
from drone.deploy.target.machine import PYTHONS
from drone.errors import UserError, WorkFailedError

ARCHITECTURES = {"aarch64": "aarch64", "x86-64": "x86_64"}
"""As a user says them, and as machines do."""
Bar = Callable[[int, str], contextlib.AbstractContextManager[Callable[[int], object]]]
"""A progress bar over so many bytes, with a word before it."""


@dataclass(frozen=True, slots=True)
class Service:
    """Whether a unit is installed and restarted, and whose."""

    wanted: bool = False
    user_only: bool = False

    @property
    def words(self) -> list[str]:
        """As options of the program over there."""
        if not (self.wanted or self.user_only):
            return []
        return ["--user-service" if self.user_only else "--service"]


def build(
    path: Path, machine: Machine, sources: Sources, files: Mapping[str, bytes], bar: Bar
) -> Bundle:
    """Resolve the packages and write a bundle.

    Raises:
        UserError: as `install_packages` and `write_bundle`.
        WorkFailedError: likewise.
    """
    check_place(path)  # before minutes of packages
    with tempfile.TemporaryDirectory() as scratch:
        packages = Path(scratch) / "packages"
        install_packages(packages, machine, sources)
        total = sum(p.stat().st_size for p in packages.rglob("*") if p.is_file())
        with bar(total, "packing") as advance:
            return write_bundle(path, machine, packages, files, advance)


def machine_of(host: Host, arch: str | None, python: str | None) -> Machine:
    """Look at a target, and return what a bundle for it must be.

    Args:
        host: the target.
        arch: that the user asks for, as they say it.
        python: likewise.

    Raises:
        UserError: the target is out of reach, or is not what the user asks for.
        WorkFailedError: nothing can be deployed to it.
    """
    found = ask(host, ["probe"])
    if found["arch"] not in ARCHITECTURES.values():
        raise WorkFailedError(
            f"{host.name}: is {found['arch']}; there are bundles for {' and '.join(ARCHITECTURES)}"
        )
    if arch is not None and ARCHITECTURES[arch] != found["arch"]:
        raise UserError(f"--arch {arch}: {host.name} is {found['arch']}; leave --arch out")
    if not found["pythons"]:
        raise WorkFailedError(
            f"{host.name}: has no Python of {', '.join(PYTHONS)}; install one there "
            "(docs/companion.md)"
        )
    if python is not None and python not in found["pythons"]:
        have = ", ".join(found["pythons"])
        raise UserError(f"--python {python}: {host.name} has {have}; leave --python out")
    return Machine(found["arch"], python or found["pythons"][0])


@contextlib.contextmanager
def bundle_for(
    host: Host, machine: Machine, sources: Sources, files: Mapping[str, bytes], bar: Bar
) -> Iterator[Bundle]:
    """Build a bundle that lasts as long as it takes to send it."""
    with tempfile.TemporaryDirectory() as scratch:
        yield build(Path(scratch) / "bundle.tar.gz", machine, sources, files, bar)


def send(host: Host, bundle: Bundle, service: Service, bar: Bar) -> dict[str, Any]:
    """Install a bundle on a target and return what it says: the release, its doctor's findings.

    Raises:
        UserError: the target is out of reach.
        WorkFailedError: it refused; its release is the one that it was.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    words = ["install", "--size", str(bundle.size_bytes), "--stamp", stamp, *service.words]
    with bundle.path.open("rb") as file, bar(bundle.size_bytes, "sending") as advance:
        return ask(host, words, file, advance)


def send_file(host: Host, path: Path, service: Service, bar: Bar) -> dict[str, Any]:
    """Install a bundle that was built before; see `send`."""
    return send(host, read_bundle(path), service, bar)


def roll_back(host: Host, service: Service) -> dict[str, Any]:
    """Go back to the release before the current one, and return what the target says.

    Raises:
        UserError: the target is out of reach.
        WorkFailedError: there is none, or it is not healthy.
    """
    return ask(host, ["rollback", *service.words])
