"""What sets flights apart: figures side by side, and the settings that differ between them.

In: two or more `Flight`s with their names. Out: rows of texts, and sentences. A count's rate stands
with its exact 95 % Poisson interval, so that chance is not taken for a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import chi2

from drone.messages import Mode
from drone.report.flight import Flight
from drone.report.particulars import flat_settings, told_setting
from drone.report.story import FLYING, NAMES, gaps, metres, plural, seconds, share, way_m

MOST_FLIGHTS = 16
_UNNOTED = ("flight.name",)
"""Settings that differ between flights and mean nothing."""
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the flights that are compared.

    Attributes:
        letter: A, B, ..., by which it is called.
        name: of its run.
        number: 0, 1, ..., which says its colour.
    """

    number: int
    name: str
    flight: Flight

    @property
    def letter(self) -> str:
        """By which it is called."""
        return chr(ord("A") + self.number)

    @property
    def classes(self) -> str:
        """CSS classes of its lines."""
        return f"f-{self.number % 8}{' again' if self.number >= 8 else ''}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of all flights."""

    name: str
    values: list[str]


def figure_rows(sides: Sequence[Side]) -> list[tuple[str, list[Row]]]:
    """Return the figures under their headings; what no flight has is left out."""
    found = []
    for heading, figures in _FIGURES.items():
        rows = [Row(name, [told(s.flight) for s in sides]) for name, told in figures.items()]
        known = [row for row in rows if any(value != _NONE for value in row.values)]
        if known:
            found.append((heading, known))
    return found


def setting_rows(sides: Sequence[Side]) -> list[Row]:
    """Return the settings that are not the same in all flights."""
    trees = [flat_settings(side.flight.config) for side in sides]
    names = dict.fromkeys(name for tree in trees for name in tree)
    rows = [Row(name, [told_setting(tree.get(name)) for tree in trees]) for name in names]
    return [row for row in rows if len(set(row.values)) > 1 and row.name not in _UNNOTED]


def sentences(sides: Sequence[Side]) -> list[str]:
    """Return what sets the flights apart, in three sentences."""
    return [_trust(sides), _contacts(sides), _ways(sides)]


def cautions(sides: Sequence[Side]) -> list[str]:
    """Return what a reader must know before comparing."""
    found = []
    if len({s.flight.header.extra.get("plan") for s in sides}) > 1:
        found.append("The flights are not of one room: what differs may be the rooms.")
    if len({s.flight.header.calibration.hash for s in sides}) > 1:
        found.append("The flights have different cameras.")
    versions = {s.flight.header.software for s in sides}
    if len(versions) > 1:
        found.append(f"They were flown by different versions: {', '.join(sorted(versions))}.")
    for side in sides:
        if side.flight.damaged:
            found.append(f"The log of {side.letter} is damaged: {side.flight.damaged}.")
        elif gaps(side.flight):
            found.append(f"The log of {side.letter} has a gap: {gaps(side.flight)}.")
        if side.flight.first_tick:
            found.append(f"The log of {side.letter} lacks the beginning of its flight.")
    return found


def trust_s(flight: Flight) -> float:
    """Return when mono first held its licence, NaN if never."""
    held = flight.spans(flight.ticks["held"])
    return held[0].start_s if held else math.nan


