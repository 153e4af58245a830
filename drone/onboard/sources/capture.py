"""One live stream of pictures: a video device, or the standard output of a command.

    /dev/video0 ─► OpenCV ────────────────────┐
    ffmpeg, rpicam-vid, ... ─► raw video ─► pipe ┴─► Shot: grey picture with the time of its capture

OpenCV's wheels have no GStreamer, so all that is no video device comes through a command that
writes raw frames: `ffmpeg` for network cameras, `rpicam-vid` or `gst-launch-1.0` for CSI cameras.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

import cv2
import numpy as np

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.eyefiles import is_video
from drone.messages import Image
from drone.onboard.sources.cameracommands import (
    computer,
    ffmpeg_command,
    jetson_command,
    rpicam_command,
    rpicam_row_bytes,
)
from drone.onboard.sources.images import quiet_decoders
from drone.onboard.sources.video import grey

STOP_S = 2.0
"""Time that a command gets to end by itself."""
PLAUSIBLE_DELAY_NS = ns_from_s(1.0)
"""A driver's stamp that is older than this, or of the future, is by another clock."""
FAILED = (UserError, OSError, cv2.error)
"""What opening or reading a camera may raise; in flight all of it passes, perhaps."""

_NETWORK = ("rtsp", "http", "https", "udp", "tcp")
_NAMES = "a device such as /dev/video0, rtsp://..., csi:0, jetson:0, or pipe:COMMAND"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture.

    Attributes:
        stamp_ns: of capture, monotonic.
        picture: (H, W) uint8.
    """

    stamp_ns: int
    picture: Image


@dataclass(frozen=True, slots=True)
class CameraMode:
    """What a camera is asked for.

    Attributes:
        width: of a picture, px.
        height: of a picture, px.
        rate_hz: pictures per second.
    """

    width: int
    height: int
    rate_hz: float = 30.0


class Capture(Protocol):
    """A stream of pictures; opened, read and closed by one thread."""

    @property
    def name(self) -> str:
        """Of the device or command, for messages."""
        ...

    def open(self) -> None:
        """Open it, anew if it was closed.

        Raises:
            UserError: it is missing, busy or something else; the message says what is right.
        """
        ...

    def read(self) -> Shot | None:
        """Wait for the next picture; None once it gives no more: unplugged, ended, died."""
        ...

    @property
    def trouble(self) -> str:
        """What it said itself of why it gives no pictures; empty where it says nothing."""
        ...

    def interrupt(self) -> None:
        """Let a waiting `read` end soon, a second time by force; another thread may call this."""
        ...

    def close(self) -> None:
        """Free it; a second call does nothing."""
        ...


def read_or_why(capture: Capture) -> tuple[Shot | None, str]:
    """Return the next picture, or why there is none."""
    try:
        shot = capture.read()
    except FAILED as error:
        return None, str(error)
    return shot, "" if shot is not None else capture.trouble


@dataclass
class DeviceCapture:
    """A video device, or a film that stands in for one, through OpenCV.

    Attributes:
        path: `/dev/video0`, or of a film.
        mode: asked of a device, None takes what it gives.
        delay_s: time from exposure to arrival, subtracted where the driver does not say when.
        clock_ns: monotonic.
    """

    path: str
    mode: CameraMode | None = None
    delay_s: float = 0.0
    clock_ns: Callable[[], int] = time.monotonic_ns
    _capture: cv2.VideoCapture | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    def open(self) -> None:
        """Open the device; raises as `Capture.open`."""
        self.close()
        if not Path(self.path).exists():
            cameras = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
            raise UserError(f"{self.path}: no such camera or film; cameras here: {cameras}")
        if not os.access(self.path, os.R_OK):
            raise UserError(
                f"{self.path}: may not be read; right is a user in the group of the device (video)"
            )
        quiet_decoders()
        capture = cv2.VideoCapture(self.path, cv2.CAP_V4L2 if self._is_device else cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise UserError(
                f"{self.path}: cannot be opened; is it a camera, and does no other program use it "
                f"(fuser -v {self.path})?"
            )
        self._capture = capture
        if self._is_device:
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            if self.mode is not None:
                self._ask(capture, self.mode)

    def _ask(self, capture: cv2.VideoCapture, mode: CameraMode) -> None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.height)
        capture.set(cv2.CAP_PROP_FPS, mode.rate_hz)
        width, height = (
            int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if (width, height) != (mode.width, mode.height):
            self.close()
            raise UserError(
                f"{self.path}: gives {width} x {height} px where {mode.width} x {mode.height} was "
                "asked for; right is a mode of the camera "
                f"(v4l2-ctl -d {self.path} --list-formats-ext)"
            )

    def read(self) -> Shot | None:
        """Wait for the next picture, None if there is none."""
        if self._capture is None:
            return None
        done, picture = self._capture.read()
        return Shot(self._stamp_ns(), grey(picture)) if done else None

    def _stamp_ns(self) -> int:
        """Return the driver's time of capture, which is monotonic; else by that of arrival."""
        now_ns = self.clock_ns()
        arrived_ns = now_ns - ns_from_s(self.delay_s)
        if not self._is_device or self._capture is None:
            return arrived_ns
        driver_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return driver_ns if 0 <= now_ns - driver_ns <= PLAUSIBLE_DELAY_NS else arrived_ns

    @property
    def trouble(self) -> str:
        """Nothing: OpenCV does not say."""
        return ""

    def interrupt(self) -> None:
        """Do nothing: OpenCV ends a silent device's `read` by itself."""

    def close(self) -> None:
        """Free the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    @property
    def _is_device(self) -> bool:
        return self.path.startswith("/dev/")


@dataclass
class PipeCapture:
    """A command that writes raw pictures to its standard output.

    Attributes:
        command: program and arguments.
        mode: size of the pictures that it writes.
        yuv420: it writes YUV 4:2:0 (the grey plane and half as much of colour), else plain grey.
        row_bytes: length of a grey row with its padding; 0: the width, there is none.
        delay_s: time from exposure to arrival, subtracted from stamps.
        clock_ns: monotonic.
        title: what a user called it; empty: the command line.
    """

    command: Sequence[str]
    mode: CameraMode
    yuv420: bool = False
    row_bytes: int = 0
    delay_s: float = 0.0
    clock_ns: Callable[[], int] = time.monotonic_ns
    title: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _errors: IO[bytes] | None = field(default=None, repr=False)
    _interrupted: bool = field(default=False, repr=False)

    @property
    def name(self) -> str:
        """What a user called it, or the command line."""
        return without_password(self.title or shlex.join(self.command))

    def open(self) -> None:
        """Start the command; raises as `Capture.open`."""
        self.close()
        self._interrupted = False
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        except OSError as error:
            raise UserError(
                f"{self.name}: no temporary file can be made ({error.strerror}); right is a folder "
                "with room for it, named by TMPDIR"
            ) from error
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is the program's, which ends the command itself
            )
        except OSError as error:
            self.close()
            raise UserError(
                f"{self.command[0]}: cannot be started ({error.strerror}); right is a program that "
                "is installed and writes raw video to its standard output"
            ) from error

    def read(self) -> Shot | None:
        """Wait for the next picture, None once the command has ended."""
        process = self._process
        if process is None or process.stdout is None:
            return None
        width, height = self.mode.width, self.mode.height
        row_bytes = self.row_bytes or width
        grey_bytes = row_bytes * height
        try:
            data = process.stdout.read(grey_bytes * 3 // 2 if self.yuv420 else grey_bytes)
        except (OSError, ValueError):  # closed meanwhile
            return None
        if len(data) < grey_bytes:
            return None
        rows = np.frombuffer(data, np.uint8, grey_bytes).reshape(height, row_bytes)
        picture = np.ascontiguousarray(rows[:, :width])
        return Shot(self.clock_ns() - ns_from_s(self.delay_s), picture)

    @property
    def trouble(self) -> str:
        """The last line that the command wrote to its standard error, empty if none."""
        if self._errors is None:
            return ""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 2000))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return without_password(lines[-1]) if lines else ""

    def interrupt(self) -> None:
        """End the command."""
        process = self._process
        if process is not None and self._interrupted:
            process.kill()
        elif process is not None:
            process.terminate()
        self._interrupted = process is not None

    def close(self) -> None:
        """End the command and free its pipes."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        errors, self._errors = self._errors, None
        if errors is not None:
            errors.close()


