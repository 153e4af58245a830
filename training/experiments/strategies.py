"""The paper's comparison: how learning is organised, and what it costs once stereo is off.

One flight per seed and arm: learning under the strategy, then mono alone, from the same moment in
every arm, whether or not it has earned it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from training.experiments import charts, flights
from training.experiments.arms import (
    Arm,
    all_compared,
    arm,
    differences_table,
    measures_json,
    measures_table,
)
from training.experiments.design import (
    UNTAUGHT,
    Experiment,
    Findings,
    Picture,
    Row,
    Table,
    Task,
    configured,
)
from training.experiments.perseed import verdict
from training.experiments.statistics import Difference

LEARN_S, ALONE_S = 100.0, 75.0
QUICK_LEARN_S, QUICK_ALONE_S = 12.0, 4.0
STRATEGIES = {
    "cold_turkey": "cold turkey",
    "dagger": "DAgger",
    "training_wheels": "training wheels",
}
KNN = (
    *("learner.kind=texton-knn", "learner.buffer_frames=2400", "learner.publish_s=20"),
    "pilot.mono.average_s=0.45",
)
"""As in the paper (launch/texton_knn.toml)."""
LEARNERS: dict[str, tuple[str, ...]] = {"texton-knn": KNN, "cnn": ()}
RANDOM = (*KNN, "learner.kind=random")
QUICK = ("learner.publish_s=5",)
PAPER = (
    *("pilot.avoidance.kind=paper", "pilot.avoidance.look_at_corners=false"),
    "pilot.avoidance.memory.remember_s=0",
)
"""The original's behaviour (launch/ardrone_room.toml)."""
UNGUARDED = (
    *("pilot.trust.min_tpr=0.8", "pilot.trust.safety=1"),
    *("pilot.trust.max_unfamiliarity=1e9", "pilot.trust.max_uncertainty=1e9"),
)
"""At the operating point of flight the paper's learner would stop in nearly every frame, and who
does not move shows no difference; and no guard but the strategy's own, as in the original."""
ARMS = (
    *((learner, strategy) for learner in LEARNERS for strategy in STRATEGIES),
    ("random", "cold_turkey"),
    ("none", "stereo_only"),
)
MEASURED = (
    *("collisions_per_100m", "collisions_per_min", "metres_per_min", "needless_stops_per_100m"),
    *("turning_share", "tpr_stereo", "fpr_stereo", "tpr_truth", "fpr_truth"),
)


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed and arm."""
    learn_s, alone_s = (QUICK_LEARN_S, QUICK_ALONE_S) if quick else (LEARN_S, ALONE_S)
    return [
        Task(
            "strategies",
            (("learner", learner), ("strategy", strategy)),
            seed,
            (
                configured(
                    seed,
                    learn_s + alone_s,
                    *_settings(learner, strategy, seed, learn_s),
                    *(QUICK if quick else ()),
                ).to_toml(),
            ),
            ((flights.FROM_S, learn_s),),
        )
        for seed in seeds
        for learner, strategy in ARMS
    ]


def _settings(learner: str, strategy: str, seed: int, learn_s: float) -> list[str]:
    own = {**LEARNERS, "random": RANDOM, "none": UNTAUGHT}[learner]
    found = [*PAPER, *UNGUARDED, *own, f"pilot.switching.strategy={strategy}"]
    if strategy == "stereo_only":
        return found
    return [
        *found,
        f"pilot.switching.handover_s={learn_s:g}",
        f"pilot.switching.dagger_seed={seed}",
    ]


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare the arms after the hand-over."""
    after, before = _arms(rows, "after"), _arms(rows, "before")
    found = _compared(after, "collisions_per_100m")
    caught = _compared(after, "tpr_truth")
    pictured = ("collisions_per_100m", "metres_per_min", "fpr_truth")
    names = ("collisions per 100 m", "metres per minute", "FPR against truth")
    panels = {
        title: [a.estimate(measure) for a in after]
        for title, measure in zip(names, pictured, strict=True)
    }
    return Findings(
        _headline(found),
        _meaning(found, caught, {a.name: a for a in after}),
        (
            measures_table("After the hand-over: mono alone", after, MEASURED),
            differences_table(
                "Collisions per 100 m after the hand-over, compared over the same rooms",
                found,
                "Negative: fewer than the other.",
            ),
            differences_table(
                "TPR against truth after the hand-over, compared likewise",
                caught,
                "Positive: catches more of the near frames. Not what was asked beforehand: it "
                "tells whether a strategy taught something where collisions are too rare to.",
            ),
            _power_table(found),
            measures_table(
                "Before it: learning",
                before,
                ("collisions_per_100m", "metres_per_min", "overrides_per_100m", "turning_share"),
            ),
        ),
        (
            Picture(
                "after",
                "After the hand-over, by arm: mean and 95 % interval.",
                charts.bars([a.name for a in after], panels),
                (8.0, 3.4),
            ),
        ),
        {
            "after": measures_json(after, MEASURED),
            "before": measures_json(before, ("collisions_per_100m", "overrides_per_100m")),
            "collisions_per_100m": {name: d.to_dict() for name, d in found.items()},
            "tpr_truth": {name: d.to_dict() for name, d in caught.items()},
        },
    )


