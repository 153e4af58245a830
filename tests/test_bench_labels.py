"""`drone bench labels`: what it prints, keeps, and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drone.cli import main

SHORT = ["bench", "labels", "--duration", "1", "--set", "sim.room.difficulty=textured"]


@pytest.mark.sim
def test_rooms_and_what_is_over_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "rooms.json"
    args = [*SHORT, "--resume", str(kept)]
    assert main([*args, "--seeds", "20-21", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["rooms"]) == ["20", "21"]
    unknown = [room["unknown_share"] for room in record["rooms"].values()]
    over = record["over_rooms"]["unknown_share"]
    assert over == {"median": sum(unknown) / 2, "worst": max(unknown), "n": 2}
    assert json.loads(kept.read_text())["rooms"] == record["rooms"]

    _finished_rooms_are_not_flown_again(kept, args, capsys)


def _finished_rooms_are_not_flown_again(
    kept: Path, args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure altered in the file comes back; the third room is flown."""
    altered = json.loads(kept.read_text())
    altered["rooms"]["20"]["fpr"] = 0.123
    kept.write_text(json.dumps(altered))
    assert main([*args, "--seeds", "20-22", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rooms"]["20"]["fpr"] == 0.123
    assert list(record["rooms"]) == ["20", "21", "22"]
    assert main([*args, "--seeds", "20-21"]) == 0
    shown = capsys.readouterr().out
    assert "12.3%" in shown
    assert "median" in shown


@pytest.mark.sim
def test_a_file_of_other_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "rooms.json"
    kept.write_text(json.dumps({"config": "another", "rooms": {}}))
    assert main([*SHORT, "--seeds", "20-20", "--resume", str(kept), "--json"]) == 2
    assert "was flown with other settings" in capsys.readouterr().err


@pytest.mark.sim
@pytest.mark.parametrize("text", ["", "[]", '{"rooms": {}}', "no json"])
def test_a_file_of_something_else_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "rooms.json"
    kept.write_text(text)
    assert main([*SHORT, "--seeds", "20-20", "--resume", str(kept), "--json"]) == 2
    assert "not a file that this command wrote" in capsys.readouterr().err


@pytest.mark.sim
def test_a_file_that_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "none" / "rooms.json"
    assert main([*SHORT, "--seeds", "20-20", "--resume", str(nowhere), "--json"]) != 0
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.sim
def test_seeds_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--seeds", "x", "--json"]) == 2
    assert "x" in capsys.readouterr().err
