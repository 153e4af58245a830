"""The program as it travels: alone, by the standard library, for any Python there is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
import smallbundle

from drone.deploy import target
from drone.deploy.bundle import MODULES, program
from drone.deploy.target.program import MARK, main
from drone.deploy.target.releases import Releases


def full_disk(folder, name, data):
    raise OSError(28, "No space left on device")


FOLDER = next(iter(target.__path__))


def sources() -> dict[str, ast.Module]:
    from pathlib import Path

    paths = sorted(Path(FOLDER).glob("*.py"))
    return {p.stem: ast.parse(p.read_text(), feature_version=(3, 8)) for p in paths}


def test_every_module_travels():
    assert set(sources()) - {"__init__"} == set(MODULES)


def test_it_imports_the_standard_library_and_itself_alone():
    for name, tree in sources().items():
        for node in ast.walk(tree):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            for module in modules:
                own = module.startswith("drone.deploy.target.")
                assert own or module.split(".")[0] in sys.stdlib_module_names, (name, module)


def test_each_module_comes_after_those_that_it_imports():
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("drone."):
                assert MODULES.index(str(node.module).split(".")[-1]) < MODULES.index(name)


@pytest.fixture
def installer(tmp_path):
    path = tmp_path / "install.pyz"
    path.write_bytes(program())
    return [sys.executable, "-I", str(path), "--base", str(tmp_path / "drone")]


def test_a_bundle_brought_on_a_stick(installer, tmp_path):
    bundle = smallbundle.make(tmp_path)
    done = subprocess.run([*installer, "install", bundle.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["current"] == answer["release"]
    assert answer["release"].endswith(bundle.hash)
    assert (tmp_path / "drone/current/install.pyz").read_bytes() == program()


def test_probe_says_what_the_machine_is(installer):
    done = subprocess.run([*installer, "probe"], capture_output=True, text=True)
    mark, answer = done.stdout.splitlines()
    assert mark == MARK
    assert json.loads(answer)["current"] == ""
    assert smallbundle.HERE.python in json.loads(answer)["pythons"]


def test_a_bundle_that_is_not_there(installer):
    done = subprocess.run([*installer, "install", "gone.tar.gz"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "gone.tar.gz: cannot be read" in json.loads(done.stdout.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("name", "stand_in", "expected"),
    [
        ("machine.free_bytes", lambda base: 100, "MB are needed, 0 MB are free"),
        ("unpacking._write", full_disk, "no space left there"),
        ("releases.DOCTOR_S", 0.0, "had no answer within 0 s"),
    ],
)
def test_no_space_or_no_answer_leaves_the_release(
    tmp_path, monkeypatch, capsys, name, stand_in, expected
):
    base = ["--base", str(tmp_path / "drone"), "install"]
    assert main([*base, str(smallbundle.make(tmp_path, "good1").path)]) == 0
    before = Releases(tmp_path / "drone").current
    monkeypatch.setattr(f"drone.deploy.target.{name}", stand_in)
    capsys.readouterr()
    assert main([*base, str(smallbundle.make(tmp_path, "good2").path)]) == 1
    assert expected in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    releases = Releases(tmp_path / "drone")
    assert (releases.current, releases.names) == (before, [before])
    assert not (releases.folder / ".incoming").exists()
