from __future__ import annotations

import numpy as np
import pytest
from plainroom import a_pillar, a_room

from drone.config import RoomConfig
from drone.sim.furnish import room_from_seed
from drone.sim.preview import overview

pytestmark = pytest.mark.sim
RED = (255, 60, 40)


def test_the_whole_room_is_in_the_picture_and_most_of_it_room() -> None:
    for seed in (10, 11):
        picture = overview(room_from_seed(RoomConfig(), seed), 320, 240)
        assert picture.shape == (240, 320, 3)
        background = (picture == 255).all(axis=2)
        border = np.concatenate(
            [background[0], background[-1], background[:, 0], background[:, -1]]
        )
        assert border.all()
        assert background.mean() < 0.7


def test_from_straight_above_the_plan_is_seen_with_the_trail() -> None:
    room = a_room(a_pillar(1.5, 0.0))
    trail = [(-2.0, east, -1.1) for east in np.linspace(-1.5, 1.5, 30)]
    picture = overview(room, 320, 240, trail_m=trail, elevation_deg=90, bearing_deg=180)
    rows, cols = np.nonzero((np.abs(picture.astype(int) - RED) < 40).all(axis=2))
    assert len(rows) > 30
    assert np.ptp(cols) > 5 * np.ptp(rows), "a line from west to east"
    assert rows.mean() > 140, "in the south, with the viewer south looking north"


def test_a_trail_behind_a_wall_is_hidden() -> None:
    under_the_floor = [(n, 0.0, 0.5) for n in np.linspace(-1, 1, 20)]
    plain = overview(a_room(), 160, 120)
    np.testing.assert_array_equal(plain, overview(a_room(), 160, 120, trail_m=under_the_floor))


def test_more_trails_have_their_own_colours() -> None:
    blue = (0, 40, 255)
    west, east = ([(n, side, -1.1) for n in np.linspace(-1.5, 1.5, 30)] for side in (-1.5, 1.5))
    picture = overview(
        a_room(),
        *(320, 240),
        trail_m=west,
        trails=[(blue, east), (blue, [])],
        elevation_deg=90,
        bearing_deg=180,
    )
    columns = [
        np.nonzero((np.abs(picture.astype(int) - colour) < 40).all(axis=2))[1]
        for colour in (RED, blue)
    ]
    assert columns[0].max() < 160 < columns[1].min()
