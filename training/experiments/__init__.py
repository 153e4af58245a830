"""Experiments: questions with arms, seeds and a protocol, answered with intervals.

design ◄─ strategies, camera_loss ... (one module per experiment)
▲                    ▲
engine, store ◄──── campaign ────► page
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from drone.errors import UserError
from training.experiments.design import Experiment

EXPERIMENTS: Mapping[str, str] = MappingProxyType(
    {
        "strategies": "cold turkey, DAgger and training wheels, then stereo off",
    }
)
"""Name -> what it is about, in a line; the module has the name with underscores."""


def experiment_of(name: str) -> Experiment:
    """Return an experiment.

    Raises:
        UserError: there is none of this name.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"no experiment {name!r}; there are: {', '.join(EXPERIMENTS)}")
    module = importlib.import_module(f"training.experiments.{name.replace('-', '_')}")
    found: Experiment = module.EXPERIMENT
    return found
