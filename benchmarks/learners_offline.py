"""The paper's offline comparison: every learner on the same recorded flights, ROC and error.

    python benchmarks/learners_offline.py fly --seeds 0-4 --out offline      simulated, by stereo
    python benchmarks/learners_offline.py log RUN/flight.mcap --out offline  a flight of your own
    python benchmarks/learners_offline.py report --out offline --save record.json

Each learner goes through the first two thirds of a flight as it would in flight; what it would then
fly by is scored on the last third. Needless stops and the ROC are of the obstacle distance, against
stereo. The error is that of the paper's λ, the mean disparity of the image, px: what the texton
learners answer; of the network's grid it is the mean over the cells that stereo knows. Beside them
the mean λ of the first two thirds, which looks at no image. One file per flight, kept.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from drone import config as configuration
from drone import topics
from drone.bench import with_interval
from drone.commands.common import seed_range
from drone.config import Config, launch_folder, load
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import DistanceLabel, Tick, VehicleState
from drone.onboard.mono import MonoNetwork
from training.course import Flown, Moment, Student, area, stereo_flight
from training.online import single_thread

FLOWN_S = 300.0
LEARNED_SHARE = 2 / 3
LEARNERS: dict[str, tuple[str, ...]] = {
    "cnn": (),
    "cnn-fresh": ("learner.start=fresh",),
    **{
        f"texton-{kind}": (f"learner.kind=texton-{kind}", "learner.buffer_frames=2400")
        for kind in ("knn", "linear", "gp", "mlp")
    },
}
CAUGHT = np.linspace(0.0, 1.0, 101)
"""Shares of the near frames at which the ROC is given."""


def logged(path: Path) -> tuple[Config, list[Moment]]:
    """Return a log's configuration and its frames with their labels.

    Raises:
        UserError: there is no frame with both images and a label in it.
    """
    log = FlightLog(path)
    config = configuration.loads(log.header.config_toml, f"{path} (its configuration)")
    moments = list(_moments(log))
    if not moments:
        raise UserError(f"{path}: no frame with both images and a label: nothing to compare on")
    return config, moments


def _moments(log: FlightLog) -> Iterator[Moment]:
    vehicle: VehicleState | None = None
    tick: Tick | None = None
    for topic, message in log.records():
        if topic == topics.TICK:
            tick, vehicle = message, message.vehicle or vehicle
        elif topic == topics.LABEL and isinstance(message, DistanceLabel) and tick is not None:
            frame = tick.frame
            if frame is not None and frame.left is not None and frame.right is not None:
                attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
                down = log.header.calibration.down_in_camera(attitude)
                yield Moment(frame, message, down, math.nan)


def compare(config: Config, seed: int, moments: Sequence[Moment]) -> dict[str, Any]:
    """Return each learner's figures on the last third of a flight."""
    split = round(LEARNED_SHARE * len(moments))
    found: dict[str, Any] = {"mean of the past": {"lambda_mae_px": _blind(moments, split)}}
    for name, overrides in LEARNERS.items():
        own = with_overrides(config, overrides)
        student = Student(own, seed)
        for moment in track(moments[:split], name, disable=not sys.stderr.isatty()):
            student.take(moment)
        found[name] = judged(student, moments[split:], own)
    return found


def with_overrides(config: Config, overrides: Sequence[str]) -> Config:
    """Return a configuration with some settings changed."""
    return configuration.loads(config.to_toml(), "the flight's configuration", list(overrides))


def judged(student: Student, moments: Sequence[Moment], config: Config) -> dict[str, Any]:
    """Return the figures of what a learner would fly by; of none, if it never published."""
    if student.model is None:
        return {"published": False}
    eye = Flown(config, student.perception)
    eye.load(student.model)
    label_m = np.array([m.label.obstacle_m if m.label.valid else math.nan for m in moments])
    estimate_m = np.array([eye.look(m).mean_m for m in moments])
    stop_m = config.pilot.switching.stop_m
    wanted, given = _lambdas(student, moments)
    return {
        "published": True,
        "auc": area(label_m, estimate_m, stop_m),
        "fpr_at_caught": roc(label_m, estimate_m, stop_m),
        "lambda_mae_px": round(float(np.nanmean(np.abs(given - wanted))), 4),
        "lambda_correlation": _correlation(wanted, given),
        "near": int((label_m < stop_m).sum()),
        "free": int((label_m >= stop_m).sum()),
    }


