"""The pre-trained weights that ship with the project.

One NumPy archive: the network's parameters by name in half precision, and `provenance`, a line of
JSON that says what they were made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drone.errors import UserError
from training.networks import GridNet

WEIGHTS = Path(__file__).with_name("warmstart.npz")


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

    Raises:
        UserError: the file cannot be read, or its weights are those of another network.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: no pre-trained weights can be read: {error}") from error
    provenance = json.loads(str(arrays.pop("provenance", "{}")))
    wanted = network.state_dict()
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    if {name: value.shape for name, value in arrays.items()} != shapes:
        raise UserError(
            f"{file}: these weights are another network's (its grid is "
            f'{network.grid[0]} x {network.grid[1]}); start fresh with learner.start = "fresh"'
        )
    network.load_state_dict(
        {name: torch.from_numpy(arrays[name]).to(wanted[name].dtype) for name in wanted}
    )
    return dict(provenance)
