"""Plans and findings of the experiments that send learners through flights by stereo."""

import functools
from collections import Counter

import numpy as np
import pytest

from drone.config import loads
from training.experiments import (
    ablations,
    concept_shift,
    courses,
    experiment_of,
    learners,
    scale,
    statistics,
    transfer,
)
from training.experiments.campaign import Campaign, Scope
from training.experiments.courses import AT_S, BLIND
from training.experiments.design import Row
from training.experiments.page import write_page

NAMES = ("learners", "concept-shift", "transfer", "ablations", "scale")
SEEDS = range(12)
"""Fewer could not be told apart once their p is corrected for a dozen comparisons."""


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals are not at stake here: what follows from them is."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1999)


def row(seed, factors, figures):
    return Row(f"{sorted(factors.items())}-{seed}", "v", factors, seed, figures, 10.0, "a machine")


def figures(stops, seed, **more):
    """What a copy might be judged to be: with so many needless stops, a little apart by seed."""
    value = stops + 0.002 * (seed % 5)
    return {
        "fpr_at_tpr95": value,
        "fpr_at_tpr95_truth": value,
        "auc": 1 - value,
        "male": value,
        "male_truth": value,
        "lambda_mae_px": value,
        "lambda_correlation": 0.5,
        "fpr_at_caught": np.linspace(0, value, len(courses.CAUGHT)).tolist(),
        **more,
    }


# Plans


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_gets_every_seed_and_a_key_of_its_own(name):
    experiment = experiment_of(name)
    tasks = experiment.tasks(range(3), False)
    assert len({task.key("v") for task in tasks}) == len(tasks)
    assert set(Counter(task.factors for task in tasks).values()) == {3}
    levels = {level for task in tasks for level in task.factors}
    assert levels == {(f, level) for f, its in experiment.factors.items() for level in its}
    for task in tasks:
        assert {loads(text, "task").flight.seed for text in task.configs} == {task.seed}


@pytest.mark.parametrize("name", NAMES)
def test_the_smoke_version_is_another_flight_and_short(name):
    experiment = experiment_of(name)
    full, quick = (experiment.tasks([0], q) for q in (False, True))
    assert not {t.key("v") for t in full} & {t.key("v") for t in quick}
    assert len({t.key("v") for t in quick}) == len(quick)
    for task in quick:
        assert task.planned(courses.UNTIL_S) <= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_default_seeds_are_those_to_report_on_and_affordable(name):
    experiment = experiment_of(name)
    assert set(experiment.seeds) <= set(range(20))
    assert len(experiment.seeds) >= 10
    assert len(experiment.tasks(experiment.seeds, False)) * experiment.cpu_s <= 12_000


@pytest.mark.parametrize("name", NAMES)
def test_nothing_flown_yet_is_no_error(name, tmp_path):
    experiment = experiment_of(name)
    campaign = Campaign(experiment, Scope(range(1)), tmp_path / name, "v")
    page = write_page(campaign, experiment.analyse([]), tmp_path, "drone experiment")
    assert "Not finished" in page.read_text()


def test_all_learners_see_the_same_flight():
    (task,) = learners.tasks([3], False)
    configs = [loads(text, "task") for text in task.configs]
    assert [c.flight.name for c in configs] == ["flight", *learners.LEARNERS]
    assert len({(c.sim, c.flight.duration_s) for c in configs}) == 1
    assert courses.planned(task, AT_S) == list(learners.FROZEN_S)


def test_an_ablated_learner_differs_from_the_whole_by_its_means_alone():
    clear = next(t for t in ablations.tasks([3], False) if t.factors == (("trial", "clear"),))
    _, whole, *others = (loads(text, "task") for text in clear.configs)
    assert len(others) == len(ablations.WITHOUT)
    for own, settings in zip(others, ablations.WITHOUT.values(), strict=True):
        again = loads(whole.to_toml(), "whole", [f"flight.name={own.flight.name}", *settings])
        assert again == own


def test_rooms_before_are_neither_the_new_one_nor_outside_of_development():
    for task in transfer.tasks(transfer.EXPERIMENT.seeds, False):
        before = courses.planned(task, courses.BEFORE)
        assert len(set(before)) == max(transfer.VISITED_AFTER)
        assert task.seed not in before
        assert max(before) < 100


def test_each_setting_of_scale_is_one_that_can_fly():
    for task in scale.tasks([0], False):
        config = loads(task.configs[0], "task")
        assert config.flight.name == dict(task.factors)["setting"]


