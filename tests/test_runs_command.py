"""`drone runs`: what it says of whole, broken-off and damaged runs, and how fast."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from test_flightlog import HEADER, ticks, write

from drone.cli import main
from drone.commands.runs import readable
from drone.errors import UserError
from drone.runfolder import RunFolder
from drone.runlist import list_runs, summarise

RESULT = {
    "seed": 3,
    "simulated_s": 40.0,
    "collisions": {"stereo": 1, "training_wheels": 2, "mono": 0, "hold": 0},
    "mode_s": {"stereo": 10.0, "training_wheels": 30.0, "mono": 0.0, "hold": 0.0, "land": 0.0},
}


def make_run(runs: Path, folder: str, result: dict[str, object] | None = RESULT) -> RunFolder:
    run = RunFolder(runs / folder)
    run.path.mkdir(parents=True)
    write(run.log, ticks(20))
    if result is not None:
        run.write_result(result)
    return run


def test_a_whole_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "20260102-030405-my-room")
    (found,) = list_runs(tmp_path)
    assert (found.when, found.name) == (datetime(2026, 1, 2, 3, 4, 5), "my-room")
    assert (found.source, found.seed, found.duration_s) == (HEADER.source, 3, 40.0)
    assert found.mode_share == {"stereo": 0.25, "training_wheels": 0.75}
    assert (found.collisions, found.damaged) == (3, None)
    assert found.size_bytes == run.log.stat().st_size + run.result.stat().st_size


def test_without_a_result_the_log_says_how_long(tmp_path: Path) -> None:
    make_run(tmp_path, "20260102-030405-room", result=None)
    (found,) = list_runs(tmp_path)
    assert found.duration_s == pytest.approx(19 * 0.05, abs=1e-6)
    assert (found.collisions, found.mode_share) == (None, {})
    assert found.damaged is not None
    assert "no result.json" in found.damaged


def test_what_is_damaged_is_said_and_the_rest_still_listed(tmp_path: Path) -> None:
    cut = make_run(tmp_path, "20260101-000000-cut")
    cut.log.write_bytes(cut.log.read_bytes()[:-100])
    foreign = make_run(tmp_path, "20260101-000001-foreign")
    foreign.log.write_bytes(b"no log at all, but long enough to be one")
    gone = make_run(tmp_path, "20260101-000002-gone")
    gone.log.unlink()
    odd = make_run(tmp_path, "20260101-000003-odd")
    odd.result.write_text('{"seed": ', encoding="utf-8")
    words = [run.damaged or "" for run in list_runs(tmp_path)]
    expected = ("it was cut", "not an MCAP file", "no flight.mcap", "result.json cannot be read")
    for said, part in zip(words, expected, strict=True):
        assert part in said
    assert summarise(cut.path).duration_s == 40.0


@pytest.mark.parametrize("result", [[], {"mode_s": 3, "collisions": "x", "simulated_s": None}])
def test_a_result_of_another_shape_breaks_nothing(tmp_path: Path, result: object) -> None:
    run = make_run(tmp_path, "20260101-000000-room")
    run.result.write_text(json.dumps(result), encoding="utf-8")
    assert summarise(run.path).collisions is None


def test_other_folders_are_passed_over_and_runs_are_in_order(tmp_path: Path) -> None:
    for folder in ("20260301-000000-b", "20260201-000000-c", "20260401-000000-a"):
        make_run(tmp_path, folder)
    (tmp_path / "notes").mkdir()
    (tmp_path / "20260101-000000-nothing-in-it").mkdir()
    (tmp_path / "file.txt").write_text("", encoding="utf-8")
    assert [run.name for run in list_runs(tmp_path)] == ["c", "b", "a"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder of runs"):
        list(list_runs(tmp_path / "nowhere"))


def test_hundreds_are_listed_without_reading_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_run(tmp_path, "20260101-000000-room")
    for number in range(1, 200):
        stamp = f"20260101-00{number // 60:02d}{number % 60:02d}"
        shutil.copytree(first.path, tmp_path / f"{stamp}-room")

    def refuse(*_: object) -> None:
        raise AssertionError("a chunk was read")

    monkeypatch.setattr("drone.mcapwalk._sound_chunk", refuse)
    assert sum(1 for _ in list_runs(tmp_path)) == 200


def test_the_command_prints_json_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "20260102-030405-room")
    assert main(["runs", str(tmp_path), "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)["runs"]
    assert record["when"] == "2026-01-02T03:04:05"
    assert (record["collisions"], record["mode_share"]["stereo"]) == (3, 0.25)
    assert main(["runs", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "25/75/0/0" in shown
    assert "2026-01-02 03:04:05" in shown


def test_no_runs_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert "no runs yet" in capsys.readouterr().out
    assert main(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": []}


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (98469122, "98.5 MB")]
)
def test_sizes_as_a_person_reads_them(size: int, text: str) -> None:
    assert readable(size) == text
