"""The learner's process: same lessons as in this process, and a death that is noticed."""

import os
import signal

import numpy as np
import pytest

from drone.config import LearnerConfig
from drone.errors import WorkFailedError
from drone.geometry import Corridor, DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard.mono import MonoSpec
from training.online import OnlineTrainer
from training.teacher import Learner
from training.trainer import Syllabus

CAMERA = Intrinsics.from_hfov(32, 24, 1.2)
GRID = GridSpec(3, 4)
METER = DistanceMeter(CAMERA, GRID, Corridor())
SYLLABUS = Syllabus(
    LearnerConfig(batch_size=2, min_frames=2, publish_s=0.2, holdout_block_s=0.1),
    MonoSpec(32, 24, GRID, "test"),
    METER,
    5,
    1.5,
)
DOWN = (0.0, 1.0, 0.0)


def lessons(count):
    rng = np.random.default_rng(3)
    for seq in range(count):
        image = rng.integers(0, 255, (24, 32), dtype=np.uint8)
        grid = rng.uniform(0.2, 2.0, (3, 4)).astype(np.float32)
        stamp_ns = seq * 100_000_000
        label = DistanceLabel(
            *(seq, stamp_ns, True, "", grid, np.ones_like(grid)), 1.5, (1.0,) * 8, 3.0, 1.0
        )
        yield StereoFrame(seq, stamp_ns, True, image, image), label


def teach_once(learner, frame, label):
    """Whether the pipe breaks at sending or at receiving is the system's choice."""
    learner.begin(frame, label, DOWN)
    learner.lesson()


@pytest.fixture
def learner():
    learner = Learner(SYLLABUS)
    yield learner
    learner.close()


def test_lessons_are_those_of_a_trainer_in_this_process(learner):
    trainer = OnlineTrainer(SYLLABUS)
    versions = []
    for frame, label in lessons(12):
        assert learner.lesson() is None, "nothing was begun"
        learner.begin(frame, label, DOWN)
        lesson = learner.lesson()
        trainer.observe(frame, label, DOWN)
        trainer.learn()
        model = trainer.publish(frame.stamp_ns)
        assert (lesson.model is None) == (model is None)
        assert lesson.report.sgd_steps == trainer.counts.steps
        if model is not None:
            assert lesson.model.sha256 == model.sha256
            assert lesson.model.holdout_seq == model.holdout_seq
            versions.append(model.seq)
    assert len(versions) >= 2


def test_a_killed_learner_is_an_error_that_says_so(learner):
    frame, label = next(lessons(1))
    os.kill(learner._process.pid, signal.SIGKILL)
    learner._process.wait()
    with pytest.raises(WorkFailedError, match="learner's process ended"):
        teach_once(learner, frame, label)


def test_closing_ends_the_process_also_in_the_middle_of_a_lesson():
    learner = Learner(SYLLABUS)
    frame, label = next(lessons(1))
    learner.begin(frame, label, DOWN)
    learner.close()
    assert learner._process.poll() is not None
    learner.close()
