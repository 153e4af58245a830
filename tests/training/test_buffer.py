import collections
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from training.buffer import (
    BUCKETS_M,
    GUARD_S,
    HoldOut,
    LabelledFrame,
    ReplayBuffer,
    bucket,
    role,
)

CONFIG = LearnerConfig(holdout_block_s=2.0, holdout_every=5)


def frame(seq, obstacle_m=3.0, overridden=False):
    return LabelledFrame(
        seq,
        seq,
        np.full((4, 4), seq % 256, np.uint8),
        np.full((2, 2), seq, np.float32),
        np.full((2, 2), 0.5, np.float32),
        obstacle_m,
        (0.0, 1.0, 0.0),
        overridden=overridden,
    )


def held(buffer):
    """What a large sample says is in the buffer, by frame number."""
    batch = buffer.sample(5000, np.random.default_rng(0))
    return collections.Counter(batch.inverse_depth[:, 0, 0, 0].astype(int).tolist())


@pytest.mark.parametrize(
    ("obstacle_m", "index"),
    [(0.0, 0), (0.69, 0), (0.7, 1), (1.0, 2), (2.99, 4), (3.0, 5), (8.0, 5), (math.nan, 6)],
)
def test_buckets(obstacle_m, index):
    assert bucket(obstacle_m) == index
    assert len(BUCKETS_M) == 5


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        (0.0, "train"),  # nothing was held out before the start
        (7.69, "train"),
        (7.71, "guard"),
        (8.0, "holdout"),
        (9.99, "holdout"),
        (10.0, "guard"),
        (10.29, "guard"),
        (10.31, "train"),
        (18.0, "holdout"),
    ],
)
def test_blocks_of_time(at_s, expected):
    assert role(ns_from_s(at_s), CONFIG) == expected


@given(st.floats(0.05, 5.0), st.integers(2, 8), st.floats(0, 100))
def test_what_is_learned_from_is_never_near_what_is_held_out(block_s, every, at_s):
    config = LearnerConfig(holdout_block_s=block_s, holdout_every=every)
    if role(ns_from_s(at_s), config) != "train":
        return
    for step in range(-59, 60):
        beside_s = at_s + step / 60 * (GUARD_S - 0.002)
        if beside_s >= 0:
            assert role(ns_from_s(beside_s), config) != "holdout"


def test_the_buffer_is_bounded_and_the_fullest_bucket_makes_room():
    buffer = ReplayBuffer(10)
    for seq in range(3):
        buffer.add(frame(seq, 0.5))
    for seq in range(3, 40):
        buffer.add(frame(seq, 5.0))
        assert len(buffer) <= 10
    assert {0, 1, 2} <= set(held(buffer)), "near obstacles stay"


def test_without_balance_the_latest_stay():
    buffer = ReplayBuffer(10, balanced=False)
    for seq in range(40):
        buffer.add(frame(seq, 0.5 if seq < 3 else 5.0))
    assert set(held(buffer)) == set(range(30, 40))


def pictured(seq, picture, noise=0.0):
    """A frame of one of some places."""
    rng = np.random.default_rng([picture, 5])
    image = rng.integers(0, 256, (4, 4)) + noise * np.random.default_rng(seq).normal(0, 1, (4, 4))
    return replace(frame(seq, 5.0), image=np.clip(image, 0, 255).astype(np.uint8))


def test_a_place_looked_at_for_long_is_thinned_out():
    """Five places seen once, then one place for long: the five stay, however old they are."""
    buffer = ReplayBuffer(20)
    for seq in range(5):
        buffer.add(pictured(seq, seq))
    for seq in range(5, 400):
        buffer.add(pictured(seq, 99, noise=3))
    assert set(range(5)) <= set(held(buffer))


def test_ages_stay_mixed():
    """Where no frame is like another, old and new ones remain."""
    buffer = ReplayBuffer(50)
    surprise = np.random.default_rng(0).random(200)
    for seq in range(200):
        buffer.add(pictured(seq, seq))
        for kept in buffer:
            kept.surprise = surprise[kept.frame.seq]
    ages = np.array(sorted(held(buffer)))
    assert (ages < 100).sum() >= 5
    assert (ages >= 150).sum() >= 10


def test_of_two_alike_the_more_surprising_stays():
    buffer = ReplayBuffer(2)
    buffer.add(pictured(0, 7))
    buffer.add(pictured(1, 7))
    for kept in buffer:
        kept.surprise = {0: 0.9, 1: 0.1}[kept.frame.seq]
    buffer.add(pictured(2, 8))
    assert set(held(buffer)) == {0, 2}


