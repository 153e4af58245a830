"""A real sshd on loopback, for one test session: its own keys, port, HOME and PATH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True)
class Server:
    """One that runs.

    Attributes:
        home: HOME of who logs in.
        bin: first folder of their PATH.
        ssh: the command that logs in.
        host: user and host.
        log: sshd's own.
    """

    home: Path
    bin: Path
    ssh: str
    host: str
    log: Path


def needed() -> None:
    """Skip where there is no sshd."""
    if not Path(SSHD).is_file():
        pytest.skip("no /usr/sbin/sshd: apt install openssh-server")
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh: apt install openssh-client")
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        Path("/run/sshd").mkdir(mode=0o755)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path) -> tuple[Server, subprocess.Popen[bytes]]:
    """Start one in a folder."""
    home, programs = folder / "home", folder / "bin"
    home.mkdir()
    programs.mkdir()
    for name in ("host_key", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    port, path = free_port(), f"{programs}:{os.environ['PATH']}"
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv HOME={home} PATH={path}\n"
    )
    (folder / "known_hosts").write_text(
        f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}"
    )
    log = folder / "sshd.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=file, stdout=file
        )
    ssh = (
        f"ssh -F none -p {port} -i {folder}/key -o IdentitiesOnly=yes "
        f"-o UserKnownHostsFile={folder}/known_hosts"
    )
    server = Server(home, programs, ssh, f"{getpass.getuser()}@127.0.0.1", log)
    wait_until_it_listens(port, process, log)
    return server, process


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.skip(f"sshd does not start here: {log.read_text()}")
