from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from boardscene import fisheye_pair, pair

from drone.onboard.map_cache import MapCache, user_cache
from drone.onboard.rectification import Rectifier

MAPS = {"left": np.arange(24, dtype=np.float32).reshape(3, 4, 2), "right": np.ones((3, 4, 2), "f4")}


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    cache = MapCache(tmp_path / "a" / "b")
    assert cache.load("key") is None
    cache.store("key", MAPS)
    found = cache.load("key")
    assert found is not None
    for name, array in MAPS.items():
        np.testing.assert_array_equal(found[name], array)
    assert cache.load("other") is None
    assert [path.name for path in cache.folder.iterdir()] == ["key.npz"]  # no temporary file left


@pytest.mark.parametrize("cut", [0, 1, 50, 200, -1])
def test_a_file_cut_off_counts_as_absent(tmp_path: Path, cut: int) -> None:
    cache = MapCache(tmp_path)
    cache.store("key", MAPS)
    path = tmp_path / "key.npz"
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.load("key") is None


def test_a_changed_byte_counts_as_absent(tmp_path: Path) -> None:
    cache = MapCache(tmp_path)
    cache.store("key", MAPS)
    path = tmp_path / "key.npz"
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(23).tobytes())] ^= 0xFF
    path.write_bytes(bytes(data))
    assert cache.load("key") is None


def test_the_files_not_used_for_longest_go(tmp_path: Path) -> None:
    cache = MapCache(tmp_path)
    cache.store("one", MAPS)
    size = (tmp_path / "one.npz").stat().st_size
    small = MapCache(tmp_path, max_bytes=2 * size)
    small.store("two", MAPS)
    for name, age_s in (("one", 100), ("two", 50)):
        os.utime(tmp_path / f"{name}.npz", (age_s, age_s))
    assert small.load("one") is not None  # used just now: "two" is the oldest
    small.store("three", MAPS)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["one", "three"]


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = MapCache(tmp_path / "file" / "folder")
    cache.store("key", MAPS)
    assert cache.load("key") is None


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert user_cache({"XDG_CACHE_HOME": "/c"}).folder == Path("/c/drone/rectify")
    assert user_cache({}).folder == Path("/home/someone/.cache/drone/rectify")


@pytest.mark.parametrize("raw", [pair(), fisheye_pair()])
def test_kept_maps_are_those_computed_bit_for_bit(tmp_path: Path, raw: object) -> None:
    cache = MapCache(tmp_path)
    plain = Rectifier(raw, 160, 120)
    for _ in range(2):
        kept = Rectifier(raw, 160, 120, cache)
        np.testing.assert_array_equal(kept.left_map, plain.left_map)
        np.testing.assert_array_equal(kept.right_map, plain.right_map)
    assert len(list(tmp_path.iterdir())) == 1


def test_maps_are_computed_once_and_a_constructor_leaves_the_disk_alone(tmp_path: Path) -> None:
    cache = MapCache(tmp_path / "cache")
    rectifier = Rectifier(pair(), 160, 120, cache)
    assert not cache.folder.exists()
    _ = rectifier.left_map
    (path,) = cache.folder.iterdir()
    marked = {name: np.full((120, 160, 2), 7, np.float32) for name in ("left", "right")}
    cache.store(path.stem, marked)
    assert (Rectifier(pair(), 160, 120, cache).left_map == 7).all()  # read, not computed
    assert (Rectifier(pair(), 80, 60, cache).left_map != 7).any()  # another size, another key


@pytest.mark.parametrize("shape", [(120, 160), (60, 80, 2)])
def test_maps_of_another_shape_are_computed_anew(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cache = MapCache(tmp_path)
    plain = Rectifier(pair(), 160, 120, cache).left_map
    (path,) = tmp_path.iterdir()
    cache.store(path.stem, {name: np.zeros(shape, np.float32) for name in ("left", "right")})
    np.testing.assert_array_equal(Rectifier(pair(), 160, 120, cache).left_map, plain)
