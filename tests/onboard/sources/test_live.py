"""Live cameras: real threads on real pipes and films; eyes that fail are played by scripts."""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from planes import DEPTH_M, DISPARITY_PX, RECTIFIED, disparity_px, wall, write_film

from drone.errors import UserError
from drone.messages import Eye, HealthEvent, Image
from drone.onboard.camera import CameraSample
from drone.onboard.rectification import Rectifier
from drone.onboard.sources import cameracommands
from drone.onboard.sources.cameracommands import ffmpeg_command
from drone.onboard.sources.capture import (
    CameraMode,
    Capture,
    DeviceCapture,
    PipeCapture,
    Shot,
    capture_from,
)
from drone.onboard.sources.live import LiveCamera, LiveOptions
from drone.onboard.sources.options import Layout

MODE = CameraMode(256, 96)
RECTIFIER = Rectifier.fitting(RECTIFIED.calibration(128, 96))
QUICK = LiveOptions(first_s=20.0, retry_s=0.001, max_retry_s=0.004)
PATIENCE_S = 20.0
PAIR = wall(1)[0]


def until(camera: LiveCamera, wanted: Callable[[CameraSample], bool]) -> CameraSample:
    """The first sample that is as wanted, with all events since the call."""
    health: tuple[HealthEvent, ...] = ()
    while True:
        sample = camera.latest()
        health += camera.events() if sample is None else sample.health
        if sample is not None:
            sample = CameraSample(sample.frame, None, health)
            if wanted(sample):
                return sample
        assert camera.wait(PATIENCE_S), f"nothing came; events: {health}"


def kinds(events: tuple[HealthEvent, ...]) -> list[tuple[Eye, str, bool]]:
    return [(event.eye, event.kind, event.active) for event in events]


def both(sample: CameraSample) -> bool:
    return sample.frame.left is not None and sample.frame.right is not None


# A command that writes raw video


def writer(
    tmp_path: Path, pictures: list[Image], forever: bool = True, tail: str = ""
) -> PipeCapture:
    """A command that writes these pictures, again and again, as ffmpeg or rpicam-vid would."""
    raw = tmp_path / f"{len(list(tmp_path.iterdir()))}.raw"
    raw.write_bytes(b"".join(picture.tobytes() for picture in pictures))
    code = (
        "import sys\n"
        f"data = open({str(raw)!r}, 'rb').read()\n"
        f"{'while True' if forever else 'if True'}: sys.stdout.buffer.write(data)\n"
        f"sys.stdout.flush()\n{tail}"
    )
    height, width = pictures[0].shape
    return PipeCapture((sys.executable, "-c", code), CameraMode(width, height))


def test_the_newest_pair_of_a_pipe(tmp_path: Path) -> None:
    pictures = [np.hstack(pair) for pair in wall(4)]
    with LiveCamera([writer(tmp_path, pictures)], RECTIFIER) as camera:
        last_ns = -1
        for seq in range(5):
            sample = until(camera, lambda _: True)
            assert sample.frame.seq == seq
            assert sample.frame.stamp_ns > last_ns
            last_ns = sample.frame.stamp_ns
            assert sample.frame.left is not None
            assert sample.frame.right is not None
            found = disparity_px(sample.frame.left, sample.frame.right)
            assert camera.calibration.disparity_metres / found == pytest.approx(DEPTH_M, rel=0.02)
        assert camera.statistics.delivered == 5
    assert not any(thread.daemon and thread.is_alive() for thread in threads_of(camera))


def threads_of(camera: LiveCamera) -> list[threading.Thread]:
    return camera._threads


