"""A live camera as a stream: which part of it, silence, and the errors at its opening."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from planes import RECTIFIED, wall, write_film
from test_live import MS, PAIR, QUICK, RECTIFIER, Eyeball, writer

from drone.config.onboard import OnboardConfig, StereoCameraConfig
from drone.errors import UserError
from drone.messages import Eye
from drone.onboard.calibration_toml import write_calibration
from drone.onboard.camera import CameraSample
from drone.onboard.processes import camera as process
from drone.onboard.processes.camera import live_source
from drone.onboard.sources import livesource
from drone.onboard.sources.capture import CameraMode, Capture, PipeCapture, capture_from
from drone.onboard.sources.live import LiveCamera, LiveOptions
from drone.onboard.sources.liveopening import LiveRequest, open_live
from drone.onboard.sources.livesource import LiveSource
from drone.onboard.sources.options import KEYS, OPTIONS, SourceOptions, Words


class Clock:
    """A clock that goes on by 10 ms whenever it is asked, so that nobody need wait."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 10 * MS
        return self.now_ns


def piped(
    tmp_path: Path, options: SourceOptions, words: Words = OPTIONS, **live: bool
) -> LiveSource:
    capture = writer(tmp_path, [np.hstack(pair) for pair in wall(4)])
    camera = LiveCamera([capture], RECTIFIER, options=LiveOptions(first_s=20.0, **live))
    return LiveSource(camera, "pipe", options, time.monotonic_ns, words)


def test_stamps_count_from_the_opening_and_it_ends(tmp_path: Path) -> None:
    with piped(tmp_path, SourceOptions(start_s=0.2, end_s=0.6)) as source:
        samples = list(source.samples())
        assert source.utc_offset_ns == pytest.approx(time.time_ns(), abs=60e9)
        assert source.measures["delivered"] >= len(samples)
        assert source.notes == ()
    stamps_s = [sample.frame.stamp_ns / 1e9 for sample in samples]
    assert len(stamps_s) > 2
    assert stamps_s == sorted(set(stamps_s))
    assert stamps_s[0] >= 0.2
    assert stamps_s[-1] <= 0.75
    assert [sample.frame.seq for sample in samples] == list(range(len(samples)))
    for sample in samples:
        assert sample.fetched_ns is not None
        assert sample.fetched_ns >= sample.frame.stamp_ns


def test_at_most_so_many_a_second(tmp_path: Path) -> None:
    with piped(tmp_path, SourceOptions(end_s=1.05, rate_hz=10)) as source:
        stamps_s = [s.frame.stamp_ns / 1e9 for s in source.samples() if s.frame.valid]
    assert 3 <= len(stamps_s) <= 12
    periods = np.floor((np.array(stamps_s) - stamps_s[0]) * 10 + 0.5)
    assert (np.diff(periods) >= 1).all()


def test_swapped_eyes_are_an_error_at_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"pipe: left and right look swapped .* right is without"),
        piped(tmp_path, SourceOptions(swap=True), swap=True),
    ):
        pass
    with (
        pytest.raises(UserError, match=r"look swapped .* right is to add --swap"),
        piped(tmp_path, SourceOptions(), swap=True),
    ):
        pass


# Scripted eyes on a scripted clock


def scripted(options: SourceOptions) -> tuple[Eyeball, Eyeball, LiveSource]:
    left, right = Eyeball(PAIR[0]), Eyeball(PAIR[1])
    eyes: list[Capture] = [left, right]
    camera = LiveCamera(eyes, RECTIFIER, options=QUICK)
    left.give(MS)
    right.give(MS)
    return left, right, LiveSource(camera, "eyes", options, Clock())


def first(samples: Iterator[CameraSample], eye: Eye, kind: str) -> CameraSample:
    return next(s for s in samples if any((e.eye, e.kind) == (eye, kind) for e in s.health))


def test_silence_and_a_pulled_plug_are_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livesource, "SIDES_S", 0.0)  # scripted eyes have shown all they have
    left, right, source = scripted(SourceOptions())
    with source:
        samples = source.samples()
        silent = list(islice((s for s in samples if not s.frame.valid), 2))
        assert all(s.frame.left is None and s.frame.stamp_ns == s.fetched_ns for s in silent)
        assert silent[0].frame.stamp_ns < silent[1].frame.stamp_ns
        left.busy = right.busy = True
        left.give(None)
        gone = first(samples, Eye.LEFT, "unplugged")
        assert not gone.frame.valid
        left.busy = right.busy = False
        left.give(10_000 * MS)
        right.give(10_000 * MS)
        back = first(samples, Eye.LEFT, "unplugged")
        assert not back.health[0].active
    assert source.notes == ("eyes: unplugged and back again 1 x",)


def test_a_command_that_hangs_is_ended_and_tried_again(tmp_path: Path) -> None:
    capture = writer(tmp_path, [np.hstack(PAIR)], forever=False, tail="import time; time.sleep(99)")
    options = LiveOptions(first_s=20.0, retry_s=0.001, max_retry_s=0.004, stall_s=0.3)
    with LiveCamera([capture], RECTIFIER, options=options) as camera:
        for _ in range(600):
            if camera.statistics.reconnects:
                break
            camera.wait(0.05)
            camera.latest()
        assert camera.statistics.reconnects >= 1


