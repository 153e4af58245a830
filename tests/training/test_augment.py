import numpy as np
import pytest
import torch

from training.augment import IN_FLIGHT, WIDE, Augmentation, mirror

NOTHING = Augmentation(gain=1, offset=0, gamma=1, noise=0, blurred_share=0, mirrored_share=0)


def pictures(count=6, seed=0):
    return torch.rand(count, 1, 24, 32, generator=torch.Generator().manual_seed(seed))


def test_no_change_changes_nothing():
    seen = pictures()
    found = NOTHING.pictures(seen, np.random.default_rng(0))
    torch.testing.assert_close(found, seen.clamp(min=1e-4))
    assert not NOTHING.mirrored(100, np.random.default_rng(0)).any()


@pytest.mark.parametrize("augmentation", [IN_FLIGHT, WIDE])
def test_pictures_stay_pictures_and_the_memory_is_left_alone(augmentation):
    seen = pictures()
    before = seen.clone()
    found = augmentation.pictures(seen, np.random.default_rng(1))
    assert found.shape == seen.shape
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(seen, before)
    assert (found - seen).abs().mean() > 1e-3


def test_the_same_stream_makes_the_same_pictures():
    first, again, other = (WIDE.pictures(pictures(), np.random.default_rng(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_exposure_by_hand():
    """A gain of at most 2 keeps every grey level between half and twice its value."""
    doubled = Augmentation(gain=2, offset=0, gamma=1, noise=0, blurred_share=0)
    seen = torch.full((50, 1, 4, 4), 0.25)
    found = doubled.pictures(seen, np.random.default_rng(0))
    assert 0.125 <= found.min() < 0.15
    assert 0.42 < found.max() <= 0.5
    assert (found == found[:, :, :1, :1]).all()


def test_blur_by_hand():
    blurred = Augmentation(gain=1, offset=0, gamma=1, noise=0, blurred_share=1)
    seen = torch.zeros(1, 1, 5, 5)
    seen[0, 0, 2, 2] = 0.9
    found = blurred.pictures(seen, np.random.default_rng(0))[0, 0]
    torch.testing.assert_close(found[1:4, 1:4], torch.full((3, 3), 0.1))
    assert found[0].max() <= 1e-4


def test_a_mirror_turns_the_marked_ones_only():
    grids = torch.arange(12.0).reshape(2, 1, 2, 3)
    found = mirror(grids, torch.tensor([True, False]))
    assert found[0, 0].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert torch.equal(found[1], grids[1])
