"""From textured walls to plain ones: where stereo fails, and what the second cue adds.

One flight per seed, kind of room and policy. Both cues fly by what was learned, trust included, in
a furnished room before.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.experiments import charts, flights
from training.experiments.arms import (
    Arm,
    arm,
    compared,
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
    Task,
    configured,
)
from training.experiments.perseed import verdict
from training.experiments.statistics import Difference, corrected

LEARN_S, FLOWN_S, QUICK_S = 120.0, 120.0, 8.0
ROOMS = ("textured", "mixed", "plain")
STEREO_ONLY = "pilot.switching.strategy=stereo_only"
POLICIES: dict[str, tuple[str, ...]] = {
    "unknown is free": (STEREO_ONLY, "pilot.switching.unknown=free", *UNTAUGHT),
    "unknown is stop": (STEREO_ONLY, "pilot.switching.unknown=stop", *UNTAUGHT),
    "both cues": (),
}
MEASURED = ("collisions_per_100m", "metres_per_min", "stops_per_100m", "turning_share")
COMPARED = ("collisions_per_100m", "metres_per_min")
TOGETHER = "The p of both measures are corrected together."


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one task per seed, room and policy."""
    learn_s, flown_s = (QUICK_S, QUICK_S) if quick else (LEARN_S, FLOWN_S)
    return [
        Task(
            "texture",
            (("room", room), ("policy", policy)),
            seed,
            _configs(seed, room, policy, learn_s, flown_s),
            ((flights.FROM_S, 0.0),),
        )
        for seed in seeds
        for room in ROOMS
        for policy in POLICIES
    ]


def _configs(seed: int, room: str, policy: str, learn_s: float, flown_s: float) -> tuple[str, ...]:
    difficulty = f"sim.room.difficulty={room}"
    flown = configured(seed, flown_s, difficulty, *POLICIES[policy]).to_toml()
    if policy != "both cues":
        return (flown,)
    return (configured(seed, learn_s).to_toml(), flown)


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare policies, room by room."""
    arms = {
        (room, policy): arm(f"{room}, {policy}", rows, room=room, policy=policy)
        for room in ROOMS
        for policy in POLICIES
    }
    arms = {key: found for key, found in arms.items() if found.counts}
    found = _compared(arms)
    hits, pace = (found[name] for name in COMPARED)
    shown = list(arms.values())
    panels = {
        "collisions per 100 m": [a.estimate("collisions_per_100m") for a in shown],
        "metres per minute": [a.estimate("metres_per_min") for a in shown],
    }
    return Findings(
        _headline(arms),
        _meaning(arms, hits, pace),
        (
            measures_table("By room and policy", shown, MEASURED),
            differences_table("Collisions per 100 m, over the same rooms", hits, TOGETHER),
            differences_table(
                "Metres per minute, over the same rooms",
                pace,
                f"{TOGETHER} Compared only after the collisions had been seen.",
            ),
        ),
        (
            Picture(
                "rooms",
                "By room and policy: mean and 95 % interval.",
                charts.bars([a.name for a in shown], panels, kinds=[policy for _, policy in arms]),
                (8.0, 3.6),
            ),
        ),
        {
            "arms": measures_json(shown, MEASURED),
            **{name: {pair: d.to_dict() for pair, d in found[name].items()} for name in COMPARED},
        },
    )


def _compared(arms: dict[tuple[str, str], Arm]) -> dict[str, dict[str, Difference]]:
    """Return measure -> pair -> difference, all corrected together."""
    pairs = {
        f"{room}: both cues − {policy}": (arms[room, "both cues"], arms[room, policy])
        for room in ROOMS
        for policy in POLICIES
        if policy != "both cues" and {(room, "both cues"), (room, policy)} <= set(arms)
    }
    found = iter(corrected([compared(m, *pair) for m in COMPARED for pair in pairs.values()]))
    return {measure: {name: next(found) for name in pairs} for measure in COMPARED}


def _rates(arms: dict[tuple[str, str], Arm], measure: str) -> dict[str, str]:
    return {
        policy: arms["plain", policy].estimate(measure).text(1)
        for policy in POLICIES
        if ("plain", policy) in arms
    }


def _headline(arms: dict[tuple[str, str], Arm]) -> str:
    told = ", ".join(f"{p} {text}" for p, text in _rates(arms, "collisions_per_100m").items())
    return f"plain rooms, collisions per 100 m: {told or 'not flown yet'}"


def _meaning(
    arms: dict[tuple[str, str], Arm], hits: dict[str, Difference], pace: dict[str, Difference]
) -> tuple[str, ...]:
    free = hits.get("plain: both cues − unknown is free")
    stop = pace.get("plain: both cues − unknown is stop")
    if free is None or stop is None:
        return ()
    often = verdict(
        free,
        "collides clearly less often than",
        "collides clearly more often than",
        "collides not clearly more or less often than",
        "cannot be compared yet with",
    )
    far = verdict(
        stop,
        "clearly fewer metres",
        "clearly more metres",
        "not clearly more or fewer metres",
        "too few rooms to compare the metres",
    )
    collisions, metres = _rates(arms, "collisions_per_100m"), _rates(arms, "metres_per_min")
    return (
        f"Between plain walls, who flies by both cues {often} who takes unknown for "
        f"free (difference {free.estimate.text(1)} collisions per 100 m).",
        f"Taking unknown for a stop gives {collisions['unknown is stop']} collisions per 100 m and "
        f"{metres['unknown is stop']} m per minute; both cues {collisions['both cues']} and "
        f"{metres['both cues']}: {far} (difference {stop.estimate.text(1)}).",
        _elsewhere(arms, pace),
    )


def _elsewhere(arms: dict[tuple[str, str], Arm], pace: dict[str, Difference]) -> str:
    """Return what both cues cost where stereo answers, and plain rooms beside the mixed."""
    told = [
        f"{found.estimate.text(1)} in {room} rooms{'' if found.is_clear else ' (not clear)'}"
        for room in ROOMS
        if room != "plain" and (found := pace.get(f"{room}: both cues − unknown is stop"))
    ]
    if not told:
        return "Where stereo answers, nothing was flown."
    part = ""
    if ("mixed", "both cues") in arms:
        of = divided("metres_per_min", arms["plain", "both cues"], arms["mixed", "both cues"])
        part = (
            f"; in plain rooms both cues cover {of.text()} of the metres that they do in mixed ones"
        )
    what = "Where stereo answers, both cues less unknown taken for a stop, in metres per minute, is"
    return f"{what} {' and '.join(told)}{part}."


EXPERIMENT = Experiment(
    name="texture",
    question="Where stereo has no answer, what does mono add?",
    claim="Fusing the cues helps where stereo has no texture to match (Martins et al. 2018, "
    "offline); in flight it was not tried.",
    protocol=(
        f"Rooms of 5 × 5 m, textured, mixed or plain, each flown for {FLOWN_S:g} s. Stereo alone "
        "takes cells without an answer for free, as common planners do, or for a stop, the "
        "default. Both cues: mono's own cells count where stereo has no sure answer, never the "
        f"farther; it learned for {LEARN_S:g} s in the mixed room of the same seed and brings its "
        "memory and its evidence, not its licence.",
    ),
    falsified_by="In plain rooms both cues collide as often per 100 m as unknown taken for free, "
    "or cover less than half of the metres per minute of a mixed room.",
    factors={"room": ROOMS, "policy": tuple(POLICIES)},
    seeds=range(12),
    quick_seeds=range(1),
    tasks=tasks,
    run=flights.fly,
    analyse=analyse,
    cpu_s=100.0,
    quick_cpu_s=8.0,
)
