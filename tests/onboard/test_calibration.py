from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drone.geometry import BODY_FROM_OPTICAL, GridSpec, Intrinsics, Matrix
from drone.onboard.calibration import (
    CameraModel,
    RawStereoCalibration,
    inverse_rigid,
    is_rigid,
    rigid,
)
from drone.onboard.rectification import Rectifier, rectified_size

LEFT = CameraModel(
    Intrinsics(752, 480, 458.654, 457.296, 367.215, 248.375), (-0.283, 0.074, 2e-4, 2e-5)
)
RIGHT = CameraModel(
    Intrinsics(752, 480, 457.587, 456.134, 379.999, 255.238), (-0.284, 0.075, -1e-4, -4e-5)
)
MOUNT = rigid(
    BODY_FROM_OPTICAL @ Rotation.from_euler("xyz", [-20, 2, 1], degrees=True).as_matrix(),
    np.array([0.1, -0.05, 0.02]),
)
TURN = Rotation.from_euler("xyz", [1.2, -0.8, 0.5], degrees=True).as_matrix()
RIGHT_FROM_LEFT = rigid(TURN, -TURN @ [0.11, 0.002, -0.001])


def raw_pair(left: CameraModel = LEFT, right: CameraModel = RIGHT) -> RawStereoCalibration:
    return RawStereoCalibration.from_pair(left, right, RIGHT_FROM_LEFT, MOUNT)


def without_distortion(eye: CameraModel) -> CameraModel:
    return CameraModel(eye.pinhole)


def project(eye: CameraModel, points: Matrix) -> Matrix:
    """The Brown-Conrady model, written out: (N, 3) optical to (N, 2) raw px."""
    k1, k2, p1, p2, k3 = (*eye.distortion, 0.0)[:5]
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    p = eye.pinhole
    return np.column_stack([p.fx * xd + p.cx, p.fy * yd + p.cy])


def transformed(transform: Matrix, points: Matrix) -> Matrix:
    return points @ transform[:3, :3].T + transform[:3, 3]


def raw_from_rectified(rectifier: Rectifier, points: Matrix) -> tuple[Matrix, Matrix]:
    """Where both raw eyes see points given in the rectified left frame."""
    c = rectifier.calibration
    body = points @ c.rotation.T + np.array(c.left_in_body_m)
    left = transformed(inverse_rigid(rectifier.raw.body_from_left), body)
    right = transformed(inverse_rigid(rectifier.raw.body_from_right), body)
    return project(rectifier.raw.left, left), project(rectifier.raw.right, right)


@pytest.mark.parametrize("disparity_px", [5, 40])
def test_maps_lead_to_where_the_raw_eyes_see_a_plane(disparity_px: int) -> None:
    rectifier = Rectifier.fitting(raw_pair())
    c = rectifier.calibration
    u, v = (a.ravel() for a in np.meshgrid(np.arange(40, 640, 23), np.arange(0, 480, 17)))
    z = c.disparity_metres / disparity_px
    k = c.left
    points = np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, np.full(u.shape, z)])
    left, right = raw_from_rectified(rectifier, points)
    np.testing.assert_allclose(rectifier.left_map[v, u], left, atol=0.01)
    np.testing.assert_allclose(rectifier.right_map[v, u - disparity_px], right, atol=0.01)


BLOBS = np.array(
    [[x * z, y * z, z] for x in (-0.5, 0, 0.5) for y in (-0.4, 0, 0.35) for z in (1.5, 4)]
)
"""Points in the rectified left frame, m; seen one at a time."""


def image_of_blob(centre_px: Matrix) -> np.ndarray:
    v, u = np.mgrid[0:480, 0:752]
    square = (u - centre_px[0]) ** 2 + (v - centre_px[1]) ** 2
    return np.rint(250 * np.exp(-square / (2 * 3.0**2))).astype(np.uint8)


def centroid(image: np.ndarray) -> Matrix:
    v, u = np.nonzero(image)
    return np.average(np.column_stack([u, v]), axis=0, weights=image[v, u])


def rectified_blobs(rectifier: Rectifier) -> tuple[Matrix, Matrix]:
    """Centroids of the blobs in both rectified images; the true eyes took the raw images."""
    raw_left, raw_right = raw_from_rectified(Rectifier.fitting(raw_pair()), BLOBS)
    left = [centroid(rectifier.left(image_of_blob(p))) for p in raw_left]
    right = [centroid(rectifier.right(image_of_blob(p))) for p in raw_right]
    return np.array(left), np.array(right)


def test_rectified_points_share_a_row_and_their_disparity_tells_depth() -> None:
    rectifier = Rectifier.fitting(raw_pair())
    left, right = rectified_blobs(rectifier)
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=0.1)
    expected = rectifier.calibration.disparity_metres / BLOBS[:, 2]
    np.testing.assert_allclose((left - right)[:, 0], expected, atol=0.1)


def test_control_without_distortion_rows_and_disparity_are_wrong() -> None:
    ideal = raw_pair(without_distortion(LEFT), without_distortion(RIGHT))
    rectifier = Rectifier.fitting(ideal)
    left, right = rectified_blobs(rectifier)
    expected = rectifier.calibration.disparity_metres / BLOBS[:, 2]
    assert np.abs(left[:, 1] - right[:, 1]).max() > 0.5
    assert np.abs((left - right)[:, 0] - expected).max() > 1.0


