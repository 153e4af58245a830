import json
import math

import numpy as np
import pytest
import torch

from drone.errors import UserError
from drone.geometry import GridSpec, Intrinsics
from training.networks import GridNet
from training.warmstart import GRID_DEPENDENT, WEIGHTS, load_weights, save_weights

CAMERA = Intrinsics.from_hfov(128, 96, math.radians(70))


def network(grid=None, seed=0, width=16):
    torch.manual_seed(seed)
    return GridNet(grid or GridSpec(), CAMERA, width)


def test_weights_come_back_to_half_precision(tmp_path):
    saved, loaded = network(seed=1), network(seed=2)
    file = tmp_path / "weights.npz"
    save_weights(saved, {"rooms": "none"}, file)
    assert load_weights(loaded, file) == {"rooms": "none"}
    for name, value in saved.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_what_ships_says_what_it_was_made_from():
    provenance = load_weights(network())
    first, last = map(int, provenance["rooms"].split("-"))
    assert first >= 10_000
    assert last - first + 1 >= 300
    assert provenance["depth_male"] < 0.2
    assert WEIGHTS.stat().st_size < 600_000


def test_on_another_grid_only_the_obstacle_head_starts_fresh():
    net = network(GridSpec(6, 8))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    load_weights(net)
    after = net.state_dict()
    unchanged = {k for k in after if torch.equal(after[k], before[k])}
    assert GRID_DEPENDENT in unchanged
    assert unchanged <= {GRID_DEPENDENT} | {k for k in after if "num_batches" in k}


def test_another_network_is_refused_by_name_of_what_differs():
    with pytest.raises(UserError, match=r"another network's: .*stem"):
        load_weights(network(width=8))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04"])
def test_a_damaged_file_is_refused(tmp_path, content):
    file = tmp_path / "weights.npz"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r'no pre-trained weights.*start = "fresh"'):
        load_weights(network(), file)


def test_pickled_weights_are_refused(tmp_path):
    file = tmp_path / "weights.npz"
    arrays = {k: v.numpy() for k, v in network().state_dict().items()}
    with file.open("wb") as out:
        np.savez(out, provenance=np.array(json.dumps({})), evil=np.array([{}], object), **arrays)
    with pytest.raises(UserError, match="no pre-trained weights"):
        load_weights(network(), file)
