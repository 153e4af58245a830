"""The data bias that control by mono brings: other images are seen than those learned from.

One flight per seed, learner and strategy. The images of the learning phase are compared with those
of the flight by mono alone: how near the room is (λ), how far the new images lie from the learned
ones in texton space, and how large the error is on either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from drone.clock import s_from_ns
from drone.config import Config
from drone.flightlog import FlightLog
from drone.messages import DistanceLabel, Image, MonoEstimate, Tick
from drone.onboard.mono import network_input, session_from_onnx
from drone.onboard.perception import Perception
from training.experiments import charts, flights, strategies
from training.experiments.arms import differences_table
from training.experiments.design import Experiment, Findings, Picture, Row, Table, Task
from training.experiments.perseed import verdict
from training.experiments.statistics import Difference, Estimate, corrected, difference, mean
from training.textons import FEATURES, Graph, add_features, default_dictionary

ARMS = tuple(
    (learner, strategy)
    for learner in strategies.LEARNERS
    for strategy in ("cold_turkey", "training_wheels")
)
EVERY = 2
"""Of so many frames one is looked at: neighbours are nearly the same."""
APART_S = 5.0
"""Images of the learning phase so near in time are not each other's measure of what is usual."""
BINS_PX = tuple(float(x) for x in np.linspace(0.0, 12.0, 25))
MEASURES = {
    "lambda_shift_px": "shift of λ, px",
    "novelty": "distance to learned images, over the usual",
    "error_learned": "log error while learning",
    "error_alone": "log error alone",
}


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return the flights of `strategies` that are compared here."""
    return [
        task._replace(experiment="data-bias")
        for task in strategies.tasks(seeds, quick)
        if tuple(level for _, level in task.factors) in ARMS
    ]


def run(task: Task) -> dict[str, Any]:
    """Fly, and compare what was seen before and after the hand-over."""
    from_s = task.planned(flights.FROM_S)
    return flights.fly(task, lambda log, config: bias(log, config, from_s))


def bias(log: FlightLog, config: Config, from_s: float) -> dict[str, Any]:
    """Return how the images after a time differ from those before it."""
    spec = Perception(config.pilot, log.header.calibration).spec
    seen = _seen(log, spec.width_px, spec.height_px)
    before, after = ([s for s in seen if (s[0] >= from_s) is later] for later in (False, True))
    lambdas = [_finite([s[1] for s in part]) for part in (before, after)]
    return {
        "lambda_shift_px": _shift(*lambdas),
        "lambda_before": _histogram(lambdas[0]),
        "lambda_after": _histogram(lambdas[1]),
        "novelty": _novelty(before, after),
        "error_learned": _mean([s[2] for s in before]),
        "error_alone": _mean([s[2] for s in after]),
    }


_Seen = tuple[float, float, float, NDArray[np.float64]]
"""Time, λ (px), log error of mono, texton features of one frame."""


def _seen(log: FlightLog, width_px: int, height_px: int) -> list[_Seen]:
    graph = Graph()
    outputs = {add_features(graph, default_dictionary(), height_px, width_px): (1, FEATURES)}
    session = session_from_onnx(graph.model(height_px, width_px, outputs).SerializeToString())
    found: list[_Seen] = []
    now: dict[type, Any] = {}
    for _, message in (*log.records(), (None, None)):
        if isinstance(message, Tick) or message is None:
            row = _row(now, session, width_px, height_px)
            found += [row] if row is not None else []
            now = {}
        now[type(message)] = message
    return found


def _row(now: dict[type, Any], session: Any, width_px: int, height_px: int) -> _Seen | None:
    tick: Tick | None = now.get(Tick)
    if tick is None or tick.frame is None or tick.frame.left is None or tick.frame.seq % EVERY:
        return None
    label: DistanceLabel | None = now.get(DistanceLabel)
    estimate: MonoEstimate | None = now.get(MonoEstimate)
    known = label is not None and label.valid
    label_m = label.obstacle_m if label is not None and known else math.nan
    estimate_m = estimate.obstacle_m if estimate is not None and estimate.valid else math.nan
    error = abs(math.log(estimate_m / label_m)) if estimate_m > 0 and label_m > 0 else math.nan
    lambda_px = label.lambda_px if label is not None and known else math.nan
    features = _features(session, tick.frame.left, width_px, height_px)
    return s_from_ns(tick.stamp_ns), lambda_px, error, features


def _features(session: Any, image: Image, width_px: int, height_px: int) -> NDArray[np.float64]:
    batch = network_input(image, width_px, height_px)
    return np.asarray(session.run(None, {"image": batch})[0][0], np.float64)


def _shift(before: NDArray[np.float64], after: NDArray[np.float64]) -> float | None:
    """Return the earth mover's distance between two distributions of λ, px."""
    if not (len(before) and len(after)):
        return None
    return _known(wasserstein_distance(before, after))


