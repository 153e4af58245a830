"""A bundle, unpacked: whole as it was made, or refused for any byte that changed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from pathlib import Path

import pytest
import smallbundle

from drone.deploy.target.refusal import Refused
from drone.deploy.target.unpacking import GZIP_HEAD, MANIFEST, Exactly, seal_of, unpack


def unpacked(data: bytes, folder: Path) -> str:
    folder.mkdir()
    return unpack(Exactly(io.BytesIO(data), len(data)), folder, lambda manifest: None)


def packed(files: dict[str, bytes], listed: dict[str, bytes] | None = None) -> bytes:
    """Return a bundle of files whose manifest lists, perhaps, others."""
    listed = files if listed is None else listed
    manifest: dict[str, object] = {
        "format": "drone-bundle-1",
        "files": {n: [hashlib.sha256(d).hexdigest(), len(d)] for n, d in listed.items()},
    }
    manifest["seal"] = seal_of(manifest)
    body = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 6, body, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|") as tar,
    ):
        for name, data in {MANIFEST: json.dumps(manifest).encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    rest = body.getvalue()[10:]
    return GZIP_HEAD + hashlib.sha256(rest).hexdigest().encode() + b"\0" + rest


def test_what_was_packed_comes_out(tmp_path):
    bundle = smallbundle.make(tmp_path, "good")
    assert unpacked(bundle.path.read_bytes(), tmp_path / "out") == bundle.hash
    assert (tmp_path / "out/model.onnx").read_text() == "good"
    assert (tmp_path / "out/packages/drone/__main__.py").read_text() == smallbundle.STAND_IN


def test_every_byte_counts(tmp_path):
    """Of a small bundle: each of its first and last bytes, and hundreds between, altered alone."""
    good = packed({"a": b"12345", "packages/b": bytes(2000)})
    unpacked(good, tmp_path / "good")
    chosen = {*range(90), *range(len(good) - 20, len(good))}
    chosen |= set(random.Random(0).sample(range(len(good)), 200))
    for at in sorted(chosen):
        for bit in (0, 7):
            altered = bytearray(good)
            altered[at] ^= 1 << bit
            with pytest.raises(Refused, match=r"damaged|known here"):
                unpacked(bytes(altered), tmp_path / f"{at}-{bit}")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_bundle_cut_short(tmp_path, share):
    good = smallbundle.make(tmp_path).path.read_bytes()
    with pytest.raises(Refused, match="damaged"):
        unpacked(good[: int(share * len(good))], tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "listed", "expected"),
    [
        ({"a": b"1", "b": b"2"}, {"a": b"1"}, "b is not in its manifest"),
        ({"a": b"1"}, {"a": b"1", "b": b"2"}, "b is missing"),
        ({"a": b"1"}, {"a": b"2"}, "a is not what its manifest says"),
        ({"a": b"1"}, {"a": b"11"}, "a is not in its manifest"),
        ({"../a": b"1"}, None, "lies outside"),
        ({"/a": b"1"}, None, "lies outside"),
    ],
)
def test_files_that_are_not_as_listed(tmp_path, files, listed, expected):
    with pytest.raises(Refused, match=expected):
        unpacked(packed(files, listed), tmp_path / "out")
    assert not (tmp_path / "a").exists()


def test_the_check_comes_before_anything_is_written(tmp_path):
    def check(manifest):
        raise Refused("not for this machine")

    data = smallbundle.make(tmp_path).path.read_bytes()
    (tmp_path / "out").mkdir()
    with pytest.raises(Refused, match="not for this machine"):
        unpack(Exactly(io.BytesIO(data), len(data)), tmp_path / "out", check)
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(self, mode):
        raise OSError(28, "No space left on device")

    data = smallbundle.make(tmp_path).path.read_bytes()
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(Refused, match="no space left there"):
        unpacked(data, tmp_path / "out")
