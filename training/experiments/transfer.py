"""From room to room with one memory: how many rooms until a new one costs nothing?

One task per seed and start: the learner goes through room after room, each as a flight of its own
that goes on from the last one's memory. After none, one, two and four of them it comes to one and
the same new room, so that what a memory is worth is compared within that room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.experiments import charts, courses
from training.experiments.arms import differences_table
from training.experiments.courses import AT_S, BEFORE, ROOM_S, UNTIL_S, VISITED
from training.experiments.design import Experiment, Findings, Picture, Row, Task, configured
from training.experiments.perseed import (
    Values,
    all_paired,
    estimate,
    figures_table,
    paired,
    until,
    values,
    verdict,
)
from training.experiments.statistics import Difference

EARLY_S, LATE_S, JUDGED_S, LEARNED_S = 10.0, 60.0, 60.0, 80.0
QUICK_EARLY_S, QUICK_LATE_S, QUICK_JUDGED_S, QUICK_LEARNED_S = 2.0, 4.0, 2.0, 4.0
QUICK = ("learner.publish_s=1", "learner.batch_size=2")
VISITED_AFTER, QUICK_VISITED_AFTER = (0, 1, 2, 4), (0, 1)
APART = 20
"""The rooms before have seeds so far from each other: rooms of this project's development."""
STARTS: dict[str, tuple[str, ...]] = {"warm": (), "fresh": ("learner.start=fresh",)}
NOTHING = 0.05
"""A new room costs nothing where mono stops needlessly in at most so many more of the free frames,
for certain, at the beginning than once it has learned there."""
STOPS = "fpr_at_tpr95"


def tasks(seeds: Sequence[int], quick: bool) -> list[Task]:
    """Return one chain of rooms per seed and start."""
    early_s, late_s, judged_s, learned_s = (
        (QUICK_EARLY_S, QUICK_LATE_S, QUICK_JUDGED_S, QUICK_LEARNED_S)
        if quick
        else (EARLY_S, LATE_S, JUDGED_S, LEARNED_S)
    )
    visited = QUICK_VISITED_AFTER if quick else VISITED_AFTER
    return [
        Task(
            "transfer",
            (("start", start),),
            seed,
            (
                configured(
                    seed, late_s + judged_s, f"flight.name={start}", *own, *(QUICK if quick else ())
                ).to_toml(),
            ),
            (
                *((AT_S, early_s), (AT_S, late_s), (UNTIL_S, late_s + judged_s)),
                (ROOM_S, learned_s),
                *((VISITED, float(k)) for k in visited),
                *((BEFORE, float(seed + APART * k)) for k in range(1, visited[-1] + 1)),
            ),
        )
        for seed in seeds
        for start, own in STARTS.items()
    ]


def analyse(rows: Sequence[Row]) -> Findings:
    """Compare visits of the same room after so many others."""
    visits = sorted({k for row in rows for k in row.figures["visits"]}, key=int)
    if not visits:
        return Findings("not flown yet", (), (), (), {})
    early, late = _times(rows)
    arms = {
        _named(start, k): _columns(rows, start, k, early, late)
        for start in STARTS
        for k in visits
        if any(row.like(start=start) for row in rows)
    }
    found = _compared(rows, visits, late)
    costs = _costs(rows, visits, early, late)
    again = _first_room(rows)
    return Findings(
        _headline(costs),
        _meaning(found, costs, again),
        (
            figures_table(
                "The new room, after so many others",
                arms,
                dict.fromkeys(next(iter(arms.values())), 3) | {_trust_title(late): 1},
                "Needless stops are those at 95 % of the near frames caught, on the moments after "
                f"the first {late} s; 1 where nothing flies yet. The licence counts as given "
                f"after {late} s where it was given later.",
            ),
            differences_table(
                f"Needless stops after {late} s in the new room, compared room by room",
                found,
                "Negative: fewer than the other.",
            ),
            differences_table(
                f"What the new room costs: needless stops of what flies after {early} s, less "
                f"those after {late} s",
                costs,
                f"It costs nothing, by the measure set beforehand, where the interval lies below "
                f"{NOTHING:g}, after so many rooms and after all more that were tried.",
            ),
            figures_table(
                "The first room, once more rooms were learned in",
                {name: {"needless stops at 95 % caught": v} for name, v in again.items()},
                {"needless stops at 95 % caught": 3},
                "The same moments of the first room, which none was taught: what is forgotten "
                "shows as a rise.",
            ),
        ),
        (*_pictures(rows, visits, early, late),),
        {
            "visits": {
                name: {column: estimate(v).to_dict() for column, v in columns.items()}
                for name, columns in arms.items()
            },
            "differences": {name: d.to_dict() for name, d in found.items()},
            "cost": {name: d.to_dict() for name, d in costs.items()},
            "first_room": {name: estimate(v).to_dict() for name, v in again.items()},
        },
    )


