"""What `drone tune` prints for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from drone.commands.display import number

if TYPE_CHECKING:
    from training.tuning.tuning import Tuning


def print_tuning(tuning: Tuning, result: Mapping[str, Any]) -> None:
    """Print what is recommended, and what to expect of it."""
    console = Console()
    console.print(
        f"{result['settings_tried']} settings on {len(tuning.flights)} flights, "
        f"{result['per_minute']} a minute; minimised: {tuning.goal.words}."
    )
    console.print(_figures(tuning, result))
    for key, (old, new) in tuning.changed.items():
        console.print(f"  {key} = {new:g} (was {old:g})", highlight=False)
    for note in tuning.notes:
        console.print(f"Note: {note}.", highlight=False)
    for name in ("tuned_toml", "report", "result"):
        console.print(f"{result[name]}", soft_wrap=True, highlight=False)


def _figures(tuning: Tuning, result: Mapping[str, Any]) -> Table:
    from training.tuning.goal import OBJECTIVES

    table = Table()
    columns = {"before": tuning.before, "after": tuning.after, "expected": tuning.expected}
    confirmed = result.get("confirmed")
    if confirmed is not None:
        columns |= {"flown before": confirmed["before"], "flown after": confirmed["chosen"]}
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for name, unit in [*((o.name, o.unit) for o in OBJECTIVES), ("cost", "")]:
        cells = [_cell(figures[name]) for figures in columns.values()]
        table.add_row(f"{name.replace('_', ' ')} {unit}", *cells)
    return table


def _cell(figure: Mapping[str, Any]) -> str:
    low, high = number(figure["low"]), number(figure["high"])
    return f"{number(figure['mean'])} ({low} to {high})"
