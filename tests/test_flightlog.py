import contextlib
import dataclasses
import json
import math
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import foxglove
import numpy as np
import pytest
from anymessage import example_of, messages_of
from bits import bits
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mcap.reader import make_reader

from drone import topics
from drone.clock import SIM_EPOCH_NS
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FORMAT_VERSION, FlightLog, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import (
    Decision,
    DistanceLabel,
    Eye,
    FlightEvent,
    HealthEvent,
    ModelVersion,
    StereoFrame,
    Tick,
    VehicleState,
)

TICK_NS = 50_000_000
CALIBRATION = StereoCalibration(
    Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06, left_in_body_m=(0.12, -0.03, 0.0)
)
HEADER = LogHeader(
    FORMAT_VERSION,
    "drone 0.1.0",
    "[flight]\nseed = 3\n",
    3,
    SIM_EPOCH_NS,
    CALIBRATION,
    '{"mode": "stereo"}',
    "sim",
    {"room": '{"length_m": 5.0}', "größe": "ü\n\0"},
)


def vehicle(seq: int, stamp_ns: int) -> VehicleState:
    return VehicleState(
        seq, stamp_ns, True, (1.0, -2.0, -1.1), (0.1, 0.0, math.nan), (0.5, 0.5, -0.5, 0.5)
    )


def ticks(count: int, seed: int = 0) -> list[Tick]:
    """A flight: a frame every second tick, now and then an eye, a model, health events."""
    rng = np.random.default_rng(seed)
    return [_tick(i, rng) for i in range(count)]


def _tick(i: int, rng: np.random.Generator) -> Tick:
    now_ns = i * TICK_NS
    left, right = rng.integers(0, 256, (2, 96, 128), dtype=np.uint8)
    frame = StereoFrame(i // 2, now_ns - 7, i % 6 != 0, left, None if i % 10 == 4 else right)
    health = tuple(
        HealthEvent(k, now_ns, True, Eye.RIGHT, "dead", k == 0) for k in range(2 * (i % 7 == 3))
    )
    model = ModelVersion(
        i, now_ns, True, rng.bytes(5000), "ab", (1, 2), (math.nan, -0.0), '{"loss": 1}'
    )
    return Tick(
        *(i, now_ns, i != 5, i % 11 != 0),
        frame=frame if i % 2 == 0 else None,
        vehicle=vehicle(i, now_ns - 3) if i % 3 else None,
        health=health,
        model=model if i % 20 == 9 else None,
    )


def write(path: Path, flight: list[Tick]) -> Path:
    with FlightLogWriter(path, HEADER) as writer:
        for tick in flight:
            writer.write_tick(tick)
    return path


@pytest.fixture(scope="module")
def flight() -> list[Tick]:
    return ticks(200)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, flight: list[Tick]) -> Path:
    return write(tmp_path_factory.mktemp("logs") / "whole.mcap", flight)


# Round trips


def test_the_header_comes_back(whole: Path) -> None:
    assert FlightLog(whole).header == HEADER


def test_every_tick_comes_back_to_the_bit(whole: Path, flight: list[Tick]) -> None:
    log = FlightLog(whole)
    assert [bits(tick) for tick in log.ticks()] == [bits(tick) for tick in flight]
    assert log.damaged is None


def test_a_pass_can_be_repeated(whole: Path) -> None:
    log = FlightLog(whole)
    assert sum(1 for _ in log.ticks()) == sum(1 for _ in log.ticks()) == 200


def test_frames_and_messages_are_views_of_the_ticks(whole: Path, flight: list[Tick]) -> None:
    log = FlightLog(whole)
    frames = [tick.frame for tick in flight if tick.frame]
    assert [bits(f) for f in log.frames()] == [bits(f) for f in frames]
    models = [tick.model for tick in flight if tick.model]
    assert [bits(m) for m in log.messages(topics.MODEL)] == [bits(m) for m in models]
    vehicles = [tick.vehicle for tick in flight if tick.vehicle]
    assert [bits(v) for v in log.messages(topics.VEHICLE)] == [bits(v) for v in vehicles]
    assert [bits(t) for t in log.messages(topics.TICK)] == [bits(t) for t in flight]


