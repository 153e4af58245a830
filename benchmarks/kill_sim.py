"""Kill -9 of a vehicle's processes at random moments of flights in real time.

    PYTHONPATH=. python benchmarks/kill_sim.py --kills 50 --save benchmarks/kill.json

Each kill takes one of the pilot, camera, trainer, recorder and page, at a random moment. Unsafe is
a set-point that moves the vehicle later than `autopilot.stale_s` after the last decision, or a
collision. A part rejoins when its new process says that it goes on. A killed pilot means that the
vehicle stands still, then lands unless the pilot is back; a flight that has landed is followed by a
new one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drone.bus import Subscriber
from drone.commands.fly_mavlink import ended, vehicle_toml
from drone.config import launch_folder, load
from drone.config.autopilot import AutopilotConfig
from drone.onboard.processes.orders import tree_of
from drone.sim.realtime import RoomInRealTime, room_in_real_time
from drone.topics import DECISION
from drone.wire import ALIVE, SENT

ROLES = ("pilot", "camera", "trainer", "recorder", "web")
SLACK_S = 0.1
"""From the decision's stamp to the set-point by it, and what the clock of this test adds."""


@dataclass
class Judge:
    """Looks for what must not be.

    Attributes:
        unsafe: what was, in words.
        stale_s: a set-point may move the vehicle so long after the last decision.
    """

    stale_s: float
    unsafe: list[str] = field(default_factory=list)
    decided_ns: int = 0

    def take(self, topic: Any, message: Any) -> None:
        """Look at a decision or a set-point; both are stamped by the vehicle's clock."""
        if topic == DECISION:
            self.decided_ns = message.stamp_ns
        elif message.moves:
            late_s = (message.stamp_ns - self.decided_ns) / 1e9
            if late_s > self.stale_s + SLACK_S:
                self.unsafe.append(f"moves {late_s:.2f} s after the last decision")


def pid_of(role: str, folder: Path) -> int | None:
    """Return the process that plays a role now."""
    wanted = [b"drone.onboard.processes", role.encode(), str(folder).encode()]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[2:5] == wanted:
            return int(entry.parent.name)
    return None


class Flight:
    """One flight, from the floor until it has landed or enough was killed."""

    def __init__(self, room: RoomInRealTime, folder: Path, judge: Judge) -> None:
        self.room, self.folder, self.judge = room, folder, judge
        self.ears = Subscriber(folder, {"pilot": [DECISION], "link": [SENT]})
        self.alive = {role: Subscriber(folder, {role: [ALIVE]}) for role in ROLES}
        self.heard_s = dict.fromkeys(ROLES, 0.0)

    def go(self, seconds: float, until: Any = lambda: False) -> bool:
        """Let time go by; return whether it came about."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.room.tick()
            for topic, message in self.ears.receive(0.0):
                self.judge.take(topic, message)
            for role, ears in self.alive.items():
                if ears.receive(0.0):
                    self.heard_s[role] = time.monotonic()
            if until():
                return True
        return False

    @property
    def landed(self) -> bool:
        """The vehicle stands on the floor, after it was in the air."""
        return self.room.server.vehicle.landed

    def close(self) -> None:
        """Close what listens."""
        for ears in (self.ears, *self.alive.values()):
            ears.close()


def fly(draw: random.Random, wanted: int, seed: int, manner: str) -> list[dict[str, Any]]:
    """Fly once, and kill until the vehicle has landed or `wanted` were killed."""
    config = load(launch_folder() / "room.toml", [f"flight.seed={seed}"])
    judge = Judge(AutopilotConfig().stale_s)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="drone-") as made:
        folder = Path(made)
        with room_in_real_time(config, manner, folder) as room:
            (folder / "calibration.json").write_text(json.dumps(tree_of(room.calibration)))
            (folder / "vehicle.toml").write_text(vehicle_toml(config, room.url))
            argv = [sys.executable, "-m", "drone", "onboard", "--json", "--no-report"]
            argv += ["--config", str(folder / "vehicle.toml"), "--bus", str(folder)]
            argv += ["--runs", str(folder / "runs"), "--web", "0"]
            onboard = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            with closing(Flight(room, folder, judge)) as flight:
                try:
                    if not flight.go(60, lambda: room.watcher.permitted):
                        raise SystemExit("no tick was flown with permission")
                    flight.go(4)
                    while len(rows) < wanted and not flight.landed:
                        rows.append(_kill(draw, flight, seed, manner))
                finally:
                    ended(onboard)
    return rows


def _kill(draw: random.Random, flight: Flight, seed: int, manner: str) -> dict[str, Any]:
    role, judge, room = draw.choice(ROLES), flight.judge, flight.room
    flight.go(draw.uniform(0.5, 3.0))
    unsafe, hits = len(judge.unsafe), sum(room.watcher.collisions.values())
    pid = pid_of(role, flight.folder)
    if pid is None:
        flight.go(10, lambda: pid_of(role, flight.folder) is not None)
        pid = pid_of(role, flight.folder)
    assert pid is not None, f"{role} does not run"
    os.kill(pid, signal.SIGKILL)
    killed_s = time.monotonic()
    flight.heard_s[role] = 0.0
    rejoined = flight.go(30, lambda: flight.heard_s[role] > killed_s)
    rejoin_s = flight.heard_s[role] - killed_s if rejoined else None
    if role == "pilot":  # it lands, or flies on
        flight.go(20, lambda: flight.landed or bool(room.watcher.permitted))
    else:
        flight.go(1.0)
    return {
        "role": role,
        "seed": seed,
        "manner": manner,
        "rejoin_s": None if rejoin_s is None else round(rejoin_s, 2),
        "landed": flight.landed,
        "unsafe": judge.unsafe[unsafe:],
        "collisions": sum(room.watcher.collisions.values()) - hits,
        "mode": room.watcher.mode,
    }


def main() -> None:
    """Fly, kill, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--draws", type=int, default=0, help="seed of what is killed, and when")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    draw, rows, seed = random.Random(args.draws), [], 0
    while len(rows) < args.kills:
        manner = ("ardupilot", "px4")[seed % 2]
        rows += fly(draw, args.kills - len(rows), seed, manner)
        seed += 1
        print(f"{len(rows)} kills in {seed} flights", file=sys.stderr, flush=True)  # noqa: T201
    told = {
        "kills": len(rows),
        "flights": seed,
        "of": dict(Counter(row["role"] for row in rows)),
        "unsafe": sum(bool(row["unsafe"]) for row in rows),
        "collisions": sum(row["collisions"] for row in rows),
        "rejoined": sum(row["rejoin_s"] is not None for row in rows),
        "slowest_rejoin_s": max((row["rejoin_s"] or 0.0) for row in rows),
        "rows": rows,
    }
    text = json.dumps(told, indent=1)
    if args.save:
        args.save.write_text(text + "\n")
    print(json.dumps({k: v for k, v in told.items() if k != "rows"}))  # noqa: T201


if __name__ == "__main__":
    main()
