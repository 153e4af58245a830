from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from planes import DEPTH_M, HEIGHT_PX, RECTIFIED, WIDTH_PX, depths_m, stamps_s, wall

from drone.errors import UserError
from drone.geometry import euler_from_quaternion
from drone.messages import Image
from drone.onboard.camera import FrameSource
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import SourceOptions
from drone.runfolder import InputKind, resolve_input

rosbags = pytest.importorskip("rosbags", reason="bags need the extra `bags`")

from rosbags.rosbag1 import Writer as Writer1  # noqa: E402
from rosbags.rosbag2 import StoragePlugin  # noqa: E402
from rosbags.rosbag2 import Writer as Writer2  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
PAIRS = wall(6)
Encode = Callable[["Ros", Any, Image], tuple[str, Any]]


@dataclass
class Ros:
    """Messages of one ROS, as a bag's writer wants them."""

    one: bool

    def __post_init__(self) -> None:
        self.store = get_typestore(Stores.ROS1_NOETIC if self.one else Stores.ROS2_HUMBLE)

    def make(self, kind: str, **fields: Any) -> Any:
        return self.store.types[kind](**fields)

    def header(self, stamp_ns: int) -> Any:
        sec, nsec = divmod(stamp_ns, 1_000_000_000)
        stamp = self.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nsec)
        seq = {"seq": 0} if self.one else {}
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id="", **seq)

    def data(self, message: Any, kind: str) -> bytes:
        serialize = self.store.serialize_ros1 if self.one else self.store.serialize_cdr
        return bytes(serialize(message, kind))


def raw(encoding: str) -> Encode:
    def encode(ros: Ros, header: Any, image: Image) -> tuple[str, Any]:
        picture: np.ndarray[Any, Any] = image
        if encoding in ("bgr8", "rgb8"):
            picture = np.repeat(image[..., None], 3, axis=-1)
        elif encoding == "mono16":
            picture = image.astype("<u2") * 256
        data = picture.reshape(picture.shape[0], -1).view(np.uint8)
        step = data.shape[1] + 8  # rows may be padded
        padded = np.pad(data, ((0, 0), (0, 8)))
        fields = {"height": image.shape[0], "width": image.shape[1], "encoding": encoding}
        kind = "sensor_msgs/msg/Image"
        rest = {"is_bigendian": 0, "step": step, "data": padded.ravel()}
        return kind, ros.make(kind, header=header, **fields, **rest)

    return encode


def png(ros: Ros, header: Any, image: Image) -> tuple[str, Any]:
    kind = "sensor_msgs/msg/CompressedImage"
    data = cv2.imencode(".png", image)[1]
    return kind, ros.make(kind, header=header, format="png", data=data)


