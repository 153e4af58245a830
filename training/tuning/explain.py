"""What each tuned threshold does, in words: from the configuration's own docstrings."""

from __future__ import annotations

from pydantic import BaseModel

from drone.config import Config
from training.tuning.goal import OBJECTIVES
from training.tuning.space import Knob, Space, value_of


def description_of(key: str) -> str:
    """Return what the configuration says of a key, in one line; empty if it says nothing."""
    *path, name = key.split(".")
    section: BaseModel = Config()
    for part in path:
        section = getattr(section, part)
    found = type(section).model_fields[name].description or ""
    return " ".join(found.split())


def explained(space: Space) -> list[dict[str, object]]:
    """Return key, meaning, effect of more, present value and tried values of every knob."""
    return [
        {
            "key": knob.key,
            "means": description_of(knob.key),
            "more": knob.words,
            "now": value_of(space.before, knob.key),
            "tried": list(knob.values),
        }
        for knob in space.knobs
    ]


def in_words(space: Space) -> str:
    """Return the whole explanation as text."""
    parts = ["What is tuned:", ""]
    parts += [line for knob in space.knobs for line in _lines(space, knob)]
    parts += ["What it is judged by (the smaller the better):", ""]
    parts += [f"{o.name} ({o.unit.replace('/', 'per ')}): {o.words}." for o in OBJECTIVES]
    return "\n".join(parts) + "\n"


def _lines(space: Space, knob: Knob) -> list[str]:
    means = description_of(knob.key)
    tried = ", ".join(f"{value:g}" for value in knob.values)
    return [
        f"{knob.key} = {value_of(space.before, knob.key):g}",
        *([f"  {means}"] if means else []),
        f"  Higher: {knob.words}",
        f"  Tried: {tried}",
        "",
    ]
