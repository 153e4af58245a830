"""All Python packages of a release, resolved for another machine: uv does it, for this and any.

In: for which machine and Python, which extras. Out: a folder of installed packages, whose binaries
are all of that machine. The project's own wheel is built from its checkout, or, where it was itself
installed from a wheel, put together again from what its RECORD lists.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import drone
from drone.deploy.elf import binaries
from drone.errors import UserError, WorkFailedError

GLIBC = "2.28"
"""The oldest C library that a release runs on: of Debian 10, Ubuntu 18.10 and all that is newer."""
EXTRAS = ("autopilot", "web")
_OF_INSTALLER = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
_SAID = 6


@dataclass(frozen=True, slots=True)
class Machine:
    """What a release is for.

    Attributes:
        arch: as the machine itself says: `aarch64` or `x86_64`.
        python: such as `3.11`.
    """

    arch: str
    python: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages come from.

    Attributes:
        wheels: a folder of wheels, the project's own among them, and nothing but these; None takes
            the package index, and makes the project's own.
        train: torch and all that learning takes, too.
    """

    wheels: Path | None = None
    train: bool = False


def install_packages(folder: Path, machine: Machine, sources: Sources) -> None:
    """Install the project and what it needs into a folder, for another machine.

    Raises:
        UserError: no uv here, or no such folder of wheels.
        WorkFailedError: no wheel fits, no index answers, or a binary is of another machine.
    """
    if sources.wheels is not None and not sources.wheels.is_dir():
        raise UserError(f"--wheels {sources.wheels}: no such folder")
    with tempfile.TemporaryDirectory() as scratch:
        own = _own_wheel(sources.wheels) if sources.wheels else project_wheel(Path(scratch))
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text(_constraints())
        _uv(_install_command(folder, machine, sources, own, constraints))
    for rest in (folder / "bin", folder / ".lock"):
        shutil.rmtree(rest) if rest.is_dir() else rest.unlink(missing_ok=True)
    check_binaries(folder, machine)


def _own_wheel(wheels: Path) -> Path:
    """Return the project's wheel among given ones."""
    own = sorted(wheels.glob("drone-*.whl"))
    if not own:
        raise UserError(f"--wheels {wheels}: lacks the project's own wheel, drone-*.whl")
    return own[-1]


def _install_command(
    folder: Path, machine: Machine, sources: Sources, wheel: Path, constraints: Path
) -> list[str]:
    extras = ",".join((*EXTRAS, "train") if sources.train else EXTRAS)
    index = [] if sources.wheels is None else ["--no-index", "--find-links", str(sources.wheels)]
    torch = ["--torch-backend", "cpu"] if sources.train and machine.arch == "x86_64" else []
    return [
        *("pip", "install", "--target", str(folder), "--python", sys.executable),
        *("--python-platform", f"{machine.arch}-manylinux_{GLIBC.replace('.', '_')}"),
        *("--python-version", machine.python, "--only-binary", ":all:"),
        *("--constraint", str(constraints), *index, *torch),
        f"drone[{extras}] @ {wheel.resolve().as_uri()}",
    ]


def check_binaries(folder: Path, machine: Machine) -> None:
    """Check that every binary is of the machine.

    Raises:
        WorkFailedError: one is not.
    """
    for path, arch in binaries(folder):
        if arch != machine.arch:
            raise WorkFailedError(
                f"{path.relative_to(folder)}: is a program of {arch}, not of {machine.arch}; its "
                "wheel is wrong"
            )


def checkout() -> Path | None:
    """Return the folder of the project's source, None where it was installed from a wheel."""
    folder = Path(drone.__file__).resolve().parents[1]
    return folder if (folder / "pyproject.toml").is_file() else None


def project_wheel(folder: Path) -> Path:
    """Return the project's own wheel, made in a folder.

    Raises:
        UserError: no uv here.
        WorkFailedError: it cannot be built.
    """
    source = checkout()
    if source is None:
        return rebuilt_wheel(distribution("drone"), folder)
    _uv(["build", "--wheel", "--quiet", "--out-dir", str(folder), str(source)])
    return next(folder.glob("drone-*.whl"))


def rebuilt_wheel(installed: Distribution, folder: Path) -> Path:
    """Put a wheel together again from what it installed.

    Raises:
        WorkFailedError: a file is gone.
    """
    info = f"{installed.name}-{installed.version}.dist-info"
    wheel = folder / f"{installed.name}-{installed.version}-py3-none-any.whl"
    files = sorted(str(file) for file in installed.files or () if _is_of_wheel(file.parts))
    rows = io.StringIO()
    record = csv.writer(rows, lineterminator="\n")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            try:
                data = Path(str(installed.locate_file(name))).read_bytes()
            except OSError as error:
                raise WorkFailedError(
                    f"{installed.locate_file(name)}: cannot be read: {error.strerror}; install "
                    "drone again"
                ) from error
            archive.writestr(zipfile.ZipInfo(name), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            record.writerow((name, f"sha256={digest.decode()}", len(data)))
        record.writerow((f"{info}/RECORD", "", ""))
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), rows.getvalue())
    return wheel


def _is_of_wheel(parts: Sequence[str]) -> bool:
    own = ".." not in parts and "__pycache__" not in parts
    return own and not (parts[0].endswith(".dist-info") and parts[-1] in _OF_INSTALLER)


def _constraints() -> str:
    """Return the versions to take: those tested with the checkout, else those installed here."""
    source = checkout()
    if source is not None and (source / "constraints.txt").is_file():
        return (source / "constraints.txt").read_text()
    here = {d.name: d.version.split("+")[0] for d in distributions() if d.name != "drone"}
    return "".join(f"{name}=={version}\n" for name, version in sorted(here.items()))


def _uv(words: Sequence[str]) -> None:
    try:
        from uv import find_uv_bin

        program = find_uv_bin()
    except (ImportError, FileNotFoundError):
        raise UserError(
            "a bundle needs uv, which is not installed: pip install 'drone[deploy]'"
        ) from None
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip(" ╰├│─▶×╭") for line in done.stderr.splitlines() if line.strip()]
        raise WorkFailedError(f"uv {words[0]} {words[1]}: " + "; ".join(said[-_SAID:]))
