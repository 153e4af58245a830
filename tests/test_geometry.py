import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from drone.geometry import (
    BODY_FROM_OPTICAL,
    Corridor,
    DistanceMeter,
    GridSpec,
    Intrinsics,
    StereoCalibration,
    cells,
    euler_from_quaternion,
    grid_from_dense,
    level_from_camera,
    quaternion_from_euler,
    quaternion_from_rotation,
    rotation_from_quaternion,
    wrap_angle,
)

# 160 x 120 px at f = 100 px, cells of 10 px: the cell centres look 5, 15, 25 ... px off the axis.
# At the reference of 1 m the corridor shows 40 x 20 px to each side: 8 columns of 4 rows.
CAMERA = Intrinsics(160, 120, 100.0, 100.0, 79.5, 59.5)
GRID = GridSpec(12, 16)
CORRIDOR = Corridor(half_width_m=0.4, half_height_m=0.2, percentile=5.0, reference_m=1.0)
METER = DistanceMeter(CAMERA, GRID, CORRIDOR)
LEVEL = (0.0, 1.0, 0.0)
angles = st.floats(-math.pi, math.pi)
pitches = st.floats(-1.5, 1.5)


def wall(depth_m):
    return np.full((12, 16), 1 / depth_m, np.float32)


def with_pillar(background_m, pillar_m, column):
    grid = wall(background_m)
    grid[:, column] = 1 / pillar_m
    return grid


def pitched(angle_rad):
    """Gravity as a camera sees it whose nose is down by so much."""
    return (0.0, math.cos(angle_rad), math.sin(angle_rad))


# Rotations


@given(angles, pitches, angles)
def test_quaternions_and_matrices_agree_with_scipy(roll, pitch, yaw):
    q = quaternion_from_euler(roll, pitch, yaw)
    w, x, y, z = q
    expected = Rotation.from_euler("ZYX", [yaw, pitch, roll])
    rotation = rotation_from_quaternion(q)
    np.testing.assert_allclose(rotation, expected.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(Rotation.from_quat([x, y, z, w]).as_matrix(), rotation, atol=1e-12)
    back = quaternion_from_rotation(rotation)
    assert back[0] >= 0
    np.testing.assert_allclose(rotation_from_quaternion(back), rotation, atol=1e-12)


@given(angles, pitches, angles)
def test_euler_angles_survive_the_quaternion(roll, pitch, yaw):
    r, p, y = euler_from_quaternion(quaternion_from_euler(roll, pitch, yaw))
    assert p == pytest.approx(pitch, abs=1e-9)
    assert wrap_angle(r - roll) == pytest.approx(0, abs=1e-9)
    assert wrap_angle(y - yaw) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("turn", [(0, 0, 0), (math.pi, 0, 0), (0, math.pi, 0), (0, 0, math.pi)])
def test_half_turns_have_a_quaternion(turn):
    rotation = Rotation.from_rotvec(turn).as_matrix()
    q = quaternion_from_rotation(rotation)
    np.testing.assert_allclose(rotation_from_quaternion(q), rotation, atol=1e-12)


@pytest.mark.parametrize("pitch", [math.pi / 2, -math.pi / 2])
def test_straight_up_and_down_have_euler_angles(pitch):
    assert euler_from_quaternion(quaternion_from_euler(0.0, pitch, 0.0))[1] == pytest.approx(pitch)


def test_euler_angles_of_an_unknown_attitude_are_unknown():
    assert all(map(math.isnan, euler_from_quaternion((math.nan,) * 4)))


@given(st.floats(-1e6, 1e6))
def test_wrapped_angles_point_the_same_way(angle):
    wrapped = wrap_angle(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped - angle) == pytest.approx(1)


@pytest.mark.parametrize("turns", [-3, -1, 1, 3])
def test_backwards_is_plus_pi(turns):
    assert wrap_angle(turns * math.pi) == math.pi


# Camera


def test_field_of_view_gives_square_pixels_and_the_middle():
    camera = Intrinsics.from_hfov(200, 100, math.radians(90))
    assert (camera.fx, camera.fy) == pytest.approx((100, 100))
    assert (camera.cx, camera.cy) == (99.5, 49.5)


def test_scaling_keeps_every_ray():
    half = CAMERA.scaled(80, 30)
    assert (half.fx, half.fy) == (50, 25)
    # The left edge of the image lies at -0.5 px whatever its size.
    assert (-0.5 - half.cx) / half.fx == pytest.approx((-0.5 - CAMERA.cx) / CAMERA.fx)
    np.testing.assert_allclose(GRID.rays(half), GRID.rays(CAMERA), atol=1e-12)
    assert half.scaled(160, 120) == CAMERA


def test_rays_go_through_the_cell_centres():
    rays = GRID.rays(CAMERA)
    assert rays.shape == (12, 16, 3)
    np.testing.assert_allclose(rays[0, 0], [-0.75, -0.55, 1])
    np.testing.assert_allclose(rays[11, 15], [0.75, 0.55, 1])
    np.testing.assert_allclose(rays[6, 8], [0.05, 0.05, 1])


def test_calibration_names_itself():
    calibration = StereoCalibration(CAMERA, 0.06)
    assert calibration.disparity_metres == pytest.approx(6.0)
    assert len(calibration.hash) == 16
    assert calibration.hash == StereoCalibration(CAMERA, 0.06).hash
    others = [
        StereoCalibration(CAMERA, 0.061),
        StereoCalibration(CAMERA.scaled(80, 60), 0.06),
        StereoCalibration(CAMERA, 0.06, left_in_body_m=(0.1, 0, 0)),
        StereoCalibration(CAMERA, 0.06, tuple(np.eye(3).ravel())),
    ]
    assert len({c.hash for c in [calibration, *others]}) == 5


@pytest.mark.parametrize(
    ("roll", "pitch", "expected"),
    [
        (0, 0, (0, 1, 0)),
        (0, -30, (0, math.cos(math.pi / 6), 0.5)),  # nose down: gravity turns to the front
        (0, 30, (0, math.cos(math.pi / 6), -0.5)),
        (30, 0, (0.5, math.cos(math.pi / 6), 0)),  # right wing down: gravity turns to the right
    ],
)
def test_gravity_in_the_camera(roll, pitch, expected):
    attitude = quaternion_from_euler(math.radians(roll), math.radians(pitch), 1.0)
    down = StereoCalibration(CAMERA, 0.06).down_in_camera(attitude)
    assert down == pytest.approx(expected)


def test_without_an_attitude_the_body_is_level():
    assert StereoCalibration(CAMERA, 0.06).down_in_camera(None) == (0, 1, 0)


def test_body_from_optical():
    np.testing.assert_array_equal(BODY_FROM_OPTICAL @ [1, 2, 3], [3, 1, 2])


@given(angles, pitches, angles)
def test_the_level_frame_is_the_camera_frame_upright(roll, pitch, yaw):
    attitude = quaternion_from_euler(roll, pitch, yaw)
    down = StereoCalibration(CAMERA, 0.06).down_in_camera(attitude)
    level = level_from_camera(down)
    np.testing.assert_allclose(level @ level.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(level) == pytest.approx(1)
    np.testing.assert_allclose(level @ down, [0, 1, 0], atol=1e-9)
    ahead = level @ [0, 0, 1]
    assert ahead[0] == pytest.approx(0, abs=1e-9)
    assert ahead[2] > 0


@pytest.mark.parametrize("down", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0)])
def test_no_forward_direction_along_gravity(down):
    with pytest.raises(ValueError, match="gravity"):
        level_from_camera(down)


