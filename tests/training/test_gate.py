"""The gate by itself, with models that take brightness for nearness and are wrong as told."""

import json
import math

import numpy as np
import onnx
import pytest

from drone.clock import ns_from_s
from drone.config import LearnerConfig
from drone.geometry import DistanceMeter, GridSpec, Intrinsics
from drone.messages import DistanceLabel, StereoFrame
from drone.onboard.mono import MonoAnswer, MonoNetwork, MonoSpec
from training import gate
from training.textons import Graph
from training.trainer import Syllabus, Trainer

GRID = GridSpec(6, 8)
SPEC = MonoSpec(64, 48, GRID, "0123456789abcdef")
METER = DistanceMeter(Intrinsics.from_hfov(64, 48, math.radians(70)), GRID)
LEVEL = (0.0, 1.0, 0.0)
CONFIG = LearnerConfig(
    publish_s=1.0, holdout_block_s=1.0, holdout_every=2, holdout_frames=200, min_frames=2
)
LOG_VARIANCE = -6.0


class Scripted(Trainer):
    """Says brightness times `factor`: right with 1, wrong by |log factor| otherwise.

    Images that are darker than grey 100 have a factor of their own.
    """

    def __init__(self, **changes):
        super().__init__(Syllabus(CONFIG.model_copy(update=changes), SPEC, METER, 0))
        self.factor, self.dark_factor, self.answers_factor = 1.0, 1.0, None

    buffered = 0

    def learn(self):
        self.counts.steps += 1

    def _take(self, sample):
        pass

    def _export(self, version, training):
        if self.factor is None:
            return b"no model"
        graph = Graph()
        graph.add("AveragePool", ["image"], "mean", kernel_shape=[8, 8], strides=[8, 8])
        constants = {
            "bright_factor": self.factor,
            "dark_factor": self.dark_factor,
            "half": 100 / 255,
            "zero": 0.0,
            "variance": LOG_VARIANCE,
        }
        for name, value in constants.items():
            graph.constant(name, np.float32(value).reshape(1))
        graph.add("Less", ["mean", "half"], "dark")
        graph.add("Where", ["dark", "dark_factor", "bright_factor"], "factor")
        graph.add("Mul", ["mean", "factor"], "inverse_depth")
        graph.add("Add", [graph.add("Mul", ["mean", "zero"], "none"), "variance"], "log_variance")
        shape = (1, 1, GRID.rows, GRID.cols)
        model = graph.model(48, 64, dict.fromkeys(("inverse_depth", "log_variance"), shape))
        props = {**SPEC.metadata(version), "training": training}
        onnx.helper.set_model_props(model, props)
        return model.SerializeToString()

    def _answer(self, image):
        mean = image.reshape(6, 8, 8, 8).mean(axis=(1, 3)).astype(np.float32) / 255
        factor = np.where(mean < 100 / 255, self.dark_factor, self.answers_factor or self.factor)
        grids = (mean * factor, np.full((6, 8), LOG_VARIANCE))
        return MonoAnswer(*(grid.astype(np.float32) for grid in grids))


def sample(seq, grey=(110, 240)):
    """A wall whose inverse distance is its brightness."""
    level = np.random.default_rng(seq).integers(*grey)
    image = np.full((48, 64), level, np.uint8)
    grid = np.full((6, 8), level / 255, np.float32)
    stamp_ns = ns_from_s(seq / 10)
    label = DistanceLabel(
        seq, stamp_ns, True, "", grid, np.ones_like(grid), METER.obstacle_m(grid), (), 3.0, 1.0
    )
    return StereoFrame(seq, stamp_ns, True, image, None), label


def teach(trainer, seconds, start_s=0.0, **changes):
    """Show frames for so long; return versions and reports of the moments with either."""
    versions, reports = [], []
    for seq in range(round(10 * start_s), round(10 * (start_s + seconds))):
        frame, label = sample(seq, **changes)
        trainer.observe(frame, label, LEVEL)
        trainer.learn()
        version = trainer.publish(frame.stamp_ns)
        report = trainer.report(frame.stamp_ns)
        if version is not None:
            versions.append(version)
        if version is not None or report.reason:
            reports.append(report)
    return versions, reports


def flown_factor(version, grey):
    answer = MonoNetwork(version, SPEC).estimate(np.full((48, 64), grey, np.uint8))
    return float(answer.inverse_depth[0, 0]) / (grey / 255)


