"""Camera health in simulation: how soon each fault is found, and how often there is none.

    python benchmarks/health_sim.py faults --difficulty mixed --seeds 0-19 --out health
    python benchmarks/health_sim.py clean --difficulty plain --seeds 0-19 --out health
    python benchmarks/health_sim.py report --out health --save benchmarks/health_sim.json

Each room is flown once by stereo, open loop: the pilot sees the clean frames and flies as if
nothing were wrong. One checker sees the faulty frames (every fault once per eye, in random order,
each after a clean while), another the clean ones. One line of JSON per flight; a flight that has
its line is not flown again. Thresholds were tuned on seeds 20-99 only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import chi2

from drone.config import Config, FaultConfig, launch_folder, load
from drone.geometry import DistanceMeter
from drone.messages import StereoFrame, Tick
from drone.onboard import health
from drone.onboard.checker import PairChecker
from drone.onboard.health import HealthState
from drone.onboard.perception import Perception
from drone.onboard.pilot import Pilot, PilotState
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator

IN_TIME_S = 0.5
FIRST_S, SLOT_S, LASTS_S, JITTER_S = 3.0, 3.5, 1.0, 0.5
MOVING = 0.2, 0.3
"""m/s, rad/s: from here on a vehicle moves."""
EYE_FAULTS: dict[str, dict[str, Any]] = {
    "black": {},
    "white": {},
    "frozen": {},
    "dropped": {},
    "covered": {"share": 0.5},
    "blurred": {"sigma_px": 2.0},
    "torn": {"share": 0.5},
    "delayed": {"delay_s": 0.2},
    "desynchronised": {"offset_s": 0.05},
    "over-exposed": {"gain": 4.0},
    "knock roll 2 deg": {"roll_deg": 2.0},
    "knock pitch 2 deg": {"pitch_deg": 2.0},
    "knock yaw 2 deg": {"yaw_deg": 2.0},
}
NEEDS_MOTION = ("torn", "delayed", "desynchronised")


def schedule(seed: int) -> list[dict[str, Any]]:
    """Return every fault once per eye: name, eye, parameters and start, in random order."""
    rng = np.random.default_rng([seed, 77])
    faults = [
        {"name": name, "eye": eye, "parameters": parameters}
        for name, parameters in EYE_FAULTS.items()
        for eye in ("left", "right")
    ]
    faults.append({"name": "swapped", "eye": "pair", "parameters": {}})
    order = rng.permutation(len(faults))
    return [
        {**faults[i], "start_s": FIRST_S + k * SLOT_S + round(float(rng.uniform(0, JITTER_S)), 3)}
        for k, i in enumerate(order)
    ]


def sim_faults(planned: list[dict[str, Any]]) -> list[FaultConfig]:
    """Return what of the schedule the simulator itself makes."""
    found = []
    for fault in planned:
        if fault["name"] == "over-exposed":
            continue
        kind = "miscalibrated" if fault["name"].startswith("knock") else fault["name"]
        eye = {} if kind == "swapped" else {"eye": fault["eye"]}
        times = {"start_s": fault["start_s"], "end_s": fault["start_s"] + LASTS_S}
        found.append(FaultConfig(kind=kind, **eye, **times, **fault["parameters"]))
    return found


def over_exposed(frame: StereoFrame, planned: list[dict[str, Any]]) -> StereoFrame:
    """Return the frame with the eye over-exposed whose turn it is."""
    now_s = frame.stamp_ns * 1e-9
    for fault in planned:
        if fault["name"] == "over-exposed" and 0 <= now_s - fault["start_s"] < LASTS_S:
            images = {"left": frame.left, "right": frame.right}
            bright = images[fault["eye"]].astype(np.float32) * fault["parameters"]["gain"]
            images[fault["eye"]] = np.clip(bright, 0, 255).astype(np.uint8)
            return StereoFrame(frame.seq, frame.stamp_ns, True, images["left"], images["right"])
    return frame


class Watch:
    """A checker with its state machine, and the events that began."""

    def __init__(self, config: Config, calibration: Any) -> None:
        self._rules = (config.pilot.switching, config.pilot.health)
        self._checker = PairChecker(config.pilot.health, calibration)
        self._state = HealthState()
        self.begun: list[tuple[float, str]] = []

    def see(self, frame: StereoFrame | None, tick: Tick) -> None:
        """Take in a tick."""
        check = None if frame is None else self._checker.check(frame, tick.vehicle)
        before = self._state
        self._state = health.step(before, tick.stamp_ns, check, (), self._rules)
        for event in health.events(before, self._state, tick.stamp_ns, 0):
            if event.active:
                self.begun.append((tick.stamp_ns * 1e-9, f"{event.eye} {event.kind}"))


def fly(seed: int, difficulty: str, planned: list[dict[str, Any]], duration_s: float) -> dict:
    """Fly one room; return what began when, with faults and without."""
    overrides = [
        f"flight.seed={seed}",
        f'sim.room.difficulty="{difficulty}"',
        'pilot.switching.strategy="stereo_only"',
    ]
    config = load(launch_folder() / "room.toml", overrides)
    sim_config = config.sim.model_copy(update={"faults": tuple(sim_faults(planned))})
    calibration = calibration_of(config.sim.camera)
    meter = DistanceMeter(calibration.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    pilot, state = Pilot(config.pilot, Perception(config.pilot, calibration)), PilotState()
    faulty, clean = Watch(config, calibration), Watch(config, calibration)
    motion = []
    hz = config.pilot.tick_hz
    with RoomSimulator(sim_config, meter, seed=seed, tick_hz=hz) as sim:
        output = sim.reset()
        for k in range(round(duration_s * hz)):
            now_ns = output.vehicle.stamp_ns
            tick = Tick(k, now_ns, True, True, output.clean, output.vehicle)
            state, decision = pilot.step(state, tick)
            clean.see(output.clean, tick)
            if planned:
                seen = None if output.frame is None else over_exposed(output.frame, planned)
                faulty.see(seen, tick)
            v, w = output.vehicle.velocity_mps, output.vehicle.rates_radps
            motion.append((float(np.hypot(v[0], v[1])), float(np.abs(w).max())))
            output = sim.step(decision.command)
    return {
        "seed": seed,
        "difficulty": difficulty,
        "duration_s": duration_s,
        "false": clean.begun,
        "faults": [judged(fault, faulty.begun, motion, hz) for fault in planned],
    }


def judged(
    fault: dict[str, Any],
    begun: list[tuple[float, str]],
    motion: list[tuple[float, float]],
    hz: float,
) -> dict[str, Any]:
    """Return when a fault was found, as what, and whether the vehicle moved meanwhile."""
    start_s = fault["start_s"]
    found = [(t - start_s, name) for t, name in begun if 0 <= t - start_s < LASTS_S + 0.3]
    first = round(start_s * hz)
    while_s = motion[first : first + round(IN_TIME_S * hz)]
    moves = [speed > MOVING[0] or rate > MOVING[1] for speed, rate in while_s]
    return {
        "name": fault["name"],
        "eye": fault["eye"],
        "start_s": start_s,
        "moving": sum(moves) * 2 > len(moves),
        "delay_s": round(found[0][0], 3) if found else None,
        "found_as": found[0][1] if found else "",
        "all": [name for _, name in found],
    }


def report(folder: Path) -> dict[str, Any]:
    """Return the figures of all flights."""
    flights = [json.loads(x) for f in sorted(folder.glob("*.jsonl")) for x in f.open()]
    faults = [fault | {"in": f["difficulty"]} for f in flights for fault in f["faults"]]
    result: dict[str, Any] = {"faults": {}, "false_alarms": {}}
    for difficulty in sorted({f["in"] for f in faults}):
        rows = [f for f in faults if f["in"] == difficulty]
        result["faults"][difficulty] = {
            name: _figures([f for f in rows if f["name"] == name])
            for name in dict.fromkeys([*EYE_FAULTS, "swapped"])
        }
    for difficulty in ["all", *sorted({f["difficulty"] for f in flights})]:
        some = [f for f in flights if difficulty in ("all", f["difficulty"])]
        hours = sum(f["duration_s"] for f in some) / 3600
        names = Counter(name for f in some for _, name in f["false"])
        result["false_alarms"][difficulty] = _rate(sum(names.values()), hours) | {"as": names}
    return result


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    observable = [r for r in rows if r["moving"] or r["name"] not in NEEDS_MOTION]
    figures: dict[str, Any] = {}
    for key, some in (("all", rows), ("observable", observable)):
        hits = [r for r in some if r["delay_s"] is not None and r["delay_s"] <= IN_TIME_S + 1e-6]
        figures[key] = {"runs": len(some), "found": len(hits)}
    delays = [r["delay_s"] for r in observable if r["delay_s"] is not None]
    figures["share"] = round(figures["observable"]["found"] / max(1, len(observable)), 4)
    figures["median_s"], figures["p95_s"] = (
        round(float(np.percentile(delays, q)), 2) if delays else None for q in (50, 95)
    )
    figures["found_as"] = dict(Counter(r["found_as"] or "nothing" for r in rows).most_common())
    return figures


def _rate(count: int, hours: float) -> dict[str, Any]:
    """Return the rate per hour with its exact 95 % Poisson interval."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    high = chi2.ppf(0.975, 2 * count + 2) / 2
    per_hour = {"per_hour": count / hours, "low": low / hours, "high": high / hours}
    return {"events": count, "hours": round(hours, 3)} | {
        k: round(float(v), 2) for k, v in per_hour.items()
    }


def main() -> None:
    """Fly what is missing, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("faults", "clean", "report"))
    parser.add_argument("--difficulty", default="mixed")
    parser.add_argument("--seeds", default="0-19", help="first-last")
    parser.add_argument("--duration", type=float, default=120.0, help="s, of a clean flight")
    parser.add_argument("--out", type=Path, default=Path("health"))
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    if args.what == "report":
        text = json.dumps(report(args.out), indent=1)
        sys.stdout.write(text + "\n")
        if args.save is not None:
            args.save.write_text(text + "\n", encoding="utf-8")
        return
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{args.what}-{args.difficulty}.jsonl"
    done = {json.loads(x)["seed"] for x in file.open()} if file.exists() else set()
    first, last = map(int, args.seeds.split("-"))
    for seed in range(first, last + 1):
        if seed in done:
            continue
        planned = schedule(seed) if args.what == "faults" else []
        duration_s = FIRST_S + len(planned) * SLOT_S if planned else args.duration
        flight = fly(seed, args.difficulty, planned, duration_s)
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(flight) + "\n")


if __name__ == "__main__":
    main()
