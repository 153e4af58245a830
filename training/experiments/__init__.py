"""Experiments: questions with arms, seeds and a protocol, answered with intervals.

design ◄─ strategies, camera_loss ... (one module per experiment)
▲                    ▲
engine, store ◄──── campaign ────► page
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType

from drone.errors import UserError
from training.experiments.design import Experiment

EXPERIMENTS: Mapping[str, str] = MappingProxyType(
    {
        "learners": "all learners on the same recorded flights: ROC, and error against frames",
        "strategies": "cold turkey, DAgger and training wheels, then stereo off",
        "ardrone-room": "the paper's flight test: ten minutes of mono in its room",
        "data-bias": "what mono sees once it is in control, against what it learned from",
        "camera-loss": "an eye is lost at a random time",
        "concept-shift": "the light falls, pictures change in mid-flight: trust lost and regained",
        "transfer": "from room to room with one memory, warm and fresh",
        "texture": "textured, mixed and plain rooms: what the second cue adds",
        "ablations": "each of the learner's means off in turn",
        "scale": "trust and error against image, network, camera rate and training budget",
    }
)
"""Name -> what it is about, in a line; the module has the name with underscores."""


def experiment_of(name: str) -> Experiment:
    """Return an experiment.

    Args:
        name: one of `EXPERIMENTS`; or `module:ATTRIBUTE`, an experiment of one's own, whose module
            is installed or lies in the working folder.

    Raises:
        UserError: there is none of this name.
    """
    if ":" in name:
        return _own(name)
    if name not in EXPERIMENTS:
        raise UserError(
            f"no experiment {name!r}; there are: {', '.join(EXPERIMENTS)}; or your own, as "
            "module:ATTRIBUTE"
        )
    module = importlib.import_module(f"training.experiments.{name.replace('-', '_')}")
    found: Experiment = module.EXPERIMENT
    return found


def _own(where: str) -> Experiment:
    module_name, _, attribute = where.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError) as error:
        raise UserError(
            f"{where}: {error}; expected module:ATTRIBUTE, such as wall:EXPERIMENT"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Experiment):
        there = [key for key, value in vars(module).items() if isinstance(value, Experiment)]
        raise UserError(
            f"{where}: {module_name} has no experiment {attribute!r}; it has: "
            f"{', '.join(there) or 'none'}"
        )
    if not re.fullmatch(r"[\w-]+", found.name) or found.name in EXPERIMENTS:
        raise UserError(
            f"{where}: the name {found.name!r} is taken, or no name of a folder; choose another, "
            "of letters, digits, - and _"
        )
    return dataclasses.replace(found, where=where)