@pytest.mark.parametrize("down", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (math.nan,) * 3])
def test_distances_are_unknown_without_a_forward_direction(down):
    assert math.isnan(METER.obstacle_m(wall(0.5), down))
    assert all(math.isnan(s) for s in METER.sectors_m(wall(0.5), down))


# Obstacle distance


@pytest.mark.parametrize("depth_m", [0.3, 0.5, 1.0, 2.0, 3.0])
def test_a_wall_is_where_it_is(depth_m):
    assert METER.obstacle_m(wall(depth_m)) == pytest.approx(depth_m)


def test_beyond_far_is_far():
    assert METER.obstacle_m(wall(50.0)) == CORRIDOR.far_m


@pytest.mark.parametrize(
    ("column", "expected_m"),
    [
        (8, 1.5),  # 5 px off the axis: 0.075 m
        (10, 1.5),  # 25 px: 0.375 m, inside
        (11, 3.0),  # 35 px: 0.525 m, outside
        (4, 3.0),  # likewise to the left
        (5, 1.5),
    ],
)
def test_a_pillar_counts_where_the_hull_would_touch_it(column, expected_m):
    assert METER.obstacle_m(with_pillar(3.0, 1.5, column)) == pytest.approx(expected_m)


def test_what_passes_above_or_below_does_not_count():
    grid = wall(3.0)
    grid[8:] = 1 / 0.9  # floor and table, from 25 px below: 0.225 m at 0.9 m
    assert METER.obstacle_m(grid) == pytest.approx(3.0)
    grid[7:] = 1 / 0.9  # 15 px below: 0.135 m
    assert METER.obstacle_m(grid) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("percentile", "expected_m"), [(0.0, 1.5), (6.2, 1.5), (6.3, 3.0), (12.5, 3.0), (12.6, 8.0)]
)
def test_the_near_percentile_counts_the_corridors_cells(percentile, expected_m):
    """Of 32 cells known, 2 lie on the pillar and 2 more on the wall inside the corridor."""
    corridor = Corridor(0.4, 0.2, percentile, reference_m=1.0)
    grid = with_pillar(3.0, 1.5, 8)
    assert DistanceMeter(CAMERA, GRID, corridor).obstacle_m(grid) == pytest.approx(expected_m)


