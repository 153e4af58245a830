"""Progress bars on standard error, and summary tables on standard output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from drone.clock import s_from_ns
from drone.config import Config
from drone.runfolder import RunFolder

if TYPE_CHECKING:
    from training.flight import OnProgress
    from training.flight import Progress as FlightState
    from training.replay import Replayed

MODES = ("stereo", "training_wheels", "mono", "hold", "land")


def _bar(*texts: str, quiet: bool) -> Progress:
    console = Console(stderr=True)
    columns = [TextColumn(text) for text in texts]
    return Progress(
        *(columns[0], BarColumn(bar_width=30), *columns[1:], TimeElapsedColumn()),
        console=console,
        disable=quiet or not console.is_terminal,
    )


@contextmanager
def flight_progress(config: Config, quiet: bool) -> Iterator[OnProgress]:
    """Show simulated time, mode, trust and collisions while a flight goes on."""
    duration_s = config.flight.duration_s
    state = "{task.fields[mode]:<15}  {task.fields[trust]}  {task.fields[collisions]} collisions"
    with _bar("{task.fields[clock]}", state, quiet=quiet) as bar:
        task = bar.add_task(
            "", total=duration_s, clock="0 s", mode="stereo", trust="", collisions=0
        )

        def show(p: FlightState) -> None:
            bar.update(
                task,
                completed=p.flown_s,
                clock=f"{p.flown_s:4.0f} of {p.duration_s:.0f} s",
                mode=p.mode.value,
                trust="mono trusted    " if p.trusted else "mono not trusted",
                collisions=p.collisions,
            )

        yield show


@contextmanager
def many_progress(total: int, quiet: bool, what: str = "flights") -> Iterator[Callable[[], None]]:
    """Show how many of the tasks are done."""
    with _bar("{task.completed} of {task.total} " + what, quiet=quiet) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


@contextmanager
def bytes_progress(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many of so many bytes are done."""
    with _bar(what, "{task.fields[mb]:.0f} MB", quiet=quiet) as bar:
        task, done = bar.add_task("", total=total, mb=0.0), 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            bar.update(task, completed=done, mb=done / 1e6)

        yield advance


@contextmanager
def share_progress(what: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show which share of the work is done."""
    with _bar(what, "{task.percentage:.0f} %", quiet=quiet) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    """Return a figure as a person reads it; unknown is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.{digits}f}{unit}"


