"""`drone deploy user@host`: a release onto a companion computer, or a bundle for one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drone.commands.common import command_parser, print_json
from drone.deploy.target.machine import PYTHONS
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.deploy.bundle import Bundle
    from drone.deploy.ssh import Host


CONTENT = {
    "--config": "config",
    "--set": "overrides",
    "--calibration": "calibration",
    "--model": "model",
    "--train": "train",
    "--shadow": "shadow",
    "--arch": "arch",
    "--python": "python",
    "--wheels": "wheels",
}
"""Options that say what is in a release, and their names once parsed."""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    p = command_parser(
        "deploy",
        "Bring this stack, a configuration, calibration and model onto a companion computer, over "
        "ssh; it needs Python and no internet. The new release is verified and examined there "
        "(drone doctor), and used only if it is healthy; else the old one stays. "
        "docs/companion.md has the whole way.",
        "drone deploy pi@drone --config launch/companion_rpi5.toml --calibration stereo.toml "
        "--model model.onnx --service\n"
        "  drone deploy --rollback pi@drone\n"
        "  drone deploy --bundle out.tar.gz --arch aarch64 --python 3.11",
    )
    p.add_argument("host", nargs="?", metavar="user@host", help="the companion, as ssh knows it")
    _add_content(p)
    where = p.add_argument_group("where to")
    where.add_argument("--bundle", metavar="FILE", type=Path, help="write a bundle, for later")
    where.add_argument(
        "--from", metavar="FILE", type=Path, dest="from_file", help="send this bundle"
    )
    where.add_argument("--rollback", action="store_true", help="go back to the release before")
    where.add_argument(
        "--service",
        action="store_true",
        help="install launch/drone.service there (the system's by sudo, else the user's) and "
        "restart it; without, whatever runs there goes on as it is",
    )
    where.add_argument("--user-service", action="store_true", help="the same, the user's own")
    where.add_argument(
        "--ssh", metavar="COMMAND", default="ssh", help="such as 'ssh -p 2222 -i key'"
    )
    p.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )
    return p


def _add_content(parser: argparse.ArgumentParser) -> None:
    content = parser.add_argument_group(
        "what is in it", "Not with --from or --rollback: a release stays as it was made."
    )
    content.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="a configuration of drone onboard (default: launch/companion_rpi5.toml, as it ships)",
    )
    content.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
        help="override one setting, such as camera.rate_hz=15 (repeatable)",
    )  # fmt: skip
    content.add_argument(
        "--calibration", metavar="FILE", type=Path, help="default: what the configuration names"
    )
    content.add_argument(
        "--model", metavar="FILE", type=Path, help="what drone export wrote; it flies as it is"
    )
    content.add_argument("--train", action="store_true", help="torch too: it learns on board")
    content.add_argument(
        "--shadow", action="store_true", help="the service sees, logs, and commands nothing"
    )
    content.add_argument(
        "--arch", choices=("aarch64", "x86-64"), help="default: the companion's, else aarch64"
    )
    content.add_argument(
        "--python", choices=PYTHONS, help="default: the companion's oldest that fits, else 3.11"
    )
    content.add_argument(
        "--wheels", metavar="DIR", type=Path, help="take packages from here, not from the index"
    )


def run(args: argparse.Namespace) -> int:
    """Deploy, bundle or roll back, and say what came of it."""
    _check(args)
    record = _to_host(args) if args.host else _bundle(args).to_dict()
    if args.json:
        print_json(record)
    else:
        _show(args, record)
    return 0


def _check(args: argparse.Namespace) -> None:
    if not args.host and not args.bundle:
        raise UserError("expected user@host, or --bundle FILE; see drone deploy --help")
    ways = [name for name in ("bundle", "from_file", "rollback") if getattr(args, name)]
    if len(ways) > 1:
        raise UserError("--bundle, --from and --rollback exclude each other")
    if args.bundle and args.host:
        raise UserError("--bundle only writes a file; send it with drone deploy --from FILE HOST")
    _check_content(args)


def _check_content(args: argparse.Namespace) -> None:
    """Refuse what would be said in vain: a release that is made already stays as it was made."""
    given = [option for option, name in CONTENT.items() if getattr(args, name)]
    if args.rollback and given:
        raise UserError(
            f"--rollback goes back to a release as it was deployed: {', '.join(given)} would "
            "change nothing; right is drone deploy HOST with the options, which makes a new release"
        )
    if args.from_file and given:
        raise UserError(
            f"--from {args.from_file} sends a bundle as it was made: {', '.join(given)} would "
            "change nothing; right is with --bundle, where it is made, or without --from"
        )
    if args.bundle and (args.service or args.user_service):
        raise UserError(
            "--bundle only writes a file, and restarts nothing; right is drone deploy --from "
            f"{args.bundle} HOST --service"
        )


def _bundle(args: argparse.Namespace) -> Bundle:
    from drone.deploy.contents import vehicle_files
    from drone.deploy.deploying import ARCHITECTURES, build
    from drone.deploy.packages import Machine

    machine = Machine(ARCHITECTURES[args.arch or "aarch64"], args.python or "3.11")
    bar = _bar(args)
    return build(args.bundle, machine, _sources(args), vehicle_files(_request(args)), bar)


def _to_host(args: argparse.Namespace) -> Mapping[str, Any]:
    from drone.deploy.deploying import Service, roll_back, send_file
    from drone.deploy.ssh import Host

    host = Host(args.host, args.ssh)
    service = Service(args.service, args.user_service)
    if args.rollback:
        return roll_back(host, service)
    if args.from_file:
        return send_file(host, args.from_file, service, _bar(args))
    return _build_and_send(args, host)


def _build_and_send(args: argparse.Namespace, host: Host) -> Mapping[str, Any]:
    from drone.deploy.contents import vehicle_files
    from drone.deploy.deploying import Service, bundle_for, machine_of, send

    bar = _bar(args)
    files = vehicle_files(_request(args))
    machine = machine_of(host, args.arch, args.python)
    with bundle_for(host, machine, _sources(args), files, bar) as bundle:
        return send(host, bundle, Service(args.service, args.user_service), bar)


def _bar(args: argparse.Namespace) -> Any:
    from functools import partial

    from drone.commands.display import bytes_progress

    return partial(bytes_progress, quiet=args.json)


def _request(args: argparse.Namespace) -> Any:
    from drone.config import launch_folder
    from drone.deploy.contents import Request

    config = args.config or launch_folder() / "companion_rpi5.toml"
    return Request(config, args.overrides, args.model, args.calibration, args.train, args.shadow)


def _sources(args: argparse.Namespace) -> Any:
    from drone.deploy.packages import Sources

    return Sources(args.wheels, args.train)


def _does(record: Mapping[str, Any]) -> str:
    """Return what the service may do, by the release's own options."""
    if record["shadow"]:
        return "a shadow: it sees, logs, and commands nothing"
    return "no shadow: it commands the vehicle, once the pilot permits it"


def _show(args: argparse.Namespace, record: Mapping[str, Any]) -> None:
    from rich.console import Console

    from drone.commands.runs import readable

    console = Console(markup=False, highlight=False, soft_wrap=True)
    if "bundle" in record:
        console.print(
            f"{record['bundle']}: {readable(record['bytes'])}, for {record['arch']} and Python "
            f"{record['python']}. Send it with: drone deploy --from {record['bundle']} user@host\n"
            f"Or on the companion itself: tar -xzf {record['bundle']} install.pyz && "
            f"python3 install.pyz install {record['bundle']}"
        )
        return
    for finding in record["findings"]:
        if finding["verdict"] in ("warn", "fail"):
            console.print(f"{finding['name']}: {finding['what']}; {finding['fix']}")
    console.print(f"{args.host}: release {record['release']} is healthy and in use.")
    if record["service"]:
        console.print(f"Restarted: {record['service']}; {_does(record)}.")
    else:
        console.print("Nothing was restarted; with --service it would be.")
    console.print(
        f"Look at cameras and autopilot: ssh {args.host} 'cd drone && current/bin/drone doctor'"
    )
