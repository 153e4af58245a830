"""The paper's offline comparison: every learner on the same recorded flights.

One task per room: a flight by stereo, and each learner goes through its first part as it would in
flight; copies frozen on the way are judged on the last part, which is the same for all. The same on
a flight of one's own: `python -m training.experiments.onlog`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.experiments import charts, courses
from training.experiments.arms import differences_table
from training.experiments.courses import AT_S, BLIND, CAUGHT, UNTIL_S
from training.experiments.design import Experiment, Findings, Picture, Row, Task, configured
from training.experiments.perseed import (
    Values,
    all_paired,
    estimate,
    figures_table,
    too_few,
    values,
    verdict,
)
from training.experiments.statistics import Difference

FROZEN_S = (10.0, 20.0, 50.0, 100.0, 200.0)
JUDGED_S = 100.0
QUICK_FROZEN_S, QUICK_JUDGED_S = (6.0, 9.0), 5.0
QUICK = ("learner.publish_s=3", "learner.batch_size=2")
RATE_HZ = 10
LEARNERS: dict[str, tuple[str, ...]] = {
    "cnn": (),
    "cnn-fresh": ("learner.start=fresh",),
    **{
        f"texton-{kind}": (f"learner.kind=texton-{kind}", "learner.buffer_frames=2400")
        for kind in ("knn", "linear", "gp", "mlp")
    },
}
TITLES = {
    "cnn": "network, warm (default)",
    "cnn-fresh": "network, fresh",
    "texton-knn": "textons, k nearest",
    "texton-linear": "textons, linear",
    "texton-gp": "textons, Gaussian process",
    "texton-mlp": "textons, shallow network",
    BLIND: "mean of the past, no image",
}
TEXTONS = tuple(name for name in LEARNERS if name.startswith("texton"))
COLUMNS = {
    "fpr_at_tpr95": ("needless stops at 95 % caught", 3),
    "auc": ("area under the ROC", 3),
    "lambda_mae_px": ("error of λ, px", 2),
    "lambda_correlation": ("correlation of λ", 2),
    "male": ("log error of the distance", 3),
    "fpr_at_tpr95_truth": ("needless stops, by the truth", 3),
}


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed, with all learners."""
    frozen_s, judged_s = (QUICK_FROZEN_S, QUICK_JUDGED_S) if quick else (FROZEN_S, JUDGED_S)
    until_s = frozen_s[-1] + judged_s
    plan = (*((AT_S, at_s) for at_s in frozen_s), (UNTIL_S, until_s))
    arms = {"flight": (), **LEARNERS}
    return [
        Task(
            "learners",
            (),
            seed,
            tuple(
                configured(
                    seed, until_s, f"flight.name={name}", *own, *(QUICK if quick else ())
                ).to_toml()
                for name, own in arms.items()
            ),
            plan,
        )
        for seed in seeds
    ]


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare the learners, at the end of the lessons and on the way there."""
    times = _times(rows)
    if not times:
        return Findings("not flown yet", (), (), (), {})
    last = times[-1]
    end = {
        title: {column: values(rows, name, AT_S, last, key) for key, (column, _) in COLUMNS.items()}
        for name, title in TITLES.items()
    }
    stops, lambdas = (
        {name: {t: values(rows, name, AT_S, t, key) for t in times} for name in TITLES}
        for key in ("fpr_at_tpr95", "lambda_mae_px")
    )
    found = _compared({name: by_time[last] for name, by_time in stops.items()})
    digits = dict(COLUMNS.values())
    heads = {f"{t} s": 2 for t in times}
    return Findings(
        _headline(found),
        _meaning(found, lambdas, times),
        (
            figures_table(f"After {last} s of lessons", end, digits),
            differences_table(
                f"Needless stops at 95 % caught after {last} s, compared room by room",
                found,
                "Negative: fewer than the other.",
            ),
            figures_table("Error of λ, px, after so long", _by_time(lambdas), heads),
            figures_table(
                "Needless stops at 95 % caught, after so long",
                {k: v for k, v in _by_time(stops).items() if k != TITLES[BLIND]},
                heads,
            ),
        ),
        (*_pictures(rows, lambdas, stops, last),),
        {
            name: {key: estimate(values(rows, name, AT_S, last, key)).to_dict() for key in COLUMNS}
            for name in TITLES
        }
        | {"differences": {name: d.to_dict() for name, d in found.items()}},
    )


def _times(rows: Sequence[Row]) -> list[str]:
    """Return the times that all rows have, in order."""
    there = [set(row.figures[BLIND][AT_S]) for row in rows]
    return sorted(set.intersection(*there), key=float) if there else []


def _by_time(found: Mapping[str, Mapping[str, Values]]) -> dict[str, dict[str, Values]]:
    return {
        TITLES[name]: {f"{t} s": figures for t, figures in by_time.items()}
        for name, by_time in found.items()
    }


def _compared(stops: Mapping[str, Values]) -> dict[str, Difference]:
    """Compare every learner with the paper's, and the network's two starts."""
    pairs = {
        f"{name} − texton-knn": (stops[name], stops["texton-knn"])
        for name in LEARNERS
        if name != "texton-knn"
    }
    return all_paired({**pairs, "cnn − cnn-fresh": (stops["cnn"], stops["cnn-fresh"])})


def _headline(found: Mapping[str, Difference]) -> str:
    d = found.get("cnn − texton-knn")
    if d is None:
        return "not flown yet"
    return f"needless stops at 95 % caught: cnn less texton-knn {d.estimate.text(2)}"


def _meaning(
    found: Mapping[str, Difference],
    lambdas: Mapping[str, Mapping[str, Values]],
    times: Sequence[str],
) -> tuple[str, ...]:
    """Return what the figures say."""
    sentences = []
    network = found.get("cnn − texton-knn")
    if network is not None:
        said = verdict(
            network,
            "stops needlessly less than",
            "stops needlessly more than",
            "shows no clear difference from",
            "cannot be compared yet with",
        )
        sentences.append(
            f"After {times[-1]} s the network (warm) {said} the paper's k nearest neighbours "
            f"({network.estimate.text(2)} of the free frames, at 95 % of the near ones caught)."
        )
    others = {name: found.get(f"{name} − texton-knn") for name in TEXTONS if name != "texton-knn"}
    there = {name: d for name, d in others.items() if d is not None}
    apart = [name for name, d in there.items() if d.is_clear]
    if apart:
        sentences.append(
            f"Of the other regressors on textons {', '.join(apart)} differ clearly from it: which "
            "regressor it is matters."
        )
    elif few := too_few(there):
        sentences.append(f"The other regressors on textons cannot be compared with it: {few}.")
    elif there:
        sentences.append(
            "Of the other regressors on textons none differs clearly from it: these rooms show no "
            "gain from another regressor."
        )
    if len(times) > 1:
        sentences.append(_course_of(lambdas, times))
    return tuple(sentences)


def _course_of(lambdas: Mapping[str, Mapping[str, Values]], times: Sequence[str]) -> str:
    """Return how the error of λ goes with the frames learned from."""

    def told(name: str) -> str:
        first, last = (estimate(lambdas[name][t]).text(2) for t in (times[0], times[-1]))
        return f"{TITLES[name]} from {first} to {last} px"

    end = estimate(lambdas[BLIND][times[-1]]).text(2)
    return (
        f"From {times[0]} to {times[-1]} s of lessons the error of λ goes: {told('cnn')}; "
        f"{told('cnn-fresh')}; {told('texton-knn')}; who looks at no image errs by {end} px."
    )


def _pictures(
    rows: Sequence[Row],
    lambdas: Mapping[str, Mapping[str, Values]],
    stops: Mapping[str, Mapping[str, Values]],
    last: str,
) -> tuple[Picture, ...]:
    def course(found: Mapping[str, Mapping[str, Values]]) -> charts.Lines:
        return {
            TITLES[name]: [(RATE_HZ * float(t), estimate(v)) for t, v in by_time.items()]
            for name, by_time in found.items()
        }

    without_blind = {k: v for k, v in stops.items() if k != BLIND}
    frames = "frames of the lessons"
    return (
        Picture(
            "roc",
            f"After {last} s: free frames stopped needlessly, by the share of near frames caught; "
            "bands are 95 % intervals over rooms.",
            charts.curves("near frames caught", "free frames stopped", _roc(rows, last)),
        ),
        Picture(
            "lambda",
            "Error of λ, the mean disparity, by the number of frames learned from.",
            charts.curves(frames, "mean absolute error of λ, px", course(lambdas), True),
        ),
        Picture(
            "stops",
            "Needless stops at 95 % caught, by the number of frames learned from.",
            charts.curves(frames, "free frames stopped", course(without_blind), True),
        ),
    )


def _roc(rows: Sequence[Row], last: str) -> charts.Lines:
    """Return each learner's share of free frames stopped at each share caught."""
    found = {}
    for name in LEARNERS:
        known = {
            row.seed: row.figures[name][AT_S][last]["fpr_at_caught"]
            for row in rows
            if row.figures.get(name, {}).get(AT_S, {}).get(last, {}).get("fpr_at_caught")
        }
        found[TITLES[name]] = [
            (float(caught), estimate({seed: curve[i] for seed, curve in known.items()}))
            for i, caught in enumerate(CAUGHT)
            if caught >= 0.5
        ]
    return found