def test_yuv_and_top_bottom(tmp_path: Path) -> None:
    picture = np.vstack(PAIR)
    colour = np.full((picture.shape[0] // 2, picture.shape[1]), 128, np.uint8)
    pipe = writer(tmp_path, [np.vstack([picture, colour])])
    capture = PipeCapture(pipe.command, CameraMode(128, 192), yuv420=True)
    with LiveCamera([capture], RECTIFIER, Layout.TOP_BOTTOM) as camera:
        frame = until(camera, both).frame
        assert frame.left is not None
        assert frame.right is not None
        assert disparity_px(frame.left, frame.right) == pytest.approx(DISPARITY_PX, abs=0.2)


@pytest.mark.parametrize(
    ("computer", "row_bytes"),
    [
        (b"raspberrypi,5-model-b\0brcm,bcm2712\0", 256),
        (b"raspberrypi,4-model-b\0brcm,bcm2711\0", 192),
        (None, 192),
    ],
)
def test_padded_rows_of_a_raspberry_pi_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computer: bytes | None, row_bytes: int
) -> None:
    named = tmp_path / "compatible"
    if computer is not None:
        named.write_bytes(computer)
    monkeypatch.setattr(cameracommands, "COMPUTER", named)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 44, 140), np.uint8)
    found = capture_from("csi:0", CameraMode(140, 44))
    assert isinstance(found, PipeCapture)
    colour = np.full((44, 70), 128, np.uint8)  # both planes of it, each 22 rows
    planes = [
        np.concatenate([padded(picture, row_bytes), padded(colour, row_bytes // 2)], axis=None)
        for picture in pictures
    ]
    pipe = writer(tmp_path, [data[None] for data in planes], forever=False)
    capture = replace(found, command=pipe.command)
    capture.open()
    for picture in pictures:
        shot = capture.read()
        assert shot is not None
        assert np.array_equal(shot.picture, picture)
    assert capture.read() is None
    capture.close()


def padded(plane: Image, row_bytes: int) -> Image:
    return np.pad(plane, ((0, 0), (0, row_bytes - plane.shape[1])), constant_values=7)


def test_stamps_of_arrival_are_less_the_delay(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.avi", (np.hstack(pair) for pair in wall(2)))
    raw = f"pipe:cat '{tmp_path / 'raw'}'"
    (tmp_path / "raw").write_bytes(np.hstack(PAIR).tobytes())
    for text in (str(film), raw):
        for delay_s in (0.0, 0.25):
            capture = capture_from(text, MODE, delay_s)
            assert isinstance(capture, DeviceCapture | PipeCapture)
            capture.clock_ns = lambda: 1000 * MS
            capture.open()
            shot = capture.read()
            capture.close()
            assert shot is not None
            assert shot.stamp_ns == round((1000 - 1000 * delay_s) * MS)


def test_a_driver_that_stamps_needs_no_delay() -> None:
    class Driver:
        def __init__(self, msec: float) -> None:
            self.msec = msec

        def get(self, _: int) -> float:
            return self.msec

    for msec, stamp_ms in ((990.0, 990), (-1.0, 750), (1001.0, 750)):  # one, none, of the future
        capture = DeviceCapture("/dev/video0", MODE, 0.25, lambda: 1000 * MS)
        capture._capture = Driver(msec)  # type: ignore[assignment]
        assert capture._stamp_ns() == stamp_ms * MS


def test_a_command_that_dies_is_unplugged_and_comes_back(tmp_path: Path) -> None:
    capture = writer(tmp_path, [np.hstack(PAIR)], forever=False)  # ends after one picture
    with LiveCamera([capture], RECTIFIER, options=QUICK) as camera:
        events: tuple[HealthEvent, ...] = ()
        while len(events) < 2:
            assert camera.wait(PATIENCE_S)
            sample = camera.latest()
            events += camera.events() + (() if sample is None else sample.health)
        assert kinds(events)[:2] == [(Eye.PAIR, "unplugged", True), (Eye.PAIR, "unplugged", False)]
        assert camera.statistics.reconnects >= 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("no-such-program-here",), r"no-such-program-here: cannot be started \(No such file"),
        ((sys.executable, "-c", "raise SystemExit('lens cap on')"), r"px \(lens cap on\); is it"),
        (
            (sys.executable, "-c", "print('short')"),
            "gives no pictures of 256 x 96 px; is it in use",
        ),
    ],
)
def test_a_command_without_pictures_is_an_error_at_the_start(
    command: tuple[str, ...], message: str
) -> None:
    camera = LiveCamera([PipeCapture(command, MODE)], RECTIFIER)
    with pytest.raises(UserError, match=message):
        camera.start()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_real_ffmpeg(tmp_path: Path) -> None:
    pictures = (np.hstack(pair) for pair in wall(8))
    film = write_film(tmp_path / "film.avi", pictures, codec="MJPG")  # old and new ffmpeg read it
    capture = PipeCapture(ffmpeg_command(str(film), MODE), MODE)
    with LiveCamera([capture], RECTIFIER, options=QUICK) as camera:
        frame = until(camera, both).frame
        assert frame.left is not None
        assert frame.right is not None
        assert disparity_px(frame.left, frame.right) == pytest.approx(DISPARITY_PX, abs=0.3)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_says_what_is_wrong(tmp_path: Path) -> None:
    capture = PipeCapture(ffmpeg_command(str(tmp_path / "nowhere.avi"), MODE), MODE)
    with pytest.raises(UserError, match=r"256 x 96 px \(.*No such file or directory\)"):
        LiveCamera([capture], RECTIFIER).start()


# Films stand in for devices


def test_two_devices(tmp_path: Path) -> None:
    films = [write_film(tmp_path / f"{i}.avi", (pair[i] for pair in wall(40))) for i in (0, 1)]
    captures = [DeviceCapture(str(film)) for film in films]
    loose = LiveOptions(max_skew_s=60.0, retry_s=0.001, max_retry_s=0.004)
    with LiveCamera(captures, RECTIFIER, options=loose) as camera:
        frame = until(camera, both).frame
        assert frame.left is not None
        assert frame.left.shape == (96, 128)
        assert camera.statistics.skew.n >= 1


def test_a_device_that_is_missing_is_named_with_those_there() -> None:
    with pytest.raises(UserError, match=r"/dev/video97: no such camera or film; cameras here: "):
        LiveCamera([DeviceCapture("/dev/video97")], RECTIFIER).start()


def test_what_is_no_camera_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"/dev/zero: cannot be opened; is it a camera, and does no"
    ):
        DeviceCapture("/dev/zero").open()


