"""The page of a tuning: what it recommends, why, and what each flight would have been like.

In: a `Tuning`, and how it was confirmed. Out: one HTML file that asks nobody for anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from drone import __version__
from drone.report import html
from drone.report.story import metres, plural
from training.tuning import charts
from training.tuning.charts import AFTER, BEFORE
from training.tuning.expected import Figures
from training.tuning.explain import description_of
from training.tuning.goal import LEAST_WAY, OBJECTIVES
from training.tuning.replay import Flight
from training.tuning.tuning import Tuning

_STYLE = (
    "<style>.tried{fill:var(--truth);opacity:.35}.front{fill:var(--ink)}"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:18px}</style>"
)
_OPEN_FLIGHTS = 2


def page(tuning: Tuning, confirmed: Mapping[str, Any] | None = None) -> str:
    """Return the whole page.

    Args:
        tuning: what came of it.
        confirmed: how the best few flew in the simulator (`training.tuning.confirm`).
    """
    flights = [Flight(flight, tuning.space.shares) for flight in tuning.flights]
    sections = [
        _STYLE,
        _headline(tuning),
        _figures(tuning, confirmed),
        _changes(tuning),
        _roc(tuning, flights),
        _front(tuning),
        _flights(tuning, flights),
        _method(tuning),
    ]
    return html.document("Tuning", sections)


def words_of(tuning: Tuning) -> str:
    """Return the recommendation in a few words."""
    if not tuning.changed:
        return "Keep the settings as they are"
    name = max(tuning.goal.weights, key=lambda n: abs(_change(tuning, n)))
    was, now = (f[name]["mean"] for f in (tuning.before, tuning.expected))
    objective = next(o for o in OBJECTIVES if o.name == name)
    return (
        f"Change {plural(len(tuning.changed), 'setting')}: {_say(name)} from {_number(was)} to "
        f"about {_number(now)} {objective.unit}"
    )


def _change(tuning: Tuning, name: str) -> float:
    was, now = (f[name]["mean"] or 0.0 for f in (tuning.before, tuning.expected))
    return float(tuning.goal.weights[name]) * (now - was)


def _say(name: str) -> str:
    return name.replace("_", " ")


def _headline(tuning: Tuning) -> str:
    warnings = "".join(f'<p class="warning">{escape(note)}</p>' for note in tuning.notes)
    tried = len(tuning.tried.settings)
    lead = (
        f"{tried} settings were replayed on {plural(len(tuning.flights), 'flight')}; "
        f"minimised was {tuning.goal.words}."
    )
    required = ", ".join(f"{_say(n)} at most {v:g}" for n, v in tuning.goal.limits.items())
    lead += f" Required: {required}." if required else ""
    return (
        f'<header><p class="muted">drone tune {escape(__version__)}</p>{warnings}'
        f'<h1>{escape(words_of(tuning))}</h1><p class="lead">{escape(lead)}</p></header>\n'
    )


def _figures(tuning: Tuning, confirmed: Mapping[str, Any] | None) -> str:
    head = ["per flight", "before", "after, same flights", "expected of another flight"]
    parts: list[Figures] = [tuning.before, tuning.after, tuning.expected]
    if confirmed is not None:
        n = len(confirmed["seeds"])
        head += [f"flown before ({n})", f"flown after ({n})"]
        parts += [confirmed["before"], confirmed["chosen"]]
    names = [*((o.name, o.unit) for o in OBJECTIVES), ("cost", "")]
    rows = [
        [f"{_say(name)} {unit}", *(_with_interval(figures[name]) for figures in parts)]
        for name, unit in names
    ]
    ways = [f"{charts.way_under_mono(tuning, k):.0f} m" for k in (0, tuning.chosen)]
    rows.append(["straight on under mono", *ways, *("" for _ in head[3:])])
    words = (
        "With 95 % intervals: of the mean before and after; in the last column, where one more "
        "flight of such length will lie. Expected is judged on flights that the choice had not "
        "seen: for each flight, the setting was chosen on all others."
    )
    sections = [html.table(head, rows, "numbers"), html.note(words), *_confirmed(confirmed)]
    definitions = "".join(f"<li>{escape(_say(o.name))}: {escape(o.words)}</li>" for o in OBJECTIVES)
    sections.append(
        f'<details><summary>What is counted</summary><ul class="note">{definitions}</ul></details>'
    )
    return html.section(_verdict(tuning), *sections, anchor="figures")


def _verdict(tuning: Tuning) -> str:
    low, high, mean = (tuning.gain[k] for k in ("low", "high", "mean"))
    if mean is None or not tuning.changed:
        return "What each objective came to"
    return f"The cost changes by {_number(mean)} ({_number(low)} to {_number(high)})"


def _confirmed(confirmed: Mapping[str, Any] | None) -> list[str]:
    if confirmed is None:
        return []
    inside = confirmed["within_expected"]
    listed = ", ".join(f"{_say(k)} {v}" for k, v in inside.items() if k not in ("n", "all"))
    better = "lower" if confirmed["better_than_before"] else "not lower"
    seeds = confirmed["seeds"]
    return [
        html.note(
            f"Flown in the simulator with seeds {seeds[0]} to {seeds[-1]}: the cost was {better} "
            f"than with what flies now. Of {inside['n']} flights, so many lay in the expected "
            f"interval: {listed}; in all of them {inside['all']}."
        )
    ]


def _with_interval(figure: Mapping[str, float | int | None]) -> str:
    low, high = _number(figure["low"]), _number(figure["high"])
    return f"{_number(figure['mean'])} ({low} to {high})"


def _number(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _changes(tuning: Tuning) -> str:
    if not tuning.changed:
        return ""
    words = {knob.key: knob.words for knob in tuning.space.knobs}
    rows = [
        [key, f"{old:g}", f"{new:g}", description_of(key), words[key]]
        for key, (old, new) in tuning.changed.items()
    ]
    head = ("setting", "before", "after", "what it is", "higher means")
    return html.section("What is changed", html.table(head, rows), anchor="changes")


def _roc(tuning: Tuning, flights: list[Flight]) -> str:
    before, after = tuning.space.before.pilot, tuning.config.pilot
    curves = [charts.told(flights, pilot) for pilot in (before, after)]
    if curves[0] is None or curves[1] is None:
        return ""
    (was_fpr, was_tpr), (fpr, tpr) = (curve.point for curve in curves if curve)
    title = (
        f"Mono catches {tpr:.0%} of the near frames and stops in {fpr:.0%} of the free ones "
        f"(before: {was_tpr:.0%} and {was_fpr:.0%})"
    )
    keys = html.keys((f"line thick {BEFORE}", "before"), (f"line thick {AFTER}", "after"))
    note = html.note(
        "Frames of all flights that stereo labelled, each told by mono before it was learned from, "
        "once there was a threshold. Curves: one distance for all frames. Dots: with the threshold "
        "of each moment, which is what flies. Shaded: where the licence is earned, after. "
        "The curves differ only where mono's distance is averaged differently."
    )
    chart = charts.roc_chart(curves[0], curves[1], after)
    return html.section(
        title, f'<div class="two">{chart}<div>{keys}{note}</div></div>', anchor="roc"
    )


def _front(tuning: Tuning) -> str:
    keys = html.keys(
        (f"point {BEFORE}", "what flies now"),
        (f"point {AFTER}", "chosen"),
        ("point front", "front: no other is better in all"),
        ("point tried", "tried"),
    )
    pictures = "".join(
        charts.front_chart(tuning, *axes)
        for axes in (("needless_stops", "missed"), ("time_to_trust", "needless_stops"))
    )
    note = html.note(
        "Each dot is a setting, over all flights. The front has four dimensions; a dot that "
        "another beats here is better in one that is not drawn."
    )
    return html.section(
        f"{plural(len(tuning.front), 'setting')} on the Pareto front",
        keys,
        f'<div class="pair">{pictures}</div>',
        note,
        anchor="front",
    )


def _flights(tuning: Tuning, flights: Sequence[Flight]) -> str:
    before, after = tuning.space.before.pilot, tuning.config.pilot
    keys = html.keys(
        (f"solid {BEFORE}", "before"),
        (f"solid {AFTER}", "after"),
        ("line truth-solid", "stereo's distance"),
        (f"line {BEFORE}", "mono stops below, before"),
        (f"line {AFTER}", "after"),
        ("event", "needless stop"),
        ("collision", "missed"),
        ("override", "override"),
        ("stop", "must stop"),
    )
    parts = []
    for k, flight in enumerate(flights):
        chart = f'<div class="scroll">{charts.timeline(flight, before, after)}</div>'
        title = f"{flight.recorded.name}: {_of_flight(tuning, k)}"
        state = " open" if k < _OPEN_FLIGHTS else ""
        parts.append(f"<details{state}><summary>{escape(title)}</summary>{chart}</details>")
    return html.section("What each flight would have been like", keys, *parts, anchor="flights")


def _of_flight(tuning: Tuning, k: int) -> str:
    was, now = tuning.tried.counts[0, k], tuning.tried.counts[tuning.chosen, k]
    counts = [
        f"{_say(o.name)} {was[o.column]:.0f} to {now[o.column]:.0f}{'' if o.is_rate else ' s'}"
        for o in OBJECTIVES
    ]
    return ", ".join(counts)


def _method(tuning: Tuning) -> str:
    flown = metres(sum(float(f.ticks["flown_m"].sum()) for f in tuning.flights))
    words = (
        "The replay knows what the cameras saw where the drone went, not what they would have seen "
        "elsewhere. Trust is replayed exactly. A straight stretch under mono that a setting would "
        "have ended earlier than the logged flight is known; one that it would have flown on is "
        "continued with mono's error as it was. What a changed way leads to after that is not: "
        "fly the setting before you rely on it (--sim flies it in the simulator). What is not "
        "minimised may get worse by a tenth or one event, and mono flies at least "
        f"{LEAST_WAY:.0%} of the way that it flew before."
    )
    rows = [[f.name, str(f.path)] for f in tuning.flights]
    return html.section(
        f"Rests on {flown} of flight",
        html.note(words),
        f"<details><summary>Flights</summary>{html.table(('flight', 'log'), rows)}</details>",
        anchor="method",
    )
