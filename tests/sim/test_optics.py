from __future__ import annotations

import math

import numpy as np
import pytest

from drone.errors import UserError
from drone.geometry import Intrinsics, optical_rotation
from drone.sim.optics import Optics

pytestmark = pytest.mark.unit
CAMERA = Intrinsics.from_hfov(128, 96, math.radians(70))
BARREL = (-0.25, 0.05, 0.001, -0.001)


def smooth(camera: Intrinsics) -> np.ndarray:
    """A picture whose grey is a smooth function of the ray: 100 + 60 sin(5 x) cos(4 y)."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return np.rint(100 + 60 * np.sin(5 * x) * np.cos(4 * y)).astype(np.uint8)


def distorted(x: float, y: float, k: tuple[float, ...]) -> tuple[float, float]:
    """Brown-Conrady by hand."""
    k1, k2, p1, p2 = k
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2 * r2
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@pytest.mark.parametrize("ray", [(0.0, 0.0), (0.5, 0.3), (-0.45, 0.2), (0.3, -0.35)])
def test_a_point_lands_where_the_lens_bends_its_ray(ray: tuple[float, float]) -> None:
    optics = Optics(CAMERA, BARREL, np.eye(3))
    drawn = np.zeros((optics.drawn.height, optics.drawn.width), np.uint8)
    u, v = (round(f * a + c) for f, a, c in zip((CAMERA.fx,) * 2, ray, centre(optics), strict=True))
    drawn[v - 1 : v + 2, u - 1 : u + 2] = 255
    exact = ((u - optics.drawn.cx) / CAMERA.fx, (v - optics.drawn.cy) / CAMERA.fy)
    raw = optics.raw(drawn).astype(float)
    rows, cols = np.mgrid[0:96, 0:128]
    found = ((raw * cols).sum() / raw.sum(), (raw * rows).sum() / raw.sum())
    x, y = distorted(*exact, BARREL)
    assert found == pytest.approx((CAMERA.fx * x + CAMERA.cx, CAMERA.fy * y + CAMERA.cy), abs=0.1)
    if ray != (0.0, 0.0):
        straight = (CAMERA.fx * exact[0] + CAMERA.cx, CAMERA.fy * exact[1] + CAMERA.cy)
        assert math.dist(found, straight) > 1.0, "the lens does something"


def centre(optics: Optics) -> tuple[float, float]:
    return optics.drawn.cx, optics.drawn.cy


def test_rectified_is_what_a_pinhole_sees() -> None:
    optics = Optics(CAMERA, BARREL, np.eye(3))
    drawn = smooth(optics.drawn)
    back = optics.rectified(optics.raw(drawn)).astype(float)
    pinhole = smooth(CAMERA).astype(float)
    assert np.abs(back - pinhole).max() < 4
    assert np.abs(optics.raw(drawn) - pinhole).max() > 15, "the raw image is another one"
    np.testing.assert_array_equal(optics.cropped(drawn), smooth(CAMERA))


def test_a_pincushion_lens_sees_no_corners() -> None:
    optics = Optics(CAMERA, (0.2, 0.0, 0.0, 0.0), np.eye(3))
    assert (optics.drawn.width, optics.drawn.height) == (128, 96), "no wider than the raw image"
    seen = optics.rectified(optics.raw(np.full((96, 128), 200, np.uint8)))
    assert seen[0, 0] == 0
    assert seen[48, 64] == 200


def test_the_rectifier_turns_the_eye() -> None:
    """An eye turned by 3 degrees to the right, rectified: the picture of one that looks ahead."""
    turn = optical_rotation(0.0, 0.0, 3.0)
    v, u = np.mgrid[0:96, 0:128]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0 + 0 * u], -1)
    ahead = rays @ turn.T
    x, y = ahead[..., 0] / ahead[..., 2], ahead[..., 1] / ahead[..., 2]
    seen = np.rint(100 + 60 * np.sin(5 * x) * np.cos(4 * y)).astype(np.uint8)
    back = Optics(CAMERA, (), turn).rectified(seen).astype(float)
    seen_by_both = (slice(4, -4), slice(9, None))  # beyond, rectified is black
    ideal = smooth(CAMERA)[seen_by_both].astype(float)
    assert np.abs(back[seen_by_both] - ideal).max() < 4
    assert np.abs(seen[seen_by_both] - ideal).max() > 10


@pytest.mark.parametrize("k1", [-2.0, -0.8])
def test_a_lens_that_folds_the_picture_is_refused(k1: float) -> None:
    with pytest.raises(UserError, match=r"sim\.camera\.distortion"):
        Optics(CAMERA, (k1, 0.0, 0.0, 0.0), np.eye(3))
