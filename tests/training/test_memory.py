"""A learner goes on from an earlier flight as without a pause; anything else is refused."""

import dataclasses
import json
import math
from concurrent.futures import Future
from contextlib import closing

import numpy as np
import pytest
import torch
from test_online import CONFIG, GRID, METER, SPEC, equal, sample, teach, trainer, weights

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.errors import UserError
from drone.geometry import GridSpec
from drone.onboard.mono import MonoNetwork, MonoSpec
from training.buffer import LabelledFrame
from training.memory import Keeper, packed, past, unpacked
from training.online import OnlineTrainer
from training.store import Memory, MemoryStore, Saved
from training.tensorfile import file_of_arrays, read_arrays
from training.textonlearner import TextonTrainer
from training.trainer import Syllabus

LEVEL = (0.0, 1.0, 0.0)
FLOWN = 60


def through_a_file(memory):
    """Return a memory as the store gives it back."""
    arrays, _ = read_arrays(file_of_arrays(memory.arrays, {}))
    return Memory(json.loads(json.dumps(memory.facts)), arrays, memory.models)


@pytest.fixture(scope="module")
def before():
    """A learner that has flown, and what it remembers."""
    learner = trainer()
    versions = teach(learner, FLOWN)
    assert versions
    return learner, through_a_file(learner.remembered())


@pytest.fixture
def recalled(before):
    learner = trainer(seed=1)
    learner.recall(before[1])
    return learner


def learn_on(learner, rng_state, frames=5):
    """Go on, by the same draws, and return network, average and moments."""
    learner._rng.bit_generator.state = rng_state
    for seq in range(FLOWN, FLOWN + frames):
        learner.observe(*sample(seq), LEVEL)
        learner.learn()
    moments = [
        value.clone()
        for parameter in learner._network.parameters()
        for value in learner._optimizer.state[parameter].values()
    ]
    return weights(learner._network), weights(learner._average), moments


def test_it_goes_on_bit_for_bit_as_without_a_pause():
    """Negative control: without the optimiser's moments it does not."""
    learner = trainer()
    teach(learner, FLOWN)
    memory = through_a_file(learner.remembered())
    without = {k: v for k, v in memory.arrays.items() if not k.startswith("optimizer.")}
    state = learner._rng.bit_generator.state
    expected = learn_on(learner, state)
    for arrays, same in ((memory.arrays, True), (without, False)):
        other = trainer(seed=1)
        other.recall(memory._replace(arrays=arrays))
        found = learn_on(other, state)
        assert equal(found[0], expected[0]) is same
        assert equal(found[1], expected[1]) is same
        if same:
            assert all(torch.equal(a, b) for a, b in zip(found[2], expected[2], strict=True))


def test_counts_and_frames_come_back(before, recalled):
    learner, _ = before
    assert recalled.counts.labelled == learner.counts.labelled == FLOWN
    assert recalled.counts.steps == learner.counts.steps
    assert recalled.counts.version == learner.counts.version
    assert recalled.counts.train_loss == learner.counts.train_loss
    assert recalled.buffered == learner.buffered
    for found, kept in zip(recalled.buffer.frames, learner.buffer.frames, strict=True):
        assert np.array_equal(found.image, kept.image)
    assert len(recalled.holdout) == len(learner.holdout)
    assert recalled.remembered().facts["flights"] == 2


def test_what_flew_flies_on(before, recalled):
    learner, _ = before
    assert recalled.flying.onnx == learner.flying.onnx
    assert recalled.flying.seq == learner.flying.seq
    kept = learner.weights_of[learner.flying.seq]
    found = recalled.weights_of[learner.flying.seq]
    assert all(np.array_equal(found[name], kept[name]) for name in kept)


def test_a_worse_candidate_does_not_replace_what_flew(before, recalled):
    """Negative control: with nothing remembered as flying, it passes."""
    _, memory = before
    careless = trainer(seed=1)
    careless.recall(memory._replace(models={}))
    for learner, passes in ((recalled, False), (careless, True)):
        with torch.no_grad():
            learner._average.head.bias[0] += 3.0
            learner._average.obstacle[2].bias[0] += 3.0
        learner.counts.steps += 1
        published = learner.publish(ns_from_s(100.0))
        assert (published is not None) is passes
        assert (learner.counts.rejected == 0) is passes
    assert recalled.flying.onnx == memory.models["flying"]


