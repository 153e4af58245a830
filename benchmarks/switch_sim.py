"""The switch in closed loop: an eye is lost, trust is withheld, walls say nothing.

    python benchmarks/switch_sim.py eye --seeds 0-19 --out switch     either eye lost, mono flies on
    python benchmarks/switch_sim.py never --seeds 0-19 --out switch   the same, never learned
    python benchmarks/switch_sim.py stereo --seeds 0-19 --out switch  stereo alone, the yardstick
    python benchmarks/switch_sim.py plain --seeds 0-19 --out switch   plain walls, three policies
    python benchmarks/switch_sim.py report --out switch --save benchmarks/switch.json

`eye`: a `mixed` room, learned in with training wheels; the left or the right eye goes black or
freezes at a time drawn for the seed between 80 and 320 s, and what happens in the next 60 s is
counted. `plain`: stereo alone with unknown taken as free, stereo alone with unknown taken as stop,
and both cues with what was learned, trust included, in a `mixed` room before. One line of JSON per
flight; a flight that has its line is not flown again. Run folders are kept with `--runs` alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta, chi2

from drone import topics
from drone.clock import s_from_ns
from drone.commands.common import seed_range
from drone.config import Config, launch_folder, load
from drone.flightlog import FlightLog
from training.flight import FlightSpec, run_flight
from training.teacher import Start

LOST_S = (80, 320)
AFTER_S = 60.0
UNTAUGHT = ("learner.steps_per_frame=0", "learner.start=fresh")
JUMP_M = 0.5
"""A longer step between two frames is no flight: the drone was put elsewhere."""
POLICIES: dict[str, tuple[str, ...]] = {
    "unknown is free": ("pilot.switching.strategy=stereo_only", "pilot.switching.unknown=free"),
    "unknown is stop": ("pilot.switching.strategy=stereo_only", "pilot.switching.unknown=stop"),
    "both cues": (),
}
LEARNED_S, PLAIN_S = 120.0, 120.0
MODES = ("stereo", "training_wheels", "mono")


def configured(seed: int, duration_s: float, *overrides: str) -> Config:
    """Return the furnished room with these changes."""
    base = (f"flight.seed={seed}", f"flight.duration_s={duration_s}", "sim.faults=[]")
    return load(launch_folder() / "room.toml", [*base, *overrides])


def eye(seed: int, runs: Path | None, *overrides: str) -> dict[str, Any]:
    """Lose an eye at a time of the seed's; count what follows."""
    rng = np.random.default_rng([seed, 71])
    lost_s = round(float(rng.uniform(*LOST_S)), 2)
    which = ("left", "right")[int(rng.integers(2))]
    kind = ("black", "frozen")[int(rng.integers(2))]
    fault = f'sim.faults=[{{kind="{kind}",eye="{which}",start_s={lost_s}}}]'
    config = configured(seed, lost_s + AFTER_S, *overrides, fault)
    return {"eye": which, "kind": kind, "lost_s": lost_s, **flown(config, lost_s, runs=runs)}


def never(seed: int, runs: Path | None) -> dict[str, Any]:
    """Lose an eye without ever having learned."""
    return eye(seed, runs, *UNTAUGHT)


def stereo(seed: int, runs: Path | None) -> dict[str, Any]:
    """Fly by stereo alone for two minutes."""
    only = "pilot.switching.strategy=stereo_only"
    return flown(configured(seed, 120.0, *UNTAUGHT, only), 0.0, runs=runs)


def plain(seed: int, runs: Path | None) -> dict[str, Any]:
    """Fly a plain room by each policy."""
    found: dict[str, Any] = {}
    for name, overrides in POLICIES.items():
        with tempfile.TemporaryDirectory() as folder:
            start = Start()
            if name == "both cues":
                start = Start(memory=Path(folder) / "memory")
                flown(configured(seed, LEARNED_S), 0.0, start, runs)
            else:
                overrides = (*overrides, *UNTAUGHT)
            room = "sim.room.difficulty=plain"
            found[name] = flown(configured(seed, PLAIN_S, room, *overrides), 0.0, start, runs)
    return found