# What is asked for


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("/dev/video0",) * 2, "/dev/video0 twice"),
        (("a", "b", "c"), "3 cameras; right is one with both eyes, or two"),
        ((__file__,), r"is a film, not a camera; right is drone replay "),
    ],
)
def test_requests_that_make_no_sense(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LiveRequest(names)
    with pytest.raises(UserError, match="--max-skew-ms 0: right is more than 0"):
        LiveRequest(("/dev/video0",), max_skew_s=0.0)
    for delay_s in (-0.1, 11.0, math.nan):
        with pytest.raises(UserError, match=r"--delay .*: right is seconds, at least 0 and at mo"):
            LiveRequest(("/dev/video0",), delay_s=delay_s)


def test_a_vehicle_hears_of_its_configuration_not_of_options(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"camera.devices .*: is a film.* --rehearse .* plays it"):
        LiveRequest((__file__,), words=KEYS)
    calibration = tmp_path / "calibration.toml"
    write_calibration(calibration, RECTIFIED.calibration(128, 96))
    given = SourceOptions(calibration=calibration)
    with pytest.raises(UserError, match=r"height_px say 640 x 480 px; right is a cal"):
        open_live(LiveRequest(("/dev/video0",), (640, 480), words=KEYS), given)
    for swap, right in ((True, "false"), (False, "true")):
        source = piped(tmp_path, SourceOptions(swap=swap), KEYS, swap=True)
        with pytest.raises(UserError, match=f"look swapped .* right is camera.swap = {right}"):
            source.__enter__()


def test_what_a_vehicle_is_configured_with_reaches_its_cameras(tmp_path: Path) -> None:
    calibration = tmp_path / "calibration.toml"
    write_calibration(calibration, RECTIFIED.calibration(128, 96))
    camera = StereoCameraConfig(devices=("rtsp://a/b", "csi:1"), delay_s=0.3)
    source = live_source(OnboardConfig(camera=camera), calibration)
    captures = [stream.capture for stream in source._camera._streams]
    assert [capture.delay_s for capture in captures] == [0.3, 0.3]  # type: ignore[attr-defined]
    assert source._words is KEYS
    assert source._camera._options.alone  # started anew in flight, one eye is enough


def test_a_vehicle_hears_why_an_eye_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(livesource, "SIDES_S", 0.0)
    _, right, source = scripted(SourceOptions())
    monkeypatch.setattr(process, "live_source", lambda *_: source)
    orders: Any = SimpleNamespace(config=OnboardConfig(), epoch_ns=0)
    details = list[str]()
    shell: Any = SimpleNamespace(alive=details.append)
    with closing(process._live(orders, tmp_path, shell)) as seen:  # type: ignore[type-var]
        next(seen)
        right.busy = True
        right.give(None)
        while "eyeball: busy" not in details:
            next(seen)
    assert "drone onboard: camera: eyeball: busy\n" in capsys.readouterr().err


def test_a_command_may_be_longer_than_the_name_of_a_file() -> None:
    name = "pipe:ffmpeg -i " + 300 * "film" + ".avi -pix_fmt gray -f rawvideo -"
    assert LiveRequest((name,)).names == (name,)
    assert isinstance(capture_from(name, CameraMode(256, 96)), PipeCapture)


def test_nobody_says_how_the_cameras_see() -> None:
    request = LiveRequest(("/dev/video0",))
    with pytest.raises(UserError, match="--live: nobody says how the cameras see; right is --cal"):
        open_live(request, SourceOptions())
    with pytest.raises(UserError, match="needs --size"):
        open_live(request, SourceOptions(rectified=RECTIFIED))


def test_a_calibration_of_another_size_is_refused(real_data: Path) -> None:
    given = real_data / "euroc_v1_01_sparse"
    with pytest.raises(UserError, match=r"is for 752 x 480 px, but --size says 640 x 480 px"):
        open_live(LiveRequest(("/dev/video0",), (640, 480)), SourceOptions(calibration=given))


def test_a_password_is_not_told() -> None:
    capture = capture_from("rtsp://me:secret@host/stream", CameraMode(256, 96))
    assert capture.name == "rtsp://host/stream"
    assert isinstance(capture, PipeCapture)
    assert "rtsp://me:secret@host/stream" in capture.command


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_two_real_commands_from_their_names(tmp_path: Path) -> None:
    names = []
    for eye in (0, 1):
        film = write_film(tmp_path / f"{eye}.avi", (p[eye] for p in wall(20)), codec="MJPG")
        flags = "-nostdin -loglevel error -re -stream_loop -1"
        names.append(f"pipe:ffmpeg {flags} -i {film} -pix_fmt gray -f rawvideo pipe:1")
    request = LiveRequest(tuple(names), (128, 96), max_skew_s=0.06)
    with open_live(request, SourceOptions(rectified=RECTIFIED, scale=0.5)) as source:
        assert (source.calibration.left.width, source.calibration.left.height) == (64, 48)
        both = (s for s in source.samples() if s.frame.right is not None)
        assert next(both).frame.left is not None
        assert source.measures["skew_pairs"] >= 1
