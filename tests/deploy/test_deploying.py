"""Releases over a real sshd: installed, switched, refused, rolled back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import smallbundle
from sshserver import Server

from drone.cli import main
from drone.deploy.target.releases import Releases


def deploy(companion: Server, *words: str, code: int = 0) -> None:
    assert main(["deploy", companion.host, "--ssh", companion.ssh, "--json", *words]) == code


def base(companion: Server) -> Path:
    return companion.home / "drone"


def runs(companion: Server) -> dict[str, object]:
    """Return what the current release's own doctor says of it."""
    current = base(companion) / "current"
    done = subprocess.run(
        [current / "bin/drone", "doctor", "--config", current / "config.toml"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def running(companion: Server) -> str:
    """Return the command line of what the service runs."""
    pid = (companion.home / "pid").read_text().strip()
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
def service(companion: Server) -> Iterator[list[str]]:
    """A stand-in for systemd over there; the options that use it."""
    (companion.bin / "systemctl").write_text(smallbundle.SYSTEMCTL.format(home=companion.home))
    (companion.bin / "systemctl").chmod(0o755)
    yield ["--user-service"]
    if (companion.home / "pid").is_file():
        os.kill(int((companion.home / "pid").read_text()), signal.SIGKILL)


def test_two_releases_then_a_broken_one_ends_on_the_second_running(
    companion, service, tmp_path, capsys
):
    deploy(companion, "--from", str(smallbundle.make(tmp_path, "good1").path), *service)
    first = json.loads(capsys.readouterr().out)
    assert f"releases/{first['release']}/" in running(companion)
    deploy(companion, "--from", str(smallbundle.make(tmp_path, "good2").path), *service)
    second = json.loads(capsys.readouterr().out)
    assert second["current"] == second["release"] > first["release"]
    assert second["releases"] == [first["release"], second["release"]]

    deploy(companion, "--from", str(smallbundle.make(tmp_path, "broken").path), *service, code=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "not healthy: model.loads: is broken; export it" in err
    assert Releases(base(companion)).current == second["release"]
    assert Releases(base(companion)).names == second["releases"]
    assert f"releases/{second['release']}/" in running(companion)
    assert "good2" in str(runs(companion)["findings"])


def test_a_release_that_does_not_even_start_is_refused(companion, tmp_path, capsys):
    deploy(companion, "--from", str(smallbundle.make(tmp_path, "crash").path), code=1)
    assert "does not start; it said: boom" in capsys.readouterr().err
    assert Releases(base(companion)).names == []
    assert not (base(companion) / "current").exists()


def test_rollback_goes_back_one_release_at_a_time(companion, tmp_path, capsys):
    for model in ("good1", "good2", "good3"):
        deploy(companion, "--from", str(smallbundle.make(tmp_path, model).path))
    for expected in ("good2", "good1"):
        deploy(companion, "--rollback")
        assert expected in str(runs(companion)["findings"])
    capsys.readouterr()
    deploy(companion, "--rollback", code=1)
    assert "no release is older than the current one" in capsys.readouterr().err
    assert "good1" in str(runs(companion)["findings"])


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (smallbundle.Machine("riscv64", smallbundle.HERE.python), "the bundle is for riscv64"),
        (smallbundle.Machine(smallbundle.HERE.arch, "3.99"), "the bundle is for Python 3.99"),
    ],
)
def test_a_bundle_for_another_machine_leaves_the_release(
    companion, tmp_path, capsys, machine, expected
):
    deploy(companion, "--from", str(smallbundle.make(tmp_path, "good1").path))
    before = Releases(base(companion)).current
    other = smallbundle.make(tmp_path, "good2", machine)
    deploy(companion, "--from", str(other.path), code=1)
    assert expected in capsys.readouterr().err
    assert Releases(base(companion)).current == before
    assert Releases(base(companion)).names == [before]


def test_what_a_login_shell_prints_is_no_part_of_the_answer(companion, tmp_path, capsys):
    (companion.home / ".bashrc").write_text('echo Welcome; echo \'{"error": "no"}\'\n')
    deploy(companion, "--from", str(smallbundle.make(tmp_path).path))
    assert json.loads(capsys.readouterr().out)["findings"][0]["verdict"] == "ok"


def test_a_machine_without_python(companion, tmp_path, capsys):
    program = companion.bin / "python3"
    program.write_text("#!/bin/sh\necho 'sh: python3: not found' >&2; exit 127\n")
    program.chmod(0o755)
    deploy(companion, "--from", str(smallbundle.make(tmp_path).path), code=2)
    assert "has no python3" in capsys.readouterr().err


def test_a_connection_that_breaks_off_leaves_the_release(companion, tmp_path, capsys):
    deploy(companion, "--from", str(smallbundle.make(tmp_path, "good1").path))
    before = Releases(base(companion)).current
    bundle = smallbundle.make(tmp_path, "good2")
    half = tmp_path / "half.tar.gz"
    half.write_bytes(bundle.path.read_bytes()[: bundle.size_bytes // 2])
    deploy(companion, "--from", str(half), code=1)
    assert "the bundle is damaged" in capsys.readouterr().err
    assert Releases(base(companion)).current == before
    assert not list((base(companion) / "releases").glob(".incoming*"))


@pytest.mark.parametrize(
    ("host", "words", "expected"),
    [
        ("nobody@host.invalid", [], "is its name right?"),
        ("-oProxyCommand=x", [], "required|expected user@host"),
        ("a b", [], "expected user@host"),
        ("a@b", ["--ssh", "no-such-ssh"], "no such program here"),
        ("a@127.0.0.1", ["--ssh", "ssh -F none -p 1"], "does it run sshd"),
    ],
)
def test_hosts_that_cannot_be_reached(tmp_path, capsys, host, words, expected):
    bundle = smallbundle.make(tmp_path)
    try:
        code = main(["deploy", "--from", str(bundle.path), *words, "--", host])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    err = capsys.readouterr().err
    assert any(part in err for part in expected.split("|"))


def test_a_key_that_is_not_known_there(companion, tmp_path, capsys):
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", tmp_path / "other"], check=True)
    ssh = companion.ssh.replace("/key ", f"/key -i {tmp_path}/other ")
    ssh = ssh.replace(ssh.split("-i ")[1].split(" ")[0], str(tmp_path / "other"), 1)
    bundle = smallbundle.make(tmp_path)
    words = ["deploy", companion.host, "--ssh", ssh, "--from", str(bundle.path)]
    assert main(words) == 2
    assert "may this user log in?" in capsys.readouterr().err
