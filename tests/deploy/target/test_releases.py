"""Release folders: names, the switch, what is kept, and what a machine must have."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from drone.deploy.target import machine
from drone.deploy.target.refusal import Refused
from drone.deploy.target.releases import Releases

SEAL = "0123456789ab"


def names(count: int) -> list[str]:
    return [f"20260101-00000{number}-{SEAL}" for number in range(count)]


@pytest.fixture
def releases(tmp_path):
    made = Releases(tmp_path / "drone")
    for name in names(6):
        (made.folder / name).mkdir()
    return made


def test_the_switch_is_one_rename(releases):
    assert releases.current == ""
    for name in names(2):
        releases.switch(name)
        assert releases.current == name
        assert releases.link.resolve() == releases.folder / name
    releases.switch("")
    assert releases.current == ""
    assert not releases.link.exists()


def test_three_are_kept_beside_the_current_one(releases):
    releases.switch(names(6)[1])
    assert releases.prune(3) == [names(6)[0], names(6)[2]]
    assert releases.names == [names(6)[1], *names(6)[3:]]


def test_what_still_runs_is_kept(releases):
    releases.switch(names(6)[5])
    program = releases.folder / names(6)[0] / "sleep"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        told = Path(f"/proc/{process.pid}/cmdline")
        while not told.read_bytes():  # the system names a program a moment after it began
            time.sleep(0.001)
        assert names(6)[0] not in releases.prune(3)
        process.kill()
    assert releases.prune(3) == [names(6)[0]]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("20260101-000006", "20260101-000006"),
        ("20260101-000005", "20260101-000006"),
        ("20200101-000000", "20260101-000006"),
    ],
)
def test_a_new_name_comes_after_all_others(releases, stamp, expected):
    assert releases.name_for(stamp, SEAL) == f"{expected}-{SEAL}"


def test_one_deployment_at_a_time(releases):
    with (
        releases.locked(),
        pytest.raises(Refused, match="another deployment"),
        Releases(releases.base).locked(),
    ):
        pass
    with releases.locked():
        pass


def test_what_broke_off_before_is_cleared_away(releases):
    (releases.folder / ".incoming").mkdir()
    with releases.locked():
        assert not (releases.folder / ".incoming").exists()


def test_a_folder_where_the_link_belongs(tmp_path):
    (tmp_path / "current").mkdir()
    with pytest.raises(Refused, match="no symbolic link of ours"):
        Releases(tmp_path)


MANIFEST = {
    "arch": machine.machine(),
    "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
    "glibc": "2.28",
    "files": {"a": ["", 1000]},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arch": "armv7l"}, "right is --arch"),
        ({"python": "2.7"}, "right is --python"),
        ({"glibc": "99.0"}, "needs glibc 99.0"),
        ({"files": {"a": ["", 10**17]}}, "MB are needed"),
    ],
)
def test_a_bundle_must_fit_the_machine(tmp_path, changes, expected):
    machine.check_fits(MANIFEST, tmp_path)
    with pytest.raises(Refused, match=expected):
        machine.check_fits({**MANIFEST, **changes}, tmp_path)


def test_32_bit_programs_under_a_64_bit_kernel_are_told_apart(monkeypatch):
    monkeypatch.setattr(machine.struct, "calcsize", lambda kind: 4)
    assert machine.machine().endswith("with 32-bit programs")
