"""Rerun's own viewer opens what `drone replay --view` writes: seen in a real browser."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

pytest.importorskip("rerun", reason="needs the extra view")

from drone.flightlog import FlightLog
from drone.rerunview import save_view

pytestmark = [pytest.mark.browser, pytest.mark.slow]
GOLDEN = Path(__file__).parents[1] / "golden" / "golden.mcap"
PATIENCE_S = 400.0
"""The viewer draws by the processor alone here."""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def address(tmp_path):
    path, data, page = tmp_path / "golden.rrd", free_port(), free_port()
    save_view(FlightLog(GOLDEN), path, lambda _: None)
    ports = ("--bind", "127.0.0.1", "--port", str(data), "--web-viewer-port", str(page))
    process = subprocess.Popen(
        [sys.executable, "-m", "rerun", "--serve-web", *ports, str(path)],
        env={**os.environ, "RERUN_ANALYTICS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the viewer is a process of its own below this one
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urlopen(f"http://127.0.0.1:{page}/", timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    source = quote(f"rerun+http://127.0.0.1:{data}/proxy", safe="")
    yield f"http://127.0.0.1:{page}/?url={source}&renderer=webgl"
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)


def test_the_viewer_shows_the_flight(drawing_browser, address):
    """The left image is in its place, and the curves of stereo and mono have their colours."""
    drawing_browser.look(1280, 800)
    drawing_browser.open(address)
    end, missing = time.monotonic() + PATIENCE_S, ["everything"]
    while missing and time.monotonic() < end:
        time.sleep(3)
        png = np.frombuffer(drawing_browser.seen(), np.uint8)
        missing = missing_in(cv2.imdecode(png, cv2.IMREAD_COLOR))
    assert missing == []


def missing_in(view):
    """Return which parts of the layout show nothing yet; `view` is (H, W, 3) BGR."""
    eyes, courses = view[70:390, 10:410], view[60:270, 430:850].reshape(-1, 3).astype(int)
    found = {
        "left image": len(np.unique(eyes.reshape(-1, 3), axis=0)) > 60,
        "stereo": (np.abs(courses - (178, 114, 0)).max(axis=1) < 40).sum() > 30,
        "mono": (np.abs(courses - (0, 94, 213)).max(axis=1) < 40).sum() > 30,
    }
    return [name for name, shown in found.items() if not shown]
