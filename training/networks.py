"""The monocular network: grey image in, inverse depth per cell and one obstacle distance out.

A plain convolutional network with batch normalisation, which export folds away. Position enters as
two extra channels at the grid's resolution, because height in the image says much about distance in
a room, and convolutions alone cannot see where they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from drone.geometry import GridSpec

MIN_INVERSE_DEPTH = 1e-3
"""1/m; keeps the output positive, so that every answer is a distance."""
LOG_VARIANCE_RANGE = (-9.0, 2.0)
"""Bounds of the predicted log variance of inverse depth, log(1/m^2)."""
START_INVERSE_DEPTH = 0.45
"""1/m: what an untrained network says, about the middle of a room."""
ATTENTION_MAPS = 4
HIDDEN = 64


class Prediction(NamedTuple):
    """What the network answers, each with the log of its variance.

    Attributes:
        inverse_depth: (B, 1, rows, cols), 1/m, > 0.
        log_variance: (B, 1, rows, cols), log(1/m^2).
        obstacle: (B, 2), log of the obstacle distance in m, and log variance of that.
    """

    inverse_depth: Tensor
    log_variance: Tensor
    obstacle: Tensor


class _Block(nn.Sequential):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class GridNet(nn.Module):
    """Predicts the inverse-depth grid and, by a second head, the obstacle distance itself.

    The second head pools the features with a few learned attention maps over the cells.
    Shapes: image (B, 1, H, W) in 0-1 -> `Prediction`.
    """

    position: Tensor

    def __init__(self, grid: GridSpec, width: int = 16) -> None:
        super().__init__()
        self.grid = (grid.rows, grid.cols)
        self.stem = nn.Sequential(
            _Block(1, width, stride=2),
            _Block(width, 2 * width, stride=2),
            _Block(2 * width, 2 * width),
            _Block(2 * width, 4 * width, stride=2),
        )
        self.body = nn.Sequential(
            _Block(4 * width + 2, 4 * width),
            _Block(4 * width, 4 * width, dilation=2),
        )
        self.context = nn.Linear(4 * width, 4 * width)
        self.tail = _Block(4 * width, 4 * width, dilation=4)
        self.head = nn.Conv2d(4 * width, 2, 1)
        self.attention = nn.Conv2d(4 * width, ATTENTION_MAPS, 1)
        self.obstacle = nn.Sequential(
            nn.Linear(ATTENTION_MAPS * 4 * width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2)
        )
        self.register_buffer("position", _position(grid), persistent=False)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
        start = [_inverse_softplus(START_INVERSE_DEPTH), -3.0]
        self.head.bias = nn.Parameter(torch.tensor(start))

    def forward(self, image: Tensor) -> Prediction:
        """Return grid and obstacle distance."""
        features = self.stem(image - 0.5)
        if features.shape[-2:] != self.grid:
            features = functional.adaptive_avg_pool2d(features, self.grid)
        position = self.position.expand(features.shape[0], -1, -1, -1)
        features = self.body(torch.cat([features, position], dim=1))
        context = self.context(features.mean(dim=(2, 3)))
        features = self.tail(features + context[:, :, None, None])
        raw = self.head(features)
        inverse_depth = functional.softplus(raw[:, :1]) + MIN_INVERSE_DEPTH
        attention = self.attention(features).flatten(2).softmax(dim=2)
        pooled = torch.matmul(attention, features.flatten(2).transpose(1, 2)).flatten(1)
        return Prediction(
            inverse_depth, raw[:, 1:].clamp(*LOG_VARIANCE_RANGE), self.obstacle(pooled)
        )


def _position(grid: GridSpec) -> Tensor:
    """Return row and column of each cell in -1..1, (1, 2, rows, cols)."""
    rows, cols = torch.linspace(-1, 1, grid.rows), torch.linspace(-1, 1, grid.cols)
    return torch.stack(torch.meshgrid(rows, cols, indexing="ij"))[None]


def _inverse_softplus(value: float) -> float:
    return float(torch.log(torch.expm1(torch.tensor(value))))


def laplace_loss(error: Tensor, log_variance: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean Laplace negative log likelihood, a scalar.

    With scale b = exp(log_variance / 2) / sqrt(2), the variance of a Laplace distribution being
    2 b^2 (Kendall and Gal 2017, equation 8, with absolute instead of squared error).

    Args:
        error: any shape.
        log_variance: of that shape.
        weight: of that shape, 0 where the error is unknown.
    """
    log_scale = 0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE) - 0.5 * math.log(2)
    loss = error.abs() * torch.exp(-log_scale) + log_scale
    return (weight * loss).sum() / weight.sum().clamp(min=1.0)


def grid_loss(prediction: Prediction, target: Tensor, confidence: Tensor) -> Tensor:
    """Return the loss of the inverse-depth grid over its known cells, a scalar.

    Args:
        prediction: of a batch.
        target: (B, 1, rows, cols), 1/m, NaN where unknown.
        confidence: (B, 1, rows, cols), 0 where unknown.
    """
    known = torch.isfinite(target)
    error = prediction.inverse_depth - torch.where(known, target, 0.0)
    return laplace_loss(error, prediction.log_variance, torch.where(known, confidence, 0.0))


def obstacle_loss(prediction: Prediction, obstacle_m: Tensor) -> Tensor:
    """Return the loss of the obstacle distance, on its logarithm, a scalar.

    Args:
        prediction: of a batch.
        obstacle_m: (B,), NaN where unknown.
    """
    known = torch.isfinite(obstacle_m)
    error = prediction.obstacle[:, 0] - torch.where(known, obstacle_m, 1.0).log()
    return laplace_loss(error, prediction.obstacle[:, 1], known.to(error.dtype))