# Findings: learners


def learners_row(seed, stops, lambdas=None):
    found = {BLIND: {AT_S: {t: {"lambda_mae_px": 1.1} for t in ("10", "200")}}}
    for name in learners.LEARNERS:
        value = stops.get(name, 0.7)
        error = (lambdas or {}).get(name, 0.8)
        found[name] = {
            AT_S: {
                "10": figures(0.9, seed),
                "200": figures(value, seed, lambda_mae_px=error),
            }
        }
    return row(seed, {}, found)


@functools.cache
def learners_found(network, gp=0.7):
    rows = [
        learners_row(s, {"cnn": network + 0.001 * s, "texton-gp": gp + 0.001 * s}) for s in SEEDS
    ]
    return learners.analyse(rows)


def test_the_sentence_about_the_network_follows_from_the_figures():
    assert "stops needlessly less than" in learners_found(0.1).meaning[0]
    assert "stops needlessly more than" in learners_found(0.9).meaning[0]
    rows = [learners_row(s, {"cnn": 0.7 + 0.1 * (-1) ** s}) for s in SEEDS]
    assert "no clear difference" in learners.analyse(rows).meaning[0]


def test_the_sentence_about_regressors_follows_from_the_figures():
    assert "texton-gp differ" in learners_found(0.1, gp=0.2).meaning[1]
    rows = [learners_row(s, {"texton-gp": 0.7 + 0.1 * (-1) ** s}) for s in SEEDS]
    assert "none differs" in learners.analyse(rows).meaning[1]


def test_learners_are_compared_by_hand():
    found = learners_found(0.1).figures["differences"]["cnn − texton-knn"]
    assert found["mean"] == pytest.approx(-0.6 + 0.001 * 5.5, abs=1e-4)
    assert found["n"] == len(SEEDS)
    assert learners_found(0.1).figures[BLIND]["lambda_mae_px"]["mean"] == 1.1
    table = learners_found(0.1).tables[0]
    assert [line[0] for line in table.rows] == list(learners.TITLES.values())


# Findings: concept shift


def licence(withdrawn_s, regained_s, missed=0, held_before=True):
    def holds(s):
        lost = withdrawn_s is not None and s >= withdrawn_s
        return 0.0 if lost and not (regained_s is not None and s >= regained_s) else 1.0

    return {
        "held_before": held_before,
        "held_before_n": 300,
        "withdrawn_before": 1,
        "withdrawn_after_s": withdrawn_s,
        "regained_after_s": regained_s,
        "held": {str(s): 1.0 if s < 0 else holds(s) for s in range(-40, 60)},
        "before": {"caught": 95, "missed": 5, "needless": 20, "passed": 80},
        "after": {"caught": 100 - missed, "missed": missed, "needless": 20, "passed": 80},
    }


def shift_rows(**arms):
    return [
        row(seed, {"change": "light", "learner": learner}, {learner: licence(*found(seed))})
        for seed in SEEDS
        for learner, found in arms.items()
    ]


def test_a_licence_that_never_went_counts_as_the_end_of_the_watch():
    found = concept_shift.analyse(
        shift_rows(
            robust=lambda s: (0.5 + 0.01 * s, 7.0),
            brittle=lambda s: (0.6 + 0.01 * s, None),
            unguarded=lambda s: (None, None),
        )
    )
    arms = found.figures
    assert arms["light at 30 %, brittle, unguarded"]["withdrawn_after_s"]["mean"] == 60.0
    assert arms["light at 30 %, default"]["withdrawn_after_s"]["mean"] == pytest.approx(0.555)
    assert arms["light at 30 %, default"]["regained_after_s"]["mean"] == 7.0
    assert arms["light at 30 %, brittle"]["regained_after_s"]["mean"] == 60.0
    assert "withdrawn in 12 of 12 rooms" in found.meaning[0]
    assert "withdrawn sooner" in found.meaning[1]


def test_where_the_question_for_familiar_images_gives_nothing_the_sentence_says_so():
    found = concept_shift.analyse(
        shift_rows(
            brittle=lambda s: (5 + 0.5 * (-1) ** s, 9.0),
            unguarded=lambda s: (5 - 0.5 * (-1) ** s, 9.0),
        )
    )
    assert "no clear difference" in found.meaning[-1]