def test_no_frame_of_an_earlier_flight_is_taken_for_one_of_this_flight(before):
    """Trust pairs labels and scores by number: an old frame's score must find no new label.

    Without the gate, so that versions are published whatever the machine's rounding makes of them.
    """
    recalled = trainer(seed=1, gated=False)
    recalled.recall(before[1])
    old = [*recalled.buffer.frames, *recalled.holdout.frames]
    assert old
    assert all(frame.seq < 0 and frame.stamp_ns < 0 for frame in old)
    assert len({frame.seq for frame in recalled.holdout.frames}) == len(recalled.holdout)
    versions = teach(recalled, FLOWN)
    assert versions[-1].holdout_seq
    now = {seq for v in versions for seq in v.holdout_seq if seq >= 0}
    assert now < set(range(FLOWN))
    again = trainer(seed=2)
    again.recall(through_a_file(recalled.remembered()))
    assert all(f.seq < 0 and f.stamp_ns < 0 for f in again.holdout.frames)


def test_trust_begins_with_what_was_held_out_scored_by_what_flies(before, recalled):
    """Negative control: a learner that remembers no model brings neither."""
    learner, memory = before
    model, labels = recalled.testimony()
    known = [f for f in learner.holdout.frames if math.isfinite(f.obstacle_m)]
    assert [pair.label_m for pair in labels] == [f.obstacle_m for f in known]
    assert all(pair.held_out and pair.stamp_ns < 0 for pair in labels)
    assert {pair.seq for pair in labels} <= set(model.holdout_seq)
    assert model.onnx == memory.models["flying"]
    network = MonoNetwork(model, SPEC)
    by_seq = dict(zip(model.holdout_seq, model.holdout_obstacle_m, strict=True))
    for frame in recalled.holdout.frames:
        answer = network.estimate(frame.image)
        assert by_seq[frame.seq] == answer.obstacle_m(METER, frame.down, 1.0)
    forgetful = trainer(seed=1)
    forgetful.recall(memory._replace(models={}))
    assert forgetful.testimony() == (None, ())


def test_versions_to_come_score_what_was_held_out_before(before):
    recalled = trainer(seed=1, gated=False)  # whether a candidate is good enough is not asked here
    recalled.recall(before[1])
    old = {frame.seq for frame in recalled.holdout.frames}
    versions = teach(recalled, FLOWN)
    assert old & set(versions[0].holdout_seq)


def test_familiarity_goes_on(before, recalled):
    assert recalled._familiarity.known == before[0]._familiarity.known
    assert np.array_equal(recalled._familiarity._learned, before[0]._familiarity._learned)
    assert np.array_equal(recalled._familiarity._held_out, before[0]._familiarity._held_out)


def test_features_of_other_convolutions_are_not_taken(before):
    learner = trainer()
    arrays = {**before[1].arrays, "familiarity.weights": np.zeros(32, np.uint8)}
    learner.recall(before[1]._replace(arrays=arrays))
    assert not learner._familiarity._learned


@pytest.mark.parametrize(
    ("spec", "kind", "says"),
    [
        (MonoSpec(64, 48, GridSpec(3, 4), SPEC.calibration), "cnn", "grid '6x8'.*'3x4'"),
        (MonoSpec(32, 24, GRID, SPEC.calibration), "cnn", "input '64x48'.*'32x24'"),
        (MonoSpec(64, 48, GRID, "f" * 16), "cnn", "calibration '0123456789abcdef'.*'ffff"),
        (SPEC, "texton-knn", "learner 'cnn'.*'texton-knn'.*another folder"),
    ],
    ids=["grid", "input", "camera", "learner"],
)
def test_a_memory_of_something_else_is_refused_in_words(before, spec, kind, says):
    made = TextonTrainer if kind.startswith("texton") else OnlineTrainer
    config = CONFIG.model_copy(update={"kind": kind})
    learner = made(Syllabus(config, spec, METER, 0, 1.0, 10.0))
    with pytest.raises(UserError, match=says):
        learner.recall(before[1])


def test_weights_of_another_network_are_refused(before):
    arrays = dict(before[1].arrays)
    del arrays["network.head.weight"]
    with pytest.raises(UserError, match="another network"):
        trainer().recall(before[1]._replace(arrays=arrays))


def test_a_learner_that_has_seen_nothing_can_be_remembered():
    memory = through_a_file(trainer().remembered())
    learner = trainer()
    learner.recall(memory)
    assert learner.flying is None
    assert math.isnan(learner.counts.train_loss)
    assert teach(learner, FLOWN)


# Packing


