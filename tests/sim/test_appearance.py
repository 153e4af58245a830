from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from drone.config import Config, SimConfig
from drone.geometry import DistanceMeter
from drone.messages import VelocityCommand
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput

pytestmark = pytest.mark.sim
PILOT = Config().pilot
LIGHT = {"at_s": 0.5, "kind": "light", "level": 0.3}
TEXTURES = {"at_s": 1.0, "kind": "textures", "seed": 7}
FLOOR = {"at_s": 1.0, "kind": "textures", "seed": 7, "surface": "floor"}


def simulator(*changes: dict[str, object]) -> RoomSimulator:
    room = {"length_m": 5, "width_m": 5, "obstacles": 2, "changes": changes}
    config = SimConfig.model_validate({"room": room, "camera": {"noise_levels": 0}})
    meter = DistanceMeter(calibration_of(config.camera).left, PILOT.grid_spec, PILOT.corridor_spec)
    return RoomSimulator(config, meter, seed=22, tick_hz=20)


def hovering(sim: RoomSimulator, duration_s: float = 1.5) -> Iterator[SimOutput]:
    yield sim.reset()
    for tick in range(round(duration_s * 20)):
        yield sim.step(VelocityCommand(tick, 0, True, 0.0, 0.0, 0.0, 0.0))


def pictures(outputs: list[SimOutput]) -> dict[float, np.ndarray]:
    return {o.frame.stamp_ns / 1e9: o.frame.left for o in outputs if o.frame is not None}


def test_light_dims_at_its_tick_and_is_told() -> None:
    with simulator(LIGHT) as sim:
        outputs = list(hovering(sim))
    seen = pictures(outputs)
    assert seen[0.4].mean() == pytest.approx(seen[0.0].mean(), rel=0.02)
    assert seen[0.5].mean() == pytest.approx(0.3 * seen[0.4].mean(), rel=0.05)
    (event,) = (e for o in outputs for e in o.events)
    assert (event.kind, event.detail, event.stamp_ns) == ("room", "light at 30%", 500_000_000)


def test_textures_swap_and_the_room_stays_where_it_is() -> None:
    with simulator(TEXTURES) as sim:
        outputs = list(hovering(sim))
    seen = pictures(outputs)
    before, then = (
        np.abs(seen[late].astype(int) - seen[early]).mean()
        for early, late in ((0.8, 0.9), (0.9, 1.0))
    )
    assert then > max(15, 2.5 * before)
    depths = [o.true_inverse_depth for o in outputs if o.true_inverse_depth is not None]
    assert np.median(np.abs(depths[9] - depths[10])) < 0.01
    (event,) = (e for o in outputs for e in o.events)
    assert event.detail == "new pictures on all surfaces, seed 7"


def test_one_surface_alone_can_change() -> None:
    """Against the same flight without the change."""
    with simulator(FLOOR) as sim, simulator() as other:
        seen, unchanged = (pictures(list(hovering(s))) for s in (sim, other))
    np.testing.assert_array_equal(seen[0.9], unchanged[0.9])
    changed = seen[1.0] != unchanged[1.0]
    assert changed[80:].mean() > 0.5, "before the drone lies floor"
    assert not changed[:40].any(), "above the horizon it cannot be"


def test_a_reset_shows_the_room_as_at_the_start_and_flights_are_bit_equal() -> None:
    with simulator(LIGHT, TEXTURES) as sim:
        first, second = (pictures(list(hovering(sim))) for _ in range(2))
    with simulator(LIGHT, TEXTURES) as other:
        third = pictures(list(hovering(other)))
    for stamp_s, picture in first.items():
        np.testing.assert_array_equal(picture, second[stamp_s])
        np.testing.assert_array_equal(picture, third[stamp_s])


@pytest.mark.parametrize(
    "change",
    [
        {"at_s": 1, "kind": "light"},
        {"at_s": 1, "kind": "light", "level": 0.5, "seed": 3},
        {"at_s": 1, "kind": "textures"},
        {"at_s": 1, "kind": "textures", "seed": 3, "level": 0.5},
        {"at_s": 1, "kind": "textures", "seed": 3, "surface": "roof"},
        {"at_s": 1, "kind": "quake"},
        {"at_s": -1, "kind": "light", "level": 0.5},
        {"at_s": 1, "kind": "light", "level": 0.0},
    ],
)
def test_changes_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"room\.changes\.0"):
        SimConfig.model_validate({"room": {"changes": [change]}})
