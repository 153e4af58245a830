"""Foxglove's messages of every tick, as the bytes of the file: images and poses.

In come an image or a vehicle state and a log time, out come protobuf bytes that read as what
Foxglove's own classes make, in a fraction of the time: but for the image itself they are short.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache

import cv2
import numpy as np

from drone.clock import NS_PER_S
from drone.messages import Image, VehicleState
from drone.protoschema import varint
from drone.viewermessages import CAMERA_FRAME, WORLD_FRAME

_FIXED = struct.Struct("<BI")
_POSE = struct.Struct("<4B Bd Bd Bd 2B Bd Bd Bd Bd".replace(" ", ""))
_VECTOR_BYTES, _QUATERNION_BYTES = 27, 36
_LENGTHS = (2 + _VECTOR_BYTES + 2 + _QUATERNION_BYTES, _VECTOR_BYTES, _QUATERNION_BYTES)


def raw_image(image: Image, log_time_ns: int) -> bytes:
    """Return a grey image as an encoded RawImage.

    Raises:
        ValueError: not (H, W) uint8.
    """
    _check(image)
    pixels = np.ascontiguousarray(image).data
    return b"".join((_stamp(log_time_ns), _raw_frame(*image.shape), pixels))


def jpeg_image(image: Image, log_time_ns: int, quality: int) -> bytes:
    """Return a grey image as an encoded CompressedImage: smaller, and no longer exact.

    Raises:
        ValueError: not (H, W) uint8.
    """
    _check(image)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    tail = _text(3, "jpeg") + _text(4, CAMERA_FRAME)
    return b"".join((_stamp(log_time_ns), b"\x12", varint(len(data)), data.tobytes(), tail))


def pose_in_frame(vehicle: VehicleState, log_time_ns: int) -> bytes:
    """Return the vehicle's position and attitude, unturned, as an encoded PoseInFrame."""
    w, x, y, z = vehicle.attitude
    north, east, down = vehicle.position_m
    pose, position, orientation = _LENGTHS
    body = _POSE.pack(
        *(0x1A, pose, 0x0A, position, 0x09, north, 0x11, east, 0x19, down),
        *(0x12, orientation, 0x09, x, 0x11, y, 0x19, z, 0x21, w),
    )
    return _stamp(log_time_ns) + _text(2, WORLD_FRAME) + body


def _check(image: Image) -> None:
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"an image must be (H, W) uint8, not {image.shape} {image.dtype}")


@cache
def _raw_frame(height: int, width: int) -> bytes:
    """Return what stands between the time and the pixels."""
    size = (_FIXED.pack(0x15, width), _FIXED.pack(0x1D, height), _text(4, "mono8"))
    rest = (_FIXED.pack(0x2D, width), _text(7, CAMERA_FRAME), b"\x32" + varint(height * width))
    return b"".join((*size, *rest))


@cache
def _text(number: int, text: str) -> bytes:
    data = text.encode()
    return bytes([number << 3 | 2]) + varint(len(data)) + data


@lru_cache(maxsize=8)
def _stamp(log_time_ns: int) -> bytes:
    """Return the field `timestamp`; its two numbers always take five bytes, which saves time."""
    s, n = divmod(log_time_ns, NS_PER_S)
    return bytes(
        (
            *(0x0A, 12, 0x08, s & 127 | 128, s >> 7 & 127 | 128, s >> 14 & 127 | 128),
            *(s >> 21 & 127 | 128, s >> 28, 0x10, n & 127 | 128, n >> 7 & 127 | 128),
            *(n >> 14 & 127 | 128, n >> 21 & 127 | 128, n >> 28),
        )
    )
