"""The software: can all that flies be imported here? A wheel of another system shows itself so."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from drone.config.onboard import OnboardConfig
from drone.doctor.finding import Finding, fail, ok

GROUP = "software"
_FLIES = (
    *(f"drone.onboard.processes.{role}" for role in ("link", "pilot", "recorder", "camera")),
    *("drone.onboard.processes.supervisor", "drone.report"),
)
_LEARNS = "training.onboardtrainer"


def modules_of(config: OnboardConfig) -> list[str]:
    """Return the modules that a flight imports."""
    return [*_FLIES, *([_LEARNS] if config.learner.steps_per_frame > 0 else [])]


def import_problems(modules: Sequence[str]) -> dict[str, str]:
    """Import modules, and return what went wrong, by module."""
    problems = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # OSError: a library that does not load
            problems[module] = str(error)
    return problems


def check(problems: dict[str, str]) -> list[Finding]:
    """Judge what went wrong."""
    name = f"{GROUP}.imports"
    fix = "pip install 'drone[autopilot]' (with learning: 'drone[autopilot,train]'; without: "
    fix += "learner.steps_per_frame = 0), or deploy anew"
    found = [fail(name, f"{module}: {why}", fix) for module, why in problems.items()]
    return found or [ok(name, f"drone {_version()}, Python {python_version()}")]


def _version() -> str:
    try:
        return version("drone")
    except PackageNotFoundError:
        from drone import __version__

        return __version__
