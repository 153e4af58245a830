"""A reader that knows only Foxglove's own schemas finds images, calibration and poses in a log."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from reportlog import Script, write_log

from drone import topics
from drone.flightlog import FlightLog
from drone.geometry import rotation_from_quaternion
from drone.messages import Tick

pytest.importorskip("foxglove_schemas_protobuf", reason="a development dependency")

from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage

GOLDEN = Path(__file__).parent / "golden" / "golden.mcap"
KNOWN = {
    cls.DESCRIPTOR.full_name: cls
    for cls in (CameraCalibration, CompressedImage, PoseInFrame, RawImage)
}


def foreign(path: Path) -> dict[str, list[tuple[int, object]]]:
    """Return what such a reader understands: topic to log time, ns, and message."""
    found: dict[str, list[tuple[int, object]]] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            if schema is not None and schema.name in KNOWN:
                assert (schema.encoding, channel.message_encoding) == ("protobuf", "protobuf")
                decoded = KNOWN[schema.name].FromString(message.data)
                found.setdefault(channel.topic, []).append((message.log_time, decoded))
    return found


@pytest.fixture(scope="module")
def seen():
    return foreign(GOLDEN)


def ticks(path=GOLDEN):
    return [m for _, m in FlightLog(path).records() if isinstance(m, Tick)]


def test_it_understands_what_viewers_need(seen):
    assert set(seen) == {
        topics.LEFT_IMAGE,
        topics.RIGHT_IMAGE,
        topics.LEFT_CALIBRATION,
        topics.RIGHT_CALIBRATION,
        topics.POSE,
    }


@pytest.mark.parametrize(
    ("topic", "eye"), [(topics.LEFT_IMAGE, "left"), (topics.RIGHT_IMAGE, "right")]
)
def test_images_are_the_pixels_that_the_pilot_saw(seen, topic, eye):
    offset_ns = FlightLog(GOLDEN).header.utc_offset_ns
    frames = [t.frame for t in ticks() if t.frame is not None and getattr(t.frame, eye) is not None]
    assert len(seen[topic]) == len(frames) > 100
    for (time_ns, image), frame in zip(seen[topic], frames, strict=True):
        assert image.encoding == "mono8"
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        assert np.array_equal(pixels, getattr(frame, eye))
        assert time_ns == frame.stamp_ns + offset_ns
        assert image.timestamp.ToNanoseconds() == time_ns


def test_calibrations_project_as_ours_do(seen):
    calibration = FlightLog(GOLDEN).header.calibration
    camera = calibration.left
    eyes = ((topics.LEFT_CALIBRATION, 0.0), (topics.RIGHT_CALIBRATION, -calibration.baseline_m))
    for topic, aside_m in eyes:
        ((_, eye),) = seen[topic]
        assert (eye.width, eye.height) == (camera.width, camera.height)
        point = np.array([0.3, -0.2, 2.0, 1.0])
        u, v, w = np.array(eye.P).reshape(3, 4) @ point
        x, y, z = point[0] + aside_m, point[1], point[2]
        assert u / w == pytest.approx(camera.fx * x / z + camera.cx)
        assert v / w == pytest.approx(camera.fy * y / z + camera.cy)
        assert np.array_equal(np.array(eye.R).reshape(3, 3), np.eye(3))
        assert eye.D == [0.0] * 5


def test_poses_are_the_vehicle_states(seen):
    states = [t.vehicle for t in ticks() if t.vehicle is not None]
    assert len(seen[topics.POSE]) == len(states) > 100
    for (_, pose), state in zip(seen[topics.POSE], states, strict=True):
        assert pose.frame_id == "ned"
        place, turn = pose.pose.position, pose.pose.orientation
        assert (place.x, place.y, place.z) == state.position_m
        told = rotation_from_quaternion((turn.w, turn.x, turn.y, turn.z))
        assert np.allclose(told, rotation_from_quaternion(state.attitude))
        assert math.isclose(np.linalg.det(told), 1.0)


def test_jpeg_images_are_understood_too(tmp_path):
    path = write_log(tmp_path / "flight.mcap", Script(end_s=1.0), jpeg_quality=95)
    seen = foreign(path)
    images = [image for _, image in seen[topics.LEFT_IMAGE]]
    assert len(images) == 11
    for k, image in enumerate(images):
        assert image.format == "jpeg"
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert abs(int(pixels.mean()) - (10 + k)) <= 1
