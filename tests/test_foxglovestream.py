"""What Foxglove is told of a flight while it goes on, by a client that knows only its protocol."""

import argparse
import contextlib
import json
import math
import socket
import struct
import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("websockets", reason="needs the extra web")
pytest.importorskip("foxglove_schemas_protobuf", reason="a development dependency")

from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from reportlog import Script, decision_at, header_of
from websockets.sync.client import connect

from drone import cli, logchannels, topics
from drone.clock import ns_from_s
from drone.commands.watching import add_web_options, foxglove_port
from drone.config import loads
from drone.errors import UserError
from drone.flightlog import FlightLog, FlightLogWriter
from drone.foxglovestream import MOST_WAITING, FoxgloveStream, StreamedLogWriter
from drone.messages import StereoFrame, Tick, VehicleState
from drone.web.feed import Watched

HEADER = header_of(Script())
PATIENCE_S = 120.0
VIEWED = {
    topics.LEFT_IMAGE: ("foxglove.RawImage", RawImage),
    topics.RIGHT_IMAGE: ("foxglove.RawImage", RawImage),
    topics.LEFT_CALIBRATION: ("foxglove.CameraCalibration", CameraCalibration),
    topics.RIGHT_CALIBRATION: ("foxglove.CameraCalibration", CameraCalibration),
    topics.POSE: ("foxglove.PoseInFrame", PoseInFrame),
}


def tick(k):
    now_ns = ns_from_s(0.1 * k)
    image = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32) + np.uint8(k)
    vehicle = VehicleState(k, now_ns, True, (k, 2.0, -1.0), (0.0,) * 3, (1.0, 0.0, 0.0, 0.0))
    return Tick(k, now_ns, True, True, StereoFrame(k, now_ns, True, image, image + 1), vehicle)


class Viewer:
    """A client: finds channels, subscribes, and takes messages."""

    def __init__(self, stream):
        self._open = contextlib.ExitStack()
        socket = connect(stream.url, subprotocols=["foxglove.sdk.v1"], close_timeout=0.2)
        self._socket = self._open.enter_context(socket)
        assert self._socket.subprotocol == "foxglove.sdk.v1"
        self.info = json.loads(self._socket.recv(PATIENCE_S))
        self.channels = {}
        self._topics = {}

    def find(self, names):
        """Wait until all these are offered."""
        while not names <= set(self.channels):
            self._text(json.loads(self._socket.recv(PATIENCE_S)))

    def subscribe(self, names):
        self.find(set(names))
        ids = {self.channels[name]["id"]: name for name in names}
        self._topics |= ids
        wishes = [{"id": number, "channelId": number} for number in ids]
        self._socket.send(json.dumps({"op": "subscribe", "subscriptions": wishes}))

    def take(self):
        """Return topic, log time and payload of the next message."""
        while True:
            data = self._socket.recv(PATIENCE_S)
            if isinstance(data, bytes):
                kind, number, time_ns = struct.unpack_from("<BIQ", data)
                assert kind == 1
                return self._topics[number], time_ns, data[13:]
            self._text(json.loads(data))

    def take_until(self, names):
        """Return the latest message of each topic, once all have come."""
        found = {}
        while set(found) < set(names):
            name, time_ns, data = self.take()
            found[name] = (time_ns, data)
        return found

    def _text(self, message):
        if message["op"] == "advertise":
            self.channels |= {c["topic"]: c for c in message["channels"]}

    def close(self):
        self._open.close()


class Flight:
    """Goes on telling ticks until it is stopped, so that no test need know when a viewer is in."""

    def __init__(self, log):
        self._log, self._going = log, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._going.set()
        self._thread.start()

    def _run(self):
        k = 0
        while self._going.is_set():
            self._log.write_tick(tick(k % 200))
            self._log.write(topics.DECISION, replace(decision_at(k % 200, Script()), seq=k))
            k += 1
            threading.Event().wait(0.002)

    def stop(self):
        self._going.clear()
        self._thread.join()


@pytest.fixture
def stream():
    stream = FoxgloveStream(0)
    yield stream
    stream.close()


@pytest.fixture
def flight(stream):
    stream.begin(HEADER)
    flight = Flight(stream)
    yield flight
    flight.stop()


@pytest.fixture
def viewer(stream, flight):
    viewer = Viewer(stream)
    yield viewer
    viewer.close()


def test_foxgloves_own_schemas_are_offered(viewer):
    viewer.find({*VIEWED, topics.DECISION.name})
    for topic, (schema, _) in VIEWED.items():
        channel = viewer.channels[topic]
        told = (channel["schemaName"], channel["encoding"], channel["schemaEncoding"])
        assert told == (schema, "protobuf", "protobuf")
    assert viewer.channels[topics.DECISION.name]["schemaName"] == "drone.Decision"
    assert viewer.info["capabilities"] == [], "nothing can be asked of the flight"


