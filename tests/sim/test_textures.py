from __future__ import annotations

import numpy as np
import pytest

from drone.sim import fittings
from drone.sim.textures import MATERIALS, PX_PER_M, paint, px

pytestmark = pytest.mark.unit


def _period_m(signal: np.ndarray) -> float:
    """The strongest period of a line of pixels."""
    strength = np.abs(np.fft.rfft(signal - signal.mean()))
    return len(signal) / int(np.argmax(strength)) / PX_PER_M


@pytest.mark.parametrize("material", sorted(MATERIALS))
def test_a_seed_always_paints_the_same_picture_and_another_seed_another(material: str) -> None:
    first = paint(material, 1.5, 1.0, 10)
    assert first.shape == (px(1.0), px(1.5), 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, paint(material, 1.5, 1.0, 10))
    assert (first != paint(material, 1.5, 1.0, 11)).mean() > 0.2


@pytest.mark.parametrize("material", sorted(MATERIALS))
def test_any_size_can_be_painted(material: str) -> None:
    for width_m, height_m in ((0.02, 0.02), (0.6, 2.5), (12.0, 0.05)):
        picture = paint(material, width_m, height_m, 12)
        assert picture.shape == (px(height_m), px(width_m), 3)


def test_texture_is_strong_on_some_materials_and_weak_on_others() -> None:
    def contrast(material: str) -> float:
        pictures = (paint(material, 2.0, 2.0, seed).mean(axis=2) for seed in range(10, 20))
        return float(np.mean([picture.std() for picture in pictures]))

    assert contrast("plaster") < 14 < 20 < contrast("brick")


def test_bricks_and_boards_have_their_real_size() -> None:
    for material, size_m in (("brick", 0.08), ("planks", 0.14)):
        lines = np.median(
            [paint(material, 6.0, 6.0, s).mean(axis=(1, 2)) for s in range(10, 18)], axis=0
        )
        assert _period_m(lines) == pytest.approx(size_m, abs=0.01)


def test_an_unknown_material_is_an_error() -> None:
    with pytest.raises(KeyError):
        paint("velvet", 1.0, 1.0, 10)


@pytest.mark.parametrize("seed", range(10, 30))
def test_walls_of_any_room_can_be_painted(seed: int) -> None:
    for width_m, height_m in ((3.0, 2.0), (5.0, 2.5), (12.0, 6.0)):
        wall = fittings.wall("plaster", width_m, height_m, seed)
        assert wall.shape == (px(height_m), px(width_m), 3)


def test_fittings_stand_out_from_a_plain_wall() -> None:
    plain = paint("plaster", 5.0, 2.5, 14).std()
    fitted = np.mean([fittings.wall("plaster", 5.0, 2.5, seed).std() for seed in range(10, 20)])
    assert fitted > 2 * plain


def test_furniture_unrolls_to_its_girth() -> None:
    for painted in (fittings.shelf, fittings.cupboard):
        picture = painted(1.0, 0.4, 1.8, 15)
        assert picture.shape == (px(1.8), 2 * px(1.0) + 2 * px(0.4), 3)
        front, side = picture[:, : px(1.0)], picture[:, px(1.0) : px(1.4)]
        assert front.mean(axis=2).std() != pytest.approx(side.mean(axis=2).std(), rel=0.05)
