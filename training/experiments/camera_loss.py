"""One eye is lost in flight, at a time that nobody chose: does mono carry on?

One flight per seed and arm: learning with training wheels, then the left or the right eye goes
black or freezes; what happens in the next minute is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drone import topics
from drone.clock import s_from_ns
from drone.config import Config
from drone.flightlog import FlightLog
from training.experiments import charts, flights
from training.experiments.arms import (
    Arm,
    arm,
    collided_share,
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
from training.experiments.statistics import Estimate, mean, share

LOST_S, AFTER_S, YARDSTICK_S = (80.0, 320.0), 60.0, 120.0
QUICK_LOST_S, QUICK_AFTER_S = (6.0, 8.0), 6.0
STREAM = 71
"""Of the random numbers that say which eye, how and when."""
ARMS = {
    "learned": "learned before",
    "untaught": "never learned",
    "both eyes": "both eyes, stereo alone (reference)",
}
MEASURED = (
    *("collisions_per_min", "metres_per_min", "needless_stops_per_100m", "turning_share"),
    "held_share",
)


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one flight per seed and arm."""
    return [_task(seed, name, quick) for seed in seeds for name in ARMS]


def _task(seed: int, name: str, quick: bool) -> Task:
    rng = np.random.default_rng([seed, STREAM])
    lost_s = round(float(rng.uniform(*(QUICK_LOST_S if quick else LOST_S))), 2)
    which = ("left", "right")[int(rng.integers(2))]
    kind = ("black", "frozen")[int(rng.integers(2))]
    after_s = QUICK_AFTER_S if quick else AFTER_S
    own = [f'sim.faults=[{{kind="{kind}",eye="{which}",start_s={lost_s}}}]']
    from_s, duration_s = lost_s, lost_s + after_s
    if name == "both eyes":
        from_s, duration_s = 0.0, 2 * after_s if quick else YARDSTICK_S
        own = ["pilot.switching.strategy=stereo_only"]
    if name != "learned":
        own += UNTAUGHT
    config = configured(seed, duration_s, *own)
    return Task(
        "camera-loss", (("mono", name),), seed, (config.to_toml(),), ((flights.FROM_S, from_s),)
    )


def run(task: Task) -> dict[str, Any]:
    """Fly, and tell when the loss was noticed and whether mono was trusted then."""
    from_s = task.planned(flights.FROM_S)
    return flights.fly(task, lambda log, config: noticed(log, config, from_s))


def noticed(log: FlightLog, config: Config, lost_s: float) -> dict[str, Any]:
    """Return whether mono held its licence when an eye was lost, and when control changed."""
    trusted, noticed_s, landed = False, None, False
    for decision in log.messages(topics.DECISION):
        at_s, mode = s_from_ns(decision.stamp_ns), decision.mode.value
        if at_s < lost_s:
            trusted = decision.trust.held
        elif noticed_s is None and mode in ("mono", "hold", "land"):
            noticed_s = round(at_s - lost_s, 3)
        landed = landed or mode == "land"
    return {"trusted": trusted, "noticed_s": noticed_s, "landed": landed}


def analyse(rows: Sequence[Row]) -> Findings:
    """Count what happened in the minute after the loss."""
    arms = {name: arm(title, rows, mono=name) for name, title in ARMS.items()}
    found = {
        name: _of_flights([r for r in rows if r.like(mono=name)], arms[name])
        for name in ("learned", "untaught")
    }
    flown = [a for a in arms.values() if a.counts]
    pace = divided("metres_per_min", arms["learned"], arms["both eyes"])
    return Findings(
        f"{found['learned']['collided'].text(2)} of flights collide in the next "
        f"{AFTER_S:g} s, at {pace.text(2)} of stereo's metres per minute; never learned: "
        f"{found['untaught']['collided'].text(2)}",
        _meaning(found, pace),
        (
            _flights_table(found),
            measures_table("After the loss", flown, MEASURED),
        ),
        (
            Picture(
                "after",
                "The minute after the loss of an eye: mean and 95 % interval.",
                charts.bars(
                    [a.name for a in flown],
                    {
                        "collisions per minute": [a.estimate("collisions_per_min") for a in flown],
                        "metres per minute": [a.estimate("metres_per_min") for a in flown],
                    },
                ),
                (8.0, 2.2),
            ),
        ),
        {
            "flights": {
                name: {k: v.to_dict() for k, v in shares.items()} for name, shares in found.items()
            },
            "pace_of_stereo": pace.to_dict(),
            "after": measures_json(flown, MEASURED),
        },
    )


def _of_flights(rows: Sequence[Row], flown: Arm) -> dict[str, Estimate]:
    return {
        "collided": collided_share(flown),
        "trusted": share(sum(bool(r.figures["trusted"]) for r in rows), len(rows)),
        "landed": share(sum(bool(r.figures["landed"]) for r in rows), len(rows)),
        "noticed_s": mean([r.figures["noticed_s"] for r in rows]),
    }


def _flights_table(found: Mapping[str, Mapping[str, Estimate]]) -> Table:
    rows = tuple(
        (
            ARMS[name],
            str(shares["collided"].n),
            *(shares[key].text(2) for key in ("collided", "trusted", "landed", "noticed_s")),
        )
        for name, shares in found.items()
    )
    columns = ("arm", "n", "collide", "mono trusted", "land", "noticed after, s")
    return Table(f"Flights, in the {AFTER_S:g} s after the loss", columns, rows)


def _meaning(found: Mapping[str, Mapping[str, Estimate]], pace: Estimate) -> tuple[str, ...]:
    learned, untaught = found["learned"], found["untaught"]
    if not learned["collided"].n:
        return ()
    return (
        f"Of {learned['collided'].n} flights that lose an eye, {learned['collided'].text(2)} "
        f"collide in the next {AFTER_S:g} s; {learned['landed'].text(2)} land.",
        f"Mono covers {pace.text(2)} of the metres per minute that stereo does.",
        f"Without anything learned {untaught['landed'].text(2)} of the flights land, after "
        f"{untaught['noticed_s'].text(2)} s to notice, and {untaught['collided'].text(2)} collide.",
    )


EXPERIMENT = Experiment(
    name="camera-loss",
    question="What happens when an eye is lost in flight?",
    claim="Not tried there as a sudden failure; stereo was switched off by hand, and mono flew on.",
    protocol=(
        "Furnished rooms of 5 × 5 m, drawn from the seed. The drone learns with training wheels; "
        f"at a time drawn between {LOST_S[0]:g} and {LOST_S[1]:g} s the left or the right eye goes "
        f"black or freezes, and the next {AFTER_S:g} s are counted, whether or not mono was "
        "trusted by then.",
        "Never learned: the same losses with a learner that learns nothing; the drone should hold "
        f"and land. Reference: the same rooms, {YARDSTICK_S:g} s by stereo alone with both eyes.",
    ),
    falsified_by="More than one flight in ten that had learned collides, or one that had not "
    "collides at all.",
    factors={"mono": tuple(ARMS)},
    seeds=range(20),
    quick_seeds=range(1),
    tasks=tasks,
    run=run,
    analyse=analyse,
    cpu_s=140.0,
    quick_cpu_s=12.0,
)