@pytest.mark.parametrize("seed", range(8))
def test_every_rectified_pixel_was_seen_by_both_eyes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = Intrinsics(640, 400, 420.0, 430.0, *rng.uniform([300, 180], [340, 220]).tolist())
    left, right = (
        CameraModel(size, (*rng.uniform(-0.3, 0.1, 1), 0.05, *rng.normal(0, 1e-3, 2), 0.0))
        for _ in range(2)
    )
    turn = Rotation.from_rotvec(rng.normal(0, 0.03, 3)).as_matrix()
    pair = RawStereoCalibration.from_pair(left, right, rigid(turn, turn @ [-0.1, 0.002, 0.003]))
    rectifier = Rectifier.fitting(pair)
    for raw_px in (rectifier.left_map, rectifier.right_map):
        assert raw_px.shape == (rectifier.height_px, rectifier.width_px, 2)
        assert raw_px.min() >= -0.1
        assert (raw_px.max(axis=(0, 1)) <= [639.1, 399.1]).all()


def test_the_result_is_a_plain_square_pixel_pair_mounted_like_the_raw_one() -> None:
    calibration = Rectifier(raw_pair(), 320, 240).calibration
    assert (calibration.left.width, calibration.left.height) == (320, 240)
    assert calibration.left.fx == calibration.left.fy
    assert calibration.baseline_m == pytest.approx(np.hypot(0.11, np.hypot(0.002, 0.001)))
    assert calibration.left_in_body_m == pytest.approx((0.1, -0.05, 0.02))
    assert is_rigid(rigid(calibration.rotation))
    # The rectified left eye's x axis runs through the right eye.
    right_eye = raw_pair().body_from_right[:3, 3] - MOUNT[:3, 3]
    along = calibration.rotation[:, 0] * calibration.baseline_m
    np.testing.assert_allclose(along, right_eye, atol=1e-9)


def test_an_ideal_pair_stays_as_it_is() -> None:
    eye = CameraModel(Intrinsics(320, 240, 300.0, 300.0, 159.5, 119.5))
    pair = RawStereoCalibration.from_pair(eye, eye, rigid(np.eye(3), np.array([-0.1, 0, 0])))
    rectifier = Rectifier.fitting(pair)
    image = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)
    np.testing.assert_array_equal(rectifier.left(image), image)
    np.testing.assert_array_equal(rectifier.right(image), image)
    np.testing.assert_allclose(rectifier.calibration.rotation, BODY_FROM_OPTICAL, atol=1e-12)
    assert rectifier.calibration.left.fx == pytest.approx(300)


@pytest.mark.parametrize(
    ("raw", "grid", "size"),
    [
        ((752, 480), GridSpec(12, 16), (640, 480)),
        ((640, 480), GridSpec(12, 16), (640, 480)),
        ((1280, 400), GridSpec(9, 16), (528, 396)),
    ],
)
def test_the_size_is_four_to_three_and_divides(
    raw: tuple[int, int], grid: GridSpec, size: tuple[int, int]
) -> None:
    width, height = rectified_size(*raw, grid)
    assert (width, height) == size
    assert width * 3 == height * 4
    assert width % grid.cols == 0
    assert height % grid.rows == 0


def test_an_image_too_small_for_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="100 x 1000 px are too few for 5 x 7 cells"):
        rectified_size(100, 1000, GridSpec(7, 5))


def test_unequal_images_are_refused() -> None:
    small = CameraModel(LEFT.pinhole.scaled(376, 240), LEFT.distortion)
    with pytest.raises(ValueError, match="752 x 480 px, the right one 376 x 240 px"):
        raw_pair(right=small)


@pytest.mark.parametrize("offset_m", [(0.1, 0, 0), (0, 0.1, 0), (0, 0, -0.1), (0, 0, 0)])
def test_a_right_eye_elsewhere_than_to_the_right_is_refused(
    offset_m: tuple[float, float, float],
) -> None:
    with pytest.raises(ValueError, match="are left and right swapped"):
        RawStereoCalibration.from_pair(LEFT, RIGHT, rigid(np.eye(3), np.array(offset_m)))


@pytest.mark.parametrize(
    "broken", [2 * np.eye(4), np.diag([1, 1, -1, 1.0]), np.full((4, 4), np.nan)]
)
def test_a_transform_that_is_not_rigid_is_refused(broken: Matrix) -> None:
    with pytest.raises(ValueError, match="body_from_left is not a rigid"):
        RawStereoCalibration(LEFT, RIGHT, broken, MOUNT)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_another_number_of_coefficients_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="right are 4"):
        CameraModel(LEFT.pinhole, (0.0,) * count)


@pytest.mark.parametrize("focal_px", [0.0, -1.0, np.nan, np.inf])
def test_a_focal_length_that_is_no_length_is_refused(focal_px: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        CameraModel(Intrinsics(64, 48, focal_px, 50.0, 32, 24))


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(480, 752\)"):
        Rectifier.fitting(raw_pair()).left(np.zeros((480, 640), np.uint8))


def test_eyes_that_see_nothing_in_common_are_refused() -> None:
    apart = Rotation.from_euler("y", 150, degrees=True).as_matrix()
    pair = RawStereoCalibration.from_pair(LEFT, RIGHT, rigid(apart, apart @ [-0.1, 0, 0]))
    with pytest.raises(ValueError, match="no common rectangle"):
        _ = Rectifier.fitting(pair).calibration