EXPERIMENT = Experiment(
    name="learners",
    question="Which learner gets most out of the same recorded flights, and how fast?",
    claim="On the same texton features k nearest neighbours, a linear regressor, a Gaussian "
    "process and a shallow network come close to each other; k nearest neighbours was flown, with "
    "a needless-stop rate of at most 0.4 at 95 % caught.",
    protocol=(
        f"A flight by stereo of {FROZEN_S[-1] + JUDGED_S:g} s in a furnished room of 5 × 5 m, "
        "drawn from the seed. Each learner goes through the first "
        f"{FROZEN_S[-1]:g} s as it would in flight, each frame tested before it is taught. Copies "
        f"frozen after {', '.join(f'{t:g}' for t in FROZEN_S)} s are judged on the last "
        f"{JUDGED_S:g} s, the same for all.",
        "A frame is near where stereo's obstacle distance is below 1 m. The error is that of the "
        "paper's λ, the mean disparity of the image: what the texton learners answer; of the "
        "network's grid it is the mean over the cells that stereo knows. A copy that has nothing "
        "to fly yet stops always.",
    ),
    falsified_by="The interval of the network's needless stops less those of k nearest neighbours "
    "includes zero or lies above it; or another regressor on the same textons is clearly better "
    "than k nearest neighbours.",
    factors={},
    seeds=range(18),
    quick_seeds=range(1),
    tasks=tasks,
    run=courses.run,
    analyse=analyse,
    cpu_s=560.0,
    quick_cpu_s=25.0,
)
