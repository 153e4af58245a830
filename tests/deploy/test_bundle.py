"""Bundles: the same bytes for the same content, from wheels, for one machine and no other."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
import smallbundle
import tinywheels

from drone.cli import main
from drone.deploy import packages
from drone.deploy.bundle import read_bundle, write_bundle
from drone.deploy.elf import architecture, binaries
from drone.deploy.packages import Machine, Sources, check_binaries, install_packages, rebuilt_wheel
from drone.errors import UserError, WorkFailedError

ARM = Machine("aarch64", "3.12")
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_same_content_is_the_same_file(tmp_path):
    first = smallbundle.make(tmp_path)
    data = first.path.read_bytes()
    assert smallbundle.make(tmp_path).path.read_bytes() == data
    assert smallbundle.make(tmp_path, "good2").hash != first.hash
    assert read_bundle(first.path) == first


def test_any_tar_reads_it(tmp_path):
    bundle = smallbundle.make(tmp_path)
    subprocess.run(["tar", "-xzf", bundle.path, "-C", tmp_path, "model.onnx"], check=True)
    assert (tmp_path / "model.onnx").read_text() == "good"


@pytest.mark.parametrize("data", [b"", b"no bundle", bytes(1000)])
def test_what_is_no_bundle(tmp_path, capsys, data):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(data)
    assert main(["deploy", "a@b", "--from", str(path)]) == 2
    assert "no bundle can be read here" in capsys.readouterr().err


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(UserError, match="a folder that is there"):
        write_bundle(tmp_path / "gone/x.tar.gz", ARM, tmp_path, {})


def test_a_full_disk_leaves_no_half_bundle(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drone.deploy.bundle._Zipped.write", full)
    with pytest.raises(WorkFailedError, match="No space left"):
        write_bundle(tmp_path / "x.tar.gz", ARM, tmp_path, {"a": b"1"})
    assert not list(tmp_path.iterdir())


def test_elf_headers():
    assert architecture(tinywheels.elf("aarch64")) == "aarch64"
    assert architecture(tinywheels.elf("x86_64")) == "x86_64"
    arm32 = bytearray(tinywheels.elf("aarch64"))
    arm32[4], arm32[18] = 1, 40
    assert architecture(bytes(arm32)) == "ELF machine 40, 32 bits"
    assert architecture(b"#!/bin/sh") is None
    assert architecture(b"\x7fELF") is None
    assert architecture(Path("/proc/self/exe").read_bytes()[:20]) == smallbundle.HERE.arch


def wheels(folder: Path, tag: str = "cp312-cp312-manylinux_2_28_aarch64", arch: str = "aarch64"):
    """Write the project's wheel and a tiny one for each package that it needs."""
    folder.mkdir()
    needed = tinywheels.needed(PYPROJECT, *packages.EXTRAS)
    for name, version in needed.items():
        if name != "numpy":
            tinywheels.wheel(folder, name, version, {f"{name}/__init__.py": b""})
    code = {"numpy/core.so": tinywheels.elf(arch), "numpy/__init__.py": b""}
    tinywheels.wheel(folder, "numpy", needed["numpy"], code, tag=tag)
    requires = "".join(f"Requires-Dist: {name}>={v}\n" for name, v in needed.items())
    requires += "Provides-Extra: autopilot\nProvides-Extra: web\n"
    tinywheels.wheel(folder, "drone", "0.1.0", {"drone/__init__.py": b""}, requires=requires)
    return Sources(wheels=folder)


@pytest.fixture
def any_version(monkeypatch):
    monkeypatch.setattr(packages, "_constraints", lambda: "")


@pytest.mark.usefixtures("any_version")
def test_a_bundle_of_wheels_for_another_machine(tmp_path):
    pytest.importorskip("uv")
    sources = wheels(tmp_path / "wheels")
    install_packages(tmp_path / "packages", ARM, sources)
    assert [arch for _, arch in binaries(tmp_path / "packages")] == ["aarch64"]
    bundle = write_bundle(tmp_path / "x.tar.gz", ARM, tmp_path / "packages", {"model.onnx": b"m"})
    with tarfile.open(bundle.path) as tar:
        names = tar.getnames()
    assert names[0] == "manifest.json"
    assert {"model.onnx", "install.pyz", "packages/numpy/core.so"} < set(names)
    assert "packages/drone-0.1.0.dist-info/METADATA" in names
    assert not any("bin/" in name for name in names)