def roc(
    label_m: NDArray[np.float64], estimate_m: NDArray[np.float64], stop_m: float
) -> list[float] | None:
    """Return the share of free frames stopped at each share of `CAUGHT`, None without a class."""
    score = np.where(np.isnan(estimate_m), 0.0, estimate_m)
    near, free = np.sort(score[label_m < stop_m]), score[label_m >= stop_m]
    if not len(near) or not len(free):
        return None
    ranks = np.ceil(CAUGHT * len(near)).astype(int)
    return [round(float((free <= near[r - 1]).mean()), 4) if r else 0.0 for r in ranks]


def _lambdas(
    student: Student, moments: Sequence[Moment]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return stereo's and the model's λ of each frame, px; NaN where stereo knows none."""
    assert student.model is not None
    network = MonoNetwork(student.model, student.perception.spec)
    metres = student.perception.calibration.disparity_metres
    rows = []
    for moment in moments:
        assert moment.frame.left is not None
        answer = network.estimate(moment.frame.left)
        known = np.isfinite(moment.label.inverse_depth)
        mean = float(np.mean(answer.inverse_depth[known])) if known.any() else math.nan
        rows.append([_lambda(moment), metres * mean])
    wanted, given = np.array(rows).T
    return wanted, given


def _blind(moments: Sequence[Moment], split: int) -> float:
    """Return the error of always answering the mean λ of what was learned from, px."""
    fit, test = ([_lambda(m) for m in part] for part in (moments[:split], moments[split:]))
    return round(float(np.nanmean(np.abs(np.array(test) - np.nanmean(fit)))), 4)


def _lambda(moment: Moment) -> float:
    return moment.label.lambda_px if moment.label.valid else math.nan


def _correlation(wanted: NDArray[np.float64], given: NDArray[np.float64]) -> float | None:
    known = np.isfinite(wanted) & np.isfinite(given)
    if known.sum() < 2 or np.ptp(wanted[known]) == 0 or np.ptp(given[known]) == 0:
        return None
    return round(float(np.corrcoef(wanted[known], given[known])[0, 1]), 4)


def report(out: Path) -> dict[str, Any]:
    """Return the figures over the flights, and the mean ROC."""
    flights = {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(out.glob("*.json"))
    }
    if not flights:
        raise UserError(f"{out}: no flight has been compared yet")
    record: dict[str, Any] = {}
    for name in ("mean of the past", *LEARNERS):
        rows = [f[name] for f in flights.values()]
        keys = ("auc", "lambda_mae_px", "lambda_correlation")
        record[name] = {k: with_interval([r.get(k) for r in rows]) for k in keys if k in rows[0]}
        curves = [r["fpr_at_caught"] for r in rows if r.get("fpr_at_caught")]
        if curves:
            at_95 = [c[95] for c in curves]
            record[name]["fpr_at_tpr95"] = with_interval(at_95)
            record[name]["fpr_at_caught"] = np.mean(curves, axis=0).round(4).tolist()
    return {"learners": record, "flights": sorted(flights)}


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["fly", "log", "report"])
    parser.add_argument("log", type=Path, nargs="?")
    parser.add_argument("--seeds", type=seed_range, default=seed_range("0-4"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    single_thread()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        _run(args)
    except UserError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _run(args: argparse.Namespace) -> None:
    if args.what == "report":
        text = json.dumps(report(args.out), indent=1) + "\n"
        sys.stdout.write(text)
        if args.save:
            args.save.write_text(text, encoding="utf-8")
    elif args.what == "log":
        if args.log is None:
            raise UserError("log: which? expected the path of a flight.mcap")
        config, moments = logged(args.log)
        _keep(args.out / f"{args.log.parent.name or args.log.stem}.json", config, 0, moments)
    else:
        config = load(launch_folder() / "room.toml")
        for seed in args.seeds:
            file = args.out / f"room{seed}.json"
            if not file.exists():
                _keep(file, config, seed, list(stereo_flight(config, seed, FLOWN_S)))


def _keep(file: Path, config: Config, seed: int, moments: Sequence[Moment]) -> None:
    file.write_text(json.dumps(compare(config, seed, moments)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
