"""The monocular network: grey image in, inverse depth and its uncertainty per cell out.

A plain convolutional network with batch normalisation, which export folds away. Where a cell looks
enters as two extra channels at the grid's resolution, because height in the image says much about
distance in a room, and convolutions alone cannot see where they are. They are the tangents of the
cell's ray, so that what was learned with one lens means the same with another.

    image ─► stem ─► body (dilated, residual, with the mean of all cells) ─┬─► grid head
                                                                           └─► obstacle head
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from drone.geometry import GridSpec, Intrinsics

MIN_INVERSE_DEPTH = 1e-3
"""1/m; keeps the output positive, so that every answer is a distance."""
LOG_VARIANCE_RANGE = (-9.0, 2.0)
"""Bounds of the predicted log variance of inverse depth, log(1/m^2)."""
START_INVERSE_DEPTH = 0.45
"""1/m: what an untrained network says, about the middle of a room."""


SQUEEZED = 8
"""Channels per cell that the obstacle head looks at."""
OBSTACLE_WEIGHT = 0.3
"""Of the obstacle head's loss beside the grid's."""


class _Block(nn.Sequential):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Answer(NamedTuple):
    """What the network says; inverse depths in 1/m, and the log variance of each, log(1/m^2).

    Attributes:
        inverse_depth: (B, 1, rows, cols).
        log_variance: (B, 1, rows, cols).
        obstacle_inverse: of the obstacle distance, (B, 1).
        obstacle_log_variance: (B, 1).
    """

    inverse_depth: Tensor
    log_variance: Tensor
    obstacle_inverse: Tensor
    obstacle_log_variance: Tensor


class GridNet(nn.Module):
    """Predicts the inverse-depth grid, and with a second head the obstacle distance itself."""

    position: Tensor

    def __init__(self, grid: GridSpec, camera: Intrinsics, width: int = 16) -> None:
        """Make an untrained network.

        Args:
            grid: of its answers.
            camera: whose images it looks at.
            width: channels after the first layer.
        """
        super().__init__()
        self.grid = (grid.rows, grid.cols)
        self.stem = nn.Sequential(
            _Block(1, width, stride=2),
            _Block(width, 2 * width, stride=2),
            _Block(2 * width, 2 * width),
            _Block(2 * width, 4 * width, stride=2),
        )
        self.entry = _Block(4 * width + 2, 4 * width)
        self.near = _Block(4 * width, 4 * width, dilation=2)
        self.context = nn.Linear(4 * width, 4 * width)
        self.far = _Block(4 * width, 4 * width, dilation=4)
        self.head = nn.Conv2d(4 * width, 2, 1)
        self.squeeze = nn.Sequential(nn.Conv2d(4 * width, SQUEEZED, 1), nn.ReLU())
        cells = SQUEEZED * grid.rows * grid.cols
        self.obstacle = nn.Sequential(nn.Linear(cells, 24), nn.ReLU(), nn.Linear(24, 2))
        self.register_buffer("position", tangents(grid, camera)[None], persistent=False)
        for last in (self.head, self.obstacle[2]):
            _start_calm(last)

    def forward(self, image: Tensor, position: Tensor | None = None) -> Answer:
        """Return what the network says.

        Args:
            image: (B, 1, H, W) in 0-1.
            position: (B, 2, rows, cols), of other cameras than its own.
        """
        features = self.stem(image - 0.5)
        features = _on_grid(features, self.grid)
        if position is None:
            position = self.position.expand(features.shape[0], -1, -1, -1)
        features = self.entry(torch.cat([features, position], dim=1))
        features = features + self.near(features)
        context = self.context(features.mean(dim=(2, 3)))
        features = features + self.far(features + context[:, :, None, None])
        raw = self.head(features)
        raw_obstacle = self.obstacle(self.squeeze(features).flatten(1))
        return Answer(
            functional.softplus(raw[:, :1]) + MIN_INVERSE_DEPTH,
            raw[:, 1:].clamp(*LOG_VARIANCE_RANGE),
            functional.softplus(raw_obstacle[:, :1]) + MIN_INVERSE_DEPTH,
            raw_obstacle[:, 1:].clamp(*LOG_VARIANCE_RANGE),
        )


def _on_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return (B, C, h, w) features at the grid's resolution: averaged, or else interpolated."""
    height, width = features.shape[-2:]
    if (height, width) == grid:
        return features
    if height % grid[0] == 0 and width % grid[1] == 0:
        return functional.adaptive_avg_pool2d(features, grid)
    return functional.interpolate(features, grid, mode="bilinear", align_corners=False)


def tangents(grid: GridSpec, camera: Intrinsics) -> Tensor:
    """Return down and right of each cell's ray at unit depth, (2, rows, cols) float32."""
    rays = torch.from_numpy(grid.rays(camera)).float()
    return torch.stack([rays[..., 1], rays[..., 0]])


def _start_calm(last: nn.Module) -> None:
    """Let a last layer say about the middle of a room, whatever it sees."""
    assert isinstance(last, nn.Conv2d | nn.Linear)
    with torch.no_grad():
        last.weight.mul_(0.1)
    last.bias = nn.Parameter(torch.tensor([_inverse_softplus(START_INVERSE_DEPTH), -3.0]))


def _inverse_softplus(value: float) -> float:
    return float(torch.log(torch.expm1(torch.tensor(value))))


def loss_of(
    answer: Answer,
    target: Tensor,
    confidence: Tensor,
    obstacle: Tensor,
    obstacle_weight: float = OBSTACLE_WEIGHT,
) -> Tensor:
    """Return the negative log likelihood of labels, a scalar: of the cells, and of the obstacle.

    Args:
        answer: the network's.
        target: inverse depth, (B, 1, rows, cols), NaN where unknown.
        confidence: (B, 1, rows, cols), 0 where unknown.
        obstacle: inverse obstacle distance, (B, 1), NaN where unknown.
        obstacle_weight: of the second head.
    """
    cells = laplace_loss(answer.inverse_depth, answer.log_variance, target, confidence)
    known = torch.isfinite(obstacle).float()
    direct = laplace_loss(answer.obstacle_inverse, answer.obstacle_log_variance, obstacle, known)
    return cells + obstacle_weight * direct


def surprise(answer: Answer, target: Tensor) -> Tensor:
    """Return each image's mean absolute log error over the cells known, (B,); NaN without any."""
    with torch.no_grad():
        error = (answer.inverse_depth.log() - target.log()).abs()
        return error.nanmean(dim=(1, 2, 3))


def laplace_loss(mean: Tensor, log_variance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean Laplace negative log likelihood of what is known, a scalar.

    With scale b = exp(log_variance / 2) / sqrt(2), the variance of a Laplace distribution being
    2 b^2 (Kendall and Gal 2017, equation 8, with absolute instead of squared error). All four have
    one shape; the target is NaN where unknown.
    """
    known = torch.isfinite(target)
    weight = torch.where(known, weight, 0.0)
    error = (mean - torch.where(known, target, 0.0)).abs()
    log_scale = 0.5 * log_variance - 0.3466
    loss = error * torch.exp(-log_scale) + log_scale
    return (weight * loss).sum() / weight.sum().clamp(min=1.0)