def _histogram(lambdas: NDArray[np.float64]) -> list[float]:
    counts, _ = np.histogram(np.clip(lambdas, BINS_PX[0], BINS_PX[-1]), BINS_PX)
    return [round(float(c), 4) for c in counts / max(1, len(lambdas))]


def _novelty(before: Sequence[_Seen], after: Sequence[_Seen]) -> float | None:
    """Return how far images lie from the learned ones, over how far those lie from each other.

    The distance is that to the nearest in texton space, median over images; among the learned ones,
    to the nearest of another moment.
    """
    if len(before) < 2 or not after:
        return None
    learned, new = (np.array([s[3] for s in part]) for part in (before, after))
    times_s = np.array([s[0] for s in before])
    usual = [
        float(np.linalg.norm(learned[apart] - one, axis=1).min())
        for one, at_s in zip(learned, times_s, strict=True)
        if (apart := np.abs(times_s - at_s) >= APART_S).any()
    ]
    if not usual or not np.median(usual) > 0:
        return None
    distances, _ = cKDTree(learned).query(new)
    return _known(np.median(distances) / np.median(usual))


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare what was seen, and how well, before and after the hand-over."""
    by_arm = {
        _name(*levels): [r for r in rows if (r.factors["learner"], r.factors["strategy"]) == levels]
        for levels in ARMS
    }
    by_arm = {name: found for name, found in by_arm.items() if found}
    figures = {
        name: {key: mean([r.figures[key] for r in found]) for key in MEASURES}
        for name, found in by_arm.items()
    }
    gaps = _gaps(by_arm)
    return Findings(
        _headline(gaps),
        _meaning(figures, gaps),
        (_table(figures), _gaps_table(gaps)),
        _pictures(by_arm, figures),
        {
            "arms": {n: {k: e.to_dict() for k, e in f.items()} for n, f in figures.items()},
            "wheels_less_cold_turkey": {name: d.to_dict() for name, d in gaps.items()},
        },
    )


def _name(learner: str, strategy: str) -> str:
    return f"{learner}, {strategies.STRATEGIES[strategy]}"


def _gaps(by_arm: dict[str, list[Row]]) -> dict[str, Difference]:
    """Compare training wheels with cold turkey over the same rooms."""
    found: dict[str, Difference] = {}
    for learner in strategies.LEARNERS:
        ours, theirs = (
            {r.seed: r.figures for r in by_arm.get(_name(learner, s), [])}
            for s in ("training_wheels", "cold_turkey")
        )
        for key, title in MEASURES.items():
            both = sorted(set(ours) & set(theirs))
            seeds = [s for s in both if None not in (ours[s][key], theirs[s][key])]
            ones = [1.0] * len(seeds)
            if seeds:
                found[f"{learner}: {title}"] = difference(
                    ([ours[s][key] for s in seeds], ones), ([theirs[s][key] for s in seeds], ones)
                )
    return dict(zip(found, corrected(list(found.values())), strict=True))


def _table(figures: dict[str, dict[str, Estimate]]) -> Table:
    rows = tuple(
        (name, str(max(e.n for e in found.values())), *(found[key].text(2) for key in MEASURES))
        for name, found in figures.items()
    )
    note = (
        "λ is stereo's mean disparity of the image; its shift is the earth mover's distance "
        "between the two phases. Usual is the distance between images of the learning phase taken "
        f"{APART_S:g} s or more apart; both are to the nearest, in texton space."
    )
    return Table("Learning phase against mono alone", ("arm", "n", *MEASURES.values()), rows, note)


def _gaps_table(gaps: dict[str, Difference]) -> Table:
    return differences_table(
        "Training wheels less cold turkey, over the same rooms",
        gaps,
        "Negative: training wheels' images and errors change less at the hand-over.",
    )


def _pictures(
    by_arm: dict[str, list[Row]], figures: dict[str, dict[str, Estimate]]
) -> tuple[Picture, ...]:
    panels = {title: [f[key] for f in figures.values()] for key, title in MEASURES.items()}
    return (
        Picture(
            "lambda",
            "Distribution of λ: seen while learning (filled) and by mono alone (line).",
            lambda figure: _draw_histograms(figure, by_arm),
            (8.0, 2.6),
        ),
        Picture("bias", "Mean and 95 % interval.", charts.bars(list(figures), panels), (9.0, 2.4)),
    )


def _draw_histograms(figure: Any, by_arm: dict[str, list[Row]]) -> None:
    if not by_arm:
        return
    axes = figure.subplots(1, len(by_arm), sharey=True, squeeze=False)[0]
    for axis, (name, rows), colour in zip(axes, by_arm.items(), charts.COLOURS, strict=False):
        before, after = (
            np.mean([r.figures[f"lambda_{phase}"] for r in rows], axis=0)
            for phase in ("before", "after")
        )
        axis.stairs(before, BINS_PX, fill=True, color=colour, alpha=0.35)
        axis.stairs(after, BINS_PX, color=colour, lw=1.5)
        axis.set_title(name, fontsize=8, loc="left")
        axis.set_xlabel("λ, px", fontsize=8)
    axes[0].set_ylabel("share of frames", fontsize=8)


def _headline(gaps: dict[str, Difference]) -> str:
    told = [
        f"{learner} {d.estimate.text(3)}"
        for learner in strategies.LEARNERS
        if (d := gaps.get(f"{learner}: {MEASURES['error_alone']}")) is not None
    ]
    if not told:
        return "not flown yet"
    return f"log error alone, training wheels less cold turkey: {'; '.join(told)}"


def _meaning(
    figures: dict[str, dict[str, Estimate]], gaps: dict[str, Difference]
) -> tuple[str, ...]:
    sentences = []
    for learner in strategies.LEARNERS:
        cold = figures.get(_name(learner, "cold_turkey"))
        novelty = gaps.get(f"{learner}: {MEASURES['novelty']}")
        error = gaps.get(f"{learner}: {MEASURES['error_alone']}")
        if cold is None or novelty is None or error is None:
            continue
        sentences.append(
            f"After cold turkey with {learner}, mono's own images lie {cold['novelty'].text(2)} "
            f"times as far from the learned ones as is usual, and its error goes from "
            f"{cold['error_learned'].text(2)} to {cold['error_alone'].text(2)}; training wheels "
            f"{_changes(novelty)} that distance ({novelty.estimate.text(2)}) and {_changes(error)} "
            f"the error alone ({error.estimate.text(2)})."
        )
    return tuple(sentences)


def _changes(d: Difference) -> str:
    alike, unknown = "do not clearly change", "cannot be said yet, by so few rooms, to change"
    return verdict(d, "shrink", "widen", alike, unknown)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    found = np.array(values, np.float64)
    return found[np.isfinite(found)]


def _mean(values: Sequence[float]) -> float | None:
    found = _finite(values)
    return _known(found.mean()) if len(found) else None


def _known(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


EXPERIMENT = Experiment(
    name="data-bias",
    question="Does mono, once in control, see other images than it learned from?",
    claim="Yes: a learner taught under stereo's control meets other images under its own, and "
    "training wheels close the gap.",
    protocol=(
        "The flights of `strategies`, cold turkey and training wheels. In each, the images of the "
        "learning phase are compared with those of the flight by mono alone, in the same room: the "
        "distribution of λ, the distance in texton space, and mono's error against stereo, which "
        "runs on hidden.",
    ),
    falsified_by="With cold turkey, images seen under mono's control are no farther from the "
    "learned ones than those are from each other, or training wheels change nothing of it.",
    factors={
        "learner": tuple(strategies.LEARNERS),
        "strategy": ("cold_turkey", "training_wheels"),
    },
    seeds=range(12),
    quick_seeds=range(1),
    tasks=tasks,
    run=run,
    analyse=analyse,
    cpu_s=110.0,
    quick_cpu_s=12.0,
)