def print_flight(figures: Mapping[str, Any], run: RunFolder) -> None:
    """Print the summary of one flight."""
    console = Console()
    table = Table(title=f"Flight with seed {figures['seed']}", title_justify="left")
    table.add_column("mode", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for mode in MODES:
        if figures["mode_s"][mode] > 0:
            table.add_row(mode.replace("_", " "), *_mode_cells(figures, mode))
    console.print(table)
    trust_s = figures["time_to_trust_s"]
    trusted = (
        "Mono never earned trust."
        if math.isnan(trust_s)
        else f"Mono earned trust after {trust_s:.0f} s."
    )
    console.print(
        f"{trusted} {figures['overrides']} overrides by stereo, "
        f"{figures['labelled_frames']} labelled frames, "
        f"{figures['model_versions']} model versions, "
        f"{figures['simulated_s']:.0f} s simulated in {figures['wall_s']:.0f} s."
    )
    if figures["interrupted"]:
        console.print("Interrupted: everything is complete up to then.")
    console.print(f"Run folder: {run.path}", soft_wrap=True)
    if run.report.exists():
        console.print(f"Report:     {run.report}", soft_wrap=True)


def print_mavlink_flight(figures: Mapping[str, Any]) -> None:
    """Print the summary of one flight in real time."""
    console = Console()
    title = f"Flight with seed {figures['seed']}, through an autopilot as {figures['manner']}"
    table = Table(title=title, title_justify="left")
    for name in ("mode", "s", "m", "collisions"):
        table.add_column(name, justify="left" if name == "mode" else "right")
    for mode, seconds in figures["mode_s"].items():
        metres, hits = figures["distance_m"].get(mode, 0.0), figures["collisions"].get(mode, 0)
        table.add_row(mode.replace("_", " "), f"{seconds:.0f}", f"{metres:.1f}", str(hits))
    console.print(table)
    for title, key in (
        ("From frame to set-point", "frame_to_setpoint_ms"),
        ("Between set-points", "setpoint_gap_ms"),
    ):
        found = figures[key]
        console.print(f"{title}: median {found['p50']:.0f} ms, p99 {found['p99']:.0f} ms.")
    if figures["run"]:
        console.print(f"Run folder: {figures['run']}", soft_wrap=True)


def _camera(camera: Mapping[str, Any]) -> str:
    skew = ""
    if camera["skew_pairs"]:
        median, most = (number(1000 * camera[f"skew_{k}_s"], 1, " ms") for k in ("median", "max"))
        skew = f" Eyes {median} apart in the median, {most} at most."
    return (
        f"Camera: {camera['delivered']} pictures fetched, {camera['dropped']} dropped, "
        f"{camera['reconnects']} times back after it was unplugged.{skew}"
    )


_COLUMNS = ("time", "flown", "m/min", "turning", "needless\nstops/100 m", "collisions")


def _mode_cells(figures: Mapping[str, Any], mode: str) -> list[str]:
    measures = figures["measures"]
    collisions = figures["collisions"].get(mode)
    turning = measures["turning_share"].get(mode, math.nan)
    return [
        number(figures["mode_s"][mode], 0, " s"),
        number(figures["distance_m"].get(mode), 1, " m"),
        number(measures["metres_per_min"].get(mode), 1),
        number(100 * turning, 0, " %"),
        number(measures["needless_stops_per_100m"].get(mode), 1),
        "–" if collisions is None else str(collisions),
    ]


def print_flights(flights: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per flight."""
    table = Table()
    names = ("seed", "trust after", "stereo", "wheels", "mono", "overrides", "collisions s/w/m/h")
    for name in names:
        table.add_column(name, justify="right")
    for f in flights:
        per_min = f["measures"]["metres_per_min"]
        table.add_row(
            str(f["seed"]),
            number(f["time_to_trust_s"], 0, " s"),
            *(number(per_min[m], 1, " m/min") for m in ("stereo", "training_wheels", "mono")),
            str(f["overrides"]),
            "/".join(str(c) for c in f["collisions"].values()),
        )
    Console().print(table)


@contextmanager
def time_progress(duration_s: float, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show how much of a flight's time is done."""
    total = None if math.isnan(duration_s) else duration_s
    with _bar("{task.completed:.0f} s of the flight", quiet=quiet) as bar:
        task = bar.add_task("", total=total)
        yield lambda done_s: bar.update(task, completed=done_s)


@contextmanager
def live_progress(end_s: float, quiet: bool) -> Iterator[Callable[[Replayed], None]]:
    """Show what a live camera's newest frame says, and every event of an eye on its own line."""
    texts = ("{task.fields[clock]}", "{task.fields[seen]}")
    with _bar(*texts, quiet=quiet) as bar:
        task = bar.add_task("", total=end_s if math.isfinite(end_s) else None, clock="0 s", seen="")

        def show(done: Replayed) -> None:
            decision = done.decision
            now_s = s_from_ns(decision.stamp_ns)
            for event in done.events:
                what = f"{event.eye.value} {event.kind} {'begins' if event.active else 'ends'}"
                bar.console.print(f"{now_s:7.1f} s  {what}", highlight=False)
            stereo = number(decision.stereo_obstacle_m, 2, " m")
            mono = number(decision.mono_obstacle_m, 2, " m")
            seen = f"stereo {stereo:>6}  mono {mono:>6}"
            bar.update(task, completed=now_s, clock=f"{now_s:.0f} s", seen=seen)

        yield show


def print_replay(figures: Mapping[str, Any], run: RunFolder) -> None:
    """Print the summary of a replayed data set."""
    console = Console()
    console.print(
        f"{figures['frames']} frames, {figures['labelled']} labelled "
        f"({100 * figures['valid_share']:.0f} % of their cells known), "
        f"{figures['model_versions']} model versions, {figures['wall_s']:.0f} s."
    )
    table = Table(title="Error of the obstacle distance, tested before learned")
    for name in ("what tells it", "mean absolute log error"):
        table.add_column(name, justify="left" if name.startswith("what") else "right")
    for name, key in (
        ("mono network", "mono_male"),
        ("mean of the labels so far", "mean_male"),
        ("last label", "last_male"),
    ):
        table.add_row(name, number(figures[key], 3))
    console.print(table)
    console.print(
        f"Within a factor of 1.25: {number(100 * figures['delta_125'], 0, ' %')} "
        f"of {figures['n']} frames."
    )
    if "camera" in figures:
        console.print(_camera(figures["camera"]))
    if figures["interrupted"]:
        console.print("Interrupted: everything is complete up to then.")
    console.print(f"Run folder: {run.path}", soft_wrap=True)
