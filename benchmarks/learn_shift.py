"""What learning does when the world changes: another room and back, dimmed light, other pictures.

    python benchmarks/learn_shift.py forgetting --seeds 0-2 --out shift
    python benchmarks/learn_shift.py shift --seeds 0-4 --out shift
    python benchmarks/learn_shift.py report --out shift --save benchmarks/learn_shift.json

Rooms are flown by stereo, and each learner goes through the same frames: tested, then taught.
`forgetting` learns room N for 200 s and is scored on its next 100 s; then room N + 10 for 300 s;
then it is scored on the same 100 s of room N again. `shift` changes the room after 120 s: from
then on the licence is watched for 80 s. One line of JSON per room; a room that has its line is not
flown again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drone.bench import with_interval
from drone.clock import ns_from_s, s_from_ns
from drone.commands.common import seed_range
from drone.config import Config, launch_folder, load
from training.course import Moment, Student, score, stereo_flight
from training.online import single_thread

LEARNED_S, SCORED_S, OTHER_S = 200.0, 100.0, 300.0
SHIFT_S, WATCHED_S = 120.0, 80.0
FAR_SEED = 10
"""The other room's seed lies so far off."""
SHIFTS = {
    "light at 30 %": "{at_s=120,kind='light',level=0.3}",
    "other pictures": "{at_s=120,kind='textures',seed=77}",
}
BRITTLE = ("learner.start=fresh", "learner.augmented=false")
LEARNERS: dict[str, tuple[str, ...]] = {
    "robust": (),
    "brittle": BRITTLE,
    "brittle and unguarded": (*BRITTLE, "pilot.trust.max_unfamiliarity=1e9"),
}
"""`brittle` sees each picture as it is; unguarded, nothing asks whether an image is familiar."""


def configured(*overrides: str) -> Config:
    """Return the default room with these changes."""
    return load(launch_folder() / "room.toml", list(overrides))


def forgetting(seed: int) -> dict[str, Any]:
    """Return the scores in the first room before and after the second."""
    config = configured()
    first = list(stereo_flight(config, seed, LEARNED_S + SCORED_S))
    learned = [m for m in first if s_from_ns(m.frame.stamp_ns) < LEARNED_S]
    scored = first[len(learned) :]
    student = Student(config, seed)
    for moment in learned:
        student.take(moment)
    before = _scored(student, scored, config)
    for moment in later(stereo_flight(config, seed + FAR_SEED, OTHER_S), first[-1]):
        student.take(moment)
    return {"before": before, "after": _scored(student, scored, config)}


def later(moments: Iterator[Moment], last: Moment) -> Iterator[Moment]:
    """Yield a flight's moments as if they came after another flight's last."""
    seq, stamp_ns = last.frame.seq + 1, last.frame.stamp_ns + ns_from_s(0.1)
    for moment in moments:
        names = {"seq": moment.frame.seq + seq, "stamp_ns": moment.frame.stamp_ns + stamp_ns}
        yield moment._replace(
            frame=replace(moment.frame, **names), label=replace(moment.label, **names)
        )


def _scored(student: Student, moments: Sequence[Moment], config: Config) -> dict[str, Any]:
    return score(student.freeze(LEARNED_S), moments, config, student.perception)


def shift(seed: int) -> dict[str, Any]:
    """Return how each learner's licence goes through each change."""
    found: dict[str, Any] = {}
    for name, change in SHIFTS.items():
        flown = configured(f"sim.room.changes=[{change}]")
        moments = list(stereo_flight(flown, seed, SHIFT_S + WATCHED_S))
        for learner, overrides in LEARNERS.items():
            found[f"{name}, {learner}"] = watched(configured(*overrides), seed, moments)
    return found


def watched(config: Config, seed: int, moments: Sequence[Moment]) -> dict[str, Any]:
    """Return when the licence was withdrawn and came back, and what was decided under it."""
    student, trace = Student(config, seed), []
    for moment in moments:
        held, threshold_m = student.licence.held, student.licence.threshold_m
        estimate_m = student.take(moment)
        label_m = moment.label.obstacle_m if moment.label.valid else math.nan
        trace.append((s_from_ns(moment.frame.stamp_ns), held, threshold_m, estimate_m, label_m))
    after = [row for row in trace if row[0] >= SHIFT_S]
    held_before = any(row[1] for row in trace if SHIFT_S - 1 <= row[0] < SHIFT_S)
    lost_s = next((row[0] for row in after if not row[1]), math.nan)
    back_s = next((row[0] for row in after if row[0] > lost_s and row[1]), math.nan)
    return {
        "held_before": held_before,
        "withdrawn_after_s": _known(lost_s - SHIFT_S),
        "regained_after_s": _known(back_s - SHIFT_S),
        **decisions([row for row in after if row[1]], config.pilot.switching.stop_m),
    }


def decisions(rows: Sequence[tuple[float, bool, float, float, float]], stop_m: float) -> Any:
    """Return TPR and FPR of what was decided while the licence was held."""
    near = [row for row in rows if row[4] < stop_m]
    free = [row for row in rows if row[4] >= stop_m]
    stops = {id(row) for row in rows if not row[3] >= row[2]}
    return {
        "tpr_while_held": _share(near, stops),
        "fpr_while_held": _share(free, stops),
        "near_while_held": len(near),
    }


def _share(rows: Sequence[Any], stops: set[int]) -> float | None:
    return round(sum(id(row) in stops for row in rows) / len(rows), 4) if rows else None


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def report(out: Path) -> dict[str, Any]:
    """Return all lines, and the figures over the rooms."""
    record: dict[str, Any] = {}
    lines = _lines(out / "forgetting.jsonl")
    if lines:
        keys = ("fpr_at_tpr95", "auc", "male")
        record["forgetting"] = {
            when: {key: with_interval([line[when][key] for line in lines]) for key in keys}
            for when in ("before", "after")
        }
    lines = _lines(out / "shift.jsonl")
    for name in sorted(set().union(*lines) - {"seed"}):
        rows = [line[name] for line in lines if name in line]
        record.setdefault("shift", {})[name] = {
            key: with_interval([row[key] for row in rows]) for key in rows[0]
        }
    return {**record, "rooms": {p.stem: _lines(p) for p in sorted(out.glob("*.jsonl"))}}


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["forgetting", "shift", "report"])
    parser.add_argument("--seeds", type=seed_range, default=seed_range("0-2"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    single_thread()
    if args.what == "report":
        text = json.dumps(report(args.out), indent=1) + "\n"
        sys.stdout.write(text)
        if args.save:
            args.save.write_text(text, encoding="utf-8")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.what}.jsonl"
    done = {line["seed"] for line in _lines(path)}
    for seed in args.seeds:
        if seed not in done:
            found = {"forgetting": forgetting, "shift": shift}[args.what](seed)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, **found}) + "\n")


if __name__ == "__main__":
    main()