def camera_info(ros: Ros, header: Any, shift: float) -> tuple[str, Any]:
    kind = "sensor_msgs/msg/CameraInfo"
    k = np.array([100.0, 0, 63.5, 0, 100, 47.5, 0, 0, 1])
    p = np.array([100.0, 0, 63.5, shift, 0, 100, 47.5, 0, 0, 0, 1, 0])
    names = "DKRP" if ros.one else "dkrp"
    matrices = dict(zip(names, (np.zeros(5), k, np.eye(3).ravel(), p), strict=True))
    roi = ros.make(
        "sensor_msgs/msg/RegionOfInterest",
        **{"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    )
    size = {"height": HEIGHT_PX, "width": WIDTH_PX, "distortion_model": "plumb_bob"}
    rest = {"binning_x": 0, "binning_y": 0, "roi": roi}
    return kind, ros.make(kind, header=header, **size, **matrices, **rest)


def odometry(ros: Ros, header: Any, i: int) -> tuple[str, Any]:
    """0.1 m ahead (x) and 0.2 m to the left (y) a frame, turning left (about z, up)."""
    kind = "geometry_msgs/msg/PoseStamped"
    point = ros.make("geometry_msgs/msg/Point", x=0.1 * i, y=0.2 * i, z=1.0)
    half = math.radians(3) * i / 2
    turn = ros.make(
        "geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=math.sin(half), w=math.cos(half)
    )
    pose = ros.make("geometry_msgs/msg/Pose", position=point, orientation=turn)
    return kind, ros.make(kind, header=header, pose=pose)


Message = tuple[str, int, str, Any]


def content(
    ros: Ros,
    encode: Encode = png,
    topics: tuple[str, str] = ("/cam/left/image_raw", "/cam/right/image_raw"),
    late_ns: int = 200_000,
) -> list[Message]:
    """Topic, stamp, type and message of a short recording; the right eye is a little late."""
    found: list[Message] = []
    for i, pair in enumerate(PAIRS):
        for eye, topic in enumerate(topics):
            stamp = START_NS + i * STEP_NS + eye * late_ns
            found.append((topic, stamp, *encode(ros, ros.header(stamp), pair[eye])))
            info = f"{topic.rpartition('/')[0]}/camera_info"
            found.append((info, stamp, *camera_info(ros, ros.header(stamp), -10.0 * eye)))
        stamp = START_NS + i * STEP_NS + 20_000_000
        found.append(("/pose", stamp, *odometry(ros, ros.header(stamp), i)))
    return found


def write(path: Path, ros: Ros, messages: list[Message], plugin: Any = None) -> Path:
    if ros.one:
        writer: Any = Writer1(path)
    else:
        writer = Writer2(path, version=9, storage_plugin=plugin or StoragePlugin.SQLITE3)
    with writer:
        connections: dict[str, Any] = {}
        for topic, stamp_ns, kind, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ros.store)
            writer.write(connections[topic], stamp_ns, ros.data(message, kind))
    return path


def read(path: Path, **options: Any) -> FrameSource:
    found = resolve_input(str(path))
    assert found.kind is InputKind.BAG
    return open_source(found, SourceOptions(**options))


@pytest.fixture
def ros2() -> Ros:
    return Ros(one=False)


@pytest.mark.parametrize("kind", ["ros1", "sqlite", "mcap"])
def test_every_kind_of_bag(tmp_path: Path, kind: str) -> None:
    ros = Ros(one=kind == "ros1")
    plugin = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
    path = write(tmp_path / ("flight.bag" if ros.one else "flight"), ros, content(ros), plugin)
    source = read(path)
    for _ in range(2):
        assert depths_m(source) == pytest.approx([DEPTH_M] * 6, rel=0.01)
    assert stamps_s(source) == pytest.approx([0.1 * i for i in range(6)])
    assert source.utc_offset_ns == START_NS
    assert source.calibration.baseline_m == pytest.approx(0.1)
    assert source.notes == ()


@pytest.mark.parametrize("encoding", ["mono8", "8UC1", "bgr8", "rgb8", "mono16", "png"])
def test_every_encoding(tmp_path: Path, ros2: Ros, encoding: str) -> None:
    encode = png if encoding == "png" else raw(encoding)
    path = write(tmp_path / "flight", ros2, content(ros2, encode))
    for sample, (left, _) in zip(read(path).samples(), PAIRS, strict=True):
        assert sample.frame.left is not None
        assert np.abs(sample.frame.left.astype(int) - left.astype(int))[4:-4, 4:-4].mean() < 8
    assert depths_m(read(path)) == pytest.approx([DEPTH_M] * 6, rel=0.01)


def test_a_single_file_of_a_bag(tmp_path: Path, ros2: Ros) -> None:
    folder = write(tmp_path / "flight", ros2, content(ros2), StoragePlugin.MCAP)
    (file,) = folder.glob("*.mcap")
    assert depths_m(read(file)) == pytest.approx([DEPTH_M] * 6, rel=0.01)


def test_a_pose_of_ros_becomes_ned_and_frd(tmp_path: Path, ros2: Ros) -> None:
    source = read(write(tmp_path / "flight", ros2, content(ros2)))
    states = [sample.vehicle for sample in source.samples()]
    for i, state in enumerate(states):  # the pose 20 ms after each image is the nearest
        assert state is not None
        assert state.position_m == pytest.approx((0.1 * i, -0.2 * i, -1.0))
        assert state.velocity_mps == pytest.approx((1.0, -2.0, 0.0))
        assert euler_from_quaternion(state.attitude) == pytest.approx((0, 0, -math.radians(3) * i))


def test_topics_can_be_named(tmp_path: Path, ros2: Ros) -> None:
    topics = ("/a/picture", "/b/picture")
    path = write(tmp_path / "flight", ros2, content(ros2, topics=topics))
    with pytest.raises(UserError, match=r"--topics LEFT,RIGHT; image topics there: /a/picture, /b"):
        read(path)
    assert len(read(path, topics=topics)) == 6
    assert depths_m(read(path, topics=topics, rectified=RECTIFIED)) == pytest.approx(
        [DEPTH_M] * 6, rel=0.01
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topics": ("/x", "/y")}, r"no image topic '/x'; image topics there: /cam/left/image_raw"),
        ({"topics": ("/cam/left/image_raw",) * 2}, "for both eyes"),
        ({"pose_topic": "/odom"}, r"no pose topic '/odom'; pose topics there: /pose"),
        ({"topics": ("/cam/right/image_raw", "/cam/left/image_raw")}, "left eye's file first"),
        (
            {
                "topics": ("/cam/right/image_raw", "/cam/left/image_raw"),
                "rectified": RECTIFIED,
            },
            "left and right look swapped",
        ),
    ],
)
def test_wrong_topics_are_named_with_those_that_are_there(
    tmp_path: Path, ros2: Ros, options: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "flight", ros2, content(ros2))
    with pytest.raises(UserError, match=message):
        read(path, **options)


