"""What happened, in plain words: three sentences, the key figures, and a table per mode.

In: a `Flight`. Out: text, true to the log; every number stands in the log or in `Flight.figures`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drone.messages import Mode
from drone.report.flight import Flight, Span

NAMES = {
    Mode.STEREO: "stereo",
    Mode.TRAINING_WHEELS: "training wheels",
    Mode.MONO: "mono alone",
    Mode.HOLD: "hold",
    Mode.LAND: "land",
}
FLYING = (Mode.STEREO, Mode.TRAINING_WHEELS, Mode.MONO)


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: what it is, its value, and what to compare it with."""

    name: str
    value: str
    note: str = ""


def sentences(flight: Flight) -> list[str]:
    """Return what happened, in three sentences (one if nothing was flown)."""
    if not len(flight.ticks):
        return ["The log holds no tick: nothing was flown."]
    if flight.watched:
        return _watched(flight)
    return [_licence(flight), _stereo(flight), _whole(flight)]


def headline(flight: Flight) -> str:
    """Return what happened, in a few words."""
    if not len(flight.ticks):
        return "Nothing was flown"
    if flight.watched:
        what = "a live camera" if flight.live else "a recorded flight"
        if flight.figures["model_versions"]:
            return f"Mono learned from {what}"
        return f"Mono watched {what}" if flight.swaps else what.capitalize()
    mode_s = flight.figures["mode_s"]
    collisions = flight.figures["collisions"][Mode.MONO.value]
    if mode_s[Mode.MONO.value]:
        with_ = plural(collisions, "collision") if collisions else "without a collision"
        alone = f"Mono flew {seconds(mode_s[Mode.MONO.value])} alone"
        return f"{alone}, {with_}" if flight.tells_contacts else alone
    if mode_s[Mode.TRAINING_WHEELS.value] and not flight.in_mode(Mode.LAND):
        return f"Mono flew {seconds(mode_s[Mode.TRAINING_WHEELS.value])} under stereo's guard"
    landed = flight.in_mode(Mode.LAND)
    if landed:
        asked = _reason(flight, landed[0]).startswith("asked")
        return "The drone landed, as asked" if asked else "The drone landed: nobody was fit to fly"
    return "Mono did not earn its licence" if flight.swaps else "Stereo flew, mono never did"


def _watched(flight: Flight) -> list[str]:
    figures = flight.figures
    frames = plural(len(flight.frames), "frame")
    errors = figures["measures"]["obstacle_distance"]
    error = (
        f"Mono's distances were off by a factor of {math.exp(errors['mono_male']):.2f}, told "
        f"before they were learned from; always telling the running mean of the labels gives "
        f"{math.exp(errors['mean_male']):.2f}."
    )
    watched_s = seconds(flight.duration_s)
    what = f"A recorded flight of {watched_s} was watched"
    if flight.live:
        what = f"A live camera was watched for {watched_s}"
    return [
        f"{what}: {frames}, {figures['labelled_frames']} of them labelled by stereo, "
        f"{_models(flight)}.",
        error if errors["n"] else "Mono told no distance that could be checked.",
        "Nothing was flown: the human pilot had control throughout.",
    ]


def warnings(flight: Flight) -> list[str]:
    """Return what a reader must know before trusting the report."""
    found = []
    if flight.damaged:
        found.append(f"The log is damaged: {flight.damaged}. The report covers what can be read.")
    elif gaps(flight):
        found.append(f"The log has a gap: {gaps(flight)}. Figures leave out what was lost in it.")
    if flight.first_tick:
        found.append(
            f"The log begins at tick {flight.first_tick}: what came before is not in it, and all "
            "figures are of the rest."
        )
    ends = flight.of_kind("end")
    if len(flight.ticks) and not ends and not flight.watched:
        found.append(
            "The log has no end of flight: it was cut, or it breaks off, as when its writer was "
            "killed."
        )
    if ends and ends[-1].detail == "interrupted":
        found.append("The flight was interrupted before its end.")
    wanted_s = flight.config.flight.duration_s
    if flight.header.source == "sim" and flight.duration_s < wanted_s / 2 and not found:
        found.append(f"The flight is short: {seconds(flight.duration_s)} of {seconds(wanted_s)}.")
    return found


def gaps(flight: Flight) -> str:
    """Return what the log lacks within itself, in words; empty if nothing."""
    found = flight.of_kind("gap")
    if not found:
        return ""
    again = f", and {times(len(found) - 1)} more" if len(found) > 1 else ""
    return f"{found[0].detail} after {found[0].t_s:.1f} s{again}"


def seconds(value_s: float) -> str:
    """Return a time as a person says it."""
    return f"{value_s:.1f} s" if value_s < 10 else f"{value_s:.0f} s"


def metres(value_m: float) -> str:
    """Return a distance as a person says it; unknown is a dash."""
    if not math.isfinite(value_m):
        return "\N{EN DASH}"
    return f"{value_m:.2f} m" if 0 < value_m < 10 else f"{value_m:.0f} m"