def test_good_candidates_pass_without_a_reason():
    versions, reports = teach(Scripted(), 6)
    assert len(versions) == len(reports) >= 4
    assert all(r.reason == "" and r.rejected == 0 for r in reports)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"factor": 2.0}, "held-out error 0.693, version"),
        ({"factor": None}, "not a loadable ONNX model"),
        ({"factor": math.nan}, "not finite on a held-out frame"),
        ({"answers_factor": 0.9}, "ONNX differs from the learner"),
    ],
)
def test_what_is_refused_is_reported_with_its_reason_and_the_flying_version_stays(spoil, reason):
    trainer = Scripted()
    teach(trainer, 6)
    before = trainer.counts.version
    for name, value in spoil.items():
        setattr(trainer, name, value)
    versions, reports = teach(trainer, 2, 6)
    assert versions == []
    assert [r.rejected for r in reports] == [1, 2]
    assert all(reason in r.reason and r.version == before for r in reports)
    trainer.factor, trainer.answers_factor = 1.0, None
    versions, reports = teach(trainer, 1, 8)
    assert [v.seq for v in versions] == [before + 1]
    assert reports[0].reason == ""


def rolled_back(version):
    return "again" in json.loads(version.summary)


def flown_worse_in_the_dark():
    """A trainer whose second version is wrong in the dark, which was not seen so far."""
    trainer = Scripted()
    teach(trainer, 6)
    trainer.dark_factor = 3.0
    return trainer, teach(trainer, 4, 6)[0][-1]


def test_a_flying_version_that_turns_out_worse_is_rolled_back():
    trainer, second = flown_worse_in_the_dark()
    assert flown_factor(second, 50) == pytest.approx(3.0), "it passed: nobody had seen the dark"
    versions, reports = teach(trainer, 12, 10, grey=(40, 90))
    back = versions[-1]
    assert [rolled_back(v) for v in versions] == [*[False] * (len(versions) - 1), True]
    assert flown_factor(back, 50) == pytest.approx(1.0)
    told = next(report for report in reports if report.rolled_back)
    assert "turned out worse" in told.reason
    assert f"rolled back to version {json.loads(back.summary)['again']}" in told.reason
    assert told.version == back.seq
    assert reports[-1].rolled_back == 1, "what the learner still says is refused, and no more"
    assert reports[-1].reason.startswith("held-out error")
    trainer.dark_factor = 1.0
    versions, _ = teach(trainer, 1, 22, grey=(40, 90))
    assert [v.seq for v in versions] == [back.seq + 1]


def test_it_is_scored_like_any_other_version_and_says_its_own_number():
    trainer, _ = flown_worse_in_the_dark()
    back = teach(trainer, 12, 10, grey=(40, 90))[0][-1]
    assert rolled_back(back)
    props = {p.key: p.value for p in onnx.load_from_string(back.onnx).metadata_props}
    assert props["version"] == str(back.seq)
    assert len(back.holdout_seq) == len(back.holdout_obstacle_m) >= gate.MIN_REVIEW_FRAMES
    mono = MonoNetwork(back, SPEC)
    for frame in trainer.holdout.frames:
        if frame.seq in back.holdout_seq:
            at = back.holdout_obstacle_m[back.holdout_seq.index(frame.seq)]
            assert at == mono.estimate(frame.image).obstacle_m(METER, LEVEL)


def test_without_enough_dark_frames_nothing_is_rolled_back(monkeypatch):
    """Negative control of the roll-back: it takes evidence."""
    monkeypatch.setattr(gate, "MIN_REVIEW_FRAMES", 1000)
    trainer, second = flown_worse_in_the_dark()
    versions, reports = teach(trainer, 12, 10, grey=(40, 90))
    assert not any(rolled_back(v) for v in versions)
    assert reports[-1].reason.startswith("held-out error")
    assert flown_factor((versions or [second])[-1], 50) == pytest.approx(3.0)


def test_many_small_steps_down_do_not_add_up():
    """Each is within the margin of the one before; the best one is still the one to beat."""
    trainer = Scripted()
    teach(trainer, 6)
    for step in range(1, 12):
        trainer.factor = trainer.dark_factor = 1 + 0.015 * step
        versions, _ = teach(trainer, 1, 5 + step)
    assert versions == []
    frame = trainer.holdout.frames[-1]
    flown = trainer._gate.flying[frame.seq].obstacle_m
    assert abs(math.log(flown / frame.obstacle_m)) < 0.03