def capture_from(text: str, mode: CameraMode | None = None, delay_s: float = 0.0) -> Capture:
    """Return the capture that a text names.

    Args:
        text: `/dev/video0`; a network camera, `rtsp://...` or `http://...` (through ffmpeg);
            `csi:0` (through rpicam-vid); `jetson:0` (through gst-launch-1.0); `pipe:COMMAND`, any
            command that writes grey raw video; or a film, which stands in for a device.
        mode: size and rate of the pictures; None takes what a device or film gives.
        delay_s: time from exposure to arrival.

    Raises:
        UserError: none of these, or a command's pictures without a size.
    """
    film = os.path.isfile(text) or (is_video(text) and "://" not in text)
    if text.startswith("/dev/") or film:
        return DeviceCapture(text, mode, delay_s)
    scheme, _, rest = text.partition(":")
    if scheme not in (*_NETWORK, "csi", "jetson", "pipe") or not rest.strip():
        raise UserError(f"camera {without_password(text)!r}: right is {_NAMES}")
    if mode is None:
        raise UserError(
            f"{without_password(text)}: does not say the size of its pictures; right is --size "
            "WxH, such as --size 640x480 of one eye"
        )
    return replace(_pipe(scheme, text, mode), delay_s=delay_s)


def _pipe(scheme: str, text: str, mode: CameraMode) -> PipeCapture:
    rest = text.partition(":")[2]
    if scheme in _NETWORK:
        return PipeCapture(ffmpeg_command(text, mode), mode, title=text)
    if scheme == "csi" and rest.isdigit():
        row_bytes = rpicam_row_bytes(mode.width, computer())
        command = rpicam_command(int(rest), mode)
        return PipeCapture(command, mode, yuv420=True, row_bytes=row_bytes, title=text)
    if scheme == "jetson" and rest.isdigit():
        return PipeCapture(jetson_command(int(rest), mode), mode, title=text)
    if scheme != "pipe":
        raise UserError(f"camera {text!r}: right is {_NAMES}")
    try:
        return PipeCapture(tuple(shlex.split(rest)), mode)
    except ValueError as error:  # a quotation that does not end
        raise UserError(f"camera {text!r}: not a command ({error})") from error


def without_password(text: str) -> str:
    """Return a text in which addresses have lost their user and password."""
    return re.sub(r"://[^/@\s]*@", "://", text)