def test_image_calibration_and_pose_are_decoded_by_a_viewer_who_comes_late(viewer):
    viewer.subscribe(list(VIEWED))
    seen = viewer.take_until(VIEWED)
    time_ns, data = seen[topics.LEFT_IMAGE]
    image = RawImage.FromString(data)
    k = round((time_ns - HEADER.utc_offset_ns) / 1e8)
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width)
    assert np.array_equal(pixels, tick(k).frame.left)
    eye = CameraCalibration.FromString(seen[topics.RIGHT_CALIBRATION][1])
    camera = HEADER.calibration
    assert eye.K[0] == camera.left.fx
    assert eye.P[3] == pytest.approx(-camera.left.fx * camera.baseline_m)
    time_ns, data = seen[topics.POSE]
    pose = PoseInFrame.FromString(data)
    k = round((time_ns - HEADER.utc_offset_ns) / 1e8)
    place = pose.pose.position
    assert (place.x, place.y, place.z) == tick(k).vehicle.position_m


def test_who_is_slow_holds_up_nobody(stream, flight, viewer):
    slow = Viewer(stream)
    slow.subscribe(list(VIEWED))
    viewer.subscribe([topics.TICK.name])
    for _ in range(2 * MOST_WAITING):
        assert viewer.take()[0] == topics.TICK.name
    slow.close()


def test_what_nobody_watches_is_not_encoded(stream, monkeypatch):
    def fail(*_):
        raise AssertionError("encoded for nobody")

    monkeypatch.setattr(logchannels, "raw_image", fail)
    monkeypatch.setattr(logchannels.codec, "encode", fail)
    stream.begin(HEADER)
    stream.write_tick(tick(1))
    stream.write(topics.DECISION, decision_at(1, Script()))


def test_the_log_is_the_same_with_a_stream_and_without(stream, tmp_path):
    writers = {
        "plain": FlightLogWriter(tmp_path / "plain.mcap", HEADER),
        "told": StreamedLogWriter(stream, tmp_path / "told.mcap", HEADER),
    }
    for writer in writers.values():
        with writer as log:
            for k in range(5):
                log.write_tick(tick(k))
                log.write(topics.TICK, tick(k + 5))
                log.write(topics.DECISION, decision_at(k, Script()))
    plain, told = (
        list(FlightLog(tmp_path / f"{name}.mcap").messages(topics.DECISION)) for name in writers
    )
    assert list(map(repr, plain)) == list(map(repr, told)), "NaN included"
    sizes = [(tmp_path / f"{name}.mcap").stat().st_size for name in writers]
    assert sizes[0] == sizes[1]


# Who may


def test_only_this_machine_is_served(stream):
    """Were all its addresses taken, another of them could not be had."""
    with socket.create_server(("127.0.0.2", stream.port)):
        assert stream.url == f"ws://127.0.0.1:{stream.port}"


def test_a_port_that_is_taken_says_so(stream):
    with pytest.raises(UserError, match=f"--foxglove {stream.port}: cannot listen"):
        FoxgloveStream(stream.port)


def port_of(*words):
    parser = argparse.ArgumentParser()
    add_web_options(parser)
    return foxglove_port(parser.parse_args(words))


def test_the_port():
    assert port_of() is None
    assert port_of("--foxglove") == 8765
    assert port_of("--foxglove", "0") == 0
    for wrong in ("x", "-1", "99999", "0.0.0.0"):
        with pytest.raises(UserError, match="expected a port"):
            port_of(f"--foxglove={wrong}")


def test_many_flights_are_not_streamed(capsys):
    pytest.importorskip("pybullet", reason="needs the extra sim")
    pytest.importorskip("torch", reason="needs the extra train")
    assert cli.main(["fly", "--seeds", "0-1", "--foxglove"]) == UserError.exit_code
    assert "--foxglove shows one flight" in capsys.readouterr().err


@pytest.mark.sim
def test_a_simulated_flight_is_streamed(stream, tmp_path):
    pytest.importorskip("pybullet", reason="needs the extra sim")
    pytest.importorskip("torch", reason="needs the extra train")
    from training.flight import FlightSpec, run_flight

    config = loads("[flight]\nduration_s = 3\n[learner]\nsteps_per_frame = 0\n", "here")
    flown = []
    spec = FlightSpec(config, tmp_path)
    thread = threading.Thread(
        target=lambda: flown.append(run_flight(spec, None, Watched(stream=stream)))
    )
    thread.start()
    viewer = Viewer(stream)
    try:
        viewer.subscribe([topics.LEFT_IMAGE, topics.LEFT_CALIBRATION, topics.POSE])
        seen = viewer.take_until([topics.LEFT_IMAGE, topics.LEFT_CALIBRATION, topics.POSE])
    finally:
        viewer.close()
        thread.join()
    image = RawImage.FromString(seen[topics.LEFT_IMAGE][1])
    assert (image.width, image.height) == (128, 96)
    assert math.isclose(flown[0].figures["simulated_s"], 3.0, abs_tol=0.1)
