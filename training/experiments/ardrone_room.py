"""The paper's flight test: one room, learning, training wheels, stereo cut, mono for ten minutes.

One flight per seed and manner of avoidance in the room of launch/ardrone_room.toml, and one by
stereo alone as the yardstick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drone import topics
from drone.clock import s_from_ns
from drone.config import Config
from drone.flightlog import FlightLog
from training.experiments import charts, flights
from training.experiments.arms import (
    Arm,
    all_compared,
    arm,
    differences_table,
    divided,
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
from training.experiments.statistics import Estimate, rate, ratio, share

LEARN_S, ALONE_S, YARDSTICK_S = 240.0, 600.0, 240.0
QUICK_LEARN_S, QUICK_ALONE_S = 10.0, 5.0
AVOIDANCES: dict[str, tuple[str, ...]] = {
    "remembering": ("pilot.avoidance.memory.remember_s=6",),
    "original": (),
}
"""The default of every other situation, which remembers obstacles that left the view; and that of
the room's own file, which remembers nothing."""
MAIN, MOST_ORIGINAL = "remembering", 6
"""The original's manner flies the first so many seeds alone: all of both would take too long."""
CONTROLS = ("mono", "stereo")
MEASURED = (
    *("collisions_per_min", "collisions_per_100m", "metres_per_min", "stops_per_100m"),
    *("needless_stops_per_100m", "turning_share", "held_share", "tpr_truth", "fpr_truth"),
)


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed, manner of avoidance and who is in control."""
    return [
        _task(seed, avoidance, control, quick)
        for number, seed in enumerate(seeds)
        for avoidance in AVOIDANCES
        for control in CONTROLS
        if avoidance == MAIN or number < MOST_ORIGINAL
    ]


def _task(seed: int, avoidance: str, control: str, quick: bool) -> Task:
    learn_s, alone_s = (QUICK_LEARN_S, QUICK_ALONE_S) if quick else (LEARN_S, ALONE_S)
    own, from_s, duration_s = list(AVOIDANCES[avoidance]), learn_s, learn_s + alone_s
    if control == "stereo":
        from_s, duration_s = 0.0, alone_s if quick else YARDSTICK_S
        own += ["pilot.switching.strategy=stereo_only", *UNTAUGHT]
    else:
        own.append(f'sim.faults=[{{kind="black",eye="right",start_s={learn_s:g}}}]')
    config = configured(seed, duration_s, *own, file="ardrone_room.toml")
    factors = (("avoidance", avoidance), ("control", control))
    return Task("ardrone-room", factors, seed, (config.to_toml(),), ((flights.FROM_S, from_s),))


def run(task: Task) -> dict[str, Any]:
    """Fly, and tell how the flight ended."""
    return flights.fly(task, ending)


def ending(log: FlightLog, config: Config) -> dict[str, Any]:
    """Return whether the drone landed before its time, and why; and when it was first trusted."""
    reason, landed, trusted_s = "", False, None
    for decision in log.messages(topics.DECISION):
        if decision.mode.value == "land" and not landed:
            landed, reason = True, decision.reason
        if decision.trust.held and trusted_s is None:
            trusted_s = round(s_from_ns(decision.stamp_ns), 2)
    return {"landed": landed, "reason": reason, "trusted_s": trusted_s}


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare mono with stereo, for each manner of avoidance."""
    arms = {
        (avoidance, control): arm(
            f"{control}, {avoidance}", rows, avoidance=avoidance, control=control
        )
        for avoidance in AVOIDANCES
        for control in CONTROLS
    }
    arms = {key: found for key, found in arms.items() if found.counts}
    shown = list(arms.values())
    more = {
        avoidance: _against_stereo(rows, arms, avoidance)
        for avoidance in AVOIDANCES
        if {(avoidance, "mono"), (avoidance, "stereo")} <= set(arms)
    }
    found = all_compared(
        "needless_stops_per_100m",
        {f"{a}: mono − stereo": (arms[a, "mono"], arms[a, "stereo"]) for a in more},
    )
    return Findings(
        _headline(more),
        _meaning(more),
        (
            _goals_table(more),
            measures_table("Mono alone, and stereo in the same room", shown, MEASURED),
            differences_table("Needless stops per 100 m, over the same seeds", found),
        ),
        (
            Picture(
                "flights",
                "By control and avoidance: mean and 95 % interval.",
                charts.bars(
                    [a.name for a in shown],
                    {
                        "collisions per minute": [a.estimate("collisions_per_min") for a in shown],
                        "metres per minute": [a.estimate("metres_per_min") for a in shown],
                        "needless stops / 100 m": [
                            a.estimate("needless_stops_per_100m") for a in shown
                        ],
                    },
                ),
                (8.0, 2.4),
            ),
        ),
        {
            "mono": {a: {k: e.to_dict() for k, e in f.items()} for a, f in more.items()},
            "arms": measures_json(shown, MEASURED),
        },
    )


