"""What tuning writes: the recommended configuration as TOML, and everything as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

from drone import __version__
from drone.config import Config
from training.tuning.expected import per_flight
from training.tuning.goal import METRES, NAMES, OBJECTIVES, figures_of
from training.tuning.tuning import Tuning

_OF_ONE_FLIGHT = ("name", "seed")
_MOST_ON_FRONT = 50


def tuned_toml(tuning: Tuning) -> str:
    """Return what differs from the defaults, ready for `drone fly --config`, with its origin.

    What the flights have in common of room, camera and length is kept, so that the same situation
    is flown again; seed and name are not.
    """
    tree = _unlike_default(_tree(tuning.config), _tree(Config()))
    for section in ("sim", "flight"):
        if any(_part(f.config, section) != _part(tuning.config, section) for f in tuning.flights):
            tree.pop(section, None)
    flight = {k: v for k, v in tree.pop("flight", {}).items() if k not in _OF_ONE_FLIGHT}
    tree |= {"flight": flight} if flight else {}
    return "\n".join([*(f"# {line}".rstrip() for line in _origin(tuning)), "", tomli_w.dumps(tree)])


def _tree(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude_none=True)


def _part(config: Config, section: str) -> dict[str, Any]:
    part: dict[str, Any] = _tree(config)[section]
    return {k: v for k, v in part.items() if section != "flight" or k not in _OF_ONE_FLIGHT}


def _unlike_default(tree: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs, section by section; a list counts as a whole."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        other = default.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            inner = _unlike_default(value, other)
            found |= {key: inner} if inner else {}
        elif value is not None and value != other:
            found[key] = value
    return found


def _origin(tuning: Tuning) -> list[str]:
    tried = len(tuning.tried.settings)
    lines = [
        f"Made by drone tune {__version__}: {tried} settings, {len(tuning.flights)} flights.",
        f"Minimised: {tuning.goal.words}.",
        *(f"Required: {name} <= {limit:g}." for name, limit in tuning.goal.limits.items()),
    ]
    lines += [f"{key} = {new:g}, was {old:g}" for key, (old, new) in tuning.changed.items()]
    lines.append("Figures: before, and expected of one more flight (95 % of such flights):")
    for objective in OBJECTIVES:
        was, now = tuning.before[objective.name], tuning.expected[objective.name]
        lines.append(
            f"  {objective.name}: {_number(was['mean'])}, {_number(now['mean'])} "
            f"({_number(now['low'])} to {_number(now['high'])}) {objective.unit}"
        )
    lines += [f"Note: {note}." for note in tuning.notes]
    lines += ["Flights:", *(f"  {flight.name}" for flight in tuning.flights)]
    return lines


def _number(value: float | int | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def as_json(tuning: Tuning) -> dict[str, Any]:
    """Return everything as one object; unknown is None or NaN."""
    tried = tuning.tried
    figures = figures_of(tried.counts)
    shown = tuning.front[:: max(1, -(-len(tuning.front) // _MOST_ON_FRONT))]
    return {
        "settings_tried": len(tried.settings),
        "per_minute": round(60 * len(tried.settings) / max(tried.wall_s, 1e-9)),
        "objective": {"weights": dict(tuning.goal.weights), "required": dict(tuning.goal.limits)},
        "flights": [
            {
                "run": str(flight.path),
                "before": before,
                "after": after,
                "unseen": unseen,
            }
            for flight, before, after, unseen in zip(
                tuning.flights,
                *(
                    per_flight(counts, tuning.goal)
                    for counts in (tried.counts[0], tried.counts[tuning.chosen], tuning.unseen)
                ),
                strict=True,
            )
        ],
        "front_size": len(tuning.front),
        "front": [
            {
                "setting": tried.settings[k],
                **{name: round(float(v), 4) for name, v in zip(NAMES, figures[k], strict=True)},
                "mono_m": round(float(tried.counts[k].sum(axis=0)[METRES]), 1),
            }
            for k in shown
        ],
        "chosen": tuning.setting,
        "changed": {key: {"before": a, "after": b} for key, (a, b) in tuning.changed.items()},
        "before": tuning.before,
        "after": tuning.after,
        "expected": tuning.expected,
        "gain": tuning.gain,
        "notes": tuning.notes,
    }
