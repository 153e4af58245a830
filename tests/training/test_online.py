import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.errors import UserError
from drone.geometry import DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard import trust
from drone.onboard.mono import MonoNetwork, MonoSpec
from training import gate, online
from training.buffer import GUARD_S, Batch
from training.online import OnlineTrainer
from training.trainer import Syllabus

GRID = GridSpec(6, 8)
SPEC = MonoSpec(64, 48, GRID, "0123456789abcdef")
METER = DistanceMeter(Intrinsics.from_hfov(64, 48, math.radians(70)), GRID)
LEVEL = (0.0, 1.0, 0.0)
CONFIG = LearnerConfig(
    start="fresh",
    steps_per_frame=2,
    batch_size=4,
    learning_rate=4e-3,
    buffer_frames=60,
    min_frames=6,
    publish_s=2.0,
    holdout_block_s=1.0,
    holdout_every=3,
    holdout_frames=20,
)


def sample(seq, confidence=0.9):
    """A frame in which bright is near, as in a room with one lamp: something can be learned."""
    rng = np.random.default_rng(seq)
    inverse_depth = (rng.uniform(0.15, 1.8) * rng.uniform(0.8, 1.2, (6, 8))).astype(np.float32)
    image = np.kron(inverse_depth, np.ones((8, 8))) * 110 + rng.normal(0, 8, (48, 64))
    stamp_ns = ns_from_s(seq / 10)
    label = DistanceLabel(
        seq,
        stamp_ns,
        True,
        "",
        inverse_depth,
        np.full((6, 8), confidence, np.float32),
        METER.obstacle_m(inverse_depth),
        (),
        3.0,
        1.0,
    )
    return StereoFrame(seq, stamp_ns, True, np.clip(image, 0, 255).astype(np.uint8), None), label


def trainer(seed=0, **changes):
    return OnlineTrainer(Syllabus(CONFIG.model_copy(update=changes), SPEC, METER, seed, 1.0))


def teach(learner, frames, start=0):
    """Show so many frames, learning from each; return the versions that were published."""
    versions = []
    for seq in range(start, start + frames):
        frame, label = sample(seq)
        learner.observe(frame, label, LEVEL)
        learner.learn()
        versions.append(learner.publish(frame.stamp_ns))
    return [v for v in versions if v is not None]


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def all_finite(network):
    return all(bool(torch.isfinite(v).all()) for v in network.state_dict().values())


# The network's width, and what a label's confidence is worth


def test_another_width_is_another_network_of_the_same_contract():
    narrow = trainer(width=4)
    parameters = [sum(p.numel() for p in t._network.parameters()) for t in (narrow, trainer())]
    assert parameters[0] < parameters[1] / 8
    version = teach(narrow, 30)[-1]
    frame, _ = sample(100)
    assert MonoNetwork(version, SPEC).estimate(frame.left).finite


def test_a_memory_of_another_width_is_refused_in_words():
    narrow = trainer(width=4)
    teach(narrow, 30)
    trainer(width=4).recall(narrow.remembered())
    with pytest.raises(UserError, match="width 4"):
        trainer().recall(narrow.remembered())


def taught_by_confidence(confidence, **changes):
    """The weights after frames of which every other row is less certain."""
    learner = trainer(**changes)
    for seq in range(20):
        frame, label = sample(seq)
        label.confidence[::2] = confidence
        learner.observe(frame, label, LEVEL)
        learner.learn()
    return weights(learner._network)


def test_unweighted_every_known_cell_counts_alike():
    a, b = (taught_by_confidence(c, weighted=False) for c in (0.2, 0.9))
    assert equal(a, b)
    a, b = (taught_by_confidence(c) for c in (0.2, 0.9))  # negative control
    assert not equal(a, b)


# Observing


def test_observing_moves_nothing_and_learning_does():
    learner = trainer()
    before = weights(learner._network)
    for seq in range(20):
        learner.observe(*sample(seq), LEVEL)
    assert equal(weights(learner._network), before)
    learner.learn()
    after = weights(learner._network)
    running = [name for name in after if "running_mean" in name]
    assert running
    assert all(not torch.equal(after[name], before[name]) for name in running)
    assert not torch.equal(after["head.weight"], before["head.weight"])
    assert learner._network.training


