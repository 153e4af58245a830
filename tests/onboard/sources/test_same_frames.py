"""The same real flight as a film, a folder and a bag gives the very same rectified frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planes import write_film, write_images

from drone.messages import Image
from drone.onboard.camera import FrameSource
from drone.onboard.euroc import open_euroc
from drone.onboard.sources.images import ImagePairs, read_grey
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.runfolder import resolve_input

COUNT = 5
Pair = tuple[int, Image, Image]


def film(pairs: list[Pair], path: Path) -> Path:
    return write_film(path / "flight.avi", (np.hstack([a, b]) for _, a, b in pairs))


def folder(pairs: list[Pair], path: Path) -> Path:
    names = [f"{stamp}.png" for stamp, _, _ in pairs]
    write_images(path / "left", names, (left for _, left, _ in pairs))
    write_images(path / "right", names, (right for _, _, right in pairs))
    return path


def bag(pairs: list[Pair], path: Path) -> Path:
    pytest.importorskip("rosbags", reason="bags need the extra `bags`")
    from test_bag import Ros, raw, write

    ros, encode = Ros(one=True), raw("mono8")
    messages = [
        (f"/cam{eye}/image_raw", stamp, *encode(ros, ros.header(stamp), images[eye]))
        for stamp, *images in pairs
        for eye in (0, 1)
    ]
    return write(path / "flight.bag", ros, messages)


@pytest.mark.parametrize("make", [film, folder, bag])
def test_same_frames(real_data: Path, tmp_path: Path, make: object) -> None:
    flight = real_data / "euroc_v1_01_sparse"
    euroc = open_euroc(flight)
    assert isinstance(euroc.reader, ImagePairs)
    pairs = [
        (left.stamp_ns, read_grey(left.path), read_grey(right.path))
        for left, right in euroc.reader.shots[:COUNT]
    ]
    path = make(pairs, tmp_path)  # type: ignore[operator]
    options = SourceOptions(calibration=flight / "mav0")
    source: FrameSource = open_source(resolve_input(str(path)), options)
    assert len(source) == COUNT
    for ours, theirs in zip(source.samples(), euroc.samples(), strict=False):
        assert np.array_equal(ours.frame.left, theirs.frame.left)  # type: ignore[arg-type]
        assert np.array_equal(ours.frame.right, theirs.frame.right)  # type: ignore[arg-type]
        if make is not film:
            assert ours.frame.stamp_ns == theirs.frame.stamp_ns
