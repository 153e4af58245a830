import math
from collections import Counter

import pytest
from handmade import row

from drone.config import loads
from training.experiments import (
    ardrone_room,
    camera_loss,
    data_bias,
    experiment_of,
    strategies,
    texture,
)
from training.experiments.campaign import Campaign, Scope
from training.experiments.design import Row
from training.experiments.page import write_page

NAMES = ("strategies", "ardrone-room", "data-bias", "camera-loss", "texture")
SEEDS = range(6)
MANY = range(12)
"""Of fewer, none of several differences is clear."""


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_gets_every_seed_and_a_key_of_its_own(name):
    experiment = experiment_of(name)
    tasks = experiment.tasks(range(3), False)
    assert len({task.key("v") for task in tasks}) == len(tasks)
    seeds = Counter(task.factors for task in tasks)
    assert set(seeds.values()) == {3}
    for task in tasks:
        assert [factor for factor, _ in task.factors] == list(experiment.factors)
        assert all(level in experiment.factors[factor] for factor, level in task.factors)
        assert {loads(text, "task").flight.seed for text in task.configs} == {task.seed}


@pytest.mark.parametrize("name", NAMES)
def test_the_smoke_version_is_another_flight_and_short(name):
    experiment = experiment_of(name)
    full, quick = (experiment.tasks([0], q) for q in (False, True))
    assert not {t.key("v") for t in full} & {t.key("v") for t in quick}
    for task in quick:
        assert sum(loads(text, "task").flight.duration_s for text in task.configs) <= 20


@pytest.mark.parametrize("name", NAMES)
def test_nothing_flown_yet_is_no_error(name, tmp_path):
    experiment = experiment_of(name)
    campaign = Campaign(experiment, Scope(range(1)), tmp_path / name, "v")
    page = write_page(campaign, experiment.analyse([]), tmp_path, "drone experiment")
    assert "Not finished" in page.read_text()


def test_the_hand_over_is_at_the_same_time_in_every_arm_but_stereos():
    found = {
        dict(task.factors)["strategy"]: loads(task.configs[0], "task").pilot.switching
        for task in strategies.tasks([0], False)
    }
    assert found.pop("stereo_only").handed_over_s is None
    assert {s.handed_over_s for s in found.values()} == {strategies.LEARN_S}


def _strategies(collisions: dict[tuple[str, str], list[int]]) -> list[Row]:
    return [
        row(seed, {"learner": learner, "strategy": strategy}, {"collisions": hits[seed]})
        for (learner, strategy), hits in collisions.items()
        for seed in SEEDS
    ]


def test_the_first_sentence_follows_the_figures():
    many, few = [3, 4, 5, 3, 4, 5], [0, 1, 0, 1, 0, 0]
    for wheels, cold, verdict in (
        (few, many, "collides less than"),
        (many, few, "collides more than"),
        (many, [4, 3, 5, 4, 3, 5], "shows no clear difference from"),
    ):
        rows = _strategies(
            {("texton-knn", "training_wheels"): wheels, ("texton-knn", "cold_turkey"): cold}
        )
        assert verdict in strategies.analyse(rows).meaning[0]


def test_the_difference_is_that_of_the_rates():
    rows = _strategies(
        {("texton-knn", "training_wheels"): [1] * 6, ("texton-knn", "cold_turkey"): [2] * 6}
    )
    found = strategies.analyse(rows).figures["collisions_per_100m"]
    one = found["texton-knn, training wheels − texton-knn, cold turkey"]
    assert one["mean"] == pytest.approx(-5.0)  # 1 and 2 collisions in 20 m
    assert one["n"] == 6


def _lost(hits: list[int], metres: float = 15.0) -> list[Row]:
    more = {"trusted": True, "noticed_s": 0.5, "landed": False}
    return [
        *(
            row(s, {"mono": "learned"}, {"collisions": hits[s], "metres": metres}, **more)
            for s in SEEDS
        ),
        *(row(s, {"mono": "untaught"}, {}, **{**more, "landed": True}) for s in SEEDS),
        *(row(s, {"mono": "both eyes"}, {}, **more) for s in SEEDS),
    ]


def test_a_flight_that_hits_twice_is_one_that_collided():
    found = camera_loss.analyse(_lost([0, 2, 0, 0, 0, 1])).figures
    assert found["flights"]["learned"]["collided"]["mean"] == pytest.approx(2 / 6, abs=1e-4)
    assert found["pace_of_stereo"]["mean"] == pytest.approx(0.75)
    assert found["flights"]["untaught"]["landed"]["mean"] == 1


def test_the_eye_that_is_lost_and_when_are_drawn_from_the_seed():
    one, again = camera_loss.tasks(SEEDS, False), camera_loss.tasks(SEEDS, False)
    assert one == again
    faults = {(f.kind, f.eye) for task in one for f in loads(task.configs[0], "task").sim.faults}
    assert len(faults) > 1
    learned = [t for t in one if dict(t.factors)["mono"] == "learned"]
    times = [t.planned("from_s") for t in learned]
    assert len(set(times)) == len(times)
    for task, lost_s in zip(learned, times, strict=True):
        assert loads(task.configs[0], "task").sim.faults[0].start_s == lost_s


