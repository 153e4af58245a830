"""The options of the live page and of Foxglove's stream, and both beside a command's flight."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from drone.commands.common import need
from drone.errors import UserError

if TYPE_CHECKING:
    from drone.web.feed import Watched
    from drone.web.server import Address

PORT = 8080


def add_page_options(parser: argparse.ArgumentParser) -> None:
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


def add_web_options(parser: argparse.ArgumentParser) -> None:
    """Add --web, --web-host, --web-token and --foxglove."""
    add_page_options(parser)
    parser.add_argument(
        "--foxglove",
        metavar="PORT",
        nargs="?",
        const="8765",
        help="stream what is logged to Foxglove while it goes on, on this machine only (default "
        "port 8765, 0 for any that is free); a simulated flight then goes by in real time",
    )


def foxglove_port(args: argparse.Namespace) -> int | None:
    """Return where Foxglove is to be served, None without it.

    Raises:
        UserError: not a port.
    """
    return None if args.foxglove is None else _port("--foxglove", args.foxglove)


def _port(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise UserError(f"{option} {text!r}: expected a port, 0 to 65535")
    return int(text)


def web_address(args: argparse.Namespace) -> Address | None:
    """Return where the page is to be found, None without one.

    Raises:
        UserError: not a port; too short a token; options without --web; an extra is missing.
    """
    if args.web is None:
        if args.web_host is not None or args.web_token is not None:
            raise UserError("--web-host and --web-token go with --web")
        return None
    port = _port("--web", args.web)
    for module in ("fastapi", "uvicorn", "websockets"):
        need(module, "web")
    from drone.web.server import LEAST_TOKEN, Address

    token = args.web_token or ""
    if args.web_token is not None and len(token) < LEAST_TOKEN:
        raise UserError(f"--web-token: expected at least {LEAST_TOKEN} characters")
    host = "127.0.0.1" if args.web_host is None else args.web_host
    return Address(host, port, token).checked()


@contextmanager
def watching(
    address: Address | None, command: str, foxglove: int | None = None
) -> Iterator[Watched | None]:
    """Serve the page and the stream within this context, and say where they are.

    Raises:
        UserError: an address cannot be had.
    """
    if address is None and foxglove is None:
        yield None
        return
    from drone.web.feed import Watched

    with ExitStack() as open_now:
        stream = None
        if foxglove is not None:
            from drone.foxglovestream import FoxgloveStream

            stream = open_now.enter_context(closing(FoxgloveStream(foxglove)))
            _say(command, f"Foxglove finds it at {stream.url}")
        watched = Watched(stream=stream)
        if address is not None:
            from drone.web.server import LiveServer

            server = open_now.enter_context(closing(LiveServer(watched, address)))
            server.start()
            _say(command, f"watch at {server.url}")
        yield watched


def _say(command: str, words: str) -> None:
    print(f"drone {command}: {words}", file=sys.stderr, flush=True)  # noqa: T201
