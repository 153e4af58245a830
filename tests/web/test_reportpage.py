"""Reports in a real browser: pictures there, nothing asked for, nothing wrong, no barriers."""

import pytest
from reportlog import Script, a_run

from drone.report import write_comparison, write_report

pytestmark = pytest.mark.browser
PICTURES = """[...document.querySelectorAll('img')].map(
  (i) => [i.alt, i.complete, i.naturalWidth, i.getBoundingClientRect().width > 20])"""
COLOURS = """[...document.querySelectorAll('img[alt="left image"]')].map((image) => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const own = canvas.getContext('2d');
  own.drawImage(image, 0, 0);
  return own.getImageData(0, 0, 1, 1).data[0];
})"""
DRAWN = """[...document.querySelectorAll('svg[role=img]')].map((s) => [
  s.getAttribute('aria-label'), s.getBoundingClientRect().height > 20,
  s.querySelectorAll('path, rect, line, circle').length])"""
WIDE = "[document.documentElement.scrollWidth, innerWidth]"
SEVERE = """axe.run().then((r) => r.violations
  .filter((v) => ['serious', 'critical'].includes(v.impact))
  .map((v) => [v.impact, v.id, v.nodes[0].html]))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A report and a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    runs = []
    for name, script in (("a", Script()), ("b", Script(trusted=False))):
        (folder / name).mkdir()
        runs.append(a_run(folder / name, script))
    report = write_report(runs[0])
    comparison = write_comparison(runs, folder / "comparison.html")["report"]
    return {"report": report.as_uri(), "comparison": comparison.as_uri()}


def opened(browser, url):
    browser.open(url)
    browser.until("document.readyState === 'complete' && document.querySelector('main')")


def test_a_report_opens_with_its_pictures_and_asks_nobody(browser, pages):
    opened(browser, pages["report"])
    pictures = browser.run(PICTURES)
    assert sum(alt == "left image" for alt, *_ in pictures) >= 6
    assert sum(alt == "mono: inverse depth" for alt, *_ in pictures) >= 5
    for alt, complete, width, seen in pictures:
        assert (complete, width > 0, seen) == (True, True, True), alt
    greys = browser.run(COLOURS)
    assert len(set(greys)) > 5, "each moment has its own image"
    drawn = browser.run(DRAWN)
    assert len(drawn) > 15
    assert all(seen and shapes for _, seen, shapes in drawn), drawn
    assert browser.console == []
    outside = [u for u in browser.requests if not u.startswith("data:")]
    assert outside == [pages["report"]]


@pytest.mark.parametrize("name", ["report", "comparison"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_stands_out_of_the_page(browser, pages, name, width):
    browser.look(width, 844)
    opened(browser, pages[name])
    scrolled, inner = browser.run(WIDE)
    assert scrolled <= inner
    jumps = browser.run("[...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))")
    assert jumps
    for anchor in jumps:
        assert browser.run(f"Boolean(document.getElementById('{anchor}'))"), anchor
    assert browser.console == []


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_axe_finds_nothing_serious(browser, axe, pages, name):
    for width, dark in ((1280, False), (390, True)):
        browser.look(width, 844, dark)
        opened(browser, pages[name])
        browser.run(f"{axe};0")
        browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert browser.run(SEVERE) == []
