"""The store keeps the last sound memory, whatever happens to its files or to its process."""

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import ExitStack, closing

import numpy as np
import pytest

from drone.errors import UserError, WorkFailedError
from training.store import FORMAT, Memory, MemoryStore, _sealed


def memory(number=1):
    arrays = {"frames": np.full((50, 40), number, np.uint8), "w": np.array([number], np.float32)}
    return Memory({"learner": "cnn", "number": number}, arrays, {"flying": b"onnx %d" % number})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "memory"


@pytest.fixture
def store(folder):
    with closing(MemoryStore(folder)) as opened:
        yield opened


@pytest.fixture
def reopened(folder):
    """Close a store and open its folder anew."""
    with ExitStack() as stack:

        def reopen(store):
            store.close()
            return stack.enter_context(closing(MemoryStore(store.folder)))

        yield reopen


def number_of(kept):
    assert kept.facts["number"] == kept.arrays["w"][0] == kept.arrays["frames"][0, 0]
    assert kept.models == {"flying": b"onnx %d" % kept.facts["number"]}
    return kept.facts["number"]


def versions(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_an_empty_store_has_no_memory(store):
    assert store.latest() is None
    assert store.notes == []


def test_the_latest_comes_back(store, reopened):
    for number in (1, 2, 3):
        saved = store.save(memory(number))
        assert saved.version == number
    on_disk = sum(f.stat().st_size for f in (store.folder / "000003").iterdir())
    assert saved.size_bytes == on_disk
    kept = reopened(store).latest()
    assert number_of(kept) == 3
    assert kept.facts["format"] == FORMAT
    assert set(kept.facts["files"]) == {"state.safetensors", "flying.onnx"}


def test_the_last_two_stay(store):
    for number in range(1, 6):
        store.save(memory(number))
    assert versions(store.folder) == ["000004", "000005"]


def flip(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "a bit of the state": lambda f: flip(f / "state.safetensors"),
    "a bit of the model": lambda f: flip(f / "flying.onnx"),
    "a cut state": lambda f: os.truncate(f / "state.safetensors", 100),
    "no state": lambda f: (f / "state.safetensors").unlink(),
    "no facts": lambda f: (f / "memory.json").unlink(),
    "empty facts": lambda f: (f / "memory.json").write_text(""),
    "facts that are a list": lambda f: (f / "memory.json").write_text("[]"),
    "an altered fact": lambda f: (f / "memory.json").write_text(
        (f / "memory.json").read_text().replace('"number": 2', '"number": 7')
    ),
    "a folder alone": lambda f: [p.unlink() for p in f.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_memory_is_passed_over_for_the_one_before(store, damage, reopened):
    store.save(memory(1))
    store.save(memory(2))
    damage(store.folder / "000002")
    again = reopened(store)
    assert number_of(again.latest()) == 1
    assert "000002: passed over" in again.notes[0]
    again.save(memory(3))
    assert versions(again.folder) == ["000001", "000003"], "the sound one before stays"


def test_where_none_is_sound_it_says_so(store, reopened):
    store.save(memory(1))
    flip(store.folder / "000001" / "state.safetensors")
    again = reopened(store)
    with pytest.raises(UserError, match=r"no memory in it is sound .*does not match its SHA-256"):
        again.latest()
    assert versions(again.folder) == ["000001"], "nothing is thrown away"


@pytest.mark.parametrize("number", [0, FORMAT + 1, "x"])
def test_another_format_is_refused_in_words(store, number, reopened):
    store.save(memory(1))
    path = store.folder / "000001" / "memory.json"
    facts = json.loads(path.read_text())
    path.write_bytes(_sealed({**facts, "format": number, "software": "0.0.9"}))
    again = reopened(store)
    with pytest.raises(UserError, match=f"format {number}, by drone 0.0.9.*reads format {FORMAT}"):
        again.latest()


def test_a_second_flight_is_refused_while_the_first_uses_it(store, reopened):
    with pytest.raises(UserError, match="another flight uses this memory"):
        MemoryStore(store.folder)
    assert reopened(store).latest() is None


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"other things \(holiday.jpg\)"):
        MemoryStore(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="is a file"):
        MemoryStore(file)
    with pytest.raises(WorkFailedError, match="no memory can be kept here"):
        MemoryStore(file / "below")


@pytest.fixture
def small_files():
    """No file may grow beyond 1,000 bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_on_a_full_disk_the_memory_before_stays(store, request, reopened):
    store.save(memory(1))
    request.getfixturevalue("small_files")
    with pytest.raises(OSError, match="File too large"):
        store.save(memory(2))
    assert versions(store.folder) == ["000001"]
    assert [p.name for p in store.folder.iterdir() if p.name.startswith(".")] == [".lock"]
    again = reopened(store)
    assert number_of(again.latest()) == 1


SAVER = """
import sys
from pathlib import Path
import numpy as np
from training.store import Memory, MemoryStore
store = MemoryStore(Path(sys.argv[1]))
for number in range(1, 100000):
    arrays = {"frames": np.full((3000, 4000), number % 256, np.uint8)}
    store.save(Memory({"number": number}, arrays, {"flying": b"%d" % number}))
    print(number, flush=True)
"""


def test_a_kill_while_saving_leaves_the_last_one_whole(folder):
    """The file is 12 MB; the process is killed when one of it is being written."""
    left_over = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        said = [process.stdout.readline() for _ in range(2)]
        for _ in range(100_000):
            if any(folder.glob(".*.tmp/state*")):
                break
        process.kill()
        process.communicate()
        left_over += len(list(folder.glob(".*.tmp")))
        with closing(MemoryStore(folder)) as store:
            kept = store.latest()
            assert store.notes == []
            assert kept.facts["number"] >= int(said[-1])
            assert (kept.arrays["frames"] == kept.facts["number"] % 256).all()
            assert not list(folder.glob(".*.tmp")), "what was left over is swept away"
    assert left_over, "no kill hit the middle of a saving"