@pytest.mark.usefixtures("any_version")
@pytest.mark.parametrize(
    ("tag", "arch", "expected"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", "x86_64", "numpy"),
        ("cp311-cp311-manylinux_2_28_aarch64", "aarch64", "numpy"),
        ("cp312-cp312-manylinux_2_28_aarch64", "x86_64", "is a program of x86_64, not of aarch64"),
    ],
)
def test_wheels_of_another_machine_or_python_are_refused(tmp_path, tag, arch, expected):
    pytest.importorskip("uv")
    with pytest.raises(WorkFailedError, match=expected):
        install_packages(tmp_path / "packages", ARM, wheels(tmp_path / "wheels", tag, arch))


def test_folders_that_hold_no_wheels(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        install_packages(tmp_path / "out", ARM, Sources(wheels=tmp_path / "gone"))
    with pytest.raises(UserError, match=r"lacks the project's own wheel"):
        install_packages(tmp_path / "out", ARM, Sources(wheels=tmp_path))


def test_the_wheel_is_put_together_again_from_what_it_installed(tmp_path):
    """Installed by hand, as pip does, with files of its own making; and back."""
    (tmp_path / "one").mkdir()
    made = tinywheels.wheel(tmp_path / "one", "drone", "0.1.0", {"drone/launch/a.toml": b"x = 1\n"})
    site = tmp_path / "site"
    with zipfile.ZipFile(made) as archive:
        archive.extractall(site)
    info = site / "drone-0.1.0.dist-info"
    (info / "INSTALLER").write_text("pip\n")
    (site / "drone/__pycache__").mkdir()
    (site / "drone/__pycache__/a.pyc").write_bytes(b"")
    more = "../../bin/drone,,\ndrone/__pycache__/a.pyc,,\ndrone-0.1.0.dist-info/INSTALLER,,\n"
    (info / "RECORD").write_text((info / "RECORD").read_text() + more)
    again = rebuilt_wheel(PathDistribution(info), tmp_path)
    assert again.name == made.name
    with zipfile.ZipFile(made) as a, zipfile.ZipFile(again) as b:
        assert sorted(a.namelist()) == sorted(b.namelist())
        assert b.read("drone/launch/a.toml") == b"x = 1\n"
        assert b"drone/launch/a.toml,sha256=" in b.read("drone-0.1.0.dist-info/RECORD")
    (site / "drone/launch/a.toml").unlink()
    with pytest.raises(WorkFailedError, match="install drone again"):
        rebuilt_wheel(PathDistribution(info), tmp_path)


def test_a_bundle_needs_a_name_or_a_host(capsys):
    assert main(["deploy"]) == 2
    assert "expected user@host, or --bundle FILE" in capsys.readouterr().err
    assert main(["deploy", "a@b", "--rollback", "--from", "x"]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["aarch64", "x86-64"])
def test_a_whole_bundle_from_the_index(tmp_path, capsys, arch):
    """Downloads some 150 MB: every binary in it is of the machine."""
    out = tmp_path / "out.tar.gz"
    code = main(["deploy", "--bundle", str(out), "--arch", arch, "--python", "3.12", "--json",
                 "--set", "camera.devices=[]", "--set", "camera.calibration=''"])  # fmt: skip
    if code and "error sending request" in capsys.readouterr().err:
        pytest.skip("the package index is out of reach")
    assert code == 0
    machine, count = arch.replace("-", "_"), 0
    with tarfile.open(out) as tar:
        for member in tar:
            file = tar.extractfile(member)
            found = architecture(io.BytesIO(file.read(20)).read()) if file else None
            assert found in (None, machine), member.name
            count += found is not None
    assert count > 50
    check_binaries(tmp_path, Machine(machine, "3.12"))