def test_rooms_without_a_licence_at_the_change_do_not_count():
    rows = [
        row(
            seed,
            {"change": "light", "learner": "robust"},
            {"robust": licence(1.0 if seed else 0.0, 2.0, missed=10, held_before=bool(seed))},
        )
        for seed in SEEDS
    ]
    arm = concept_shift.analyse(rows).figures["light at 30 %, default"]
    assert arm["withdrawn_after_s"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 11}
    assert arm["tpr_while_held"]["mean"] == 0.9
    assert arm["held_before"]["mean"] == pytest.approx(11 / 12, abs=1e-4)


# Findings: transfer


def transfer_row(seed, start, early, late, first):
    def visit(k):
        return {
            "time_to_trust_s": 40.0 if k == "0" else None,
            AT_S: {"10": figures(early[k], seed), "60": figures(late[k], seed + int(k))},
        }

    rooms = {str(k + 1): figures(v, seed + k) for k, v in enumerate(first)}
    return row(
        seed,
        {"start": start},
        {"visits": {k: visit(k) for k in early}, "first_room": rooms},
    )


def transfer_found(early, late, first):
    return transfer.analyse([transfer_row(s, "warm", early, late, first) for s in SEEDS])


def test_a_new_room_costs_nothing_from_the_first_number_of_rooms_that_says_so():
    late = {"0": 0.2, "1": 0.15, "2": 0.1, "4": 0.1}
    found = transfer_found({"0": 0.9, "1": 0.4, "2": 0.12, "4": 0.1}, late, (0.1, 0.2))
    assert "warm: a new room costs nothing after 2 rooms" in found.headline
    assert "helps" in found.meaning[1]
    assert "is partly forgotten" in found.meaning[2]
    assert found.figures["cost"]["warm, after 1 room"]["mean"] == pytest.approx(0.25, abs=0.01)


def test_a_new_room_that_costs_again_after_more_rooms_did_not_cost_nothing():
    early = {"0": 0.9, "1": 0.1, "2": 0.4, "4": 0.1}
    found = transfer_found(early, dict.fromkeys(early, 0.1), (0.1,))
    assert "warm: a new room costs nothing after 4 rooms" in found.headline


def test_the_sentences_about_transfer_flip_with_the_figures():
    late = {"0": 0.2, "1": 0.3, "2": 0.4, "4": 0.5}
    found = transfer_found(dict.fromkeys("0124", 0.9), late, (0.3, 0.1))
    assert "after no number of rooms tried does a new one surely cost nothing" in found.headline
    assert "harms" in found.meaning[1]
    assert "is better known than before" in found.meaning[2]


@pytest.mark.parametrize("n", [2, 5])
def test_a_few_rooms_say_nothing_of_what_a_new_one_costs(n):
    late = {"0": 0.2, "1": 0.1}
    rows = [transfer_row(s, "warm", {"0": 0.9, "1": 0.1}, late, (0.1, 0.1)) for s in range(n)]
    found = transfer.analyse(rows)
    assert "warm: too few rooms to say what a new one costs" in found.headline
    assert "cannot be judged yet" in found.meaning[1]


def test_a_licence_that_never_came_counts_as_the_end_of_the_lessons():
    found = transfer_found({"0": 0.9, "1": 0.9}, {"0": 0.2, "1": 0.2}, (0.1,))
    visits = found.figures["visits"]
    assert visits["warm, after 0 rooms"]["licence after, s (at most 60)"]["mean"] == 40.0
    assert visits["warm, after 1 room"]["licence after, s (at most 60)"]["mean"] == 60.0


# Findings: ablations


def ablation_rows(seed, stops, gate=0.2, dark=0.0):
    def learner(name):
        value = stops.get(name, 0.1)
        return {
            "time_to_trust_s": 30.0,
            AT_S: {"15": figures(0.3, seed), "60": figures(value, seed)},
            "right_eye": figures(0.5 if name == "right eye" else 0.1, seed),
        }

    arms = (ablations.WHOLE, *ablations.WITHOUT)
    clear = {name.replace(" ", "-"): learner(name) for name in arms}
    wrong = {
        name: {AT_S: {"60": figures(value, seed)}}
        for name, value in (("whole", 0.2), ("gate", gate))
    }
    dim = {"whole": licence(0, None), "familiarity": licence(None, None)}
    dim["familiarity"]["held"] = {"-1": 1.0, **{str(s): dark for s in range(10)}}
    trials = {
        "clear": clear,
        "single-labels": {"whole": learner("labels over time")},
        "wrong-labels": wrong,
        "dark": dim,
    }
    return [row(seed, {"trial": trial}, found) for trial, found in trials.items()]


