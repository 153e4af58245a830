"""The live page's server: a thread of its own that reads a flight's feed and hands wishes on.

    browser ◄─ page (static files) ─┐
    browser ◄─ /live: the latest, at most 10 times a second ─┤ thread "web" ◄─ Feed
    browser ─► /live: hold, land, withdraw, mark ────────────┘ ─► Controls

Who may: only pages of this very address (the browser's Origin), under a name that is this
machine's, or with the token. Off the loopback there is always a token. It travels behind the `#` of
the address and in the first message, so it stands in no request line.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from importlib import resources
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect

from drone.errors import UserError
from drone.web.feed import Watched
from drone.web.payload import Cursor, Painter, hello, message

PERIOD_S = 0.095
"""Least time between two messages to a page."""
POLL_S = 0.02
ROC_PERIOD_S = 1.0
CLOSE_S = 3.0
LEAST_TOKEN = 12
_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "uPlot.min.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot.LICENSE.txt": "text/plain; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and who may come.

    Attributes:
        host: a name or an address of this machine.
        port: 0 for any that is free.
        token: empty for none, which only the loopback may have.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""

    def checked(self) -> Address:
        """Return the address, with a new token where one is needed and none given."""
        if self.token or _is_loopback(self.host):
            return self
        return Address(self.host, self.port, secrets.token_urlsafe(16))


class LiveServer:
    """Serves the page of one flight until it is closed."""

    def __init__(self, watched: Watched, address: Address) -> None:
        """Listen; nothing is answered before `start`.

        Args:
            watched: the flight, which may begin later.
            address: where to listen.

        Raises:
            UserError: the address cannot be had.
        """
        self._watched = watched
        self._painter: Painter | None = None
        self._address = address.checked()
        self._socket = _listening(self._address)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._app(),
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=4096,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._pages = 0
        self.cpu_s = 0.0

    @property
    def url(self) -> str:
        """Where a browser finds the page, token included."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        token = f"#{self._address.token}" if self._address.token else ""
        return f"http://{host}:{self.port}/{token}"

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        return self._pages > 0

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Tell the pages how it ended, and stop."""
        if not self._watched.feed.ended:
            self._watched.feed.end("stopped")
        until_s = time.monotonic() + CLOSE_S
        while self._pages and time.monotonic() < until_s:
            time.sleep(POLL_S)
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        folder = resources.files("drone.web") / "page"
        files = {name: (folder / name).read_bytes() for name in _TYPES}

        @app.get("/{name}")
        async def asset(name: str) -> Response:
            if name not in files:
                return Response("no such page", 404, _HEADERS, "text/plain")
            return Response(files[name], 200, _HEADERS, _TYPES[name])

        @app.get("/")
        async def index() -> Response:
            return await asset("index.html")

        app.add_api_websocket_route("/live", self._live)
        return app

    async def _live(self, page: WebSocket) -> None:
        """Talk to one page until either has enough."""
        if not self._may_come(page.headers.get("origin", ""), page.headers.get("host", "")):
            await page.close(1008)
            return
        await page.accept()
        if not await self._knows_token(page):
            await page.close(4401, "the token is missing or wrong")
            return
        self._pages += 1
        try:
            await self._talk(page)
        finally:
            self._pages -= 1

    def _may_come(self, origin: str, host: str) -> bool:
        """Return whether this is our own page (no other site's), under a name that is ours."""
        if not origin or urlsplit(origin).netloc != host:
            return False
        name = urlsplit(f"//{host}").hostname or ""
        return bool(self._address.token) or name == self._address.host or _is_loopback(name)

    async def _knows_token(self, page: WebSocket) -> bool:
        try:
            first = await asyncio.wait_for(page.receive_text(), CLOSE_S)
        except (TimeoutError, WebSocketDisconnect):
            return False
        return hmac.compare_digest(first.encode(), self._address.token.encode())

    async def _talk(self, page: WebSocket) -> None:
        tasks = {asyncio.create_task(self._tell(page)), asyncio.create_task(self._hear(page))}
        _, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for ending in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ending, Exception) and not isinstance(ending, WebSocketDisconnect):
                raise ending
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it may be gone already
            await page.close(1000)

    async def _tell(self, page: WebSocket) -> None:
        """Send the latest whenever there is a new frame; a slow page gets fewer."""
        feed, cursor = self._watched.feed, Cursor()
        while feed.scene is None or feed.framed is None:
            await asyncio.sleep(POLL_S)
        await page.send_bytes(hello(feed.scene))
        self._painter = painter = self._painter or Painter(feed.scene)
        told, roc_s = None, 0.0
        while True:
            ended, now_s = feed.ended, time.monotonic()
            if feed.framed is not told or ended:
                told, with_roc = feed.framed, now_s >= roc_s
                roc_s = now_s + ROC_PERIOD_S if with_roc else roc_s
                await page.send_bytes(message(feed, painter, cursor, with_roc))
                self._count()
                await asyncio.sleep(max(POLL_S, PERIOD_S - (time.monotonic() - now_s)))
            else:
                await asyncio.sleep(POLL_S)
            if ended:
                return

    def _count(self) -> None:
        """Note what this thread has cost."""
        self.cpu_s = time.thread_time()

    async def _hear(self, page: WebSocket) -> None:
        while True:
            try:
                wish = json.loads(await page.receive_text())
                self._watched.controls.ask(str(wish["do"]), str(wish.get("note", "")))
            except WebSocketDisconnect:
                return
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, UserError):
                await page.close(1003, "not a wish")
                return


def _listening(address: Address) -> socket.socket:
    where = f"--web {address.port}"
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[
            0
        ]
    except OSError as error:
        raise UserError(f"--web-host {address.host}: no such address: {error.strerror}") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen()
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"{where}: cannot listen on {address.host} port {address.port}: {reason}; "
            "another port, such as --web 8081, or any free one, --web 0, may do"
        ) from error
    return listening


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
