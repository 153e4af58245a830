"""The monocular network: grey image in, inverse depth and its uncertainty per cell out.

A plain convolutional network with batch normalisation, which export folds away. Position enters as
two extra channels at the grid's resolution, because height in the image says much about distance in
a room, and convolutions alone cannot see where they are.
"""

from __future__ import annotations

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


class _Block(nn.Sequential):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class GridNet(nn.Module):
    """Predicts the inverse-depth grid.

    Shapes: image (B, 1, H, W) in 0-1 -> inverse depth and log variance, (B, 1, rows, cols) each.
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
        self.register_buffer("position", _position(grid), persistent=False)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
        start = [_inverse_softplus(START_INVERSE_DEPTH), -3.0]
        self.head.bias = nn.Parameter(torch.tensor(start))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return inverse depth (1/m) and its log variance, (B, 1, rows, cols) each."""
        features = self.stem(image - 0.5)
        if features.shape[-2:] != self.grid:
            features = functional.adaptive_avg_pool2d(features, self.grid)
        position = self.position.expand(features.shape[0], -1, -1, -1)
        features = self.body(torch.cat([features, position], dim=1))
        context = self.context(features.mean(dim=(2, 3)))
        features = self.tail(features + context[:, :, None, None])
        raw = self.head(features)
        inverse_depth = functional.softplus(raw[:, :1]) + MIN_INVERSE_DEPTH
        return inverse_depth, raw[:, 1:].clamp(*LOG_VARIANCE_RANGE)


def _position(grid: GridSpec) -> Tensor:
    """Return row and column of each cell in -1..1, (1, 2, rows, cols)."""
    rows, cols = torch.linspace(-1, 1, grid.rows), torch.linspace(-1, 1, grid.cols)
    return torch.stack(torch.meshgrid(rows, cols, indexing="ij"))[None]


def _inverse_softplus(value: float) -> float:
    return float(torch.log(torch.expm1(torch.tensor(value))))


def grid_loss(output: tuple[Tensor, Tensor], target: Tensor, confidence: Tensor) -> Tensor:
    """Return the mean Laplace negative log likelihood over the known cells, a scalar.

    With scale b = exp(log_variance / 2) / sqrt(2), the variance of a Laplace distribution being
    2 b^2 (Kendall and Gal 2017, equation 8, with absolute instead of squared error).

    Args:
        output: inverse depth and log variance, (B, 1, rows, cols).
        target: (B, 1, rows, cols), NaN where unknown.
        confidence: (B, 1, rows, cols), 0 where unknown.
    """
    inverse_depth, log_variance = output
    known = torch.isfinite(target)
    weight = torch.where(known, confidence, 0.0)
    error = (inverse_depth - torch.where(known, target, 0.0)).abs()
    log_scale = 0.5 * log_variance - 0.3466
    loss = error * torch.exp(-log_scale) + log_scale
    return (weight * loss).sum() / weight.sum().clamp(min=1.0)
