"""What the tests in a browser share: the browser, and axe-core to look for barriers."""

import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def opened(folder, draws):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    pytest.importorskip("websockets", reason="needs the extra web")
    from browser import Browser

    return Browser(CHROMIUM, folder / "profile", draws)


@pytest.fixture
def browser(tmp_path):
    browser = opened(tmp_path, draws=False)
    yield browser
    browser.close()


@pytest.fixture
def drawing_browser(tmp_path):
    """For pages that draw with WebGL."""
    browser = opened(tmp_path, draws=True)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The script of axe-core, from npm: a development dependency, never shipped."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    try:
        command = [npm, "pack", "axe-core@4.14.1", "--silent"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm cannot fetch axe-core")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, "gztar", filter="data")
    return (folder / "package" / "axe.min.js").read_text()
