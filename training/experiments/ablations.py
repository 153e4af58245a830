"""Each of the learner's means off in turn, and each where it is meant for.

One task per room and trial: a flight by stereo that all arms go through. `clear`: as it comes.
`wrong-labels`: from a time on three labels in ten are another frame's, which the gate is for.
`dark`: the light falls, which familiarity is for. `single-labels`: another labeller, and so another
flight. What the right eye gives is judged on `clear`, by what the right eye sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from training.experiments import charts, courses
from training.experiments.arms import differences_table
from training.experiments.courses import (
    AT_S,
    CHANGE_S,
    RIGHT_EYE,
    UNTIL_S,
    WRONG_FROM_S,
)
from training.experiments.design import Experiment, Findings, Picture, Row, Task, configured
from training.experiments.perseed import (
    Values,
    all_paired,
    estimate,
    figures_table,
    too_few,
    until,
    values,
    verdict,
)
from training.experiments.statistics import UNKNOWN, Difference

FROZEN_S, JUDGED_S = (15.0, 60.0), 60.0
WRONG_S, DARK_S = 20.0, 15.0
QUICK_FROZEN_S, QUICK_JUDGED_S = (3.0, 4.5), 1.5
QUICK_WRONG_S, QUICK_DARK_S = 3.0, 1.0
QUICK = ("learner.publish_s=1", "learner.batch_size=2", "learner.min_frames=16")
WHOLE = "whole"
WITHOUT: dict[str, tuple[str, ...]] = {
    "buffer balance": ("learner.balanced=false",),
    "gate": ("learner.gated=false",),
    "familiarity": ("pilot.trust.max_unfamiliarity=1e9",),
    "right eye": ("learner.both_eyes=false",),
    "label confidence": ("learner.weighted=false",),
    "averaged answers": ("pilot.mono.average_s=0",),
    "averaged weights": ("learner.average_decay=0",),
    "second head": ("learner.two_heads=false",),
    "augmentation": ("learner.augmented=false",),
    "warm start": ("learner.start=fresh",),
    "learning in flight": ("learner.warm_learning_rate=1e-9",),
}
"""Means -> settings that switch it off."""
REMEMBERED = "labels over time"
SINGLE = ("pilot.labels.remember_s=0",)
"""Labels fused over time belong to the flight: stereo flies by them."""
TRIALS: dict[str, tuple[str, ...]] = {
    "clear": tuple(WITHOUT),
    "single-labels": (),
    "wrong-labels": ("gate",),
    "dark": ("familiarity",),
}
"""Trial -> means that are switched off in it, beside `whole`."""
STOPS = "fpr_at_tpr95"
RIGHT_EYE_TITLE, GATE_TITLE, FAMILIARITY_TITLE = (
    *("right eye, left eye lost", "gate, wrong labels", "familiarity, in the dark"),
)
TRUE_STOPS = "fpr_at_tpr95_truth"


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed and trial."""
    return [_task(seed, trial, quick) for seed in seeds for trial in TRIALS]


def _task(seed: int, trial: str, quick: bool) -> Task:
    frozen_s, judged_s = (QUICK_FROZEN_S, QUICK_JUDGED_S) if quick else (FROZEN_S, JUDGED_S)
    wrong_s, dark_s = (QUICK_WRONG_S, QUICK_DARK_S) if quick else (WRONG_S, DARK_S)
    taught_s = frozen_s[-1]
    until_s = taught_s + (dark_s if trial == "dark" else judged_s)
    copies = (*((AT_S, at_s) for at_s in frozen_s), (UNTIL_S, until_s))
    plans = {
        "clear": (*copies, (RIGHT_EYE, 1.0)),
        "single-labels": copies,
        "wrong-labels": (*copies, (WRONG_FROM_S, wrong_s)),
        "dark": ((CHANGE_S, taught_s), (UNTIL_S, until_s)),
    }
    dark = (f"sim.room.changes=[{{at_s={taught_s:g},kind='light',level=0.3}}]",)
    flown = {"single-labels": SINGLE, "dark": dark}.get(trial, ())
    learner = SINGLE if trial == "single-labels" else ()
    arms = {WHOLE: (), **{name: WITHOUT[name] for name in TRIALS[trial]}}
    extra = QUICK if quick else ()
    return Task(
        "ablations",
        (("trial", trial),),
        seed,
        (
            configured(seed, until_s, *flown).to_toml(),
            *(
                configured(seed, until_s, *_named(name), *learner, *own, *extra).to_toml()
                for name, own in arms.items()
            ),
        ),
        plans[trial],
    )