def share(value: float | None) -> str:
    """Return a share in percent; unknown is a dash."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{100 * value:.0f}%"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def times(count: int) -> str:
    """Return how often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _licence(flight: Flight) -> str:
    held = flight.spans(flight.ticks["held"])
    flown = seconds(flight.duration_s)
    if not held:
        if not flight.swaps:
            return f"No network ever flew: no model version was published in {flown}."
        return f"Mono did not earn its licence in {flown}: {flight.licence}."
    earned = f"Mono earned its licence after {seconds(held[0].start_s)}"
    if not held[0].start_s:  # of a flight before, or earlier in this one
        earned = "Mono held its licence from the start"
    lost = len(held) - bool(flight.ticks["held"][-1])
    if not lost:
        return f"{earned} and kept it."
    if lost == len(held):
        return f"{earned}, lost it {times(lost)} and did not hold it at the end."
    return f"{earned}, lost it {times(lost)} and held it again from {seconds(held[-1].start_s)} on."


def _stereo(flight: Flight) -> str:
    alone = flight.in_mode(Mode.MONO)
    if alone:
        return _alone(flight, alone)
    helpless = flight.in_mode(Mode.HOLD) or flight.in_mode(Mode.LAND)
    if helpless:
        return _helpless(flight, helpless)
    guarded_s = flight.figures["mode_s"][Mode.TRAINING_WHEELS.value]
    if not guarded_s:
        return "Stereo was there to the end and flew all the way."
    return f"Stereo was there to the end; mono flew {seconds(guarded_s)} under its guard."


def _helpless(flight: Flight, spans: list[Span]) -> str:
    landed = ", then landed" if flight.in_mode(Mode.LAND) else ""
    held_s = flight.figures["mode_s"][Mode.HOLD.value]
    why = f"nobody was fit to fly{_why(flight, spans[0])}"
    if _reason(flight, spans[0]).startswith("asked"):
        why = f"the drone was {_reason(flight, spans[0])}"
    held = f"it held still for {seconds(held_s)}{landed}" if held_s else "it landed"
    return f"At {seconds(spans[0].start_s)} {why}: {held}."


def _alone(flight: Flight, alone: list[Span]) -> str:
    figures = flight.figures
    collisions = _with(flight, figures["collisions"][Mode.MONO.value])
    often = f" ({plural(len(alone), 'time')})" if len(alone) > 1 else ""
    then = ""
    if flight.in_mode(Mode.LAND):
        then = "; then its licence ended, and the drone landed"
    begins = f"Stereo was lost at {seconds(alone[0].start_s)}{_why(flight, alone[0])}"
    if _reason(flight, alone[0]).startswith("handed over"):
        begins = f"At {seconds(alone[0].start_s)} mono was handed the flight, without a licence"
    return (
        f"{begins}, and mono flew "
        f"{seconds(figures['mode_s'][Mode.MONO.value])} alone{often}: "
        f"{metres(figures['distance_m'][Mode.MONO.value])}{collisions}{then}."
    )


def _why(flight: Flight, span: Span) -> str:
    """Return the logged reason of the mode change at the start of a span, in brackets."""
    reason = _reason(flight, span)
    return f" ({reason})" if reason else ""


def _reason(flight: Flight, span: Span) -> str:
    """Return the logged reason of the mode change at the start of a span, empty if none is."""
    for mark in flight.of_kind("mode"):
        if abs(mark.t_s - span.start_s) < 1e-6 and ": " in mark.detail:
            return mark.detail.split(": ", 1)[1]
    return ""


_END = {
    "landed": "it ended on the ground",
    "time is over": "it ended when its time was over",
    "interrupted": "it was interrupted",
    "told to end": "it was told to end",
}


def _whole(flight: Flight) -> str:
    figures = flight.figures
    flown_m = sum(figures["distance_m"].values())
    collisions = sum(figures["collisions"].values())
    guarded = figures["mode_s"][Mode.TRAINING_WHEELS.value] > 0
    overrode = _overrode(figures["overrides"]) if guarded else ""
    ends = flight.of_kind("end")
    end = f"; {_END.get(ends[-1].detail, 'it ended: ' + ends[-1].detail)}" if ends else ""
    return (
        f"In all {metres(flown_m)} in {seconds(flight.duration_s)}"
        f"{_with(flight, collisions)}{overrode}{end}."
    )


def _with(flight: Flight, collisions: int) -> str:
    """Return how often something was touched, nothing where nobody says."""
    return f" with {plural(collisions, 'collision')}" if flight.tells_contacts else ""


def way_m(flight: Flight) -> float:
    """Return the way of the whole flight, m, without being put elsewhere."""
    if not flight.watched:
        return float(sum(flight.figures["distance_m"].values()))
    rows = flight.track
    return float(np.hypot(np.diff(rows["north_m"]), np.diff(rows["east_m"])).sum())


