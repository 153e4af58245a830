"""What the issue asks of the geometry: disparity, depth, reprojection, square pixels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pybullet
import pytest
from codedwall import coded_wall, left_pose, painted_wall, projected_px, shown_m, still

from drone.config import CameraConfig, RoomConfig
from drone.geometry import quaternion_from_euler
from drone.sim.cameras import StereoCamera, intrinsics_of
from drone.sim.furnish import room_from_seed
from drone.sim.scene import Quad
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

pytestmark = pytest.mark.sim
TILTS_DEG = list(itertools.product((-20.0, 0.0, 20.0), repeat=2))
"""Roll and pitch."""


def a_camera(world: World, **settings: object) -> StereoCamera:
    config = CameraConfig.model_validate({"noise_levels": 0.0, **settings})
    return StereoCamera(world, config, np.random.default_rng(10))


def tilted(roll_deg: float, pitch_deg: float, yaw_deg: float = 0.0) -> Kinematics:
    """A body at rest in the origin."""
    angles = (math.radians(a) for a in (roll_deg, pitch_deg, yaw_deg))
    return still((0.0, 0.0, 0.0), quaternion_from_euler(*angles))


def disparity_error_px(camera: StereoCamera, motion: Kinematics, north_m: float) -> np.ndarray:
    """How far matches along rows are off f B / z, px, over the left image; NaN outside the right.

    A left pixel's match is where the right row shows the same point, between two of its pixels.
    """
    left, right = (shown_m(camera, eye, motion) for eye in (0, 1))
    c, rotation, place = camera.calibration.left, *left_pose(camera, motion)
    cols = np.arange(c.width)
    error = np.full((c.height, c.width), np.nan)
    for v in range(c.height):
        match = np.interp(left[v, :, 0], right[v, :, 0], cols, left=np.nan, right=np.nan)
        rays = np.stack([(cols - c.cx) / c.fx, np.full(c.width, (v - c.cy) / c.fy), 0 * cols + 1])
        depth = (north_m - place[0]) / (rotation @ rays)[0]
        error[v] = cols - match - camera.calibration.disparity_metres / depth
    return error


@pytest.mark.parametrize(("roll", "pitch"), TILTS_DEG)
@pytest.mark.parametrize("depth_m", [1.0, 1.5])
def test_a_plane_gives_f_b_over_z_within_half_a_pixel(
    depth_m: float, roll: float, pitch: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with coded_wall(monkeypatch, depth_m + 0.12) as world:
        error = disparity_error_px(a_camera(world), tilted(roll, pitch), depth_m + 0.12)
    assert np.isfinite(error).mean() > 0.85, "all but what the right eye does not see"
    assert np.nanmax(np.abs(error)) < 0.5
    assert abs(np.nanmean(error)) < 0.1


def test_half_a_pixel_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a right eye half a degree off its direction fails the test above."""
    with coded_wall(monkeypatch, 1.12) as world:
        off = a_camera(world, right_off={"yaw_deg": 0.5})
        error = disparity_error_px(off, tilted(0.0, 20.0), 1.12)
    assert np.nanmin(np.abs(error)) > 0.5


@pytest.mark.parametrize("seed", range(20, 26))
def test_depth_is_within_one_percent_of_rays_cast_by_bullet(seed: int) -> None:
    """Random poses in furnished rooms; a pixel at an edge may show either side of it."""
    error, inside = depth_errors(seed, poses=10, rays=300)
    assert np.mean(error < 0.01) > 0.98
    assert np.mean(error[inside] < 0.01) > 0.999
    assert np.mean(inside) > 0.7
    assert np.median(error) < 1e-4


@pytest.mark.slow
def test_depth_over_a_hundred_thousand_rays_in_twenty_rooms() -> None:
    """The figures of docs/simulator.md: rooms 0 to 19, ten poses of 500 rays in each."""
    found = [depth_errors(seed, poses=10, rays=500) for seed in range(20)]
    error, inside = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert len(error) == 100_000
    assert np.median(error) < 2.5e-6
    assert np.mean(error < 0.01) >= 0.9998
    assert (error[inside] < 0.01).all()
    assert np.mean(inside) > 0.9