def test_publishing_moves_nothing_either():
    learner = trainer()
    teach(learner, 18)
    before = weights(learner._network), weights(learner._average)
    learner.publish(ns_from_s(100.0))
    assert equal(weights(learner._network), before[0])
    assert equal(weights(learner._average), before[1])
    assert learner._average.training


def test_held_out_and_guard_frames_never_reach_the_buffer():
    learner = trainer()
    teach(learner, 60)
    held_out = {f.seq for f in learner.holdout.frames}
    learned = {kept.frame.seq for kept in learner.buffer}
    assert held_out
    assert learned
    assert not held_out & learned
    nearest = min(abs(a - b) for a in held_out for b in learned)
    assert nearest / 10 >= GUARD_S - 1e-9
    assert len(held_out | learned) < 60, "guard frames are in neither"


@pytest.mark.parametrize("missing", ["label", "image"])
def test_what_teaches_nothing_is_left_out(missing):
    learner = trainer()
    for seq in range(20):
        frame, label = sample(seq)
        if missing == "label":
            label = DistanceLabel(
                *(getattr(label, f) for f in ("seq", "stamp_ns")),
                False,
                "dark",
                *(getattr(label, f) for f in ("inverse_depth", "confidence", "obstacle_m")),
                (),
                3.0,
                1.0,
            )
        else:
            frame = StereoFrame(frame.seq, frame.stamp_ns, True, None, frame.left)
        learner.observe(frame, label, LEVEL)
    assert (learner.counts.labelled, len(learner.buffer), len(learner.holdout)) == (0, 0, 0)


def test_larger_images_are_scaled():
    learner = trainer()
    frame, label = sample(0)
    large = StereoFrame(0, 0, True, np.kron(frame.left, np.ones((2, 2), np.uint8)), None)
    learner.observe(large, label, LEVEL)
    assert learner.buffer.sample(1, np.random.default_rng(0)).image.shape == (1, 1, 48, 64)


# Learning


def test_it_waits_for_enough_frames():
    learner = trainer(min_frames=6)
    for seq in range(5):
        learner.observe(*sample(seq), LEVEL)
        learner.learn()
    assert learner.counts.steps == 0
    learner.observe(*sample(5), LEVEL)
    learner.learn()
    assert learner.counts.steps == 2


def test_it_learns():
    """Better on frames it never learned from than the best constant."""
    learner = trainer(steps_per_frame=4)
    versions = teach(learner, 90)
    truth = np.array(
        [METER.obstacle_m(sample(s)[1].inverse_depth) for s in versions[-1].holdout_seq]
    )
    best_constant = np.abs(np.log(truth / np.exp(np.median(np.log(truth))))).mean()
    assert learner.counts.holdout_male < 0.6 * best_constant


def test_the_same_seed_gives_the_same_weights_and_files():
    first, again, other = trainer(3), trainer(3), trainer(4)
    files = [[v.onnx for v in teach(learner, 45)] for learner in (first, again, other)]
    assert equal(weights(first._network), weights(again._network))
    assert equal(weights(first._average), weights(again._average))
    assert files[0] == files[1]
    assert files[0]
    assert not equal(weights(first._network), weights(other._network))


def test_a_trainer_neither_uses_nor_moves_the_global_generator():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    learner = trainer(0)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(12)
    assert equal(weights(trainer(0)._network), weights(learner._network))


def test_mirroring_turns_image_and_labels_alike_and_leaves_the_memory_alone():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (1, 1, 48, 1))
    columns = np.tile(np.arange(8, dtype=np.float32), (1, 1, 6, 1))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        batch = Batch(ramp.copy(), columns.copy(), columns / 8, np.full((1, 1), 0.4, np.float32))
        image, target, confidence, obstacle = online._augmented(batch, rng)
        assert obstacle.item() == pytest.approx(0.4)
        rising = bool(image[0, 0, 24, 60] > image[0, 0, 24, 3])
        assert (target[0, 0, 0, 7] > target[0, 0, 0, 0]) == rising
        assert torch.allclose(confidence * 8, target)
        assert 0 <= image.min() <= image.max() <= 1
        seen.add(rising)
    assert seen == {True, False}

    learner = trainer()
    for seq in range(9):
        learner.observe(*sample(seq), LEVEL)
    for _ in range(5):
        learner.learn()
    for kept in learner.buffer:
        frame, label = sample(kept.frame.seq)
        assert np.array_equal(kept.frame.image, frame.left)
        assert np.array_equal(kept.frame.inverse_depth, label.inverse_depth)


