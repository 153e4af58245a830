"""Settings that differ from the defaults, and where the flight, its model and its log come from.

In: a `Flight` and the run's result. Out: the section of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from drone.clock import s_from_ns
from drone.config import Config
from drone.report import html
from drone.report.flight import Flight
from drone.report.story import plural, seconds


def particulars(flight: Flight, result: Mapping[str, Any]) -> str:
    """Return the section."""
    changed = changed_settings(flight.config)
    settings = html.table(("setting", "value", "default"), changed) if changed else ""
    parts = [f"<p>{escape(plural(len(changed), 'setting'))} unlike the default.</p>{settings}"]
    parts.append(f"<h3>Where it comes from</h3>{html.table((), _versions_table(flight, result))}")
    return html.section("Settings and versions", *parts, anchor="particulars")


def changed_settings(config: Config) -> list[list[str]]:
    """Return key, value and default of every setting that is not as it comes."""
    mine, default = (flat_settings(c) for c in (config, Config()))
    return [
        [key, told_setting(value), told_setting(default.get(key))]
        for key, value in mine.items()
        if default.get(key) != value
    ]


def flat_settings(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted name."""
    return _flat(config.model_dump(mode="json"))


def told_setting(value: Any) -> str:
    """Return a value as it is written; unset and empty are `none`."""
    return "none" if value is None or value in ("", []) else str(value)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            flat[prefix + key] = "; ".join(_entry(item) for item in value)
        else:
            flat[prefix + key] = value
    return flat


def _entry(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in item.items() if value is not None)


def _versions_table(flight: Flight, result: Mapping[str, Any]) -> list[list[str]]:
    header = flight.header
    began = datetime.fromtimestamp(s_from_ns(flight.epoch_ns + header.utc_offset_ns), UTC)
    rows = [
        ["source", header.source],
        ["written by", f"drone {header.software}, log format {header.format_version}"],
        ["seed", str(header.seed)],
        ["stamps begin at", f"{began:%Y-%m-%d %H:%M:%S} UTC"],
        ["camera", _camera(flight)],
    ]
    if flight.swaps:
        last = flight.swaps[-1]
        size_kb = last.size_bytes / 1000
        rows.append(["last model", f"version {last.version}, {size_kb:.0f} kB, {last.sha256[:12]}"])
    if isinstance(result.get("wall_s"), int | float):
        rows.append(["computed in", seconds(float(result["wall_s"]))])
    return rows


def _camera(flight: Flight) -> str:
    c = flight.header.calibration
    return f"{c.left.width} x {c.left.height} px, baseline {1000 * c.baseline_m:.0f} mm"
