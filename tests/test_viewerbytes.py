"""The short cut to Foxglove's messages: its bytes read as the messages that it stands for."""

import cv2
import numpy as np
import pytest
from foxglove import messages as viewer
from test_flightlog import vehicle

from drone import viewerbytes
from drone.viewermessages import CAMERA_FRAME, WORLD_FRAME, _message_class

TIMES_NS = (0, 5, 127, 128, 10**9, 1_767_225_600 * 10**9 + 999_999_999, (2**32 - 1) * 10**9)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 300), dtype=np.uint8)


def stamp(time_ns):
    return viewer.Timestamp(sec=time_ns // 10**9, nsec=time_ns % 10**9)


def raw_image(time_ns):
    height, width = IMAGE.shape
    return viewer.RawImage(
        timestamp=stamp(time_ns),
        frame_id=CAMERA_FRAME,
        width=width,
        height=height,
        encoding="mono8",
        step=width,
        data=IMAGE.tobytes(),
    )


def jpeg_image(time_ns):
    _, data = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return viewer.CompressedImage(
        timestamp=stamp(time_ns), frame_id=CAMERA_FRAME, format="jpeg", data=data.tobytes()
    )


def pose_in_frame(state, time_ns):
    w, x, y, z = state.attitude
    north, east, down = state.position_m
    return viewer.PoseInFrame(
        timestamp=stamp(time_ns),
        frame_id=WORLD_FRAME,
        pose=viewer.Pose(
            position=viewer.Vector3(x=north, y=east, z=down),
            orientation=viewer.Quaternion(x=x, y=y, z=z, w=w),
        ),
    )


@pytest.mark.parametrize("time_ns", TIMES_NS)
def test_bytes_read_as_the_viewers_own_messages(time_ns):
    state = vehicle(1, 2)
    for ours, theirs in (
        (viewerbytes.raw_image(IMAGE, time_ns), raw_image(time_ns)),
        (viewerbytes.jpeg_image(IMAGE, time_ns, 90), jpeg_image(time_ns)),
        (viewerbytes.pose_in_frame(state, time_ns), pose_in_frame(state, time_ns)),
    ):
        read = _message_class(type(theirs).__name__).FromString
        assert read(ours).SerializeToString() == read(theirs.encode()).SerializeToString()


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 3), np.uint8)])
def test_only_grey_images_are_taken(image):
    with pytest.raises(ValueError, match="uint8"):
        viewerbytes.raw_image(image, 0)
