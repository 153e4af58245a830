from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from plainroom import a_pillar, a_room, true_depth

from drone.config import CameraConfig, RoomConfig
from drone.geometry import (
    BODY_FROM_OPTICAL,
    Intrinsics,
    quaternion_from_euler,
    rotation_from_quaternion,
)
from drone.messages import Quaternion
from drone.sim import world as world_module
from drone.sim.cameras import (
    StereoCamera,
    calibration_of,
    inverse_depth,
    projection_matrix,
    view_matrix,
)
from drone.sim.furnish import room_from_seed
from drone.sim.room import Surface
from drone.sim.scene import Box, Part, Quad
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

pytestmark = pytest.mark.sim
TILTS = [(0, 0), (20, 0), (-20, 0), (0, 20), (0, -20), (15, -15)]
"""Roll and pitch, degrees."""


def rays_of(camera: Intrinsics) -> np.ndarray:
    """Rays of unit depth through the pixel centres, (H * W, 3), optical."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)


def still(position_m: tuple[float, ...], attitude: Quaternion) -> Kinematics:
    """A body at rest."""
    north, east, down = (float(x) for x in position_m)
    return Kinematics((north, east, down), (0.0, 0.0, 0.0), attitude, (0.0, 0.0, 0.0))


def a_camera(world: World, noise_levels: float = 0.0) -> StereoCamera:
    return StereoCamera(world, CameraConfig(noise_levels=noise_levels), np.random.default_rng(10))


def test_calibration_puts_the_pair_ahead_and_symmetric() -> None:
    calibration = calibration_of(CameraConfig(forward_m=0.12, baseline_m=0.06))
    assert calibration.left_in_body_m == (0.12, -0.03, 0.0)
    np.testing.assert_array_equal(calibration.rotation, BODY_FROM_OPTICAL)
    assert calibration.left.fx == pytest.approx(64 / math.tan(math.radians(35)))


@pytest.mark.parametrize(("roll", "pitch"), TILTS)
@pytest.mark.parametrize("centre", [(63.5, 47.5), (50.0, 58.25)])
def test_pixels_see_along_their_rays(
    roll: float, pitch: float, centre: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wall whose colours are coordinates: what a pixel shows must be where its ray ends."""
    camera = Intrinsics(128, 96, 91.4, 91.4, *centre)
    side_px, half_m, north_m = 256, 8.0, 2.0
    picture = np.zeros((side_px, side_px, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1] = np.arange(256)[None, :], np.arange(256)[:, None]
    h = half_m
    wall = Quad(((north_m, -h, h), (north_m, h, h), (north_m, h, -h), (north_m, -h, -h)))
    part = Part("floor", (Box((0.1, 0.1, 0.1), (0.0, 0.0, 50.0), 0.0),), (wall,), picture)
    monkeypatch.setattr(world_module, "parts", lambda room, **_: (part,))
    monkeypatch.setattr(world_module, "_AMBIENT", 1.0)
    monkeypatch.setattr(world_module, "_DIFFUSE", 0.0)
    attitude = quaternion_from_euler(math.radians(roll), math.radians(pitch), 0.0)
    rotation = rotation_from_quaternion(attitude) @ BODY_FROM_OPTICAL
    with World(a_room()) as world:
        view = view_matrix(rotation, np.zeros(3))
        shot = world.render(view, projection_matrix(camera), (camera.width, camera.height))
    texel_m = 2 * half_m / side_px
    seen_m = (shot.rgba[:, :, :2].reshape(-1, 2) + 0.5) * texel_m - half_m
    back = rotation.T @ np.stack(
        [np.full(len(seen_m), north_m), seen_m[:, 0], seen_m[:, 1]], axis=0
    )
    u = camera.fx * back[0] / back[2] + camera.cx
    v = camera.fy * back[1] / back[2] + camera.cy
    rows, cols = np.mgrid[0 : camera.height, 0 : camera.width].reshape(2, -1)
    assert abs(np.mean(u - cols)) < 0.1
    assert abs(np.mean(v - rows)) < 0.1
    # One texel, 6 cm, is up to 3 px at 2 m: half of it, and a little, bounds single pixels.
    assert np.abs(u - cols).max() < 3.0


@pytest.mark.parametrize(("roll", "pitch"), TILTS)
@pytest.mark.parametrize("seed", [10, 11])
def test_depth_equals_rays_cast_at_the_room(roll: float, pitch: float, seed: int) -> None:
    room = room_from_seed(RoomConfig(obstacles=4), seed)
    pose = room.free_pose(np.random.default_rng(seed))
    attitude = quaternion_from_euler(math.radians(roll), math.radians(pitch), pose.yaw_rad)
    position = np.array([pose.north_m, pose.east_m, -1.1])
    with World(room) as world:
        camera = a_camera(world)
        shot = camera.capture(still(tuple(position), attitude))
    world_from_body = rotation_from_quaternion(attitude)
    eye = position + world_from_body @ np.array(camera.calibration.left_in_body_m)
    optical = rays_of(camera.calibration.left)
    truth = true_depth(room, eye, optical @ (world_from_body @ BODY_FROM_OPTICAL).T)
    error = np.abs(shot.inverse_depth.reshape(-1) * truth - 1)
    assert np.mean(error < 0.01) > 0.985, "edges may fall to either side"
    assert np.median(error) < 1e-4
    # Negative control: half a pixel off is seen in the slanted floor and walls.
    shifted = optical + np.array([0.5 / 91.4, 0.5 / 91.4, 0.0])
    wrong = true_depth(room, eye, shifted @ (world_from_body @ BODY_FROM_OPTICAL).T)
    assert np.median(np.abs(shot.inverse_depth.reshape(-1) * wrong - 1)) > 1e-3


@pytest.mark.parametrize("depth_m", [0.6, 1.0, 2.5])
def test_a_plane_has_the_disparity_of_its_depth(depth_m: float) -> None:
    """Facing the north wall: known depth, known disparity, found by shifting the right image."""
    room = replace(a_room(), walls=(Surface("brick", 10),) * 4)
    with World(room) as world:
        camera = a_camera(world)
        north_m = room.length_m / 2 - depth_m - 0.12
        shot = camera.capture(still((north_m, 0.3, -1.2), (1.0, 0.0, 0.0, 0.0)))
    assert shot.inverse_depth[48, 64] == pytest.approx(1 / depth_m, rel=1e-4)
    expected_px = camera.calibration.disparity_metres / depth_m
    assert best_shift(shot.left, shot.right, np.full(shot.left.shape, expected_px)) < 0.5


@pytest.mark.parametrize(("roll", "pitch"), TILTS)
@pytest.mark.parametrize("seed", [12, 13])
def test_disparity_follows_from_depth_at_any_tilt(roll: float, pitch: float, seed: int) -> None:
    room = room_from_seed(RoomConfig(), seed)
    pose = room.free_pose(np.random.default_rng(seed))
    attitude = quaternion_from_euler(math.radians(roll), math.radians(pitch), pose.yaw_rad)
    with World(room) as world:
        camera = a_camera(world)
        shot = camera.capture(still((pose.north_m, pose.east_m, -1.1), attitude))
    disparity = shot.inverse_depth * camera.calibration.disparity_metres
    assert best_shift(shot.left, shot.right, disparity) <= 0.25


def best_shift(left: np.ndarray, right: np.ndarray, disparity_px: np.ndarray) -> float:
    """How far from the given disparities the right image fits the left one best, px."""
    rows, cols = np.mgrid[0 : left.shape[0], 0 : left.shape[1]].astype(np.float32)
    soft_left, soft_right = (cv2.GaussianBlur(i, (0, 0), 1.0).astype(float) for i in (left, right))
    shifts = np.arange(-2, 2.1, 0.25)
    misfits = []
    for shift in shifts:
        source = (cols - disparity_px - shift).astype(np.float32)
        warped = cv2.remap(soft_right, source, rows, cv2.INTER_LINEAR)
        misfits.append(np.mean(np.abs(warped - soft_left)[:, 20:].clip(0, 20)))
    return abs(float(shifts[int(np.argmin(misfits))]))


def test_the_camera_rolls_with_the_body() -> None:
    """A pillar is upright in a level image and slants by the roll in a rolled one."""
    room = a_room(a_pillar(1.5, 0.0))
    slants = []
    with World(room) as world:
        camera = a_camera(world)
        for roll in (0.0, 20.0):
            attitude = quaternion_from_euler(math.radians(roll), 0.0, 0.0)
            shot = camera.capture(still((0.0, 0.0, -1.2), attitude))
            near = shot.inverse_depth > 1 / 1.6
            middles = [np.flatnonzero(near[row]).mean() for row in (20, 76)]
            slants.append(math.degrees(math.atan2(middles[1] - middles[0], 56)))
    assert slants[0] == pytest.approx(0, abs=1)
    # Rolling to the right turns the picture to the left: its foot moves to the right.
    assert slants[1] == pytest.approx(20, abs=2)


def test_inverse_depth_of_the_z_buffers_ends() -> None:
    ends = inverse_depth(np.array([[0.0, 1.0]], np.float32))
    np.testing.assert_allclose(ends, [[20.0, 1 / 40.0]], rtol=1e-4)


def test_eyes_differ_in_noise_and_in_place() -> None:
    with World(room_from_seed(RoomConfig(), 14)) as world:
        camera = a_camera(world, noise_levels=2.0)
        one = camera.capture(still((0.0, 0.0, -1.1), (1.0, 0.0, 0.0, 0.0)))
        two = camera.capture(still((0.0, 0.0, -1.1), (1.0, 0.0, 0.0, 0.0)))
    assert (one.left != two.left).mean() > 0.5
    assert (one.left != one.right).mean() > 0.5
    np.testing.assert_array_equal(one.inverse_depth, two.inverse_depth)


@pytest.mark.parametrize("seed", [15, 16, 17])
def test_stereo_can_match_the_room(seed: int) -> None:
    room = room_from_seed(RoomConfig(), seed)
    rng = np.random.default_rng(seed)
    matcher = cv2.StereoSGBM.create(0, 16, 5, 200, 800, 1, 63, 10, 30, 1, cv2.STEREO_SGBM_MODE_HH)
    answered, near = [], []
    with World(room) as world:
        camera = a_camera(world, noise_levels=1.5)
        for _ in range(4):
            pose = room.free_pose(rng)
            attitude = quaternion_from_euler(0.0, 0.0, pose.yaw_rad)
            shot = camera.capture(still((pose.north_m, pose.east_m, -1.1), attitude))
            left, right = (cv2.GaussianBlur(i, (0, 0), 0.8) for i in (shot.left, shot.right))
            found = matcher.compute(left, right)[:, 16:] / 16.0
            true = shot.inverse_depth[:, 16:] * camera.calibration.disparity_metres
            known = found > 0
            answered.append(known.mean())
            near.append((np.abs(found - true)[known] < 1.0).mean())
    assert np.mean(answered) > 0.9
    assert np.mean(near) > 0.95


def test_other_resolutions_work() -> None:
    config = replace_size(CameraConfig(noise_levels=0.0), 320, 200)
    with World(a_room()) as world:
        camera = StereoCamera(world, config, np.random.default_rng(10))
        shot = camera.capture(still((0.0, 0.0, -1.1), (1.0, 0.0, 0.0, 0.0)))
    assert shot.left.shape == shot.right.shape == shot.inverse_depth.shape == (200, 320)
    assert shot.inverse_depth[100, 160] == pytest.approx(1 / (3.0 - 0.12), rel=1e-4)


def replace_size(config: CameraConfig, width_px: int, height_px: int) -> CameraConfig:
    return config.model_copy(update={"width_px": width_px, "height_px": height_px})
