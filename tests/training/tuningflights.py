"""Flights of a toy drone, decided by the real pilot and logged: quick, and without images.

Stereo sees how far the way is free straight ahead; mono sees that with an error that lasts until
the drone has turned.
"""

import math
import random
from dataclasses import dataclass, replace

import numpy as np

from drone import topics
from drone.clock import ns_from_s
from drone.config import Config
from drone.flightlog import FORMAT_VERSION, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration, quaternion_from_euler
from drone.logfiles import ONE_FILE
from drone.messages import (
    DistanceLabel,
    Eye,
    FrameCheck,
    ModelVersion,
    MonoEstimate,
    Tick,
    VehicleState,
)
from drone.onboard.perception import Percept
from drone.onboard.pilot import PilotState, decide

GRID = np.full((2, 2), math.nan, np.float32)
CAMERA = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
TICK_S, ROOM_M = 0.05, 4.0


@dataclass(frozen=True)
class Script:
    """How a toy flight goes.

    Attributes:
        mono_from_s: the network answers from here on.
        error: standard deviation of mono's log error.
        phantom: share of the turns after which mono sees something that is not there.
        model_every_s: a new version comes so often, 0 for never.
        blind: (begin, end) in which the right eye is black, s.
        strange: (begin, end) in which images are unfamiliar, s.
        nearest_m: nothing is ever nearer.
    """

    seed: int = 0
    duration_s: float = 150.0
    mono_from_s: float = 2.0
    error: float = 0.07
    phantom: float = 0.1
    model_every_s: float = 5.0
    blind: tuple[float, float] = (1e9, 1e9)
    strange: tuple[float, float] = (1e9, 1e9)
    nearest_m: float = 0.0


class World:
    """A square room with two pillars, and a drone that sees how far it is free straight ahead."""

    def __init__(self, script: Script) -> None:
        self.rng = random.Random(script.seed)
        self.script = script
        self.position_m = [0.0, 0.0]
        self.yaw_rad = self.rng.uniform(-math.pi, math.pi)
        self.pillars_m = [(self.rng.uniform(-2, 2), self.rng.uniform(1, 2) * k) for k in (-1, 1)]
        self.speed_mps = self.turned_rad = 0.0
        self.bias = 1.0

    @property
    def ahead_m(self) -> float:
        """How far the way is free."""
        heading = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        walls_m = [
            (math.copysign(ROOM_M / 2, part) - at) / part
            for part, at in zip(heading, self.position_m, strict=True)
            if abs(part) > 1e-9
        ]
        hits_m = (self._to_pillar_m(pillar, heading) for pillar in self.pillars_m)
        return max(min(*walls_m, *hits_m), self.script.nearest_m)

    def _to_pillar_m(self, pillar_m, heading) -> float:
        north_m, east_m = (p - at for p, at in zip(pillar_m, self.position_m, strict=True))
        along_m = north_m * heading[0] + east_m * heading[1]
        aside_m = north_m * heading[1] - east_m * heading[0]
        hit = along_m > 0 and abs(aside_m) < 0.5
        return max(along_m - 0.2, 0.05) if hit else math.inf

    def move(self, command) -> None:
        self.speed_mps += 0.4 * (command.forward_mps - self.speed_mps)
        step_m = min(self.speed_mps * TICK_S, self.ahead_m - 0.05)
        self.position_m[0] += step_m * math.cos(self.yaw_rad)
        self.position_m[1] += step_m * math.sin(self.yaw_rad)
        turn_rad = command.yaw_rate_radps * TICK_S
        self.yaw_rad += turn_rad
        self.turned_rad += abs(turn_rad)
        if self.turned_rad > math.radians(40):
            self.turned_rad = 0.0
            self.bias = math.exp(self.rng.gauss(0, self.script.error))
            if self.rng.random() < self.script.phantom:
                self.bias *= 0.6

    def vehicle(self, seq: int, now_ns: int) -> VehicleState:
        attitude = quaternion_from_euler(0.0, 0.0, self.yaw_rad)
        position_m = (*self.position_m, -1.1)
        velocity_mps = (
            self.speed_mps * math.cos(self.yaw_rad),
            self.speed_mps * math.sin(self.yaw_rad),
            0.0,
        )
        return VehicleState(seq, now_ns, True, position_m, velocity_mps, attitude)

    def percept(self, seq: int, now_ns: int, version: int) -> Percept:
        t_s = seq * TICK_S
        black = "black" if self.script.blind[0] <= t_s < self.script.blind[1] else ""
        check = FrameCheck(seq, now_ns, True, "", black, 1000 + seq, 1000 + seq)
        label_m = math.nan if black else self.ahead_m * math.exp(self.rng.gauss(0, 0.01))
        label = DistanceLabel(
            seq, now_ns, not black, "", GRID, GRID, label_m, (label_m,) * 4, 3.0, 1.0
        )
        if t_s < self.script.mono_from_s:
            return Percept(check, label, None)
        told_m = self.ahead_m * self.bias * math.exp(self.rng.gauss(0, 0.04))
        told_m = math.nan if self.rng.random() < 0.01 else told_m
        strange = self.script.strange[0] <= t_s < self.script.strange[1]
        estimate = MonoEstimate(
            *(seq, now_ns, True, "", version, Eye.LEFT, GRID, GRID, told_m, (told_m,) * 4),
            cautious_m=told_m,
            unfamiliarity=3.0 if strange else 0.5,
        )
        return Percept(check, label, estimate)

    def model(self, version: int, now_ns: int, told: dict[int, float]) -> ModelVersion:
        """A version that scores what was held out, 2 s in every 10, a little better than before."""
        held_out = [seq for seq in told if seq % 200 < 40]
        scores = tuple(told[seq] * math.exp(self.rng.gauss(0, 0.05)) for seq in held_out)
        return ModelVersion(version, now_ns, True, b"onnx", "", tuple(held_out), scores)