def _way(flight: Flight) -> Figure:
    if not len(flight.track):
        return Figure("watched", seconds(flight.duration_s), "no position known")
    return Figure("watched", metres(way_m(flight)), seconds(flight.duration_s))


def _overrode(count: int) -> str:
    return f"; stereo overrode mono {times(count)}" if count else "; stereo never overrode mono"


def key_figures(flight: Flight) -> list[Figure]:
    """Return the row of figures under the headline."""
    figures = flight.figures
    measures = figures["measures"]
    trust_s = [span.start_s for span in flight.spans(flight.ticks["held"])][:1]
    by_mode = ", ".join(
        f"{count} {NAMES[m]}"
        for m in Mode
        if (count := figures["collisions"].get(m.value, 0)) or m in FLYING
    )
    against = measures["mono_against_stereo"]
    errors = measures["obstacle_distance"]
    if flight.watched:
        return [
            _way(flight),
            Figure("frames", str(len(flight.frames)), _versions(flight)),
            _distance_error(flight),
            Figure(
                "within a factor of 1.25", share(errors["delta_125"]), f"of {errors['n']} frames"
            ),
        ]
    return [
        Figure("flown", metres(way_m(flight)), seconds(flight.duration_s)),
        Figure("licence earned", _earned(trust_s), _versions(flight)),
        Figure(
            "mono flew",
            share(_share_of_mono(flight)),
            f"{metres(figures['distance_m']['mono'])} of it alone",
        ),
        Figure("collisions", str(sum(figures["collisions"].values())), by_mode)
        if flight.tells_contacts
        else Figure("collisions", "unknown", "of a vehicle nobody says"),
        Figure("overrides", str(figures["overrides"]), "stereo stopped mono"),
        Figure("near frames caught", share(against["tpr"]), f"of {against['positives']}, by mono"),
        Figure("needless stops", share(against["fpr"]), f"of {against['negatives']} free frames"),
        _distance_error(flight),
    ]


def _earned(trust_s: list[float]) -> str:
    if not trust_s:
        return "never"
    return seconds(trust_s[0]) if trust_s[0] else "before"


def _distance_error(flight: Flight) -> Figure:
    errors = flight.figures["measures"]["obstacle_distance"]
    note = f"running mean {_error(errors['mean_male'])}, last label {_error(errors['last_male'])}"
    return Figure("distance error", _error(errors["mono_male"]), note)


def _versions(flight: Flight) -> str:
    frames = plural(flight.figures["labelled_frames"], "labelled frame")
    return f"{frames}, {_models(flight)}"


def _models(flight: Flight) -> str:
    """Return how many versions were published, and that one was there from the start."""
    published = flight.figures["model_versions"]
    if flight.swaps and not published:
        return "the model it began with"
    return plural(published, "model version")


def _share_of_mono(flight: Flight) -> float:
    mode_s = flight.figures["mode_s"]
    mono_s = mode_s[Mode.MONO.value] + mode_s[Mode.TRAINING_WHEELS.value]
    return mono_s / flight.duration_s if flight.duration_s else math.nan


def _error(male: float) -> str:
    """Return a mean absolute log error as the factor that people understand."""
    if not math.isfinite(male):
        return "\N{EN DASH}"
    return f"\N{MULTIPLICATION SIGN}{math.exp(male):.2f}"


def mode_table(flight: Flight) -> list[list[str]]:
    """Return one row per mode that flew: time, way, speed, turning, needless stops, collisions."""
    figures, measures = flight.figures, flight.figures["measures"]
    rows = []
    for mode in Mode:
        name = mode.value
        if not figures["mode_s"][name]:
            continue
        collisions = figures["collisions"].get(name) if flight.tells_contacts else None
        needless = measures["needless_stops_per_100m"].get(name, math.nan)
        if mode is Mode.MONO and not flight.tells_contacts:
            needless = math.nan  # stereo is gone, and there is no truth
        rows.append(
            [
                NAMES[mode],
                seconds(figures["mode_s"][name]),
                metres(figures["distance_m"].get(name, math.nan)),
                metres(measures["metres_per_min"].get(name, math.nan)),
                share(measures["turning_share"].get(name)),
                _plain(needless),
                "\N{EN DASH}" if collisions is None else str(collisions),
            ]
        )
    return rows


def _plain(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "\N{EN DASH}"


def happenings(flight: Flight) -> list[tuple[float, str, str]]:
    """Return time, kind and words of everything that happened, in order."""
    found = [(mark.t_s, mark.kind, mark.detail.replace("_", " ")) for mark in flight.marks]
    for span in flight.overrides:
        rows = flight.ticks[flight.ticks["t_s"] == span.start_s]
        stereo_m, mono_m = float(rows["stereo_m"][0]), float(rows["mono_m"][0])
        words = f"stereo {metres(stereo_m)}, mono {metres(mono_m)}; for {seconds(span.length_s)}"
        found.append((span.start_s, "override", words))
    return sorted(found)


def known_median(values: np.ndarray) -> float:
    """Return the median of what is known, NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else math.nan
