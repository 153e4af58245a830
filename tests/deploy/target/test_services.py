"""The unit: as it ships, made this user's, and what becomes of it when it does not start."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import smallbundle

from drone.config import launch_folder
from drone.deploy.target import program, services
from drone.deploy.target.releases import Releases
from drone.deploy.target.services import SYSTEM_ONLY, UNIT, system_unit, user_unit

SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *restart*) exec {home}/drone/current/bin/drone doctor --config {home}/drone/current/{started} ;;
esac
"""


@pytest.fixture
def shipped() -> str:
    return (launch_folder() / UNIT).read_text()


def test_the_units_name_user_and_folder(shipped):
    base = Path("/srv/pilot/drone")
    unit = system_unit(shipped, "pilot", base)
    assert "User=pilot" in unit
    assert "/home/drone" not in unit + user_unit(shipped, base)
    assert "User=" not in user_unit(shipped, base)
    assert SYSTEM_ONLY in unit
    assert "ProtectSystem" not in user_unit(shipped, base)
    assert user_unit(shipped, base).rstrip().endswith("WantedBy=default.target")


@pytest.mark.parametrize("make", [lambda t, b: system_unit(t, "root", b), user_unit])
def test_systemd_takes_the_unit(shipped, tmp_path, make):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    launcher = tmp_path / "current/bin/drone"
    launcher.parent.mkdir(parents=True)
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    (tmp_path / UNIT).write_text(make(shipped, tmp_path))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def install(home: Path, bundle: smallbundle.Bundle, *words: str) -> tuple[int, dict[str, object]]:
    """Run the program here, in a home of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "drone.deploy.target.program", "install", bundle.path, *words],
        env={"HOME": str(home), "PATH": f"{home}:/usr/bin:/bin"},
        cwd=Path(program.__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{program.MARK}\n")
    return done.returncode, dict(json.loads(done.stdout.splitlines()[-1]))


def systemctl(home: Path, started: str = "config.toml") -> None:
    """Put a stand-in there that starts what is current, by a file that it may lack."""
    (home / "systemctl").write_text(SYSTEMCTL.format(log=home / "log", home=home, started=started))
    (home / "systemctl").chmod(0o755)


def test_a_release_whose_service_does_not_start_is_left_again(tmp_path):
    """The release is healthy, but in its folder the unit finds no model: back to the first one."""
    systemctl(tmp_path)
    code, first = install(tmp_path, smallbundle.make(tmp_path, "good1"), "--user-service")
    assert (code, first["service"]) == (0, f"{tmp_path}/.config/systemd/user/{UNIT}")
    log = (tmp_path / "log").read_text().splitlines()
    assert log == ["--user daemon-reload", f"--user enable {UNIT}", f"--user restart {UNIT}"]

    systemctl(tmp_path, "elsewhere/config.toml")
    code, second = install(tmp_path, smallbundle.make(tmp_path, "good2"), "--user-service")
    assert code == 1
    assert f"systemctl restart {UNIT}" in str(second["error"])
    assert f"back on {first['release']}" in str(second["error"])
    releases = Releases(tmp_path / "drone")
    assert (releases.current, releases.names) == (first["release"], [first["release"]])
    assert (tmp_path / "log").read_text().splitlines()[-1] == f"--user restart {UNIT}"


def test_a_first_release_whose_service_does_not_start_leaves_nothing(tmp_path):
    systemctl(tmp_path, "elsewhere/config.toml")
    code, answer = install(tmp_path, smallbundle.make(tmp_path, "good1"), "--user-service")
    assert code == 1
    assert "no release was in use before" in str(answer["error"])
    assert Releases(tmp_path / "drone").current == ""
    assert not (tmp_path / f".config/systemd/user/{UNIT}").exists()
    stopped, disabled, reloaded = (tmp_path / "log").read_text().splitlines()[-3:]
    assert (stopped, disabled) == (f"--user stop {UNIT}", f"--user disable {UNIT}")
    assert reloaded == "--user daemon-reload"


def test_a_release_without_a_unit_is_left_without_one(tmp_path):
    """What was deployed without --service is no service after one that does not start."""
    code, first = install(tmp_path, smallbundle.make(tmp_path, "good1"))
    systemctl(tmp_path, "elsewhere/config.toml")
    code, _ = install(tmp_path, smallbundle.make(tmp_path, "good2"), "--user-service")
    assert (code, Releases(tmp_path / "drone").current) == (1, first["release"])
    assert not (tmp_path / f".config/systemd/user/{UNIT}").exists()


def test_no_unit_of_a_user_beside_one_of_the_system_that_needs_a_password(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / UNIT).touch()
    monkeypatch.setattr(services, "SYSTEM_UNITS", tmp_path)
    monkeypatch.setattr(services, "_run", lambda *words: subprocess.CompletedProcess([], 1, "", ""))
    base = tmp_path / "drone"
    words = ["--base", str(base), "install", str(smallbundle.make(tmp_path).path), "--service"]
    assert program.main(words) == 1
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert error.startswith(f"{tmp_path / UNIT}: ")
    assert "right is sudo without a password" in error
    assert Releases(base).names == []


@pytest.mark.parametrize(("options", "shadow"), [("--shadow --memory memory", True), ("", False)])
def test_the_answer_says_whether_the_release_commands(tmp_path, options, shadow):
    env = {services.OPTIONS: f'# More\nONBOARD_OPTIONS="{options}"\n'}
    code, answer = install(tmp_path, smallbundle.make(tmp_path, **env))
    assert (code, answer["shadow"]) == (0, shadow)


def test_without_the_option_nothing_is_started(tmp_path):
    systemctl(tmp_path)
    code, answer = install(tmp_path, smallbundle.make(tmp_path, "good1"))
    assert (code, answer["service"]) == (0, None)
    assert not (tmp_path / "log").exists()