def depth_errors(seed: int, poses: int, rays: int) -> tuple[np.ndarray, np.ndarray]:
    """Relative error of depth at random pixels and poses of a room, and which lie off edges."""
    rng = np.random.default_rng(seed)
    room = room_from_seed(RoomConfig(), seed)
    errors, inner = [], []
    with World(room) as world:
        camera = a_camera(world)
        for _ in range(poses):
            pose = room.free_pose(rng)
            roll, pitch = rng.uniform(-0.35, 0.35, 2)
            attitude = quaternion_from_euler(roll, pitch, pose.yaw_rad)
            motion = still((pose.north_m, pose.east_m, -rng.uniform(0.6, 1.6)), attitude)
            inverse = camera.capture(motion).inverse_depth
            v, u = rng.integers(1, 95, rays), rng.integers(1, 127, rays)
            cast = cast_depth_m(world, camera, motion, u, v)
            errors.append(np.abs(inverse[v, u] * cast - 1))
            inner.append(smooth_around(inverse)[v, u])
    return np.concatenate(errors), np.concatenate(inner)


def cast_depth_m(
    world: World, camera: StereoCamera, motion: Kinematics, u: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """Depth along the axis by Bullet's own rays at the collision shapes, not by any renderer."""
    rotation, place = left_pose(camera, motion)
    c, far_m = camera.calibration.left, 30.0
    rays = np.stack([(u - c.cx) / c.fx, (v - c.cy) / c.fy, np.ones(len(u))], axis=-1)
    ends = place + far_m * rays @ rotation.T
    starts = [tuple(place)] * len(u)
    hits = pybullet.rayTestBatch(starts, ends.tolist(), physicsClientId=world.client)
    return np.array([hit[2] for hit in hits]) * far_m


def smooth_around(inverse: np.ndarray) -> np.ndarray:
    """Where inverse depth is that of a plane over three pixels each way: no edge."""
    smooth = np.ones(inverse.shape, bool)
    for axis in (0, 1):
        before, after = np.roll(inverse, 1, axis), np.roll(inverse, -1, axis)
        smooth &= np.abs(before + after - 2 * inverse) < 0.002 * inverse
    return smooth


@pytest.mark.parametrize(("roll", "pitch"), TILTS_DEG)
def test_a_known_point_is_seen_where_it_projects(
    roll: float, pitch: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fourth pixel's point of a coded wall, projected by hand into the left eye."""
    motion = tilted(roll, pitch, 10.0)
    with coded_wall(monkeypatch, 1.5) as world:
        camera = a_camera(world)
        seen = shown_m(camera, 0, motion)[::4, ::4].reshape(-1, 2)
    points = np.column_stack([np.full(len(seen), 1.5), seen])
    rows, cols = np.mgrid[0:96:4, 0:128:4].reshape(2, -1)
    error = projected_px(camera, motion, points) - np.stack([cols, rows], axis=-1)
    assert np.hypot(*error.T).max() < 0.5
    assert np.hypot(*(error + 0.5).T).max() > 0.5, "half a pixel off is noticed"


def test_pixels_are_square_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white square of 60 cm at 2 m: as many pixels wide as high, f s / z = 27.4 each."""
    pinhole = intrinsics_of(CameraConfig())
    assert pinhole.fx == pinhole.fy == pytest.approx(64 / math.tan(math.radians(35)))
    assert (pinhole.cx, pinhole.cy) == (63.5, 47.5)
    flat = {"intrinsics": {"fx_px": pinhole.fx, "fy_px": 0.8 * pinhole.fx}}
    half, north = 0.3, 2.12
    corners = (
        (north, -half, half),
        (north, half, half),
        (north, half, -half),
        (north, -half, -half),
    )
    white = np.full((8, 8, 3), 255, np.uint8)
    with painted_wall(monkeypatch, Quad(corners), white) as world:
        for settings, expected in (({}, (27.4, 27.4)), (flat, (27.4, 21.9))):
            shot = a_camera(world, **settings).capture(tilted(0.0, 0.0))
            inside = shot.inverse_depth > 0.4
            size = (inside.any(axis=0).sum(), inside.any(axis=1).sum())
            assert size == pytest.approx(expected, abs=1.0)
    given = intrinsics_of(
        CameraConfig.model_validate({"intrinsics": {"fx_px": 100, "cx_px": 60, "cy_px": 50}})
    )
    assert (given.fx, given.fy, given.cx, given.cy) == (100, 100, 60, 50)


def test_the_axis_is_that_of_the_left_eye() -> None:
    """True depth is along the axis, not along the ray: all of a facing wall is equally deep."""
    room = room_from_seed(RoomConfig(obstacles=0), 20)
    with World(room) as world:
        inverse = a_camera(world).capture(still((0.0, 0.0, -1.2), (1.0, 0.0, 0.0, 0.0)))
    wall_m = room.length_m / 2 - 0.12
    middle = inverse.inverse_depth[30:66]
    np.testing.assert_allclose(1 / middle[:, 44:84], wall_m, rtol=1e-3)