def _times(rows: Sequence[Row]) -> tuple[str, str]:
    visit = next(iter(rows[0].figures["visits"].values()))
    times = sorted(visit[AT_S], key=float)
    return times[0], times[-1]


def _rooms(k: str) -> str:
    return "1 room" if k == "1" else f"{k} rooms"


def _stops(rows: Sequence[Row], start: str, k: str, at: str) -> Values:
    return values(rows, "visits", k, AT_S, at, STOPS, start=start)


def _trusted(rows: Sequence[Row], start: str, k: str, late: str) -> Values:
    return until(values(rows, "visits", k, "time_to_trust_s", start=start), float(late))


def _trust_title(late: str) -> str:
    return f"licence after, s (at most {late})"


def _columns(rows: Sequence[Row], start: str, k: str, early: str, late: str) -> dict[str, Values]:
    return {
        f"needless stops, {early} s": _stops(rows, start, k, early),
        f"needless stops, {late} s": _stops(rows, start, k, late),
        f"log error, {late} s": values(rows, "visits", k, AT_S, late, "male", start=start),
        _trust_title(late): _trusted(rows, start, k, late),
    }


def _compared(rows: Sequence[Row], visits: Sequence[str], late: str) -> dict[str, Difference]:
    """Compare each number of rooms before with none, and the starts."""
    pairs = {
        f"{start}: after {_rooms(k)} − after none": (
            _stops(rows, start, k, late),
            _stops(rows, start, "0", late),
        )
        for start in STARTS
        for k in visits
        if k != "0"
    }
    return all_paired(
        {
            **pairs,
            **{
                f"warm − fresh, after {_rooms(k)}": (
                    _stops(rows, "warm", k, late),
                    _stops(rows, "fresh", k, late),
                )
                for k in visits
            },
        }
    )


def _costs(
    rows: Sequence[Row], visits: Sequence[str], early: str, late: str
) -> dict[str, Difference]:
    """Return how much worse mono begins in the new room than it is there later."""
    return all_paired(
        {
            _named(start, k): (_stops(rows, start, k, early), _stops(rows, start, k, late))
            for start in STARTS
            for k in visits
        }
    )


def _first_room(rows: Sequence[Row]) -> dict[str, Values]:
    """Return the needless stops in the first room after it, and after others."""
    there = sorted({k for row in rows for k in row.figures["first_room"]}, key=int)
    found = {
        _named(start, k): values(rows, "first_room", k, STOPS, start=start)
        for start in STARTS
        for k in there
    }
    return {name: v for name, v in found.items() if v}


def _named(start: str, k: str) -> str:
    return f"{start}, after {_rooms(k)}"


def _free_from(costs: Mapping[str, Difference], start: str) -> str | None:
    """Return from how many rooms on a new one costs nothing, None if after none that was tried."""
    free = None
    for k in sorted({name.split()[2] for name in costs}, key=int, reverse=True):
        cost = costs.get(_named(start, k))
        if cost is not None and not cost.estimate.high < NOTHING:
            break
        free = k if cost is not None else free
    return free


def _headline(costs: Mapping[str, Difference]) -> str:
    told = []
    for start in STARTS:
        free = _free_from(costs, start)
        if not any(d.can_be_clear for d in costs.values()):
            told.append(f"{start}: too few rooms to say what a new one costs")
        elif free is None:
            told.append(
                f"{start}: after no number of rooms tried does a new one surely cost nothing"
            )
        else:
            told.append(f"{start}: a new room costs nothing after {_rooms(free)}")
    return "; ".join(told)