def test_pictures_that_do_not_fit_the_calibration_are_refused(tmp_path: Path) -> None:
    film = write_film(tmp_path / "0.avi", (pair[0] for pair in wall(4)))
    camera = LiveCamera([DeviceCapture(str(film))], RECTIFIER, options=QUICK)
    with pytest.raises(UserError, match=r"no pictures of 256 x 96 px.*calibration that of this"):
        camera.start()


# An eye that is played by a script


@dataclass
class Eyeball:
    """Gives one picture per stamp that the test hands it.

    None stands for a plug that is pulled, a negative stamp for a picture that breaks the decoder.
    """

    picture: Image
    busy: bool = False
    wrong: Exception | None = None
    gone: bool = False
    stamps: list[int | None] = field(default_factory=list)
    more: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False
    opened: int = 0

    name: str = "eyeball"
    trouble: str = ""

    def open(self) -> None:
        self.opened += 1
        if self.busy:
            raise self.wrong or UserError("busy")

    def read(self) -> Shot | None:
        with self.more:
            self.more.wait_for(lambda: self.stamps or self.ended or self.gone)
            stamp = None if self.ended or self.gone else self.stamps.pop(0)
            if stamp is not None and stamp < 0:
                raise cv2.error("a broken picture")
        return None if stamp is None else Shot(stamp, self.picture)

    def give(self, *stamps: int | None) -> None:
        with self.more:
            self.stamps.extend(stamps)
            self.more.notify_all()

    def interrupt(self) -> None:
        with self.more:
            self.ended = True
            self.more.notify_all()

    def close(self) -> None:
        pass


MS = 1_000_000


@dataclass
class Rig:
    """Two scripted eyes at a camera."""

    left: Eyeball
    right: Eyeball
    camera: LiveCamera

    def give(self, left: list[int | None], right: list[int | None]) -> None:
        self.left.give(*left)
        self.right.give(*right)


@pytest.fixture
def rig():  # type: ignore[no-untyped-def]
    left, right = Eyeball(PAIR[0]), Eyeball(PAIR[1])
    eyes: list[Capture] = [left, right]
    left.give(1 * MS)
    right.give(2 * MS)
    with LiveCamera(eyes, RECTIFIER, options=QUICK) as camera:
        yield Rig(left, right, camera)


