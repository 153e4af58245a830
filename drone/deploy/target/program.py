"""The program on the companion: `probe`, `install`, `rollback`, `runs`, `send`.

Out: the line `MARK` (what a login shell prints before is no part of the answer), then one JSON
object a line; the last one says what came of it, or has `error`. Only `send` answers with bytes.

    bundle ─► releases/.incoming ─► every file verified ─► its own `drone doctor` ─► its final name
                                                                                       │
       whatever fails so far: .incoming goes, `current` stays            `current` ◄───┘
                                                                            │ with --service
       restart fails: `current` goes back, and so does what runs ◄───── restarted
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from drone.deploy.target.machine import check_fits, free_bytes, glibc, machine, pythons
from drone.deploy.target.refusal import Refused
from drone.deploy.target.releases import INCOMING, Releases, equip, examine
from drone.deploy.target.runs import list_files, send_files
from drone.deploy.target.services import UNIT, Service, is_shadow
from drone.deploy.target.unpacking import Exactly, unpack

MARK = "drone-target-1"
KEPT = 3
"""Releases that are kept beside the current one."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; see the module's own text."""
    args = _parser().parse_args(sys.argv[1:] if words is None else words)
    os.umask(0o022)
    _say(None)
    try:
        return int(args.run(args))
    except Refused as refusal:
        _say({"error": str(refusal), "host": platform.node()})
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="install.pyz", description="Releases on this machine.")
    parser.add_argument("--base", type=Path, default=Path.home() / "drone")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("probe", help="what this machine is").set_defaults(run=_probe)
    install = commands.add_parser("install", help="install a bundle, and use it if it is healthy")
    install.add_argument("bundle", nargs="?", type=Path, help="default: standard input")
    install.add_argument("--size", type=int, help="bytes on standard input")
    install.add_argument("--stamp", default="", help="UTC, such as 20260101-120000")
    install.set_defaults(run=_install)
    rollback = commands.add_parser("rollback", help="go back to the release before this one")
    rollback.set_defaults(run=_rollback)
    for command in (install, rollback):
        command.add_argument("--service", action="store_true", help="install and restart the unit")
        command.add_argument("--user-service", action="store_true", help="the user's own unit")
    listing = commands.add_parser("runs", help="the files of all runs")
    listing.set_defaults(run=lambda args: list_files(args.base / "runs", sys.stdin, _say))
    sending = commands.add_parser("send", help="files of runs, from where standard input says")
    sending.set_defaults(
        run=lambda args: send_files(args.base / "runs", sys.stdin, sys.stdout.buffer)
    )
    return parser


def _say(value: Any) -> None:
    """Print one JSON object, or for None the mark; who listens may be gone."""
    with contextlib.suppress(OSError):
        sys.stdout.write((MARK if value is None else json.dumps(value)) + "\n")
        sys.stdout.flush()


def _probe(args: argparse.Namespace) -> int:
    releases = Releases(args.base)
    _say(
        {
            "host": platform.node(),
            "arch": machine(),
            "pythons": sorted(pythons()),
            "glibc": glibc(),
            "free_bytes": free_bytes(releases.folder),
            "releases": releases.names,
            "current": releases.current,
        }
    )
    return 0


def _install(args: argparse.Namespace) -> int:
    releases = Releases(args.base)
    service = _service(args)
    with releases.locked(), contextlib.ExitStack() as open_files:
        incoming = releases.folder / INCOMING
        incoming.mkdir()
        try:
            source = _source(args, open_files)
            seal = unpack(source, incoming, lambda manifest: check_fits(manifest, releases.base))
            _prepare(incoming)
            findings = examine(incoming)
        except BaseException:
            shutil.rmtree(str(incoming), ignore_errors=True)
            raise
        stamp = args.stamp or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        name = releases.name_for(stamp, seal)
        incoming.rename(releases.folder / name)
        _enter(service, releases, name, remove=True)
        gone = releases.prune(KEPT)
    return _done(releases, service, name, findings, gone)


def _service(args: argparse.Namespace) -> Service | None:
    """Return the unit that is to be installed and restarted, None if none is."""
    wanted = args.service or args.user_service
    return Service(args.base, args.user_service) if wanted else None


def _source(args: argparse.Namespace, open_files: contextlib.ExitStack) -> Exactly:
    """Return the bundle: of a file, or what comes on standard input."""
    if args.bundle is None:
        return Exactly(sys.stdin.buffer, args.size)
    try:
        file: IO[bytes] = open_files.enter_context(args.bundle.open("rb"))
        return Exactly(file, args.bundle.stat().st_size)
    except OSError as error:
        raise Refused(f"{args.bundle}: cannot be read: {error.strerror}") from error


def _prepare(incoming: Path) -> None:
    manifest = json.loads((incoming / "manifest.json").read_text())
    version = manifest["python"]
    equip(incoming, version, pythons()[version])


def _enter(service: Service | None, releases: Releases, name: str, remove: bool) -> None:
    """Let a release be the current one; if its service does not start, go back.

    Args:
        service: to be installed and restarted, if one is.
        releases: of this machine.
        name: of the release.
        remove: it is new: remove it if it does not start.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a connection that ends must not end this
    os.sync()  # who loses power now finds the one or the other
    last = releases.current
    releases.switch(name)
    if service is None:
        return
    before = service.text
    try:
        service.install((releases.folder / name / UNIT).read_text())
        service.restart()
    except Refused as refusal:
        _leave(releases, service, last, before)
        if remove:
            shutil.rmtree(str(releases.folder / name), ignore_errors=True)
        raise Refused(f"{refusal}; {_now(last)}") from refusal


def _leave(releases: Releases, service: Service, last: str, unit: str) -> None:
    """Go back to the release before, and let that run again; without a unit before, to none."""
    releases.switch(last)
    if not unit:
        service.remove()
        return
    with contextlib.suppress(Refused):
        service.put(unit)
        (service.restart if last else service.stop)()


def _now(last: str) -> str:
    return f"back on {last}" if last else "no release was in use before"


def _rollback(args: argparse.Namespace) -> int:
    releases = Releases(args.base)
    service = _service(args)
    with releases.locked():
        earlier = [name for name in releases.names if name < releases.current]
        if not earlier:
            have = ", ".join(releases.names) or "none"
            raise Refused(
                f"{releases.folder}: no release is older than the current one "
                f"({releases.current or 'none'}); there are: {have}"
            )
        findings = examine(releases.folder / earlier[-1])
        _enter(service, releases, earlier[-1], remove=False)
    return _done(releases, service, earlier[-1], findings, [])


def _done(
    releases: Releases, service: Service | None, name: str, findings: Any, removed: Any
) -> int:
    """Say that a release is in use."""
    answer = {
        "release": name,
        "shadow": is_shadow(releases.folder / name),
        "findings": findings,
        "removed": removed,
        "service": None if service is None else str(service.path),
    }
    _say({**answer, **_state(releases)})
    return 0


def _state(releases: Releases) -> Any:
    kept: list[str] = releases.names
    return {"releases": kept, "current": releases.current}


if __name__ == "__main__":
    sys.exit(main())
