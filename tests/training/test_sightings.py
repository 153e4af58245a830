import numpy as np
import pytest

from training.sightings import LEAST_SEED, Sightings, sightings

pytestmark = pytest.mark.sim

ROOM = LEAST_SEED + 900
"""Beyond the rooms that what ships was made from."""


@pytest.fixture(scope="module")
def seen():
    return sightings(ROOM, 12)


def test_both_eyes_see_the_room_and_have_labels_of_their_own(seen):
    count = len(seen.image)
    assert 0 < count <= 24
    assert count % 2 == 0
    left, right = np.split(seen.inverse_depth, 2)
    assert np.isfinite(left).mean() > 0.5
    assert np.isfinite(right).mean() > 0.4
    assert not np.array_equal(left, right, equal_nan=True)
    assert np.all(np.nan_to_num(seen.inverse_depth, nan=1.0) > 0)
    assert np.all(seen.confidence[np.isnan(seen.inverse_depth)] == 0)


def test_the_tangents_are_those_of_a_lens_between_58_and_86_degrees(seen):
    half_width = seen.tangents[1, 0, -1] * 16 / 15
    assert np.tan(np.radians(29)) <= half_width <= np.tan(np.radians(43))


def test_the_same_seed_sees_the_same(seen, tmp_path):
    again = sightings(ROOM, 12)
    assert np.array_equal(again.image, seen.image)
    seen.save(tmp_path / "room.npz")
    read = Sightings.load(tmp_path / "room.npz")
    assert np.array_equal(read.image, seen.image)
    np.testing.assert_allclose(read.inverse_depth, seen.inverse_depth, rtol=1e-3)
    assert [f.name for f in tmp_path.iterdir()] == ["room.npz"]


def test_rooms_of_tests_and_flights_are_refused():
    with pytest.raises(ValueError, match="10000"):
        sightings(5, 1)