def _named(arm: str) -> tuple[str]:
    return (f"flight.name={arm.replace(' ', '-')}",)


def _at(rows: Sequence[Row], arm: str, at: str, figure: str, trial: str = "clear") -> Values:
    return values(rows, arm.replace(" ", "-"), AT_S, at, figure, trial=trial)


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare each arm with the whole, over the same rooms."""
    times = _times(rows)
    if not times:
        return Findings("not flown yet", (), (), (), {})
    early, late = times[0], times[-1]
    by_time = {at: _compared(rows, at) for at in (early, late)}
    found = by_time[late]
    meant = _meant_for(rows, late)
    arms = {name: _columns(rows, name, early, late) for name in (WHOLE, *WITHOUT)}
    arms[REMEMBERED] = _columns(rows, WHOLE, early, late, "single-labels")
    titles = ["whole", *(f"without {name}" for name in (*WITHOUT, REMEMBERED))]
    named = dict(zip(titles, arms.values(), strict=True))
    columns = {**dict.fromkeys(list(named["whole"])[:-1], 3), _trust_title(late): 1}
    return Findings(
        _headline(found),
        _meaning(found, meant, late),
        (
            figures_table(
                "The default, and without one of its means at a time",
                named,
                columns,
                f"Needless stops are those at 95 % caught. What flew after {early} and {late} s is "
                "judged on the same moments, which none was taught.",
            ),
            differences_table(
                f"Needless stops by the truth after {late} s: without, less the whole",
                found,
                "Positive: what was switched off helps.",
            ),
            differences_table(
                f"The same after {early} s",
                by_time[early],
                "Positive: what was switched off helps.",
            ),
            differences_table(
                "Each where it is meant for: without, less the whole",
                meant,
                "Right eye: needless stops by what the right eye sees. Gate: needless stops after "
                "lessons of which, from a time on, three labels in ten were another frame's. "
                "Familiarity: share of the dark in which the licence is held.",
            ),
        ),
        (
            Picture(
                "differences",
                "How much more of the free frames are stopped needlessly without, at 95 % caught, "
                "by the truth: mean and 95 % interval over rooms.",
                charts.bars(
                    [f"without {name}" for name in (*WITHOUT, REMEMBERED)],
                    {
                        f"after {at} s": [
                            its[name].estimate if name in its else UNKNOWN
                            for name in (*WITHOUT, REMEMBERED)
                        ]
                        for at, its in by_time.items()
                    },
                    signed=True,
                ),
                (8.0, 4.2),
            ),
        ),
        {
            "arms": {
                name: {column: estimate(v).to_dict() for column, v in its.items()}
                for name, its in named.items()
            },
            "differences": {
                f"{at} s": {name: d.to_dict() for name, d in its.items()}
                for at, its in by_time.items()
            },
            "meant_for": {name: d.to_dict() for name, d in meant.items()},
        },
    )


def _times(rows: Sequence[Row]) -> list[str]:
    there = [set(row.figures[WHOLE][AT_S]) for row in rows if AT_S in row.figures[WHOLE]]
    return sorted(set.intersection(*there), key=float) if there else []


def _trust_title(late: str) -> str:
    return f"licence after, s (at most {late})"


def _columns(
    rows: Sequence[Row], arm: str, early: str, late: str, trial: str = "clear"
) -> dict[str, Values]:
    trusted = values(rows, arm.replace(" ", "-"), "time_to_trust_s", trial=trial)
    return {
        f"needless stops, {early} s": _at(rows, arm, early, STOPS, trial),
        f"needless stops, {late} s": _at(rows, arm, late, STOPS, trial),
        f"by the truth, {late} s": _at(rows, arm, late, TRUE_STOPS, trial),
        f"area under the ROC, {late} s": _at(rows, arm, late, "auc", trial),
        f"log error, {late} s": _at(rows, arm, late, "male", trial),
        _trust_title(late): until(trusted, float(late)),
    }


def _compared(rows: Sequence[Row], at: str) -> dict[str, Difference]:
    """Return what each means gives: needless stops by the truth without it, less the whole's."""
    whole = _at(rows, WHOLE, at, TRUE_STOPS)
    pairs = {name: (_at(rows, name, at, TRUE_STOPS), whole) for name in WITHOUT}
    pairs[REMEMBERED] = (_at(rows, WHOLE, at, TRUE_STOPS, "single-labels"), whole)
    return all_paired(pairs)


