"""Each option of the camera against an answer worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from codedwall import coded_wall, painted_wall, projected_px, shown_m, still

from drone.config import CameraConfig
from drone.errors import UserError
from drone.geometry import StereoCalibration, quaternion_from_euler
from drone.messages import Image
from drone.sim.cameras import StereoCamera, calibration_of, eyes_of
from drone.sim.scene import Quad
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

pytestmark = pytest.mark.sim
NORTH_M = 1.5
AHEAD = still((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
OFF = {
    "left_off": {"yaw_deg": 1.5, "roll_deg": -2.0, "down_m": 0.002},
    "right_off": {"pitch_deg": 1.0, "right_m": 0.003, "forward_m": -0.002},
}
BARREL = (-0.25, 0.05, 0.001, -0.001)


def a_config(**settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"noise_levels": 0.0, **settings})


def a_camera(world: World, **settings: object) -> StereoCamera:
    return StereoCamera(world, a_config(**settings), np.random.default_rng(10))


def square(half_m: float, east_m: float = 0.0) -> Quad:
    """A quad on the wall at NORTH_M, facing south."""
    n, west, east = NORTH_M, east_m - half_m, east_m + half_m
    return Quad(((n, west, half_m), (n, east, half_m), (n, east, -half_m), (n, west, -half_m)))


def wavy_grey(east_m: np.ndarray, down_m: np.ndarray) -> np.ndarray:
    """A smooth picture on the wall."""
    return 120 + 60 * np.sin(4 * east_m) * np.cos(3 * down_m)


def wavy_picture(half_m: float) -> np.ndarray:
    side = (np.arange(1024) + 0.5) / 1024 * 2 * half_m - half_m
    grey = np.rint(wavy_grey(side[None, :], side[:, None])).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def expected_image(calibration: StereoCalibration, eye: int) -> np.ndarray:
    """What a rectified eye of this calibration sees of the wavy wall, worked out ray by ray."""
    c = calibration.left
    v, u = np.mgrid[0 : c.height, 0 : c.width]
    rays = np.stack([(u - c.cx) / c.fx, (v - c.cy) / c.fy, 1.0 + 0 * u], axis=-1)
    rays = rays @ calibration.rotation.T
    place = np.array(calibration.left_in_body_m)
    place = place + eye * calibration.baseline_m * calibration.rotation[:, 0]
    points = place + rays * ((NORTH_M - place[0]) / rays[..., :1])
    return wavy_grey(points[..., 1], points[..., 2])


def misfit(image: Image, expected: np.ndarray) -> float:
    """Largest difference in grey, leaving out a rim that a turned eye may not see."""
    inside = (slice(10, -10), slice(10, -10))
    return float(np.abs(image.astype(float) - expected)[inside].max())


@pytest.mark.parametrize("tilt_deg", [(0, 0), (20, -20)])
def test_the_mount_moves_and_tilts_the_pair(
    tilt_deg: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calibration knows the mount: points are seen where it says; taken as level, not."""
    roll, pitch = (math.radians(a) for a in tilt_deg)
    motion = still((0.0, 0.0, 0.0), quaternion_from_euler(roll, pitch, 0.0))
    mount = {"pitch_deg": 15.0, "forward_m": 0.2, "right_m": 0.05, "down_m": -0.08}
    with coded_wall(monkeypatch, NORTH_M) as world:
        camera, level = a_camera(world, **mount), a_camera(world)
        seen = shown_m(camera, 0, motion)[::8, ::8].reshape(-1, 2)
    points = np.column_stack([np.full(len(seen), NORTH_M), seen])
    pixels = np.stack(np.mgrid[0:96:8, 0:128:8].reshape(2, -1)[::-1], axis=-1)
    assert np.abs(projected_px(camera, motion, points) - pixels).max() < 0.5
    assert np.hypot(*(projected_px(level, motion, points) - pixels).T).min() > 10
    assert camera.calibration.left_in_body_m == pytest.approx((0.2, 0.02, -0.08))
    # Looking up by 15 degrees, down is 15 degrees behind the image's down: (0, cos, -sin).
    down = camera.calibration.down_in_camera((1.0, 0.0, 0.0, 0.0))
    assert down == pytest.approx((0.0, math.cos(math.radians(15)), -math.sin(math.radians(15))))


