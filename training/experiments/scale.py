"""What hardware is needed: trust and error against image, network, camera rate and training budget.

One task per room and setting, one setting off the default at a time, each with its own flight by
stereo. What learning and answering cost is timed; nothing else differs from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.experiments import charts, courses
from training.experiments.arms import differences_table
from training.experiments.courses import AT_S, TIMED, UNTIL_S
from training.experiments.design import Experiment, Findings, Picture, Row, Task, configured
from training.experiments.perseed import (
    Values,
    all_paired,
    estimate,
    figures_table,
    too_few,
    until,
    values,
)
from training.experiments.statistics import Difference

FROZEN_S, JUDGED_S = (15.0, 60.0), 60.0
QUICK_FROZEN_S, QUICK_JUDGED_S = (3.0,), 1.0
QUICK = ("learner.publish_s=1", "learner.batch_size=2", "learner.min_frames=6")
DEFAULT, FRESH = "default", "width-16-fresh"


def _image(width_px: int, height_px: int) -> tuple[str, ...]:
    return (
        *(f"sim.camera.width_px={width_px}", f"sim.camera.height_px={height_px}"),
        *(f"pilot.mono.width_px={width_px}", f"pilot.mono.height_px={height_px}"),
    )


SETTINGS: dict[str, tuple[str, ...]] = {
    DEFAULT: (),
    "image-64x48": _image(64, 48),
    "image-192x144": _image(192, 144),
    "width-8-fresh": ("learner.width=8", "learner.start=fresh"),
    FRESH: ("learner.start=fresh",),
    "width-32-fresh": ("learner.width=32", "learner.start=fresh"),
    "rate-5hz": ("sim.camera.rate_hz=5",),
    "rate-20hz": ("sim.camera.rate_hz=20",),
    "batch-5": ("learner.batch_size=5",),
    "steps-2": ("learner.steps_per_frame=2",),
    "steps-4": ("learner.steps_per_frame=4",),
}
"""Names -> settings unlike the default: 128 x 96 px, width 16, 10 Hz, a step of 10 a frame."""
TITLES = {
    DEFAULT: "default: 128 × 96 px, width 16, 10 Hz, one step of 10 frames",
    "image-64x48": "image of 64 × 48 px",
    "image-192x144": "image of 192 × 144 px",
    "width-8-fresh": "width 8, fresh",
    FRESH: "width 16, fresh",
    "width-32-fresh": "width 32, fresh",
    "rate-5hz": "5 Hz",
    "rate-20hz": "20 Hz",
    "batch-5": "half a budget: steps of 5 frames",
    "steps-2": "twice the budget: two steps a frame",
    "steps-4": "four times the budget",
}
STOPS = "fpr_at_tpr95_truth"


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed and setting."""
    frozen_s, judged_s = (QUICK_FROZEN_S, QUICK_JUDGED_S) if quick else (FROZEN_S, JUDGED_S)
    until_s = frozen_s[-1] + judged_s
    plan = (*((AT_S, at_s) for at_s in frozen_s), (UNTIL_S, until_s), (TIMED, 1.0))
    found = []
    for seed in seeds:
        for setting, own in SETTINGS.items():
            extra = [] if not quick else [q for q in QUICK if q.partition("=")[0] not in str(own)]
            config = configured(seed, until_s, f"flight.name={setting}", *own, *extra).to_toml()
            factors = (("setting", setting),)
            found.append(Task("scale", factors, seed, (config, config), plan))
    return found


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare each setting with the one that it differs from by one thing."""
    times = _times(rows)
    if not times:
        return Findings("not flown yet", (), (), (), {})
    late = times[-1]
    there = {s: title for s, title in TITLES.items() if any(row.like(setting=s) for row in rows)}
    arms = {title: _columns(rows, setting, late) for setting, title in there.items()}
    found = _compared(rows, late)
    costs, trust, stops, error = list(next(iter(arms.values())))[0::1][:1], *_heads(late)
    panels = {
        title: [estimate(columns[title]) for columns in arms.values()]
        for title in (*costs, trust, stops, error)
    }
    return Findings(
        _headline(found),
        _meaning(rows, found, late),
        (
            figures_table(
                f"Each setting after {late} s",
                arms,
                dict(zip(next(iter(arms.values())), (2, 2, 1, 3, 3, 3), strict=True)),
                "Core seconds are of learning, per second of flight, and milliseconds of one "
                "answer, both on the machine named below while other work went on beside it: "
                f"compare them with each other. A licence given later counts as {late} s.",
            ),
            differences_table(
                f"Needless stops by the truth after {late} s, compared room by room",
                found,
                "Of a width less width 16, fresh; of all else less the default. Negative: fewer.",
            ),
        ),
        (
            Picture(
                "settings",
                "What a setting costs and gives: mean and 95 % interval over rooms.",
                charts.bars(list(arms), panels),
                (11.0, 4.2),
            ),
        ),
        {
            "settings": {
                setting: {column: estimate(v).to_dict() for column, v in arms[title].items()}
                for setting, title in there.items()
            },
            "differences": {name: d.to_dict() for name, d in found.items()},
        },
    )


def _times(rows: Sequence[Row]) -> list[str]:
    there = [set(next(iter(_learner(row).values()))) for row in rows]
    return sorted(set.intersection(*there), key=float) if there else []


def _learner(row: Row) -> dict[str, dict[str, object]]:
    """Return the copies of the row's one learner."""
    return {AT_S: row.figures[row.factors["setting"]][AT_S]}


