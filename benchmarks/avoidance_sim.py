"""How well the drone gets about: collisions, metres per minute, turning and stops per setting.

    python benchmarks/avoidance_sim.py learn --seeds 20-29 --out avoidance
    python benchmarks/avoidance_sim.py keep runs/*-room --out avoidance
    python benchmarks/avoidance_sim.py stereo --seeds 20-29 --difficulty cluttered --out avoidance
    python benchmarks/avoidance_sim.py mono --seeds 20-29 --out avoidance
    python benchmarks/avoidance_sim.py report --out avoidance

`stereo` flies by stereo alone, without a learner. `learn` flies the default story for a while and
keeps the pilot's state and the model; `keep` takes them from run folders of `drone fly`. From there
`mono` flies on in the same room, from another start, and loses an eye after a second: many settings
on one and the same licence. A flight in which mono never earned one is left out by `mono`. One line
of JSON per flight; a flight that has its line is not flown again. Tuned on seeds 20-99 only.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from drone import topics
from drone.clock import ns_from_s, s_from_ns
from drone.config import Config, launch_folder, load, loads
from drone.flightlog import FlightLog
from drone.geometry import DistanceMeter
from drone.messages import Tick
from drone.onboard.health import check_frame
from drone.onboard.mono import model_from_bytes
from drone.onboard.obstacle_memory import view_of
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilot import Pilot, PilotState, decide
from drone.scoring import FlightScore
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput

AFTER_S = 1.0
"""An eye is lost so long after the start of a mono flight."""


class Nothing:
    """A log that keeps nothing."""

    def write(self, *_: Any) -> None:
        """Keep nothing."""

    write_tick = write


def simulator_of(config: Config) -> RoomSimulator:
    """Return the room of a configuration."""
    camera = calibration_of(config.sim.camera)
    meter = DistanceMeter(camera.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    return RoomSimulator(config.sim, meter, seed=config.flight.seed, tick_hz=config.pilot.tick_hz)


def learn(config: Config, kept: Path) -> dict[str, Any]:
    """Fly the default story; keep state and model."""
    from training.session import Session

    with ExitStack() as stack:
        simulator = stack.enter_context(simulator_of(config))
        session = stack.enter_context(closing(Session(config, simulator.calibration)))
        output = simulator.reset()
        for seq in range(round(config.flight.duration_s * config.pilot.tick_hz)):
            for event in output.events:
                session.event(Nothing(), event.stamp_ns, event.kind, event.detail)
            tick = Tick(seq, output.vehicle.stamp_ns, True, True, output.frame, output.vehicle)
            decision = session.tick(Nothing(), tick, output.truth, output.clean)
            output = simulator.step(decision.command)
        kept.with_suffix(".json").write_text(session.state.to_json())
        if session.model is not None:
            kept.with_suffix(".onnx").write_bytes(session.model.onnx)
        return session.score.to_dict()


def keep(run: Path, kept: Path) -> dict[str, Any]:
    """Keep state and model of a flight that was flown by `drone fly`, as its log has them."""
    log = FlightLog(run / "flight.mcap")
    tree = loads(log.header.config_toml, str(run))
    state, tick, seen = PilotState.from_json(log.header.pilot_state), None, {}
    for topic, message in log.records():
        if topic == topics.TICK:
            tick, seen = message, {}
        elif topic in (topics.CHECK, topics.LABEL, topics.MONO):
            seen[topic] = message
        elif topic == topics.DECISION and tick is not None:
            percept = Percept(*(seen.get(t) for t in (topics.CHECK, topics.LABEL, topics.MONO)))
            state, _ = decide(state, tick, percept, tree.pilot)
            if tick.model is not None and state.model == tick.model.seq:
                kept.with_suffix(".onnx").write_bytes(tick.model.onnx)
    kept.with_suffix(".json").write_text(state.to_json())
    return {"trust": repr(state.trust.report)}


def later(output: SimOutput, offset_ns: int) -> SimOutput:
    """Return the output with the stamps that the pilot's clock gives it."""
    frame, vehicle = output.frame, output.vehicle
    frame = None if frame is None else replace(frame, stamp_ns=frame.stamp_ns + offset_ns)
    vehicle = replace(vehicle, stamp_ns=vehicle.stamp_ns + offset_ns)
    return replace(output, frame=frame, vehicle=vehicle)


def fly(config: Config, flight: int, kept: Path | None) -> dict[str, Any] | None:
    """Fly without a learner, from a kept state and model or from nothing."""
    with simulator_of(config) as simulator:
        perception = Perception(config.pilot, simulator.calibration)
        view = view_of(simulator.calibration)
        pilot, state, offset_ns = Pilot(config.pilot, perception), PilotState(view=view), 0
        if kept is not None:
            state = PilotState.from_json(kept.with_suffix(".json").read_text())
            if not state.trust.report.held:
                return None
            offset_ns = state.vehicle.stamp_ns + ns_from_s(1 / config.pilot.tick_hz)
            perception.load(model_from_bytes(kept.with_suffix(".onnx").read_bytes(), str(kept)))
        score, first_s = FlightScore(config.pilot.switching.stop_m, config.pilot.go_m), math.nan
        output = simulator.reset(flight)
        for seq in range(round(config.flight.duration_s * config.pilot.tick_hz)):
            output = later(output, offset_ns)
            for event in output.events:
                if event.kind == "collision":
                    score.collided()
                    first_s = s_from_ns(event.stamp_ns) if math.isnan(first_s) else first_s
            vehicle = output.vehicle
            tick = Tick(seq, vehicle.stamp_ns, True, True, output.frame, vehicle)
            percept = pilot.perceive(state, tick)
            state, decision = decide(state, tick, percept, config.pilot)
            if output.frame is not None:
                label = percept.label if state.health.stereo_sees else None
                truth, stereo_m = output.truth, math.nan
                if label is not None and label.valid:
                    stereo_m = label.obstacle_m
                elif output.clean is not None:
                    down = simulator.calibration.down_in_camera(vehicle.attitude)
                    clean = output.clean
                    stereo_m = perception.label(clean, check_frame(clean), down).obstacle_m
                score.see(label, percept.estimate, replace(truth, stereo_obstacle_m=stereo_m))
            score.decided(decision, simulator.motion.position_m, output.frame is not None)
            output = simulator.step(decision.command)
        return {**score.to_dict(), "first_collision_s": first_s}