@pytest.mark.parametrize("unknown", [math.nan, 0.0, -1.0, math.inf])
@pytest.mark.parametrize(("known_cells", "known"), [(16, True), (15, False)])
def test_too_few_known_cells_are_no_distance(unknown, known_cells, known):
    grid = wall(2.0)
    ahead = grid[4:8, 4:12]
    ahead[np.unravel_index(range(32 - known_cells), ahead.shape)] = unknown
    assert math.isnan(METER.obstacle_m(grid)) != known


def test_unknown_is_never_a_distance():
    assert math.isnan(METER.obstacle_m(GRID.unknown()))
    assert all(math.isnan(s) for s in METER.sectors_m(GRID.unknown()))


@pytest.mark.parametrize("angle_deg", [-30, -10, 10, 30])
def test_a_pitched_camera_measures_along_level_flight(angle_deg):
    """Nose down by a: an upright wall 2 m ahead has depth 2 / (cos a - y sin a) at ray (x, y, 1).

    Negative control: taken as level, the same depths give another distance.
    """
    a = math.radians(angle_deg)
    y = GRID.rays(CAMERA)[..., 1]
    inverse_depth = ((math.cos(a) - y * math.sin(a)) / 2.0).astype(np.float32)
    assert METER.obstacle_m(inverse_depth, pitched(a)) == pytest.approx(2.0, rel=1e-5)
    if abs(angle_deg) == 30:
        assert METER.obstacle_m(inverse_depth, LEVEL) != pytest.approx(2.0, rel=0.05)


def test_a_rolled_camera_turns_the_corridor():
    """On its side the image's columns are upright: 25 px off is above the hull, not beside it."""
    on_its_side = (1.0, 0.0, 0.0)
    grid = with_pillar(3.0, 1.5, 10)
    assert METER.obstacle_m(grid, LEVEL) == pytest.approx(1.5)
    assert METER.obstacle_m(grid, on_its_side) == pytest.approx(3.0)


def test_a_camera_that_sees_nothing_of_the_corridor_knows_nothing():
    """Nose down by 60 degrees the top row still looks 29 degrees down, under the corridor."""
    assert math.isnan(METER.obstacle_m(wall(1.0), pitched(math.radians(60))))


@given(
    st.binary(min_size=4 * 192, max_size=4 * 192),
    st.tuples(angles, st.floats(-math.pi / 2, math.pi / 2)),
)
def test_any_grid_and_attitude_give_a_distance_or_nan(values, attitude):
    grid = np.frombuffer(values, np.float32).reshape(12, 16)
    grid = np.where(np.isnan(grid), np.float32(math.nan), grid)  # no signalling NaN
    down = StereoCalibration(CAMERA, 0.06).down_in_camera(quaternion_from_euler(*attitude, 0.0))
    for distance in (METER.obstacle_m(grid, down), *METER.sectors_m(grid, down)):
        assert math.isnan(distance) or 0 <= distance <= CORRIDOR.far_m


# Sectors


def test_sectors_give_horizontal_range():
    """A wall square to the axis: each sector's nearest cell is its column next to the axis."""
    off_axis = np.array([0.65, 0.45, 0.25, 0.05])
    expected = 2.0 * np.hypot(1, np.concatenate([off_axis, off_axis[::-1]]))
    assert METER.sectors_m(wall(2.0)) == pytest.approx(tuple(expected))


def test_a_post_is_in_its_sector_alone():
    grid = with_pillar(2.0, 0.5, 13)
    sectors = METER.sectors_m(grid)
    assert sectors[6] == pytest.approx(0.5 * math.hypot(1, 0.55))
    assert [*sectors[:6], sectors[7]] == pytest.approx(
        [*METER.sectors_m(wall(2.0))[:6], METER.sectors_m(wall(2.0))[7]]
    )


def test_an_unknown_sector_is_nan_and_the_others_are_not():
    grid = wall(2.0)
    grid[:, 4:6] = math.nan
    assert [math.isnan(s) for s in METER.sectors_m(grid)] == [i == 2 for i in range(8)]


# Grids


def test_cells_are_blocks_of_the_image():
    image = np.arange(24).reshape(4, 6)
    blocks = cells(image, GridSpec(2, 3))
    assert blocks.shape == (2, 3, 4)
    assert blocks[0, 0].tolist() == [0, 1, 6, 7]
    assert blocks[1, 2].tolist() == [16, 17, 22, 23]


def test_grid_from_dense_takes_medians():
    dense = np.zeros((4, 6), np.float32)
    dense[:2, :2] = [[1, 2], [2, 100]]
    grid = grid_from_dense(dense, GridSpec(2, 3))
    assert (grid[0, 0], grid.sum(), grid.dtype) == (2, 2, np.float32)


@pytest.mark.parametrize("shape", [(5, 6), (4, 7)])
def test_images_must_divide_into_cells(shape):
    with pytest.raises(ValueError, match="do not divide into 3 x 2 cells"):
        cells(np.zeros(shape), GridSpec(2, 3))
