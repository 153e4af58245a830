"""The pre-trained weights that ship with the project.

One NumPy archive: the network's parameters by name in half precision, and `provenance`, a line of
JSON that says what they were made from.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drone.errors import UserError
from training.networks import GridNet

WEIGHTS = Path(__file__).with_name("warmstart.npz")
GRID_DEPENDENT = "obstacle.0.weight"
"""The one tensor whose shape depends on the number of cells."""


def save_weights(network: torch.nn.Module, provenance: Mapping[str, Any], file: Path) -> None:
    """Write a network's weights and what they were made from."""
    arrays = {
        name: value.detach().numpy().astype(np.float16 if value.is_floating_point() else np.int64)
        for name, value in network.state_dict().items()
    }
    with file.open("wb") as out:
        np.savez_compressed(out, provenance=np.array(json.dumps(dict(provenance))), **arrays)


def load_weights(network: GridNet, file: Path = WEIGHTS) -> dict[str, Any]:
    """Let a network start from pre-trained weights; return what they were made from.

    The obstacle head depends on the number of cells: on another grid it starts fresh.

    Raises:
        UserError: the file cannot be read, or its weights are those of another network.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{file}: no pre-trained weights can be read ({error}); "
            'learner.start = "fresh" needs none'
        ) from error
    provenance = json.loads(str(arrays.pop("provenance", "{}")))
    wanted = network.state_dict()
    other = {
        name
        for name in wanted.keys() | arrays.keys()
        if name not in wanted
        or name not in arrays
        or arrays[name].shape != tuple(wanted[name].shape)
    }
    if not other <= {GRID_DEPENDENT}:
        raise UserError(f"{file}: these weights are another network's: {', '.join(sorted(other))}")
    fitting = {
        name: torch.from_numpy(array).to(wanted[name].dtype)
        for name, array in arrays.items()
        if name not in other
    }
    network.load_state_dict(wanted | fitting)
    return dict(provenance)
