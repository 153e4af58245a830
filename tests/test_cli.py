import errno
import json
import os
import subprocess
import sys

import pytest

from drone import __version__
from drone.cli import COMMANDS, main
from drone.errors import UserError, WorkFailedError

HEAVY = ("torch", "numpy", "cv2", "onnxruntime", "pybullet", "pydantic", "rich", "matplotlib")


def run(capsys, *arguments):
    """Return exit code, standard output and standard error."""
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def imported_by(*arguments):
    listing = python(
        "import sys, json, io, contextlib\n"
        "from drone.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    return set(json.loads(listing))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(capsys, arguments):
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "example" in out
    for name, text in COMMANDS.items():
        assert f"  {name}" in out
        assert text in out


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, f"drone {__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bogus"]])
def test_help_imports_nothing_heavy(arguments):
    assert not imported_by(*arguments) & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, name):
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert f"usage: drone {name}" in out
    assert f"example:\n  drone {name}" in out


def test_help_of_a_command_leaves_learner_and_simulator_alone():
    assert not imported_by("fly", "--help") & {"torch", "cv2", "onnxruntime", "pybullet"}


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "drone", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"drone {__version__}\n")


@pytest.mark.parametrize("arguments", [["bogus"], ["--bogus"], ["fly", "--bogus"], ["fly", "x"]])
def test_unknown_words_are_wrong_use(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "error: " in err.splitlines()[-1]


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """An empty folder to work in, and beside it files that are wrong."""
    work, files = tmp_path / "work", tmp_path / "files"
    work.mkdir()
    files.mkdir()
    (files / "bad.toml").write_text("[flight\n")
    (files / "unknown.toml").write_text("[pilot.trust]\nmax_frp = 0.3\n")
    (files / "latin.toml").write_bytes(b"\xff\xfe\n")
    (files / "rates.toml").write_text("[pilot]\ntick_hz = 7\n")
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "missing.toml"], "no configuration file missing.toml"),
        (["--config", "."], "cannot be read"),
        (["--config", "../files/bad.toml"], "not valid TOML"),
        (["--config", "../files/latin.toml"], "not valid TOML"),
        (["--config", "../files/unknown.toml"], "did you mean 'max_fpr'?"),
        (["--config", "../files/rates.toml"], "pilot.tick_hz = 7 must divide 240 Hz"),
        (["--set", "flight.sede=1"], "did you mean 'seed'?"),
        (["--set", "flight.duration_s=-1"], "flight.duration_s = -1"),
        (["--set", "flight.duration_s=nan"], "flight.duration_s = nan"),
        (["--set", "flight.seed=abc"], "flight.seed = 'abc'"),
        (["--set", "nonsense"], "expected dotted.key=value"),
        (["--set", "sim.camera.rate_hz=30"], "must divide"),
        (["--set", "sim.camera.width_px=130"], "sim.camera.width_px"),
        (["--set", "pilot.grid.rows=11"], "multiples of grid.cols x rows"),
        (["--seed", "abc"], "--seed 'abc': expected a whole number such as 3"),
        (["--seed", "1.5"], "--seed '1.5'"),
        (["--seed", "-1"], "--seed '-1'"),
        (["--seed", ""], "--seed ''"),
        (["--seed", "99999999999"], "flight.seed = 99999999999"),
        (["--seeds", "3"], "--seeds '3': expected a range such as 0-9"),
        (["--seeds", "5-1"], "--seeds '5-1'"),
        (["--seeds", "0-99999999999999"], "a seed must be less than"),
        (["--seed", "1", "--seeds", "0-1"], "exclude each other"),
    ],
)
def test_wrong_input_is_one_clear_line_and_nothing_is_written(capsys, workdir, arguments, expected):
    code, out, err = run(capsys, "fly", *arguments, "--json")
    assert (code, out) == (2, "")
    assert err.startswith("drone fly: ")
    assert expected in err
    assert err.count("\n") == 1
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("replay", []),
        ("replay", ["missing"]),
        ("replay", ["missing", "--verify"]),
        ("replay", ["."]),
        ("replay", ["../files/bad.toml", "--verify"]),
        ("report", []),
        ("report", ["missing"]),
        ("report", ["."]),
    ],
)
def test_wrong_paths_are_wrong_use(capsys, workdir, name, arguments):
    code, out, err = run(capsys, name, *arguments)
    assert (code, out) == (2, "")
    assert f"drone {name}: " in err.splitlines()[-1]
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such thing"), 2, "drone fly: no such thing\n"),
        (WorkFailedError("disk full"), 1, "drone fly: disk full\n"),
        (KeyboardInterrupt(), 1, "drone fly: interrupted\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(capsys, monkeypatch, error, code, said):
    def fail(args):
        raise error

    monkeypatch.setattr("drone.commands.fly.run", fail)
    assert run(capsys, "fly") == (code, "", said)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.EACCES, 2, "Permission denied"),
        (errno.ENAMETOOLONG, 2, "File name too long"),
        (errno.ENOSPC, 1, "No space left on device"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(capsys, monkeypatch, number, code, said):
    def fail(args):
        raise OSError(number, os.strerror(number), "closed/room.toml")

    monkeypatch.setattr("drone.commands.fly.run", fail)
    assert run(capsys, "fly") == (code, "", f"drone fly: closed/room.toml: {said}\n")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("onboard", ["--config", "{}"]),
        ("onboard", ["--rehearse", "{}"]),
        ("doctor", ["--model", "{}"]),
        ("deploy", ["a@b", "--calibration", "{}"]),
        ("calibrate", ["{}", "--board", "9x6", "--square-mm", "25"]),
        ("replay", ["{}"]),
        ("report", ["{}"]),
    ],
)
def test_a_path_that_no_file_can_have_is_one_line(capsys, workdir, name, arguments):
    path = "x" * 300
    code, out, err = run(capsys, name, *(a.format(path) for a in arguments))
    assert (code, out) == (2, "")
    assert err.startswith(f"drone {name}: ")
    assert "File name too long" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("mistake", [ZeroDivisionError(), OSError(errno.EBADF, "Bad descriptor")])
def test_a_mistake_of_ours_is_not_hidden(monkeypatch, mistake):
    def fail(args):
        raise mistake

    monkeypatch.setattr("drone.commands.fly.run", fail)
    with pytest.raises(type(mistake)):
        main(["fly"])


def test_what_is_not_installed_is_named_with_its_extra(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run(capsys, "fly")
    assert code == 2
    assert (
        err == "drone fly: this needs pybullet, which is not installed: pip install 'drone[sim]'\n"
    )