def rate(count: int, distance_m: float) -> str:
    """Return a count with its rate per 100 m and its interval."""
    if not distance_m > 0:
        return _NONE if not count else str(count)
    low = float(chi2.ppf(_TAILS[0], 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(_TAILS[1], 2 * count + 2)) / 2
    each, low, high = (100 * value / distance_m for value in (count, low, high))
    return f"{count}: {each:.1f} /100 m ({low:.1f} to {high:.1f})"


_NONE = "\N{EN DASH}"
_WHEELS = Mode.TRAINING_WHEELS.value


def _trust(sides: Sequence[Side]) -> str:
    times = sorted(
        (trust_s(s.flight), s.letter) for s in sides if not math.isnan(trust_s(s.flight))
    )
    if not times:
        return "Mono earned its licence in none of them."
    told = [f"in {letter} after {seconds(t_s)}" for t_s, letter in times]
    never = [s.letter for s in sides if math.isnan(trust_s(s.flight))]
    rest = f", and never in {_listed(never)}" if never else ""
    return f"Mono earned its licence {_listed(told)}{rest}."


def _contacts(sides: Sequence[Side]) -> str:
    telling = [s for s in sides if s.flight.tells_contacts]
    collisions = {s.letter: _sum(s.flight, "collisions") for s in telling}
    overrides = {s.letter: int(s.flight.figures["overrides"]) for s in sides}
    collided = f"Collisions: {_counted(collisions)}" if any(collisions.values()) else _UNHURT
    overrode = "stereo never overrode mono"
    if any(overrides.values()):
        overrode = f"overrides by stereo: {_counted(overrides)}"
    if not telling:
        return f"{overrode[0].upper()}{overrode[1:]}."
    return f"{collided}; {overrode}."


_UNHURT = "None collided"


def _counted(counts: Mapping[str, int]) -> str:
    return _listed([f"{count} in {letter}" for letter, count in counts.items()])


def _ways(sides: Sequence[Side]) -> str:
    told = []
    for side in sides:
        way, flown_s = way_m(side.flight), side.flight.duration_s
        speed = f" ({60 * way / flown_s:.1f} m/min)" if flown_s else ""
        told.append(f"{side.letter} flew {metres(way)} in {seconds(flown_s)}{speed}")
    return f"{_listed(told)}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _sum(flight: Flight, figure: str) -> int:
    return int(sum(flight.figures[figure].values()))


def _mode_share(mode: Mode) -> Callable[[Flight], str]:
    def told(flight: Flight) -> str:
        mode_s = flight.figures["mode_s"][mode.value]
        part = share(mode_s / flight.duration_s) if flight.duration_s else _NONE
        return f"{part}, {seconds(mode_s)}" if mode_s else _NONE

    return told


def _measure(name: str, mode: Mode, told: Callable[[float], str]) -> Callable[[Flight], str]:
    def value(flight: Flight) -> str:
        return told(float(flight.figures["measures"][name].get(mode.value, math.nan)))

    return value


def _rate_in(figure: str, mode: Mode) -> Callable[[Flight], str]:
    """Return the count of a mode, from its rate and its way, with the interval."""

    def told(flight: Flight) -> str:
        way = flight.figures["distance_m"][mode.value]
        per_100m = flight.figures["measures"][f"{figure}_per_100m"][mode.value]
        return rate(round(per_100m * way / 100), way) if math.isfinite(per_100m) else _NONE

    return told


def _licence_share(flight: Flight) -> str:
    spans = flight.spans(flight.ticks["held"])
    if not spans or not flight.duration_s:
        return _NONE
    lost = len(spans) - bool(flight.ticks["held"][-1])
    held = share(sum(s.length_s for s in spans) / flight.duration_s)
    return f"{held}, lost {plural(lost, 'time')}" if lost else held


def _of(name: str, key: str, told: Callable[[float], str]) -> Callable[[Flight], str]:
    def value(flight: Flight) -> str:
        found = flight.figures["measures"][name][key]
        return told(math.nan if found is None else float(found))

    return value


def _factor(male: float) -> str:
    return f"\N{MULTIPLICATION SIGN}{math.exp(male):.2f}" if math.isfinite(male) else _NONE


def _time(value_s: float) -> str:
    return seconds(value_s) if math.isfinite(value_s) else "never"


_FIGURES: Mapping[str, Mapping[str, Callable[[Flight], str]]] = {
    "the flight": {
        "flown": lambda f: metres(way_m(f)),
        "time": lambda f: seconds(f.duration_s),
        "collisions": lambda f: (
            rate(_sum(f, "collisions"), way_m(f)) if f.tells_contacts else "unknown"
        ),
        "overrides": lambda f: rate(f.figures["overrides"], f.figures["distance_m"][_WHEELS]),
        "turning": lambda f: share(f.figures["turning_share"]),
    },
    "mono's licence": {
        "earned after": lambda f: _time(trust_s(f)),
        "held": _licence_share,
        "near frames caught": _of("mono_against_stereo", "tpr", share),
        "free frames stopped": _of("mono_against_stereo", "fpr", share),
        "distance error": _of("obstacle_distance", "mono_male", _factor),
        "running mean's error": _of("obstacle_distance", "mean_male", _factor),
    },
    "share of time": {NAMES[mode]: _mode_share(mode) for mode in Mode},
    "metres a minute": {NAMES[m]: _measure("metres_per_min", m, metres) for m in FLYING},
    "needless stops": {NAMES[m]: _rate_in("needless_stops", m) for m in FLYING},
    "share of time turning": {NAMES[m]: _measure("turning_share", m, share) for m in FLYING},
}


def side_figures(side: Side) -> dict[str, Any]:
    """Return what the command prints of a flight as JSON."""
    return {"flight": side.letter, "name": side.name, **side.flight.figures}