def _arms(rows: Sequence[Row], part: str) -> list[Arm]:
    arms = [_arm(rows, learner, strategy, part) for learner, strategy in ARMS]
    return [found for found in arms if found.counts]


def _arm(rows: Sequence[Row], learner: str, strategy: str, part: str) -> Arm:
    words = {"none": "stereo alone (reference)", "random": "guesses (reference)"}
    name = words.get(learner, f"{learner}, {STRATEGIES.get(strategy, strategy)}")
    return arm(name, rows, part, learner=learner, strategy=strategy)


def _compared(arms: Sequence[Arm], measure: str) -> dict[str, Difference]:
    """Compare each strategy with cold turkey, learner by learner, and the learners."""
    by_name = {a.name: a for a in arms}
    pairs: dict[str, tuple[Arm, Arm]] = {}

    def add(ours: str, theirs: str) -> None:
        if ours in by_name and theirs in by_name:
            pairs[f"{ours} − {theirs}"] = (by_name[ours], by_name[theirs])

    for learner in LEARNERS:
        for strategy in ("training wheels", "DAgger"):
            add(f"{learner}, {strategy}", f"{learner}, cold turkey")
        add(f"{learner}, training wheels", f"{learner}, DAgger")
    for strategy in STRATEGIES.values():
        add(f"cnn, {strategy}", f"texton-knn, {strategy}")
    return all_compared(measure, pairs)


_MAIN = "texton-knn, training wheels − texton-knn, cold turkey"


def _headline(found: Mapping[str, Difference]) -> str:
    if _MAIN not in found:
        return "not flown yet"
    d = found[_MAIN]
    return f"texton-knn: training wheels less cold turkey {d.estimate.text(2)} collisions per 100 m"


def _power_table(found: Mapping[str, Difference]) -> Table:
    """Return how large a difference would have had to be."""
    rows = tuple(
        (
            name,
            f"{abs(d.estimate.mean):.1f}",
            f"{d.least_seen:.1f}" if isfinite(d.least_seen) else "–",
            f"{d.seeds_needed:.0f}" if isfinite(d.seeds_needed) else "–",
        )
        for name, d in found.items()
    )
    columns = ("comparison", "found", "least that so many rooms show", "rooms for what was found")
    note = (
        "Collisions per 100 m. To be shown in four of five repeats (a power of 0.8 at a two-sided "
        "5 %, normal approximation)."
    )
    return Table("Could it have been seen?", columns, rows, note)