def write_flight(path, script=Script(), config=None, calibration=CAMERA, rotation=ONE_FILE):
    """Fly by the real `decide`, and log it as `drone fly` does; return the path."""
    config = config or Config()
    header = LogHeader(
        *(FORMAT_VERSION, "0.1.0", config.to_toml(), script.seed, 0, calibration),
        *(PilotState().to_json(), "sim", {}),
    )
    world, state, version, told = World(script), PilotState(), 0, {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with FlightLogWriter(path, header, rotation) as log:
        for seq in range(round(script.duration_s / TICK_S) + 1):
            now_ns = ns_from_s(1000 + seq * TICK_S)
            model, percept = None, Percept()
            if seq % 2 == 0:
                every = round(script.model_every_s / TICK_S)
                if told and every and seq % every == 0:
                    version += 1
                    model = world.model(version, now_ns, told)
                percept = world.percept(seq, now_ns, version)
            if percept.estimate is not None and math.isfinite(percept.estimate.cautious_m):
                told[seq] = percept.estimate.cautious_m
            tick = Tick(*(seq, now_ns, True, True, None, world.vehicle(seq, now_ns)), (), model)
            log.between_ticks(state.to_json, state.model)
            state, decision = decide(state, tick, percept, config.pilot)
            log.write_tick(tick)
            for topic, message in (
                (topics.CHECK, percept.check),
                (topics.LABEL, percept.label),
                (topics.MONO, percept.estimate),
            ):
                if message is not None:
                    log.write(topic, message)
            log.write(topics.DECISION, decision)
            world.move(decision.command)
    return path


def write_flights(folder, count, script=Script(), config=None):
    """Write run folders of toy flights with other seeds; return the folder of them all."""
    for seed in range(count):
        write_flight(folder / f"flight-{seed}" / "flight.mcap", replace(script, seed=seed), config)
    return folder