def test_figures_of_a_whole_log(whole: Path, flight: list[Tick]) -> None:
    log = FlightLog(whole)
    assert log.duration_s == pytest.approx(199 * 0.05, abs=1e-6)
    assert log.message_count is not None
    assert log.message_count > len(flight)


@st.composite
def any_tick(draw: st.DrawFn) -> Tick:
    """Ticks whose stamps a log can hold, otherwise with any bits."""
    stamps = st.integers(0, 2**60)
    image = st.none() | hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5)))
    frame = st.none() | st.builds(StereoFrame, st.integers(), stamps, st.booleans(), image, image)
    seqs = st.integers(-(2**63), 2**63 - 1)

    def dated(cls: type) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda message, stamp: dataclasses.replace(message, stamp_ns=stamp),
            messages_of(cls),
            stamps,
        )

    tick = st.builds(
        Tick,
        *(seqs, stamps, st.booleans(), st.booleans()),
        frame=st.none() | frame.map(lambda f: f and dataclasses.replace(f, seq=f.seq % 2**60)),
        vehicle=st.none() | dated(VehicleState),
        health=st.lists(dated(HealthEvent), max_size=3).map(tuple),
        model=st.none() | dated(ModelVersion),
    )
    return draw(tick)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(flight=st.lists(any_tick(), max_size=6))
def test_any_ticks_come_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, flight: list[Tick]
) -> None:
    path = write(tmp_path_factory.mktemp("any") / "a.mcap", flight)
    log = FlightLog(path)
    assert [bits(tick) for tick in log.ticks()] == [bits(tick) for tick in flight]
    assert log.damaged is None


def test_inputs_with_equal_numbers_are_not_mixed_up(tmp_path: Path) -> None:
    """Also what others write on the topics of the inputs takes no part in a tick."""
    path = tmp_path / "a.mcap"
    state = vehicle(1, 10)
    other = dataclasses.replace(state, position_m=(9.0, 9.0, 9.0))
    event = HealthEvent(1, 10, True, Eye.LEFT, "black", True)
    tick = Tick(1, 10, True, True, vehicle=state, health=(event,))
    with FlightLogWriter(path, HEADER) as writer:
        writer.write(topics.VEHICLE, other)
        writer.write(topics.HEALTH, dataclasses.replace(event, kind="white"))
        writer.write_tick(tick)
        writer.write(topics.VEHICLE, other)
        writer.write_tick(Tick(2, 20, True, True))
    found = [bits(tick) for tick in FlightLog(path).ticks()]
    assert found == [bits(tick), bits(Tick(2, 20, True, True))]


def test_records_keeps_the_order_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    event = FlightEvent(0, 5, True, "mode", "stereo")
    tick = Tick(0, 10, True, True, vehicle=vehicle(0, 10))
    late = FlightEvent(1, 7, True, "end", "")
    with FlightLogWriter(path, HEADER) as writer:
        writer.write(topics.EVENT, event)
        writer.write(topics.TICK, tick)
        writer.write(topics.EVENT, late)
    found = [(topic.name, bits(message)) for topic, message in FlightLog(path).records()]
    written = (
        (topics.EVENT, event),
        (topics.VEHICLE, tick.vehicle),
        (topics.TICK, tick),
        (topics.EVENT, late),
    )
    assert found == [(topic.name, bits(message)) for topic, message in written]


def test_an_image_may_be_a_view_and_comes_back_writable(tmp_path: Path) -> None:
    image = np.arange(96 * 128, dtype=np.uint32).astype(np.uint8).reshape(96, 128)[::2, ::-2]
    path = write(
        tmp_path / "a.mcap", [Tick(0, 0, True, True, StereoFrame(0, 0, True, image, None))]
    )
    (frame,) = FlightLog(path).frames()
    assert frame.left is not None
    np.testing.assert_array_equal(frame.left, image)
    frame.left[0, 0] = 1  # torch refuses arrays that cannot be written to


# Writing