def _meaning(
    found: Mapping[str, Difference], costs: Mapping[str, Difference], again: Mapping[str, Values]
) -> tuple[str, ...]:
    """Return what the figures say."""
    sentences = [_headline(costs)[:1].upper() + _headline(costs)[1:] + "."]
    most = [name for name in found if name.endswith("after none")]
    told = []
    for start in STARTS:
        names = [name for name in most if name.startswith(f"{start}:")]
        if names:
            d = found[names[-1]]
            said = verdict(d, "helps", "harms", "makes no clear difference", "cannot be judged yet")
            rooms = names[-1].removeprefix(f"{start}: after ").removesuffix(" − after none")
            told.append(f"from a {start} start the memory of {rooms} {said} ({d.estimate.text(2)})")
    if told:
        sentences.append(f"Once mono has learned in the new room, {'; '.join(told)}.")
    sentences.append(_forgetting(again))
    return tuple(sentence for sentence in sentences if sentence)


def _forgetting(again: Mapping[str, Values]) -> str:
    told = []
    for start in STARTS:
        names = [name for name in again if name.startswith(f"{start},")]
        if len(names) > 1:
            d = paired(again[names[-1]], again[names[0]])
            said = verdict(
                d,
                "is better known than before",
                "is partly forgotten",
                "shows no clear loss",
                "cannot be compared yet",
            )
            others = int(names[-1].split()[2]) - int(names[0].split()[2])
            told.append(f"{start} start, {others} more rooms: it {said} ({d.estimate.text(2)})")
    return f"The first room, asked again: {'; '.join(told)}." if told else ""


def _pictures(
    rows: Sequence[Row], visits: Sequence[str], early: str, late: str
) -> tuple[Picture, ...]:
    stops: charts.Lines = {
        f"{start}, after {at} s": [(float(k), estimate(_stops(rows, start, k, at))) for k in visits]
        for start in STARTS
        for at in (late, early)
        if any(row.like(start=start) for row in rows)
    }
    trusted: charts.Lines = {
        start: [(float(k), estimate(_trusted(rows, start, k, late))) for k in visits]
        for start in STARTS
        if any(row.like(start=start) for row in rows)
    }
    return (
        Picture(
            "stops",
            "Needless stops at 95 % caught in the same new room, by the rooms before it.",
            charts.curves("rooms before", "free frames stopped", stops),
        ),
        Picture(
            "licence",
            f"Seconds in the new room until mono holds its licence, at most {late}.",
            charts.curves("rooms before", "seconds until the licence", trusted),
        ),
    )


EXPERIMENT = Experiment(
    name="transfer",
    question="From room to room: how many rooms until a new one costs nothing?",
    claim="Nothing: the original learned in one room. What is learned is expected to hold for "
    "places that look alike, and to be learned anew elsewhere.",
    protocol=(
        f"The learner goes through flights by stereo of {LEARNED_S:g} s, each in another "
        "furnished room of 5 × 5 m, each going on from the memory of the last: weights, frames "
        f"and what is familiar. After {', '.join(map(str, VISITED_AFTER))} rooms it comes to the "
        "same new room, which the seed names: it is tested there before it is taught, for "
        f"{LATE_S:g} s. What flies after {EARLY_S:g} and after {LATE_S:g} s is judged on the next "
        f"{JUDGED_S:g} s there.",
        "warm: from the weights that ship with the project, pre-trained in 1000 other rooms; "
        "fresh: from none. All rooms are other rooms than those of pre-training.",
        "What a new room costs is how much worse mono is there after "
        f"{EARLY_S:g} s than after {LATE_S:g} s. It costs nothing where that is less than "
        f"{NOTHING:g} of the free frames for certain; the measure was set beforehand. After each "
        "room the first one is asked again, on moments that were never taught.",
    ),
    falsified_by="With more rooms in memory the needless stops in a new one do not fall, or the "
    "first room's rise clearly.",
    factors={"start": tuple(STARTS)},
    seeds=range(10),
    quick_seeds=range(1),
    tasks=tasks,
    run=courses.run,
    analyse=analyse,
    cpu_s=560.0,
    quick_cpu_s=16.0,
)
