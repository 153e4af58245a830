"""The learner's process: same lessons as in this process, and a death that is noticed."""

import itertools
import os
import resource
import signal
import time

import numpy as np
import pytest

from drone.config import LearnerConfig
from drone.errors import UserError, WorkFailedError
from drone.geometry import Corridor, DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel, ModelVersion, StereoFrame
from drone.onboard.mono import MonoSpec
from training.online import OnlineTrainer
from training.teacher import NICENESS, Learner, Start
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


# From one flight to the next


def fly(learner, count):
    """Learn from so many frames; return the models and the problems that came."""
    came = []
    for frame, label in lessons(count):
        learner.begin(frame, label, DOWN)
        came.append(learner.lesson())
    return [c.model for c in came if c.model], [c.problem for c in came if c.problem]


def test_the_next_flight_goes_on_where_the_last_one_ended(tmp_path):
    start = Start(memory=tmp_path / "memory")
    first = Learner(SYLLABUS, start)
    assert first.opening().model is None
    models, problems = fly(first, 12)
    ending = first.end()
    first.close()
    assert not problems
    assert ending.remembered.saved.version == 1
    assert models[-1].seq in ending.weights
    second = Learner(SYLLABUS, start)
    opening = second.opening()
    assert (opening.model.seq, opening.model.sha256) == (models[-1].seq, models[-1].sha256)
    assert opening.facts["labelled_frames"] == 12
    later, _ = fly(second, 12)
    second.close()
    assert later[0].seq == models[-1].seq + 1


def test_a_killed_learner_loses_no_more_than_since_the_last_saving(tmp_path):
    syllabus = SYLLABUS._replace(config=SYLLABUS.config.model_copy(update={"save_s": 0.4}))
    start = Start(memory=tmp_path / "memory")
    learner = Learner(syllabus, start)
    fly(learner, 20)
    os.kill(learner._process.pid, signal.SIGKILL)
    learner.close()
    second = Learner(syllabus, start)
    assert 5 <= second.opening().facts["labelled_frames"] <= 20
    second.close()


def test_a_full_disk_costs_the_memory_and_nothing_else(tmp_path):
    syllabus = SYLLABUS._replace(config=SYLLABUS.config.model_copy(update={"save_s": 0.3}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        learner = Learner(syllabus, Start(memory=tmp_path / "memory"))
        models, problems = fly(learner, 20)
        ending = learner.end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        learner.close()
    assert len(models) > 2
    assert len(problems) == 1
    assert "memory cannot be saved: File too large" in problems[0]
    assert ending.remembered.saved is None
    assert "what was saved before stays" in ending.remembered.problem
    assert [p.name for p in (tmp_path / "memory").iterdir()] == [".lock"]


def test_a_memory_of_another_camera_is_refused_before_the_flight(tmp_path):
    start = Start(memory=tmp_path / "memory")
    first = Learner(SYLLABUS, start)
    fly(first, 6)
    first.end()
    first.close()
    other = SYLLABUS._replace(spec=MonoSpec(32, 24, GRID, "other"))
    learner = Learner(other, start)
    with pytest.raises(UserError, match=r"memory: .*calibration 'test'.*'other'"):
        learner.opening()
    learner.close()


@pytest.fixture(scope="module")
def made():
    """A version of the warm-started network, for this grid."""
    trainer = OnlineTrainer(SYLLABUS)
    for frame, label in lessons(12):
        trainer.observe(frame, label, DOWN)
        trainer.learn()
        model = trainer.publish(frame.stamp_ns)
        if model is not None:
            return model
    raise AssertionError("nothing was published")


def test_a_given_model_flies_first_and_versions_count_on_from_it(made):
    given = ModelVersion(7, 0, True, made.onnx, made.sha256)
    learner = Learner(SYLLABUS, Start(model=given))
    assert learner.opening().model.sha256 == made.sha256
    models, _ = fly(learner, 12)
    learner.close()
    assert [m.seq for m in models][:1] == [8]


def test_a_given_model_of_another_camera_is_refused(made):
    other = SYLLABUS._replace(spec=MonoSpec(32, 24, GRID, "other"))
    learner = Learner(other, Start(model=made))
    with pytest.raises(UserError, match=r"given model does not fly here: .*calibration"):
        learner.opening()
    learner.close()


def test_a_learner_that_cannot_begin_says_why_at_the_first_lesson():
    """It was a traceback of the learner's process."""
    other = SYLLABUS._replace(config=SYLLABUS.config.model_copy(update={"kind": "texton-knn"}))
    learner = Learner(other._replace(spec=MonoSpec(4, 3, GridSpec(3, 4), "test")))
    frame, label = next(lessons(1))
    learner.begin(frame, label, DOWN)
    with pytest.raises(UserError, match="patches"):
        learner.lesson()
    learner.close()


def live_lessons(share):
    """Return the share of two seconds that lessons took, and how many they were.

    The clock starts with the first lesson learned, for the process's own start is no lesson, and
    stops when the last one has been rested from.
    """
    config = SYLLABUS.config.model_copy(update={"cpu_share": share})
    learner = Learner(SYLLABUS._replace(config=config), live=True)
    frames = itertools.cycle(list(lessons(200)))
    try:
        learner.opening()
        learner.begin(*next(frames), DOWN)
        learner.lesson()
        started_s, busy_s, taught = time.monotonic(), 0.0, 0
        while learner.busy or time.monotonic() - started_s < 2.0:
            if not learner.busy:
                learner.begin(*next(frames), DOWN)
                busy_s += learner.lesson().duration_s
                taught += 1
        return busy_s / (time.monotonic() - started_s), taught
    finally:
        learner.close()


def test_a_live_learner_takes_no_more_than_its_share():
    share, taught = live_lessons(0.2)
    assert taught >= 2
    assert share <= 0.2
    assert live_lessons(1.0)[0] > 2 * share, "without a limit it takes more"


def test_a_live_learner_gives_way_and_another_does_not(learner):
    live = Learner(SYLLABUS, live=True)
    try:
        for each in (learner, live):
            teach_once(each, *next(lessons(1)))
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, learner._process.pid) == ours
        assert os.getpriority(os.PRIO_PROCESS, live._process.pid) == min(19, ours + NICENESS)
    finally:
        live.close()
