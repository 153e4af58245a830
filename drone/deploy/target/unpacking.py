"""From a bundle's bytes to verified files: in comes a stream, out comes a folder, or a refusal.

A bundle is a gzipped tar. Its first file is the manifest: architecture, Python, and path, SHA-256
and size of every other file; its seal is the SHA-256 of itself. The gzip header's comment is the
SHA-256 of all that follows it. So no byte can change unnoticed.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol, cast

from drone.deploy.target.refusal import Refused

FORMAT = "drone-bundle-1"
MANIFEST = "manifest.json"
GZIP_HEAD = bytes((0x1F, 0x8B, 8, 16, 0, 0, 0, 0, 0, 255))
"""Of every bundle: a comment follows, which ends with a zero."""
HEAD_SIZE = len(GZIP_HEAD) + 64 + 1
_CHUNK = 1 << 20


class Source(Protocol):
    """What a bundle is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes."""
        ...


def unpack(stream: Source, folder: Path, check: Callable[[dict[str, Any]], None]) -> str:
    """Unpack and verify a bundle.

    Args:
        stream: the bundle, from its first byte to its last.
        folder: empty; gets the files.
        check: called with the manifest before anything is written.

    Returns:
        The bundle's hash, 12 hex digits.

    Raises:
        Refused: it is damaged, cut short, or no bundle; or by `check`.
    """
    try:
        head = stream.read(HEAD_SIZE)
        if not head.startswith(GZIP_HEAD) or head[-1:] != b"\0":
            raise _damaged("it does not begin as a bundle does")
        body = Hashed(stream)
        with gzip.GzipFile(fileobj=cast(Any, _Again(head, body))) as unzipped:
            with tarfile.open(mode="r|", fileobj=unzipped) as tar:
                seal = _unpack(tar, folder, check)
            while unzipped.read(_CHUNK):  # to the end: its checksum stands there
                pass
        if body.sha256.encode() != head[len(GZIP_HEAD) : -1]:
            raise _damaged("its SHA-256 is another one")
        return seal
    except (EOFError, zlib.error, tarfile.TarError, UnicodeError, gzip.BadGzipFile) as error:
        raise _damaged(str(error)) from error
    except OSError as error:
        raise _disk(error, folder) from error


def _unpack(tar: tarfile.TarFile, folder: Path, check: Callable[[dict[str, Any]], None]) -> str:
    members = iter(tar)
    manifest = read_manifest(tar, next(members, None))
    check(manifest)
    waiting = dict(manifest["files"])
    for member in members:
        sha256, size = waiting.pop(member.name, ("", -1))
        data = tar.extractfile(member) if member.isreg() else None
        if data is None or member.size != size:
            raise _damaged(f"{member.name} is not in its manifest")
        if _write(folder, member.name, data) != sha256:
            raise _damaged(f"{member.name} is not what its manifest says")
    if waiting:
        raise _damaged(f"{min(waiting)} is missing")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return str(manifest["seal"])[:12]


def read_manifest(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    """Return the manifest, the first file of a bundle.

    Raises:
        Refused: it is none, or was altered.
    """
    data = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
    try:
        manifest = json.loads(data.read() if data is not None else b"")
        if manifest["seal"] != seal_of(manifest):
            raise _damaged("its manifest was altered")
        if manifest["format"] != FORMAT:
            raise Refused(f"the bundle is a {manifest['format']}, known here is {FORMAT}")
        for path in manifest["files"]:
            if path.startswith("/") or ".." in path.split("/"):
                raise _damaged(f"{path} lies outside of it")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _damaged("it has no manifest") from error
    return dict(manifest)


def seal_of(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest, its own seal aside."""
    rest = {key: value for key, value in manifest.items() if key != "seal"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _write(folder: Path, name: str, data: IO[bytes]) -> str:
    """Write a file and return its SHA-256."""
    path, digest = folder / name, hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in iter(lambda: data.read(_CHUNK), b""):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _damaged(detail: str) -> Refused:
    return Refused(f"the bundle is damaged: {detail}; build it anew, or copy it again")


def _disk(error: OSError, folder: Path) -> Refused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(f"{folder.parent}: no space left there; free some")
    return Refused(f"{folder.parent}: cannot be written: {error.strerror or error}")


class _Again:
    """A stream of which the beginning was read already."""

    def __init__(self, head: bytes, rest: Source) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        taken, self._head = self._head[:size], self._head[size:]
        return taken


class Hashed:
    """A stream that is hashed as it passes."""

    def __init__(self, stream: Source) -> None:
        """Hash from here on."""
        self._stream, self._digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes."""
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._digest.hexdigest()


class Exactly:
    """The next so many bytes of a stream; fewer are an error."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        """Take so many from a stream."""
        self._stream, self._left, self._size = stream, size, size

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        if wanted and not data:
            got = self._size - self._left
            raise EOFError(f"only {got} of {self._size} bytes came")
        self._left -= len(data)
        return data