@pytest.mark.parametrize(
    ("off", "shift_m"),
    [
        ({"yaw_deg": 1.0}, (1.38 * math.tan(math.radians(1)), 0.0)),
        ({"pitch_deg": 1.0}, (0.0, -1.38 * math.tan(math.radians(1)))),
        ({"right_m": 0.01}, (0.01, 0.0)),
        ({"down_m": 0.01}, (0.0, 0.01)),
    ],
)
@pytest.mark.parametrize("eye", [0, 1])
def test_an_eye_off_its_place_sees_the_scene_shifted(
    off: dict[str, float],
    shift_m: tuple[float, float],
    eye: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the axis of the eye meets a wall 1.38 m ahead of it."""
    name = ("left_off", "right_off")[eye]
    with coded_wall(monkeypatch, NORTH_M) as world:
        camera, nominal = a_camera(world, **{name: off}), a_camera(world)
        found = [shown_m(c, eye, AHEAD)[47:49, 63:65].mean(axis=(0, 1)) for c in (camera, nominal)]
        other = [shown_m(c, 1 - eye, AHEAD) for c in (camera, nominal)]
    assert found[0] - found[1] == pytest.approx(shift_m, abs=0.004)
    np.testing.assert_array_equal(*other)
    assert camera.calibration == nominal.calibration, "the pilot is not told"


def test_a_rolled_eye_sees_the_scene_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with coded_wall(monkeypatch, NORTH_M) as world:
        shown = shown_m(a_camera(world, left_off={"roll_deg": 5.0}), 0, AHEAD)
    east, down = shown[47, 127] - shown[47, 0]
    assert math.degrees(math.atan2(down, east)) == pytest.approx(5.0, abs=0.2)


def test_true_calibration_rectifies_what_is_off_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both images are those of the rectified pair whose calibration the pilot is told."""
    with painted_wall(monkeypatch, square(3.0), wavy_picture(3.0)) as world:
        camera = a_camera(world, calibration="true", **OFF)
        shot = camera.capture(AHEAD)
        untold = a_camera(world, **OFF)
        raw = untold.capture(AHEAD)
    for eye, image in enumerate((shot.left, shot.right)):
        assert misfit(image, expected_image(camera.calibration, eye)) < 4
    for eye, image in enumerate((raw.left, raw.right)):
        assert misfit(image, expected_image(untold.calibration, eye)) > 4
    left, right = eyes_of(a_config(**OFF))
    assert camera.calibration.baseline_m == pytest.approx(
        math.dist(left.in_body_m, right.in_body_m)
    )
    assert camera.calibration.left_in_body_m == pytest.approx(tuple(left.in_body_m))
    # Depth is along the rectified axis: z of the plane's points in the rectified left eye.
    c, rotation = camera.calibration.left, camera.calibration.rotation
    ray = rotation @ np.array([(100 - c.cx) / c.fx, (20 - c.cy) / c.fy, 1.0])
    depth = (NORTH_M - camera.calibration.left_in_body_m[0]) / ray[0]
    assert 1 / shot.inverse_depth[20, 100] == pytest.approx(depth, rel=1e-3)


def test_true_calibration_of_a_pair_in_place_is_the_nominal_one() -> None:
    true, nominal = (calibration_of(a_config(calibration=c)) for c in ("true", "nominal"))
    np.testing.assert_allclose(true.rotation, nominal.rotation, atol=1e-12)
    assert true.baseline_m == pytest.approx(nominal.baseline_m)
    assert true.left == nominal.left


def test_a_distorting_lens_arrives_rectified(monkeypatch: pytest.MonkeyPatch) -> None:
    with painted_wall(monkeypatch, square(3.0), wavy_picture(3.0)) as world:
        camera = a_camera(world, distortion=BARREL)
        shot, plain = camera.capture(AHEAD), a_camera(world).capture(AHEAD)
        with pytest.raises(UserError, match="folds"):
            a_camera(world, distortion=(-2.0, 0.0, 0.0, 0.0))
    for eye, image in enumerate((shot.left, shot.right)):
        assert misfit(image, expected_image(camera.calibration, eye)) < 4
        assert misfit(shot.light[eye], expected_image(camera.calibration, eye)) > 15
    np.testing.assert_allclose(shot.inverse_depth, plain.inverse_depth, rtol=1e-4)
    np.testing.assert_array_equal(plain.light[0], plain.left)


def edge_width_px(image: Image) -> float:
    """Width of a linear ramp between dark and light, from the spread of its slope."""
    slope = np.diff(image[30:66].astype(float).mean(axis=0))
    columns = np.arange(len(slope))
    middle = (slope * columns).sum() / slope.sum()
    return math.sqrt(12 * (slope * (columns - middle) ** 2).sum() / slope.sum())


@pytest.mark.parametrize(
    ("velocity_mps", "rates_radps", "width_px"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 2.0), 91.4 * 2.0 * 0.05 * 1.5 / 1.38),  # the eye swings too
        ((0.0, 2.0, 0.0), (0.0, 0.0, 0.0), 91.4 * 2.0 * 0.05 / 1.38),
    ],
)
def test_motion_smears_an_edge_over_what_it_moves_in_the_exposure_time(
    velocity_mps: tuple[float, float, float],
    rates_radps: tuple[float, float, float],
    width_px: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a wall black, half white: f w t for a turn, f v t / z for a step aside."""
    moving = Kinematics((0.0, 0.0, 0.0), velocity_mps, (1.0, 0.0, 0.0, 0.0), rates_radps)
    halves = np.zeros((4, 512, 3), np.uint8)
    halves[:, 256:] = 200
    with painted_wall(monkeypatch, square(3.0), halves) as world:
        camera = a_camera(world, shutter_s=0.05, shutter_samples=15)
        blurred, still_one = camera.capture(moving), camera.capture(AHEAD)
        sharp = a_camera(world).capture(moving)
    assert edge_width_px(blurred.left) == pytest.approx(width_px, rel=0.05)
    for shot in (still_one, sharp):
        assert edge_width_px(shot.left) < 2.0
    np.testing.assert_allclose(blurred.inverse_depth, sharp.inverse_depth, rtol=1e-5)
    middle = np.flatnonzero(blurred.left[48] > 100)[0] - np.flatnonzero(sharp.left[48] > 100)[0]
    assert abs(middle) <= 1, "the stamp is in the middle of the exposure"


def test_exposure_and_its_automation_act_on_both_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    even = np.full((4, 4, 3), 60, np.uint8)
    auto = {"level": 120.0, "lag_s": 0.1}
    with painted_wall(monkeypatch, square(3.0), even) as world:
        bright = a_camera(world, exposure=1.5).capture(AHEAD)
        camera = a_camera(world, auto_exposure=auto)
        shots = [camera.capture(AHEAD) for _ in range(3)]
    assert (bright.left == 90).all()
    assert (bright.right == 90).all()
    # Towards twice the exposure, 1 - 1/e of the way in each of the periods of 0.1 s.
    expected = [60, 60 * (2 - math.exp(-1)), 60 * (2 - math.exp(-2))]
    for shot, level in zip(shots, expected, strict=True):
        assert shot.left.mean() == pytest.approx(level, abs=0.6)
        np.testing.assert_array_equal(shot.left, shot.right)


def test_eyes_sit_where_the_configuration_says() -> None:
    left, right = eyes_of(a_config(pitch_deg=90 / 2, baseline_m=0.1, forward_m=0.0))
    np.testing.assert_allclose(right.in_body_m - left.in_body_m, (0.0, 0.1, 0.0))
    forward = left.body_from_optical[:, 2]
    np.testing.assert_allclose(forward, (math.sqrt(0.5), 0.0, -math.sqrt(0.5)))