def test_of_two_alike_that_surprise_alike_the_newer_stays():
    buffer = ReplayBuffer(2)
    for seq, place in enumerate((7, 7, 8)):
        buffer.add(pictured(seq, place))
    assert set(held(buffer)) == {1, 2}


def test_what_makes_room_depends_on_the_seed_alone():
    def kept(seed):
        buffer = ReplayBuffer(30, seed)
        for seq in range(100):
            buffer.add(pictured(seq, seq))
        return set(held(buffer))

    assert kept(1) == kept(1) != kept(2)


def test_unknown_distances_are_kept_too():
    buffer = ReplayBuffer(4)
    buffer.add(frame(0, math.nan))
    assert set(held(buffer)) == {0}


def test_batches_hold_rare_distances_more_often_than_the_flight_does():
    """One near frame among a hundred: half the draws go evenly over the two buckets."""
    buffer = ReplayBuffer(1000)
    buffer.add(frame(0, 0.5))
    for seq in range(1, 100):
        buffer.add(frame(seq, 5.0))
    share = held(buffer)[0] / 5000
    assert share == pytest.approx(0.5 * 0.5 + 0.5 / 100, abs=0.03)


def test_frames_of_a_bucket_are_drawn_evenly():
    buffer = ReplayBuffer(10)
    for seq in range(5):
        buffer.add(frame(seq))
    counts = held(buffer)
    assert set(counts) == set(range(5))
    assert max(counts.values()) - min(counts.values()) < 200


def test_a_batch_is_stacked_copies():
    buffer = ReplayBuffer(10)
    kept = frame(7)
    buffer.add(kept)
    batch = buffer.sample(3, np.random.default_rng(0))
    assert (batch.image.shape, batch.image.dtype) == ((3, 1, 4, 4), np.uint8)
    assert batch.inverse_depth.shape == batch.confidence.shape == (3, 1, 2, 2)
    batch.image[:] = batch.inverse_depth[:] = 0
    assert kept.image[0, 0] == 7
    assert kept.inverse_depth[0, 0] == 7


def test_the_same_generator_draws_the_same_batch():
    buffer = ReplayBuffer(50)
    for seq in range(50):
        buffer.add(frame(seq, 0.5 + seq / 10))
    first, again, other = (
        buffer.sample(16, np.random.default_rng(seed)).inverse_depth.tobytes() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_an_empty_buffer_has_nothing_to_sample():
    with pytest.raises(ValueError, match="empty"):
        ReplayBuffer(4).sample(2, np.random.default_rng(0))


def test_the_held_out_frames_are_the_latest():
    holdout = HoldOut(3)
    for seq in range(5):
        holdout.add(frame(seq))
    assert [f.seq for f in holdout.frames] == [2, 3, 4]
    assert len(holdout) == 3


# Overrides


def filled(overridden, count=200, **rules):
    """Far frames, of which the first so many were overridden."""
    buffer = ReplayBuffer(count, **rules)
    for seq in range(count):
        buffer.add(frame(seq, overridden=seq < overridden))
    return buffer


@pytest.mark.parametrize(
    ("overridden", "share"), [(0, 0.0), (1, 5 / 200), (2, 10 / 200), (50, 0.1)]
)
def test_frames_at_which_stereo_overrode_mono_are_drawn_more_often(overridden, share):
    drawn = held(filled(overridden))
    found = sum(drawn[seq] for seq in range(overridden)) / 5000
    expected = share + (1 - share) * overridden / 200
    assert found == pytest.approx(expected, abs=0.02)


def test_without_overrides_the_draws_are_what_they_were():
    """So that flights without them stay the same to the bit."""
    batch = filled(0).sample(64, np.random.default_rng(3))
    plain = filled(0)
    assert not any(kept.frame.overridden for kept in plain)
    assert np.array_equal(batch.image, plain.sample(64, np.random.default_rng(3)).image)


def test_of_two_that_look_alike_the_overridden_one_stays():
    buffer = ReplayBuffer(2)
    buffer.add(frame(0, overridden=True))
    for seq in range(1, 20):
        buffer.add(frame(seq))
        if seq > 1:
            assert {f.seq for f in buffer.frames} == {0, seq}


def test_what_is_gone_is_drawn_no_more():
    buffer = filled(4, count=4)
    for seq in range(100, 104):
        buffer.add(frame(seq, overridden=True))
    assert {f.seq for f in buffer.frames} >= set(held(buffer))
    assert len(buffer) == 4


def test_without_balance_the_oldest_goes_and_none_is_worth_more():
    buffer = filled(50, balanced=False)
    buffer.add(frame(1000))
    assert 0 not in {f.seq for f in buffer.frames}
    assert sum(held(buffer)[seq] for seq in range(50)) / 5000 == pytest.approx(0.25, abs=0.03)
