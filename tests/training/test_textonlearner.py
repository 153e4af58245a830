"""The paper's learner in flight: memory, versions, active learning."""

import json
import math

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.geometry import DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard.mono import MonoNetwork, MonoSpec
from training.learners import trainer_for
from training.regressors import REGRESSORS
from training.textonlearner import TextonTrainer, operating_point
from training.trainer import Syllabus

GRID = GridSpec(6, 8)
SPEC = MonoSpec(80, 60, GRID, "0123456789abcdef")
METER = DistanceMeter(Intrinsics.from_hfov(80, 60, math.radians(70)), GRID)
LEVEL = (0.0, 1.0, 0.0)
DISPARITY_METRES = 5.0
CONFIG = LearnerConfig(
    kind="texton-knn",
    buffer_frames=60,
    min_frames=6,
    publish_s=2.0,
    holdout_block_s=1.0,
    holdout_every=3,
    holdout_frames=20,
)


def sample(seq, valid=True, lambda_px=None):
    """A frame in which bright is near: λ can be learned from how bright the patches are."""
    rng = np.random.default_rng(seq)
    near = rng.uniform(0.3, 2.0)
    image = np.clip(rng.normal(near * 110, 8, (60, 80)), 0, 255).astype(np.uint8)
    grid = np.full((6, 8), near, np.float32)
    stamp_ns = ns_from_s(seq / 10)
    label = DistanceLabel(
        *(seq, stamp_ns, valid, "", grid, np.ones_like(grid), 1 / near, ()),
        near * DISPARITY_METRES if lambda_px is None else lambda_px,
        1.0,
    )
    return StereoFrame(seq, stamp_ns, True, image, None), label


def trainer(**changes):
    config = CONFIG.model_copy(update=changes)
    learner = trainer_for(Syllabus(config, SPEC, METER, 0, 1.5, DISPARITY_METRES))
    assert isinstance(learner, TextonTrainer)
    return learner


def teach(learner, frames):
    versions = []
    for seq in range(frames):
        frame, label = sample(seq)
        learner.observe(frame, label, LEVEL)
        learner.learn()
        versions.append(learner.publish(frame.stamp_ns))
    return [v for v in versions if v is not None]


@pytest.mark.parametrize("kind", REGRESSORS)
def test_a_version_flies_by_the_model_contract(kind):
    version = teach(trainer(kind=kind), 120)[-1]
    network = MonoNetwork(version, SPEC)
    errors = []
    for seq in range(200, 230):
        frame, label = sample(seq)
        answer = network.estimate(frame.left)
        assert answer.finite
        assert answer.inverse_depth.shape == answer.log_variance.shape == (6, 8)
        found_m = answer.obstacle_m(METER, LEVEL)
        assert answer.inverse_depth == pytest.approx(1 / found_m, rel=1e-5)
        assert answer.obstacle_m(METER, LEVEL, 1.5) == pytest.approx(found_m, rel=0.01)
        errors.append(abs(math.log(found_m / label.obstacle_m)))
    assert (np.mean(errors) < 0.15) == (kind != "random"), "who guesses is the negative control"
    assert json.loads(version.summary)["learner"] == kind


def test_its_scores_of_held_out_frames_are_those_of_the_file():
    learner = trainer()
    version = teach(learner, 60)[-1]
    network = MonoNetwork(version, SPEC)
    frames = {f.seq: f for f in learner.holdout.frames}
    scores = dict(zip(version.holdout_seq, version.holdout_obstacle_m, strict=True))
    assert scores
    for seq in set(scores) & set(frames):
        answer = network.estimate(frames[seq].image)
        assert scores[seq] == answer.obstacle_m(METER, LEVEL, 1.5)


def test_the_memory_is_a_ring():
    learner = trainer(buffer_frames=20)
    teach(learner, 90)
    assert learner.buffered == 20


def test_a_frame_without_lambda_teaches_nothing():
    learner = trainer()
    for seq in range(10):
        learner.observe(*sample(seq, lambda_px=math.nan), LEVEL)
        learner.observe(*sample(seq, valid=False), LEVEL)
    assert learner.buffered == 0
    assert learner.publish(ns_from_s(50)) is None


def test_nothing_is_published_from_too_little():
    assert teach(trainer(min_frames=50), 40) == []


def test_active_learning_keeps_fewer_frames_and_still_learns():
    """Negative control: without it every frame to learn from is kept."""
    active, passive = trainer(active=True, buffer_frames=2000), trainer(buffer_frames=2000)
    versions = teach(active, 300)
    teach(passive, 300)
    assert active.buffered < 0.6 * passive.buffered
    assert active.counts.labelled == passive.counts.labelled == 300
    assert len(versions) > 3


def test_operating_point_by_hand():
    """Of twenty near frames one may be missed: the second smallest estimate is the threshold."""
    near = [(float(k), True) for k in range(1, 21)]
    free = [(0.5, False), (30.0, False)]
    assert operating_point(near + free) == 2.0
    assert operating_point(near[:10]) == 1.0, "of ten, none may be missed"
    assert math.isnan(operating_point(free))