def test_stamps_and_skew(rig: Rig) -> None:
    sample = until(rig.camera, both)
    assert sample.frame.stamp_ns == 1 * MS
    assert sample.health == ()
    rig.give([101 * MS], [105 * MS])
    assert until(rig.camera, both).frame.stamp_ns == 101 * MS
    skew = rig.camera.statistics.skew
    assert (skew.median_s, skew.max_s, skew.n) == (0.0025, 0.004, 2)
    assert rig.camera.latest() is None  # nothing new


def test_only_the_latest_pair_is_kept_and_drops_are_counted(rig: Rig) -> None:
    until(rig.camera, both)
    stamps: list[int | None] = [i * 100 * MS for i in range(1, 6)]
    rig.give(stamps, stamps)
    while rig.camera._streams[1].received < 6 or rig.camera._streams[0].received < 6:
        rig.camera._news = False
        rig.camera.wait(0.01)
    sample = until(rig.camera, both)
    assert sample.frame.stamp_ns == 500 * MS
    assert rig.camera.statistics.dropped == 4


def test_eyes_out_of_sync_withhold_the_right_picture(rig: Rig) -> None:
    until(rig.camera, both)
    rig.give([100 * MS, 200 * MS, 300 * MS], [140 * MS, 240 * MS, 340 * MS])
    sample = until(rig.camera, lambda s: any(e.kind == "out of sync" for e in s.health))
    assert kinds(sample.health) == [(Eye.PAIR, "out of sync", True)]
    for i in (4, 5):  # the left eye goes on alone
        rig.give([100 * i * MS], [(100 * i + 40) * MS])
        sample = until(rig.camera, lambda s, i=i: s.frame.stamp_ns == 100 * i * MS)
        assert sample.frame.left is not None
        assert sample.frame.right is None
        assert sample.health == ()
    assert rig.camera.statistics.skew.max_s >= 0.040
    received = rig.camera._streams[1].received
    rig.right.give(901 * MS)  # first, or the left one would go on alone once more
    while rig.camera._streams[1].received == received:
        rig.camera.wait(0.01)
    rig.left.give(900 * MS)
    sample = until(rig.camera, both)
    assert sample.frame.stamp_ns == 900 * MS
    assert kinds(sample.health) == [(Eye.PAIR, "out of sync", False)]


def test_one_eye_unplugged_and_back(rig: Rig) -> None:
    until(rig.camera, both)
    rig.right.busy = True
    rig.right.give(None)
    rig.left.give(100 * MS)
    sample = until(rig.camera, lambda s: s.frame.stamp_ns == 100 * MS and bool(s.health))
    assert kinds(sample.health) == [(Eye.RIGHT, "unplugged", True)]
    assert sample.frame.right is None
    rig.right.busy = False
    rig.right.give(200 * MS)
    while rig.camera.statistics.reconnects < 1:
        rig.camera.wait(0.01)
    rig.left.give(200 * MS)
    sample = until(rig.camera, both)
    assert sample.frame.stamp_ns == 200 * MS
    assert kinds(sample.health)[-1] == (Eye.RIGHT, "unplugged", False)
    assert rig.camera.statistics.reconnects == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (cv2.error("VIDIOC_STREAMON"), "eyeball: VIDIOC_STREAMON"),
        (None, "eyeball: busy"),
    ],
)
def test_whatever_goes_wrong_the_eye_is_tried_again_and_the_reason_told(
    rig: Rig, wrong: Exception | None, why: str
) -> None:
    until(rig.camera, both)
    assert rig.camera.trouble == ""
    rig.right.busy, rig.right.wrong = True, wrong
    rig.right.give(None if wrong is None else -1)  # ends, or breaks, as it is read
    tries = rig.right.opened
    while rig.right.opened < tries + 3:
        rig.camera.wait(0.001)
    assert why in rig.camera.trouble
    rig.right.busy = False
    rig.right.give(200 * MS)
    while rig.camera.statistics.reconnects < 1:
        rig.camera.wait(0.01)
    assert rig.camera.trouble == ""
    rig.left.give(200 * MS)
    assert until(rig.camera, both).frame.stamp_ns == 200 * MS


