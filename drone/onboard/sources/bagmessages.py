"""ROS messages as this stack understands them: images, camera_info, poses.

In: deserialized messages of ROS 1 or 2, whose fields are plain attributes. ROS worlds and bodies
have z up and y left (REP 103): poses here are NED and FRD, with north where the world's x points.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drone.clock import NS_PER_S, ns_from_s
from drone.errors import UserError
from drone.geometry import Matrix
from drone.messages import Image
from drone.onboard.calibration import RawStereoCalibration
from drone.onboard.calibration_formats import from_ros
from drone.onboard.keyed import KeyedFile
from drone.onboard.sources.images import grey_from_bytes
from drone.onboard.track import Track

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POSES = (
    "nav_msgs/msg/Odometry",
    "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/PoseWithCovarianceStamped",
    "geometry_msgs/msg/TransformStamped",
)
"""Types from which a vehicle's pose can be read."""
FLIPPED: Matrix = np.diag([1.0, -1.0, -1.0])
"""(3, 3): from z up and y left to z down and y right, and back."""
POSE_TOLERANCE_NS = ns_from_s(0.05)
"""A pose farther than this from an image says nothing about it; odometry comes at 10 Hz or more."""
POSE_GAP_NS = ns_from_s(0.25)
"""Neighbouring poses farther apart than this tell no velocity."""
_GREY = {
    "bgr8": cv2.COLOR_BGR2GRAY,
    "rgb8": cv2.COLOR_RGB2GRAY,
    "bgra8": cv2.COLOR_BGRA2GRAY,
    "rgba8": cv2.COLOR_RGBA2GRAY,
}
_MONO = ("mono8", "8UC1")
ENCODINGS = (*_MONO, "mono16", *_GREY)
"""Of raw images, as they can be read."""


def stamp_ns(message: Any, received_ns: int) -> int:
    """Return the time of capture; that of recording where the message has none."""
    stamp = message.header.stamp
    nanosec = stamp.nanosec if hasattr(stamp, "nanosec") else stamp.nsec
    return int(stamp.sec) * NS_PER_S + int(nanosec) or received_ns


def image_of(message: Any, kind: str, where: str) -> Image:
    """Return an image message as grey, (H, W) uint8.

    Args:
        message: of type `IMAGE` or `COMPRESSED`.
        kind: its type.
        where: for messages.

    Raises:
        UserError: it cannot be decoded, or has an encoding that is not supported.
    """
    if kind == COMPRESSED:
        image = grey_from_bytes(bytes(message.data))
        if image is None:
            raise UserError(f"{where}: cannot be decoded ({message.format!r})")
        return image
    try:
        return _raw_image(message)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _raw_image(message: Any) -> Image:
    encoding = str(message.encoding)
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding {encoding!r}; supported are {', '.join(ENCODINGS)}")
    height, width, step = int(message.height), int(message.width), int(message.step)
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)
    if encoding in _MONO:
        return np.ascontiguousarray(rows[:, :width])
    if encoding == "mono16":
        high_byte = 0 if message.is_bigendian else 1
        return np.ascontiguousarray(rows[:, high_byte : 2 * width : 2])
    channels = 4 if encoding.endswith("a8") else 3
    picture = np.ascontiguousarray(rows[:, : channels * width]).reshape(height, width, channels)
    return np.asarray(cv2.cvtColor(picture, _GREY[encoding]), np.uint8)


def calibration_of(
    left: Any, right: Any, where: tuple[str, str], rectified: bool
) -> RawStereoCalibration:
    """Return the pair of two `camera_info` messages.

    Args:
        left: of the left eye.
        right: of the right eye; its projection holds the baseline.
        where: names of the two topics, for messages.
        rectified: the images are rectified already, so that only the projections count.

    Raises:
        UserError: the messages are no calibration of a stereo pair.
    """
    files = [
        KeyedFile(Path(name), _values(message, rectified))
        for name, message in zip(where, (left, right), strict=True)
    ]
    try:
        return from_ros(files[0], files[1])
    except ValueError as error:
        raise UserError(
            f"{where[0]} and {where[1]}: {error}; right is --calibration FILE"
        ) from error


def _values(message: Any, rectified: bool) -> dict[str, Any]:
    k, d, r, p = (
        np.asarray(getattr(message, name, getattr(message, name.upper(), ()))).tolist()
        for name in "kdrp"
    )
    if rectified:
        k, d, r = [*p[0:3], *p[4:7], *p[8:11]], [0.0] * 5, np.eye(3).ravel().tolist()
    return {
        "distortion_model": message.distortion_model or "plumb_bob",
        "image_width": int(message.width),
        "image_height": int(message.height),
        **{"K": k, "D": d or [0.0] * 5, "R": r, "P": p},
    }


def pose_of(message: Any) -> NDArray[np.float64]:
    """Return position (3, m) and quaternion (x, y, z, w) of a message of one of `POSES`, (7,)."""
    if hasattr(message, "transform"):
        position, turn = message.transform.translation, message.transform.rotation
    else:
        pose = message.pose.pose if hasattr(message.pose, "pose") else message.pose
        position, turn = pose.position, pose.orientation
    return np.array([position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w])


def track_of(stamps_ns: Sequence[int], poses: Sequence[NDArray[np.float64]]) -> Track | None:
    """Return the body's track in NED; poses without sense or order are left out.

    Args:
        stamps_ns: of the poses.
        poses: as `pose_of` returns them.
    """
    kept: list[int] = []
    for i, (t, pose) in enumerate(zip(stamps_ns, poses, strict=True)):
        sound = np.isfinite(pose).all() and abs(np.linalg.norm(pose[3:]) - 1) < 0.01
        if sound and (not kept or t > stamps_ns[kept[-1]]):
            kept.append(i)
    if not kept:
        return None
    rows = np.array([poses[i] for i in kept])
    track = Track.from_poses(
        np.array([stamps_ns[i] for i in kept], np.int64),
        rows[:, :3],
        Rotation.from_quat(rows[:, 3:]),
        gap_ns=POSE_GAP_NS,
    )
    return track.in_frames(FLIPPED, FLIPPED).reaching(POSE_TOLERANCE_NS)