def _against_stereo(
    rows: Sequence[Row], arms: dict[tuple[str, str], Arm], avoidance: str
) -> dict[str, Estimate]:
    mono, stereo = arms[avoidance, "mono"], arms[avoidance, "stereo"]
    own = [r for r in rows if r.like(avoidance=avoidance, control="mono")]
    metres, hits = sum(mono.sums(("metres",))), sum(mono.sums(("collisions",)))
    between = rate(hits, metres, len(own))
    return {
        "collisions_per_min": mono.estimate("collisions_per_min"),
        "minutes": ratio(mono.sums(("seconds",)), [60.0] * len(own)),
        "needless_stops_of_stereo": divided("needless_stops_per_100m", mono, stereo),
        "stops_of_stereo": divided("stops_per_100m", mono, stereo),
        "metres_of_stereo": divided("metres_per_min", mono, stereo),
        "metres_between_collisions": Estimate(
            1 / between.mean if between.mean > 0 else metres,
            1 / between.high,
            1 / between.low if between.low > 0 else float("inf"),
            len(own),
        ),
        "landed": share(sum(bool(r.figures["landed"]) for r in own), len(own)),
    }


def _goals_table(more: dict[str, dict[str, Estimate]]) -> Table:
    shown = {
        "minutes": ("minutes by mono, per flight", 1),
        "collisions_per_min": ("collisions per minute", 3),
        "metres_between_collisions": ("metres between collisions", 0),
        "needless_stops_of_stereo": ("needless stops per 100 m, over stereo's", 2),
        "stops_of_stereo": ("all stops per 100 m, over stereo's", 2),
        "metres_of_stereo": ("metres per minute, over stereo's", 2),
        "landed": ("share of flights that land early", 2),
    }
    rows = tuple(
        (title, *(found[key].text(digits) for found in more.values()))
        for key, (title, digits) in shown.items()
    )
    note = (
        "Where nothing was hit, the metres between collisions are those flown. For comparison: the "
        "best of a published competition flew 115 m in 5 minutes."
    )
    return Table("Against what was asked", ("", *more), rows, note)


def _headline(more: dict[str, dict[str, Estimate]]) -> str:
    told = [
        f"{avoidance}: {found['collisions_per_min'].text(3)} collisions per minute of mono, at "
        f"{found['metres_of_stereo'].text(2)} of stereo's metres"
        for avoidance, found in more.items()
    ]
    return "; ".join(told) or "not flown yet"


def _meaning(more: dict[str, dict[str, Estimate]]) -> tuple[str, ...]:
    return tuple(
        f"With the {avoidance} avoidance, mono flies {found['minutes'].text(1)} minutes per flight "
        f"with {found['collisions_per_min'].text(3)} collisions per minute, "
        f"{found['needless_stops_of_stereo'].text(1)} times stereo's needless stops and "
        f"{found['metres_of_stereo'].text(2)} of its metres per minute; "
        f"{found['landed'].text(2)} of the flights land early, because mono is not sure enough."
        for avoidance, found in more.items()
    )


EXPERIMENT = Experiment(
    name="ardrone-room",
    question="Does the paper's flight test hold, with many flights and a modern learner?",
    claim="After learning in flight with training wheels, the drone avoids obstacles by mono "
    "alone.",
    protocol=(
        "The room of launch/ardrone_room.toml, 5 × 5 m, with the network as learner. For "
        f"{LEARN_S:g} s the drone learns, with training wheels as soon as mono has earned its "
        "licence; then the right eye goes black, the licence is frozen, and mono flies for "
        f"{ALONE_S / 60:g} minutes. The seed names noise, the learner's draws, and where the drone "
        "is put back after a collision.",
        "Avoidance is the original's (straight on, stop, turn in steps), and the same with a "
        "short memory of obstacles that have left the view, this project's default, which flies "
        f"all seeds; the original's flies the first {MOST_ORIGINAL}. "
        f"Yardstick: {YARDSTICK_S:g} s by stereo alone, likewise.",
    ),
    falsified_by="More than 0.05 collisions per minute by mono, or less than 0.8 of the metres "
    "that stereo flies.",
    factors={"avoidance": tuple(AVOIDANCES), "control": CONTROLS},
    seeds=range(20),
    quick_seeds=range(1),
    tasks=tasks,
    run=run,
    analyse=analyse,
    cpu_s=225.0,
    quick_cpu_s=10.0,
)
