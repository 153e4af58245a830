import json
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drone.errors import UserError, WorkFailedError
from drone.messages import Mode
from drone.runfolder import InputKind, RunFolder, create, resolve_input, strict_json

NOW = datetime(2026, 3, 4, 5, 6, 7)


def test_the_name_holds_stamp_and_name(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", "room", NOW)
    assert run.path == tmp_path / "runs" / "20260304-050607-room"
    assert run.path.is_dir()


def test_the_files_of_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    files = (run.log, run.report, run.model, run.config, run.result)
    names = ["flight.mcap", "report.html", "model.onnx", "config.toml", "result.json"]
    assert [file.name for file in files] == names
    assert {file.parent for file in files} == {tmp_path}


def test_a_taken_stamp_gets_a_suffix(tmp_path: Path) -> None:
    names = [create(tmp_path, "room", NOW).path.name for _ in range(3)]
    stem = "20260304-050607-room"
    assert names == [stem, f"{stem}-2", f"{stem}-3"]


def test_runs_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: create(tmp_path / "runs", "room", NOW), range(64)))
    assert len({run.path for run in runs}) == 64


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a\\b", "a\0b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="expected a plain name"):
        create(tmp_path, name, NOW)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(WorkFailedError, match="runs: no run folder can be made: File exists"):
        create(tmp_path / "runs", "room", NOW)


# Result


def _refuse(text: str) -> float:
    raise AssertionError(f"not strict JSON: {text}")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)


def test_a_result_is_strict_json(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_result(
        {
            "nan": math.nan,
            "deep": [{"inf": (math.inf, -math.inf, 1.5)}],
            "numpy": {"a": np.float32(0.5), "n": np.int64(3), "nan": np.float64("nan")},
            "array": np.array([[1.0, np.nan]]),
            "mode": Mode.MONO,
            "path": Path("a") / "b",
            "flags": [True, None, "ü"],
        }
    )
    assert read(run.result) == {
        "nan": None,
        "deep": [{"inf": [None, None, 1.5]}],
        "numpy": {"a": 0.5, "n": 3, "nan": None},
        "array": [[1.0, None]],
        "mode": "mono",
        "path": "a/b",
        "flags": [True, None, "ü"],
    }


def test_a_result_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_result({"a": 1})
    with pytest.raises(TypeError):
        run.write_result({"a": 2, "b": object()})
    assert read(run.result) == {"a": 1}
    run.write_result({"a": 3})
    assert read(run.result) == {"a": 3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_result_without_a_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkFailedError, match=r"result\.json: cannot be written: No such file"):
        RunFolder(tmp_path / "gone").write_result({})


def test_a_key_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="must be a string, not 3"):
        strict_json({3: 1})


# Discard


def test_discard_removes_a_half_written_run(tmp_path: Path) -> None:
    run = create(tmp_path, "room", NOW)
    run.log.write_bytes(b"x")
    (run.path / "result.json.7.tmp").write_text("{")
    run.discard()
    assert not run.path.exists()
    run.discard()


def test_discard_leaves_what_is_not_of_a_run(tmp_path: Path) -> None:
    run = create(tmp_path, "room", NOW)
    run.config.write_text("")
    (run.path / "notes.txt").write_text("mine")
    run.discard()
    assert [entry.name for entry in run.path.iterdir()] == ["notes.txt"]


# Input


@pytest.fixture
def euroc(tmp_path: Path) -> Path:
    (tmp_path / "data" / "mav0" / "cam0").mkdir(parents=True)
    return tmp_path / "data"


def test_a_run_folder_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "flight.mcap").write_bytes(b"")
    found = resolve_input(str(tmp_path))
    assert (found.kind, found.path) == (InputKind.RUN, tmp_path)
    assert found.log == tmp_path / "flight.mcap"
    assert found.run == RunFolder(tmp_path)


def test_a_log_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "other.mcap").write_bytes(b"")
    found = resolve_input(str(tmp_path / "other.mcap"))
    assert (found.kind, found.log) == (InputKind.LOG, tmp_path / "other.mcap")
    assert found.run is None


@pytest.mark.parametrize("place", ["", "mav0", "mav0/", "mav0/../mav0/cam0/.."])
def test_a_euroc_folder_is_an_input(euroc: Path, place: str) -> None:
    found = resolve_input(f"{euroc}/{place}")
    assert found.kind == InputKind.EUROC
    assert found.path.resolve() == euroc.resolve()
    assert found.log is None
    assert found.run is None


def test_the_folder_one_stands_in_is_an_input(euroc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(euroc / "mav0")
    assert resolve_input(".").path == euroc.resolve()


@pytest.mark.parametrize(
    ("files", "argument", "found"),
    [
        ([], "nowhere", "found nothing there"),
        ([], "", "found an empty folder"),
        (["notes.pdf"], "notes.pdf", "found a .pdf file"),
        (["film"], "film", "found a file without a suffix"),
        (["a.txt", "b.txt"], "", "found a folder with a.txt, b.txt"),
        (list("abcdefg"), "", "with a, b, c, d, e and 2 more"),
        (["config.toml", "x.mcap"], "", r"did you mean .*x\.mcap\?"),
    ],
)
def test_anything_else_is_named(
    tmp_path: Path, files: list[str], argument: str, found: str
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"expected a run folder .*{found}"):
        resolve_input(str(tmp_path / argument))


@pytest.mark.parametrize("argument", ["x" * 5000, "a\0b", "\ud800"])
def test_an_argument_that_no_file_can_have(argument: str) -> None:
    with pytest.raises(UserError, match="expected a run folder"):
        resolve_input(argument)
