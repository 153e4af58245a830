"""The commands that read cameras which are no video devices.

In: which camera, and its mode. Out: program and arguments; it writes raw frames to its standard
output.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drone.onboard.sources.capture import CameraMode

COMPUTER = Path("/proc/device-tree/compatible")
"""What Linux calls the computer it runs on: its names and those of its chip, ended by zeros."""


def ffmpeg_command(url: str, mode: CameraMode) -> tuple[str, ...]:
    """Return the command that decodes whatever ffmpeg reads, with the least delay."""
    transport = ("-rtsp_transport", "tcp") if url.startswith("rtsp:") else ()
    return (
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-fflags", "nobuffer"),
        *("-flags", "low_delay", *transport, "-i", url),
        *("-vf", f"scale={mode.width}:{mode.height}", "-pix_fmt", "gray"),
        *("-f", "rawvideo", "pipe:1"),
    )


def rpicam_command(camera: int, mode: CameraMode) -> tuple[str, ...]:
    """Return the command that reads a CSI camera of a Raspberry Pi, as YUV 4:2:0."""
    size = ("--width", str(mode.width), "--height", str(mode.height))
    return (
        *("rpicam-vid", "--camera", str(camera), *size, "--framerate", f"{mode.rate_hz:g}"),
        *("--codec", "yuv420", "--timeout", "0", "--nopreview", "--flush", "--output", "-"),
    )


def rpicam_row_bytes(width: int, compatible: bytes) -> int:
    """Return the length of a grey row as `rpicam_command` writes it, bytes.

    libcamera pads the rows of grey to 64 bytes where the image processor is the VC4's (Raspberry
    Pi 4 and before); where it is the PiSP (Raspberry Pi 5), those of colour, half as long
    (rpicam-apps, issue 188; libcamera, `computeOptimalStride` in pipeline/rpi/pisp).

    Args:
        width: of a picture, px.
        compatible: as `computer` returns it.
    """
    unit = 128 if b"bcm2712" in compatible else 64
    return -(-width // unit) * unit


def computer() -> bytes:
    """Return the contents of `COMPUTER`, empty where there are none."""
    try:
        return COMPUTER.read_bytes()
    except OSError:
        return b""


def jetson_command(sensor: int, mode: CameraMode) -> tuple[str, ...]:
    """Return the command that reads a CSI camera of a Jetson, as grey."""
    size = f"width={mode.width},height={mode.height}"
    rate = "{}/{}".format(*Fraction(mode.rate_hz).limit_denominator(1001).as_integer_ratio())
    return (
        *("gst-launch-1.0", "-q", "nvarguscamerasrc", f"sensor-id={sensor}", "!"),
        *(f"video/x-raw(memory:NVMM),framerate={rate}", "!", "nvvidconv", "!"),
        *(f"video/x-raw,format=GRAY8,{size}", "!", "fdsink", "fd=1"),
    )