def test_a_log_without_any_message(tmp_path: Path) -> None:
    log = FlightLog(write(tmp_path / "a.mcap", []))
    assert list(log.ticks()) == []
    assert log.damaged is None
    assert math.isnan(log.duration_s)


def test_an_early_end_leaves_a_complete_log(tmp_path: Path, flight: list[Tick]) -> None:
    path = tmp_path / "a.mcap"
    with contextlib.suppress(KeyboardInterrupt), FlightLogWriter(path, HEADER) as writer:
        writer.write_tick(flight[0])
        raise KeyboardInterrupt
    log = FlightLog(path)
    assert log.damaged is None
    assert [bits(tick) for tick in log.ticks()] == [bits(flight[0])]


def test_a_log_is_never_overwritten(whole: Path) -> None:
    before = whole.read_bytes()
    with pytest.raises(UserError, match="never overwritten"):
        FlightLogWriter(whole, HEADER)
    assert whole.read_bytes() == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkFailedError, match=r"nowhere.*No such file"):
        FlightLogWriter(tmp_path / "nowhere" / "a.mcap", HEADER)


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="writes format"):
        FlightLogWriter(tmp_path / "b.mcap", dataclasses.replace(HEADER, format_version=99))
    writer = FlightLogWriter(tmp_path / "a.mcap", HEADER)
    with pytest.raises(TypeError, match="takes Decision, not Tick"):
        writer.write(topics.DECISION, Tick(0, 0, True, True))
    with pytest.raises(ValueError, match="1970"):
        writer.write_tick(Tick(0, -SIM_EPOCH_NS - 1, True, True))
    grey = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="uint8"):
        writer.write_tick(Tick(0, 0, True, True, StereoFrame(0, 0, True, grey, None)))  # type: ignore[arg-type]
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write_tick(Tick(0, 0, True, True))


def test_two_writers_in_one_process_stay_apart(tmp_path: Path) -> None:
    a, b = ticks(20, seed=1), ticks(20, seed=2)
    with (
        FlightLogWriter(tmp_path / "a.mcap", HEADER) as first,
        FlightLogWriter(tmp_path / "b.mcap", dataclasses.replace(HEADER, seed=4)) as second,
    ):
        for one, other in zip(a, b, strict=True):
            first.write_tick(one)
            second.write_tick(other)
    for path, flight in ((tmp_path / "a.mcap", a), (tmp_path / "b.mcap", b)):
        assert [bits(t) for t in FlightLog(path).ticks()] == [bits(t) for t in flight]


def test_threads_do_not_tear_a_tick_apart(tmp_path: Path) -> None:
    flight = ticks(60)
    intruder = vehicle(0, 0)
    with FlightLogWriter(tmp_path / "a.mcap", HEADER) as writer:
        done = threading.Event()

        def disturb() -> None:
            while not done.is_set():
                writer.write(topics.VEHICLE, intruder)

        thread = threading.Thread(target=disturb)
        thread.start()
        for tick in flight:
            writer.write_tick(tick)
        done.set()
        thread.join()
    found = FlightLog(tmp_path / "a.mcap").ticks()
    assert [bits(tick) for tick in found] == [bits(tick) for tick in flight]


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
from test_flightlog import HEADER, FlightLogWriter, WorkFailedError, ticks
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
writer = FlightLogWriter(Path(sys.argv[1]), HEADER)
try:
    for tick in ticks(400):
        writer.write_tick(tick)
except WorkFailedError as error:
    print(error)