def _meant_for(rows: Sequence[Row], late: str) -> dict[str, Difference]:
    """Return the same, where a means has its use."""

    def by_right_eye(arm: str) -> Values:
        return values(rows, arm, "right_eye", STOPS, trial="clear")

    def mislabelled(arm: str) -> Values:
        return _at(rows, arm, late, STOPS, "wrong-labels")

    return all_paired(
        {
            RIGHT_EYE_TITLE: (by_right_eye("right-eye"), by_right_eye(WHOLE)),
            GATE_TITLE: (mislabelled("gate"), mislabelled(WHOLE)),
            FAMILIARITY_TITLE: (_dark_share(rows, "familiarity"), _dark_share(rows, WHOLE)),
        }
    )


def _dark_share(rows: Sequence[Row], arm: str) -> Values:
    """Return the share of the dark seconds with a licence, where it was held before."""
    found = {}
    for row in rows:
        if row.like(trial="dark") and row.figures[arm]["held_before"]:
            dark = [held for s, held in row.figures[arm]["held"].items() if int(s) >= 0]
            found[row.seed] = sum(dark) / len(dark) if dark else math.nan
    return found


def _clear(found: Mapping[str, Difference], sign: int) -> list[str]:
    """Return what differs clearly from the whole, after correction, the most first."""
    there = {
        name: sign * d.estimate.mean
        for name, d in found.items()
        if d.is_clear and sign * d.estimate.mean > 0
    }
    return sorted(there, key=lambda name: -there[name])


def _headline(found: Mapping[str, Difference]) -> str:
    if few := too_few(found):
        return few
    helps = _clear(found, 1)
    return f"clearly missed when off: {', '.join(helps)}" if helps else "none is clearly missed"


def _meaning(
    found: Mapping[str, Difference], meant: Mapping[str, Difference], late: str
) -> tuple[str, ...]:
    """Return what the figures say."""
    sentences = [*_what_each_gives(found, late)]
    if meant:
        said = "; ".join(
            f"{name}: "
            + verdict(d, "better without", "worse without", "no clear difference", "too few rooms")
            + f" ({d.estimate.text(2)})"
            for name, d in meant.items()
        )
        sentences.append(f"Each where it is meant for: {said}.")
    return tuple(sentences)


def _what_each_gives(found: Mapping[str, Difference], late: str) -> tuple[str, ...]:
    if few := too_few(found):
        return (f"What each means gives to needless stops cannot be told yet: {few}.",)
    helps, harms = _clear(found, 1), _clear(found, -1)
    unclear = [name for name in found if name not in (*helps, *harms)]
    told = ", ".join(f"{name} ({found[name].estimate.text(2)})" for name in helps)
    return (
        f"After {late} s, clearly more free frames are stopped needlessly without {told}."
        if helps
        else f"After {late} s no means by itself makes a clear difference to needless stops.",
        f"Clearly fewer without {', '.join(harms)}; no clear difference without "
        f"{', '.join(unclear)}."
        if harms
        else f"No clear difference without {', '.join(unclear) or 'any other'}, and nothing is "
        "clearly better off.",
    )


EXPERIMENT = Experiment(
    name="ablations",
    question="What does each of the learner's means give?",
    claim="Nothing: the paper's learner has none of them, but for an average over five answers.",
    protocol=(
        "A flight by stereo in a furnished room of 5 × 5 m, drawn from the seed. The default "
        "learner, and the same without one of its means at a time, go through its first "
        f"{FROZEN_S[-1]:g} s, each frame tested before it is taught; copies frozen after "
        f"{' and '.join(f'{t:g}' for t in FROZEN_S)} s are judged on the next {JUDGED_S:g} s.",
        "What counts is the share of free frames stopped needlessly at 95 % of the near frames "
        "caught, near and free by the simulator's truth, since labels without their fusion over "
        "time are other labels. Those belong to the flight: stereo flies by them.",
        "Three of the means are for what an undisturbed flight does not show, and are tried there "
        "too. The right eye: the same moments as the right eye sees them, as if the left were "
        f"lost. The gate: from {WRONG_S:g} s of the lessons on three labels in ten are an earlier "
        f"frame's. Familiarity: after the lessons the light falls to 30 % for {DARK_S:g} s, and "
        "the share of that time with a licence is asked for, of the rooms where it was held.",
    ),
    falsified_by="A means is off, the needless stops do not rise clearly, and where it is meant "
    "for it makes no difference either: then it should go.",
    factors={"trial": tuple(TRIALS)},
    seeds=range(11),
    quick_seeds=range(1),
    tasks=tasks,
    run=courses.run,
    analyse=analyse,
    cpu_s=240.0,
    quick_cpu_s=12.0,
)
