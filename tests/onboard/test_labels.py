import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drone.config import LabelConfig
from drone.geometry import Corridor, DistanceMeter, GridSpec, Intrinsics, StereoCalibration
from drone.messages import StereoFrame
from drone.onboard.labels import Labeller, Why, seen_by_the_right_eye
from drone.onboard.stereo import DisparityMap

# 160 x 120 px, 12 x 16 cells of 10 x 10 px, 6 px m: disparity 3 px is 2 m.
CALIBRATION = StereoCalibration(Intrinsics(160, 120, 100.0, 100.0, 79.5, 59.5), 0.06)
GRID = GridSpec(12, 16)
METER = DistanceMeter(CALIBRATION.left, GRID, Corridor(0.4, 0.2, reference_m=1.0, sectors=8))
CONFIG = LabelConfig(min_cell_share=0.4, min_valid_share=0.25)
LABELLER = Labeller(CONFIG, METER, CALIBRATION.disparity_metres)
FRAME = StereoFrame(5, 77, True, None, None)
LEVEL = (0.0, 1.0, 0.0)


def label(disparity_px, confidence=1.0, labeller=LABELLER):
    disparity = np.full((120, 160), disparity_px, np.float32)
    known = np.isfinite(disparity)
    matched = DisparityMap(
        disparity, np.where(known, confidence, 0).astype(np.float32), float(known.mean())
    )
    return labeller.label(FRAME, matched, LEVEL)


def dense(disparity_px=3.0):
    return np.full((120, 160), disparity_px, np.float32)


def test_a_wall_gives_its_distance_everywhere():
    seen = label(3.0)
    assert (seen.seq, seen.stamp_ns, seen.valid, seen.reason) == (5, 77, True, "")
    np.testing.assert_allclose(seen.inverse_depth, 0.5, rtol=1e-6)
    np.testing.assert_allclose(seen.confidence, 1.0)
    assert seen.obstacle_m == pytest.approx(2.0)
    assert seen.lambda_px == pytest.approx(3.0)
    assert seen.answered_share == 1.0
    assert len(seen.sectors_m) == 8
    assert (seen.inverse_depth.dtype, seen.confidence.dtype) == (np.float32, np.float32)


def test_outliers_move_neither_cell_nor_distance():
    """A tenth of each cell at a wild disparity; the mean over the cell would be off by far."""
    disparity = dense()
    disparity[::10] = 16.0
    seen = label(disparity)
    np.testing.assert_allclose(seen.inverse_depth, 0.5, rtol=1e-6)
    assert seen.obstacle_m == pytest.approx(2.0)
    assert 1 / np.mean(disparity / 6) != pytest.approx(2.0, rel=0.2)


def test_a_post_in_one_column_of_cells_is_seen():
    disparity = dense()
    disparity[:, 80:90] = 6.0
    assert label(disparity).obstacle_m == pytest.approx(1.0)


@pytest.mark.parametrize(("pixels", "known"), [(39, False), (40, True), (100, True)])
def test_a_cell_needs_its_share_of_answers(pixels, known):
    disparity = dense()
    disparity[:10, :10] = math.nan
    disparity[np.unravel_index(range(pixels), (10, 10))] = 6.0
    seen = label(disparity)
    assert math.isfinite(seen.inverse_depth[0, 0]) == known
    assert seen.confidence[0, 0] == pytest.approx(pixels / 100 if known else 0.0)
    assert seen.inverse_depth[0, 1] == pytest.approx(0.5)


def test_disagreement_and_unsureness_lower_confidence():
    """Of 2, 3 and 4 px in one cell only the 40 % at the median agree with it."""
    disparity = dense()
    disparity[:10, :10] = np.repeat([2.0, 3.0, 4.0], [3, 4, 3])
    seen = label(disparity, confidence=0.5)
    assert seen.inverse_depth[0, 0] == pytest.approx(0.5)
    assert seen.confidence[0, 0] == pytest.approx(0.5 * 0.4)
    assert seen.confidence[0, 1] == pytest.approx(0.5)
    # Quartiles 2 and 4 px: the variance is that of a normal distribution with the same quartiles.
    deviation = math.hypot(2 / 1.349, 0.15) / CALIBRATION.disparity_metres
    assert seen.variance[0, 0] == pytest.approx(deviation**2, rel=1e-4)
    assert seen.variance[0, 1] == pytest.approx((0.15 / 6) ** 2, rel=1e-4)


def test_a_cell_across_an_edge_is_known_only_where_most_agree():
    """Negative control: without asking for agreement, the half that is nearer would be the cell."""
    disparity = dense(2.0)
    disparity[:10, 2:10] = 6.0
    disparity[:10, 14:20] = 6.0
    disparity[:10, 10:14] = math.nan
    strict = Labeller(LabelConfig(min_cell_share=0.7), METER, CALIBRATION.disparity_metres)
    seen = label(disparity, labeller=strict)
    assert seen.inverse_depth[0, 0] == pytest.approx(1.0)
    assert math.isnan(seen.inverse_depth[0, 1])
    assert label(disparity).inverse_depth[0, 1] == pytest.approx(1.0)


