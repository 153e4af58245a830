from __future__ import annotations

import math

import numpy as np
import pytest

from drone.config import CameraConfig
from drone.config.camera import AutoExposureConfig
from drone.sim.sensor import Sensor, SensorNoise, vignette

pytestmark = pytest.mark.unit
SILENT = SensorNoise(0.0, np.random.default_rng(10))
SHAPE = (96, 128)


def a_sensor(**settings: object) -> Sensor:
    return Sensor(CameraConfig.model_validate(settings), SHAPE[1], SHAPE[0])


def even(level: int) -> np.ndarray:
    return np.full(SHAPE, level, np.uint8)


def test_noise_has_the_right_size_and_never_repeats() -> None:
    noise = SensorNoise(3.0, np.random.default_rng(10))
    first, second = (noise.add_to(even(100)).astype(float) for _ in range(2))
    assert first.std() == pytest.approx(3.0, rel=0.05)
    assert first.mean() == pytest.approx(100, abs=0.2)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert noise.add_to(even(255)).max() == 255
    assert noise.add_to(even(0)).min() == 0


def test_no_noise_means_none_and_a_large_image_fits_the_bank() -> None:
    grey = np.full((1200, 1600), 100, np.uint8)
    np.testing.assert_array_equal(SILENT.add_to(grey), grey)
    loud = SensorNoise(2.0, np.random.default_rng(10))
    assert loud.add_to(grey).std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(("level", "expected"), [(0, 2.0), (64, 3.6), (191, 5.6)])
def test_shot_noise_grows_with_the_light(level: int, expected: float) -> None:
    """Variances add: 2 squared, and 6 squared times level / 255. Without it, 2 everywhere."""
    noise = SensorNoise(2.0, np.random.default_rng(10), shot_levels=6.0)
    seen = noise.add_to(np.full((96, 128), level, np.uint8)).astype(float)
    assert math.sqrt(2**2 + 6**2 * level / 255) == pytest.approx(expected, rel=0.02)
    if level:
        assert seen.std() == pytest.approx(expected, rel=0.05)
        plain = SensorNoise(2.0, np.random.default_rng(10)).add_to(even(level)).astype(float)
        assert plain.std() == pytest.approx(2.0, rel=0.05)


def test_shot_noise_alone_leaves_black_black() -> None:
    noise = SensorNoise(0.0, np.random.default_rng(10), shot_levels=6.0)
    assert noise.add_to(even(0)).max() == 0
    assert noise.add_to(even(255)).std() > 2.0


@pytest.mark.parametrize(("exposure", "level"), [(1.0, 100), (0.5, 50), (2.0, 200), (3.0, 255)])
def test_exposure_multiplies_the_light_up_to_white(exposure: float, level: int) -> None:
    image = a_sensor(exposure=exposure).read_out(even(100), SILENT)
    np.testing.assert_array_equal(image, even(level))


def test_the_corners_lose_what_vignetting_says() -> None:
    kept = vignette(0.4, 129, 97)
    assert kept[48, 64] == pytest.approx(1.0)
    for corner in (kept[0, 0], kept[0, -1], kept[-1, 0], kept[-1, -1]):
        assert corner == pytest.approx(0.6)
    # At the right edge's middle: radius 64 of sqrt(64^2 + 48^2) = 80.
    assert kept[48, 128] == pytest.approx(1 - 0.4 * (64 / 80) ** 2)
    image = a_sensor(vignetting=0.4, exposure=1.5).read_out(even(100), SILENT)
    assert (int(image[0, 0]), int(image[48, 64])) == (90, 150)
    np.testing.assert_array_equal(a_sensor().read_out(even(100), SILENT), even(100))


def test_auto_exposure_follows_with_its_time_constant() -> None:
    """Light of 50 where 100 is wanted: exposure goes from 1 to 2, 1 - 1/e of it in one lag."""
    sensor = a_sensor(auto_exposure={"level": 100.0, "lag_s": 0.5, "most": 4.0})
    assert sensor.exposure == 1.0
    for k in range(1, 11):
        sensor.meter(even(50), 0.1)
        assert sensor.exposure == pytest.approx(2 - math.exp(-0.1 * k / 0.5))
    fixed = a_sensor()
    fixed.meter(even(50), 0.1)
    assert fixed.exposure == 1.0, "not asked for"


@pytest.mark.parametrize(("level", "expected"), [(0, 3.0), (5, 3.0), (255, 110 / 255)])
def test_auto_exposure_stays_within_its_bounds(level: int, expected: float) -> None:
    sensor = a_sensor(auto_exposure={"most": 3.0})
    assert AutoExposureConfig().level == 110.0
    for _ in range(100):
        sensor.meter(even(level), 0.1)
    assert sensor.exposure == pytest.approx(max(expected, 1 / 3))


def test_auto_exposure_meters_behind_the_vignette() -> None:
    sensor = a_sensor(vignetting=0.6, auto_exposure={"level": 100.0})
    for _ in range(100):
        sensor.meter(even(100), 0.1)
    image = sensor.read_out(even(100), SILENT)
    assert image.mean() == pytest.approx(100, abs=0.5)
