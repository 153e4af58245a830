"""The live page in a real browser, beside a simulated flight that it drives."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from drone import topics
from drone.flightlog import FlightLog
from drone.replay import verify

pytest.importorskip("fastapi", reason="needs the extra web")
pytest.importorskip("uvicorn", reason="needs the extra web")

pytestmark = [pytest.mark.browser, pytest.mark.sim]
SHORT = ("flight.duration_s=600", "learner.steps_per_frame=0")
TIME = "Number(document.getElementById('time').textContent.split(' ')[0])"
CHANGES = """new Promise((done) => {
  const canvas = document.getElementById('left');
  const copy = Object.assign(document.createElement('canvas'), { width: 128, height: 96 });
  const own = copy.getContext('2d', { willReadFrequently: true });
  const sum = () => {
    own.drawImage(canvas, 0, 0);
    const pixels = own.getImageData(0, 0, canvas.width, canvas.height).data;
    let hash = 0;
    for (let i = 0; i < pixels.length; i += 4) hash = (hash * 31 + pixels[i]) | 0;
    return hash;
  };
  const start = performance.now();
  const flown = () => Number(document.getElementById('time').textContent.split(' ')[0]);
  const before = flown();
  let last = sum(), changes = 0;
  const look = () => {
    const now = sum();
    if (now !== last) changes += 1;
    last = now;
    const s = (performance.now() - start) / 1000;
    if (s > 4) done([changes / s, changes / (flown() - before)]); else requestAnimationFrame(look);
  };
  look();
})"""


def mode(name):
    return f"document.getElementById('mode').dataset.mode === '{name}'"


def click(browser, name):
    browser.run(f"document.getElementById('{name}').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.send(
            "Input.dispatchKeyEvent",
            **{"type": kind, "key": "Enter", "code": "Enter", "text": "\r"},
            windowsVirtualKeyCode=13,
        )


@pytest.fixture
def flight(tmp_path):
    """A flight that is watched, as a process of its own: (process, address, runs)."""
    sets = [word for key in SHORT for word in ("--set", key)]
    command = [sys.executable, "-m", "drone", "fly", "--seed", "3", "--no-report", "--web", "0"]
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(
            [*command, *sets, "--json", "--runs", str(tmp_path / "runs")],
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    found, end = None, time.monotonic() + 240
    while found is None and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
        found = re.search(r"watch at (\S+)", (tmp_path / "err").read_text())
    assert found, (tmp_path / "err").read_text()
    yield process, found[1], tmp_path
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_browser_watches_a_flight_and_lands_it(browser, flight):
    process, url, _ = flight
    browser.look(390, 844)
    browser.open(url)
    browser.until("document.body.dataset.frame > 20")
    per_s, per_flown_s = browser.run(CHANGES)
    assert per_flown_s >= 5
    assert per_s >= 5, "the pictures stand still, or this machine is too slow for a flight"
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")

    browser.run("document.getElementById('note').value = 'a pillar'")
    click(browser, "mark-it")
    browser.until("document.querySelector('#events [data-kind=mark]')")
    click(browser, "hold")
    browser.until(mode("hold"))
    assert browser.run("document.getElementById('reason').textContent") == "asked to hold"
    assert "asked to hold" in browser.run("document.getElementById('spoken').textContent")
    assert browser.run("document.getElementById('hold').getAttribute('aria-pressed')") == "true"

    before_s = browser.run(TIME)
    browser.open(url)  # loaded again in mid-flight
    browser.until(f"{TIME} > {before_s}")
    browser.until(mode("hold"))
    browser.until("document.querySelectorAll('#events li').length >= 3")
    assert browser.run("document.querySelector('#map .path').points.length") > 10

    click(browser, "land")
    browser.until(mode("land"))
    browser.until("document.getElementById('link').textContent === 'The flight is over: landed.'")
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    figures = json.loads(out)
    assert figures["mode_s"]["hold"] > 0
    assert figures["mode_s"]["land"] > 0

    assert browser.console == []
    hosts = {re.sub(r"^\w+://([^/]+)/.*", r"\1", asked) for asked in browser.requests}
    assert hosts == {re.sub(r"^\w+://([^/]+)/.*", r"\1", url)}

    log = Path(figures["run"]) / "flight.mcap"
    events = [(e.kind, e.detail) for e in FlightLog(log).messages(topics.EVENT)]
    assert ("mark", "a pillar") in events
    assert ("asked", "hold, on the live page") in events
    assert ("asked", "land, on the live page") in events
    assert verify(log).mismatches == 0


def test_withdrawing_permission_stops_the_drone(browser, flight):
    _, url, _ = flight
    browser.open(url)
    browser.until("document.body.dataset.frame > 5")
    click(browser, "withdraw")
    browser.until(mode("hold"))
    assert browser.run("document.getElementById('reason').textContent") == "the pilot has control"
    assert browser.run("document.getElementById('withdraw').ariaPressed") == "true"
    assert browser.run("document.getElementById('hold').getAttribute('aria-disabled')") == "true"


def test_axe_finds_nothing_serious(browser, axe, flight):
    _, url, _ = flight
    browser.open(url)
    browser.until("document.body.dataset.frame > 20")
    browser.run(f"{axe};0")
    for dark in (False, True):
        browser.look(1280, 900, dark)
        found = browser.run(
            "axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))"
        )
        assert [v for v in found if v[0] in ("serious", "critical")] == []


def test_nothing_is_served_but_the_page(flight):
    _, url, _ = flight
    with urlopen(url, timeout=20) as page:
        policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    with pytest.raises(OSError, match="404"):
        urlopen(url + "..%2fserver.py", timeout=20)
