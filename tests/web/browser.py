"""A real browser, driven by the Chrome DevTools Protocol: Debian's chromium without a window."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import connect

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio"),
)
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""For pages that draw with WebGL, on a machine without a graphics card."""
PATIENCE_S = 240.0
"""A flight begins with imports of half a minute where the machine is busy."""


class Browser:
    """One page in one browser; notes every request, console message and error of the page."""

    def __init__(self, chromium: str, folder: Path, draws: bool = False) -> None:
        self.requests: list[str] = []
        self.console: list[str] = []
        self._count = 0
        self._open = contextlib.ExitStack()
        flags = [f for f in FLAGS if not (draws and f == "--disable-gpu")]
        flags += SOFTWARE_GL if draws else ()
        self._process = subprocess.Popen(
            [chromium, *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = self._port(folder / "DevToolsActivePort")
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
                pages = [t for t in json.load(answer) if t["type"] == "page"]
            socket = connect(pages[0]["webSocketDebuggerUrl"], max_size=None)
            self._socket = self._open.enter_context(socket)
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.send(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def _port(self, path: Path) -> int:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError):
                lines = path.read_text().split()
                if len(lines) == 2:
                    return int(lines[0])
            time.sleep(0.1)
        raise TimeoutError("chromium did not open its debugging port")

    def close(self) -> None:
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE_S))
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: Any) -> None:
        params = message.get("params", {})
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            self.requests.append(params["url"])
        elif message["method"] == "Runtime.consoleAPICalled":
            self.console.append(str([a.get("value") for a in params["args"]]))
        elif message["method"] == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", str(details)))
        elif message["method"] == "Log.entryAdded":
            self.console.append(params["entry"]["text"])

    def open(self, url: str) -> None:
        """Go to a page, or load it again."""
        self.send("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        result = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, condition: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until an expression is true in the page, which may still be loading."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):
                if self.run(f"Boolean({condition})"):
                    return
            time.sleep(0.05)
        raise AssertionError(f"never became true: {condition}; the page says: {self.text()}")

    def text(self) -> str:
        return str(self.run("document.body.innerText"))[:1500]

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """Take this size, in this colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def seen(self) -> bytes:
        """Return a PNG of what is in view."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
