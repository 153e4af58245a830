from __future__ import annotations

import numpy as np
import pytest

from drone.config import WindConfig
from drone.sim.wind import Wind

pytestmark = pytest.mark.unit


def blown(config: WindConfig, n: int, seed: int = 20) -> np.ndarray:
    wind = Wind(config, np.random.default_rng(seed), 0.05)
    return np.array([wind.next_mps() for _ in range(n)])


def test_by_default_the_air_stands_still() -> None:
    assert not blown(WindConfig(), 10).any()


def test_a_steady_wind_blows_where_it_says() -> None:
    wind = blown(WindConfig(speed_mps=2.0, toward_deg=90.0), 3)
    np.testing.assert_allclose(wind, [(0.0, 2.0, 0.0)] * 3, atol=1e-12)


def test_gusts_have_their_deviation_about_the_steady_wind_and_their_memory() -> None:
    wind = blown(WindConfig(speed_mps=1.0, gust_mps=0.6, gust_s=0.5), 40_000)
    np.testing.assert_allclose(wind.mean(axis=0), (1.0, 0.0, 0.0), atol=0.05)
    np.testing.assert_allclose(wind.std(axis=0), (0.6, 0.6, 0.3), rtol=0.05)
    correlation = float(np.corrcoef(wind[:-10, 0], wind[10:, 0])[0, 1])
    assert correlation == pytest.approx(np.exp(-1), abs=0.05)


def test_the_same_seed_blows_the_same() -> None:
    config = WindConfig(gust_mps=0.5)
    np.testing.assert_array_equal(blown(config, 50), blown(config, 50))
    assert (blown(config, 50) != blown(config, 50, seed=21)).any()