def test_a_bag_without_calibration_says_what_is_needed(tmp_path: Path, ros2: Ros) -> None:
    messages = [m for m in content(ros2) if not m[0].endswith("camera_info")]
    path = write(tmp_path / "flight", ros2, messages)
    with pytest.raises(UserError, match="does not say how its cameras see; right is --calibration"):
        read(path)
    assert len(read(path, rectified=RECTIFIED)) == 6


def test_eyes_out_of_sync_make_no_pair(tmp_path: Path, ros2: Ros) -> None:
    path = write(tmp_path / "flight", ros2, content(ros2, late_ns=30_000_000))
    with pytest.raises(UserError, match=r"\(6\) has a partner in .* must be equal to 5 ms"):
        read(path)


def test_images_without_a_partner_are_left_out_and_counted(tmp_path: Path, ros2: Ros) -> None:
    messages = content(ros2)
    lefts = [m for m in messages if m[0] == "/cam/left/image_raw"]
    messages.remove(lefts[2])
    source = read(write(tmp_path / "flight", ros2, messages))
    assert stamps_s(source) == pytest.approx([0, 0.1, 0.3, 0.4, 0.5])
    assert "1 images without a partner are left out" in source.notes[0]


def test_stamps_that_run_backwards_are_refused(tmp_path: Path, ros2: Ros) -> None:
    messages = content(ros2)
    lefts = [i for i, m in enumerate(messages) if m[0] == "/cam/left/image_raw"]
    a, b = lefts[1], lefts[3]
    (_, ta, *_), (_, tb, *_) = messages[a], messages[b]
    messages[a], messages[b] = (
        (messages[b][0], ta, *messages[b][2:]),
        (messages[a][0], tb, *messages[a][2:]),
    )
    with pytest.raises(UserError, match=r"/cam/left/image_raw: stamp \d+ follows \d+; stamps must"):
        read(write(tmp_path / "flight", ros2, messages))


def test_an_encoding_that_is_not_known_is_named(tmp_path: Path, ros2: Ros) -> None:
    path = write(tmp_path / "flight", ros2, content(ros2, raw("yuv422")))
    with pytest.raises(UserError, match=r"left/image_raw: encoding 'yuv422'; supported are mono8"):
        read(path)


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flight.bag").write_bytes(b"#ROSBAG V2.0\n" + b"\0" * 50)
    with pytest.raises(UserError, match=r"flight\.bag: cannot be read as a bag"):
        read(tmp_path / "flight.bag")


def test_a_cut_bag_is_refused_or_ends_early(tmp_path: Path) -> None:
    ros = Ros(one=True)
    path = write(tmp_path / "flight.bag", ros, content(ros))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"flight\.bag: "):
        read(path)


def test_without_rosbags_the_extra_is_named(
    tmp_path: Path, ros2: Ros, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "flight", ros2, content(ros2))
    monkeypatch.setitem(__import__("sys").modules, "rosbags.highlevel", None)
    with pytest.raises(UserError, match=r"pip install 'drone\[bags\]'"):
        read(path)