"""

_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
from test_flightlog import HEADER, FlightLogWriter, ticks
writer = FlightLogWriter(Path(sys.argv[1]), HEADER)
for tick in ticks(200):
    writer.write_tick(tick)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", code, str(path), here]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_full_disk_is_said_at_once_and_leaves_a_readable_log(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    done = _run(_FULL_DISK, path)
    assert "the log ends here: File too large" in done.stdout
    log = FlightLog(path)
    found = [bits(tick) for tick in log.ticks()]
    assert len(found) > 30
    assert found == [bits(tick) for tick in ticks(400)[: len(found)]]
    assert log.damaged


def test_a_killed_writer_loses_at_most_its_open_chunk(tmp_path: Path, flight: list[Tick]) -> None:
    path = tmp_path / "a.mcap"
    assert _run(_KILLED, path).returncode == -signal.SIGKILL
    log = FlightLog(path)
    assert log.damaged
    found = [bits(tick) for tick in log.ticks()]
    assert found == [bits(tick) for tick in flight[: len(found)]]
    assert len(found) >= len(flight) - 20  # at most one second is lost


# Damage


def test_a_cut_file_gives_its_sound_ticks(tmp_path: Path, whole: Path, flight: list[Tick]) -> None:
    data = whole.read_bytes()
    expected = [bits(tick) for tick in flight]
    path = tmp_path / "cut.mcap"
    lengths = np.random.default_rng(1).integers(2000, len(data), 40)
    for length in [*lengths, len(data) - 1, len(data) - 9]:
        path.write_bytes(data[:length])
        log = FlightLog(path)
        assert log.damaged
        assert math.isnan(log.duration_s)
        found = [bits(tick) for tick in log.ticks()]
        assert found == expected[: len(found)]
        share = length / len(data)
        assert len(found) >= share * len(flight) - 30
        assert log.damaged
    assert len(found) == len(flight)  # only the index is missing: nothing is lost


def test_a_changed_byte_never_changes_a_tick(
    tmp_path: Path, whole: Path, flight: list[Tick]
) -> None:
    data = bytearray(whole.read_bytes())
    expected = [bits(tick) for tick in flight]
    path = tmp_path / "changed.mcap"
    rng = np.random.default_rng(2)
    for position in rng.integers(0, len(data), 60):
        changed = bytearray(data)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        log = FlightLog(path)
        found = [bits(tick) for tick in log.ticks()]
        rest = iter(expected)
        assert all(tick in rest for tick in found)  # those of the flight, in order
        assert len(found) > len(expected) - 30
        assert len(found) == len(expected) or log.damaged


def test_a_chunk_that_became_something_else_is_read_all_the_same(
    tmp_path: Path, whole: Path
) -> None:
    """mcap skips records of an unknown kind without a word; the chunk's own checksum is right."""
    data = bytearray(whole.read_bytes())
    with whole.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    data[summary.chunk_indexes[-1].chunk_start_offset] = 0x7F
    path = tmp_path / "changed.mcap"
    path.write_bytes(data)
    log = FlightLog(path)
    assert sum(1 for _ in log.ticks()) == 200
    assert log.damaged is None


def test_a_chunk_that_was_taken_out_is_missed(tmp_path: Path, whole: Path) -> None:
    data = whole.read_bytes()
    with whole.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    chunk = summary.chunk_indexes[3]
    rest = data[chunk.chunk_start_offset + chunk.chunk_length :]
    path = tmp_path / "changed.mcap"
    path.write_bytes(data[: chunk.chunk_start_offset] + rest)
    log = FlightLog(path)
    assert log.damaged
    assert 0 < sum(1 for _ in log.ticks()) < 200


def test_the_loss_is_said_in_bytes(tmp_path: Path, whole: Path) -> None:
    data = whole.read_bytes()
    path = tmp_path / "cut.mcap"
    path.write_bytes(data[: len(data) // 2])
    log = FlightLog(path)
    list(log.ticks())
    assert log.damaged is not None
    assert log.damaged.startswith("sound up to byte ")
    assert f"of {len(data) // 2}" in log.damaged


def _foreign(path: Path) -> Path:
    context = foxglove.Context()
    with foxglove.open_mcap(path, context=context):
        foxglove.Channel("/odom", context=context).log({"x": 1.0}, log_time=1)
    return path


def _newer(path: Path) -> Path:
    context = foxglove.Context()
    with foxglove.open_mcap(path, context=context) as writer:
        writer.write_metadata("drone.flight", {"format_version": "7", "software": "drone 9.0"})
    return path


def _altered(path: Path) -> Path:
    write(path, [])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"seed = 3", b"seed = 4"))
    return path


def _header_cut(path: Path) -> Path:
    write(path, [])
    path.write_bytes(path.read_bytes()[:300])
    return path