def configured(args: argparse.Namespace, seed: int) -> Config:
    """Return the configuration of one flight."""
    settings = [
        f"flight.seed={seed}",
        f"flight.duration_s={args.duration}",
        f'sim.room.difficulty="{args.difficulty}"',
    ]
    if args.what == "stereo":
        settings.append('pilot.switching.strategy="stereo_only"')
    config = load(launch_folder() / "room.toml", [*settings, *args.overrides])
    sim = config.sim.model_dump()
    black = {"kind": "black", "eye": args.eye, "start_s": AFTER_S}
    sim["faults"] = [black] if args.what == "mono" else []
    return Config.model_validate({**config.model_dump(), "sim": sim})


def seeds_of(text: str) -> range:
    """Return the seeds of A-B."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def keep_all(args: argparse.Namespace) -> None:
    """Keep what the flights of run folders ended with."""
    for folder in args.runs:
        config = load(folder / "config.toml", [])
        name = f"{config.sim.room.difficulty}-{config.flight.seed}"
        print(name, keep(folder, args.out / name))  # noqa: T201


def run(args: argparse.Namespace) -> None:
    """Fly what has no line yet."""
    cv2.setNumThreads(1)
    lines = args.out / "flights.jsonl"
    done = {tuple(f["key"]) for f in read(lines)}
    for seed in seeds_of(args.seeds):
        for flight in range(args.flights):
            key = (args.name, args.what, args.difficulty, seed, flight)
            if key in done:
                continue
            kept = args.out / f"{args.difficulty}-{seed}"
            config = configured(args, seed)
            if args.what == "learn":
                figures = learn(config, kept)
            else:
                figures = fly(config, flight + 1, kept if args.what == "mono" else None)
            line = {"key": key, "settings": args.overrides, "figures": figures}
            with lines.open("a") as out:
                out.write(json.dumps(line) + "\n")
            print(key, brief(figures), flush=True)  # noqa: T201


def read(lines: Path) -> list[dict[str, Any]]:
    """Return the flights that were flown."""
    return [json.loads(x) for x in lines.read_text().splitlines()] if lines.exists() else []


def brief(f: dict[str, Any] | None) -> str:
    """Return one flight in a line."""
    if f is None:
        return "no licence"
    m = f["measures"]
    metres = {mode: f"{f['distance_m'][mode]:.0f}" for mode in f["distance_m"]}
    return f"{f['collisions']} m {metres} turn {m['turning_share']} {m['longest_turn_s']} s"


MODES = ("stereo", "training_wheels", "mono")


def report(args: argparse.Namespace) -> None:
    """Print one line per setting, kind of flight and difficulty."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for flight in read(args.out / "flights.jsonl"):
        name, what, difficulty, *_ = flight["key"]
        if flight["figures"] is not None:
            groups.setdefault((what, difficulty, name), []).append(flight["figures"])
    for key, flights in sorted(groups.items()):
        print(*(f"{k:10}" for k in key), pooled(flights, key[0]))  # noqa: T201


def pooled(flights: list[dict[str, Any]], what: str) -> str:
    """Return the figures of many flights as one."""
    mode = "mono" if what == "mono" else "stereo"
    total_m = math.fsum(f["distance_m"][mode] for f in flights)
    total_s = math.fsum(f["mode_s"][mode] for f in flights)
    turning_s = math.fsum(
        (f["measures"]["turning_share"][mode] or 0.0) * f["mode_s"][mode] for f in flights
    )
    stops = math.fsum(
        (f["measures"]["needless_stops_per_100m"][mode] or 0.0) * f["distance_m"][mode] / 100
        for f in flights
        if f["distance_m"][mode]
    )
    hits = sum(f["collisions"][mode] for f in flights)
    hit = sum(f["collisions"][mode] > 0 for f in flights)
    return (
        f"n {len(flights):3} hit {hit:2} hits {hits:3} per100m {100 * hits / total_m:5.2f} "
        f"m/min {60 * total_m / total_s:5.1f} turning {turning_s / total_s:.3f} "
        f"needless/100m {100 * stops / total_m:5.1f} "
        f"longest turn {max(f['measures']['longest_turn_s'] for f in flights):.1f} s "
        f"{mode} {total_s:.0f} s"
    )


def main() -> None:
    """Read the arguments and do what they ask."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("what", choices=("learn", "keep", "stereo", "mono", "report"))
    p.add_argument("runs", nargs="*", type=Path, help="run folders to keep")
    p.add_argument("--seeds", default="20-29")
    p.add_argument("--flights", type=int, default=1, help="per seed, from other starts")
    p.add_argument("--difficulty", default="mixed")
    p.add_argument("--duration", type=float, default=60.0)
    p.add_argument("--eye", default="right")
    p.add_argument("--name", default="default", help="of the setting")
    p.add_argument("--set", dest="overrides", action="append", default=[])
    p.add_argument("--out", type=Path, default=Path("avoidance"))
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    {"report": report, "keep": keep_all}.get(args.what, run)(args)


if __name__ == "__main__":
    sys.exit(main())