# What goes wrong


def test_a_loss_of_nan_rolls_back_to_the_averaged_weights():
    learner = trainer()
    teach(learner, 18)
    average = weights(learner._average)
    frame, label = sample(0, confidence=math.nan)
    batch = Batch(
        frame.left[None, None],
        label.inverse_depth[None, None],
        label.confidence[None, None],
        np.ones((1, 1), np.float32),
        [next(iter(learner.buffer))],
    )
    steps = learner.counts.steps
    learner._step(batch)
    assert (learner.counts.rollbacks, learner.counts.steps) == (1, steps)
    assert equal(weights(learner._network), average)
    assert equal(weights(learner._average), average)
    teach(learner, 6, start=30)
    assert learner.counts.steps > steps
    assert all_finite(learner._network)
    assert math.isfinite(learner.counts.train_loss)


def test_a_gradient_of_nan_rolls_back_too():
    """A finite loss may have one; a single step of it would spoil weights and average for good."""
    learner = trainer()
    teach(learner, 18)
    average = weights(learner._average)
    hook = learner._network.head.weight.register_hook(lambda gradient: gradient * math.nan)
    learner.learn()
    hook.remove()
    assert learner.counts.rollbacks == CONFIG.steps_per_frame
    assert equal(weights(learner._network), average)
    assert equal(weights(learner._average), average)
    teach(learner, 6, start=30)
    assert all_finite(learner._network)
    assert all_finite(learner._average)


@pytest.mark.parametrize("held_out", [True, False])
def test_the_gate_refuses_nan(held_out):
    learner = trainer()
    teach(learner, 29)
    if not held_out:
        learner.holdout.frames.clear()
    version = learner.counts.version
    with torch.no_grad():
        learner._average.head.weight.fill_(math.nan)
    assert learner.publish(ns_from_s(50.0)) is None
    assert learner.counts.rejected == 1
    assert learner.counts.version == version
    assert learner.counts.rejections == [
        "not finite on a held-out frame" if held_out else "ONNX differs from the learner"
    ]


def test_the_gate_compares_the_second_head_too(monkeypatch):
    learner = trainer()
    teach(learner, 29)
    answer = learner._answer

    def wrong(image):
        said = answer(image)
        return dataclasses.replace(said, obstacle=(said.obstacle[0] + 0.01, said.obstacle[1]))

    monkeypatch.setattr(gate, "GATE_MARGIN", math.inf)
    monkeypatch.setattr(learner, "_answer", wrong)
    assert learner.publish(ns_from_s(50.0)) is None
    assert learner.counts.rejections[-1] == "ONNX differs from the learner"


def spoil(learner):
    """Make all that would fly next say: very near."""
    with torch.no_grad():
        learner._average.head.weight.zero_()
        learner._average.head.bias[0] = 6.0


def test_the_gate_refuses_what_is_clearly_worse(monkeypatch):
    """Negative control: with a wide margin the same candidate passes."""
    learner = trainer()
    assert teach(learner, 45)
    version = learner.counts.version
    spoil(learner)
    learner.learn()
    spoil(learner)
    assert learner.publish(ns_from_s(50.0)) is None
    assert "held-out error" in learner.counts.rejections[-1]
    assert learner.counts.version == version
    monkeypatch.setattr(gate, "GATE_MARGIN", 100.0)
    learner.learn()
    spoil(learner)
    passed = learner.publish(ns_from_s(60.0))
    assert passed is not None
    assert passed.seq == learner.counts.version == version + 1


# Publishing


def test_versions_come_when_due_and_only_after_new_steps(monkeypatch):
    monkeypatch.setattr(gate, "GATE_MARGIN", math.inf)  # whatever is due passes
    learner = trainer(publish_s=2.0)
    versions = teach(learner, 90)
    stamps = [v.stamp_ns for v in versions]
    assert min(b - a for a, b in itertools.pairwise(stamps)) >= ns_from_s(2.0)
    assert [v.seq for v in versions] == list(range(1, len(versions) + 1))
    assert learner.publish(ns_from_s(100.0)) is not None
    assert learner.publish(ns_from_s(200.0)) is None, "nothing was learned since"


