import math

import numpy as np
import pytest
import torch

from drone.geometry import GridSpec, Intrinsics
from training.networks import (
    LOG_VARIANCE_RANGE,
    MIN_INVERSE_DEPTH,
    OBSTACLE_WEIGHT,
    START_INVERSE_DEPTH,
    Answer,
    GridNet,
    laplace_loss,
    loss_of,
    tangents,
)

CAMERA = Intrinsics.from_hfov(64, 48, math.radians(70))


def network(grid=None, seed=0):
    torch.manual_seed(seed)
    return GridNet(grid or GridSpec(6, 8), CAMERA, width=4)


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
        answer = network(grid).eval()(images(3, *size))
    assert answer.inverse_depth.shape == (3, 1, grid.rows, grid.cols)
    assert answer.log_variance.shape == (3, 1, grid.rows, grid.cols)
    assert answer.obstacle_inverse.shape == answer.obstacle_log_variance.shape == (3, 1)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 1e6])
def test_any_image_gives_a_distance_and_bounded_uncertainty(level):
    with torch.no_grad():
        for parameters_scale in (1.0, 50.0):
            net = network().eval()
            for parameter in net.parameters():
                parameter.mul_(parameters_scale)
            answer = net(images() * level)
            for inverse in (answer.inverse_depth, answer.obstacle_inverse):
                assert torch.isfinite(inverse).all()
                assert (inverse >= MIN_INVERSE_DEPTH).all()
            for log_variance in (answer.log_variance, answer.obstacle_log_variance):
                assert log_variance.min() >= LOG_VARIANCE_RANGE[0]
                assert log_variance.max() <= LOG_VARIANCE_RANGE[1]


def test_an_untrained_network_says_the_middle_of_a_room():
    with torch.no_grad():
        answer = network().train()(images(8))
    for inverse in (answer.inverse_depth, answer.obstacle_inverse):
        assert inverse.mean().item() == pytest.approx(START_INVERSE_DEPTH, rel=0.25)


def test_position_matters():
    """The same patch above and below need not be equally far."""
    with torch.no_grad():
        net = network().eval()
        inverse_depth = net(torch.full((1, 1, 48, 64), 0.5))[0][0, 0]
    assert inverse_depth.std() > 1e-4


def test_tangents_by_hand():
    """Two columns, 64 px, 90 degrees: middles at -16 and 16 px, focal length 32."""
    camera = Intrinsics.from_hfov(64, 32, math.radians(90))
    found = tangents(GridSpec(1, 2), camera)
    torch.testing.assert_close(found, torch.tensor([[[0.0, 0.0]], [[-0.5, 0.5]]]))


def test_another_lens_gives_another_answer():
    with torch.no_grad():
        net = network().eval()
        seen = images(2)
        wide = tangents(GridSpec(6, 8), Intrinsics.from_hfov(64, 48, math.radians(90)))
        own = tangents(GridSpec(6, 8), CAMERA)
        answers = [net(seen, p.expand(2, -1, -1, -1)).inverse_depth for p in (own, wide)]
        assert torch.equal(net(seen).inverse_depth, answers[0])
    assert (answers[0] - answers[1]).abs().max() > 1e-4


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
    return laplace_loss(*output(inverse_depth, log_variance), *grids).item()


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
    value = laplace_loss(inverse_depth, log_variance, target, torch.ones(1, 1, 1, 2))
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


def test_the_whole_loss_is_the_cells_and_a_share_of_the_obstacle():
    grid = torch.full((2, 1, 1, 2), 0.8)
    one = torch.tensor([[0.8], [0.8]])
    answer = Answer(grid, 0 * grid, one, 0 * one)
    target, confidence = torch.full_like(grid, 0.5), torch.ones_like(grid)
    cells = loss([0.8] * 4, [0.0] * 4, [0.5] * 4, [1.0] * 4)
    direct = loss([0.8], [0.0], [0.3], [1.0])
    unknown = loss_of(answer, target, confidence, torch.full((2, 1), math.nan)).item()
    known = loss_of(answer, target, confidence, torch.tensor([[0.3], [0.3]])).item()
    assert unknown == pytest.approx(cells, rel=1e-5)
    assert known == pytest.approx(cells + OBSTACLE_WEIGHT * direct, rel=1e-5)
