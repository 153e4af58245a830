"""The EuRoC reader on a real flight: gravity, rectification and poses fit each other."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from drone.geometry import Matrix, euler_from_quaternion, rotation_from_quaternion
from drone.messages import StereoFrame, VehicleState
from drone.onboard.camera import CameraSample
from drone.onboard.euroc import EurocSource, open_euroc

RealFlight = tuple[EurocSource, list[CameraSample]]


@pytest.fixture(scope="module")
def real_flight(real_data: Path) -> RealFlight:
    folder = real_data / "euroc_v1_01_sparse"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the folder of real data")
    source = open_euroc(folder)
    return source, list(source.samples())


def test_the_real_drone_flies_upright(real_flight: RealFlight) -> None:
    source, samples = real_flight
    found = [s.vehicle for s in samples if s.vehicle is not None]
    assert (len(samples), len(found)) == (100, 99)
    tilts = np.degrees([euler_from_quaternion(state.attitude)[:2] for state in found])
    assert np.abs(tilts).max() < 10
    assert np.abs(np.median(tilts, axis=0)).max() < 1
    # Its camera looks some 20 degrees down, never sideways.
    downs = np.array([source.calibration.down_in_camera(state.attitude) for state in found])
    assert np.abs(downs[:, 0]).max() < math.sin(math.radians(10))
    assert (downs[:, 1] > 0.85).all()
    heights_m = -np.array([state.position_m[2] for state in found])
    assert 0.5 < heights_m.min() < heights_m.max() < 2.5


def test_the_real_camera_rectifies_as_expected(real_flight: RealFlight) -> None:
    calibration = real_flight[0].calibration
    assert (calibration.left.width, calibration.left.height) == (640, 480)
    assert calibration.left.fx == pytest.approx(434, abs=5)
    assert calibration.baseline_m == pytest.approx(0.110, abs=0.001)


def depth_of(source: EurocSource, frame: StereoFrame) -> Matrix:
    """(H, W) m, NaN where semi-global matching has no answer."""
    matcher = cv2.StereoSGBM_create(0, 96, 5, 200, 800, 1, 0, 10, 100, 2)
    disparity = matcher.compute(frame.left, frame.right) / 16.0
    return source.calibration.disparity_metres / np.where(disparity > 0, disparity, np.nan)


def world_from_left(source: EurocSource, state: VehicleState) -> tuple[Matrix, Matrix]:
    turn, c = rotation_from_quaternion(state.attitude), source.calibration
    return turn @ c.rotation, np.array(state.position_m) + turn @ np.array(c.left_in_body_m)


def warp_error(source: EurocSource, a: CameraSample, b: CameraSample, move: bool = True) -> float:
    """Median |log| between a's depth, carried along the poses into b, and b's own depth."""
    assert a.vehicle is not None
    assert b.vehicle is not None
    k = source.calibration.left
    depth_a, depth_b = depth_of(source, a.frame), depth_of(source, b.frame)
    v, u = (axis[::4, ::4].ravel() for axis in np.mgrid[0 : k.height, 0 : k.width])
    z = depth_a[v, u]
    points = np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])
    (turn_a, eye_a), (turn_b, eye_b) = (world_from_left(source, s.vehicle) for s in (a, b))
    if move:
        points = (points @ turn_a.T + eye_a - eye_b) @ turn_b
    points = points[points[:, 2] > 0.2]
    to = np.rint(points[:, :2] / points[:, 2:] * k.fx + [k.cx, k.cy]).astype(int)
    seen = ((to >= 0) & (to < [k.width, k.height])).all(axis=1)
    found = depth_b[to[seen, 1], to[seen, 0]]
    return float(np.nanmedian(np.abs(np.log(points[seen, 2] / found))))


def test_depths_of_successive_pairs_agree_through_the_poses(real_flight: RealFlight) -> None:
    source, samples = real_flight
    pairs = list(pairwise(samples[1:]))  # the first has no pose
    close = [(a, b) for a, b in pairs if b.frame.stamp_ns - a.frame.stamp_ns < 1_000_000_000][::4]
    moved = [warp_error(source, a, b) for a, b in close]
    still = [warp_error(source, a, b, move=False) for a, b in close]
    assert len(close) > 8
    assert np.median(moved) < 0.03
    assert np.median(still) > 2 * np.median(moved)  # control: without the poses they do not