def ablations_found(stops, **more):
    return ablations.analyse([r for s in SEEDS for r in ablation_rows(s, stops(s), **more)])


def test_what_is_clearly_missed_is_named_and_nothing_else():
    found = ablations_found(
        lambda s: {
            "warm start": 0.5 + 0.001 * s,
            "averaged answers": 0.05 + 0.001 * s,
            "gate": 0.1 + 0.01 * (-1) ** s,
            "labels over time": 0.3 + 0.001 * s,
        }
    )
    assert found.headline == "clearly missed when off: warm start, labels over time"
    assert "without warm start" in found.meaning[0]
    assert "Clearly fewer without averaged answers" in found.meaning[1]
    late = found.figures["differences"]["60 s"]
    assert late["warm start"]["mean"] == pytest.approx(0.4055, abs=1e-4)


def test_where_nothing_is_missed_the_sentences_say_so():
    found = ablations_found(lambda s: {})
    assert found.headline == "none is clearly missed"
    assert "no means by itself" in found.meaning[0]


def test_each_means_is_tried_where_it_is_meant_for():
    found = ablations_found(lambda s: {}, gate=0.4, dark=0.8).figures["meant_for"]
    assert found[ablations.RIGHT_EYE_TITLE]["mean"] == pytest.approx(0.4)
    assert found[ablations.GATE_TITLE]["mean"] == pytest.approx(0.2)
    assert found[ablations.FAMILIARITY_TITLE]["mean"] == pytest.approx(0.8)


# Findings: scale


def scale_rows(stops):
    return [
        row(
            seed,
            {"setting": setting},
            {
                setting: {
                    "time_to_trust_s": 30.0,
                    "core_s_per_s": 0.5,
                    "answer_ms": 1.0,
                    AT_S: {"60": figures(stops(setting, seed), seed)},
                }
            },
        )
        for seed in SEEDS
        for setting in scale.SETTINGS
    ]


def test_a_setting_is_compared_with_the_one_it_differs_from_by_one_thing():
    stops = {scale.DEFAULT: 0.1, scale.FRESH: 0.4, "width-32-fresh": 0.3, "rate-5hz": 0.2}
    found = scale.analyse(scale_rows(lambda name, s: stops.get(name, 0.1) + 0.0001 * s))
    differences = found.figures["differences"]
    assert differences["width-32-fresh − width-16-fresh"]["mean"] == pytest.approx(-0.1)
    assert differences["rate-5hz − default"]["mean"] == pytest.approx(0.1)
    assert "fewer with width-8-fresh" in found.meaning[0]
    assert "width-32-fresh" in found.meaning[0]
    assert "more with width-16-fresh" in found.meaning[1]
    assert "0.50" in found.meaning[2]


def test_where_no_setting_matters_the_sentences_say_so():
    found = scale.analyse(scale_rows(lambda name, s: 0.1))
    assert found.headline == "no setting clearly unlike its reference"
    assert "no setting has clearly fewer" in found.meaning[0]


def test_of_too_few_rooms_no_page_says_that_nothing_differs():
    """Five rooms, all with the same great difference."""
    few = range(5)
    one = learners.analyse([learners_row(s, {"cnn": 0.1 + 0.001 * s}) for s in few])
    assert "cannot be compared yet" in one.meaning[0]
    assert "too few rooms, 5, where" in one.meaning[1]
    missed = [r for s in few for r in ablation_rows(s, {"warm start": 0.5 + 0.001 * s})]
    settings = scale_rows(lambda name, s: 0.1 if name == "default" else 0.5 + 0.001 * s)
    for found in (
        ablations.analyse(missed),
        scale.analyse([r for r in settings if r.seed in few]),
    ):
        assert found.headline.startswith("too few rooms, 5, where")
        assert "cannot be told yet: too few rooms, 5" in found.meaning[0]
        assert "lear" not in " ".join(found.meaning[:1])


# All of it


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_smoke_version_runs_to_its_page(name, tmp_path):
    experiment = experiment_of(name)
    campaign = Campaign(experiment, Scope(quick=True), tmp_path / name)
    from training.experiments.engine import run_task

    campaign.run(lambda tasks, version: (run_task(task, version) for task in tasks))
    page = write_page(campaign, experiment.analyse(campaign.rows), tmp_path, "drone experiment")
    assert "Not finished" not in page.read_text()
    assert list((tmp_path / name).glob("*.svg"))