def test_plain_rooms_are_judged_by_the_policy_that_flies_now():
    rows = [
        row(s, {"room": "plain", "policy": policy}, {"collisions": hits})
        for policy, hits in (("unknown is free", 5), ("unknown is stop", 0), ("both cues", 0))
        for s in MANY
    ]
    found = texture.analyse(rows)
    assert "collides clearly less" in found.meaning[0]
    assert found.figures["collisions_per_100m"]["plain: both cues − unknown is free"]["mean"] == -25


@pytest.mark.parametrize(("metres", "said"), [(24.0, "clearly more metres"), (20.0, "not clearly")])
def test_what_mono_adds_to_standing_still_is_metres(metres, said):
    rows = [
        row(s, {"room": room, "policy": policy}, {"metres": flown})
        for room, policy, flown in (
            ("mixed", "unknown is stop", 40.0),
            ("mixed", "both cues", 40.0),
            ("plain", "unknown is free", 40.0),
            ("plain", "unknown is stop", 20.0),
            ("plain", "both cues", metres),
        )
        for s in MANY
    ]
    found = texture.analyse(rows)
    assert said in found.meaning[1]
    assert f"{metres / 40:.2f}" in found.meaning[2]
    assert "in mixed rooms (not clear)" in found.meaning[2]
    six = found.figures["collisions_per_100m"], found.figures["metres_per_min"]
    assert [len(each) for each in six] == [3, 3]
    assert six[1]["plain: both cues − unknown is free"]["p"] == round(6 * 2 / 2 ** len(MANY), 4)


def test_both_cues_learn_in_the_mixed_room_first():
    for task in texture.tasks([0], False):
        policy = dict(task.factors)["policy"]
        assert len(task.configs) == (2 if policy == "both cues" else 1)
        if policy == "both cues":
            assert loads(task.configs[0], "task").sim.room.difficulty == "mixed"


def test_mono_is_measured_against_stereo_in_the_same_room():
    ended = {"landed": False, "reason": "", "trusted_s": 10.0}
    rows = [
        row(s, {"avoidance": "original", "control": control}, counts, **ended)
        for control, counts in (
            ("mono", {"metres": 16.0, "needless_stops": 6}),
            ("stereo", {"metres": 20.0, "needless_stops": 4}),
        )
        for s in SEEDS
    ]
    rows[0].figures["after"]["collisions"] = 1
    found = ardrone_room.analyse(rows).figures["mono"]["original"]
    assert found["metres_of_stereo"]["mean"] == pytest.approx(0.8)
    assert found["needless_stops_of_stereo"]["mean"] == pytest.approx((6 / 16) / (4 / 20), abs=1e-3)
    assert found["collisions_per_min"]["mean"] == pytest.approx(1 / 6, abs=1e-4)
    assert found["metres_between_collisions"]["mean"] == pytest.approx(96)


def test_who_hits_nothing_has_flown_that_far_between_collisions():
    ended = {"landed": True, "reason": "mono is unsure", "trusted_s": 10.0}
    rows = [
        row(s, {"avoidance": "original", "control": c}, {}, **ended)
        for c in ("mono", "stereo")
        for s in SEEDS
    ]
    found = ardrone_room.analyse(rows).figures["mono"]["original"]
    assert found["metres_between_collisions"]["mean"] == pytest.approx(120)
    assert found["metres_between_collisions"]["high"] is None
    assert found["landed"]["mean"] == 1


def test_new_images_are_novel_and_those_seen_before_are_not():
    import numpy as np

    rng = np.random.default_rng(0)
    learned = [(float(t), 1.0, 0.1, rng.normal(size=21)) for t in range(60)]
    same = [(100.0 + t, 1.0, 0.1, f) for t, _, _, f in learned]
    other = [(100.0 + t, 1.0, 0.1, f + 20.0) for t, _, _, f in learned]
    assert data_bias._novelty(learned, same) == 0
    assert data_bias._novelty(learned, other) > 3
    assert data_bias._novelty(learned[:1], other) is None


def test_the_gap_is_said_to_shrink_only_where_it_does():
    def rows(wheels: float) -> list[Row]:
        figures = {"lambda_shift_px": 1.0, "error_learned": 0.2, "error_alone": 0.4}
        histograms = {"lambda_before": [0.0] * 24, "lambda_after": [0.0] * 24}
        return [
            row(
                s,
                {"learner": "cnn", "strategy": strategy},
                {},
                **figures,
                **histograms,
                novelty=novelty + 0.01 * s,
            )
            for strategy, novelty in (("training_wheels", wheels), ("cold_turkey", 2.0))
            for s in MANY
        ]

    assert "training wheels shrink that distance" in data_bias.analyse(rows(1.0)).meaning[0]
    assert "training wheels widen that distance" in data_bias.analyse(rows(3.0)).meaning[0]
    assert "do not clearly change that distance" in data_bias.analyse(rows(2.0)).meaning[0]
    few = [r for r in rows(1.0) if r.seed in SEEDS]
    assert "so few rooms, to change that distance" in data_bias.analyse(few).meaning[0]
    gaps = data_bias.analyse(rows(1.0)).figures["wheels_less_cold_turkey"]
    assert gaps["cnn: distance to learned images, over the usual"]["mean"] == -1
    assert math.isclose(gaps["cnn: log error alone"]["mean"], 0)
