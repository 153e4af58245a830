"""Labels of a real flight: they agree through the poses, and refuse what cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from drone.config import PilotConfig, StereoConfig
from drone.geometry import DistanceMeter, Matrix, cells, rotation_from_quaternion
from drone.messages import DistanceLabel, VehicleState
from drone.onboard.camera import CameraSample
from drone.onboard.euroc import EurocSource, open_euroc
from drone.onboard.labels import Labeller, Why
from drone.onboard.stereo import DisparityMap, StereoMatcher

CONFIG = PilotConfig.model_validate({"stereo": {"near_m": 0.5}})
RealFlight = tuple[EurocSource, list[CameraSample]]


@pytest.fixture(scope="module")
def real_flight(real_data: Path) -> RealFlight:
    folder = real_data / "euroc_v1_01_sparse"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the folder of real data")
    source = open_euroc(folder, CONFIG.grid_spec)
    return source, list(source.samples())


def matched(source: EurocSource, sample: CameraSample, config: StereoConfig) -> DisparityMap:
    assert sample.frame.left is not None
    assert sample.frame.right is not None
    matcher = StereoMatcher(config, source.calibration)
    return matcher.match(sample.frame.left, sample.frame.right)


def label_of(source: EurocSource, sample: CameraSample) -> DistanceLabel:
    meter = DistanceMeter(source.calibration.left, CONFIG.grid_spec, CONFIG.corridor_spec)
    labeller = Labeller(CONFIG.labels, meter, source.calibration.disparity_metres)
    attitude = sample.vehicle.attitude if sample.vehicle is not None else None
    down = source.calibration.down_in_camera(attitude)
    return labeller.label(sample.frame, matched(source, sample, CONFIG.stereo), down)


def world_from_left(source: EurocSource, state: VehicleState) -> tuple[Matrix, Matrix]:
    turn, c = rotation_from_quaternion(state.attitude), source.calibration
    return turn @ c.rotation, np.array(state.position_m) + turn @ np.array(c.left_in_body_m)


def warp_error(
    source: EurocSource, depth: Callable[[CameraSample], Matrix], a: CameraSample, b: CameraSample
) -> float:
    """Median |log| between a's depth, carried along the poses into b, and b's own depth."""
    assert a.vehicle is not None
    assert b.vehicle is not None
    k = source.calibration.left
    v, u = (axis[::4, ::4].ravel() for axis in np.mgrid[0 : k.height, 0 : k.width])
    z = depth(a)[v, u]
    points = np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])
    (turn_a, eye_a), (turn_b, eye_b) = (world_from_left(source, s.vehicle) for s in (a, b))
    points = (points @ turn_a.T + eye_a - eye_b) @ turn_b
    points = points[points[:, 2] > 0.2]
    to = np.rint(points[:, :2] / points[:, 2:] * k.fx + [k.cx, k.cy]).astype(int)
    seen = ((to >= 0) & (to < [k.width, k.height])).all(axis=1)
    found = depth(b)[to[seen, 1], to[seen, 0]]
    return float(np.nanmedian(np.abs(np.log(points[seen, 2] / found))))


def test_depth_agrees_between_frames_to_two_per_cent(real_flight: RealFlight) -> None:
    """Plain semi-global matching agrees to 2.5 % on this flight."""
    source, samples = real_flight
    close = [
        (a, b)
        for a, b in pairwise(samples[1:])  # the first has no pose
        if b.frame.stamp_ns - a.frame.stamp_ns < 1_000_000_000
    ][::5]

    def depth(sample: CameraSample) -> Matrix:
        disparity_px = matched(source, sample, CONFIG.stereo).disparity_px
        return source.calibration.disparity_metres / disparity_px

    assert len(close) >= 10
    assert np.median([warp_error(source, depth, a, b) for a, b in close]) < 0.02


def test_over_exposed_windows_have_no_label(real_flight: RealFlight) -> None:
    source, samples = real_flight
    blown = 0
    for sample in samples[::10]:
        label = label_of(source, sample)
        white = cells(sample.frame.left, CONFIG.grid_spec).min(axis=2) >= 253
        assert np.isnan(label.inverse_depth[white]).all()
        assert np.isin(label.reasons[white], [Why.OVER_EXPOSED, Why.PLAIN]).all()
        blown += np.count_nonzero(white)
    assert blown > 10


def test_the_near_pass_at_the_end_is_labelled_or_refused_never_far(
    real_flight: RealFlight,
) -> None:
    """Something 0.4 to 0.8 m away fills the lower third; beyond 0.5 m is out of the range."""
    source, samples = real_flight
    known = 0
    for sample in samples[92:99]:
        low = label_of(source, sample).inverse_depth[9:]
        depth_m = 1 / low[np.isfinite(low)]
        assert (depth_m < 1.0).all()
        known += len(depth_m)
    assert known > 40