@pytest.mark.parametrize("dead", [Eye.LEFT, Eye.RIGHT])
def test_one_eye_is_enough_to_start_where_that_is_asked_for(dead: Eye) -> None:
    eyes = {Eye.LEFT: Eyeball(PAIR[0]), Eye.RIGHT: Eyeball(PAIR[1])}
    alive = next(eyeball for eye, eyeball in eyes.items() if eye is not dead)
    eyes[dead].busy, eyes[dead].gone = True, True
    alive.give(1 * MS)
    with LiveCamera(list(eyes.values()), RECTIFIER, options=replace(QUICK, alone=True)) as camera:
        sample = until(camera, lambda _: True)
        assert (sample.frame.left is None, sample.frame.right is None) == (
            *(dead is Eye.LEFT, dead is Eye.RIGHT),
        )
        assert kinds(sample.health) == [(dead, "unplugged", True)]
        while camera.trouble != "eyeball: busy":
            camera.wait(0.001)
        eyes[dead].busy = eyes[dead].gone = False
        eyes[dead].give(100 * MS)
        alive.give(100 * MS)
        while sum(stream.received for stream in camera._streams) < 3:
            camera.wait(0.001)
        assert camera.statistics.reconnects == 1
        assert until(camera, both).frame.stamp_ns == 100 * MS


def test_without_any_eye_there_is_no_start_and_else_both_are_needed() -> None:
    for options, busy in ((replace(QUICK, alone=True), (True, True)), (QUICK, (False, True))):
        eyes = [Eyeball(picture, b, gone=b) for picture, b in zip(PAIR, busy, strict=True)]
        eyes[0].give(1 * MS)
        with pytest.raises(UserError, match="busy"):
            LiveCamera(list(eyes), RECTIFIER, options=options).start()


def test_pictures_of_another_size_are_said() -> None:
    eyes = [Eyeball(PAIR[0]), Eyeball(PAIR[1][:50])]
    for eye in eyes:
        eye.give(1 * MS)
    with pytest.raises(UserError, match=r"128 x 96 px \(gives 128 x 50 px, not 128 x 96\)"):
        LiveCamera(list(eyes), RECTIFIER, options=QUICK).start()


def test_a_full_disk_is_an_error_of_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=r"cat: no temporary file can be made \(No space left"):
        PipeCapture(("cat",), MODE).open()


def test_stamps_that_run_backwards_are_dropped(rig: Rig) -> None:
    until(rig.camera, both)
    rig.give([0, 100 * MS], [0, 100 * MS])
    assert until(rig.camera, both).frame.stamp_ns == 100 * MS


# What a text names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtsp://host/stream", ["ffmpeg", "rtsp://host/stream", "tcp", "gray", "scale=256:96"]),
        ("http://host/stream.mjpg", ["ffmpeg", "http://host/stream.mjpg", "gray"]),
        ("csi:1", ["rpicam-vid", "--camera", "1", "yuv420", "256", "96"]),
        ("jetson:0", ["gst-launch-1.0", "sensor-id=0", "fdsink"]),
        ("pipe:cat 'my file'", ["cat", "my file"]),
    ],
)
def test_commands(text: str, words: list[str]) -> None:
    capture = capture_from(text, MODE)
    assert isinstance(capture, PipeCapture)
    for word in words:
        assert any(word in part for part in capture.command)
    assert capture.yuv420 == text.startswith("csi")


@pytest.mark.parametrize(
    ("rate_hz", "fraction"),
    [(30.0, "30/1"), (7.5, "15/2"), (0.1, "1/10"), (30000 / 1001, "30000/1001")],
)
def test_gstreamer_takes_rates_as_fractions(rate_hz: float, fraction: str) -> None:
    capture = capture_from("jetson:0", CameraMode(256, 96, rate_hz))
    assert isinstance(capture, PipeCapture)
    assert f"video/x-raw(memory:NVMM),framerate={fraction}" in capture.command


def test_devices_and_what_is_nothing(tmp_path: Path) -> None:
    assert isinstance(capture_from("/dev/video0", MODE), DeviceCapture)
    for text in ("csi:x", "csi:", "pipe:", "nonsense", ""):
        with pytest.raises(UserError, match="right is a device such as /dev/video0"):
            capture_from(text, MODE)
    with pytest.raises(UserError, match="not a command \\(No closing quotation"):
        capture_from("pipe:cat 'film", MODE)
    with pytest.raises(UserError, match=r"rtsp://host/a.mp4: does not say the size .* --size WxH"):
        capture_from("rtsp://me:secret@host/a.mp4")
