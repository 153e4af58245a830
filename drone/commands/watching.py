"""The options of the live page, and the page beside a command's flight."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drone.commands.common import need
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.web.feed import Watched
    from drone.web.server import Address

PORT = 8080


def add_web_options(parser: argparse.ArgumentParser) -> None:
    """Add --web, --web-host and --web-token."""
    parser.add_argument(
        "--web",
        metavar="PORT",
        nargs="?",
        const=str(PORT),
        help=f"show the flight in a browser while it goes on (default port {PORT}, 0 for any that "
        "is free); a simulated flight then goes by in real time (docs/live.md)",
    )
    parser.add_argument(
        "--web-host",
        metavar="HOST",
        help="with --web: an address of this machine to be reached at (default: 127.0.0.1, this "
        "machine alone); any other needs a token",
    )
    parser.add_argument(
        "--web-token",
        metavar="TOKEN",
        help="with --web: only who knows it may watch (default: none on 127.0.0.1, elsewhere a new "
        "one, printed)",
    )


def web_address(args: argparse.Namespace) -> Address | None:
    """Return where the page is to be found, None without one.

    Raises:
        UserError: not a port; too short a token; options without --web; an extra is missing.
    """
    if args.web is None:
        if args.web_host is not None or args.web_token is not None:
            raise UserError("--web-host and --web-token go with --web")
        return None
    if not (args.web.isascii() and args.web.isdigit() and int(args.web) < 2**16):
        raise UserError(f"--web {args.web!r}: expected a port, 0 to 65535")
    for module in ("fastapi", "uvicorn", "websockets"):
        need(module, "web")
    from drone.web.server import LEAST_TOKEN, Address

    token = args.web_token or ""
    if args.web_token is not None and len(token) < LEAST_TOKEN:
        raise UserError(f"--web-token: expected at least {LEAST_TOKEN} characters")
    host = "127.0.0.1" if args.web_host is None else args.web_host
    return Address(host, int(args.web), token).checked()


@contextmanager
def watching(address: Address | None, command: str) -> Iterator[Watched | None]:
    """Serve the page within this context, and say where it is.

    Raises:
        UserError: the address cannot be had.
    """
    if address is None:
        yield None
        return
    from drone.web.feed import Watched
    from drone.web.server import LiveServer

    watched = Watched()
    server = LiveServer(watched, address)
    server.start()
    print(f"drone {command}: watch at {server.url}", file=sys.stderr, flush=True)  # noqa: T201
    try:
        yield watched
    finally:
        server.close()