def _meaning(
    found: Mapping[str, Difference], caught: Mapping[str, Difference], arms: Mapping[str, Arm]
) -> tuple[str, ...]:
    """Return what the figures say, in sentences that follow from them."""
    sentences = []
    if _MAIN in found:
        sentences.append(
            f"With the paper's learner, training wheels {_verdict(found[_MAIN])} cold turkey "
            f"once stereo is off ({found[_MAIN].estimate.text(2)} collisions per 100 m); it "
            f"{_catches(caught[_MAIN])} near frames ({caught[_MAIN].estimate.text(3)})."
        )
    dagger = "texton-knn, DAgger − texton-knn, cold turkey"
    if dagger in found:
        sentences.append(
            f"DAgger {_verdict(found[dagger])} cold turkey ({found[dagger].estimate.text(2)}), and "
            f"{_catches(caught[dagger])} near frames ({caught[dagger].estimate.text(3)})."
        )
    learners = "cnn, training wheels − texton-knn, training wheels"
    if learners in found:
        sentences.append(
            f"With training wheels, the network {_verdict(found[learners])} the paper's learner "
            f"({found[learners].estimate.text(2)}); metres flown stand beside every figure, since "
            "who stands still hits nothing."
        )
    if _MAIN in found and not found[_MAIN].is_clear and isfinite(found[_MAIN].least_seen):
        sentences.append(_why_unclear(found[_MAIN], arms))
    return tuple(sentences)


def _why_unclear(d: Difference, arms: Mapping[str, Arm]) -> str:
    """Return what stands between the paper's effect and these figures."""
    told = [
        f"{who} catches {arms[name].estimate('tpr_truth').mean:.2f} of the near frames and stops "
        f"in {arms[name].estimate('fpr_truth').mean:.2f} of the free ones"
        for who, name in (
            ("the paper's learner", "texton-knn, training wheels"),
            ("the network", "cnn, training wheels"),
        )
        if name in arms
    ]
    return (
        f"Taught with training wheels, {', '.join(told)}: the less a learner's stops tell near "
        f"from free, the less it matters what it was taught on; and a difference below "
        f"{d.least_seen:.1f} collisions per 100 m is not seen in {d.estimate.n} rooms."
    )


def _catches(d: Difference) -> str:
    few, alike = "catches fewer", "catches not clearly more or fewer"
    return verdict(d, few, "catches more", alike, "cannot be compared yet in")


def _verdict(d: Difference) -> str:
    alike, unknown = "shows no clear difference from", "cannot be compared yet with"
    return verdict(d, "collides less than", "collides more than", alike, unknown)


EXPERIMENT = Experiment(
    name="strategies",
    question="Does it matter how learning is organised, once stereo is off?",
    claim="Training wheels beat cold turkey and DAgger: a learner that was taught only on what "
    "stereo-flown images show meets others once it flies itself.",
    protocol=(
        f"In a furnished room of 5 × 5 m, drawn from the seed, each arm learns for {LEARN_S:g} s "
        f"and then flies by mono alone for {ALONE_S:g} s. The hand-over comes at the same time in "
        "every arm, and no licence is asked for. Avoidance is the original's: straight on, stop, "
        "turn in steps, nothing remembered. Mono stops at the distance at which it catches 80 % of "
        "near frames, not 95 % as it does elsewhere: there the paper's learner would stop in "
        "nearly every frame, and who stands still shows no difference. It flies on however strange "
        "the images: the original asked for no familiarity.",
        "cold turkey: stereo flies until the hand-over. DAgger: who flies is drawn every 5 s, mono "
        "more and more. training wheels: mono flies as soon as there is a model, and stereo "
        "overrides an imminent collision. After the hand-over nobody overrides and nothing is "
        "learned; stereo runs on hidden, for scoring.",
        "References: stereo alone all the while; and a learner that answers labels which it saw, "
        "in any order.",
    ),
    falsified_by="The interval of training wheels less cold turkey includes zero, or lies above "
    "it, with the paper's learner.",
    factors={
        "learner": (*LEARNERS, "random", "none"),
        "strategy": (*STRATEGIES, "stereo_only"),
    },
    seeds=range(20),
    quick_seeds=range(1),
    tasks=tasks,
    run=flights.fly,
    analyse=analyse,
    cpu_s=75.0,
    quick_cpu_s=12.0,
)
