"""Other pictures of the same scene: exposure, gamma, blur, noise, and seen in a mirror.

What is changed leaves distances as they are. Mirroring does so too, where the camera's principal
point lies in the middle of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How much is changed; each picture draws its own amounts.

    Attributes:
        gain: exposure is multiplied by up to this or its inverse.
        offset: grey levels are shifted by up to this, of 0-1.
        gamma: grey levels are raised to the power of up to this or its inverse.
        noise: greatest standard deviation of the noise added, of 0-1.
        blurred_share: of the pictures, 0-1, that a 3 x 3 window softens.
        mirrored_share: of the pictures.
    """

    gain: float = 1.25
    offset: float = 0.06
    gamma: float = 1.1
    noise: float = 0.015
    blurred_share: float = 0.1
    mirrored_share: float = 0.5

    def pictures(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return other pictures of the same scenes.

        Args:
            image: (B, 1, H, W) float32 in 0-1, on any device.
            rng: source of the amounts.
        """
        size, device = len(image), image.device
        gain = _column(self.gain ** rng.uniform(-1, 1, size), device)
        offset = _column(rng.uniform(-self.offset, self.offset, size), device)
        gamma = _column(self.gamma ** rng.uniform(-1, 1, size), device)
        levels = _column(self.noise * rng.random(size), device)
        draws = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
        noise = torch.randn(image.shape, generator=draws, device=device)
        blurred = torch.from_numpy(rng.random(size) < self.blurred_share).to(device)
        if blurred.any():
            image = image.clone()
            padded = functional.pad(image[blurred], (1, 1, 1, 1), mode="replicate")
            image[blurred] = functional.avg_pool2d(padded, 3, 1)
        image = (image.clamp(min=1e-4) ** gamma) * gain + offset + levels * noise
        return image.clamp(0, 1)

    def mirrored(self, size: int, rng: np.random.Generator) -> Tensor:
        """Return which of so many pictures are mirrored, (size,) bool."""
        return torch.from_numpy(rng.random(size) < self.mirrored_share)


IN_FLIGHT = Augmentation()
WIDE = Augmentation(gain=1.9, offset=0.1, gamma=1.4, noise=0.04, blurred_share=0.25)
"""For pre-training, on pictures whose sensor and light are none of a real flight's."""


def mirror(grids: Tensor, mirrored: Tensor) -> Tensor:
    """Return (B, ..., W) tensors, those marked in (B,) with left and right exchanged."""
    mirrored = mirrored.to(grids.device).reshape(-1, *[1] * (grids.ndim - 1))
    return torch.where(mirrored, grids.flip(-1), grids)


def _column(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).reshape(-1, 1, 1, 1).to(device)