def test_every_field_of_a_frame_is_kept():
    frame, label = sample(3)
    whole = LabelledFrame(
        3, 5, frame.left, label.inverse_depth, label.confidence, 1.25, (0.1, 0.9, 0.2), 2.5, True
    )
    unknown = dataclasses.replace(whole, obstacle_m=math.nan, lambda_px=math.nan, overridden=False)
    found = unpacked("f", packed("f", [whole, unknown]))
    for kept, wanted in zip(found, (whole, unknown), strict=True):
        for field in dataclasses.fields(LabelledFrame):
            np.testing.assert_array_equal(getattr(kept, field.name), getattr(wanted, field.name))


def test_an_older_memory_knows_of_no_overrides():
    frame, label = sample(3)
    whole = LabelledFrame(
        3, 5, frame.left, label.inverse_depth, label.confidence, 1.25, (0.1, 0.9, 0.2), 2.5, True
    )
    arrays = packed("f", [whole])
    del arrays["f.overridden"]
    assert not unpacked("f", arrays)[0].overridden


def test_past_puts_the_newest_before_this_flight():
    arrays = {"a.seq": np.array([4, 9]), "b.seq": np.array([7]), "a.stamp_ns": np.array([100, 5])}
    number, stamp_ns = past(arrays)
    assert (9 - number, 100 - stamp_ns) == (-1, -1_000_000_000)
    assert past({}) == (0, 999_999_999)


# The paper's learners


TEXTON = LearnerConfig(
    **{**CONFIG.model_dump(), "kind": "texton-knn", "active": True, "publish_s": 1.0}
)


def texton():
    return TextonTrainer(Syllabus(TEXTON, SPEC, METER, 0, 1.0, 10.0))


def test_the_papers_learners_go_on_too():
    learner = texton()
    assert teach(learner, FLOWN)
    other = texton()
    other.recall(through_a_file(learner.remembered()))
    assert other.buffered == learner.buffered > 0
    assert list(other._decisions) == list(learner._decisions)
    assert other._export(9, "{}") == learner._export(9, "{}")
    frame = sample(70)[0].left
    assert other._answer(frame).inverse_depth[0, 0] == learner._answer(frame).inverse_depth[0, 0]


def test_other_textons_are_refused():
    memory = texton().remembered()
    facts = {**memory.facts, "basis": "textons 0000"}
    with pytest.raises(UserError, match="basis 'textons 0000'"):
        texton().recall(memory._replace(facts=facts))


# Keeping


class Shelf:
    """A store that keeps at once, or finds the disk full."""

    folder = "shelf"

    def __init__(self):
        self.kept, self.full, self.open = [], False, True

    def save(self, memory):
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept.append(memory)
        return Saved(len(self.kept), 10)

    def close(self):
        self.open = False


class AtOnce:
    """A worker that has done the work when it is given."""

    def submit(self, work, *arguments):
        done = Future()
        try:
            done.set_result(work(*arguments))
        except OSError as error:
            done.set_exception(error)
        return done

    def shutdown(self):
        pass


@pytest.fixture
def keeper(monkeypatch):
    monkeypatch.setattr("training.memory.ThreadPoolExecutor", lambda _: AtOnce())
    return Keeper(Shelf(), lambda: "memory", 30.0)


def fly(keeper, seconds, start=0):
    return [keeper.lesson_over(ns_from_s(t)) for t in range(start, start + seconds)]


def test_it_is_saved_every_so_often_and_at_the_end(keeper):
    assert not any(fly(keeper, 100))
    assert len(keeper._store.kept) == 3
    remembered = keeper.finish()
    assert (remembered.saved.version, remembered.problem) == (4, "")
    assert not keeper._store.open


def test_a_full_disk_is_told_once_and_the_flight_goes_on(keeper):
    fly(keeper, 40)
    keeper._store.full = True
    told = [problem for problem in fly(keeper, 100, start=40) if problem]
    assert len(told) == 1
    assert "shelf: the memory cannot be saved: No space left on device" in told[0]
    remembered = keeper.finish()
    assert remembered.saved.version == 1, "what was saved before stays"
    assert "No space left" in remembered.problem


def test_where_there_is_room_again_it_is_saved_again(keeper):
    keeper._store.full = True
    fly(keeper, 60)
    keeper._store.full = False
    assert keeper.finish() == (Saved(1, 10), "")


def test_what_is_saved_is_of_one_moment(tmp_path, before):
    """What is learned while a memory is being written does not get into it."""
    learner = trainer()
    teach(learner, 30)
    memory = learner.remembered()
    weight = memory.arrays["network.head.weight"].copy()
    teach(learner, 10, start=30)
    with closing(MemoryStore(tmp_path)) as store:
        store.save(memory)
        kept = store.latest()
    assert np.array_equal(kept.arrays["network.head.weight"], weight)
    assert not np.array_equal(weight, learner._network.state_dict()["head.weight"].numpy())