def test_a_version_carries_its_scores_of_the_held_out_frames():
    learner = trainer()
    version = teach(learner, 45)[-1]
    mono = MonoNetwork(version, SPEC)
    by_seq = dict(zip(version.holdout_seq, version.holdout_obstacle_m, strict=True))
    frames = {f.seq: f for f in learner.holdout.frames}
    assert by_seq
    assert set(by_seq) <= set(frames)
    for seq, obstacle_m in by_seq.items():
        answer = mono.estimate(frames[seq].image)
        assert obstacle_m == answer.obstacle_m(METER, LEVEL, 1.0)


def test_a_version_says_how_unsure_it_normally_is(monkeypatch):
    """Negative control: of too few held-out frames it says nothing."""
    for least, known in ((1, True), (10_000, False)):
        monkeypatch.setattr("training.gate.MIN_NORMAL_FRAMES", least)
        learner = trainer()
        version = teach(learner, 45)[-1]
        assert math.isfinite(version.normal_uncertainty) == known
        if known:
            mono, frames = MonoNetwork(version, SPEC), learner.holdout.frames
            answers = [mono.estimate(f.image) for f in frames if f.seq in version.holdout_seq]
            shares = [
                trust.uncertainty(*(a.obstacle_m(METER, LEVEL, c) for c in (0.0, 1.0)))
                for a in answers
            ]
            assert min(shares) < version.normal_uncertainty <= max(shares)


def test_its_summary_is_strict_json():
    learner = trainer()
    learner.holdout.add = lambda frame: None
    version = teach(learner, 36)[0]

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    summary = json.loads(version.summary, parse_constant=refuse)
    assert summary["sgd_steps"] > 0
    assert summary["holdout_male"] is None


def test_report():
    learner = trainer()
    fresh = learner.report(5)
    assert (fresh.stamp_ns, fresh.sgd_steps, fresh.version) == (5, 0, 0)
    assert math.isnan(fresh.train_loss)
    assert math.isnan(fresh.holdout_male)
    teach(learner, 45)
    report = learner.report(6)
    assert report.sgd_steps == learner.counts.steps > 0
    assert (report.buffer_frames, report.holdout_frames) == (
        len(learner.buffer),
        len(learner.holdout),
    )
    assert report.version >= 1
    assert math.isfinite(report.train_loss)
    assert 0 < report.holdout_male < 2


def test_the_flying_version_is_scored_on_frames_that_came_after_it(monkeypatch):
    """Else it lives on the few held-out frames that once suited it, and no candidate passes."""
    learner = trainer()
    versions = teach(learner, 60)
    scored = set(versions[-1].holdout_seq)
    monkeypatch.setattr(gate, "GATE_MARGIN", -10.0)  # nothing passes from now on
    monkeypatch.setattr(gate, "MIN_REVIEW_FRAMES", 1000)  # nor is anything rolled back
    assert teach(learner, 60, start=60) == []
    assert learner.counts.rejected > 0
    newer = {f.seq for f in learner.holdout.frames} - scored
    assert newer, "held-out frames came since"
    last = max(newer)
    assert {seq for seq in newer if seq <= last - 20} <= set(learner._gate.flying)


# Means that can be switched off


def test_surprise_is_remembered_of_what_was_learned_from():
    learner = trainer()
    teach(learner, 30)
    values = [kept.surprise for kept in learner.buffer]
    learned_from = [v for v in values if math.isfinite(v)]
    assert len(learned_from) > 10
    assert min(learned_from) >= 0


def test_one_head_leaves_the_obstacle_to_the_grid():
    learner = trainer(two_heads=False)
    version = teach(learner, 30)[-1]
    answer = MonoNetwork(version, SPEC).estimate(sample(0)[0].left)
    assert answer.obstacle is None
    assert answer.finite
    now, before = (t._network.obstacle[2].bias for t in (learner, trainer(two_heads=False)))
    assert torch.allclose(now, before, atol=1e-3), "nothing but the decay of weights moved it"


def test_pictures_come_as_they_are_without_augmentation():
    learner = trainer(augmented=False)
    learner.observe(*sample(0), LEVEL)
    batch = learner.buffer.sample(4, np.random.default_rng(0))
    image, target, confidence, obstacle = learner._tensors(batch)
    assert np.array_equal(image.numpy() * 255, batch.image)
    assert np.array_equal(target.numpy(), batch.inverse_depth)
    assert np.array_equal(confidence.numpy(), batch.confidence)
    assert np.array_equal(obstacle.numpy(), batch.obstacle_inverse)