def _heads(late: str) -> tuple[str, str, str]:
    return (
        f"licence after, s (at most {late})",
        "needless stops, by the truth",
        "log error, by the truth",
    )


def _columns(rows: Sequence[Row], setting: str, late: str) -> dict[str, Values]:
    def found(*path: str) -> Values:
        return values(rows, setting, *path, setting=setting)

    trust, stops, error = _heads(late)
    return {
        "core s per s": found("core_s_per_s"),
        "ms an answer": found("answer_ms"),
        trust: until(found("time_to_trust_s"), float(late)),
        stops: found(AT_S, late, STOPS),
        "by stereo": found(AT_S, late, "fpr_at_tpr95"),
        error: found(AT_S, late, "male_truth"),
    }


def _compared(rows: Sequence[Row], late: str) -> dict[str, Difference]:
    def stops(setting: str) -> Values:
        return values(rows, setting, AT_S, late, STOPS, setting=setting)

    pairs = {}
    for setting in SETTINGS:
        reference = FRESH if setting.endswith("fresh") and setting != FRESH else DEFAULT
        if setting != reference:
            pairs[f"{setting} − {reference}"] = (stops(setting), stops(reference))
    return all_paired(pairs)


def _clear(found: dict[str, Difference]) -> dict[str, list[str]]:
    """Return which settings are clearly better and clearly worse than their reference."""
    clear = {name: d for name, d in found.items() if d.is_clear}
    return {
        "better": [f"{n} ({d.estimate.text(2)})" for n, d in clear.items() if d.estimate.mean < 0],
        "worse": [f"{n} ({d.estimate.text(2)})" for n, d in clear.items() if d.estimate.mean > 0],
    }


def _headline(found: dict[str, Difference]) -> str:
    if few := too_few(found):
        return few
    clear = _clear(found)
    told = [f"clearly {how}: {', '.join(names)}" for how, names in clear.items() if names]
    return "; ".join(told) or "no setting clearly unlike its reference"


def _meaning(rows: Sequence[Row], found: dict[str, Difference], late: str) -> tuple[str, ...]:
    """Return what the figures say."""
    cost = _columns(rows, DEFAULT, late)
    sentences = [*_what_matters(found, late)]
    if cost["core s per s"]:
        sentences.append(
            f"The default learns at {estimate(cost['core s per s']).text(2)} core seconds per "
            f"second of flight, answers in {estimate(cost['ms an answer']).text(1)} ms, and stops "
            f"needlessly in {estimate(cost[_heads(late)[1]]).text(2)} of the free frames."
        )
    return tuple(sentences)


def _what_matters(found: dict[str, Difference], late: str) -> tuple[str, ...]:
    if few := too_few(found):
        return (f"Whether a setting matters to needless stops cannot be told yet: {few}.",)
    clear = _clear(found)
    return (
        f"After {late} s "
        + (
            f"needless stops are clearly fewer with {', '.join(clear['better'])}."
            if clear["better"]
            else "no setting has clearly fewer needless stops than its reference."
        ),
        f"They are clearly more with {', '.join(clear['worse'])}."
        if clear["worse"]
        else "None has clearly more either: in these rooms a cheaper setting costs nothing that "
        "this many rooms can show.",
    )


EXPERIMENT = Experiment(
    name="scale",
    question="Which hardware: how do trust and error go with image, network, rate and budget?",
    claim="128 × 96 px at 5 to 10 Hz and a learner that costs next to nothing are enough to fly by "
    "in one room.",
    protocol=(
        "A flight by stereo in a furnished room of 5 × 5 m, drawn from the seed; the learner goes "
        f"through its first {FROZEN_S[-1]:g} s, each frame tested before it is taught, and what "
        f"flies after {' and '.join(f'{t:g}' for t in FROZEN_S)} s is judged on the next "
        f"{JUDGED_S:g} s by the simulator's truth, since another camera has other labels.",
        "One setting off the default at a time: the image, for stereo and for the network; the "
        "network's width, from a fresh start, since only width 16 has pre-trained weights; the "
        "camera's rate, at one step of learning a frame; the steps and frames of learning. "
        "Pre-training was at 128 × 96 px; other images start from the same weights.",
    ),
    falsified_by="A setting that costs more is not clearly better, or one that costs less is not "
    "clearly worse: then the cheaper one should be the default.",
    factors={"setting": tuple(SETTINGS)},
    seeds=range(10),
    quick_seeds=range(1),
    tasks=tasks,
    run=courses.run,
    analyse=analyse,
    cpu_s=100.0,
    quick_cpu_s=5.0,
)
