"""What is searched: settings of trust and of mono's averaging, each on a short list of values.

    PilotConfig ─► Space (keys, values) ─► a choice of values ─► PilotConfig

Only what can be judged from logs is here; `docs/tuning.md` says why each other setting is not.
Values are on lists, not on a scale, since flights cannot tell apart what lies closer together, and
since each way of remembering (see `training.tuning.curves`) has to go through every flight once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from drone.config import Config
from drone.config.loading import explain
from drone.errors import UserError

Value = float | int


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting that is searched.

    Attributes:
        key: where it stands in the configuration.
        values: tried, rising.
        words: what a higher value does.
    """

    key: str
    values: tuple[Value, ...]
    words: str


KNOBS = (
    Knob(
        "pilot.trust.min_tpr",
        (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99),
        "Mono stops farther away: fewer missed obstacles, more needless stops, later trust.",
    ),
    Knob(
        "pilot.trust.safety",
        (0.75, 0.8, 0.85, 0.875, 0.9, 0.925, 0.95, 0.975, 1.0),
        "Mono stops nearer: fewer needless stops, more missed obstacles; trust stays as it is.",
    ),
    Knob(
        "pilot.trust.max_fpr",
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
        "A worse network may fly: earlier trust, more needless stops.",
    ),
    Knob(
        "pilot.trust.window_s",
        (20.0, 40.0, 80.0),
        "The figures rest on more frames, but also on what older weights said.",
    ),
    Knob(
        "pilot.trust.min_positives",
        (20, 30, 50),
        "More near frames are asked for, and remembered: later trust, a steadier threshold.",
    ),
    Knob(
        "pilot.trust.min_negatives",
        (30, 60, 120, 240),
        "More free frames are asked for: later trust on firmer ground.",
    ),
    Knob(
        "pilot.trust.min_episodes",
        (4, 6, 8, 12),
        "More approaches are asked for: later trust on firmer ground.",
    ),
    Knob(
        "pilot.trust.min_tpr_low",
        (0.55, 0.6, 0.65, 0.7, 0.75),
        "More approaches are asked for, the more the more near frames are missed: later trust.",
    ),
    Knob(
        "pilot.trust.earn_s",
        (1.0, 2.0, 3.0, 5.0, 8.0),
        "The figures must be good for longer: later trust, given less often by luck.",
    ),
    Knob(
        "pilot.trust.lose_s",
        (5.0, 10.0, 20.0, 30.0),
        "Mono keeps its licence for longer while its figures are bad.",
    ),
    Knob(
        "pilot.trust.max_overrides",
        (1, 2, 3, 5),
        "Mono keeps its licence although stereo overrides it more often.",
    ),
    Knob(
        "pilot.mono.average_s",
        (0.15, 0.25, 0.4),
        "Mono's distance is steadier, and later: fewer stops by single frames, later true ones.",
    ),
)


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched, and what everything else is.

    Attributes:
        before: the configuration to be improved.
        knobs: searched.
    """

    before: Config
    knobs: tuple[Knob, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """Every `min_tpr` that can occur."""
        searched = next((k.values for k in self.knobs if k.key == "pilot.trust.min_tpr"), ())
        return tuple(sorted({*map(float, searched), self.before.pilot.trust.min_tpr}))

    def config(self, values: Mapping[str, Value]) -> Config:
        """Return the configuration with these values."""
        return with_values(self.before, values)

    def present(self) -> dict[str, Value]:
        """Return the values of the configuration to be improved."""
        return {knob.key: value_of(self.before, knob.key) for knob in self.knobs}


def with_values(config: Config, values: Mapping[str, Value]) -> Config:
    """Return a configuration with some values of `pilot` changed; they are known to be valid."""
    sections: dict[str, dict[str, Value]] = {}
    for key, value in values.items():
        _, section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    parts = {
        name: getattr(config.pilot, name).model_copy(update=update)
        for name, update in sections.items()
    }
    return config.model_copy(update={"pilot": config.pilot.model_copy(update=parts)})


def value_of(config: Config, key: str) -> Any:
    """Return the value of a dotted key."""
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


def space_of(before: Config, fixed: Sequence[str], ranges: Sequence[str]) -> Space:
    """Return what is searched: of the usual values those that the configuration takes.

    Args:
        before: the configuration to be improved.
        fixed: keys that stay as they are.
        ranges: `key=low:high`, other bounds for a setting.

    Raises:
        UserError: such a range cannot be searched, or nothing is left to search.
    """
    knobs = {knob.key: knob for knob in KNOBS if knob.key not in fixed}
    asked: dict[str, Knob] = {}
    for text in ranges:
        key, low, high = _range(text, knobs, fixed)
        asked[key] = _within(asked.get(key, knobs[key]), low, high, text, before)
    searched = [asked.get(key) or _accepted(knob, before) for key, knob in knobs.items()]
    if not searched:
        raise UserError("--set fixes everything that could be tuned: nothing is left to search")
    return Space(before, tuple(knob for knob in searched if knob.values))


def _accepted(knob: Knob, before: Config) -> Knob:
    """Return a knob with those of its values that fit the other settings."""
    values = tuple(v for v in knob.values if not _refusal(before, knob.key, v))
    return replace(knob, values=values)


def _refusal(before: Config, key: str, value: Value) -> str:
    """Return why a configuration does not take a value; nothing where it does."""
    tree = with_values(before, {key: value}).model_dump(mode="json", exclude_none=True)
    try:
        Config.model_validate(tree)
    except ValidationError as error:
        return explain(error)
    return ""


def _range(text: str, knobs: Mapping[str, Knob], fixed: Sequence[str]) -> tuple[str, float, float]:
    key, equals, bounds = text.partition("=")
    low, colon, high = bounds.partition(":")
    if not (equals and colon):
        raise UserError(
            f"--range {text!r}: expected key=low:high, such as pilot.trust.max_fpr=0.1:0.4"
        )
    if key in fixed:
        raise UserError(f"--range {text!r}: --set fixes {key}; give one of the two")
    if key not in knobs:
        known = ", ".join(knobs)
        raise UserError(f"--range {text!r}: {key} is not tuned; what can be: {known}")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise UserError(f"--range {text!r}: {bounds!r} is not two numbers") from None
    if not ends[0] <= ends[1]:
        raise UserError(f"--range {text!r}: the lower bound comes first")
    return key, *ends


def _within(knob: Knob, low: float, high: float, text: str, before: Config) -> Knob:
    """Return a knob with as many values between other bounds."""
    whole = all(isinstance(value, int) for value in knob.values)
    if whole and not (low.is_integer() and high.is_integer()):
        raise UserError(f"--range {text!r}: {knob.key} is a whole number")
    for end in (low, high):
        refusal = _refusal(before, knob.key, int(end) if whole else end)
        if refusal:
            raise UserError(f"--range {text!r}: {refusal}")
    steps = max(len(knob.values) - 1, 1)
    values = [low + (high - low) * k / steps for k in range(steps + 1)]
    rounded = {round(value) if whole else round(value, 6) for value in values}
    return Knob(knob.key, tuple(sorted(rounded)), knob.words)
