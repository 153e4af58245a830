"""Synthetic recordings with a known answer: a textured wall, square to the camera."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from drone.messages import Image
from drone.onboard.camera import FrameSource
from drone.onboard.sources.options import RectifiedPair

WIDTH_PX, HEIGHT_PX = 128, 96
DISPARITY_PX = 8
RECTIFIED = RectifiedPair(focal_px=100.0, baseline_m=0.1)
DEPTH_M = 100.0 * 0.1 / DISPARITY_PX


def wall(count: int = 4, seed: int = 0) -> list[tuple[Image, Image]]:
    """Left and right images of a wall at `DEPTH_M` that passes by."""
    rng = np.random.default_rng(seed)
    width = WIDTH_PX + DISPARITY_PX + 4 * count
    noise = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT_PX, width)).astype(np.float32), (0, 0), 1)
    texture = np.clip(128 + 3 * (noise - 128), 0, 255).astype(np.uint8)
    return [
        (texture[:, x : x + WIDTH_PX].copy(), texture[:, x + DISPARITY_PX :][:, :WIDTH_PX].copy())
        for x in range(0, 4 * count, 4)
    ]


def disparity_px(left: Image, right: Image) -> float:
    """Median disparity of a rectified pair, NaN where nothing matches."""
    matcher = cv2.StereoSGBM.create(0, 32, 5, 200, 800, disp12MaxDiff=1)
    found = matcher.compute(left, right)[:, 32:] / 16
    return float(np.median(found[found > 0])) if (found > 0).any() else float("nan")


def depths_m(source: FrameSource) -> list[float]:
    """Median depth of every frame, by matching it."""
    depths = []
    for sample in source.samples():
        left, right = sample.frame.left, sample.frame.right
        assert left is not None
        assert right is not None
        assert left.shape == (source.calibration.left.height, source.calibration.left.width)
        depths.append(source.calibration.disparity_metres / disparity_px(left, right))
    return depths


def stamps_s(source: FrameSource) -> list[float]:
    return [sample.frame.stamp_ns / 1e9 for sample in source.samples()]


def write_images(folder: Path, names: Iterable[str], images: Iterable[Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, images, strict=True):
        assert cv2.imwrite(str(folder / name), image)


def write_film(
    path: Path, pictures: Iterable[Image], rate_hz: float = 10.0, codec: str = "FFV1"
) -> Path:
    """A film, by default lossless, of grey pictures written as BGR."""
    writer: cv2.VideoWriter | None = None
    for picture in pictures:
        if writer is None:
            fourcc = cv2.VideoWriter.fourcc(*codec)
            writer = cv2.VideoWriter(str(path), fourcc, rate_hz, picture.shape[::-1])
            assert writer.isOpened()
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    assert writer is not None
    writer.release()
    return path
