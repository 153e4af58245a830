"""Rows on the disk: cut off, damaged, of other code, and wanted by two at once."""

import json
import multiprocessing
from pathlib import Path

import pytest

from drone.errors import UserError, WorkFailedError
from training.experiments.design import Row
from training.experiments.store import FILE, Store, read_rows


def row(key, version="aaa", **figures):
    return Row(key, version, {"colour": "red"}, 3, {"metres": 1.25, **figures}, 2.0, "a machine")


def add(folder, version, *rows):
    store = Store(folder, version)
    with store.writing():
        for each in rows:
            store.add(each)
    return store


def test_what_is_added_is_found_again(tmp_path):
    add(tmp_path / "new" / "folder", "aaa", row("k1"), row("k2", why=None))
    store = Store(tmp_path / "new" / "folder", "aaa")
    assert store.get("k1") == row("k1")
    assert store.get("k2").figures["why"] is None
    assert store.get("k3") is None
    assert store.foreign == {}


def test_a_line_that_was_cut_off_is_no_row_and_goes(tmp_path):
    add(tmp_path, "aaa", row("k1"), row("k2"))
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    store = Store(tmp_path, "aaa")
    assert (store.get("k1"), store.get("k2")) == (row("k1"), None)
    with store.writing():
        store.add(row("k2"))
    assert path.read_bytes() == whole


def test_every_cut_leaves_the_rows_before_it(tmp_path):
    add(tmp_path, "aaa", row("k1"), row("k2"))
    path = tmp_path / FILE
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        keys = [found.key for found in read_rows(path)]
        assert keys == ["k1", "k2"][: whole[:length].count(b"\n")]


@pytest.mark.parametrize(
    "line", [b"{}", b"[1]", b"", b'{"key": ', b"\xff\xfe", b'{"key": "k", "colour": "red"}']
)
def test_a_damaged_line_is_refused_with_its_number(tmp_path, line):
    add(tmp_path, "aaa", row("k1"))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: .*remove the line"):
        Store(tmp_path, "aaa")


def test_a_folder_in_place_of_the_file_is_said(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(UserError, match=r"rows\.jsonl: cannot be read"):
        Store(tmp_path, "aaa")


def test_rows_of_other_code_do_not_count_and_are_kept_apart(tmp_path):
    add(tmp_path, "aaa", row("k1"), row("k2"))
    store = add(tmp_path, "bbb", row("k1", "bbb"))
    assert store.get("k1").version == "bbb"
    assert store.get("k2") is None
    assert [r.version for r in read_rows(tmp_path / FILE)] == ["bbb"]
    assert [r.key for r in read_rows(tmp_path / "rows.aaa.jsonl")] == ["k1", "k2"]


def test_rows_set_aside_count_again_with_their_code(tmp_path):
    add(tmp_path, "aaa", row("k1"), row("k2"))
    add(tmp_path, "bbb", row("k1", "bbb"))
    store = add(tmp_path, "aaa", row("k3"))
    assert [store.get(key).key for key in ("k1", "k2", "k3")] == ["k1", "k2", "k3"]
    assert {r.version for r in read_rows(tmp_path / FILE)} == {"aaa"}
    assert not (tmp_path / "rows.aaa.jsonl").exists()
    assert [r.version for r in read_rows(tmp_path / "rows.bbb.jsonl")] == ["bbb"]


def test_only_looking_changes_nothing(tmp_path):
    add(tmp_path, "aaa", row("k1"))
    before = sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir())
    assert list(Store(tmp_path, "bbb").foreign) == ["aaa"]
    assert sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir()) == before


def hold(folder, pipe):
    with Store(folder, "aaa").writing():
        pipe.send("held")
        pipe.recv()


def test_two_processes_do_not_write_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    theirs.close()  # so that a process that never gets there is noticed
    try:
        assert ours.recv() == "held"
        with pytest.raises(UserError, match="another process is adding rows"):
            add(tmp_path, "aaa", row("k1"))
        with pytest.raises(UserError, match="another process"):
            add(tmp_path, "aaa", row("k1"))  # the first refusal took nothing away
    finally:
        process.kill()
        process.join()
    add(tmp_path, "aaa", row("k1"))  # nor does a process that was killed hold it for ever


def test_what_another_process_added_meanwhile_is_kept(tmp_path):
    """A store that was read before, and is written to after."""
    early = Store(tmp_path, "aaa")
    add(tmp_path, "aaa", row("k1"))
    with early.writing():
        early.add(row("k2"))
    assert [r.key for r in read_rows(tmp_path / FILE)] == ["k1", "k2"]
    assert early.get("k1") == row("k1")


def test_a_disk_without_room_is_said_and_takes_nothing(tmp_path):
    def add_to_a_full_disk():
        with store.writing():
            store.path = Path("/dev/full")
            store.add(row("k2"))

    add(tmp_path, "aaa", row("k1"))
    store = Store(tmp_path, "aaa")
    with pytest.raises(WorkFailedError, match="cannot be written: No space"):
        add_to_a_full_disk()
    assert Store(tmp_path, "aaa").get("k1") == row("k1")
    assert store.get("k2") is None


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "own").write_text("")
    with pytest.raises((UserError, WorkFailedError), match="own"):
        add(tmp_path / "own", "aaa", row("k1"))


def test_no_number_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        add(tmp_path, "aaa", row("k1", metres=float("nan")))
    assert (tmp_path / FILE).read_text() == ""
    assert json.loads(json.dumps(row("k1")._asdict()))["key"] == "k1"
