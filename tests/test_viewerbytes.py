"""The short cut to Foxglove's messages: its bytes read as the messages that it stands for."""

import numpy as np
import pytest
from test_flightlog import vehicle

from drone import viewerbytes
from drone.viewermessages import _message_class, jpeg_image, pose_in_frame, raw_image

TIMES_NS = (0, 5, 127, 128, 10**9, 1_767_225_600 * 10**9 + 999_999_999, (2**32 - 1) * 10**9)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 300), dtype=np.uint8)


@pytest.mark.parametrize("time_ns", TIMES_NS)
def test_bytes_read_as_the_viewers_own_messages(time_ns):
    state = vehicle(1, 2)
    for name, ours, theirs in (
        ("RawImage", viewerbytes.raw_image(IMAGE, time_ns), raw_image(IMAGE, time_ns)),
        (
            "CompressedImage",
            viewerbytes.jpeg_image(IMAGE, time_ns, 90),
            jpeg_image(IMAGE, time_ns, 90),
        ),
        (
            "PoseInFrame",
            viewerbytes.pose_in_frame(state, time_ns),
            pose_in_frame(state, time_ns),
        ),
    ):
        read = _message_class(name).FromString
        assert read(ours).SerializeToString() == read(theirs.encode()).SerializeToString()


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 3), np.uint8)])
def test_only_grey_images_are_taken(image):
    with pytest.raises(ValueError, match="uint8"):
        viewerbytes.raw_image(image, 0)