def _filled(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: path, "no such file"),
        (_folder, "a folder, not a log"),
        (lambda path: _filled(path, b""), "the file is empty"),
        (lambda path: _filled(path, b"x"), "not an MCAP file"),
        (lambda path: _filled(path, b"not an MCAP file at all" * 9), "not an MCAP file"),
        (lambda path: _filled(path, b"\x89MCAP0\r\n"), "before its header was complete"),
        (_header_cut, "cut or damaged before its header|header is damaged"),
        (_altered, "header is damaged: its checksum"),
        (
            _foreign,
            r"lacks the metadata record 'drone.flight' .*topics .*/pilot/tick.*; it has /odom",
        ),
        (_newer, "log format 7, and this version reads up to 1: .*drone 9.0"),
    ],
)
def test_what_is_no_log_is_said(tmp_path: Path, make: Any, match: str) -> None:
    with pytest.raises(UserError, match=match):
        FlightLog(make(tmp_path / "a.mcap"))


def copy(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Copy a log as a foreign tool would, with messages changed or left out."""
    context = foxglove.Context()
    channels: dict[str, foxglove.Channel] = {}
    with source.open("rb") as file, foxglove.open_mcap(target, context=context) as writer:
        reader = make_reader(file)
        for metadata in reader.iter_metadata():
            writer.write_metadata(metadata.name, metadata.metadata)
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            assert schema is not None
            if channel.topic not in channels:
                channels[channel.topic] = foxglove.Channel(
                    channel.topic,
                    schema=foxglove.Schema(name=schema.name, encoding="protobuf", data=schema.data),
                    message_encoding="protobuf",
                    context=context,
                )
            data = change(channel.topic, message.data)
            if data is not None:
                channels[channel.topic].log(data, log_time=message.log_time)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda topic, data: data if topic == topics.TICK.name else None,
            "tick 0 consumed a message that is not in the file; a log that was filtered",
        ),
        (
            lambda topic, data: data if topic != topics.VEHICLE.name else None,
            "tick 1 consumed a message that is not in the file; a log that was filtered",
        ),
        (lambda topic, data: data.replace(b"mono8", b"8UC10"), "left/image: .* must be mono8"),
        (lambda topic, data: b"\xff" if "left/image" in topic else data, "no RawImage"),
        (lambda topic, data: b"\xff" if topic == topics.TICK.name else data, "TickRecord: not a"),
        (lambda topic, data: b"" if topic == topics.TICK.name else data, "TickRecord.seq: missing"),
    ],
)
def test_a_log_that_a_tool_rewrote_is_said(tmp_path: Path, change: Any, match: str) -> None:
    whole = write(tmp_path / "a.mcap", ticks(3))
    copy(whole, tmp_path / "b.mcap", change)
    with pytest.raises(UserError, match=match):
        list(FlightLog(tmp_path / "b.mcap").ticks())


def test_negative_control_a_faithful_copy_is_read(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mcap", ticks(9))
    copy(whole, tmp_path / "b.mcap", lambda topic, data: data)
    assert [bits(t) for t in FlightLog(tmp_path / "b.mcap").ticks()] == [bits(t) for t in ticks(9)]


# Other readers


def foreign_messages(path: Path) -> Iterator[tuple[str, str, int, Any]]:
    """What plain mcap and the schemas in the file give: topic, schema, log time, message."""
    classes: dict[int, Any] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages(log_time_order=False):
            assert schema is not None
            assert (schema.encoding, channel.message_encoding) == ("protobuf", "protobuf")
            if schema.id not in classes:
                pool = descriptor_pool.DescriptorPool()
                for part in descriptor_pb2.FileDescriptorSet.FromString(schema.data).file:
                    pool.Add(part)
                described = pool.FindMessageTypeByName(schema.name)
                classes[schema.id] = message_factory.GetMessageClass(described)
            decoded = classes[schema.id].FromString(message.data)
            yield channel.topic, schema.name, message.log_time, decoded


def test_a_reader_of_foxglove_schemas_sees_the_images(whole: Path, flight: list[Tick]) -> None:
    for topic, eye in ((topics.LEFT_IMAGE, "left"), (topics.RIGHT_IMAGE, "right")):
        seen = [m for m in foreign_messages(whole) if m[0] == topic]
        frames = [t.frame for t in flight if t.frame and getattr(t.frame, eye) is not None]
        assert len(seen) == len(frames)
        for (_, name, time_ns, raw), frame in zip(seen, frames, strict=True):
            assert (name, raw.encoding) == ("foxglove.RawImage", "mono8")
            assert (raw.width, raw.height, raw.step) == (128, 96, 128)
            assert raw.data == getattr(frame, eye).tobytes()
            assert time_ns == frame.stamp_ns + SIM_EPOCH_NS
            assert raw.timestamp.seconds * 10**9 + raw.timestamp.nanos == time_ns


def test_a_reader_of_foxglove_schemas_sees_calibration_and_poses(
    whole: Path, flight: list[Tick]
) -> None:
    seen = list(foreign_messages(whole))
    eyes = {m[0]: m[3] for m in seen if m[1] == "foxglove.CameraCalibration"}
    left, right = eyes[topics.LEFT_CALIBRATION], eyes[topics.RIGHT_CALIBRATION]
    camera = CALIBRATION.left
    assert list(left.K) == list(camera.matrix.ravel())
    assert (left.width, left.height) == (128, 96)
    assert left.P[3] == 0
    assert -right.P[3] / right.P[0] == pytest.approx(CALIBRATION.baseline_m)
    poses = [m[3] for m in seen if m[1] == "foxglove.PoseInFrame"]
    states = [tick.vehicle for tick in flight if tick.vehicle]
    assert len(poses) == len(states)
    assert {pose.frame_id for pose in poses} == {"ned"}
    position, turned = poses[0].pose.position, poses[0].pose.orientation
    assert (position.x, position.y, position.z) == states[0].position_m
    assert (turned.w, turned.x, turned.y, turned.z) == states[0].attitude


def test_the_header_is_plain_metadata(whole: Path) -> None:
    with whole.open("rb") as file:
        metadata, again = make_reader(file).iter_metadata()
    assert metadata == again  # at the start and at the end
    assert metadata.name == "drone.flight"
    assert metadata.metadata["seed"] == "3"
    assert metadata.metadata["config_toml"] == HEADER.config_toml
    assert json.loads(metadata.metadata["calibration"])["baseline_m"] == 0.06


def test_own_topics_are_decoded_by_their_stored_schema(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    grid = np.full((12, 16), np.nan, np.float32)
    label = DistanceLabel(1, 2, True, "", grid, grid, 1.5, (1.0, math.nan), 3.0, 0.5)
    with FlightLogWriter(path, HEADER) as writer:
        writer.write(topics.LABEL, label)
    (seen,) = [m for m in foreign_messages(path) if m[0] == topics.LABEL.name]
    assert seen[1] == "drone.DistanceLabel"
    assert seen[3].obstacle_m == 1.5
    assert (seen[3].inverse_depth.rows, seen[3].inverse_depth.cols) == (12, 16)


def test_every_topic_can_be_written(tmp_path: Path) -> None:
    """A message class whose fields the codec does not know would fail here."""
    path = tmp_path / "a.mcap"
    written = []
    with FlightLogWriter(path, HEADER) as writer:
        for topic in topics.TOPICS:
            if topic is not topics.TICK:
                message = example_of(topic.message)
                writer.write(topic, message)
                written.append((topic.name, bits(message)))
    assert [(t.name, bits(m)) for t, m in FlightLog(path).records()] == written


def test_memory_stays_constant_while_reading(whole: Path) -> None:
    tracemalloc.start()
    for _ in FlightLog(whole).ticks():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000  # the file holds about 5 MB of images


def test_decisions_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    decision = example_of(Decision)
    with FlightLogWriter(path, HEADER) as writer:
        writer.write(topics.DECISION, decision)
    (found,) = FlightLog(path).messages(topics.DECISION)
    assert bits(found) == bits(decision)
