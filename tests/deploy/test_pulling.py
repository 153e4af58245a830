"""Runs come home: resumed, verified, and nothing here is written over."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from drone.cli import main
from drone.deploy.pulling import Pulled, receive, sorted_out
from drone.deploy.target import runs

OLD_S = 1_700_000_000


def make(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of a run, long ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (OLD_S, OLD_S))
    return path


def pull(companion, here: Path, capsys, code: int = 0) -> dict[str, object]:
    words = ["runs", "pull", companion.host, "--ssh", companion.ssh, "--to", str(here), "--json"]
    assert main(words) == code
    return dict(json.loads(capsys.readouterr().out))


def test_what_is_missing_comes_and_what_is_here_stays(companion, tmp_path, capsys):
    there, here = companion.home / "drone/runs", tmp_path / "runs"
    big = bytes(range(256)) * 20_000
    make(there, "a/flight.mcap", big)
    make(there, "a/result.json", b"{}")
    make(there, "b/flight.mcap", b"")
    make(here, "b/result.json", b"mine")
    first = pull(companion, here, capsys)
    assert first["fetched"] == ["a/flight.mcap", "a/result.json", "b/flight.mcap"]
    assert (here / "a/flight.mcap").read_bytes() == big

    make(there, "b/result.json", b"ours")
    make(here, "c/flight.mcap.part", big[:1_000_000])
    make(there, "c/flight.mcap", big)
    second = pull(companion, here, capsys, code=1)
    assert second["fetched"] == ["c/flight.mcap"]
    assert second["fetched_bytes"] == len(big) - 1_000_000
    assert second["skipped"] == ["a/flight.mcap", "a/result.json", "b/flight.mcap"]
    assert second["kept"] == ["b/result.json"]
    assert (here / "b/result.json").read_bytes() == b"mine"
    assert (here / "c/flight.mcap").read_bytes() == big
    assert not list(here.rglob("*.part"))


def test_a_part_that_belongs_to_another_file_is_fetched_anew(companion, tmp_path, capsys):
    there, here = companion.home / "drone/runs", tmp_path / "runs"
    make(there, "a/flight.mcap", b"x" * 1000)
    make(here, "a/flight.mcap.part", b"y" * 500)
    first = pull(companion, here, capsys, code=1)
    assert "arrived altered" in str(first["problems"])
    assert pull(companion, here, capsys)["fetched"] == ["a/flight.mcap"]
    assert (here / "a/flight.mcap").read_bytes() == b"x" * 1000


def test_a_flight_that_goes_on_waits(companion, tmp_path, capsys):
    there = companion.home / "drone/runs"
    make(there, "a/flight.mcap", b"1")
    os.utime(there / "a/flight.mcap", (time.time() + 5, time.time() + 5))
    make(there, "b/flight.mcap", b"2")
    found = pull(companion, tmp_path, capsys)
    assert (found["busy"], found["fetched"]) == (["a"], ["b/flight.mcap"])


def test_a_companion_without_runs(companion, tmp_path, capsys):
    assert pull(companion, tmp_path / "runs", capsys)["fetched"] == []


def test_paths_that_lead_elsewhere_are_refused(tmp_path):
    names = ["../a", "/etc/passwd", "a/../../b", "a/b"]
    listing = {"busy": [], "files": [{"path": name, "size": 1} for name in names]}
    pulled, wanted = sorted_out(listing, tmp_path)
    assert list(wanted) == ["a/b"]
    assert set(pulled.problems) == set(names[:3])


def sent(tmp_path: Path, requests: list[dict[str, object]]) -> bytes:
    import io

    out = io.BytesIO()
    runs.send_files(tmp_path, io.StringIO(json.dumps(requests)), out)
    return out.getvalue()


def test_a_connection_that_breaks_off_goes_on_where_it_did(tmp_path):
    import io

    make(tmp_path / "there", "a/flight.mcap", b"0123456789" * 1000)
    stream = sent(tmp_path / "there", [{"path": "a/flight.mcap", "offset": 0}])
    pulled = Pulled(tmp_path / "here")
    with pytest.raises(EOFError):
        receive(io.BytesIO(stream[:5000]), pulled, lambda size: None)
    part = tmp_path / "here/a/flight.mcap.part"
    offset = part.stat().st_size
    assert 0 < offset < 5000
    rest = sent(tmp_path / "there", [{"path": "a/flight.mcap", "offset": offset}])
    receive(io.BytesIO(rest), pulled, lambda size: None)
    assert pulled.fetched == ["a/flight.mcap"]
    assert (tmp_path / "here/a/flight.mcap").read_bytes() == b"0123456789" * 1000


def test_a_file_that_is_gone_or_shorter_is_said_to_be(tmp_path):
    import io

    make(tmp_path / "there", "a/x", b"123")
    requests = [{"path": "a/gone", "offset": 0}, {"path": "a/x", "offset": 5}]
    stream, pulled = io.BytesIO(sent(tmp_path / "there", requests)), Pulled(tmp_path / "here")
    for _ in requests:
        receive(stream, pulled, lambda size: None)
    assert set(pulled.problems) == {"a/gone", "a/x"}
    assert not list((tmp_path / "here").rglob("*.part"))


def test_a_file_that_is_deleted_while_files_are_listed_is_left_out(tmp_path, monkeypatch):
    import io

    for name in ("a/x", "a/y"):
        make(tmp_path, name, b"1")
    seen = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        if path.name == "x":
            path.unlink(missing_ok=True)
        return seen(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    said = []
    runs.list_files(tmp_path, io.StringIO('["a/x", "a/y"]'), said.append)
    assert [f["path"] for f in said[0]["files"]] == ["a/y"]


@pytest.mark.parametrize("words", [["pull"], ["elsewhere", "pi@drone"]])
def test_wrong_use(capsys, words):
    assert main(["runs", *words]) == 2
    assert "drone runs pull user@host" in capsys.readouterr().err
