from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from drone.config.room import Material
from drone.errors import UserError
from drone.sim import fittings
from drone.sim.layout import FITTING_SIZES_M
from drone.sim.room import Fitting, Surface
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
    with pytest.raises(UserError, match=r"'velvet'; known: brick, cardboard, carpet"):
        paint("velvet", 1.0, 1.0, 10)


@pytest.mark.parametrize("seed", range(10, 30))
def test_walls_of_any_room_can_be_painted(seed: int) -> None:
    for width_m, height_m in ((3.0, 2.0), (5.0, 2.5), (12.0, 6.0)):
        hung = tuple(
            Fitting(kind, along_m, *FITTING_SIZES_M[kind], seed)
            for kind, along_m in zip(FITTING_SIZES_M, (-1.4, -0.4, 0.5, 0.9), strict=True)
        )
        wall = fittings.wall(Surface("plaster", seed, hung), width_m, height_m)
        assert wall.shape == (px(height_m), px(width_m), 3)


def test_fittings_stand_out_from_a_plain_wall() -> None:
    hung = tuple(Fitting("poster", along_m, 1.2, 0.5, 0.6, 3) for along_m in (-1.0, 0.0, 1.0))
    walls = [Surface("plaster", seed, hung) for seed in range(10, 20)]
    bare = [replace(surface, fittings=()) for surface in walls]
    fitted, unfitted = (
        np.mean([fittings.wall(surface, 5.0, 2.5).std() for surface in surfaces])
        for surfaces in (walls, bare)
    )
    assert fitted > 1.2 * unfitted


def test_a_fitting_hangs_where_it_is_said_to() -> None:
    door = Fitting("door", 1.0, 0.0, 0.9, 2.0, 5)
    changed = fittings.wall(Surface("paint", 4, (door,)), 5.0, 2.5) != fittings.wall(
        Surface("paint", 4), 5.0, 2.5
    )
    rows, cols = np.nonzero(changed.any(axis=2))
    blur_px = 4
    assert cols.min() == pytest.approx(px(2.5 + 1.0 - 0.45), abs=blur_px)
    assert cols.max() == pytest.approx(px(2.5 + 1.0 + 0.45), abs=blur_px)
    assert rows.min() == pytest.approx(px(0.5), abs=blur_px)
    assert rows.max() == px(2.5) - 1


def test_almost_nothing_is_seen_on_smooth_paint() -> None:
    """Below what the matcher takes for texture (`pilot.stereo.min_texture`), and noise."""
    picture = paint("paint", 2.0, 2.0, 10).mean(axis=2)
    patches = picture[: 154 // 7 * 7, : 154 // 7 * 7].reshape(22, 7, 22, 7)
    assert patches.std(axis=(1, 3)).max() < 1.0
    rough = paint("plaster", 2.0, 2.0, 10).mean(axis=2)
    assert rough[:154, :154].reshape(22, 7, 22, 7).std(axis=(1, 3)).mean() > 2.0


def test_copies_of_a_printed_motif_are_not_alike() -> None:
    """A perfect repeat would look the same to two eyes at many distances."""
    for material in ("wallpaper", "carpet"):
        picture = paint(material, 6.0, 1.0, 10).astype(float).mean(axis=2)
        least = min(
            np.abs(picture[:, shift:] - picture[:, :-shift]).mean()
            for shift in range(px(0.1), px(0.5))
        )
        assert least > 4.0, material


def test_the_configuration_knows_every_material() -> None:
    assert sorted(MATERIALS) == sorted(get_args(Material))


def test_furniture_unrolls_to_its_girth() -> None:
    for painted in (fittings.shelf, fittings.cupboard):
        picture = painted(1.0, 0.4, 1.8, Surface("panel", 15))
        assert picture.shape == (px(1.8), 2 * px(1.0) + 2 * px(0.4), 3)
        front, side = picture[:, : px(1.0)], picture[:, px(1.0) : px(1.4)]
        assert front.mean(axis=2).std() != pytest.approx(side.mean(axis=2).std(), rel=0.05)
