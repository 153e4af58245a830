"""Over ssh: our own small program on another machine, with nothing there but Python.

The program (`target/`) goes through standard input, what it works on follows it, and its answers
come back on standard output. Nothing is left behind there. Hosts, ports, keys and jump hosts are
what the user's ssh knows (`~/.ssh/config`), or what `--ssh` says.
"""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from drone.deploy.bundle import MODULES, program
from drone.deploy.target.program import MARK
from drone.errors import DroneError, UserError, WorkFailedError

_CHUNK = 1 << 18
_PATIENCE = (
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "ServerAliveCountMax=3",
)
"""Who is silent for half a minute is gone."""
_BOOT = """
import io,sys,types,zipfile
z=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read({size})))
def load(name,text):
    m=types.ModuleType(name); m.__path__=[]; sys.modules[name]=m
    exec(compile(text,name,"exec"),m.__dict__)
for name in ("drone","drone.deploy","drone.deploy.target"): load(name,b"")
for name in {modules}: load("drone.deploy.target."+name,z.read("drone/deploy/target/"+name+".py"))
sys.exit(sys.modules["drone.deploy.target.program"].main(sys.argv[1:]))
"""
_HELP = (
    ("could not resolve", "is its name right? An address works too: user@192.168.1.20"),
    ("refused", "is it on, and does it run sshd, on that port?"),
    ("timed out", "is it on, and in this network?"),
    ("no route", "is it on, and in this network?"),
    ("permission denied", "may this user log in? Try: ssh-copy-id {host}"),
    ("host key verification", "is it the same machine? Log in once by hand: ssh {host}"),
)


@dataclass(frozen=True, slots=True)
class Host:
    """Another machine.

    Attributes:
        name: as ssh takes it: `user@host`, or a name of its configuration.
        ssh: the command, such as `ssh -p 2222`.

    Raises:
        UserError: no name that ssh could take, or no such command here.
    """

    name: str
    ssh: str = "ssh"

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith("-") or any(c.isspace() for c in self.name):
            raise UserError(f"{self.name!r}: expected user@host, as ssh takes it")
        if not self.words or shutil.which(self.words[0]) is None:
            raise UserError(f"--ssh {self.ssh!r}: no such program here (apt: openssh-client)")

    @property
    def words(self) -> list[str]:
        """The command's words."""
        try:
            return shlex.split(self.ssh)
        except ValueError as error:
            raise UserError(f"--ssh {self.ssh!r}: {error}") from error

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start the program over there; its bytes have been sent, what it works on may follow."""
        code = program()
        boot = _BOOT.format(size=len(code), modules=repr(MODULES))
        remote = shlex.join(["python3", "-c", boot, *words])
        quiet = [] if sys.stdin.isatty() else ["-o", "BatchMode=yes"]
        process = subprocess.Popen(
            [*self.words, *quiet, *_PATIENCE, self.name, remote],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _feed(process, io.BytesIO(code), lambda size: None)
        return process


def ask(
    host: Host,
    words: Sequence[str],
    data: IO[bytes] | None = None,
    advance: Callable[[int], object] = lambda size: None,
) -> dict[str, Any]:
    """Run the program over there and return its answer.

    Args:
        host: the machine.
        words: its command and options.
        data: what it works on.
        advance: told how many bytes went.

    Raises:
        UserError: the machine cannot be reached, or has no Python.
        WorkFailedError: it cannot do it; the message says why.
    """
    told: list[bytes] = []
    with host.start(words) as process:
        errors = _of(process.stderr)
        listener = threading.Thread(target=lambda: told.append(errors.read()), daemon=True)
        listener.start()
        if data is not None:
            _feed(process, data, advance)
        _close(process)
        said = _of(process.stdout).read().decode(errors="replace")
        code = process.wait()
        listener.join()
    lines = said.partition(f"{MARK}\n")[2].splitlines()
    answer = _json(lines[-1]) if lines else None
    if answer is None:
        raise trouble(host, code, told[0].decode(errors="replace"))
    if "error" in answer:
        raise WorkFailedError(f"{host.name}: {answer['error']}")
    return answer


def trouble(host: Host, code: int, told: str) -> DroneError:
    """Return what to say of a program that gave no answer."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {code}"
    if code == 127 or "not found" in last:
        return UserError(
            f"{host.name}: has no python3 ({last}); right is Python 3.11 or later: "
            "apt install python3"
        )
    if code == 255:
        told_low = told.lower()
        help_ = next((text for sign, text in _HELP if sign in told_low), "does ssh {host} work?")
        return UserError(f"{host.name}: {last}; {help_.format(host=host.name)}")
    return WorkFailedError(f"{host.name}: {last}")


def _feed(
    process: subprocess.Popen[bytes], data: IO[bytes], advance: Callable[[int], object]
) -> None:
    """Send bytes, as many as are wanted: who refuses early says why on its output."""
    try:
        for chunk in iter(lambda: data.read(_CHUNK), b""):
            _of(process.stdin).write(chunk)
            advance(len(chunk))
        _of(process.stdin).flush()
    except BrokenPipeError:
        return


def _close(process: subprocess.Popen[bytes]) -> None:
    try:
        _of(process.stdin).close()
    except BrokenPipeError:
        return


def _of(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _json(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
