"""Whether logs can be tuned on together, and whether there is enough of them; else what is missing.

In: flights as recorded. Out: nothing, or a `UserError` that says what would be needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drone import __version__
from drone.clock import s_from_ns
from drone.config import Config
from drone.errors import UserError
from training.tuning.recorded import Recorded
from training.tuning.replay import Flight
from training.tuning.space import KNOBS, value_of

MEASURED = ("training_wheels", "stereo_only", "dagger")
"""Strategies in which the licence is measured from the first frame to the last."""
LEAST = {"flights": 3, "approaches": 20, "near frames": 100, "free frames": 500}
"""What a choice needs: below, its interval would be wider than what can be gained."""
_TUNED = frozenset(knob.key for knob in KNOBS)
_STRATEGY = "pilot.switching.strategy"
_FREE = _TUNED | {_STRATEGY}


def check_together(flights: Sequence[Recorded]) -> None:
    """Check that flights are of one camera and one pilot.

    Raises:
        UserError: they are not; the message says what differs.
    """
    first = flights[0]
    for flight in flights[1:]:
        mine, its = first.header.calibration, flight.header.calibration
        if mine != its:
            raise UserError(
                f"{flight.path}: from another camera ({_camera(flight)}) than {first.path} "
                f"({_camera(first)}); tune each camera's flights by themselves"
            )
        other = differing(first.config, flight.config)
        if other:
            raise UserError(
                f"{flight.path}: flown with another {other[0]} than {first.path}; what estimates "
                "and labels rest on must be the same in all flights: tune them apart"
            )


def check_same_settings(flights: Sequence[Recorded]) -> None:
    """Check that flights were flown with the same settings of what is tuned.

    Raises:
        UserError: they were not, so that there is no telling what flies now.
    """
    first = flights[0]
    for flight in flights[1:]:
        for key in sorted(_TUNED):
            mine, its = value_of(first.config, key), value_of(flight.config, key)
            if mine != its:
                raise UserError(
                    f"{flight.path}: flown with {key} = {its:g}, {first.path} with {mine:g}: give "
                    "what flies now with --config FILE"
                )


def check_before(before: Config, flights: Sequence[Recorded]) -> None:
    """Check that what is to be improved is of the flights' pilot.

    Raises:
        UserError: it rests on other labels or estimates than the flights.
    """
    strategy = before.pilot.switching.strategy
    if strategy != "training_wheels":
        raise UserError(
            f"{_STRATEGY} = {strategy}: tuned is the licence under training_wheels; for flights of "
            f'another strategy add --set {_STRATEGY}="training_wheels"'
        )
    other = differing(before, flights[0].config)
    if other:
        key, asked, flown = other
        raise UserError(
            f"{key} = {asked} cannot be judged from flights with {key} = {flown}: only "
            f"{', '.join(sorted(_TUNED))} can be changed in replay; fly with it instead"
        )


def differing(one: Config, other: Config) -> tuple[str, Any, Any] | None:
    """Return the first setting of the pilot that differs, of those that are not tuned."""
    mine, its = (_flat(config.pilot.model_dump(mode="json"), "pilot.") for config in (one, other))
    for key, value in mine.items():
        if key not in _FREE and its.get(key) != value:
            return key, value, its.get(key)
    return None


def check_strategy(flights: Sequence[Recorded]) -> None:
    """Check that mono's licence was measured in every flight.

    Raises:
        UserError: one was given to mono at a fixed time.
    """
    for flight in flights:
        rules = flight.config.pilot.switching
        if not (rules.asks_for_licence and rules.strategy in MEASURED):
            raise UserError(
                f"{flight.path}: flown with strategy {rules.strategy}, in which mono gets control "
                f"at a fixed time: needed is a flight with {' or '.join(MEASURED)}, and without "
                "pilot.switching.handover_s"
            )


def check_classes(flights: Sequence[Recorded]) -> None:
    """Check that there is something to learn from: estimates, near frames and free ones.

    Raises:
        UserError: there is not; the message says what to fly.
    """
    for flight in flights:
        if not len(flight.estimates):
            raise UserError(
                f"{flight.path}: holds no estimate by mono: no model version flew in it. Needed is "
                "a flight long enough for the first one (a few seconds), or from a memory"
            )
    labels = np.array([pair.label_m for flight in flights for pair in flight.pairs])
    stop_m = flights[0].config.pilot.switching.stop_m
    where = _named(flights)
    if not len(labels):
        raise UserError(
            f"{where}: no frame has both a label by stereo and an estimate by mono: nothing tells "
            "how well mono sees. Needed is a flight in which stereo is well while mono answers"
        )
    for missing, kind, there in (
        (not (labels < stop_m).any(), f"nearer than {stop_m:g} m (near)", "free"),
        (not (labels >= stop_m).any(), f"farther than {stop_m:g} m (free)", "near"),
    ):
        if missing:
            raise UserError(
                f"{where}: all {len(labels)} frames that both eyes and mono told of are {there}: "
                f"none is {kind}. A threshold needs both: fly where obstacles come and go"
            )


def check_enough(flights: Sequence[Recorded]) -> None:
    """Check that there is enough for a choice that can be told from luck.

    Raises:
        UserError: there is not; the message says how much is missing.
    """
    found = evidence_in(flights)
    lacking = [f"{found[k]} of {n} {k}" for k, n in LEAST.items() if found[k] < n]
    if lacking:
        missing = _missing(flights, found)
        raise UserError(
            f"{_named(flights)}: too little to tune on: {', '.join(lacking)}; missing: {missing}"
        )


def evidence_in(flights: Sequence[Recorded]) -> dict[str, int]:
    """Return how much the flights hold, by the names of `LEAST`."""
    stop_m = flights[0].config.pilot.switching.stop_m
    near = [np.array([pair.label_m < stop_m for pair in f.pairs], np.bool_) for f in flights]
    return {
        "flights": len(flights),
        "approaches": sum(int(np.count_nonzero(np.diff(n, prepend=False) & n)) for n in near),
        "near frames": sum(int(n.sum()) for n in near),
        "free frames": sum(int((~n).sum()) for n in near),
    }


def _missing(flights: Sequence[Recorded], found: dict[str, int]) -> str:
    """Return how much more to fly, at the rate so far."""
    flown_s = sum(s_from_ns(int(f.ticks["t_ns"][-1] - f.ticks["t_ns"][0])) for f in flights)
    shares = [LEAST[k] / found[k] for k in LEAST if k != "flights" and found[k]]
    more_s = flown_s * (max([1.0, *shares]) - 1)
    more = max(LEAST["flights"] - len(flights), 1 if more_s > 0 else 0)
    minutes = f", about {math.ceil(more_s / 60)} more minutes in the air" if more_s > 0 else ""
    return f"{more} more flight{'s' if more > 1 else ''}{minutes}"


def check_replays(flight: Flight) -> None:
    """Check that trust, replayed with the flight's own settings, says what it said in flight.

    Raises:
        UserError: it does not: another version flew, whose trust judges otherwise.
    """
    recorded = flight.recorded
    course = flight.course(recorded.config.pilot)
    same = _equal(course.threshold_m, recorded.ticks["threshold_m"])
    if recorded.config.pilot.switching.strategy != "stereo_only":
        same &= course.held == recorded.ticks["held"]
    if same.all():
        return
    t_s = recorded.t_s[int(np.argmin(same))]
    raise UserError(
        f"{recorded.path}: its licence does not replay (first at {t_s:.1f} s): it was flown by "
        f"another version (drone {recorded.header.software}; this is {__version__}), whose trust "
        "judges otherwise. Needed is a flight by this version: fly again, or replay it with "
        "drone replay --retrain"
    )


def _equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    same: np.ndarray = (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def _camera(flight: Recorded) -> str:
    c = flight.header.calibration
    size = f"{c.left.width} x {c.left.height} px"
    return f"{size}, focal length {c.left.fx:.1f} px, baseline {1000 * c.baseline_m:.0f} mm"


def _named(flights: Sequence[Recorded]) -> str:
    return str(flights[0].path) if len(flights) == 1 else f"these {len(flights)} flights"


def _flat(tree: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
