"""Foxglove's messages, which viewers open without being told: images, calibration, poses.

In comes our calibration, out come Foxglove's protobuf messages; images come back. What is written
every tick is made by `drone.viewerbytes`. Frames: both images and calibrations in `camera`, the
left eye's optical frame (the right eye's offset is in its P); poses in `ned`, positions and
attitudes unturned.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from foxglove import messages as viewer
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from drone.clock import NS_PER_S
from drone.geometry import StereoCalibration
from drone.messages import Image

CAMERA_FRAME = "camera"
WORLD_FRAME = "ned"


def image_from_raw(data: bytes) -> Image:
    """Return the (H, W) uint8 image of an encoded mono8 RawImage; it may be written to.

    Raises:
        ValueError: no RawImage, another encoding, or too few bytes.
    """
    try:
        raw = _message_class("RawImage").FromString(data)
    except DecodeError as error:
        raise ValueError(f"no RawImage: {error}") from error
    if raw.encoding != "mono8" or raw.step != raw.width:
        raise ValueError(f"an image must be mono8 without padding, not {raw.encoding!r}")
    return np.frombuffer(bytearray(raw.data), np.uint8).reshape(raw.height, raw.width)


def image_from_jpeg(data: bytes) -> Image:
    """Return the (H, W) uint8 image of an encoded CompressedImage.

    Raises:
        ValueError: no CompressedImage, or no JPEG in it.
    """
    try:
        packed = _message_class("CompressedImage").FromString(data)
    except DecodeError as error:
        raise ValueError(f"no CompressedImage: {error}") from error
    image: Image | None = None
    if packed.data:
        image = cv2.imdecode(np.frombuffer(packed.data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"a compressed image must be JPEG, not {packed.format!r}")
    return image


def camera_calibrations(
    calibration: StereoCalibration, log_time_ns: int
) -> tuple[viewer.CameraCalibration, viewer.CameraCalibration]:
    """Return the rectified left and right eye as Foxglove's CameraCalibration."""
    c = calibration.left
    left, right = (
        viewer.CameraCalibration(
            timestamp=_timestamp(log_time_ns),
            frame_id=CAMERA_FRAME,
            width=c.width,
            height=c.height,
            distortion_model="plumb_bob",
            D=[0.0] * 5,
            K=[c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0],
            R=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            P=[c.fx, 0.0, c.cx, shift, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        )
        for shift in (0.0, -calibration.disparity_metres)
    )
    return left, right


def _timestamp(log_time_ns: int) -> viewer.Timestamp:
    return viewer.Timestamp(sec=log_time_ns // NS_PER_S, nsec=log_time_ns % NS_PER_S)


@cache
def _message_class(name: str) -> Any:
    schema = getattr(viewer, name).get_schema()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(schema.data).file:
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName(schema.name)
    return message_factory.GetMessageClass(descriptor)
