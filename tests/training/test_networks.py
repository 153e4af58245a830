import math

import numpy as np
import pytest
import torch

from drone.geometry import GridSpec
from training.networks import (
    LOG_VARIANCE_RANGE,
    MIN_INVERSE_DEPTH,
    START_INVERSE_DEPTH,
    GridNet,
    grid_loss,
)


def network(grid=None, seed=0):
    torch.manual_seed(seed)
    return GridNet(grid or GridSpec(6, 8), width=4)


def images(count=2, height=48, width=64, seed=0):
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("grid", "size"),
    [
        (GridSpec(6, 8), (48, 64)),
        (GridSpec(12, 16), (96, 128)),
        (GridSpec(3, 5), (48, 64)),
        (GridSpec(2, 2), (24, 32)),
    ],
)
def test_every_grid_gets_its_shape(grid, size):
    with torch.no_grad():
        inverse_depth, log_variance = network(grid).eval()(images(3, *size))
    assert inverse_depth.shape == log_variance.shape == (3, 1, grid.rows, grid.cols)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 1e6])
def test_any_image_gives_a_distance_and_bounded_uncertainty(level):
    with torch.no_grad():
        for parameters_scale in (1.0, 50.0):
            net = network().eval()
            for parameter in net.parameters():
                parameter.mul_(parameters_scale)
            inverse_depth, log_variance = net(images() * level)
            assert torch.isfinite(inverse_depth).all()
            assert (inverse_depth >= MIN_INVERSE_DEPTH).all()
            assert log_variance.min() >= LOG_VARIANCE_RANGE[0]
            assert log_variance.max() <= LOG_VARIANCE_RANGE[1]


def test_an_untrained_network_says_the_middle_of_a_room():
    with torch.no_grad():
        inverse_depth = network().train()(images(8))[0]
    assert inverse_depth.mean().item() == pytest.approx(START_INVERSE_DEPTH, rel=0.25)


def test_position_matters():
    """The same patch above and below need not be equally far."""
    with torch.no_grad():
        net = network().eval()
        inverse_depth = net(torch.full((1, 1, 48, 64), 0.5))[0][0, 0]
    assert inverse_depth.std() > 1e-4


# The loss


def output(inverse_depth, log_variance):
    return tuple(
        torch.tensor(v, dtype=torch.float32).reshape(1, 1, 1, -1)
        for v in (inverse_depth, log_variance)
    )


def loss(inverse_depth, log_variance, target, confidence):
    grids = [
        torch.tensor(v, dtype=torch.float32).reshape(1, 1, 1, -1) for v in (target, confidence)
    ]
    return grid_loss(output(inverse_depth, log_variance), *grids).item()


def test_loss_of_one_cell_by_hand():
    """Scale b = exp(s/2)/sqrt(2): error / b + log b, up to a constant."""
    s = -2.0
    b = math.exp(s / 2) / math.sqrt(2)
    expected = 0.3 / b + math.log(b)
    assert loss([0.8] * 2, [s] * 2, [0.5] * 2, [1.0] * 2) == pytest.approx(expected, abs=1e-3)


def test_cells_weigh_by_confidence():
    one = loss([0.8] * 4, [0.0] * 4, [0.5] * 4, [1.0] * 4)
    far = loss([2.0] * 4, [0.0] * 4, [0.5] * 4, [1.0] * 4)
    mixed = loss([0.8, 0.8, 2.0, 2.0], [0.0] * 4, [0.5] * 4, [1.0, 1.0, 0.5, 0.5])
    assert mixed == pytest.approx((2 * one + far) / 3, rel=1e-5)


def test_unknown_cells_neither_count_nor_pull():
    inverse_depth = torch.tensor([[[[0.8, 5.0]]]], requires_grad=True)
    log_variance = torch.zeros(1, 1, 1, 2, requires_grad=True)
    target = torch.tensor([[[[0.5, math.nan]]]])
    value = grid_loss((inverse_depth, log_variance), target, torch.ones(1, 1, 1, 2))
    value.backward()
    assert math.isfinite(value.item())
    for gradient in (inverse_depth.grad, log_variance.grad):
        assert gradient[0, 0, 0, 0] != 0
        assert gradient[0, 0, 0, 1] == 0


def test_nothing_known_is_no_loss():
    assert loss([0.8], [0.0], [math.nan], [0.0]) == 0.0


def test_the_best_uncertainty_is_the_error_itself():
    """For error e the loss is least at standard deviation sqrt(2) e."""
    values = np.linspace(-6, 2, 400)
    losses = [loss([0.8] * 2, [s] * 2, [0.5] * 2, [1.0] * 2) for s in values]
    best = math.exp(values[int(np.argmin(losses))] / 2)
    assert best == pytest.approx(math.sqrt(2) * 0.3, rel=0.02)