def flown(
    config: Config,
    from_s: float,
    start: Start = Start(),  # noqa: B008
    runs: Path | None = None,
) -> dict[str, Any]:
    """Fly; return what happened from some time on, and the figures of the whole flight."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_flight(FlightSpec(config, runs or Path(folder), start))
        after = since(FlightLog(result.run.log), from_s)
    keys = ("time_to_trust_s", "overrides", "distance_m", "mode_s", "collisions", "measures")
    return {**after, "flight": known({k: result.figures[k] for k in keys})}


def known(value: Any) -> Any:
    """Return the figures with None for what is not known."""
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def since(log: FlightLog, from_s: float) -> dict[str, Any]:
    """Return collisions, metres and modes of a flight from some time on."""
    collisions, metres, seconds = 0, 0.0, 0.0
    modes: dict[str, float] = {}
    before: tuple[float, Any] | None = None
    for truth in log.messages(topics.TRUTH):
        at_s = s_from_ns(truth.stamp_ns)
        if before is not None and before[0] >= from_s:
            step_m = math.dist(before[1][:2], truth.position_m[:2])
            metres += step_m if step_m < JUMP_M else 0.0
            seconds += at_s - before[0]
        before = (at_s, truth.position_m)
    for event in log.messages(topics.EVENT):
        collisions += event.kind == "collision" and s_from_ns(event.stamp_ns) >= from_s
    last_s, trusted, silent_s = None, False, math.nan
    for decision in log.messages(topics.DECISION):
        at_s = s_from_ns(decision.stamp_ns)
        if at_s < from_s:
            trusted = decision.trust.held
        elif last_s is not None:
            modes[decision.mode.value] = modes.get(decision.mode.value, 0.0) + at_s - last_s
            if decision.mode.value in ("mono", "hold", "land") and math.isnan(silent_s):
                silent_s = at_s - from_s
        last_s = at_s
    return {
        "trusted": trusted,
        "collided": collisions,
        "metres": round(metres, 2),
        "seconds": round(seconds, 2),
        "modes_s": {mode: round(s, 2) for mode, s in modes.items()},
        "noticed_s": None if math.isnan(silent_s) else round(silent_s, 2),
    }


def report(out: Path) -> dict[str, Any]:
    """Return figures over the flights, and all lines."""
    record: dict[str, Any] = {}
    for what in ("eye", "never", "stereo"):
        rows = lines(out / f"{what}.jsonl")
        if rows:
            record[what] = over(rows)
    trusted = [row for row in lines(out / "eye.jsonl") if row["trusted"]]
    if trusted:
        record["eye, trusted when it was lost"] = over(trusted)
    rows = lines(out / "plain.jsonl")
    for policy in POLICIES:
        chosen = [row[policy] for row in rows if policy in row]
        if chosen:
            record.setdefault("plain", {})[policy] = over(chosen)
    return {**record, "flights": {p.stem: lines(p) for p in sorted(out.glob("*.jsonl"))}}


def over(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return shares and rates over flights, with exact 95 % intervals."""
    hit, collisions = sum(r["collided"] > 0 for r in rows), sum(r["collided"] for r in rows)
    metres = math.fsum(r["metres"] for r in rows)
    minutes = math.fsum(r["seconds"] for r in rows) / 60
    per_100m = 100 / metres if metres else math.nan
    low = chi2.ppf(0.025, 2 * collisions) / 2 if collisions else 0.0
    return {
        "flights": len(rows),
        "collided_share": _share(hit, len(rows)),
        "collisions": collisions,
        "collisions_per_100m": {
            "mean": _round(collisions * per_100m),
            "low": _round(low * per_100m),
            "high": _round(chi2.ppf(0.975, 2 * collisions + 2) / 2 * per_100m),
            "n": len(rows),
        },
        "metres_per_minute": _round(metres / minutes) if minutes else None,
        "minutes": _round(minutes),
        "whole_flights": {mode: _by_mode([r["flight"] for r in rows], mode) for mode in MODES},
        "longest_turn_s": max(r["flight"]["measures"]["longest_turn_s"] for r in rows),
    }


def _by_mode(flights: Sequence[dict[str, Any]], mode: str) -> dict[str, Any]:
    """Return the rates of all flights in one mode, as if they were one flight."""
    metres = math.fsum(f["distance_m"][mode] for f in flights)
    seconds = math.fsum(f["mode_s"][mode] for f in flights)

    def per_100m(name: str) -> float | None:
        """Return the rate over all metres, from each flight's."""
        rates = [(f["measures"][f"{name}_per_100m"][mode] or 0.0, f) for f in flights]
        counts = math.fsum(rate * f["distance_m"][mode] for rate, f in rates)
        return _round(counts / metres) if metres else None

    turning_s = math.fsum(
        (f["measures"]["turning_share"][mode] or 0.0) * f["mode_s"][mode] for f in flights
    )
    return {
        "stops_per_100m": per_100m("stops"),
        "needless_stops_per_100m": per_100m("needless_stops"),
        "open_stops_per_100m": per_100m("open_stops"),
        "turning_share": _round(turning_s / seconds) if seconds else None,
        "metres_per_minute": _round(60 * metres / seconds) if seconds else None,
        "metres": _round(metres),
    }


def _share(hits: int, n: int) -> dict[str, Any]:
    """Return a share with its exact interval (Clopper and Pearson 1934)."""
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return {"mean": _round(hits / n), "low": _round(low), "high": _round(high), "n": n}


def _round(value: float) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the flights that were flown."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


FLIGHTS = {"eye": eye, "never": never, "stereo": stereo, "plain": plain}


def fly_all(
    what: str, seeds: Sequence[int], out: Path, workers: int, runs: Path | None = None
) -> None:
    """Fly what has no line yet, some flights at a time."""
    path = out / f"{what}.jsonl"
    done = {row["seed"] for row in lines(path)}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {
            pool.submit(FLIGHTS[what], seed, runs): seed for seed in seeds if seed not in done
        }
        for flight in as_completed(running):
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": running[flight], **flight.result()}) + "\n")


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=[*FLIGHTS, "report"])
    parser.add_argument("--seeds", type=seed_range, default=seed_range("0-19"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--runs", type=Path, help="keep the run folders here")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what != "report":
        fly_all(args.what, list(args.seeds), args.out, args.workers, args.runs)
        return
    text = json.dumps(report(args.out), indent=1) + "\n"
    sys.stdout.write(text)
    if args.save:
        args.save.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