def test_an_unknown_cell_says_why():
    disparity = dense()
    masks = {name: np.zeros((120, 160), bool) for name in ("plain", "over_exposed", "too_near")}
    for i, mask in enumerate(masks.values()):
        mask[:10, 10 * i : 10 * i + 10] = True
    disparity[:10, :40] = math.nan
    disparity[:10, 40:50] = np.repeat([1.0, 3.0, 9.0], [30, 30, 40]).reshape(10, 10)
    known = np.isfinite(disparity)
    matched = DisparityMap(disparity, known.astype(np.float32), float(known.mean()), **masks)
    strict = Labeller(CONFIG.model_copy(update={"min_cell_share": 0.6}), METER, 6.0)
    seen = strict.label(FRAME, matched, LEVEL)
    expected = [Why.PLAIN, Why.OVER_EXPOSED, Why.TOO_NEAR, Why.DISAGREE, Why.EDGE, Why.KNOWN]
    assert seen.reasons[0, :6].tolist() == expected
    assert (seen.reasons[1:] == Why.KNOWN).all()
    of_a_moment_ago = {Why.CONTRADICTED, Why.REMEMBERED}
    assert set(Why) == {*expected, *of_a_moment_ago}
    assert len({why.words for why in Why}) == len(Why)


def test_a_frame_says_what_most_of_its_cells_lack():
    disparity = dense(math.nan)
    masks = {name: np.zeros((120, 160), bool) for name in ("plain", "over_exposed", "too_near")}
    masks["over_exposed"][:80] = True
    matched = DisparityMap(disparity, np.zeros_like(disparity), 0.0, **masks)
    seen = LABELLER.label(FRAME, matched, LEVEL)
    assert (seen.valid, seen.reason) == (False, "only 0% of the cells are known: over-exposed")


def test_the_right_eye_sees_the_wall_and_the_post_moved_left():
    """A post at 1 m (6 px) before a wall at 2 m (3 px): it hides what is behind it."""
    disparity = dense()
    disparity[:, 80:100] = 6.0
    seen = label(disparity)
    right = seen_by_the_right_eye(disparity, np.ones_like(disparity))
    assert np.nanmax(np.where(np.isfinite(right[0]), right[1], 0)) == 1
    np.testing.assert_array_equal(right[0][:, 74:94], 6.0)
    np.testing.assert_array_equal(right[0][:, :74], 3.0)
    assert np.isnan(right[0][:, 94:97]).all()  # only the right eye sees there
    assert (right[1][:, 94:97] == 0).all()
    np.testing.assert_array_equal(right[0][:, 97:157], 3.0)
    np.testing.assert_allclose(seen.right_inverse_depth[:, 8], 1.0, rtol=1e-6)
    np.testing.assert_allclose(seen.right_inverse_depth[:, [0, 3, 12]], 0.5, rtol=1e-6)
    np.testing.assert_allclose(seen.right_confidence[:, :7], 1.0)
    # Control: written from right to left, the wall would hide the post.
    assert right[0][0, 76] != disparity[0, 79]


@pytest.mark.parametrize(("cells", "valid"), [(47, False), (48, True)])
def test_a_frame_needs_its_share_of_cells_to_teach(cells, valid):
    disparity = np.full((12, 16, 1, 1), math.nan, np.float32)
    disparity.reshape(-1)[:cells] = 3.0
    disparity = np.tile(disparity, (1, 1, 10, 10)).swapaxes(1, 2).reshape(120, 160)
    seen = label(disparity)
    assert seen.valid == valid
    assert seen.reason == ("" if valid else "only 24% of the cells are known")


def test_nothing_known_is_nan_throughout():
    for seen in (label(math.nan), LABELLER.unknown(FRAME, "no right eye")):
        assert not seen.valid
        assert seen.reason
        assert np.isnan(seen.inverse_depth).all()
        assert (seen.confidence == 0).all()
        assert math.isnan(seen.obstacle_m)
        assert math.isnan(seen.lambda_px)
        assert [math.isnan(s) for s in seen.sectors_m] == [True] * 8
        assert seen.answered_share == 0.0


def test_even_a_careless_configuration_knows_nothing_from_nothing():
    careless = Labeller(
        LabelConfig(min_cell_share=0.0, min_valid_share=0.0), METER, CALIBRATION.disparity_metres
    )
    seen = label(math.nan, labeller=careless)
    assert np.isnan(seen.inverse_depth).all()
    assert math.isnan(seen.obstacle_m)


@given(
    hnp.arrays(
        np.float32,
        (12, 16, 4),
        elements=st.one_of(st.just(math.nan), st.floats(0.0625, 32, width=32)),
        fill=st.just(math.nan),
    ),
    st.floats(0, 1, width=32),
)
def test_whatever_was_matched_gives_an_ordered_label(values, confidence):
    disparity = np.zeros((120, 160), np.float32)
    blocks = np.repeat(np.repeat(values.reshape(12, 16, 2, 2), 5, axis=2), 5, axis=3)
    disparity[:] = blocks.swapaxes(1, 2).reshape(120, 160)
    seen = label(disparity, confidence)
    known = np.isfinite(seen.inverse_depth)
    assert ((seen.confidence >= 0) & (seen.confidence <= 1)).all()
    assert (seen.confidence[~known] == 0).all()
    assert (seen.inverse_depth[known] > 0).all()
    assert seen.valid == (known.mean() >= CONFIG.min_valid_share)
    assert seen.valid or seen.reason
    assert math.isnan(seen.obstacle_m) or 0 < seen.obstacle_m <= 8
