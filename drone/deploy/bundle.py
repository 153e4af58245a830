"""A bundle: all that a companion computer needs, as one file that says what is in it.

In: a folder of packages, and the few files of this vehicle (model, calibration, configuration,
unit). Out: a gzipped tar, the same bytes for the same content; `target/unpacking.py` reads it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from drone import __version__
from drone.deploy.packages import GLIBC, Machine
from drone.deploy.target.unpacking import FORMAT, GZIP_HEAD, HEAD_SIZE, MANIFEST, seal_of
from drone.errors import UserError, WorkFailedError

INSTALLER = "install.pyz"
MODULES = ("refusal", "unpacking", "machine", "releases", "services", "runs", "program")
"""Of `drone.deploy.target`, each after those that it imports."""
_LEVEL = 6
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written.

    Attributes:
        path: of it.
        hash: of its content, 12 hex digits.
        size_bytes: of the file.
        unpacked_bytes: of its files.
        machine: that it is for.
    """

    path: Path
    hash: str
    size_bytes: int
    unpacked_bytes: int
    machine: Machine

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it stands in JSON."""
        return {
            "bundle": str(self.path),
            "hash": self.hash,
            "bytes": self.size_bytes,
            "unpacked_bytes": self.unpacked_bytes,
            "arch": self.machine.arch,
            "python": self.machine.python,
        }


def check_place(path: Path) -> None:
    """Check where a bundle is to go; raises UserError as `write_bundle`."""
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path}: expected the name of a file in a folder that is there")


def write_bundle(
    path: Path,
    machine: Machine,
    packages: Path,
    files: Mapping[str, bytes],
    advance: Callable[[int], object] = lambda size: None,
) -> Bundle:
    """Write a bundle, whole or not at all.

    Args:
        path: to write.
        machine: that the packages are for.
        packages: their folder; goes to `packages/`.
        files: of this vehicle, by name.
        advance: told how many bytes went in.

    Raises:
        UserError: the path's folder is not there.
        WorkFailedError: it cannot be written.
    """
    check_place(path)
    content = dict(_contents(packages, {**files, INSTALLER: program()}))
    manifest = _manifest(machine, content)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("w+b") as file:
            zipped = _Zipped(file)
            _write_tar(zipped, manifest, content, advance)
            zipped.finish()
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error
    return _described(path, manifest)


def read_bundle(path: Path) -> Bundle:
    """Return what a bundle says of itself; its files are verified where they are unpacked.

    Raises:
        UserError: there is none, or its manifest is damaged.
    """
    from drone.deploy.target.refusal import Refused
    from drone.deploy.target.unpacking import read_manifest

    try:
        with tarfile.open(path, "r|gz") as tar:
            return _described(path, read_manifest(tar, tar.next()))
    except (OSError, EOFError, tarfile.TarError, Refused) as error:
        raise UserError(f"{path}: no bundle can be read here: {error}") from error


def program() -> bytes:
    """Return what installs a bundle, as one file that Python runs (a zip with `__main__.py`)."""
    here = Path(__file__).parent / "target"
    sources = {
        "drone/__init__.py": b"",
        "drone/deploy/__init__.py": b"",
        "drone/deploy/target/__init__.py": b"",
        **{f"drone/deploy/target/{m}.py": (here / f"{m}.py").read_bytes() for m in MODULES},
        "__main__.py": b"import sys\nfrom drone.deploy.target.program import main\n"
        b"sys.exit(main())\n",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sources.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _contents(packages: Path, files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | Path]]:
    """Yield the files of a bundle, the few of the vehicle first."""
    yield from sorted(files.items())
    for path in sorted(packages.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"packages/{path.relative_to(packages).as_posix()}", path


def _manifest(machine: Machine, content: Mapping[str, bytes | Path]) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "arch": machine.arch,
        "python": machine.python,
        "glibc": GLIBC,
        "files": {name: list(_sha256_and_size(value)) for name, value in content.items()},
    }
    return {**manifest, "seal": seal_of(manifest)}


def _sha256_and_size(value: bytes | Path) -> tuple[str, int]:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest(), len(value)
    with value.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), value.stat().st_size


def _write_tar(
    zipped: _Zipped,
    manifest: Mapping[str, Any],
    content: Mapping[str, bytes | Path],
    advance: Callable[[int], object],
) -> None:
    with tarfile.open(fileobj=cast(Any, zipped), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, value in {MANIFEST: json.dumps(manifest).encode(), **content}.items():
            entry = tarfile.TarInfo(name)
            if isinstance(value, bytes):
                entry.size = len(value)
                tar.addfile(entry, io.BytesIO(value))
            else:
                entry.size = value.stat().st_size
                with value.open("rb") as file:
                    tar.addfile(entry, file)
            advance(entry.size)


def _described(path: Path, manifest: Mapping[str, Any]) -> Bundle:
    return Bundle(
        path,
        str(manifest["seal"])[:12],
        path.stat().st_size,
        sum(size for _, size in manifest["files"].values()),
        Machine(manifest["arch"], manifest["python"]),
    )


class _Zipped:
    """Gzip with the SHA-256 of all that follows the header in the header's comment (RFC 1952)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._crc, self._size = file, 0, 0
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._file.write(bytes(HEAD_SIZE))

    def write(self, data: bytes) -> int:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._file.write(self._deflate.compress(data))
        return len(data)

    def finish(self) -> None:
        self._file.write(self._deflate.flush())
        self._file.write(struct.pack("<II", self._crc, self._size % 2**32))
        self._file.seek(HEAD_SIZE)
        sha256 = hashlib.file_digest(cast(Any, self._file), "sha256").hexdigest()
        self._file.seek(0)
        self._file.write(GZIP_HEAD + sha256.encode() + b"\0")
